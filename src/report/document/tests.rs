//! The document as a whole, against the manual.

use super::super::cause::Cause;
use super::super::sample::{call, golden, names, policy};
use super::super::tally::Tally;
use super::super::text::{Facts, PathFacts};
use super::super::verdict::{Line, PathAccess, ReasonKind};
use super::*;
use crate::judge::{Code, Reason, Standing};
use crate::paths::Access;
use crate::policy::{Action, LimitKind, Origin, Policy};
use crate::report::line;
use crate::supervise::Stats;
use crate::syscalls::Errno;
use serde_json::Value;

const MANUAL: &str = include_str!("../../../docs/report.md");
const LOG_MANUAL: &str = include_str!("../../../docs/log.md");

fn facts<'a>(policy: &'a Policy, reason: Reason, call: &str) -> Facts<'a> {
    Facts {
        killed: false,
        call: call.to_owned(),
        path: None,
        peer: None,
        pid: 4712,
        tid: 4712,
        ancestry: names(&["sh", "python3"]),
        domains: Vec::new(),
        cause: Cause::new(policy, reason),
        asked: None,
        code: None,
        standing: Standing::Askable,
        advice: None,
        remedy: None,
        remove: None,
    }
}

/// A denial of a path, a second of the same, and a call that kills.
fn killed(policy: &Policy) -> (Gathered, Vec<DenialCount>) {
    let mut gathered = Gathered::default();
    gathered.started(4711, Path::new("/usr/bin/sh"));
    let openat = call("openat", &[0xffff_ff9c, 0x7ffc_3a10, 0]);
    let read = |pid| Facts {
        pid,
        path: Some(PathFacts {
            access: Access::Read,
            given: "../.env".to_owned(),
            resolved: "/work/.env".to_owned(),
        }),
        code: Some(Code::FsReadDeny),
        advice: Some(
            "to allow: remove or narrow fs.deny at net.toml:4; deny takes precedence over allow"
                .to_owned(),
        ),
        remove: Line::of(policy, Origin { source: 0, line: 4 }),
        ..facts(
            policy,
            Reason::Path(0),
            "openat(AT_FDCWD, \"../.env\", O_RDONLY)",
        )
    };
    let mut tally = Tally::default();
    for pid in [4712, 4713] {
        tally.add(Reason::Path(0), &openat, Some(b"/work/.env"));
        let action = Action::Deny(Errno::EACCES);
        gathered.denied(Denial::new(&openat, action, read(pid)));
    }
    let tiocsti = call("ioctl", &[0, 0x5412, 0x7ffc_3a10]);
    let facts = Facts {
        killed: true,
        code: Some(Code::SyscallRule),
        remove: Line::of(
            policy,
            Origin {
                source: 0,
                line: 20,
            },
        ),
        advice: Some("to allow: change the rule at net.toml:20; of all rules that hold, the strictest decides".to_owned()),
        ..facts(policy, Reason::Rule(0), "ioctl(0, TIOCSTI, 0x7ffc3a10)")
    };
    gathered.denied(Denial::new(&tiocsti, Action::Kill, facts));
    gathered.ended(Used {
        user: Duration::from_micros(1_203_004),
        system: Duration::from_millis(250),
        peak: 52_428_800,
        tree: Some(61_865_984),
        processes: 3,
        tasks: 9,
        most: 7,
    });
    gathered.wall = Some(Duration::from_millis(1500));
    gathered.wrote(Some(1024), Some(0));
    (gathered, DenialCount::all(policy, &tally.counts()))
}

fn json(gathered: Gathered, known: Known<'_>, end: End) -> Value {
    let document = line(&gathered.verdict(known, end));
    serde_json::from_slice(&document).expect("JSON")
}

fn command() -> Vec<OsString> {
    ["sh", "-c", "python3 fetch.py"].map(OsString::from).into()
}

