//! Events as text for people. All text from the jail passes through `escape` here. It never writes.

use super::Hint;
use super::cause::Cause;
use super::escape;
use super::layout::Layout;
use super::verdict::Line;
use crate::judge::{Code, Standing};
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{LimitKind, Policy};
use crate::supervise::{Answer, PeerObject};
use crate::trace::Tid;

/// Limits of what a message shows, in characters.
const CALL: usize = 300;
const NAME: usize = 40;
const WHY: usize = 200;
/// Text for copying must be complete: a path of 4,095 bytes, each escaped.
const REMEDY: usize = 32_768;
/// How many programs of a chain are shown: the first and the last ones.
const CHAIN: usize = 8;
/// How many of the remaining processes are shown.
const LEFT: usize = 8;

/// Why a program of a foreign ABI is killed.
pub const FOREIGN: Cause<'static> = Cause::protection(
    "foreign-abi",
    "the policy governs 64-bit system calls; a 32-bit program uses other numbers, and all of its calls are denied",
);

/// A denied call, or one that killed.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Whether it killed the jail.
    pub killed: bool,
    /// The call decoded.
    pub call: String,
    /// The path that was denied.
    pub path: Option<PathFacts>,
    /// The peer that was denied.
    pub peer: Option<PeerObject>,
    /// The process.
    pub pid: Tid,
    /// The thread.
    pub tid: Tid,
    /// The programs from the first to the one that called.
    pub ancestry: Vec<String>,
    /// The domains that the process is in.
    pub domains: Vec<&'a str>,
    /// What decided.
    pub cause: Cause<'a>,
    /// The answer, if a person or a program was asked.
    pub asked: Option<Answer>,
    /// The stable name of the cause.
    pub code: Option<Code>,
    /// Whether a policy could allow it.
    pub standing: Standing,
    /// What to change, as a sentence with a label: `to allow: …`.
    pub advice: Option<String>,
    /// What to add to the policy, as TOML.
    pub remedy: Option<String>,
    /// What to remove from it.
    pub remove: Option<Line>,
}

/// A path that was denied.
#[derive(Debug, Clone)]
pub struct PathFacts {
    /// The word for the access.
    pub access: Access,
    /// As the call named it.
    pub given: String,
    /// The resolved path.
    pub resolved: String,
}

/// The message of a denial.
pub fn denial(layout: &Layout, facts: &Facts<'_>) -> String {
    let mut out = String::with_capacity(400);
    let (verb, label) = match facts.killed {
        false => ("denied", "by"),
        true => ("killed for", "called by"),
    };
    let call = escape::text(&facts.call, CALL);
    let process = process(&facts.ancestry, facts.pid, facts.tid) + &within(facts);
    match (&facts.path, &facts.peer) {
        (None, Some(peer)) => {
            layout.head(
                &mut out,
                verb,
                &escape::text(&peer_text(peer), CALL),
                &facts.cause.long(),
            );
            layout.line(&mut out, label, &process);
            layout.line(&mut out, "call:", &call);
        }
        (None, None) => {
            layout.head(&mut out, verb, &call, &facts.cause.long());
            layout.line(&mut out, label, &process);
        }
        (Some(path), _) => {
            let resolved = escape::text(&path.resolved, CALL);
            let what = format!("{} of {resolved}", path.access.word());
            layout.head(&mut out, verb, &what, &facts.cause.long());
            layout.line(&mut out, label, &process);
            layout.line(&mut out, "call:", &call);
        }
    }
    if let Some(why) = facts.cause.why {
        layout.line(&mut out, "why:", &escape::text(why, WHY));
    }
    if let Some(answer) = facts.asked {
        layout.line(&mut out, "asked:", answered(answer));
    }
    if let Some(advice) = &facts.advice {
        self::remedy(layout, &mut out, advice);
    }
    out
}

/// What was answered to the question about a call.
fn answered(answer: Answer) -> &'static str {
    match answer {
        Answer::Once => "allowed once",
        Answer::Run => "allowed for this run",
        Answer::Always => "allowed, and added to the policy",
        Answer::Deny => "denied once",
        Answer::DenyRun => "denied for this run",
        Answer::Kill => "the command is to be killed",
        Answer::TimedOut => "no answer came in time",
        Answer::Gone => "nothing can answer any more",
    }
}

