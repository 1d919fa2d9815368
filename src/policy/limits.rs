//! A file's `[limits]`: how much of time and of everything else a command may use.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::Origin;
use super::document::{Document, Value};
use super::given::read_number;
use toml::de::DeValue;

/// A limit, as written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit<T> {
    /// What it is.
    pub value: T,
    /// As its author wrote it.
    pub text: String,
    /// Its place in the policy.
    pub origin: Origin,
}

/// `[limits]`; what is `None` is not limited.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct Limits {
    /// Wall-clock time from start to end.
    pub(crate) wall: Option<Limit<Duration>>,
    /// The time between SIGTERM and SIGKILL.
    pub(crate) grace: Option<Limit<Duration>>,
    /// The processor time of all processes together.
    pub(crate) cpu: Option<Limit<Duration>>,
    /// The memory of all processes together, in bytes.
    pub(crate) memory: Option<Limit<u64>>,
    /// The number of tasks at the same time: processes and their threads.
    pub(crate) processes: Option<Limit<u64>>,
    /// The number of descriptors of one process.
    pub(crate) open_files: Option<Limit<u64>>,
    /// The size of a written file, in bytes.
    pub(crate) file_size: Option<Limit<u64>>,
    /// The stack size of a process, in bytes.
    pub(crate) stack: Option<Limit<u64>>,
    /// The bytes written to stdout and stderr together.
    pub(crate) output: Option<Limit<u64>>,
}

/// A key of `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// Wall-clock time from start to end.
    Wall,
    /// From SIGTERM to SIGKILL.
    Grace,
    /// The processor time of all processes together.
    Cpu,
    /// The memory of all processes together, in bytes.
    Memory,
    /// Processes and threads at the same time.
    Processes,
    /// The number of descriptors of one process.
    OpenFiles,
    /// Bytes of one file.
    FileSize,
    /// The stack size of a process, in bytes.
    Stack,
    /// The bytes written to stdout and stderr together.
    Output,
}

impl LimitKind {
    /// All of them.
    pub const ALL: [LimitKind; 9] = [
        LimitKind::Wall,
        LimitKind::Grace,
        LimitKind::Cpu,
        LimitKind::Memory,
        LimitKind::Processes,
        LimitKind::OpenFiles,
        LimitKind::FileSize,
        LimitKind::Stack,
        LimitKind::Output,
    ];

    /// As written in a policy.
    pub const fn key(self) -> &'static str {
        match self {
            LimitKind::Wall => "wall",
            LimitKind::Grace => "grace",
            LimitKind::Cpu => "cpu",
            LimitKind::Memory => "memory",
            LimitKind::Processes => "processes",
            LimitKind::OpenFiles => "open-files",
            LimitKind::FileSize => "file-size",
            LimitKind::Stack => "stack",
            LimitKind::Output => "output",
        }
    }
}

const KEYS: &[&str] = &[
    "wall",
    "grace",
    "cpu",
    "memory",
    "processes",
    "open-files",
    "file-size",
    "stack",
    "output",
];

impl Limits {
    /// These limits, and the inherited ones for those that are missing.
    pub(super) fn or(self, inherited: Limits) -> Limits {
        Limits {
            wall: self.wall.or(inherited.wall),
            grace: self.grace.or(inherited.grace),
            cpu: self.cpu.or(inherited.cpu),
            memory: self.memory.or(inherited.memory),
            processes: self.processes.or(inherited.processes),
            open_files: self.open_files.or(inherited.open_files),
            file_size: self.file_size.or(inherited.file_size),
            stack: self.stack.or(inherited.stack),
            output: self.output.or(inherited.output),
        }
    }

    /// The stricter of each.
    pub(super) fn and(self, other: Limits) -> Limits {
        Limits {
            wall: least(self.wall, other.wall),
            grace: least(self.grace, other.grace),
            cpu: least(self.cpu, other.cpu),
            memory: least(self.memory, other.memory),
            processes: least(self.processes, other.processes),
            open_files: least(self.open_files, other.open_files),
            file_size: least(self.file_size, other.file_size),
            stack: least(self.stack, other.stack),
            output: least(self.output, other.output),
        }
    }

