//! What a run needed beyond its policy, as the entries that a person would write for it.
//!
//! Pure: it takes what was recorded and what is known of the run, and returns texts. It never looks at the
//! file system, and never decides: `judge` says whether what was seen passes under the result. A pattern may
//! cover a guarded place, because in a policy `deny` takes precedence; what it must never do is drop
//! something that was seen without saying so.
//!
//! | file | holds |
//! |---|---|
//! | `fold` | paths as a tree, and which directories stand for what lies in them |
//! | `part` | a component of a path: a name, or a pattern for names that change from run to run |
//! | `place` | which directories may be opened as a whole, and how a path is written |
//! | `peers` | endpoints |

mod fold;
mod part;
mod peers;
mod place;
#[cfg(test)]
mod tests;

use crate::judge::varying::Run;
use crate::judge::{Judge, Verdict};
use crate::net::{Protocol, Reach, To, Way};
use crate::paths::Access;
use crate::sorting::sort_by;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Entries above which the folding becomes coarser: a long policy is not read, and so not checked.
const MOST_ENTRIES: usize = 36;
/// Programs that the evidence of one request names.
const MOST_PROGRAMS: usize = 8;

/// What a call asked of one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// An access to a path, absolute, resolved, the caller's own part of `/proc` as `/proc/self`.
    Path(Access, Vec<u8>),
    /// An internet address.
    Inet(Inet),
    /// A unix socket by its resolved path.
    Unix(Way, Vec<u8>),
    /// A unix socket by its abstract name.
    Abstract(Way, Vec<u8>),
}

/// An internet address that was reached, or listened on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inet {
    /// The direction.
    pub way: Way,
    /// The protocol.
    pub protocol: Protocol,
    /// A name that stood for the address.
    pub name: Option<String>,
    /// The address.
    pub ip: IpAddr,
    /// The port; 0 of [`Way::Listen`]: one that the kernel chose.
    pub port: u16,
}

/// A request in the terms of the judge.
#[derive(Debug)]
pub enum Asked<'a> {
    /// An access to a path.
    Path(Access, &'a [u8]),
    /// A peer, and the direction.
    Peer(Reach<'a>),
}

impl Request {
    /// What `answer` says of the request in the terms of the judge.
    pub fn ask<T>(&self, answer: impl FnOnce(Asked<'_>) -> T) -> T {
        let peer = |way: &Way, to| Asked::Peer(Reach { way: *way, to });
        match self {
            Request::Path(access, path) => answer(Asked::Path(*access, path)),
            Request::Inet(peer) => {
                let names: Vec<&str> = peer.name.as_deref().into_iter().collect();
                let to = To::Inet {
                    protocol: peer.protocol,
                    ip: Some(peer.ip),
                    own: false,
                    port: peer.port,
                    names: &names,
                };
                answer(Asked::Peer(Reach { way: peer.way, to }))
            }
            Request::Unix(way, path) => answer(peer(way, To::Path(path))),
            Request::Abstract(way, name) => answer(peer(way, To::Abstract(name))),
        }
    }

    /// What a judge says of the request.
    pub fn judged(&self, judge: &Judge) -> Verdict {
        self.ask(|asked| match asked {
            Asked::Path(access, path) => judge.path(access, path),
            Asked::Peer(reach) => judge.reach(&reach),
        })
    }
}

/// How often something was asked, and by which programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// How often.
    pub times: u64,
    /// Names of programs, at most [`MOST_PROGRAMS`].
    pub programs: BTreeSet<String>,
    /// Whether there were more programs.
    pub more: bool,
}

/// What a run needed beyond its policy.
pub type Recording = BTreeMap<Request, Evidence>;

/// What is known of the run.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Directories, and the numbers of processes. Its `tmpdir` is what `$TMPDIR` of the policy means.
    pub run: Run,
    /// Those of the recorded paths that are directories.
    pub directories: BTreeSet<Vec<u8>>,
    /// Those of the recorded paths that the run made: they did not exist when they were first named.
    pub made: BTreeSet<Vec<u8>>,
    /// Directories above recorded paths that call themselves caches: the command makes them where they are missing.
    pub caches: BTreeSet<Vec<u8>>,
    /// Those of the recorded paths that the run has removed again.
    pub gone: BTreeSet<Vec<u8>>,
    /// Recorded paths that this user may not change: the kernel refused it, and the command did without.
    pub refused: BTreeSet<Vec<u8>>,
    /// Recorded paths that lead elsewhere by now, because the run has made symbolic links: an entry would open
    /// whatever they lead to.
    pub led: BTreeSet<Vec<u8>>,
    /// What lies in the directories of the recorded paths, but for the project, beside what was recorded. `None`:
    /// more than was looked at.
    pub beside: BTreeMap<Vec<u8>, Option<BTreeSet<Vec<u8>>>>,
    /// Databases of SQLite that the run may change.
    pub databases: BTreeSet<Vec<u8>>,
    /// Directories with a database of SQLite that were opened, but not to be listed: SQLite opens them to sync
    /// the name of a journal.
    pub synced: BTreeSet<Vec<u8>>,
    /// The directories in which shells look for programs, resolved.
    pub programs: Vec<PathBuf>,
    /// Directories of tools, which hold programs and credentials beside what a tool changes: `$CARGO_HOME`.
    pub tools: Vec<PathBuf>,
    /// Variables that name directories of the user, resolved: `XDG_CACHE_HOME`.
    pub variables: Vec<(String, PathBuf)>,
    /// The ports that the kernel chooses: ip_local_port_range of ip(7).
    pub ephemeral: RangeInclusive<u16>,
}