/// What to change. A `[[rule]]` for copying has its own lines.
fn remedy(layout: &Layout, out: &mut String, remedy: &str) {
    let (head, rule) = match remedy.split_once("\n[[") {
        Some((head, _)) => (head, remedy.get(head.len() + 1..)),
        None => (remedy, None),
    };
    let head = escape::text(head, REMEDY);
    let (label, text) = head.split_once(": ").unwrap_or(("to allow", &head));
    layout.quoting(out, &format!("{label}:"), text);
    let lines = rule.into_iter().flat_map(str::lines);
    for line in lines {
        layout.verbatim(out, &escape::text(line, REMEDY));
    }
}

/// `connect to 93.184.216.34:443 (registry.example)`.
fn peer_text(peer: &PeerObject) -> String {
    const NAMES: usize = 3;
    let verb = match peer.way {
        Way::Connect => "connect to",
        Way::Listen => "listen on",
    };
    let names = peer.names.iter().take(NAMES).map(String::as_str);
    match names.collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => format!("{verb} {}", peer.to),
        names => format!("{verb} {} ({names})", peer.to),
    }
}

/// The message of a program of a foreign ABI.
pub fn foreign(layout: &Layout, pid: Tid, ancestry: &[String]) -> String {
    let mut out = String::with_capacity(400);
    layout.head(&mut out, "killed", "a 32-bit program", &FOREIGN.long());
    layout.line(&mut out, "namely", &process(ancestry, pid, pid));
    layout.line(&mut out, "why:", FOREIGN.why.unwrap_or_default());
    layout.line(
        &mut out,
        "to run it:",
        "use a 64-bit build of it; no policy can allow this one",
    );
    out
}

/// The message that the command's own seccomp filter refused the call that jail made in place of an
/// open.
pub fn refused(layout: &Layout, pid: Tid, ancestry: &[String], call: &str) -> String {
    let mut out = String::with_capacity(400);
    layout.head(
        &mut out,
        "refused",
        &format!("{call}, which jail makes for an open"),
        "[the command's own seccomp filter]",
    );
    layout.line(&mut out, "by", &process(ancestry, pid, pid));
    layout.line(
        &mut out,
        "why:",
        "to judge the path of an open, the supervisor has the command call openat2, and mmap before the first one; the \
         filter, which does not come from the policy, allows openat and refuses this call with an \
         errno or SIGSYS (exit code 159)",
    );
    layout.line(
        &mut out,
        "to run it:",
        "allow openat2 and mmap in that filter or switch it off, or use a policy of subtrees, without `deny`, `hide` and patterns in [fs]",
    );
    out
}

/// The message that the command has exceeded a limit.
pub fn limit(layout: &Layout, policy: &Policy, limit: LimitKind) -> String {
    let (place, said) = match policy.limits.said(limit) {
        Some((origin, said)) => (policy.place(origin), said),
        None => Default::default(),
    };
    let what = match limit {
        LimitKind::Cpu | LimitKind::Memory => format!("it has used {}", amount(limit, said)),
        _ => amount(limit, said),
    };
    let mut out = String::with_capacity(200);
    let place = escape::text(&format!("[{place} limits.{}]", limit.key()), NAME + 40);
    layout.head(
        &mut out,
        "ended the command:",
        &escape::text(&what, CALL),
        &place,
    );
    layout.line(
        &mut out,
        "to allow:",
        &format!("a larger {} in [limits], or none", limit.key()),
    );
    out
}

/// What was too much: `said` is the limit.
pub fn amount(limit: LimitKind, said: &str) -> String {
    match limit {
        LimitKind::Processes => format!("more than {said} tasks at the same time"),
        LimitKind::Output => format!("it has written more than {said} to stdout and stderr"),
        LimitKind::Cpu => format!("more than {said} of processor time"),
        LimitKind::Memory => format!("more than {said} of memory"),
        _ => format!("it has run for {said}"),
    }
}

/// The message of a hint.
pub fn hint(layout: &Layout, hint: &Hint) -> String {
    const TEXT: usize = 600;
    let mut out = String::with_capacity(200);
    layout.note(&mut out, &escape::text(&hint.text, TEXT));
    if let Some(remedy) = &hint.remedy {
        self::remedy(layout, &mut out, remedy);
    }
    out
}