/// The whole, as it is written.
fn policy_killed_line() -> Vec<u8> {
    let policy = policy();
    let (gathered, counts) = killed(&policy);
    let known = Known {
        policy: "net.toml",
        digest: Some("fnv1a128:fc77f53ab6dd029843b374d6bf175b44".to_owned()),
        command: &command(),
        denied: 2,
        counts,
        foreign: 0,
    };
    let outcome = Outcome {
        exit: Exit::Signal(9),
        ending: supervise::Ending::Policy,
        interrupted: false,
        stats: Stats::default(),
    };
    line(&gathered.verdict(known, (&outcome).into()))
}

fn policy_killed() -> Value {
    serde_json::from_slice(&policy_killed_line()).expect("JSON")
}

fn not_found() -> Value {
    let known = Known {
        policy: "net.toml",
        digest: Some("fnv1a128:fc77f53ab6dd029843b374d6bf175b44".to_owned()),
        command: &command(),
        denied: 0,
        counts: Vec::new(),
        foreign: 0,
    };
    let end = End::not_started(127, "sh: not found".to_owned());
    json(Gathered::default(), known, end)
}

#[test]
fn the_example_of_the_manual_is_what_is_written() {
    let example = MANUAL.split("```json\n").nth(1).expect("an example");
    let example = example.split("\n```").next().unwrap_or_default();
    let mut example: Value = serde_json::from_str(example).expect("JSON");
    // The version of jail changes.
    example["jail"] = env!("CARGO_PKG_VERSION").into();
    let written = policy_killed();
    assert_eq!(example, written, "written:\n{written:#}");
}

