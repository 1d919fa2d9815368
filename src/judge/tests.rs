//! Each sentence of the policy language about which entry decides.

use super::*;
use crate::syscalls::parse_call;

fn policy(text: &str) -> Policy {
    Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

fn verdict_of(policy: &Policy, call: &str) -> Verdict {
    Judge::new(policy, &Baseline::newest()).call(&parse_call(call).unwrap())
}

fn action(text: &str, call: &str) -> Action {
    verdict_of(&policy(text), call).action
}

const EPERM: Action = Action::Deny(Errno::EPERM);
const EACCES: Action = Action::Deny(Errno::EACCES);
const ENOSYS: Action = Action::Deny(Errno::ENOSYS);

/// Joins entries and `[[rule]]`s, written on one line each, in both orders.
fn in_any_order(entries: [&str; 2], rules: [&str; 2]) -> [Policy; 2] {
    let text = |[a, b]: [&str; 2], [c, d]: [&str; 2]| format!("[syscalls]\n{a}\n{b}\n{c}\n{d}\n");
    let [a, b] = entries;
    let [c, d] = rules;
    [policy(&text([a, b], [c, d])), policy(&text([b, a], [d, c]))]
}

const INET: &str =
    "[[rule]]\nsyscall = \"socket\"\nwhen = \"domain == AF_INET\"\naction = \"ACTION\"";
const ANY: &str = "[[rule]]\nsyscall = \"socket\"\nwhen = \"type != 99\"\naction = \"ACTION\"";

fn rule(form: &str, action: &str) -> String {
    form.replace("ACTION", action)
}

#[test]
fn what_no_entry_mentions_gets_the_default() {
    let verdict = verdict_of(&policy("default = \"deny\""), "socket(AF_INET)");
    assert_eq!((verdict.action, verdict.quiet), (EPERM, false));
    assert_eq!(verdict.reason, Reason::Default);
    assert_eq!(
        action("default = \"allow\"", "socket(AF_INET)"),
        Action::Allow
    );
    assert_eq!(action("", "socket(AF_INET)"), EPERM);
}

#[test]
fn a_group_beats_the_default() {
    let text = "default = \"deny\"\n[syscalls]\n\"@network-io\" = \"allow\"";
    assert_eq!(action(text, "socket(AF_INET)"), Action::Allow);
    assert_eq!(action(text, "mkdir(\"x\")"), EPERM);
}

#[test]
fn a_name_beats_a_group_even_if_it_is_laxer() {
    let entries = ["\"@network-io\" = \"kill\"", "socket = \"allow\""];
    for policy in in_any_order(entries, ["", ""]) {
        assert_eq!(verdict_of(&policy, "socket(AF_INET)").action, Action::Allow);
        assert_eq!(verdict_of(&policy, "bind(3)").action, Action::Kill);
    }
}

#[test]
fn a_rule_that_holds_beats_a_name_even_if_it_is_laxer() {
    let allow = rule(INET, "allow");
    for policy in in_any_order(["socket = \"kill\"", ""], [&allow, ""]) {
        assert_eq!(verdict_of(&policy, "socket(AF_INET)").action, Action::Allow);
    }
}

#[test]
fn a_rule_that_does_not_hold_says_nothing() {
    let kill = rule(INET, "kill");
    for policy in in_any_order(["socket = \"allow\"", ""], [&kill, ""]) {
        assert_eq!(
            verdict_of(&policy, "socket(AF_INET6)").action,
            Action::Allow
        );
    }
}

#[test]
fn among_rules_kill_beats_deny_and_deny_beats_allow() {
    for (laxer, stricter, decides) in [
        ("allow", "deny", EPERM),
        ("allow", "kill", Action::Kill),
        ("deny", "kill", Action::Kill),
        ("ENOSYS", "kill", Action::Kill),
        ("allow", "ENOSYS", ENOSYS),
    ] {
        for (first, second) in [(laxer, stricter), (stricter, laxer)] {
            let rules = [&rule(INET, first)[..], &rule(ANY, second)];
            for policy in in_any_order(["", ""], rules) {
                assert_eq!(verdict_of(&policy, "socket(AF_INET)").action, decides);
            }
        }
    }
}

#[test]
fn among_groups_the_strictest_wins() {
    // socket is in both.
    for (one, other) in [("allow", "deny"), ("deny", "allow")] {
        let one = format!("\"@network-io\" = \"{one}\"");
        let other = format!("\"@system-service\" = \"{other}\"");
        for policy in in_any_order([&one, &other], ["", ""]) {
            assert_eq!(verdict_of(&policy, "socket(AF_INET)").action, EPERM);
        }
    }
}

#[test]
fn among_denials_the_reported_one_wins_then_the_smaller_number() {
    let quiet = rule(INET, "EPERM\"\nquiet = true #");
    let loud = rule(ANY, "EACCES");
    for policy in in_any_order(["", ""], [&quiet, &loud]) {
        let verdict = verdict_of(&policy, "socket(AF_INET)");
        assert_eq!((verdict.action, verdict.quiet), (EACCES, false));
    }
    let (smaller, larger) = (rule(INET, "EACCES"), rule(ANY, "EBUSY"));
    for policy in in_any_order(["", ""], [&smaller, &larger]) {
        assert_eq!(verdict_of(&policy, "socket(AF_INET)").action, EACCES);
    }
}

#[test]
fn of_two_that_say_the_same_the_first_line_is_the_reason() {
    let text = format!("{}\n{}\n", rule(INET, "deny"), rule(ANY, "deny"));
    assert_eq!(
        verdict_of(&policy(&text), "socket(AF_INET)").reason,
        Reason::Rule(0)
    );
}

#[test]
fn a_32_bit_argument_is_compared_as_32_bits() {
    let policy = policy(&format!("default = \"allow\"\n{}", rule(INET, "kill")));
    let judge = Judge::new(&policy, &Baseline::newest());
    let mut call = parse_call("socket(AF_INET)").unwrap();
    call.args[0] |= 0xdead_beef_0000_0000;
    assert_eq!(judge.call(&call).action, Action::Kill);
}

#[test]
fn a_number_that_the_table_does_not_know_gets_a_silent_enosys() {
    let judge = Judge::new(&policy("default = \"allow\""), &Baseline::newest());
    for nr in [1000, 0x4000_0000, 0x4000_003b, u32::MAX] {
        let verdict = judge.call(&Call { nr, args: [0; 6] });
        assert_eq!((verdict.action, verdict.quiet), (ENOSYS, true), "{nr:#x}");
        assert_eq!(verdict.reason, Reason::UnknownNumber);
    }
}

#[test]
fn a_program_can_always_end_and_return_from_a_signal() {
    let policy =
        policy("default = \"deny\"\n[syscalls]\n\"@process\" = \"kill\"\n\"@signal\" = \"kill\"");
    for call in [
        "exit(0)",
        "exit_group(0)",
        "rt_sigreturn()",
        "restart_syscall()",
    ] {
        let verdict = verdict_of(&policy, call);
        assert_eq!(
            (verdict.action, verdict.reason),
            (Action::Allow, Reason::Always),
            "{call}"
        );
    }
}

#[test]
fn a_policy_cannot_loosen_the_baseline() {
    let text = "default = \"allow\"\n[syscalls]\n\"@debug\" = \"allow\"";
    let verdict = verdict_of(&policy(text), "ptrace(PTRACE_ATTACH, 1)");
    assert_eq!((verdict.action, verdict.quiet), (EPERM, false));
    let by = |id| matches!(verdict.reason, Reason::Baseline(rule) if rule.id == id);
    assert!(by("no-ptrace"));

    let rule = "[[rule]]\nsyscall = \"ioctl\"\nwhen = \"request == TIOCSTI\"\naction = \"allow\"";
    assert_eq!(
        action(&format!("default = \"allow\"\n{rule}"), "ioctl(0, TIOCSTI)"),
        EPERM
    );
}

#[test]
fn a_policy_can_tighten_the_baseline() {
    assert_eq!(
        action("[syscalls]\nptrace = \"kill\"", "ptrace(PTRACE_ATTACH, 1)"),
        Action::Kill
    );
    let verdict = verdict_of(
        &policy("[syscalls]\nptrace = \"ENOSYS\""),
        "ptrace(PTRACE_ATTACH, 1)",
    );
    assert_eq!((verdict.action, verdict.quiet), (ENOSYS, true));
    assert_eq!(verdict.reason, Reason::Entry(0));
}

#[test]
fn a_mere_default_does_not_replace_the_enosys_that_libraries_fall_back_on() {
    let verdict = verdict_of(&policy("default = \"deny\""), "clone3()");
    assert_eq!((verdict.action, verdict.quiet), (ENOSYS, true));
}

#[test]
fn a_call_aimed_at_another_process_is_allowed_with_a_check() {
    let allowed = policy("default = \"allow\"");
    assert_eq!(verdict_of(&allowed, "prlimit64(0)").check, None);
    assert_eq!(
        verdict_of(&allowed, "prlimit64(1)").check,
        Some(Check::Task { arg: 0 })
    );
    let denied = policy("[syscalls]\nprlimit64 = \"deny\"");
    assert_eq!(verdict_of(&denied, "prlimit64(1)").check, None);
}

#[test]
fn signals_are_checked_only_where_landlock_does_not_hold_them() {
    let policy = policy("default = \"allow\"");
    let call = parse_call("kill(1, SIGKILL)").unwrap();
    let check = |abi| Judge::new(&policy, &Baseline::new(abi)).call(&call).check;
    assert_eq!(check(5), Some(Check::Signal));
    assert_eq!(check(6), None);
}

#[test]
fn a_reason_names_the_line_and_the_author_s_why() {
    let text =
        "default = \"deny\"\n\n[syscalls]\nsocket = { action = \"deny\", why = \"no network\" }\n";
    let policy = policy(text);
    let reason = |call| explain_reason(&policy, &verdict_of(&policy, call));
    assert_eq!(reason("socket(AF_INET)"), "net.toml:4 socket: no network");
    assert_eq!(reason("mkdir(\"x\")"), "default of net.toml");
    assert_eq!(
        reason("ptrace(PTRACE_ATTACH, 1)"),
        "baseline no-ptrace: a traced process has one tracer, and here it is the jail"
    );
}

fn of_call(policy: &Policy, call: &Call, verdict: &Verdict) -> Option<String> {
    let denied = remedy::Denied {
        call: Some(call),
        object: remedy::Object::Nothing,
        run: &varying::Run::default(),
    };
    remedy::remedy(policy, &denied, verdict).map(|remedy| remedy.text)
}

#[test]
fn advice_names_what_to_add_and_it_works() {
    for (text, advice, fix) in [
        (
            "[syscalls]\nmmap = \"allow\"\nmprotect = \"allow\"\nread = \"allow\"",
            "to allow: add socket = \"allow\" to [syscalls] of net.toml",
            "socket = \"allow\"",
        ),
        (
            "[syscalls]\n\"@network-io\" = \"deny\"",
            "to allow: add socket = \"allow\" to [syscalls] of net.toml",
            "socket = \"allow\"",
        ),
        (
            "[syscalls]\nsocket = \"kill\"",
            "to allow: add to net.toml\n[[rule]]\nsyscall = \"socket\"\nwhen = \"domain == AF_INET\"\naction = \"allow\"",
            "[[rule]]\nsyscall = \"socket\"\nwhen = \"domain == AF_INET\"\naction = \"allow\"",
        ),
    ] {
        let call = parse_call("socket(AF_INET, SOCK_STREAM, 0)").unwrap();
        let before = policy(text);
        let verdict = Judge::new(&before, &Baseline::newest()).call(&call);
        assert_eq!(of_call(&before, &call, &verdict).as_deref(), Some(advice));
        let after = policy(&format!("{text}\n{fix}"));
        assert_eq!(
            verdict_of(&after, "socket(AF_INET, SOCK_STREAM, 0)").action,
            Action::Allow
        );
    }
}

#[test]
fn where_nothing_can_be_added_advice_says_what_to_change() {
    let advice = |text: &str, call: &str| {
        let policy = policy(text);
        let call = parse_call(call).unwrap();
        let verdict = Judge::new(&policy, &Baseline::newest()).call(&call);
        of_call(&policy, &call, &verdict)
    };
    assert_eq!(
        advice(&rule(INET, "deny"), "socket(AF_INET)").as_deref(),
        Some(
            "to allow: change the rule at net.toml:1; of all rules that hold, the strictest decides"
        )
    );
    assert_eq!(
        advice("[syscalls]\nmkdir = \"deny\"", "mkdir(\"x\")").as_deref(),
        Some("to allow: change mkdir at net.toml:2 to \"allow\"")
    );
    let base = "to allow: add extends = [\"base\"] to net.toml: it allows what every program needs";
    assert_eq!(
        advice("", "brk(NULL)").as_deref(),
        Some(base),
        "one advice for all calls of a policy without it"
    );
    assert_eq!(
        advice("", "ptrace(PTRACE_ATTACH, 1)").as_deref(),
        Some("no policy can allow it: the jail's own protection (no-ptrace)")
    );
    assert_eq!(advice("default = \"allow\"", "mkdir(\"x\")"), None);
}

mod net {
    use super::*;
    use crate::net::Way;
    use crate::policy::{PathContext, peer};

    fn of(text: &str, sentence: &str) -> Verdict {
        let (way, endpoint) = sentence.split_once(' ').unwrap();
        let way = Way::from_word(way).unwrap();
        let peer = peer(way, endpoint, &PathContext::own()).unwrap();
        let policy = policy(&format!("[net]\n{text}"));
        let judge = Judge::new(&policy, &Baseline::newest());
        peer.reach(|reach| judge.reach(reach))
    }

    #[test]
    fn a_denial_beats_what_allows_and_a_kill_beats_it() {
        for lists in [
            "connect = [\"10.0.0.0/8\"]\ndeny = [\"10.0.0.1\", { to = \"10.0.0.2\", action = \"kill\" }, \"10.0.0.2\"]",
            "deny = [\"10.0.0.2\", { to = \"10.0.0.2\", action = \"kill\" }, \"10.0.0.1\"]\nconnect = [\"10.0.0.0/8\"]",
        ] {
            assert_eq!(of(lists, "connect 10.0.0.9:80").action, Action::Allow);
            assert_eq!(of(lists, "connect 10.0.0.1:80").action, EACCES);
            assert_eq!(of(lists, "connect 10.0.0.2:80").action, Action::Kill);
            let default = of(lists, "connect 11.0.0.0:80");
            assert_eq!(
                (default.action, default.reason),
                (EACCES, Reason::PeerDefault)
            );
        }
    }

    #[test]
    fn connecting_does_not_open_listening_nor_the_other_way_round() {
        let text = "connect = [\"127.0.0.1:80\"]\nlisten = [\"127.0.0.1:90\"]";
        assert_eq!(of(text, "connect 127.0.0.1:80").action, Action::Allow);
        assert_eq!(of(text, "listen 127.0.0.1:80").action, EACCES);
        assert_eq!(of(text, "listen 127.0.0.1:90").action, Action::Allow);
        assert_eq!(of(text, "connect 127.0.0.1:90").action, EACCES);
    }

    #[test]
    fn a_denial_is_of_both_ways_unless_it_says_to_or_on() {
        let open = "connect = [\"*\", \"udp://*\"]\nlisten = [\"*\"]\n";
        let acts = |deny: &str| {
            let text = format!("{open}deny = [{deny}]");
            let action = |sentence| of(&text, sentence).action != Action::Allow;
            (action("connect 10.0.0.1:80"), action("listen 10.0.0.1:80"))
        };
        assert_eq!(acts("\"10.0.0.1\""), (true, true));
        assert_eq!(acts("{ to = \"10.0.0.1\" }"), (true, false));
        assert_eq!(acts("{ on = \"10.0.0.1\" }"), (false, true));
        // By any protocol.
        let text = format!("{open}deny = [\"10.0.0.1\"]");
        assert_eq!(of(&text, "connect udp://10.0.0.1:53").action, EACCES);
    }

    #[test]
    fn an_errno_of_an_entry_is_its_own() {
        let text = "deny = [{ to = \"10.0.0.1\", action = \"ENETUNREACH\" }]";
        let errno = Action::Deny(Errno::from_name("ENETUNREACH").unwrap());
        assert_eq!(of(text, "connect 10.0.0.1:80").action, errno);
    }

    #[test]
    fn a_name_is_judged_by_names_and_by_what_covers_everybody() {
        let text = "connect = [\"registry.example:443\", \"*:80\"]\ndeny = [\"10.0.0.0/8\"]";
        assert_eq!(
            of(text, "connect registry.example:443").action,
            Action::Allow
        );
        assert_eq!(of(text, "connect other.example:443").action, EACCES);
        assert_eq!(of(text, "connect other.example:80").action, Action::Allow);
    }

    #[test]
    fn names_close_the_port_of_resolvers_for_listening() {
        let listen = "listen = [\"*\", \"udp://*\"]";
        let text = format!("connect = [\"registry.example:443\"]\n{listen}");
        for host in ["127.0.0.1", "0.0.0.0", "[::]", "udp://127.0.0.1"] {
            let verdict = of(&text, &format!("listen {host}:53"));
            assert_eq!(verdict.action, EACCES, "{host}");
            let by = |rule: &crate::baseline::Rule| rule.id == "no-resolvers";
            assert!(matches!(verdict.reason, Reason::Baseline(rule) if by(rule)));
            let other = of(&text, &format!("listen {host}:5300"));
            assert_eq!(other.action, Action::Allow, "{host}");
        }
        for text in [listen, &format!("{listen}\ndeny = [\"ads.example\"]")] {
            let verdict = of(text, "listen udp://127.0.0.1:53");
            assert_eq!(verdict.action, Action::Allow, "{text}");
        }
    }
}
