//! The report as a whole: what reaches stderr and the log for a run of events.

use super::sample::{Sink, call, golden, names, policy};
use super::text::PathFacts;
use super::*;
use crate::judge::Reason;
use crate::net::Way;
use crate::paths::Access;
use crate::policy::Action;
use crate::supervise::{Ending, PathObject, PeerObject, Stats};
use crate::syscalls::Errno;
use crate::trace::Exit;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

const DENIED: judge::Verdict = judge::Verdict {
    action: Action::Deny(Errno::EPERM),
    quiet: false,
    reason: Reason::Entry(0),
    check: None,
    domain: None,
};
const KILLED: judge::Verdict = judge::Verdict {
    action: Action::Kill,
    reason: Reason::Rule(0),
    ..DENIED
};

const OUTCOME: Outcome = Outcome {
    exit: Exit::Code(0),
    ending: Ending::Exited,
    interrupted: false,
    stats: Stats {
        paths: 0,
        peers: 0,
        refused: 0,
        returns: 0,
        seccomp: 3,
        denied: 2,
        spawn: 1,
        attach: 1,
        exec: 2,
        signal: 1,
        group: 0,
        other: 0,
    },
};

struct Fixture {
    policy: Policy,
    err: Sink,
    log: Sink,
}

impl Fixture {
    fn new() -> Self {
        Self {
            policy: policy(),
            err: Sink::default(),
            log: Sink::default(),
        }
    }

    fn report(&self, quiet: bool, logged: bool) -> Report<'_> {
        let command = ["sh", "-c", "python3 fetch.py"].map(OsString::from).into();
        let policy_name = "net.toml".to_owned();
        let settings = Settings {
            quiet,
            command,
            policy_name,
            ..Settings::default()
        };
        let mut report = Report::new(&self.policy, settings);
        report.out = Box::new(self.err.clone());
        report.log = logged.then(|| Log::new(self.log.clone()));
        report.log_name = "events.jsonl".to_owned();
        report.clock = || 1_764_000_000.25;
        report
    }
}

fn socket(report: &mut Report<'_>, family: u64) {
    let call = call("socket", &[family, 1, 0]);
    report.denied(&call, &DENIED, None, false, || caller(&call));
}

fn caller(call: &Call) -> Caller {
    Caller {
        own: Vec::new(),
        run: Default::default(),
        asked: None,
        path: None,
        peer: None,
        pid: 4712,
        tid: 4712,
        ancestry: names(&["sh", "python3"]),
        domains: crate::policy::DomainSet::NONE,
        call: call.to_string(),
    }
}

#[test]
fn a_denial_is_told_once_in_one_write_and_summed_up() {
    let fixture = Fixture::new();
    let mut report = fixture.report(false, false);
    for _ in 0..1200 {
        socket(&mut report, 2);
    }
    let _ = report.end(&OUTCOME);
    assert_eq!(fixture.err.writes().len(), 2);
    golden("run.txt", &fixture.err.text());
}

#[test]
fn a_flood_of_different_denials_is_bounded() {
    let fixture = Fixture::new();
    let mut report = fixture.report(false, false);
    for family in 0..100_000 {
        socket(&mut report, family);
    }
    let _ = report.end(&OUTCOME);
    let writes = fixture.err.writes();
    assert_eq!(
        writes.len(),
        tally::MESSAGES_EACH + 2,
        "ten, that it is enough, the summary"
    );
    assert_eq!(
        writes[10],
        "jail: some further denials of socket [offline:12] are only counted; --log FILE records each\n"
    );
}

#[test]
fn a_flood_of_foreign_programs_is_bounded() {
    let fixture = Fixture::new();
    let mut report = fixture.report(false, false);
    for pid in 0..10_000 {
        report.foreign(pid, &names(&["sh", &format!("x{pid}")]));
        report.foreign(pid, &names(&["sh", "same"]));
    }
    assert_eq!(fixture.err.writes().len(), tally::MESSAGES_EACH);
    let _ = report.end(&OUTCOME);
    assert_eq!(
        fixture.err.writes().last().map(String::as_str),
        Some("jail: 32-bit programs killed 20,000 times\n")
    );
}