    /// Parses a limit as written in a policy. It has no place yet.
    pub(super) fn read(&mut self, kind: LimitKind, text: &str) -> Result<(), String> {
        fn limit<T>(value: T, text: &str) -> Option<Limit<T>> {
            Some(Limit {
                value,
                text: text.to_owned(),
                origin: Origin { source: 0, line: 0 },
            })
        }
        match kind {
            LimitKind::Wall => self.wall = limit(read_duration(text)?, text),
            LimitKind::Grace => self.grace = limit(read_duration(text)?, text),
            LimitKind::Cpu => self.cpu = limit(read_duration(text)?, text),
            LimitKind::Memory => self.memory = limit(read_bytes(text)?, text),
            LimitKind::Processes => self.processes = limit(read_number(text)?, text),
            LimitKind::OpenFiles => self.open_files = limit(read_number(text)?, text),
            LimitKind::FileSize => self.file_size = limit(read_bytes(text)?, text),
            LimitKind::Stack => self.stack = limit(read_bytes(text)?, text),
            LimitKind::Output => self.output = limit(read_bytes(text)?, text),
        }
        Ok(())
    }

    /// Sets the place of a limit, if there is one.
    pub(super) fn stand(&mut self, kind: LimitKind, at: Origin) {
        fn of<T>(limit: &mut Option<Limit<T>>, at: Origin) {
            if let Some(limit) = limit {
                limit.origin = at;
            }
        }
        match kind {
            LimitKind::Wall => of(&mut self.wall, at),
            LimitKind::Grace => of(&mut self.grace, at),
            LimitKind::Cpu => of(&mut self.cpu, at),
            LimitKind::Memory => of(&mut self.memory, at),
            LimitKind::Processes => of(&mut self.processes, at),
            LimitKind::OpenFiles => of(&mut self.open_files, at),
            LimitKind::FileSize => of(&mut self.file_size, at),
            LimitKind::Stack => of(&mut self.stack, at),
            LimitKind::Output => of(&mut self.output, at),
        }
    }

    /// The place of a limit, and its text.
    pub fn said(&self, kind: LimitKind) -> Option<(Origin, &str)> {
        fn of<T>(limit: &Option<Limit<T>>) -> Option<(Origin, &str)> {
            limit
                .as_ref()
                .map(|limit| (limit.origin, limit.text.as_str()))
        }
        match kind {
            LimitKind::Wall => of(&self.wall),
            LimitKind::Grace => of(&self.grace),
            LimitKind::Cpu => of(&self.cpu),
            LimitKind::Memory => of(&self.memory),
            LimitKind::Processes => of(&self.processes),
            LimitKind::OpenFiles => of(&self.open_files),
            LimitKind::FileSize => of(&self.file_size),
            LimitKind::Stack => of(&self.stack),
            LimitKind::Output => of(&self.output),
        }
    }
}

fn least<T: PartialOrd>(one: Option<Limit<T>>, other: Option<Limit<T>>) -> Option<Limit<T>> {
    match (one, other) {
        (Some(one), Some(other)) if other.value < one.value => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

/// The limits of a `[limits]` table.
pub(super) fn limits(document: &mut Document<'_>, value: &Value<'_>) -> Limits {
    let mut limits = Limits::default();
    let expected = "a table: `[limits]`, then `wall = \"10s\"` and the like";
    let Some(table) = document.table("limits", expected, value) else {
        return limits;
    };
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "wall" => limits.wall = duration(document, "wall", value),
            "grace" => limits.grace = duration(document, "grace", value),
            "cpu" => limits.cpu = duration(document, "cpu", value),
            "memory" => limits.memory = bytes(document, "memory", value),
            "processes" => limits.processes = number(document, "processes", value),
            "open-files" => limits.open_files = number(document, "open-files", value),
            "file-size" => limits.file_size = bytes(document, "file-size", value),
            "stack" => limits.stack = bytes(document, "stack", value),
            "output" => limits.output = bytes(document, "output", value),
            _ => {
                document.unknown_key(key, "in [limits]", KEYS);
            }
        }
    }
    limits
}

fn duration(document: &mut Document<'_>, key: &str, value: &Value<'_>) -> Option<Limit<Duration>> {
    let text = document.string(key, value)?.to_owned();
    match read_duration(&text) {
        Ok(duration) => Some(limit(document, value, text, duration)),
        Err(message) => wrong(
            document,
            value.span(),
            message,
            "write 500ms, 10s, 5m or 2h",
        ),
    }
}

