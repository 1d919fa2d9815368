//! TOML to [`Policy`]: what the user wants, every entry with its file and line.
//!
//! It does no I/O except loading the files, and never decides: `judge` does that.
//!
//! | file | holds |
//! |---|---|
//! | `load` | which files and presets make up a policy, read and joined |
//! | `brackets` | the bracket that a broken file lacks |
//! | `document` | one file's TOML, with the places of things and the problems found |
//! | `domain` | a file's `[domain.NAME]`, and the set of domains of a task |
//! | `domains` | the domains of a policy, of all that its files say of them |
//! | `domain_problems` | what else is wrong with them |
//! | `narrow` | whether a domain allows what the main policy denies |
//! | `parse` | a file's keys and its `[[test]]`s |
//! | `file` | what one file says |
//! | `read` | what entries of several sections have in common |
//! | `entry` | an entry of `[syscalls]`, and what rules share with it |
//! | `rule` | a file's `[[rule]]`s |
//! | `argv` | a rule's conditions on a path or a program's arguments |
//! | `files` | a file's `[fs]` |
//! | `home` | whether a policy opens the home directory by accident |
//! | `net` | a file's `[net]` |
//! | `endpoint` | an endpoint with its variables replaced |
//! | `process` | a file's `[process]` |
//! | `capability` | the capabilities that may be kept |
//! | `peer` | the one peer of a sentence |
//! | `places` | the paths of a policy, expanded and resolved |
//! | `merge` | merges the files of an `extends` |
//! | `layers` | several policies and the flags of a command line, as one policy |
//! | `saved` | the same as the text of a file |
//! | `schema` | the JSON Schema of files |
//! | `object` | whether a flag names a path or an endpoint |
//! | `lift` | the denials that a file removes from those that it inherits |
//! | `isolate` | the words of its `isolate` |
//! | `inherit` | the same for `[process]` |
//! | `limits` | a file's `[limits]` |
//! | `lint` | warnings: what is valid but likely a mistake |
//! | `lint_base` | the same for the whole: whether any program can start |
//! | `lint_empty` | the same for what says nothing |
//! | `lint_paths` | the same for `[fs]` |
//! | `lint_power` | the same for entries that reach beyond the jail |
//! | `lint_process` | the same for `[process]` |
//! | `lint_net` | the same for `[net]` |
//! | `digest` | a number for all that a policy says |
//! | `code` | the stable numbers of the kinds of problems |
//! | `diagnostic` | one problem, and how it is shown |
//! | `presets` | the built-in policies |
//! | `temporary` | the directory of `tmpdir = "fresh"`: a place held for it, and the run's own in its stead |

mod argv;
mod brackets;
mod capability;
mod code;
mod diagnostic;
mod digest;
mod document;
mod domain;
mod domain_open;
mod domain_problems;
mod domain_section;
mod domains;
mod endpoint;
mod entry;
mod file;
mod files;
mod given;
mod home;
mod inherit;
mod isolate;
mod layers;
mod led;
mod lift;
mod limits;
mod lint;
mod lint_base;
mod lint_domains;
mod lint_empty;
mod lint_net;
mod lint_paths;
mod lint_power;
mod lint_process;
mod load;
mod merge;
mod moved;
mod narrow;
mod net;
mod object;
mod parse;
mod peer;
mod places;
mod presets;
mod process;
mod read;
mod rule;
mod saved;
mod schema;
mod sentence;
mod sources;
mod temporary;
mod tree;
pub mod written;

