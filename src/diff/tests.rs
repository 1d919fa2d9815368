//! Policies whose differences are known, and generated pairs on which the judge is asked.

use super::*;
use crate::net::{Protocol, Way};
use crate::paths::Access;
use crate::policy::{Peer, Who};
use crate::syscalls::parse_call;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::path::PathBuf;

fn policy(text: &str) -> Policy {
    Policy::parse(text, "p.toml").unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn compared(before: &str, after: &str) -> Comparison {
    let (before, after) = (policy(before), policy(after));
    let sides = [&before, &after].map(|policy| Side::new(policy).expect("a plan"));
    compare(&sides[0], &sides[1])
}

/// The examples of a list.
fn examples(list: &[Difference]) -> Vec<String> {
    list.iter().map(|it| it.example.to_string()).collect()
}

#[track_caller]
fn widens(before: &str, after: &str, part: &str) {
    let found = compared(before, after);
    let shown = examples(&found.allowed);
    assert!(
        shown.iter().any(|it| it.contains(part)),
        "{part}: {shown:?}"
    );
    assert!(found.widens());
    let reverse = compared(after, before);
    let shown = examples(&reverse.denied);
    assert!(
        shown.iter().any(|it| it.contains(part)),
        "{part}: {shown:?}"
    );
    // Nothing else is wider.
    assert!(
        reverse.allowed.is_empty(),
        "{:?}",
        examples(&reverse.allowed)
    );
}

/// A command that may not make a socket reaches no peer.
#[test]
fn peers_differ_where_only_the_calls_to_them_do() {
    let policy = |action: &str| format!("default = \"allow\"\n[syscalls]\nsocket = \"{action}\"\n");
    widens(&policy("deny"), &policy("allow"), "connect ");
}

#[test]
fn the_same_policy_in_other_words_has_no_difference() {
    for (one, other) in [
        (
            "[fs]\nread = [\"/a\", \"/a/b\"]\n",
            "[fs]\nread = [\"/a\"]\n",
        ),
        (
            "[net]\nconnect = [\"10.0.0.0/8:80\"]\n",
            "[net]\nconnect = [\"10.0.0.0/9:80\", \"10.128.0.0/9:80\"]\n",
        ),
        (
            "[syscalls]\nread = \"allow\"\n",
            "[syscalls]\n\"@basic-io\" = \"deny\"\nread = \"allow\"\n",
        ),
    ] {
        let found = compared(one, other);
        let all = [&found.allowed, &found.denied].map(|list| examples(list));
        assert!(all.iter().all(Vec::is_empty), "{one} {other} {all:?}");
    }
}

#[test]
fn what_is_wider_has_an_example() {
    widens(
        "[fs]\nread = [\"/a/b\"]\n",
        "[fs]\nread = [\"/a\"]\n",
        "read /a",
    );
    widens(
        "[fs]\nread = [\"/a\"]\ndeny = [\"/a/s\"]\n",
        "[fs]\nread = [\"/a\"]\n",
        "read /a/s",
    );
    widens(
        "[fs]\nread = [\"/a\"]\ndeny = [\"/**/.env\"]\n",
        "[fs]\nread = [\"/a\"]\ndeny = [\"/a/.env\"]\n",
        "/.env",
    );
    widens(
        "[fs]\nread = [\"/a\"]\nhide = [\"/a/x\"]\n",
        "[fs]\nread = [\"/a\"]\ndeny = [\"/a/x\"]\n",
        "stat /a/x",
    );
    widens(
        "[fs]\nwrite = [\"/a\"]\nprotect = [\"/a/.git\"]\n",
        "[fs]\nwrite = [\"/a\"]\n",
        "write /a/.git",
    );
    widens(
        "[net]\nconnect = [\"10.0.0.1:80\"]\n",
        "[net]\nconnect = [\"10.0.0.1:80-81\"]\n",
        "connect 10.0.0.1:81",
    );
    widens(
        "[net]\nconnect = [\"10.0.0.0/8:80\"]\n",
        "[net]\nconnect = [\"10.0.0.0/7:80\"]\n",
        "connect 11.",
    );
    widens(
        "[net]\nconnect = [\"a.example:80\"]\n",
        "[net]\nconnect = [\"*.example:80\", \"a.example:80\"]\n",
        ".example:80",
    );
    widens(
        "[net]\nconnect = [\"unix:/run/a\"]\n",
        "[net]\nconnect = [\"unix:/run\"]\n",
        "connect unix:/run",
    );
    widens(
        "[net]\nconnect = [\"unix:@a\"]\n",
        "[net]\nconnect = [\"unix:@a*\"]\n",
        "connect unix:@a",
    );
    let rule = |when: &str| {
        format!("[[rule]]\nsyscall = \"ioctl\"\nwhen = \"{when}\"\naction = \"allow\"\n")
    };
    widens(
        &rule("request == TIOCSTI"),
        &rule("request in {TIOCSTI, TCGETS}"),
        "ioctl",
    );
    widens("", "[syscalls]\nmkdir = \"allow\"\n", "mkdir");
    let object = |path: &str| {
        format!(
            "default = \"allow\"\n[[rule]]\nsyscall = \"unlink\"\npath = \"{path}\"\naction = \"deny\"\n"
        )
    };
    widens(&object("/a"), &object("/a/b"), "unlink of /a");
    let argv = |words: &str| {
        format!(
            "default = \"allow\"\n[[rule]]\nsyscall = \"execve\"\nargv = [{words}]\naction = \"deny\"\n"
        )
    };
    widens(
        &argv("\"git\", \"**\""),
        &argv("\"git\", \"push\", \"**\""),
        "execve with",
    );
}

#[test]
fn limits_capabilities_and_namespaces_are_named() {
    let wider = [
        (
            "[limits]\nwall = \"10s\"\n",
            "[limits]\nwall = \"1m\"\n",
            "limits.wall",
        ),
        ("[limits]\nmemory = \"1MiB\"\n", "", "limits.memory"),
        ("", "[process]\ncaps = [\"CAP_CHOWN\"]\n", "process.caps"),
        ("[process]\nisolate = [\"net\"]\n", "", "process.isolate"),
        ("[process]\nenv.pass = [\"HOME\"]\n", "", "process.env.pass"),
    ];
    for (one, other, key) in wider {
        for (one, other, effect) in [(one, other, Effect::Wider), (other, one, Effect::Narrower)] {
            let found = compared(one, other);
            let change = found.settings.iter().find(|change| change.key == key);
            assert_eq!(change.map(|change| change.effect), Some(effect), "{key}");
            assert_eq!(found.widens(), effect == Effect::Wider, "{key}");
        }
    }
    let found = compared("", "[process]\numask = \"077\"\nenv.set = { A = \"b\" }\n");
    assert_eq!(found.settings.len(), 2);
    assert!(!found.widens());
}

#[test]
fn a_lift_is_wider_even_if_it_opens_nothing() {
    let one = "extends = [\"protect-credentials\"]\n";
    let other = format!("{one}[fs]\nlift = [{{ path = \"~/.npmrc\", why = \"the token\" }}]\n");
    let found = compared(one, &other);
    assert_eq!(found.lifts.len(), 1);
    assert!(found.widens());
}

#[test]
fn each_preset_is_as_wide_as_itself_and_a_preset_that_extends_another_is_compared_whole() {
    let preset = |name: &str| Policy::preset(name).expect("a preset");
    for (one, other, widens) in [("build", "build", false), ("offline", "net", true)] {
        let (one, other) = (preset(one), preset(other));
        let sides = [&one, &other].map(|policy| Side::new(policy).expect("a plan"));
        let found = compare(&sides[0], &sides[1]);
        assert_eq!(found.widens(), widens);
        assert_eq!(found.is_empty(), !widens);
        assert!(found.asked > 1000, "{}", found.asked);
    }
}

const NAMES: &[&str] = &["a", "b", "ab", "ba", "x.o", "ab.o"];
const GLOBS: &[&str] = &["*", "a*", "*.o", "*b", "{a,b}", "?", "**"];

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => proptest::sample::select(NAMES),
        1 => proptest::sample::select(GLOBS),
    ];
    proptest::collection::vec(part, 1..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn endpoint() -> impl Strategy<Value = String> {
    let host = proptest::sample::select(vec![
        "10.0.0.0/30",
        "10.0.0.1",
        "10.0.0.0/8",
        "*",
        "private",
        "public",
        "localhost",
        "a.example",
        "*.example",
        "[fd00::/16]",
        "9.0.0.0/8",
    ]);
    let ports = proptest::sample::select(vec!["80", "80-82", "82,90", "*"]);
    let scheme = proptest::sample::select(vec!["", "udp://"]);
    (scheme, host, ports).prop_map(|(scheme, host, ports)| format!("{scheme}{host}:{ports}"))
}

fn list(entry: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(entry, 0..most).prop_map(|entries| {
        let quoted: Vec<String> = entries.iter().map(|text| format!("{text:?}")).collect();
        format!("[{}]", quoted.join(", "))
    })
}

const WHEN: &[&str] = &[
    "domain == AF_INET",
    "domain != AF_UNIX",
    "domain in {AF_INET, AF_INET6}",
    "(type & 0xf) == SOCK_DGRAM",
    "domain < 10 && (type & SOCK_CLOEXEC) != 0",
    "!(protocol == 6) || domain == 2",
];

fn text() -> impl Strategy<Value = String> {
    let paths = (
        list(path(), 4),
        list(path(), 3),
        list(path(), 3),
        list(path(), 2),
        list(path(), 2),
    );
    let peers = (
        list(endpoint(), 4),
        list(endpoint(), 2),
        list(endpoint(), 3),
    );
    let action = || proptest::sample::select(vec!["allow", "deny", "kill", "ENOSYS"]);
    let rule = (proptest::sample::select(WHEN), action());
    let calls = (
        action(),
        action(),
        proptest::option::of(rule),
        any::<bool>(),
    );
    (paths, peers, calls).prop_map(|(paths, peers, calls)| {
        let (read, write, deny, hide, protect) = paths;
        let (connect, listen, closed) = peers;
        let (socket, mkdir, rule, open) = calls;
        let default = if open { "allow" } else { "deny" };
        let rule = rule.map_or(String::new(), |(when, action)| {
            format!("[[rule]]\nsyscall = \"socket\"\nwhen = \"{when}\"\naction = \"{action}\"\n")
        });
        format!(
            "default = \"{default}\"\n[fs]\nread = {read}\nwrite = {write}\ndeny = {deny}\nhide = {hide}\n\
             protect = {protect}\n[net]\nconnect = {connect}\nlisten = {listen}\ndeny = {closed}\n[syscalls]\n\
             \"@file-system\" = \"allow\"\n\"@network-io\" = \"allow\"\nsocket = \"{socket}\"\nmkdir = \"{mkdir}\"\n{rule}"
        )
    })
}

/// A request that the comparison has not chosen.
fn sample() -> impl Strategy<Value = Request> {
    let access = proptest::sample::select(vec![
        Access::Read,
        Access::Write,
        Access::Exec,
        Access::Stat,
        Access::Handle,
    ]);
    let names = proptest::sample::select(vec![
        "a", "b", "ab", "ba", "x.o", "ab.o", "q", "zz", "y.o", "a.o",
    ]);
    let path = proptest::collection::vec(names, 0..5)
        .prop_map(|parts| PathBuf::from(format!("/{}", parts.join("/"))));
    let ip = proptest::sample::select(vec![
        "10.0.0.0",
        "10.0.0.1",
        "10.0.0.3",
        "10.0.0.4",
        "10.255.255.255",
        "11.0.0.0",
        "9.9.9.9",
        "127.0.0.1",
        "fd00::1",
        "2001:4860::1",
        "::1",
    ]);
    let ip = proptest::option::of(ip.prop_map(|ip| ip.parse().expect("an address")));
    let name = proptest::option::of(proptest::sample::select(vec![
        "a.example",
        "b.example",
        "other.invalid",
    ]));
    let way = proptest::sample::select(vec![Way::Connect, Way::Listen]);
    let protocol = proptest::sample::select(vec![Protocol::Tcp, Protocol::Udp]);
    let port = proptest::sample::select(vec![0, 79, 80, 81, 82, 83, 90, 443]);
    let peer = (way, protocol, ip, name, port).prop_map(|(way, protocol, ip, name, port)| {
        let name = name.map(str::to_owned);
        Request::Peer(Peer {
            way,
            who: Who::Inet {
                protocol,
                ip,
                name,
                own: false,
                port,
            },
        })
    });
    let call = (0..12u64, 0..12u64, any::<bool>(), 0..8u64).prop_map(
        |(domain, kind, cloexec, protocol)| {
            let mut call = parse_call("socket(0, 0, 0)").expect("a call");
            let cloexec = if cloexec {
                libc::SOCK_CLOEXEC as u64
            } else {
                0
            };
            call.args = [domain, kind | cloexec, protocol, 0, 0, 0];
            Request::Call(call)
        },
    );
    prop_oneof![
        (access, path).prop_map(|(access, path)| Request::Path(access, path)),
        peer,
        call
    ]
}

/// Each pair of policies takes a third of a second.
const PAIRS: u32 = 60;

/// Without proptest's macro: it would let `PROPTEST_CASES` replace this number, which is bounded by time.
#[test]
fn the_comparison_agrees_with_the_judge() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(PAIRS));
    let pairs = (text(), text(), proptest::collection::vec(sample(), 200));
    let agrees = |(one, other, samples): (String, String, Vec<Request>)| {
        // Pairs that the language refuses say nothing.
        let (Ok(before), Ok(after)) = (
            Policy::parse(&one, "a.toml"),
            Policy::parse(&other, "b.toml"),
        ) else {
            return Ok(());
        };
        let sides = [&before, &after].map(|policy| Side::new(policy).expect("a plan"));
        let found = compare(&sides[0], &sides[1]);
        let allows =
            |side: &Side<'_>, request: &Request| side.decide(request).action == Action::Allow;
        for request in samples {
            match (allows(&sides[0], &request), allows(&sides[1], &request)) {
                (false, true) => {
                    prop_assert!(!found.allowed.is_empty(), "{request}\n{one}\n{other}")
                }
                (true, false) => {
                    prop_assert!(!found.denied.is_empty(), "{request}\n{one}\n{other}")
                }
                _ => {}
            }
            // The same kind of request, too.
            let same =
                |list: &[Difference]| list.iter().any(|it| it.example.kind() == request.kind());
            match (allows(&sides[0], &request), allows(&sides[1], &request)) {
                (false, true) => prop_assert!(same(&found.allowed), "{request}\n{one}\n{other}"),
                (true, false) => prop_assert!(same(&found.denied), "{request}\n{one}\n{other}"),
                _ => {}
            }
        }
        for difference in &found.allowed {
            prop_assert!(
                !allows(&sides[0], &difference.example) && allows(&sides[1], &difference.example)
            );
        }
        for difference in &found.denied {
            prop_assert!(
                allows(&sides[0], &difference.example) && !allows(&sides[1], &difference.example)
            );
        }
        Ok(())
    };
    if let Err(error) = runner.run(&pairs, agrees) {
        panic!("{error}");
    }
}