/// How far entries go beyond what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The paths and addresses that were seen.
    Exact,
    /// Directories of which several files were used.
    Directories,
    /// In addition patterns for names that change from run to run, and the project as a whole.
    Patterns,
    /// Directories of which two files were used, and all public addresses for one.
    Broad,
}

/// A list of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `read` of `[fs]`.
    Read,
    /// `write` of `[fs]`.
    Write,
    /// `exec` of `[fs]`.
    Exec,
    /// `connect` of `[net]`.
    Connect,
    /// `listen` of `[net]`.
    Listen,
}

/// What an entry allows beside what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beyond {
    /// Nothing.
    Nothing,
    /// Other names that match.
    Names,
    /// What else lies in the directory.
    Beneath,
    /// Other addresses or ports.
    Peers,
}

/// What is said of an entry for what the command makes: `jail check` does not warn that it is missing.
pub const MADE: &str = "the command makes it";

/// An entry to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The list.
    pub section: Section,
    /// Its text.
    pub text: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// How many requests it stands for.
    pub requests: usize,
    /// What it allows beside them.
    pub beyond: Beyond,
    /// What the policy says of it. An entry of `[fs]` has [`MADE`] if a clean directory does not have the file.
    pub why: Option<&'static str>,
}

/// What to add to a policy, and what no entry is written for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// The entries, in the order of the sections.
    pub entries: Vec<Entry>,
    /// Requests that no narrow entry covers, with the reason.
    pub left: Vec<(Request, &'static str)>,
}

/// The entries for what was recorded.
pub fn generalize(recording: &Recording, scene: &Scene, level: Level) -> Learned {
    let mut learned = Learned::default();
    for coarseness in fold::Coarseness::of(level) {
        learned = Learned::default();
        fold::paths(recording, scene, level, coarseness, &mut learned);
        peers::peers(recording, scene, level, &mut learned);
        if learned.entries.len() <= MOST_ENTRIES {
            break;
        }
    }
    sort_by(&mut learned.entries, |one, other| {
        (one.section, &one.text).cmp(&(other.section, &other.text))
    });
    learned
}

impl Level {
    const ALL: [Level; 4] = [
        Level::Exact,
        Level::Directories,
        Level::Patterns,
        Level::Broad,
    ];

    /// From the number of `--generalize`.
    pub fn from_number(number: u8) -> Option<Level> {
        Level::ALL.get(usize::from(number)).copied()
    }

    /// This level and those that go less far beyond what was seen, the exact one last.
    pub fn down(self) -> impl Iterator<Item = Level> {
        let levels = Level::ALL.into_iter().rev();
        levels.filter(move |level| *level <= self)
    }
}

impl Section {
    /// All of them.
    pub const ALL: [Section; 5] = [
        Section::Read,
        Section::Write,
        Section::Exec,
        Section::Connect,
        Section::Listen,
    ];

    /// The table and the key.
    pub fn key(self) -> (&'static str, &'static str) {
        match self {
            Section::Read => ("fs", "read"),
            Section::Write => ("fs", "write"),
            Section::Exec => ("fs", "exec"),
            Section::Connect => ("net", "connect"),
            Section::Listen => ("net", "listen"),
        }
    }
}

impl Evidence {
    /// Counts one call of a program.
    pub fn add(&mut self, program: &str) {
        self.times += 1;
        self.name(program);
    }

    fn name(&mut self, program: &str) {
        if self.programs.contains(program) {
            return;
        }
        match self.programs.len() < MOST_PROGRAMS {
            true => _ = self.programs.insert(program.to_owned()),
            false => self.more = true,
        }
    }

    /// Adds what another request rests on.
    pub fn join(&mut self, other: &Evidence) {
        self.times += other.times;
        self.more |= other.more;
        for program in &other.programs {
            self.name(program);
        }
    }
}