/// The message that the command has ended before its descendants.
pub fn waiting(layout: &Layout, left: &[String], asked: bool) -> String {
    let mut out = String::with_capacity(200);
    let shown: Vec<String> = left
        .iter()
        .take(LEFT)
        .map(|one| escape::text(one, NAME + 20))
        .collect();
    let more = match left.len().saturating_sub(LEFT) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (what, end) = match left.len() {
        1 => ("1 process that it left is".to_owned(), "it"),
        many => (format!("{many} processes that it left are"), "them"),
    };
    let text = format!(
        "the command has ended, and {what} still running: {}{more}; {}",
        shown.join(", "),
        match asked {
            true => format!("interrupt again to end {end}"),
            false => format!("jail waits for {end}; --kill-on-exit ends {end} with the command"),
        }
    );
    layout.note(&mut out, &text);
    out
}

/// The domains that the process is in, unless one of them has decided and the head names it.
fn within(facts: &Facts<'_>) -> String {
    if facts.cause.domain.is_some() || facts.domains.is_empty() {
        return String::new();
    }
    let names = facts.domains.iter().map(|name| escape::name(name, NAME));
    let names: Vec<String> = names.collect();
    let many = if names.len() > 1 { "s" } else { "" };
    format!(" in domain{many} {}", names.join(", "))
}

/// `sh → python3 (pid 4711)`.
pub fn process(ancestry: &[String], pid: Tid, tid: Tid) -> String {
    let mut text = String::new();
    for (index, name) in ancestry.iter().enumerate() {
        if ancestry.len() > CHAIN && (1..=ancestry.len() - CHAIN).contains(&index) {
            if index == 1 {
                text.push_str(" → …");
            }
            continue;
        }
        if index > 0 {
            text.push_str(" → ");
        }
        text.push_str(&escape::name(name, NAME));
    }
    let thread = if tid == pid {
        String::new()
    } else {
        format!(", thread {tid}")
    };
    format!("{text} (pid {pid}{thread})")
}

#[cfg(test)]
mod tests {
    use super::super::sample::{golden, names};
    use super::super::verdict::ReasonKind;
    use super::*;

    const PLAIN: Layout = Layout {
        color: false,
        width: None,
    };

