//! A cgroup that limits the memory of one jail. It is created before the child, which joins it before
//! its program runs, and removed at the end. The plan ensures that no process of the jail can write to
//! it.

mod directory;
mod places;
mod pool;
mod v1;
mod v2;

use crate::plan::{Memory, MemoryCgroup};
use crate::sys::bare::number_after;
use crate::trace::Tid;
use places::{Place, Version};
use pool::Back;
pub use pool::Pool;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The oom_score_adj that protects a process from being killed when memory is short
/// (proc_pid_oom_score_adj(5)).
const NEVER: &str = "-1000";

/// The cgroup of a run, removed at its end or left to a later run.
pub struct Group {
    cgroup: Arc<Cgroup>,
    back: Option<Back>,
}

/// A created cgroup. All of its files are open, because this thread may become another user.
struct Cgroup {
    members: Members,
    /// Counts how often the limit was reached.
    met: Count,
    /// Counts the processes that were killed for lack of memory, by this limit or another one.
    killed: Count,
    peak: Option<File>,
    renewal: Renewal,
    // Dropped in this order: the cgroup is removed before this process moves back.
    made: directory::Made,
    _moved: Option<v2::Moved>,
}

/// How a cgroup becomes as good as new.
struct Renewal {
    /// Files that are written to set the peak back. Empty: it cannot be.
    peaks: Vec<File>,
    /// The file of what is charged to it.
    charged: PathBuf,
    /// The file that says whether a process is in it, and the text of that if not.
    inhabited: (PathBuf, &'static str),
    /// The cgroup of version 2 beside which it is: its limits apply, too.
    beside: Option<PathBuf>,
    /// Where this process was when it was created.
    place: (Version, Arc<Place>),
}

/// The file through which a process joins a cgroup.
pub struct Members(File);

/// A number in a file; from a threshold on it means that an event has happened.
struct Count {
    file: File,
    path: PathBuf,
    /// The word before the number in its line.
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

/// A hierarchy of cgroups with this process's own place in it, to explain what [`probe`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// 1 or 2.
    pub version: u32,
    /// This process's own cgroup, as it is mounted.
    pub own: PathBuf,
    /// Whether the memory controller is available in it.
    pub controller: bool,
    /// Whether this process may create cgroups in it.
    pub writable: bool,
}

/// Version 2, and the hierarchy of version 1 with the memory controller, as far as they are mounted.
pub fn hierarchies() -> Vec<Hierarchy> {
    [(2, Version::V2), (1, Version::V1)]
        .into_iter()
        .filter_map(|(number, version)| {
            let own = Place::find(version)?.own;
            let listed = places::has_word(&own.join("cgroup.controllers"), "memory");
            Some(Hierarchy {
                version: number,
                controller: version == Version::V1 || listed,
                writable: places::is_writable(&own),
                own,
            })
        })
        .collect()
}

/// Creates the cgroup that a plan asks for. `None`: it asks for none, or the cgroup cannot be created
/// after all; then the supervisor adds up the memory.
pub fn make(memory: Option<Memory>, limit: u64) -> Option<Group> {
    Some(Group {
        cgroup: create(memory?, limit)?,
        back: None,
    })
}

fn create(memory: Memory, limit: u64) -> Option<Arc<Cgroup>> {
    let made = match memory {
        Memory::CgroupV1 => v1::make(limit),
        Memory::CgroupV2 { alone } => v2::make(limit, alone),
        Memory::Sampler(_) => return None,
    };
    made.ok().map(Arc::new)
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            back.give(Arc::clone(&self.cgroup));
        }
    }
}

impl Cgroup {
    /// Whether the limit was reached, and a process killed for it.
    fn is_past(&self) -> bool {
        self.killed.has_happened() && self.met.has_happened()
    }

    /// Whether no process is in it.
    fn is_free(&self) -> bool {
        let (path, no) = &self.renewal.inhabited;
        let text = std::fs::read_to_string(path);
        text.is_ok_and(|text| text.lines().next().unwrap_or_default() == *no)
    }

    /// Makes one that is free as good as new; `false`: that cannot be. `most`: how much may be charged to it.
    fn renew(&self, limit: u64, most: u64) -> bool {
        let Renewal {
            peaks,
            charged,
            beside,
            place: (version, place),
            ..
        } = &self.renewal;
        // Since then this process may have been moved to where other limits apply.
        if Place::lately(*version).as_ref() != Some(place) {
            return false;
        }
        let charged = std::fs::read_to_string(charged).unwrap_or_default();
        let is_small = charged.trim().parse().is_ok_and(|bytes: u64| bytes <= most);
        if peaks.is_empty() || self.killed.has_happened() || !is_small {
            return false;
        }
        let is_bounded = beside
            .as_ref()
            .is_none_or(|own| v2::bound(own, self.made.path(), limit).is_ok());
        let mut peaks = peaks.iter();
        is_bounded && peaks.all(|mut peak| peak.write_all(b"0").is_ok()) && !self.met.has_happened()
    }
}

impl Group {
    /// Puts a process into it. Its memory counts from now on.
    ///
    /// # Errors
    /// If the kernel refuses; the process then stays where it was.
    pub fn take(&self, pid: Tid) -> io::Result<()> {
        self.cgroup.members.take(pid)
    }

    /// The file through which processes are put into it later.
    ///
    /// # Errors
    /// If no further file can be opened.
    pub fn members(&self) -> io::Result<Members> {
        self.cgroup.members.0.try_clone().map(Members)
    }

    /// Whether a process was killed because the limit was reached. If the kernel killed one for another
    /// reason, this limit was not reached.
    pub fn is_past(&self) -> bool {
        self.cgroup.is_past()
    }

    /// The numbers that [`Group::is_past`] reads, for a process that has not opened these files.
    pub fn counts(&self) -> [CountAt<'_>; 2] {
        [&self.cgroup.met, &self.cgroup.killed].map(|count| CountAt {
            path: &count.path,
            word: count.word,
            least: count.least,
        })
    }

    /// The peak memory in bytes; `None` if this kernel does not report it.
    pub fn peak(&self) -> Option<u64> {
        self.cgroup.peak.as_ref().map(|file| number(file, ""))
    }
}

/// Where to find a number that, from a threshold on, means that an event has happened.
#[derive(Debug, Clone, Copy)]
pub struct CountAt<'a> {
    /// The file.
    pub path: &'a Path,
    /// The word before the number in its line; empty: the number begins the file.
    pub word: &'static str,
    /// The threshold.
    pub least: u64,
}

impl Members {
    /// As [`Group::take`].
    ///
    /// # Errors
    /// The same.
    pub fn take(&self, pid: Tid) -> io::Result<()> {
        (&self.0).write_all(pid.to_string().as_bytes())?;
        // If the kernel may not kill any process of the cgroup, it would let them wait for memory for
        // ever.
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
