//! Shared parts of this folder's tests: a policy, calls, golden files, a file that fails on demand.

use crate::net::{Endpoint, Socket, Way};
use crate::paths::Pattern;
use crate::policy::{
    Action, Default, Entry, List, NetEntry, NetList, Origin, PathEntry, Policy, Process, Rule,
    Source, Target,
};
use crate::syscalls::{self, Call, Errno, Syscall};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::rc::Rc;

/// A policy of two sources. Reasons are looked up by index only, so conditions are left out.
pub fn policy() -> Policy {
    let source = |name: &str, preset| Source {
        name: name.to_owned(),
        preset,
        flags: false,
        text: "".into(),
        extends: Vec::new(),
        files: Vec::new(),
    };
    let entry = |key: &str, why: Option<&str>, line| Entry {
        key: key.to_owned(),
        target: syscalls::by_name(key).map_or(Target::Foreign, Target::Syscall),
        action: Action::Deny(Errno::EPERM),
        quiet: false,
        why: why.map(str::to_owned),
        origin: Origin { source: 1, line },
        replaces: None,
    };
    let rule = |when: &str, line| Rule {
        targets: vec!["ioctl".to_owned()],
        when: when.to_owned(),
        text: when.to_owned(),
        conditions: Vec::new(),
        object: None,
        action: Action::Kill,
        quiet: false,
        why: None,
        origin: Origin { source: 0, line },
    };
    Policy {
        sources: vec![source("net.toml", false), source("offline", true)].into(),
        description: None,
        default: Default {
            action: Action::Deny(Errno::EPERM),
            origin: Origin { source: 0, line: 1 },
        },
        syscalls: vec![
            entry("socket", Some("no network families"), 12),
            entry("ioctl", None, 14),
            entry("mount", None, 15),
        ],
        rules: vec![rule("request == TIOCSTI", 20), rule("", 25)],
        paths: vec![PathEntry {
            list: List::Deny,
            text: "**/.env".to_owned(),
            pattern: Pattern::glob(Path::new("/work"), "**/.env").expect("a pattern"),
            lifted: Vec::new(),
            place: None,
            links: Vec::new(),
            own: false,
            optional: false,
            action: Action::Deny(Errno::EACCES),
            why: Some("secrets".to_owned()),
            origin: Origin { source: 0, line: 4 },
        }],
        left_out: Vec::new(),
        limits: crate::policy::Limits::default(),
        peers: vec![NetEntry {
            list: NetList::Deny,
            text: "93.184.216.0/24".to_owned(),
            endpoint: Endpoint::Unix(Socket::Any),
            directory: false,
            lifted: Vec::new(),
            ways: &[Way::Connect],
            action: Action::Deny(Errno::EACCES),
            why: Some("not from here".to_owned()),
            optional: false,
            origin: Origin {
                source: 0,
                line: 30,
            },
        }],
        lifts: Vec::new(),
        process: Process::default(),
        tests: Vec::new(),
        tmpdir: None,
        relative: crate::policy::Relative::Nothing,
        domains: Vec::new(),
        domain_name: None,
        open_calls: false,
    }
}

/// A call by name.
pub fn call(name: &str, args: &[u64]) -> Call {
    let mut registers = [0; 6];
    registers[..args.len()].copy_from_slice(args);
    Call {
        nr: syscalls::by_name(name)
            .and_then(Syscall::number)
            .expect(name),
        args: registers,
    }
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Compares with a file of `tests/golden/report`; with `BLESS` set, writes it instead.
#[track_caller]
pub fn golden(name: &str, actual: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/report");
    let path = std::path::Path::new(folder).join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, actual).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name}: expected\n{expected}\ngot\n{actual}"
    );
}

/// A file that records what was written, and returns the configured results.
#[derive(Clone, Default)]
pub struct Sink(Rc<RefCell<Written>>);

#[derive(Default)]
struct Written {
    writes: Vec<Vec<u8>>,
    answers: VecDeque<Result<usize, ErrorKind>>,
}

impl Sink {
    /// The results of the next writes; later writes succeed completely.
    pub fn answer(&self, answers: impl IntoIterator<Item = Result<usize, ErrorKind>>) {
        self.0.borrow_mut().answers.extend(answers);
    }

    pub fn writes(&self) -> Vec<String> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        self.0.borrow().writes.iter().map(text).collect()
    }

    pub fn text(&self) -> String {
        self.writes().concat()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.borrow_mut();
        let count = written.answers.pop_front().unwrap_or(Ok(bytes.len()))?;
        written.writes.push(bytes[..count].to_vec());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl super::console::Messages for Sink {
    fn say(&mut self, text: &str) {
        let _ = self.write_all(text.as_bytes());
    }

    fn lost(&self) -> u64 {
        0
    }
}