#[test]
fn quiet_says_nothing_of_denials_and_logs_them_all_the_same() {
    let fixture = Fixture::new();
    let mut report = fixture.report(true, true);
    socket(&mut report, 2);
    socket(&mut report, 2);
    report.killed(
        &call("ioctl", &[0, 0x5412, 0]),
        &KILLED,
        caller(&call("ioctl", &[])),
    );
    report.foreign(1, &names(&["old"]));
    let _ = report.end(&OUTCOME);
    assert_eq!(fixture.err.text(), "");
    assert_eq!(fixture.log.writes().len(), 5);
}

#[test]
fn a_failure_of_jail_itself_is_told_even_if_quiet() {
    let fixture = Fixture::new();
    let report = fixture.report(true, true);
    let _ = report.failed(&SuperviseError::MainLost);
    assert!(
        fixture
            .err
            .text()
            .starts_with("jail: the command's end was not reported")
    );
    assert!(
        fixture
            .log
            .text()
            .contains(r#""ending":"failed","exit_code":125,"#)
    );
}

#[test]
fn a_log_that_cannot_be_written_is_told_at_once_and_at_the_end() {
    let fixture = Fixture::new();
    fixture
        .log
        .answer([Err(ErrorKind::BrokenPipe), Err(ErrorKind::BrokenPipe)]);
    let mut report = fixture.report(true, true);
    socket(&mut report, 2);
    socket(&mut report, 2);
    let _ = report.end(&OUTCOME);
    assert_eq!(
        fixture.err.writes(),
        [
            "jail: cannot write to the log events.jsonl: broken pipe; events are being lost\n",
            "jail: 2 events are missing in the log events.jsonl: broken pipe\n",
        ]
    );
    assert!(
        fixture.log.text().contains(r#""lost":2"#),
        "and the last line says so too"
    );
}

#[test]
fn a_closed_stderr_does_not_matter() {
    let fixture = Fixture::new();
    fixture
        .err
        .answer([Err(ErrorKind::BrokenPipe), Err(ErrorKind::BrokenPipe)]);
    let mut report = fixture.report(false, true);
    socket(&mut report, 2);
    let _ = report.end(&OUTCOME);
    assert_eq!(fixture.log.writes().len(), 2);
}

#[test]
fn a_command_that_is_started_again_by_the_shell_is_logged_whole() {
    let fixture = Fixture::new();
    let mut report = fixture.report(false, true);
    for pid in [1, 2] {
        report.event(&Event::Start {
            pid,
            program: Path::new("/bin/sh"),
        });
    }
    for line in fixture.log.writes() {
        assert!(line.contains(r#""command":["sh","-c","python3 fetch.py"],"policy":"net.toml""#));
    }
}

#[test]
fn who_waits_is_told_even_if_quiet() {
    let fixture = Fixture::new();
    let tree = names(&["sleep (pid 12)"]);
    fixture.report(true, false).event(&Event::Waiting {
        tree: &tree,
        asked: true,
    });
    assert!(fixture.err.text().contains("sleep (pid 12)"));
}

/// Run alone and in release for a number: `cargo test --release repeated_denial -- --nocapture`.
#[test]
fn a_repeated_denial_reads_nothing_and_formats_nothing() {
    let fixture = Fixture::new();
    let mut report = fixture.report(false, false);
    let call = call("socket", &[2, 1, 0]);
    report.denied(&call, &DENIED, None, false, || caller(&call));
    let rounds = 1_000_000;
    let start = Instant::now();
    for _ in 0..rounds {
        let call = std::hint::black_box(call);
        report.denied(&call, &DENIED, None, false, || panic!("asked the process"));
    }
    println!("{} ns a denial", start.elapsed().as_nanos() / rounds);
}

/// The lines of a run with every kind of event.
fn every_event(fixture: &Fixture) -> Vec<String> {
    let mut report = fixture.report(true, true);
    report.event(&Event::Start {
        pid: 4711,
        program: Path::new("/usr/bin/sh"),
    });
    report.record(|time, _| Record::Exec {
        domains: Vec::new(),
        time,
        pid: 4711,
        ancestry: vec!["sh"],
    });
    report.event(&Event::Spawn {
        parent: 4711,
        child: 4712,
        thread: false,
    });
    let openat = call("openat", &[0xffff_ff9c, 0x7ffc_3a10, 0]);
    for _ in 0..2 {
        // The second is the same.
        report.event(&Event::Accessed {
            pid: 4712,
            tid: 4712,
            call: &openat,
            object: &Object::Path(PathObject {
                access: Access::Read,
                given: b"fetch.py".to_vec(),
                resolved: b"/work/fetch.py".to_vec(),
                exists: true,
            }),
            program: &crate::supervise::Program::default(),
            domains: crate::policy::DomainSet::NONE,
        });
    }
    socket(&mut report, 2);
    let object = Object::Path(PathObject {
        access: Access::Read,
        given: b"../.env".to_vec(),
        resolved: b"/work/.env".to_vec(),
        exists: true,
    });
    let verdict = judge::Verdict {
        action: Action::Deny(Errno::EACCES),
        reason: Reason::Path(0),
        ..DENIED
    };
    report.denied(&openat, &verdict, Some(&object), false, || Caller {
        call: "openat(AT_FDCWD, \"../.env\", O_RDONLY)".to_owned(),
        path: Some(PathFacts {
            access: Access::Read,
            given: "../.env".to_owned(),
            resolved: "/work/.env".to_owned(),
        }),
        ..caller(&openat)
    });
    let connect = call("connect", &[3, 0x7ffc_3a10, 16]);
    let peer = PeerObject {
        way: Way::Connect,
        to: "93.184.216.34:80".to_owned(),
        names: vec!["registry.example".to_owned()],
        who: None,
    };
    let verdict = judge::Verdict {
        action: Action::Deny(Errno::EACCES),
        reason: Reason::Peer(0),
        ..DENIED
    };
    let object = Object::Peer(peer.clone());
    report.denied(&connect, &verdict, Some(&object), false, || Caller {
        peer: Some(peer),
        ..caller(&connect)
    });
    report.event(&Event::Signal {
        pid: 4712,
        tid: 4712,
        signal: 15,
    });
    report.event(&Event::Exit {
        parent: None,
        pid: 4712,
        exit: Exit::Signal(15),
    });
    report.foreign(4713, &names(&["sh", "old-game"]));
    let limit = DomainLimit {
        pid: 4712,
        ancestry: names(&["cargo", "build-script-build"]),
        domain: "build-script".to_owned(),
        limit: Some(LimitKind::Processes),
        value: "16".to_owned(),
        source: Some("net.toml".to_owned()),
        line: Some(12),
    };
    report.record(|time, _| Record::Limit {
        time,
        limit: &limit,
    });
    report.event(&Event::Waiting {
        tree: &names(&["sleep (pid 4714)"]),
        asked: true,
    });
    let tiocsti = call("ioctl", &[0, 0x5412, 0x7ffc_3a10]);
    report.killed(
        &tiocsti,
        &KILLED,
        Caller {
            pid: 4711,
            ..caller(&tiocsti)
        },
    );
    report.event(&Event::Exit {
        parent: None,
        pid: 4711,
        exit: Exit::Signal(9),
    });
    let outcome = Outcome {
        exit: Exit::Signal(9),
        ending: Ending::Policy,
        ..OUTCOME
    };
    let _ = report.end(&outcome);
    fixture.log.writes()
}

#[test]
fn the_examples_of_the_manual_are_what_is_written() {
    let fixture = Fixture::new();
    let written = every_event(&fixture);
    let manual = include_str!("../../docs/log.md");
    let examples: Vec<&str> = manual
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let written: Vec<&str> = written.iter().map(|line| line.trim_end()).collect();
    assert_eq!(examples, written, "\nwritten:\n{}", written.join("\n"));
}

#[test]
fn every_field_is_in_the_manual() {
    fn fields(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(object) => {
                for (key, value) in object {
                    found.push(key.clone());
                    fields(value, found);
                }
            }
            serde_json::Value::Array(list) => list.iter().for_each(|one| fields(one, found)),
            _ => {}
        }
    }
    let manual = include_str!("../../docs/log.md");
    for line in every_event(&Fixture::new()) {
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line each");
        let value = serde_json::from_str(&line).expect("a JSON value");
        let mut found = Vec::new();
        fields(&value, &mut found);
        for field in found {
            assert!(
                manual.contains(&format!("| `{field}` |")),
                "{field} of {line}"
            );
        }
    }
}
