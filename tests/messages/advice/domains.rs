//! Every kind of denial once more, by a domain under a main policy that allows everything.

use super::kinds::{NOT_MET, Row, calls, check, check_remedy, closed_places, follow};
use super::kinds::{peers, places};
use crate::support::Dir;
use jail::internal::judge::Code;
use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener};

/// Codes that no domain can give, each with the reason.
const OF_NO_DOMAIN: [(Code, &str); 3] = [
    (Code::Baseline, "it is a protection of the jail"),
    (
        Code::SyscallClosed,
        "the protection answers before the domain",
    ),
    (Code::FsPolicyFile, "the main policy protects the files"),
];

/// The rows whose policy can be that of a domain, with it in one.
fn in_domain(row: Row) -> Option<Row> {
    let baseline = row.kind == "baseline" || row.kind == "policy-file";
    if baseline || row.policy.contains("[process]") || row.policy.contains("ptrace") {
        return None;
    }
    let (mut head, mut sections) = (String::new(), String::new());
    for line in row.policy.lines() {
        let table = line.trim_matches(['[', ']']);
        if ["fs", "net", "syscalls", "rule"].contains(&table) {
            sections += &line.replace(table, &format!("domain.d.{table}"));
            sections.push('\n');
        } else if line.starts_with("extends") {
            head += &format!("{line}\n");
        } else if !line.starts_with("default") {
            sections += &format!("{line}\n");
        }
    }
    let policy = format!(
        "default = \"allow\"\n\n[domain.d]\non-exec = [\n\"/**/files\",\n]\n{head}\n{sections}"
    );
    let says = ["fs", "net"]
        .iter()
        .fold(row.says.to_owned(), |says, table| {
            says.replace(&format!("[{table}]"), &format!("[domain.d.{table}]"))
        });
    Some(Row {
        policy: policy.leak(),
        says: says.replace("[[rule]]", "[[domain.d.rule]]").leak(),
        ..row
    })
}

/// The rows that a domain can give. `tree`: where the sockets are.
fn rows(tree: &str) -> Vec<Row> {
    let all = [peers(tree), places(""), closed_places(), calls()];
    all.into_iter().flatten().filter_map(in_domain).collect()
}

#[test]
fn what_a_domain_denies_is_allowed_by_the_advice_and_by_the_remedy() {
    let sockets = Dir::new();
    let at = |name: &str| sockets.path().join("s").join(name);
    fs::create_dir(sockets.path().join("s")).expect("a directory");
    let _stream = UnixListener::bind(at("[a]{b}$c")).expect("a socket");
    let _datagrams = UnixDatagram::bind(at("datagrams")).expect("a socket");
    let mut seen: Vec<String> = Vec::new();
    let rows = rows(&sockets.path().display().to_string());
    assert!(rows.len() > 40, "{}", rows.len());
    for row in rows {
        let _ = fs::remove_file(at("new"));
        check(&row, &follow(&row));
        let _ = fs::remove_file(at("new"));
        seen.extend(check_remedy(&row));
    }
    for code in Code::ALL {
        let met = seen.iter().any(|known| known == code.name());
        let mut others = NOT_MET.iter().chain(&OF_NO_DOMAIN);
        let why = others.find(|(other, _)| other == code);
        assert!(met != why.is_some(), "{}: {why:?} {seen:?}", code.name());
    }
}
