//! A file's `[limits]`: how much of time and of everything else a command may use.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::Code;
use super::Origin;
use super::document::Document;
use super::tree::{Kind, Value};

/// A limit, as written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What it is.
    pub value: Amount,
    /// As its author wrote it.
    pub text: String,
    /// Its place in the policy.
    pub origin: Origin,
}

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Amount {
    /// So long.
    Time(Duration),
    /// So many, or so many bytes.
    Number(u64),
}

/// The unit in which a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// `10s`
    Time,
    /// `512MiB`
    Bytes,
    /// `64`
    Number,
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
    /// The number of processes and threads at the same time.
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

/// The key of each kind and the unit of its value, in the order of the kinds.
#[rustfmt::skip]
const KINDS: [(LimitKind, &str, Unit); 9] = [
    (LimitKind::Wall,      "wall",       Unit::Time),
    (LimitKind::Grace,     "grace",      Unit::Time),
    (LimitKind::Cpu,       "cpu",        Unit::Time),
    (LimitKind::Memory,    "memory",     Unit::Bytes),
    (LimitKind::Processes, "processes",  Unit::Number),
    (LimitKind::OpenFiles, "open-files", Unit::Number),
    (LimitKind::FileSize,  "file-size",  Unit::Bytes),
    (LimitKind::Stack,     "stack",      Unit::Bytes),
    (LimitKind::Output,    "output",     Unit::Bytes),
];

impl LimitKind {
    /// All of them.
    pub const ALL: [LimitKind; KINDS.len()] = {
        let mut all = [LimitKind::Wall; KINDS.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = KINDS[at].0;
            at += 1;
        }
        all
    };

    /// Those that a domain can have: they are counted for a part of the processes.
    pub const OF_DOMAIN: [LimitKind; 3] = [LimitKind::Cpu, LimitKind::Memory, LimitKind::Processes];

