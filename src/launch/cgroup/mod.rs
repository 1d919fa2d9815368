//! A cgroup that limits the memory of one jail: made before the child, which joins it before its
//! program runs, removed at the end. No process of the jail can write to it: the plan sees to that.

mod directory;
mod places;
mod v1;
mod v2;

use crate::plan::{Memory, MemoryCgroup};
use crate::sys::bare::number_after;
use crate::trace::Tid;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a process may not have that is to be killed when memory is short (proc_pid_oom_score_adj(5)).
const NEVER: &str = "-1000";

/// One that was made. All of its files are open: this thread may become another user.
pub struct Group {
    members: Members,
    /// The limit was met.
    met: Count,
    /// A process was killed for want of memory, by this limit or another one.
    killed: Count,
    peak: Option<File>,
    // In this order: what is made is removed before this process moves back.
    _made: directory::Made,
    _moved: Option<v2::Moved>,
}

/// The file by which a process becomes one of a cgroup.
pub struct Members(File);

/// A number in a file that says, from so much on, that something has happened.
struct Count {
    file: File,
    path: PathBuf,
    /// What stands before it in its line.
    word: &'static str,
    least: u64,
}

/// Which cgroups can be made. `only`: the one kind that may be used (`v1` or `v2`; anything else: none).
pub fn probe(only: Option<&str>) -> MemoryCgroup {
    let may = |name: &str| only.is_none_or(|only| only == name);
    if may("v2") {
        if v2::possible(false).is_some() {
            return MemoryCgroup::V2;
        }
        if v2::possible(true).is_some() {
            return MemoryCgroup::V2Alone;
        }
    }
    match may("v1") && v1::is_possible() {
        true => MemoryCgroup::V1,
        false => MemoryCgroup::None,
    }
}

/// Makes the one that a plan asks for. `None`: it asks for none, or none can be made after all; then
/// the supervisor adds up the memory.
pub fn make(memory: Option<Memory>, limit: u64) -> Option<Group> {
    match memory? {
        Memory::CgroupV1 => v1::make(limit).ok(),
        Memory::CgroupV2 { alone } => v2::make(limit, alone).ok(),
        Memory::Sampler(_) => None,
    }
}

impl Group {
    /// Puts a process into it. Its memory counts from now on.
    ///
    /// # Errors
    /// When the kernel refuses: it is where it was.
    pub fn take(&self, pid: Tid) -> io::Result<()> {
        self.members.take(pid)
    }

    /// For processes that are put into it later.
    ///
    /// # Errors
    /// When no further file can be opened.
    pub fn members(&self) -> io::Result<Members> {
        self.members.0.try_clone().map(Members)
    }

    /// Whether a process was killed since the limit was met. Others than this limit kill, too: then it
    /// was not met.
    pub fn is_past(&self) -> bool {
        self.killed.has_happened() && self.met.has_happened()
    }

    /// The numbers that [`Group::is_past`] asks, for a process that has none of these files open.
    pub fn counts(&self) -> [CountAt<'_>; 2] {
        [&self.met, &self.killed].map(|count| CountAt {
            path: &count.path,
            word: count.word,
            least: count.least,
        })
    }

    /// The most memory that was used at one time, in bytes; `None` where this kernel does not say.
    pub fn peak(&self) -> Option<u64> {
        self.peak.as_ref().map(|file| number(file, ""))
    }
}

/// Where a number is that says, from so much on, that something has happened.
#[derive(Debug, Clone, Copy)]
pub struct CountAt<'a> {
    /// The file.
    pub path: &'a Path,
    /// What stands before the number in its line; empty: it begins the file.
    pub word: &'static str,
    /// From so much on.
    pub least: u64,
}

impl Members {
    /// As [`Group::take`].
    ///
    /// # Errors
    /// The same.
    pub fn take(&self, pid: Tid) -> io::Result<()> {
        (&self.0).write_all(pid.to_string().as_bytes())?;
        // Where nobody may be killed the kernel would let it wait for memory for ever.
        let adjusted = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        match adjusted.trim() == NEVER {
            true => std::fs::write(format!("/proc/{pid}/oom_score_adj"), "-999"),
            false => Ok(()),
        }
    }
}

impl Count {
    fn new(at: &Path, name: &str, word: &'static str, least: u64) -> io::Result<Count> {
        let path = at.join(name);
        Ok(Count {
            file: File::open(&path)?,
            path,
            word,
            least,
        })
    }

    fn has_happened(&self) -> bool {
        number(&self.file, self.word) >= self.least
    }
}

/// The number of a file, or of the line of it that begins with a word.
fn number(file: &File, word: &str) -> u64 {
    let mut buffer = [0; 1024];
    let length = file.read_at(&mut buffer, 0).unwrap_or_default();
    let text = buffer.get(..length).unwrap_or_default();
    number_after(text, word.as_bytes()).unwrap_or_default()
}