pub use argv::{Argv, MOST_ARGUMENTS, Object};
pub use code::Code;
pub use diagnostic::{Diagnostic, Problems, Severity, render};
pub use domain::{Domain, DomainId, DomainSet, MOST_DOMAINS, OnExec, interpreted};
pub use files::List;
pub use home::opened_home;
pub use isolate::Isolation;
pub use layers::{Flag, FlagKind, Layers};
pub use lift::{Lift, LiftedPlace};
pub use limits::{Limit, LimitKind, Limits};
pub use lint::lint;
pub use lint_base::{extend_base, lacks_base, nothing_starts, starts_nothing};
pub use moved::Relative;
pub use net::NetList;
pub use peer::{example_of, peer};
pub use places::{Keeper, PathContext, Place, PlaceError, locate};
pub use presets::{Preset, presets};
pub use process::{Process, Setting, User};
pub use schema::schema;
pub use sentence::sentence_help;
pub use sources::Sources;
pub use temporary::VARIABLES as TEMPORARY_VARIABLES;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;

use crate::condition::Condition;
use crate::net::{Endpoint, Protocol, Way};
use crate::paths::{Access, Pattern};
use crate::syscalls::{Call, Errno, Group, Syscall};

/// The action of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Let it run.
    Allow,
    /// Answer with an errno: `EPERM` for `"deny"`.
    Deny(Errno),
    /// Kill the whole jail.
    Kill,
}

/// A file of the policy, or a preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in messages: `net.toml`, or `base` for a preset.
    pub name: String,
    /// Whether it is a built-in preset.
    pub preset: bool,
    /// Whether it is the command line: its text has one flag a line.
    pub flags: bool,
    /// Its text, for carets and for the line that decided.
    pub text: Cow<'static, str>,
    /// For each source that it extends: the index of that source, and the line.
    pub extends: Vec<(u16, u32)>,
    /// The path of its file: the symbolic links on the way, and the file itself last. Empty for a
    /// preset, and for a policy given as text.
    pub files: Vec<PathBuf>,
}

/// The place of an entry: printed as `net.toml:9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Index into [`Policy::sources`].
    pub source: u16,
    /// Line, from 1.
    pub line: u32,
}

/// What an entry of `[syscalls]` names.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A syscall by its own name.
    Syscall(&'static Syscall),
    /// A group, `@name`.
    Group(&'static Group),
    /// A syscall of other architectures only, which has no effect on this one.
    Foreign,
}

/// An entry of `[syscalls]`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key as written.
    pub key: String,
    /// What the key names.
    pub target: Target,
    /// Its action.
    pub action: Action,
    /// Denied without a report: the value of `quiet`, otherwise whether the action is `"ENOSYS"`.
    pub quiet: bool,
    /// The author's reason.
    pub why: Option<String>,
    /// Its place in the policy.
    pub origin: Origin,
    /// An inherited entry of the same key that it replaces; the first if there are several.
    pub replaces: Option<Origin>,
}

/// An entry of a list of `[fs]`.
#[derive(Debug, Clone)]
pub struct PathEntry {
    /// The list.
    pub list: List,
    /// The path as written.
    pub text: String,
    /// What it covers.
    pub pattern: Pattern,
    /// The exceptions that a file that inherits the entry has lifted.
    pub lifted: Vec<Pattern>,
    /// What existed there when the policy was loaded; `None` for a pattern.
    pub place: Option<Place>,
    /// The symbolic links on the way to it, in the order in which they are followed.
    pub links: Vec<PathBuf>,
    /// Whether it depends on the calling process: `/proc/self`.
    pub own: bool,
    /// Whether it is marked `optional`.
    pub optional: bool,
    /// Its action: `Allow` in `read`, `write`, `exec`; `Deny(EACCES)` for `"deny"` and in `protect`,
    /// `Deny(ENOENT)` in `hide`.
    pub action: Action,
    /// The author's reason.
    pub why: Option<String>,
    /// Its place in the policy.
    pub origin: Origin,
}

/// An entry of a list of `[net]`.
#[derive(Debug, Clone)]
pub struct NetEntry {
    /// The list.
    pub list: NetList,
    /// The endpoint as written.
    pub text: String,
    /// What it covers.
    pub endpoint: Endpoint,
    /// Whether it is about the unix sockets beneath a path, and a directory is there.
    pub directory: bool,
    /// The exceptions that a file that inherits the entry has lifted.
    pub lifted: Vec<(Endpoint, Way)>,
    /// The directions that it applies to.
    pub ways: &'static [Way],
    /// Its action: `Allow` in `connect` and `listen`; `Deny(EACCES)` for `"deny"`.
    pub action: Action,
    /// The author's reason.
    pub why: Option<String>,
    /// Whether it is marked `optional`: a variable in it may be missing.
    pub optional: bool,
    /// Its place in the policy.
    pub origin: Origin,
}