    fn socket() -> Facts<'static> {
        Facts {
            killed: false,
            call: "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP)".to_owned(),
            path: None,
            peer: None,
            pid: 4711,
            tid: 4711,
            ancestry: names(&["sh", "python3"]),
            domains: Vec::new(),
            cause: Cause {
                kind: ReasonKind::Entry,
                place: Some(("offline", 12)),
                entry: Some("socket"),
                why: Some("no network families"),
                domain: None,
            },
            asked: None,
            advice: Some(
                "to allow: in a policy of your own with extends = [\"offline\"], add\n[[rule]]\n\
                 syscall = \"socket\"\nwhen = \"domain == AF_INET\"\naction = \"allow\""
                    .to_owned(),
            ),
            code: Some(Code::SyscallEntry),
            standing: Standing::Askable,
            remedy: None,
            remove: None,
        }
    }

    fn tiocsti() -> Facts<'static> {
        Facts {
            killed: true,
            call: "ioctl(0, TIOCSTI, 0x7ffc3a10)".to_owned(),
            tid: 4713,
            cause: Cause {
                kind: ReasonKind::Rule,
                place: Some(("net.toml", 20)),
                entry: Some("request == TIOCSTI"),
                why: Some("types into the caller's terminal"),
                domain: None,
            },
            advice: Some("to allow: change the rule at net.toml:20".to_owned()),
            ..socket()
        }
    }

    fn hostile() -> Facts<'static> {
        let lie = "x\njail: all calls allowed\x1b[2J\r\x07\u{202e}";
        Facts {
            call: format!("open(\"{lie}{}\", O_RDONLY)", "A".repeat(100_000)),
            ancestry: names(&["sh", lie, "a → root (pid 1)", "", &"B".repeat(100_000)]),
            domains: Vec::new(),
            cause: Cause {
                kind: ReasonKind::Entry,
                place: Some((lie, 1)),
                entry: Some(lie),
                why: Some(lie),
                domain: None,
            },
            advice: Some(lie.to_owned()),
            ..socket()
        }
    }

    #[test]
    fn a_denial_reads_as_it_always_did() {
        golden("denied.txt", &denial(&PLAIN, &socket()));
    }

    #[test]
    fn a_kill_reads_as_it_always_did() {
        golden("killed.txt", &denial(&PLAIN, &tiocsti()));
    }

    #[test]
    fn a_denial_names_the_domains_of_the_process_once() {
        let told = |domains: &[&'static str], decided| {
            let mut facts = socket();
            facts.domains = domains.to_vec();
            facts.cause.domain = decided;
            denial(&PLAIN, &facts)
        };
        assert!(!told(&[], None).contains("in domain"));
        assert!(told(&["hook"], None).contains(") in domain hook\n"));
        assert!(told(&["hook", "net"], None).contains(" in domains hook, net\n"));
        let told = told(&["hook"], Some("hook"));
        assert!(told.contains("[domain hook, ") && !told.contains("in domain"));
    }

    #[test]
    fn a_denial_by_default_or_protection_names_no_line() {
        let default = Facts {
            call: "getrandom(0x7ffc3a10, 16, 0)".to_owned(),
            cause: Cause {
                kind: ReasonKind::Default,
                place: Some(("net.toml", 1)),
                entry: None,
                why: None,
                domain: None,
            },
            advice: Some(
                "to allow: add getrandom = \"allow\" to [syscalls] of net.toml".to_owned(),
            ),
            ..socket()
        };
        let protection = Facts {
            call: "ptrace(PTRACE_ATTACH, 42, 0, 0)".to_owned(),
            cause: Cause::protection("no-ptrace", "a traced process has one tracer"),
            advice: Some(
                "no policy can allow it: the jail's own protection (no-ptrace)".to_owned(),
            ),
            ..socket()
        };
        golden("default.txt", &denial(&PLAIN, &default));
        golden("baseline.txt", &denial(&PLAIN, &protection));
    }

    #[test]
    fn a_denial_on_a_narrow_terminal_is_wrapped() {
        let layout = Layout {
            color: false,
            width: Some(72),
        };
        golden("narrow.txt", &denial(&layout, &socket()));
    }

    #[test]
    fn a_denial_in_colour_is_the_same_text() {
        let layout = Layout {
            color: true,
            width: None,
        };
        golden("color.txt", &denial(&layout, &socket()));
    }

    #[test]
    fn a_hostile_name_or_path_writes_no_line_and_no_escape_of_its_own() {
        for width in [None, Some(80)] {
            for killed in [false, true] {
                let text = denial(
                    &Layout {
                        color: false,
                        width,
                    },
                    &Facts {
                        killed,
                        ..hostile()
                    },
                );
                let own = text
                    .lines()
                    .filter(|line| line.starts_with("jail:"))
                    .count();
                assert_eq!(own, 1, "{text}");
                let foreign = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
                assert!(!text.contains(foreign), "{text:?}");
                assert!(text.len() < 4096, "{}", text.len());
            }
        }
        golden("hostile.txt", &denial(&PLAIN, &hostile()));
    }

    #[test]
    fn a_foreign_program_is_told_what_to_do_about() {
        golden(
            "foreign.txt",
            &foreign(&PLAIN, 4711, &names(&["sh", "old-game"])),
        );
    }

    #[test]
    fn what_is_waited_for_is_named_up_to_a_limit() {
        let one = names(&["sleep (pid 12)"]);
        let many: Vec<String> = (0..1000)
            .map(|pid| format!("evil\x1b[0m (pid {pid})"))
            .collect();
        golden(
            "waiting.txt",
            &[waiting(&PLAIN, &one, true), waiting(&PLAIN, &many, true)].concat(),
        );
    }

    #[test]
    fn of_a_long_chain_the_first_and_the_last_are_shown() {
        let chain: Vec<String> = (0..CHAIN + 2).map(|depth| format!("p{depth}")).collect();
        let text = process(&chain, 1, 1);
        assert_eq!(text, "p0 → … → p3 → p4 → p5 → p6 → p7 → p8 → p9 (pid 1)");
        let text = process(&chain[..CHAIN], 1, 1);
        assert_eq!(text, "p0 → p1 → p2 → p3 → p4 → p5 → p6 → p7 (pid 1)");
    }
}
