//! Recorded calls under policies whose answers are known.

use super::*;
use crate::plan::{Host, Plan};

/// A recorded call that was allowed.
fn access(call: &str, object: &str) -> String {
    let call = crate::syscalls::parse_call(call).expect(call);
    let args = call.args.map(|arg| format!("\"{arg:#x}\"")).join(",");
    format!(
        "{{\"event\":\"access\",\"time\":1.0,\"pid\":5,\"tid\":5,\"syscall\":\"x\",\"nr\":{},\"args\":[{args}],{object}}}",
        call.nr
    )
}

fn path(access: &str, path: &str) -> String {
    let open = super::tests::access("openat(AT_FDCWD, \"x\", O_RDONLY)", "@");
    let object = format!(
        "\"path\":{{\"access\":\"{access}\",\"given\":\"x\",\"resolved\":\"{path}\"}},\"peer\":null"
    );
    open.replace('@', &object)
}

fn peer(way: &str, endpoint: &str, names: &str) -> String {
    let object = format!(
        "\"path\":null,\"peer\":{{\"way\":\"{way}\",\"endpoint\":\"{endpoint}\",\"names\":[{names}]}}"
    );
    access("connect(3, \"\")", &object)
}

/// The policy of every test, with more.
fn under(more: &str, lines: &[String]) -> Outcome {
    let text =
        format!("[syscalls]\n\"@file-system\" = \"allow\"\n\"@network-io\" = \"allow\"\n{more}");
    let policy = Policy::parse(&text, "p.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let plan = Plan::new(&policy, &Host::newest()).expect("a plan");
    let journal = Journal::read(lines.join("\n").as_bytes()).expect("a log");
    assert_eq!(journal.problems, [], "{lines:#?}");
    replay(&journal, &policy, &plan)
}

fn groups(list: &[Group]) -> Vec<(&str, usize)> {
    list.iter()
        .map(|it| (it.example.as_str(), it.count))
        .collect()
}

#[test]
fn what_was_allowed_and_would_be_denied_is_found_and_counted() {
    let lines = [
        "{\"event\":\"exec\",\"time\":1.0,\"pid\":5,\"ancestry\":[\"sh\",\"cat\"]}".to_owned(),
        path("read", "/a/x"),
        path("read", "/b/x"),
        path("read", "/b/y"),
        path("write", "/a/x"),
        path("read", "/proc/5/status"),
        peer("connect", "10.0.0.1:80", ""),
        peer("connect", "udp://10.0.0.1:80", ""),
        peer("connect", "unix:/a/sock", ""),
        peer("connect", "unix:@name", ""),
    ];
    let policy = "[fs]\nread = [\"/a\", \"/proc/self\"]\n[net]\nconnect = [\"10.0.0.1:80\", \"unix:@name\"]\n";
    let outcome = under(policy, &lines);
    let expected = [
        ("read /b/x", 2),
        ("write /a/x", 1),
        ("connect udp://10.0.0.1:80", 2),
    ];
    assert_eq!(groups(&outcome.denied), expected);
    assert_eq!(outcome.denied[0].line, 3);
    assert_eq!(outcome.denied[0].program.as_deref(), Some("cat"));
    assert_eq!((outcome.same, outcome.calls), (4, 9));
    assert!(outcome.undecidable.is_empty());
}

#[test]
fn what_the_log_does_not_tell_is_undecidable_with_the_reason() {
    let argv = "execve = \"allow\"\n[fs]\nexec = [\"/a\"]\nread = [\"/a\"]\n[[rule]]\nsyscall = \"openat\"\n\
        path = \"/a\"\naction = \"deny\"\n[[rule]]\nsyscall = \"execve\"\nargv = [\"git\", \"**\"]\naction = \"deny\"\n";
    let exec = access(
        "execve(\"x\")",
        "\"path\":{\"access\":\"exec\",\"given\":\"x\",\"resolved\":\"/a/git\"},\"peer\":null",
    );
    for (policy, line, why) in [
        (
            "[fs]\nread = [\"/\"]\n",
            path("read", "/a/\u{fffd}"),
            Undecidable::NotText,
        ),
        (argv, exec, Undecidable::Arguments),
        (
            "[net]\nconnect = [\"a.example:80\"]\n",
            peer("connect", "10.0.0.1:80", ""),
            Undecidable::Names,
        ),
        (
            "[net]\nconnect = [\"private:80\"]\n",
            peer("connect", "10.0.0.1:80", ""),
            Undecidable::Own,
        ),
        (
            "[net]\nconnect = [\"*\"]\n",
            peer("connect", "nonsense", ""),
            Undecidable::Endpoint,
        ),
        (
            "[fs]\nread = [\"/\"]\n",
            path("stroke", "/a"),
            Undecidable::Access,
        ),
    ] {
        let outcome = under(policy, std::slice::from_ref(&line));
        let [group] = outcome.undecidable.as_slice() else {
            panic!("{why:?}: {outcome:#?}");
        };
        assert_eq!(group.reason, why.to_string());
        assert_eq!(group.action, None);
    }
    // With what is needed it is decided.
    let named = peer("connect", "10.0.0.1:80", "\"a.example\"");
    assert_eq!(
        under("[net]\nconnect = [\"a.example:80\"]\n", &[named]).same,
        1
    );
    assert_eq!(under(argv, &[path("read", "/a/x")]).denied.len(), 1);
}

/// The denials of the manual.
#[test]
fn denials_are_decided_again() {
    let manual = include_str!("../../docs/log.md");
    let denied = manual.lines().filter(|line| {
        line.starts_with("{\"event\":\"denied\"") || line.starts_with("{\"event\":\"killed\"")
    });
    let lines: Vec<String> = denied.map(str::to_owned).collect();
    assert_eq!(lines.len(), 4);
    let open = "[fs]\nread = [\"/work\"]\n[net]\nconnect = [\"93.184.216.34:80\"]\n";
    let outcome = under(
        &format!("socket = \"allow\"\nioctl = \"allow\"\n{open}"),
        &lines,
    );
    let expected = [
        ("socket(AF_INET, SOCK_STREAM, IPPROTO_IP)", 1),
        ("read /work/.env", 1),
        ("connect 93.184.216.34:80", 1),
    ];
    let mut allowed = groups(&outcome.allowed);
    allowed.retain(|(example, _)| !example.starts_with("ioctl"));
    assert_eq!(allowed, expected);
    let closed = under("socket = \"ENOSYS\"\nioctl = \"deny\"\n", &lines);
    assert!(closed.allowed.is_empty(), "{:?}", groups(&closed.allowed));
    // The path and the peer get the same errno.
    assert_eq!(closed.same, 2);
    assert_eq!(closed.answers.len(), 2);
}

const BUILD: &str = "[fs]\nread = [\"/a\"]\n[domain.build]\non-exec = [\"/b\"]\n\
    fs = { deny = [\"/a/secret\"] }\n[domain.test]\non-exec = [\"/t\"]\nfs = { deny = [\"/a/secret\", \"/a/x\"] }\n";

/// The event `exec` of the process that makes all calls here, and the one before it.
fn ran(domains: &str, within: &str) -> [String; 2] {
    [
        format!(
            "{{\"event\":\"start\",\"time\":1.0,\"version\":1,\"pid\":5,\"program\":\"/bin/sh\",\"command\":[\"sh\"],\"policy\":\"p\"{domains}}}"
        ),
        format!("{{\"event\":\"exec\",\"time\":1.0,\"pid\":4,\"ancestry\":[\"sh\"]{within}}}"),
    ]
}

fn spawn() -> String {
    "{\"event\":\"spawn\",\"time\":1.0,\"pid\":4,\"child\":5,\"thread\":false}".to_owned()
}

#[test]
fn a_call_is_decided_by_the_domains_of_its_process() {
    let both = ",\"domains\":[\"build\",\"test\"]";
    let lines = |within: &str| {
        let [start, exec] = ran(both, &format!(",\"domains\":[{within}]"));
        let calls = ["/a/secret", "/a/x"].map(|at| path("read", at));
        [vec![start, exec, spawn()], calls.to_vec()].concat()
    };
    for (within, denied) in [
        ("", &[][..]),
        ("\"build\"", &["read /a/secret"][..]),
        ("\"build\",\"test\"", &["read /a/secret", "read /a/x"]),
        // The policy has none of this name any more.
        ("\"gone\"", &[]),
    ] {
        let outcome = under(BUILD, &lines(within));
        let found: Vec<&str> = groups(&outcome.denied).iter().map(|(it, _)| *it).collect();
        assert_eq!(found, denied, "{within}");
        assert!(outcome.untold.is_empty() && outcome.undecidable.is_empty());
    }
    let outcome = under(BUILD, &lines("\"build\""));
    assert!(
        outcome.denied[0]
            .reason
            .starts_with("domain build: p.toml:")
    );
}

/// What no domain denies is decided all the same.
#[test]
fn a_log_that_does_not_tell_of_a_domain_leaves_what_it_denies_undecidable() {
    let calls = ["/a/secret", "/a/y"].map(|at| path("read", at)).to_vec();
    let [start, exec] = ran(",\"domains\":[\"test\"]", ",\"domains\":[]");
    let outcome = under(BUILD, &[vec![start, exec, spawn()], calls.clone()].concat());
    assert_eq!(outcome.untold, ["build"]);
    assert_eq!(groups(&outcome.undecidable), [("read /a/secret", 1)]);
    assert_eq!(
        outcome.undecidable[0].reason,
        Undecidable::Domain.to_string()
    );
    assert_eq!(outcome.same, 1);
    // A log of a version that did not write them, and a process of unknown origin.
    let [start, exec] = ran("", "");
    let old = under(BUILD, &[vec![start, exec, spawn()], calls.clone()].concat());
    assert_eq!(old.untold, ["build", "test"]);
    assert_eq!(groups(&old.undecidable), [("read /a/secret", 1)]);
    let [start, _] = ran(",\"domains\":[\"build\",\"test\"]", "");
    let lost = under(BUILD, &[vec![start], calls].concat());
    assert_eq!((lost.untold.len(), lost.undecidable.len()), (0, 1));
}
