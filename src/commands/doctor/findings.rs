//! What `jail doctor` found out about a host: plain data. The fields are those of the document.

use crate::plan::{Host, MemoryCgroup};
use crate::sys::Errno;
use serde::{Serialize, Serializer};

/// All that was found.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Findings {
    /// Why no command can be run under a policy here; `None`: commands can be run.
    pub reason: Option<String>,
    /// Why commands run without a supervisor here; `None`: they have one, or none can be run.
    pub unsupervised: Option<String>,
    /// The kernel.
    pub kernel: Kernel,
    /// The effective user id.
    pub user: u32,
    /// Landlock.
    pub landlock: Landlock,
    /// seccomp(2).
    pub seccomp: Seccomp,
    /// ptrace(2).
    pub ptrace: Ptrace,
    /// One for each word of `isolate`; `None`: not tried, because no command can be run.
    pub namespaces: Option<Vec<Namespace>>,
    /// Limits of memory.
    pub cgroup: Cgroup,
    /// The lowest address that a process may map (vm.mmap_min_addr).
    pub mmap_min_addr: Option<u64>,
    /// Names of hosts and users.
    pub names: Names,
    /// System calls that a kernel or a container may lack.
    pub calls: Vec<Probed>,
    /// The standard streams.
    pub terminal: Terminal,
    /// The variables that are set and take abilities away.
    pub environment: Vec<Variable>,
    /// The host that plans are made for.
    #[serde(skip)]
    pub host: Host,
    /// The same, without what the environment takes away.
    #[serde(skip)]
    pub all: Host,
}

/// What a supervisor can do on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervision {
    Whole,
    /// It cannot inspect the command's sockets.
    WithoutSockets,
    /// There is none.
    None,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub release: String,
    /// As `uname -m` prints it.
    pub architecture: String,
    #[serde(skip)]
    pub version: (u32, u32),
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Landlock {
    /// The kernel's ABI; 0: none.
    pub abi: u32,
    /// The ABI that jail uses.
    pub used: u32,
    /// Why there is none; `None`: there is.
    #[serde(serialize_with = "name")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub errno: Option<Errno>,
    /// The errata that are fixed; `None`: this kernel does not say.
    pub errata: Option<Vec<u32>>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Seccomp {
    /// The actions that a filter may return; `None`: seccomp(2) does not say.
    pub actions: Option<Vec<&'static str>>,
    /// Whether this process is under a filter itself: a container's, or another jail's.
    pub filtered: bool,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ptrace {
    /// The process that traces this one.
    pub tracer: Option<Tracer>,
    /// kernel.yama.ptrace_scope; `None`: there is no Yama.
    pub yama: Option<u8>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tracer {
    /// Its id.
    pub pid: i32,
    /// Its name.
    pub name: String,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Namespace {
    /// The word of `isolate`.
    pub word: &'static str,
    /// Why it cannot be used; `None`: it can.
    pub reason: Option<String>,
    /// The next step.
    #[serde(skip)]
    pub help: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cgroup {
    /// Which cgroups with a limit of memory can be created; `None`: none.
    #[serde(serialize_with = "kind")]
    #[cfg_attr(test, schemars(schema_with = "kinds"))]
    pub memory: MemoryCgroup,
    /// Version 2, and version 1 with the memory controller.
    pub hierarchies: Vec<Hierarchy>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hierarchy {
    /// 1 or 2.
    pub version: u32,
    /// This process's own cgroup.
    pub own: String,
    /// Whether it has the memory controller.
    pub controller: bool,
    /// Whether cgroups can be created in it.
    pub writable: bool,
}

/// How names of hosts and users are looked up.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Names {
    /// The programs that are asked; empty: the C library looks them up.
    pub programs: &'static [&'static str],
    /// Those of them that this host lacks.
    pub missing: Vec<&'static str>,
}

/// A system call that was tried.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Probed {
    /// Its name.
    pub name: &'static str,
    /// Why it is missing; `None`: it is there.
    #[serde(serialize_with = "name")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub errno: Option<Errno>,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Terminal {
    /// Whether stdin is a terminal.
    pub stdin: bool,
    /// Whether stdout is one.
    pub stdout: bool,
    /// Whether stderr is one.
    pub stderr: bool,
    /// The width of stdout; `None`: it is no terminal.
    pub columns: Option<usize>,
    /// `TERM`.
    pub term: Option<String>,
    /// Whether `NO_COLOR` is set.
    pub no_color: bool,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

impl Findings {
    /// Whether a call was tried and is available.
    pub fn has(&self, name: &str) -> bool {
        let mut calls = self.calls.iter();
        calls.any(|call| call.name == name && call.errno.is_none())
    }

    /// What a supervisor can do here.
    pub fn supervision(&self) -> Supervision {
        match (&self.unsupervised, self.has("pidfd_getfd")) {
            (Some(_), _) => Supervision::None,
            (None, false) => Supervision::WithoutSockets,
            (None, true) => Supervision::Whole,
        }
    }
}

/// As the report's document writes an errno: `"EPERM"`.
fn name<S: Serializer>(errno: &Option<Errno>, serializer: S) -> Result<S::Ok, S::Error> {
    errno
        .map(|errno| format!("{errno:?}"))
        .serialize(serializer)
}

fn kind<S: Serializer>(memory: &MemoryCgroup, serializer: S) -> Result<S::Ok, S::Error> {
    match memory {
        MemoryCgroup::None => serializer.serialize_none(),
        MemoryCgroup::V1 => serializer.serialize_str("v1"),
        MemoryCgroup::V2 => serializer.serialize_str("v2"),
        MemoryCgroup::V2Alone => serializer.serialize_str("v2-alone"),
    }
}

#[cfg(test)]
fn kinds(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "null"], "enum": ["v1", "v2", "v2-alone", null] })
}
