//! Parses a call's text into registers.

use std::fmt;
use std::ops::Range;

use super::kind::{Kind, Width};
use super::{Call, Syscall, by_name, constant, signal_by_name};

/// Why a text is not a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// Where, in bytes of the text.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// The name that is unknown here.
    pub unknown: Option<Unknown>,
}

/// An unknown name; a known one may be suggested for all but those of other architectures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// In the place of a system call's name.
    Syscall(String),
    /// In the place of a constant.
    Constant(String),
    /// That of a system call which exists on other architectures only.
    Elsewhere,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}

/// The register's value for a string in the text: an address that no program has and that is not NULL.
const SOMEWHERE: u64 = 0x7fff_0000_0000;

/// Parses a call such as `socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0)`.
///
/// An argument is an integer (decimal, `0x`, `0o`, octal with a leading `0`, or negative), constants
/// joined by `|`, `NULL`, or a quoted string if the call takes an address. Arguments that are left out
/// are 0. A 32-bit argument leaves the upper half of its register 0. `syscall_999(1, 2)` names a call by
/// its number.
///
/// # Errors
/// The first part of the text that cannot be parsed.
pub fn parse_call(text: &str) -> Result<Call, CallError> {
    Parser { text, at: 0 }.call()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn call(mut self) -> Result<Call, CallError> {
        self.skip_space();
        let start = self.at;
        let name = self.word();
        let range = start..self.at;
        if name.is_empty() {
            return Err(self.expected("the name of a system call"));
        }
        let (nr, syscall) = match by_name(name) {
            Some(syscall) => match syscall.number() {
                Some(nr) => (nr, Some(syscall)),
                None => {
                    let arch = super::arch::NATIVE.name();
                    return Err(elsewhere(
                        range,
                        format!("`{name}` does not exist on {arch}"),
                    ));
                }
            },
            None => match name.strip_prefix("syscall_").and_then(|nr| nr.parse().ok()) {
                Some(nr) => (nr, super::by_number(nr)),
                None if super::foreign_name(name) => {
                    let message = format!("`{name}` exists on other architectures only");
                    return Err(elsewhere(range, message));
                }
                None => {
                    return Err(CallError {
                        range,
                        message: format!("unknown system call `{name}`"),
                        unknown: Some(Unknown::Syscall(name.to_owned())),
                    });
                }
            },
        };
        self.punctuation('(')?;
        let mut args = [0; 6];
        let mut count = 0;
        self.skip_space();
        if self.peek() != Some(')') {
            loop {
                let start = self.position_of_next();
                let kind = match syscall {
                    Some(syscall) => syscall.args.get(count).map(|arg| arg.kind),
                    None => (count < args.len()).then_some(Kind::Ulong),
                };
                let Some(kind) = kind else {
                    let rest = start..self.text.len();
                    return Err(error(rest, too_many(name, syscall)));
                };
                args[count] = self.value(kind)?;
                count += 1;
                self.skip_space();
                if self.peek() == Some(',') {
                    self.at += 1;
                } else {
                    break;
                }
            }
        }
        self.punctuation(')')?;
        self.skip_space();
        if self.at < self.text.len() {
            return Err(error(
                self.at..self.text.len(),
                "nothing may follow the call".to_owned(),
            ));
        }
        Ok(Call { nr, args })
    }

    /// One argument, truncated to the width of its kind.
    fn value(&mut self, kind: Kind) -> Result<u64, CallError> {
        let start = self.position_of_next();
        if self.peek() == Some('"') {
            self.string()?;
            if !kind.is_pointer() {
                let message = "a string where the call takes a number".to_owned();
                return Err(error(start..self.at, message));
            }
            return Ok(SOMEWHERE);
        }
        let mut value = 0;
        loop {
            value |= self.term(kind)?;
            self.skip_space();
            if self.peek() != Some('|') {
                break;
            }
            self.at += 1;
        }
        if kind.width() == Width::Dword {
            let fits = value <= 0xffff_ffff || (value as i64) < 0 && value as i64 >= -(1 << 31);
            if !fits {
                let message = format!("{value:#x} does not fit the 32 bits of this argument");
                return Err(error(start..self.at, message));
            }
        }
        Ok(kind.significant(value))
    }

    /// A number or a constant.
    fn term(&mut self, kind: Kind) -> Result<u64, CallError> {
        let start = self.position_of_next();
        let negative = self.peek() == Some('-');
        if negative {
            self.at += 1;
        }
        let mut word = self.word();
        // SIGRTMIN+3, SIGRTMAX-1
        if matches!(word, "SIGRTMIN" | "SIGRTMAX") && matches!(self.peek(), Some('+' | '-')) {
            self.at += 1;
            self.word();
            word = &self.text[start..self.at];
        }
        let range = start..self.at;
        if word.is_empty() {
            return Err(self.expected("a number, a constant or a string"));
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return match number(word) {
                Some(magnitude) if !negative => Ok(magnitude),
                Some(magnitude) if magnitude <= 1 << 63 => Ok(magnitude.wrapping_neg()),
                Some(_) => Err(error(range, format!("-{word} does not fit in 64 bits"))),
                None => Err(error(range, format!("`{word}` is not a number"))),
            };
        }
        let known = match word {
            "NULL" => Some(0),
            _ => constant(word).or_else(|| {
                matches!(kind, Kind::Signal).then(|| signal_by_name(word).map(|n| n as u64))?
            }),
        };
        match known {
            Some(value) if !negative => Ok(value),
            Some(value) => Ok(value.wrapping_neg()),
            None => Err(CallError {
                range,
                message: format!("unknown constant `{word}`"),
                unknown: Some(Unknown::Constant(word.to_owned())),
            }),
        }
    }

    /// A string in double quotes; a backslash escapes the next character.
    fn string(&mut self) -> Result<(), CallError> {
        let start = self.at;
        let mut escaped = true; // the opening quote
        for (offset, c) in self.text[start..].char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == '"' {
                self.at = start + offset + 1;
                return Ok(());
            }
        }
        Err(error(
            start..self.text.len(),
            "this string does not end".to_owned(),
        ))
    }

    fn punctuation(&mut self, wanted: char) -> Result<(), CallError> {
        self.skip_space();
        if self.peek() != Some(wanted) {
            return Err(self.expected(&format!("`{wanted}`")));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn position_of_next(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// The error for an unexpected next character.
    fn expected(&self, what: &str) -> CallError {
        let end = self.at + self.peek().map_or(0, char::len_utf8);
        error(self.at..end, format!("expected {what}"))
    }
}

fn elsewhere(range: Range<usize>, message: String) -> CallError {
    CallError {
        unknown: Some(Unknown::Elsewhere),
        ..error(range, message)
    }
}

fn error(range: Range<usize>, message: String) -> CallError {
    CallError {
        range,
        message,
        unknown: None,
    }
}

fn too_many(name: &str, syscall: Option<&Syscall>) -> String {
    let names: Vec<_> = syscall
        .into_iter()
        .flat_map(|s| s.args)
        .map(|arg| arg.name.as_str())
        .collect();
    match (syscall, names.len()) {
        (None, _) => format!("`{name}` takes 6 arguments at most"),
        (_, 0) => format!("`{name}` takes no arguments"),
        (_, 1) => format!("`{name}` takes 1 argument: {}", names.join(", ")),
        (_, count) => format!("`{name}` takes {count} arguments: {}", names.join(", ")),
    }
}

/// An integer as C writes it, and `0o17`.
fn number(word: &str) -> Option<u64> {
    let (digits, radix) = if let Some(hex) = word.strip_prefix("0x").or(word.strip_prefix("0X")) {
        (hex, 16)
    } else if let Some(octal) = word.strip_prefix("0o") {
        (octal, 8)
    } else if word.len() > 1 && word.starts_with('0') {
        (&word[1..], 8)
    } else {
        (word, 10)
    };
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nr(name: &str) -> u32 {
        by_name(name).and_then(Syscall::number).expect(name)
    }

    #[test]
    fn calls_are_read() {
        let good = [
            (
                "socket(AF_INET, SOCK_STREAM, 0)",
                "socket",
                [2, 1, 0, 0, 0, 0],
            ),
            (
                "socket(PF_INET6,SOCK_DGRAM | SOCK_CLOEXEC)",
                "socket",
                [10, 0x80002, 0, 0, 0, 0],
            ),
            ("  kill( 1 , SIGKILL ) ", "kill", [1, 9, 0, 0, 0, 0]),
            (
                "kill(-1, SIGRTMIN+3)",
                "kill",
                [0xffff_ffff, 37, 0, 0, 0, 0],
            ),
            ("kill(0, SIGRTMAX)", "kill", [0, 64, 0, 0, 0, 0]),
            ("getpid()", "getpid", [0; 6]),
            (
                "mkdirat(0, \"/a \\\" b)\", 0755)",
                "mkdirat",
                [0, SOMEWHERE, 0o755, 0, 0, 0],
            ),
            ("mkdirat(0, NULL, 0o755)", "mkdirat", [0, 0, 0o755, 0, 0, 0]),
            (
                "openat(AT_FDCWD, \"x\", O_WRONLY|O_CREAT, 0644)",
                "openat",
                [0xffff_ff9c, SOMEWHERE, 0o101, 0o644, 0, 0],
            ),
            ("ioctl(0, 0X5412)", "ioctl", [0, 0x5412, 0, 0, 0, 0]),
            (
                "prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)",
                "prctl",
                [0x5961_6d61, u64::MAX, 0, 0, 0, 0],
            ),
            (
                "lseek(3, -8, SEEK_END)",
                "lseek",
                [3, -8_i64 as u64, 2, 0, 0, 0],
            ),
        ];
        for (text, name, args) in good {
            assert_eq!(parse_call(text), Ok(Call { nr: nr(name), args }), "{text}");
        }
        let unknown = Call {
            nr: 999,
            args: [1, 2, 0, 0, 0, 0],
        };
        assert_eq!(parse_call("syscall_999(1, 0x2)"), Ok(unknown));
    }

    #[test]
    fn a_mistake_is_shown_where_it_stands() {
        let bad = [
            ("", "", "expected the name of a system call"),
            ("sokcet(1)", "sokcet", "unknown system call `sokcet`"),
            ("socket", "", "expected `(`"),
            (
                "mmap2(0)",
                "mmap2",
                "`mmap2` exists on other architectures only",
            ),
            (
                "socket(AF_INTE, 1)",
                "AF_INTE",
                "unknown constant `AF_INTE`",
            ),
            ("socket(AF_INET SOCK_STREAM)", "S", "expected `)`"),
            (
                "socket(AF_INET, )",
                ")",
                "expected a number, a constant or a string",
            ),
            ("socket(AF_INET", "", "expected `)`"),
            (
                "socket(1, 2, 3, 4)",
                "4)",
                "`socket` takes 3 arguments: domain, type, protocol",
            ),
            ("getpid(1)", "1)", "`getpid` takes no arguments"),
            ("close(1, 2)", "2)", "`close` takes 1 argument: fd"),
            (
                "syscall_999(1,2,3,4,5,6,7)",
                "7)",
                "`syscall_999` takes 6 arguments at most",
            ),
            (
                "socket(\"inet\")",
                "\"inet\"",
                "a string where the call takes a number",
            ),
            ("mkdirat(0, \"x)", "\"x)", "this string does not end"),
            (
                "close(0x100000000)",
                "0x100000000",
                "0x100000000 does not fit the 32 bits of this argument",
            ),
            ("close(09)", "09", "`09` is not a number"),
            (
                "close(99999999999999999999)",
                "99999999999999999999",
                "`99999999999999999999` is not a number",
            ),
            ("close(1) x", "x", "nothing may follow the call"),
            ("close(é)", "é", "expected a number, a constant or a string"),
        ];
        for (text, at, message) in bad {
            let error = parse_call(text).expect_err(text);
            assert_eq!(error.message, message, "{text}");
            assert_eq!(&text[error.range], at, "{text}");
        }
    }

    #[test]
    fn an_error_hands_out_the_name_to_correct() {
        let syscall = parse_call("opne(1)").expect_err("unknown");
        assert_eq!(syscall.unknown, Some(Unknown::Syscall("opne".to_owned())));
        let constant = parse_call("openat(0, NULL, O_RDNOLY)").expect_err("unknown");
        assert_eq!(
            constant.unknown,
            Some(Unknown::Constant("O_RDNOLY".to_owned()))
        );
        assert_eq!(parse_call("openat(").expect_err("ends early").unknown, None);
        let elsewhere = parse_call("riscv_hwprobe()").expect_err("another architecture's");
        assert_eq!(elsewhere.unknown, Some(Unknown::Elsewhere));
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let pieces = [
            "kill", "(", ")", ",", "|", "-", "\"", "\\", " ", "1", "0x", "SIGRTMIN", "+", "é",
            "O_RDONLY",
        ];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::from("openat(");
            for _ in 0..8 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            if let Err(error) = parse_call(&text) {
                assert!(
                    text.get(error.range.clone()).is_some(),
                    "{text} {:?}",
                    error.range
                );
            }
        }
    }
}
