//! Accesses and patterns of paths, as policies describe them. Bytes and pure functions; nothing here
//! uses the file system, so a path must be resolved before it is compared.

mod glob;
mod known;
mod pattern;

pub use glob::Glob;
pub(crate) use known::{ByPath, QuickHash, above};
pub use pattern::{Pattern, PatternError, Progress};
pub(crate) use pattern::{has_wildcard, is_beneath, unescaped};

use std::fmt;

/// The access that a call needs to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Open for reading, list, watch.
    Read,
    /// Create, change, delete, rename, link, change metadata.
    Write,
    /// Execute, or run as the interpreter of an executed file.
    Exec,
    /// Metadata: stat, access, readlink, chdir.
    Stat,
    /// A descriptor by O_PATH: no access by itself, but a way to the file.
    Handle,
}

/// A terminal that a command is started with, by its name in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Its path: `/dev/pts/3`.
    pub path: std::path::PathBuf,
    /// Whether the command has it open for reading.
    pub read: bool,
    /// Whether it has it open for writing.
    pub write: bool,
}

impl Terminal {
    /// Another name of the command's controlling terminal. A policy that opens it for writing opens the
    /// terminal.
    pub const CONTROLLING: &'static str = "/dev/tty";
}

impl Access {
    /// The word of a `[[test]]` sentence and of messages.
    pub const fn word(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Exec => "exec",
            Access::Stat => "stat",
            Access::Handle => "open",
        }
    }

    /// The access that a word names.
    pub fn from_word(word: &str) -> Option<Access> {
        [Access::Read, Access::Write, Access::Exec, Access::Stat]
            .into_iter()
            .find(|access| access.word() == word)
    }
}

/// The directory of a path, and its last component.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) => (b"/", path.get(1..).unwrap_or_default()),
        Some(at) => (
            path.get(..at).unwrap_or_default(),
            path.get(at + 1..).unwrap_or_default(),
        ),
        None => (b"", path),
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