#[test]
fn every_field_is_in_the_manual() {
    fn fields(value: &Value, log: bool, found: &mut Vec<(String, bool)>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    found.push((key.clone(), log));
                    // Fields that the log has, too, are described in its manual.
                    let log =
                        log || matches!(key.as_str(), "killed_by" | "first" | "counts" | "signal");
                    fields(value, log, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|one| fields(one, log, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    fields(&policy_killed(), false, &mut found);
    assert!(found.len() > 52, "{found:?}");
    for (field, log) in found {
        let row = format!("| `{field}` |");
        let there = MANUAL.contains(&row) || log && LOG_MANUAL.contains(&row);
        assert!(there, "{field}");
    }
}

#[test]
fn a_field_is_always_there_and_null_where_it_is_not_known() {
    let (started, not_started) = (policy_killed(), not_found());
    let keys = |value: &Value| -> Vec<String> {
        let object = value.as_object().expect("an object");
        object.keys().cloned().collect()
    };
    assert_eq!(keys(&started), keys(&not_started));
    for key in [
        "program",
        "pid",
        "limit",
        "wall",
        "cpu",
        "memory",
        "tasks",
        "processes",
        "output",
        "killed_by",
    ] {
        assert!(not_started[key].is_null(), "{key}");
    }
}

/// As a document has it.
fn word(ending: crate::report::Ending) -> String {
    let word = serde_json::to_value(ending).expect("JSON");
    word.as_str().expect("a word").to_owned()
}

#[test]
fn every_ending_is_in_the_manual() {
    use supervise::Ending;
    let end = |ending, exit| {
        let stats = Stats::default();
        let outcome = Outcome {
            exit,
            ending,
            interrupted: false,
            stats,
        };
        End::from(&outcome).ending
    };
    let endings = [
        end(Ending::Exited, Exit::Code(124)),
        end(Ending::Exited, Exit::Signal(11)),
        end(Ending::Policy, Exit::Signal(9)),
        end(Ending::Limit(LimitKind::Wall), Exit::Code(0)),
        end(Ending::Limit(LimitKind::Cpu), Exit::Signal(9)),
        end(Ending::Limit(LimitKind::Processes), Exit::Signal(9)),
        end(Ending::Limit(LimitKind::Memory), Exit::Signal(9)),
        end(Ending::Limit(LimitKind::Output), Exit::Signal(9)),
        end(Ending::Caller, Exit::Signal(9)),
        End::from(&SuperviseError::MainLost).ending,
        End::not_started(125, String::new()).ending,
    ];
    let expected = [
        "exited",
        "signalled",
        "policy",
        "time",
        "time",
        "tasks",
        "memory",
        "output",
        "killed",
        "failed",
        "not-started",
    ];
    assert_eq!(endings.map(word), expected);
    for ending in expected {
        assert!(MANUAL.contains(&format!("| `\"{ending}\"` |")), "{ending}");
    }
}

#[test]
fn the_type_reads_all_of_the_document() {
    for document in [policy_killed(), not_found()] {
        let text = document.to_string();
        let verdict = Verdict::parse(text.as_bytes()).expect("a verdict");
        assert_eq!(serde_json::to_value(&verdict).expect("JSON"), document);
    }
    // A document of a later version can still be read.
    let mut later = policy_killed();
    later["ending"] = "moved".into();
    later["news"] = 3.into();
    let verdict = Verdict::parse(later.to_string().as_bytes()).expect("a verdict");
    assert_eq!(verdict.ending, Ending::Other);
}

/// Readers may depend on the order of the fields and on how numbers are written.
#[test]
fn the_document_is_the_same_byte_for_byte() {
    let written = String::from_utf8(policy_killed_line()).expect("UTF-8");
    let version = concat!("\"jail\":\"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(written.contains(version), "{written}");
    golden(
        "document.json",
        &written.replace(version, "\"jail\":\"VERSION\""),
    );
}

/// Actions, reasons, limits, registers and times are typed, and read what is written.
#[test]
fn a_verdict_is_typed() {
    let verdict = Verdict::parse(&policy_killed_line()).expect("a verdict");
    let killed = verdict.killed_by.as_ref().expect("a call that killed");
    assert_eq!(killed.action, DenialAction::Kill);
    assert_eq!(killed.reason.kind, ReasonKind::Rule);
    let first = verdict.denied.first.as_ref().expect("a denied call");
    let path = first.path.as_ref().expect("a path");
    assert_eq!(path.access, PathAccess::Read);
    assert_eq!(killed.args[..3], [0, 0x5412, 0x7ffc_3a10]);
    assert_eq!(verdict.wall, Some(Duration::from_millis(1500)));
    assert_eq!(verdict.cpu_time(), Duration::from_micros(1_453_004));
    assert_eq!(verdict.limit, None);
    let mut later = policy_killed();
    later["limit"] = "memory".into();
    later["denied"]["first"]["path"]["access"] = "stroke".into();
    later["killed_by"]["action"] = "pause".into();
    later["killed_by"]["reason"]["kind"] = "mood".into();
    let read = |later: &Value| Verdict::parse(later.to_string().as_bytes()).expect("a verdict");
    let verdict = read(&later);
    assert_eq!(verdict.limit, Some(LimitKind::Memory));
    let killed = verdict.killed_by.expect("a call that killed");
    assert_eq!(killed.action, DenialAction::Other);
    assert_eq!(killed.reason.kind, ReasonKind::Other);
    let path = verdict.denied.first.and_then(|first| first.path);
    assert_eq!(path.map(|path| path.access), Some(PathAccess::Other));
    later["limit"] = "patience".into();
    assert_eq!(read(&later).limit, None);
}

/// Both manuals name every ending, and the report's manual names every limit that can end a run.
#[test]
fn the_manuals_name_every_ending_and_every_limit() {
    const LIMITS: [LimitKind; 5] = [
        LimitKind::Wall,
        LimitKind::Cpu,
        LimitKind::Memory,
        LimitKind::Processes,
        LimitKind::Output,
    ];
    let row = |manual: &str, start: &str| {
        let line = manual.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no row {start}")).to_owned()
    };
    let limit = row(MANUAL, "| `limit` |");
    let log = row(LOG_MANUAL, "| `ending` | end |");
    use crate::supervise::Ending;
    let limits = LIMITS.map(Ending::Limit);
    for ending in limits
        .into_iter()
        .chain([Ending::Exited, Ending::Policy, Ending::Caller])
    {
        let name = format!("\"{}\"", word(ending.into()));
        assert!(log.contains(&name), "docs/log.md: {name}");
        assert!(
            MANUAL.contains(&format!("| `{name}` |")),
            "docs/report.md: {name}"
        );
        if let Ending::Limit(kind) = ending {
            let key = format!("\"{}\"", kind.key());
            assert!(limit.contains(&key), "docs/report.md: {key}");
        }
    }
}
