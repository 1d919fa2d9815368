//! What `jail explain` prints.

use super::*;
use crate::plan::{MemoryCgroup, ProcElsewhere};

const NET: &str = "\
default = \"deny\"

[syscalls]
\"@network-io\" = \"allow\"
socket = { action = \"deny\", why = \"no network\" }

[[rule]]
syscall = \"socket\"
when    = \"domain == AF_UNIX\"
action  = \"allow\"
";

const HOST: Host = Host {
    landlock_abi: 7,
    kernel: (6, 18),
    memory: MemoryCgroup::None,
    namespaces: true,
    memory_files: true,
    proc_elsewhere: ProcElsewhere::NOWHERE,
};

const PLAIN: View = View {
    color: false,
    width: None,
};

fn explained(text: &str, call: Option<&str>, view: View) -> Result<String, ExplainError> {
    explained_on(&HOST, text, call, view)
}

fn explained_on(
    host: &Host,
    text: &str,
    call: Option<&str>,
    view: View,
) -> Result<String, ExplainError> {
    let policy = Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let mut out = Vec::new();
    run(&policy, host, call, view, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_call_is_explained_by_what_decided_and_what_lost() {
    assert_eq!(
        explained(NET, Some("socket(AF_INET, SOCK_DGRAM, 0)"), PLAIN).unwrap(),
        "\
socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)
verdict      denied with EPERM
decided by   net.toml:5 socket: no network
             socket = { action = \"deny\", why = \"no network\" }
enforced by  filter, supervisor; cost: 1 stop per call
also said    net.toml:7 socket when domain == AF_UNIX = \"allow\": its condition does not hold
             net.toml:4 \"@network-io\" = \"allow\": less specific
             net.toml:1 default = \"deny\": less specific

to allow: add to net.toml
[[rule]]
syscall = \"socket\"
when = \"domain == AF_INET\"
action = \"allow\"
"
    );
}

#[test]
fn an_allowed_call_needs_no_advice() {
    let text = explained(NET, Some("socket(AF_UNIX, SOCK_STREAM, 0)"), PLAIN).unwrap();
    assert!(text.contains("\nverdict      allowed\n"), "{text}");
    assert!(
        text.contains("net.toml:7 socket when domain == AF_UNIX\n"),
        "{text}"
    );
    assert!(!text.contains("to allow"), "{text}");
}

#[test]
fn a_call_aimed_at_another_process_tells_what_it_depends_on() {
    let text = explained("default = \"allow\"", Some("prlimit64(7)"), PLAIN).unwrap();
    assert!(text.contains("allowed for targets in the jail"), "{text}");
    assert!(text.contains("provided that"), "{text}");
    assert!(text.contains("no-foreign-limits"), "{text}");
}

#[test]
fn the_table_has_each_entry_with_its_line_action_and_enforcer() {
    let text = explained(NET, None, PLAIN).unwrap();
    let row = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        let line = found.unwrap_or_else(|| panic!("no {start}:\n{text}"));
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row("net.toml:5")[1..4],
        ["socket", "deny", "filter, supervisor"]
    );
    assert_eq!(
        row("net.toml:7")[1..4],
        ["socket when domain == AF_UNIX", "allow", "filter"]
    );
    assert_eq!(row("no-clone3")[1..4], ["clone3", "ENOSYS", "filter"]);
    assert_eq!(row("net.toml:1")[2..4], ["deny", "filter, supervisor"]);
    assert!(row("net.toml:4")[1].starts_with("@network-io ("), "{text}");
    assert!(text.contains("Linux 6.18 with Landlock 7"), "{text}");
}

const PORTS: &str = "\
extends = [\"base\"]

[fs]
read = [\"/usr\"]
write = [\"/usr/lib\"]

[net]
connect = [\"udp://*:53\", \"*:443\", \"unix:/usr/bin\"]
listen = [\"udp://*:5353\"]
";

#[test]
fn each_rule_names_the_landlock_abi_that_it_uses() {
    let rows = |abi| {
        let host = Host {
            landlock_abi: abi,
            ..Host::newest()
        };
        let text = explained_on(&host, PORTS, None, PLAIN).unwrap();
        let cells = |line: &str| {
            let cells = line.split("  ").map(str::trim);
            let cells: Vec<_> = cells.filter(|cell| !cell.is_empty()).collect();
            cells[1..].join(" | ")
        };
        let own = text.lines().filter(|line| line.starts_with("net.toml:"));
        own.map(cells).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        rows(11),
        "\
fs.read \"/usr\" | allow | Landlock 1 | a subtree | none
fs.write \"/usr/lib\" | allow | Landlock 3 | a subtree; the supervisor sees changes of metadata | 1 stop per chmod, chown, utimes
net.connect \"udp://*:53\" | allow | supervisor over Landlock 10 | Landlock alone decides about datagrams, by port | 1 stop per connect
net.connect \"*:443\" | allow | supervisor over Landlock 4 | addresses are in memory | 1 stop per connect
net.connect \"unix:/usr/bin\" | allow | supervisor over Landlock 9 | Landlock alone decides about datagrams, by directory | 1 stop per connect
net.listen \"udp://*:5353\" | allow | supervisor over Landlock 10 | addresses are in memory | 1 stop per bind or listen"
    );
    assert_eq!(
        rows(8),
        "\
fs.read \"/usr\" | allow | Landlock 1 | a subtree | none
fs.write \"/usr/lib\" | allow | Landlock 3 | a subtree; the supervisor sees changes of metadata | 1 stop per chmod, chown, utimes
net.connect \"udp://*:53\" | allow | supervisor | addresses are in memory | 1 stop per connect or sendmsg
net.connect \"*:443\" | allow | supervisor over Landlock 4 | addresses are in memory | 1 stop per connect or sendmsg
net.connect \"unix:/usr/bin\" | allow | supervisor over Landlock 6 | only the supervisor knows paths of sockets | 1 stop per connect or sendmsg
net.listen \"udp://*:5353\" | allow | supervisor | addresses are in memory | 1 stop per bind or listen"
    );
    let host = Host {
        landlock_abi: 10,
        ..Host::newest()
    };
    let open = "extends = [\"base\"]\n[net]\nconnect = [\"udp://*:53\", \"unix:*\"]\n";
    for (question, enforced) in [
        ("connect udp://192.0.2.1:53", "Landlock 10; cost: none"),
        ("kill(7, SIGTERM)", "Landlock 6; cost: none"),
    ] {
        let text = explained_on(&host, open, Some(question), PLAIN).unwrap();
        assert!(text.contains(&format!("enforced by  {enforced}")), "{text}");
    }
}

#[test]
fn a_terminal_gets_lines_that_fit_and_nothing_is_lost() {
    let narrow = explained(
        NET,
        None,
        View {
            width: Some(100),
            ..PLAIN
        },
    )
    .unwrap();
    let table = narrow
        .split("\n\n")
        .filter(|part| !part.contains("instructions, on"));
    for line in table.flat_map(str::lines) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let words = |text: &str| {
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(words(&narrow), words(&explained(NET, None, PLAIN).unwrap()));
}

#[test]
fn a_text_that_is_no_call_gets_a_caret() {
    let error = explained(NET, Some("socket(AF_IN)"), PLAIN)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("not a call: "), "{error}");
    assert!(
        error.ends_with("    socket(AF_IN)\n           ^^^^^"),
        "{error}"
    );
}