/// A policy with a domain; `more` is said of it.
fn with_domain(name: &str, programs: &str, more: &str) -> String {
    format!(
        "default = \"allow\"\n[domain.{name}]\non-exec = [{programs}]\nnet = {{ connect = [] }}\n[domain.{name}.fs]\ndeny = [\"/keys\"]\n{more}"
    )
}

#[test]
fn a_domain_that_denies_less_is_wider() {
    let domain = |more: &str| with_domain("build", "\"/x/build\"", more);
    let before = domain("write = [\"/out\"]\n[domain.build.syscalls]\nsync = \"deny\"\n");
    for (after, part) in [
        (
            domain("write = [\"/\"]\n[domain.build.syscalls]\nsync = \"deny\"\n"),
            "write /",
        ),
        (domain("write = [\"/out\"]\n"), "sync()"),
        (
            before.replace("connect = []", "connect = [\"10.0.0.1:80\"]"),
            "connect 10.0.0.1:80",
        ),
        (before.replace("/keys", "/keys/private"), "read /keys"),
        // Without the domain its programs have the main policy.
        ("default = \"allow\"\n".to_owned(), "read /keys"),
    ] {
        let found = compared(&before, &after);
        let [within] = &found.domains[..] else {
            panic!("{:?}", found.domains);
        };
        let shown = examples(&within.found.allowed);
        assert!(
            shown.iter().any(|it| it.contains(part)),
            "{part}: {shown:?}"
        );
        assert!(found.widens() && found.allowed.is_empty(), "{part}");
        let reverse = compared(&after, &before);
        let shown = examples(&reverse.domains[0].found.denied);
        assert!(
            shown.iter().any(|it| it.contains(part)),
            "{part}: {shown:?}"
        );
        assert!(!reverse.widens(), "{part}");
    }
    assert!(compared(&before, &before).is_empty());
}