    /// As written in a policy.
    pub const fn key(self) -> &'static str {
        KINDS[self as usize].1
    }

    pub(super) const fn unit(self) -> Unit {
        KINDS[self as usize].2
    }

    /// The kind with this key.
    pub(super) fn of_key(key: &str) -> Option<LimitKind> {
        LimitKind::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

/// `[limits]`; what is `None` is not limited.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct Limits([Option<Limit>; KINDS.len()]);

impl Limits {
    /// A limit, if there is one.
    pub(crate) fn get(&self, kind: LimitKind) -> Option<&Limit> {
        self.0.get(kind as usize)?.as_ref()
    }

    /// A limit of time.
    pub(crate) fn time(&self, kind: LimitKind) -> Option<Duration> {
        match self.get(kind)?.value {
            Amount::Time(time) => Some(time),
            Amount::Number(_) => None,
        }
    }

    /// A limit of anything else.
    pub(crate) fn number(&self, kind: LimitKind) -> Option<u64> {
        match self.get(kind)?.value {
            Amount::Time(_) => None,
            Amount::Number(number) => Some(number),
        }
    }

    /// The place of a limit, and its text.
    pub(crate) fn said(&self, kind: LimitKind) -> Option<(Origin, &str)> {
        let limit = self.get(kind)?;
        Some((limit.origin, limit.text.as_str()))
    }

    pub(super) fn put(&mut self, kind: LimitKind, limit: Option<Limit>) {
        if let Some(place) = self.0.get_mut(kind as usize) {
            *place = limit;
        }
    }

    /// These limits, and the inherited ones for those that are missing.
    pub(super) fn or(self, inherited: Limits) -> Limits {
        self.with(inherited, Option::or)
    }

    /// The stricter of each.
    pub(super) fn and(self, other: Limits) -> Limits {
        self.with(other, |one, other| match (one, other) {
            (Some(one), Some(other)) if other.value < one.value => Some(other),
            (Some(one), _) => Some(one),
            (None, other) => other,
        })
    }

    fn with(
        self,
        other: Limits,
        both: impl Fn(Option<Limit>, Option<Limit>) -> Option<Limit>,
    ) -> Limits {
        let mut others = other.0.into_iter();
        Limits(self.0.map(|one| both(one, others.next().flatten())))
    }

    /// Parses a limit as written in a policy. It has no place yet.
    pub(super) fn read(&mut self, kind: LimitKind, text: &str) -> Result<(), String> {
        let value = match kind.unit() {
            Unit::Time => Amount::Time(read_duration(text)?),
            Unit::Bytes => Amount::Number(read_bytes(text)?),
            Unit::Number => Amount::Number(read_number(text)?),
        };
        let limit = Limit {
            value,
            text: text.to_owned(),
            origin: Origin { source: 0, line: 0 },
        };
        self.put(kind, Some(limit));
        Ok(())
    }

    /// Sets the place of a limit, if there is one.
    pub(super) fn stand(&mut self, kind: LimitKind, at: Origin) {
        if let Some(Some(limit)) = self.0.get_mut(kind as usize) {
            limit.origin = at;
        }
    }
}

/// The limits of a `[limits]` table.
pub(super) fn limits(document: &mut Document<'_>, value: Value<'_>) -> Limits {
    let mut limits = Limits::default();
    let expected = "a table: `[limits]`, then `wall = \"10s\"` and the like";
    let Some(table) = document.table("limits", expected, value) else {
        return limits;
    };
    for (key, value) in table {
        let name = key.name();
        let Some(kind) = LimitKind::of_key(name) else {
            document.unknown_key(key, "[limits]", &LimitKind::ALL.map(LimitKind::key));
            continue;
        };
        let limit = match kind.unit() {
            Unit::Time => duration(document, name, value),
            Unit::Bytes => bytes(document, name, value),
            Unit::Number => number(document, name, value),
        };
        limits.put(kind, limit);
    }
    limits
}

/// The limits of a domain.
pub(super) fn of_domain(document: &mut Document<'_>, value: Value<'_>) -> Limits {
    let mut read = limits(document, value);
    let keys = value.as_table().into_iter().flatten();
    for (key, _) in keys {
        let kind = LimitKind::of_key(key.name());
        if let Some(kind) = kind.filter(|kind| !LimitKind::OF_DOMAIN.contains(kind)) {
            read.put(kind, None);
            document
                .error(
                    Code::Domain,
                    key.span(),
                    format!("a domain cannot limit `{}`", kind.key()),
                )
                .help(format!(
                    "a domain can have {}: write `{}` below [limits], for the whole command",
                    LimitKind::OF_DOMAIN.map(LimitKind::key).join(", "),
                    kind.key()
                ));
        }
    }
    read
}

fn duration(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Limit> {
    let text = document.string(key, value)?.to_owned();
    match read_duration(&text) {
        Ok(duration) => Some(limit(document, value, text, Amount::Time(duration))),
        Err(message) => wrong(
            document,
            value.span(),
            message,
            "write 500ms, 10s, 5m or 2h",
        ),
    }
}

fn bytes(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Limit> {
    let text = document.string(key, value)?.to_owned();
    match read_bytes(&text) {
        Ok(bytes) => Some(limit(document, value, text, Amount::Number(bytes))),
        Err(message) => wrong(
            document,
            value.span(),
            message,
            "write 64KiB, 512MiB or 2GiB; 100B are bytes",
        ),
    }
}

fn number(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Limit> {
    let text = match value.kind() {
        Kind::Integer(number) => number.to_string(),
        other => {
            document.wrong_type(key, "a number", other, value.span());
            return None;
        }
    };
    match text.parse::<u64>() {
        Ok(number @ 1..) => Some(limit(document, value, text, Amount::Number(number))),
        _ => wrong(
            document,
            value.span(),
            format!("`{key}` must be at least 1, not {text}"),
            "remove it to set no limit",
        ),
    }
}

fn limit(document: &Document<'_>, value: Value<'_>, text: String, read: Amount) -> Limit {
    Limit {
        value: read,
        text,
        origin: document.origin(&value.span()),
    }
}

fn wrong(
    document: &mut Document<'_>,
    span: Range<usize>,
    message: String,
    help: &str,
) -> Option<Limit> {
    document.error(Code::Limit, span, message).help(help);
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

/// A number that is at least 1.
fn read_number(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(format!("it must be a number, at least 1, not {text}")),
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

impl fmt::Display for Limit {
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
        let at = |value, line| Limit {
            value: Amount::Number(value),
            text: String::new(),
            origin: Origin { source: 0, line },
        };
        let of = |all: &[(LimitKind, Limit)]| {
            let mut limits = Limits::default();
            for (kind, limit) in all {
                limits.put(*kind, Some(limit.clone()));
            }
            limits
        };
        let (processes, files) = (LimitKind::Processes, LimitKind::OpenFiles);
        let one = of(&[(processes, at(64, 1)), (LimitKind::Stack, at(5, 1))]);
        let other = of(&[(processes, at(16, 2)), (files, at(9, 2))]);
        let own = one.clone().or(other.clone());
        assert_eq!(own.get(processes), Some(&at(64, 1)));
        assert_eq!(own.get(files), Some(&at(9, 2)));
        let both = one.and(other);
        assert_eq!(both.get(processes), Some(&at(16, 2)));
        assert_eq!(both.get(files), Some(&at(9, 2)));
        assert_eq!(both.get(LimitKind::Stack), Some(&at(5, 1)));
    }

    #[test]
    fn the_table_has_the_kinds_in_their_order() {
        for (place, (kind, key, _)) in KINDS.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.key()), (place, key));
            assert_eq!(LimitKind::of_key(key), Some(kind));
        }
    }
}