/// A `[[rule]]`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The `syscall` value as written: names and groups.
    pub targets: Vec<String>,
    /// The condition as written.
    pub when: String,
    /// The syscalls it covers, each with the condition over that syscall's own arguments.
    pub conditions: Vec<(&'static Syscall, Condition)>,
    /// Its conditions on what registers only point to.
    pub object: Option<Object>,
    /// All its conditions as text.
    pub text: String,
    /// Its action.
    pub action: Action,
    /// Denied without a report: the value of `quiet`, otherwise whether the action is `"ENOSYS"`.
    pub quiet: bool,
    /// The author's reason.
    pub why: Option<String>,
    /// Its place in the policy.
    pub origin: Origin,
}

/// The policy's `default`.
#[derive(Debug, Clone, Copy)]
pub struct Default {
    /// `Allow` or `Deny(EPERM)`.
    pub action: Action,
    /// The line of the key; line 1 of the main file if it is missing (then: deny).
    pub origin: Origin,
}

/// A sentence of a `[[test]]`.
#[derive(Debug, Clone)]
pub struct Test {
    /// The sentence as written.
    pub sentence: String,
    /// What it describes.
    pub about: About,
    /// What it expects.
    pub expect: Expect,
    /// The domain that the program is in.
    pub domain: Option<String>,
    /// Its place in the policy.
    pub origin: Origin,
}

/// What a sentence describes.
#[derive(Debug, Clone)]
pub enum About {
    /// A call.
    Call(Call),
    /// An access to a path, resolved as far as it exists.
    Path(Access, PathBuf),
    /// A peer, or an address to listen on.
    Peer(Peer),
}

/// The one endpoint of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The direction.
    pub way: Way,
    /// The peer, or the address to listen on.
    pub who: Who,
}

/// The peer of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An address, or a name whose address is not known, and a port.
    Inet {
        /// The protocol.
        protocol: Protocol,
        /// The address.
        ip: Option<IpAddr>,
        /// The name.
        name: Option<String>,
        /// Whether the address is known to belong to this host, other than a loopback address.
        own: bool,
        /// The port.
        port: u16,
    },
    /// A unix socket's path, resolved as far as it exists.
    Path(PathBuf),
    /// A unix socket's abstract name.
    Abstract(Vec<u8>),
}

/// What a test expects: the list that contains the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Expect {
    Allow,
    Deny,
    Kill,
}

