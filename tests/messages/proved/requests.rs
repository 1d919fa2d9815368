//! An entry to requests that it may decide, each in the words of `jail explain` and in those of `probe prove`.

use std::path::Path;

use super::place::{Place, program_in};
use jail::internal::syscalls::{group, parse_call};
use serde_json::Value;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    pub sentence: String,
    pub step: String,
}

/// An entry of the plan, as `explain --json` prints it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub section: String,
    pub list: String,
    pub text: String,
    pub place: String,
    pub allows: bool,
    pub enforcer: String,
    pub cost: String,
}

impl Entry {
    pub fn of(value: &Value) -> Entry {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Entry {
            section: text("section"),
            list: text("list"),
            text: text("text"),
            place: format!("{}:{}", text("file"), value["line"]),
            allows: text("action") == "allow",
            enforcer: text("enforcer"),
            cost: text("cost"),
        }
    }

    /// As messages name it: `fs.read "/usr"`.
    pub fn name(&self) -> String {
        format!("{} {}", self.list, self.text).trim().to_owned()
    }

    /// The text of the policy.
    pub fn written(&self) -> String {
        serde_json::from_str(&self.text).unwrap_or_else(|_| self.text.clone())
    }
}

/// The calls that are tried first: they change nothing.
const HARMLESS: &[&str] = &["getpid", "getppid", "pkey_free"];

/// The calls that are never tried: they end or block the caller, or would harm the host if a denial failed.
const NEVER: &[&str] = &[
    "clone",
    "clone3",
    "close",
    "close_range",
    "exit",
    "exit_group",
    "fork",
    "pause",
    "kexec_file_load",
    "kexec_load",
    "rt_sigreturn",
    "rt_sigsuspend",
    "seccomp",
    "uprobe",
    "uretprobe",
    "vfork",
    "vhangup",
];

/// Requests that this entry may decide, the likeliest first.
pub fn requests(entry: &Entry, place: &Place) -> Vec<Request> {
    match entry.section.as_str() {
        "fs" => of_path(entry, place),
        "net" => of_peer(entry, place),
        "syscalls" => of_calls(entry),
        "default" => of_default(place),
        other => panic!("no requests for the section {other}: {entry:?}"),
    }
}

fn request(verb: &str, object: impl std::fmt::Display) -> Request {
    let sentence = format!("{verb} {object}");
    Request {
        step: sentence.clone(),
        sentence,
    }
}

fn of_path(entry: &Entry, place: &Place) -> Vec<Request> {
    let written = entry.written();
    let verbs: &[&str] = match entry.list.as_str() {
        "fs.read" | "fs.deny" => &["read"],
        "fs.hide" => &["read", "stat"],
        "fs.exec" => &["exec"],
        _ => &["write"],
    };
    if written == "$TMPDIR" {
        // The run makes it.
        let made = |verb: &&str| Request {
            sentence: format!("{verb} $TMPDIR/x"),
            step: format!(
                "{} $TMPDIR/x",
                if *verb == "write" { "create" } else { verb }
            ),
        };
        return verbs.iter().map(made).collect();
    }
    let path = place.expand(&written);
    let inner = path.join("x");
    let objects = match (verbs.first(), inner.exists(), path.is_dir()) {
        (_, true, _) => vec![inner],
        (Some(&"exec"), _, true) => program_in(&path).into_iter().collect(),
        _ => vec![path],
    };
    let pairs = objects
        .iter()
        .flat_map(|object| verbs.iter().map(move |verb| (verb, object)));
    pairs
        .map(|(verb, object)| request(verb, object.display()))
        .collect()
}

fn of_peer(entry: &Entry, place: &Place) -> Vec<Request> {
    let written = entry.written();
    let verb = match entry.list.as_str() {
        "net.listen" => "listen",
        _ => "connect",
    };
    if let Some(name) = written.strip_prefix("unix:") {
        let names = match name.strip_prefix('@') {
            Some(_) => vec![
                place
                    .expand(name)
                    .strip_prefix(place.work())
                    .map(Path::to_path_buf)
                    .unwrap_or_default(),
            ],
            None if name == "$TMPDIR" => vec!["$TMPDIR/x".into()],
            None if name == "*" => vec!["@jail-test".into(), place.work().join("socket")],
            None => vec![place.expand(name).join("s"), place.expand(name)],
        };
        return names
            .iter()
            .map(|name| request(verb, format!("unix:{}", name.display())))
            .collect();
    }
    let (scheme, rest) = match written.strip_prefix("udp://") {
        Some(rest) => ("udp://", rest),
        None => ("", written.as_str()),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
        _ => (rest, "8999"),
    };
    let hosts: &[&str] = match host {
        "*" => &["127.0.0.1", "10.1.2.3"],
        "localhost" => &["127.0.0.1"],
        "public" => &["93.184.216.34"],
        // A name.
        host if !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err() => &[],
        literal => &[literal],
    };
    let first = port.split([',', '-']).find(|port| *port != "0");
    let port = match port.starts_with("0-") {
        true => "8",
        false => first.unwrap_or("8"),
    };
    hosts
        .iter()
        .map(|host| request(verb, format!("{scheme}{host}:{port}")))
        .collect()
}

fn call(text: String) -> Option<Request> {
    let call = parse_call(&text).ok()?;
    let args: Vec<String> = call.args.iter().map(u64::to_string).collect();
    Some(Request {
        sentence: text,
        step: format!("call {} {}", call.nr, args.join(" ")),
    })
}

fn of_calls(entry: &Entry) -> Vec<Request> {
    let (names, when) = entry.text.split_once(" when ").unwrap_or((&entry.text, ""));
    let names: Vec<&str> = names.split(", ").collect();
    if !when.is_empty() {
        return of_sockets(&names);
    }
    let members: Vec<&str> = match group(&entry.text) {
        Some(group) => group.set.iter().map(|syscall| syscall.name).collect(),
        None => names,
    };
    let first = HARMLESS
        .iter()
        .filter(|name| members.contains(name))
        .copied();
    let rest = members
        .iter()
        .copied()
        .filter(|_| !entry.allows || members.len() == 1);
    let rest = rest.filter(|name| !NEVER.contains(name));
    let text = |name: &str| match name {
        "pkey_free" => "pkey_free(99)".to_owned(),
        "socket" => "socket(AF_INET, SOCK_STREAM, 0)".to_owned(),
        name => format!("{name}()"),
    };
    first
        .chain(rest)
        .filter_map(|name| call(text(name)))
        .collect()
}

/// The rules of presets with a condition are about kinds of sockets.
fn of_sockets(names: &[&str]) -> Vec<Request> {
    let mut found = vec![];
    for name in names {
        for (domain, kind, protocol) in [(2, 1, 0), (16, 3, 5), (17, 3, 0), (40, 1, 0)] {
            found.extend(call(format!("{name}({domain}, {kind}, {protocol})")));
        }
    }
    found
}

fn of_default(place: &Place) -> Vec<Request> {
    let file = place.elsewhere();
    let files = ["read", "write", "exec"].map(|verb| request(verb, file.display()));
    let peers = ["connect 10.1.2.3:80", "listen 127.0.0.1:8999"].map(|text| Request {
        sentence: text.to_owned(),
        step: text.to_owned(),
    });
    let calls = ["acct", "getpid", "sethostname"].map(|name| call(format!("{name}()")));
    files
        .into_iter()
        .chain(peers)
        .chain(calls.into_iter().flatten())
        .collect()
}
