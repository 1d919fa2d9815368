//! Limits that a program sets, in place of a policy's. They have a source of their own, so that messages
//! name them like a file's.

use super::limits::{Amount, Unit};
use super::{Limit, LimitKind, Limits, Origin, Policy, Source};
use crate::condition::nearest;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

/// The name of that source in messages.
const NAME: &str = "given";

impl Limits {
    /// No limits.
    pub fn new() -> Limits {
        Limits::default()
    }

    /// Sets a limit as written in a policy: `set("wall", "10s")`, `set("processes", "64")`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        let Some(kind) = LimitKind::of_key(key) else {
            let keys = LimitKind::ALL.map(LimitKind::key);
            return Err(match nearest(key, keys) {
                Some(near) => format!("unknown limit `{key}`; did you mean `{near}`?"),
                None => format!("unknown limit `{key}`; there are {}", keys.join(", ")),
            });
        };
        self.read(kind, text)
            .map_err(|message| format!("{key}: {message}"))
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        LimitKind::ALL.iter().all(|kind| self.said(*kind).is_none())
    }

    /// Wall-clock time from start to end.
    pub fn wall(self, most: Duration) -> Limits {
        self.given(LimitKind::Wall, time(most))
    }

    /// The time between SIGTERM, when the wall limit is reached, and SIGKILL.
    pub fn grace(self, most: Duration) -> Limits {
        self.given(LimitKind::Grace, time(most))
    }

    /// The processor time of all processes together.
    pub fn cpu(self, most: Duration) -> Limits {
        self.given(LimitKind::Cpu, time(most))
    }

    /// The memory of all processes together, in bytes.
    pub fn memory(self, most: u64) -> Limits {
        self.given(LimitKind::Memory, number(most, LimitKind::Memory))
    }

    /// The number of processes and threads at the same time.
    pub fn processes(self, most: u64) -> Limits {
        self.given(LimitKind::Processes, number(most, LimitKind::Processes))
    }

    /// The number of descriptors of one process.
    pub fn open_files(self, most: u64) -> Limits {
        self.given(LimitKind::OpenFiles, number(most, LimitKind::OpenFiles))
    }

    /// The size of a written file, in bytes.
    pub fn file_size(self, most: u64) -> Limits {
        self.given(LimitKind::FileSize, number(most, LimitKind::FileSize))
    }

    /// The stack size of a process, in bytes.
    pub fn stack(self, most: u64) -> Limits {
        self.given(LimitKind::Stack, number(most, LimitKind::Stack))
    }

    /// The bytes written to stdout and stderr together.
    pub fn output(self, most: u64) -> Limits {
        self.given(LimitKind::Output, number(most, LimitKind::Output))
    }

    fn given(mut self, kind: LimitKind, (value, text): (Amount, String)) -> Limits {
        let origin = Origin { source: 0, line: 0 };
        self.put(
            kind,
            Some(Limit {
                value,
                text,
                origin,
            }),
        );
        self
    }
}

fn time(most: Duration) -> (Amount, String) {
    (Amount::Time(most), format!("{}ms", most.as_millis()))
}

/// Formats it; bytes in the largest unit that divides them.
fn number(most: u64, kind: LimitKind) -> (Amount, String) {
    let bytes = kind.unit() == Unit::Bytes;
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units
        .into_iter()
        .find(|(unit, _)| bytes && most > 0 && most.is_multiple_of(*unit));
    let text = match whole {
        Some((unit, name)) => format!("{}{name}", most / unit),
        None if bytes => format!("{most}B"),
        None => most.to_string(),
    };
    (Amount::Number(most), text)
}

impl Policy {
    /// The policy with these limits, each replacing the policy's own.
    pub fn with_limits(mut self, limits: &Limits) -> Policy {
        let source = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        let mut text = "[limits]\n".to_owned();
        let mut line = 1;
        let mut given = limits.clone();
        for kind in LimitKind::ALL {
            let Some((_, said)) = limits.said(kind) else {
                continue;
            };
            let _ = writeln!(text, "{} = \"{said}\"", kind.key());
            line += 1;
            given.stand(kind, Origin { source, line });
        }
        self.sources.push(Source {
            name: NAME.to_owned(),
            preset: false,
            flags: false,
            text: Cow::Owned(text),
            extends: Vec::new(),
            files: Vec::new(),
        });
        self.limits = given.or(self.limits);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_limit_replaces_the_policys_and_has_a_place() {
        let policy = Policy::parse("[limits]\nwall = \"9s\"\nstack = \"1MiB\"\n", "a.toml");
        let given = Limits::new()
            .wall(Duration::from_millis(1500))
            .output(3 << 20);
        let policy = policy.expect("a policy").with_limits(&given);
        let said = |kind| {
            let (origin, text) = policy.limits.said(kind).expect("a limit");
            (policy.place(origin), policy.line(origin), text)
        };
        let wall = ("given:2".to_owned(), "wall = \"1500ms\"", "1500ms");
        assert_eq!(said(LimitKind::Wall), wall);
        let output = ("given:3".to_owned(), "output = \"3MiB\"", "3MiB");
        assert_eq!(said(LimitKind::Output), output);
        assert_eq!(said(LimitKind::Stack).0, "a.toml:3");
        assert!(Limits::new().is_empty() && !given.is_empty());
    }
}