fn bytes(document: &mut Document<'_>, key: &str, value: &Value<'_>) -> Option<Limit<u64>> {
    let text = document.string(key, value)?.to_owned();
    match read_bytes(&text) {
        Ok(bytes) => Some(limit(document, value, text, bytes)),
        Err(message) => wrong(
            document,
            value.span(),
            message,
            "write 64KiB, 512MiB or 2GiB; 100B are bytes",
        ),
    }
}

fn number(document: &mut Document<'_>, key: &str, value: &Value<'_>) -> Option<Limit<u64>> {
    let text = match value.get_ref() {
        DeValue::Integer(number) => number.to_string(),
        other => {
            document.wrong_type(key, "a number", other, value.span());
            return None;
        }
    };
    match text.parse::<u64>() {
        Ok(number @ 1..) => Some(limit(document, value, text, number)),
        _ => wrong(
            document,
            value.span(),
            format!("`{key}` must be at least 1, not {text}"),
            "remove it to set no limit",
        ),
    }
}

fn limit<T>(document: &Document<'_>, value: &Value<'_>, text: String, read: T) -> Limit<T> {
    Limit {
        value: read,
        text,
        origin: document.origin(&value.span()),
    }
}

fn wrong<T>(
    document: &mut Document<'_>,
    span: Range<usize>,
    message: String,
    help: &str,
) -> Option<T> {
    document.error("limit", span, message).help(help);
    None
}

/// A number and its unit.
fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

pub(super) fn read_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if !number.is_empty() => return Err(format!("\"{text}\" has no unit")),
        _ => return Err(format!("\"{text}\" is not a duration")),
    };
    let value = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(milliseconds));
    match value {
        // No timer runs longer than a year.
        Some(value @ 1..=31_536_000_000) => Ok(Duration::from_millis(value)),
        Some(0) => Err(format!("\"{text}\" is a duration of zero")),
        _ => Err(format!(
            "\"{text}\" is not a duration, or is longer than a year"
        )),
    }
}

pub(super) fn read_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "" if !number.is_empty() => return Err(format!("\"{text}\" has no unit")),
        _ => return Err(format!("\"{text}\" is not a size")),
    };
    match number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
    {
        Some(0) => Err(format!("\"{text}\" is a size of zero")),
        // RLIM_INFINITY means no limit.
        Some(bytes) if bytes < u64::MAX >> 1 => Ok(bytes),
        _ => Err(format!("\"{text}\" is not a size, or is too large")),
    }
}

impl<T> fmt::Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_amounts_have_units() {
        assert_eq!(read_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(read_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(read_duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(read_bytes("64KiB"), Ok(65_536));
        assert_eq!(read_bytes("1MB"), Ok(1_000_000));
        assert_eq!(read_bytes("17B"), Ok(17));
    }

    #[test]
    fn what_is_none_is_refused_with_a_reason() {
        for wrong in [
            "",
            "10",
            "s",
            "1d",
            "-1s",
            "1.5s",
            "0s",
            "99999999h",
            "1 s",
            "99999999999999999999s",
        ] {
            assert!(read_duration(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "",
            "17",
            "MiB",
            "1Mib",
            "-1",
            "0B",
            "99999999TiB",
            "9223372036854775807",
        ] {
            assert!(read_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_replaces_what_it_inherits_and_of_two_the_stricter_holds() {
        let at = |value, line| {
            Some(Limit {
                value,
                text: String::new(),
                origin: Origin { source: 0, line },
            })
        };
        let one = Limits {
            processes: at(64, 1),
            stack: at(5, 1),
            ..Limits::default()
        };
        let other = Limits {
            processes: at(16, 2),
            open_files: at(9, 2),
            ..Limits::default()
        };
        let own = one.clone().or(other.clone());
        assert_eq!((own.processes, own.open_files), (at(64, 1), at(9, 2)));
        let both = one.and(other);
        assert_eq!(both.processes, at(16, 2));
        assert_eq!((both.open_files, both.stack), (at(9, 2), at(5, 1)));
    }
}