/// A valid policy: the entries of all its files, joined.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The files; the first is the one that was loaded by name.
    pub sources: Sources,
    /// One sentence that describes the policy.
    pub description: Option<String>,
    /// The action for anything that no entry names.
    pub default: Default,
    /// `[syscalls]`, after `extends` was resolved: at most one entry per key and file.
    pub syscalls: Vec<Entry>,
    /// `[[rule]]`.
    pub rules: Vec<Rule>,
    /// `[fs]`, of all files together.
    pub paths: Vec<PathEntry>,
    /// Entries of `[fs]` that are `optional` and were left out, because the path did not exist when the
    /// policy was loaded. They decide nothing.
    pub left_out: Vec<PathEntry>,
    /// `[net]`, of all files together.
    pub peers: Vec<NetEntry>,
    /// `lift` of `[fs]` and `[net]`, of all files together, with what each lifts.
    pub lifts: Vec<Lift>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[process]`, of all files together.
    pub process: Process,
    /// `[[test]]` of the main file.
    pub tests: Vec<Test>,
    /// With `tmpdir = "fresh"`: the placeholder for the directory until a run has one.
    pub tmpdir: Option<PathBuf>,
    /// Which of its paths begin in the jail's starting directory.
    pub relative: Relative,
    /// `[domain.NAME]`, of all files together.
    pub domains: Vec<Domain>,
    /// The domain of which these are the entries; `None`: this is the main policy.
    pub domain_name: Option<String>,
    /// Whether system calls that no entry names are allowed whatever `default` says: in a domain whose
    /// lists close what they do not name.
    pub open_calls: bool,
}

impl Policy {
    /// The name of a table of a file in which its entries are: `fs`, `domain.NAME.fs`.
    pub fn table(&self, section: &str) -> String {
        match &self.domain_name {
            Some(domain) => format!("domain.{domain}.{section}"),
            None => section.to_owned(),
        }
    }

    /// The flag at an origin that is on the command line, as typed: `--allow-net 10.0.0.1:443`.
    pub fn flag(&self, origin: Origin) -> Option<&str> {
        let source = self.sources.get(usize::from(origin.source))?;
        source.flags.then(|| self.line(origin))
    }

    /// Whether an origin is in what the user named, not in what that extends: in the main file, on the
    /// command line, or in a file that the command line names.
    pub fn is_own(&self, origin: Origin) -> bool {
        let Some(main) = self.sources.first() else {
            return false;
        };
        let named = || {
            let mut extends = main.extends.iter();
            let source = self.sources.get(usize::from(origin.source));
            extends.any(|(source, _)| *source == origin.source)
                && source.is_some_and(|source| !source.preset)
        };
        origin.source == 0 || main.flags && named()
    }

    /// An origin as shown in messages: `net.toml:9`, or `--allow-net` for a flag.
    pub fn place(&self, origin: Origin) -> String {
        if let Some(flag) = self.flag(origin).and_then(|flag| flag.split(' ').next()) {
            return flag.to_owned();
        }
        let name = self
            .sources
            .get(usize::from(origin.source))
            .map_or("?", |source| &source.name);
        format!("{name}:{}", origin.line)
    }

    /// What applies to a system call that no entry names.
    pub fn default_of_calls(&self) -> Action {
        match self.open_calls {
            true => Action::Allow,
            false => self.default.action,
        }
    }

    /// The policy with everything allowed that no entry denies.
    pub fn opened(&self) -> Policy {
        let mut opened = self.clone();
        opened.default.action = Action::Allow;
        opened
    }

    /// The text of a line, without surrounding white space.
    pub fn line(&self, origin: Origin) -> &str {
        let Some(source) = self.sources.get(usize::from(origin.source)) else {
            return "";
        };
        let index = (origin.line as usize).saturating_sub(1);
        source.text.lines().nth(index).unwrap_or_default().trim()
    }

    /// The place of `content` in the source's text, at `origin` or the next place after it; the whole
    /// line if it is not written literally.
    pub fn span(&self, origin: Origin, content: &str) -> Range<usize> {
        let Some(source) = self.sources.get(usize::from(origin.source)) else {
            return 0..0;
        };
        let before = (origin.line as usize).saturating_sub(1);
        let start: usize = source
            .text
            .split_inclusive('\n')
            .take(before)
            .map(str::len)
            .sum();
        let rest = source.text.get(start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let (at, length) = match rest.find(content) {
            Some(at) if !content.is_empty() => (at, content.len()),
            _ => (line.len() - line.trim_start().len(), line.trim().len()),
        };
        start + at..start + at + length
    }
}

impl Action {
    /// Kill is stricter than any deny, a deny stricter than allow.
    pub const fn strictness(self) -> u8 {
        match self {
            Action::Allow => 0,
            Action::Deny(_) => 1,
            Action::Kill => 2,
        }
    }
}

/// As written in a policy.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Allow => f.write_str("allow"),
            Action::Deny(Errno::EPERM) => f.write_str("deny"),
            Action::Deny(errno) => f.write_str(errno.name()),
            Action::Kill => f.write_str("kill"),
        }
    }
}