/// What differs for all programs is told once.
#[test]
fn a_difference_of_the_main_policies_is_not_one_of_their_domains() {
    let before =
        with_domain("build", "\"/x\"", "").replace("allow\"", "allow\"\nfs = { deny = [\"/no\"] }");
    let after = with_domain("build", "\"/x\"", "");
    let found = compared(&before, &after);
    assert!(examples(&found.allowed).contains(&"read /no".to_owned()));
    assert!(found.domains[0].found.is_empty(), "{:?}", found.domains);
}

#[test]
fn programs_that_leave_a_domain_are_wider_and_those_that_join_are_narrower() {
    let (one, two) = (
        "\"/x\"",
        "\"/x\", { path = \"/y\", argv = [\"y\", \"**\"] }",
    );
    let change = |before: &str, after: &str| {
        let domain = |programs| with_domain("build", programs, "");
        let found = compared(&domain(before), &domain(after));
        assert!(found.domains[0].found.is_empty());
        let [change] = &found.settings[..] else {
            panic!("{:?}", found.settings);
        };
        assert_eq!(change.key, "domain.build.on-exec");
        change.clone()
    };
    let more = change(one, two);
    assert_eq!(more.before.as_deref(), Some("/x"));
    assert_eq!(more.after.as_deref(), Some("/x, /y [\"y\", \"**\"]"));
    assert_eq!(more.effect, Effect::Narrower);
    assert_eq!(change(two, one).effect, Effect::Wider);
    assert_eq!(change(one, "\"/z\"").effect, Effect::Wider);
    assert_eq!(change(two, "\"/x\", \"/y\"").effect, Effect::Wider);
    let [change] = &compared("default = \"allow\"\n", &with_domain("b", one, "")).settings[..]
    else {
        panic!("one change");
    };
    assert_eq!(
        (change.before.as_deref(), change.effect),
        (None, Effect::Narrower)
    );
}
