//! Probes this host. No probe changes it.

use super::findings::{
    Cgroup, Findings, Hierarchy, Kernel, Landlock, Names, Namespace, Probed, Ptrace, Seccomp,
    Terminal, Tracer, Variable,
};
use crate::embed::{Error, Jail, Policy, Stdio};
use crate::launch::{self, Circumstances, Withheld};
use crate::nss;
use crate::plan::Host;
use crate::policy::Isolation;
use crate::sys::files::{self, Shared};
use crate::sys::landlock::{Query, query};
use crate::sys::{Errno, memory, process, seccomp, terminal};
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, Stdio as Stream};

/// The words of `isolate`.
const WORDS: [Isolation; 7] = [
    Isolation::User,
    Isolation::Pid,
    Isolation::Net,
    Isolation::Ipc,
    Isolation::Uts,
    Isolation::Mount,
    Isolation::ReadOnly,
];

/// The variables by which the `jail` binary does without abilities of its host.
const VARIABLES: [&str; 3] = ["JAIL_LANDLOCK_ABI", "JAIL_CGROUP", "JAIL_NAMESPACES"];

/// Errata are numbered from 1, and the mask has 31 bits.
const ERRATA: u32 = 31;

/// Everything that can be found out.
pub fn probe(withheld: &Withheld) -> Findings {
    let host = launch::probe(withheld);
    let all = launch::probe(&Withheld::default());
    let around = Circumstances::read(None);
    let untraceable = launch::untraceable().map(|error| error.to_string());
    let (reason, unsupervised) = match untraceable {
        Some(why) if runs_unsupervised() => (None, Some(why)),
        Some(why) => (Some(why), None),
        None => match tried(&host, "") {
            Ok(reason) => (reason, None),
            Err(error) => (Some(error.to_string()), None),
        },
    };
    let supervised = reason.is_none() && unsupervised.is_none();
    Findings {
        namespaces: supervised.then(|| namespaces(&host)),
        reason,
        unsupervised,
        kernel: kernel(),
        user: nix::unistd::geteuid().as_raw(),
        landlock: landlock(&host),
        seccomp: Seccomp {
            actions: actions(),
            filtered: around.filtered,
        },
        ptrace: Ptrace {
            tracer: around.tracer.map(|(pid, name)| Tracer { pid, name }),
            yama: around.yama,
        },
        cgroup: Cgroup {
            memory: host.memory,
            hierarchies: hierarchies(),
        },
        mmap_min_addr: mmap_min_addr(),
        names: names(),
        calls: calls(),
        terminal: terminals(),
        environment: environment(),
        host,
        all,
    }
}

/// This program. A file that was replaced or removed while it runs is still found by the link.
fn own() -> PathBuf {
    let own = std::env::current_exe().ok().filter(|own| own.exists());
    own.unwrap_or_else(|| "/proc/self/exe".into())
}

/// Whether `jail --version` can be run where no tracer can be had.
fn runs_unsupervised() -> bool {
    let own = own();
    let mut jail = Command::new(&own);
    jail.args(["--quiet", "--policy", "read-only", "--"]);
    jail.arg(&own).arg("--version");
    jail.stdin(Stream::null())
        .stdout(Stream::null())
        .stderr(Stream::null());
    jail.status().is_ok_and(|status| status.success())
}

/// Runs this program under a policy that restricts files, with these further lines: its version, which
/// it prints nowhere. `Some`: it ran, and did not succeed.
fn tried(host: &Host, more: &str) -> Result<Option<String>, Error> {
    let own = own();
    let text = format!("extends = [\"read-only\"]\n{more}");
    let policy = match Policy::parse(&text, "jail doctor") {
        Ok(policy) => policy,
        Err(problems) => return Ok(Some(problems.to_string())),
    };
    // A private /tmp shows the directory that the command starts in.
    let directory = own.parent().unwrap_or(&own).to_owned();
    let outcome = Jail::builder()
        .policy(policy)
        .host(*host)
        .command([own.as_os_str(), OsStr::new("--version")])
        .current_dir(directory)
        .stdout(Stdio::Null)
        .stderr(Stdio::Null)
        .run()?;
    let verdict = outcome.verdict;
    Ok(match verdict.success() {
        true => None,
        false => {
            let denied = verdict.denied.first.map(|denial| denial.call);
            let denied = denied.map_or(String::new(), |call| format!("; denied: {call}"));
            let code = verdict.exit_code;
            Some(format!(
                "`jail --version` fails in a jail with exit code {code}{denied}"
            ))
        }
    })
}

/// Creates each namespace by running a command in it.
fn namespaces(host: &Host) -> Vec<Namespace> {
    let namespace = |word: Isolation| {
        let word = word.word();
        let more = format!("[process]\nisolate = [\"{word}\"]\n");
        let (reason, help) = match tried(host, &more) {
            Ok(reason) => (reason, ""),
            Err(error) => match error.unavailable() {
                Some(unavailable) => (Some(unavailable.reason.clone()), unavailable.help),
                None => (Some(error.to_string()), ""),
            },
        };
        Namespace { word, reason, help }
    };
    WORDS.map(namespace).into()
}

fn kernel() -> Kernel {
    let (release, architecture) = process::kernel_names().unwrap_or_default();
    Kernel {
        release,
        architecture,
        version: process::kernel_version().unwrap_or_default(),
    }
}

fn landlock(host: &Host) -> Landlock {
    let abi = query(Query::Version);
    let fixed = query(Query::Errata).ok().filter(|_| abi.is_ok());
    let numbers = |mask: u32| -> Vec<u32> {
        let fixed = |number: &u32| mask & (1 << (number - 1)) != 0;
        (1..=ERRATA).filter(fixed).collect()
    };
    Landlock {
        abi: abi.unwrap_or(0),
        used: host.landlock_abi,
        errno: abi.err(),
        errata: fixed.map(numbers),
    }
}

fn actions() -> Option<Vec<&'static str>> {
    let mut available = Vec::new();
    for (name, action) in seccomp::ACTIONS {
        if seccomp::has_action(action).ok()? {
            available.push(name);
        }
    }
    Some(available)
}

fn hierarchies() -> Vec<Hierarchy> {
    let found = launch::hierarchies().into_iter();
    found
        .map(|found| Hierarchy {
            version: found.version,
            own: found.own.to_string_lossy().into_owned(),
            controller: found.controller,
            writable: found.writable,
        })
        .collect()
}

fn names() -> Names {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&str| {
        let mut files = std::env::split_paths(&path).map(|directory| directory.join(program));
        files.any(|file| file.is_file())
    };
    let missing = nss::PROGRAMS.iter().copied();
    Names {
        programs: nss::PROGRAMS,
        missing: missing.filter(|program| !is_there(program)).collect(),
    }
}

fn mmap_min_addr() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr");
    text.ok()?.trim().parse().ok()
}

/// The calls that a kernel or a container may lack, each made so that it does nothing.
fn calls() -> Vec<Probed> {
    let own = process::getpid();
    let signal = || process::pidfd_kill(process::pidfd(own)?.as_fd(), 0);
    let open = || files::openat2(libc::AT_FDCWD, c"/", libc::O_PATH, files::NO_SYMLINKS);
    let tried: [(&str, Result<(), Errno>); 7] = [
        ("close_range", process::try_closing()),
        ("openat2", open().map(drop)),
        ("process_vm_readv", memory::try_reading()),
        ("pidfd_open", process::pidfd(own).map(drop)),
        ("pidfd_send_signal", signal()),
        ("pidfd_getfd", files::can_take_descriptors()),
        ("kcmp", files::share(own, own, Shared::Memory).map(drop)),
    ];
    let probed = |(name, result): (_, Result<(), Errno>)| Probed {
        name,
        errno: result.err(),
    };
    tried.into_iter().map(probed).collect()
}

fn terminals() -> Terminal {
    Terminal {
        stdin: std::io::stdin().is_terminal(),
        stdout: std::io::stdout().is_terminal(),
        stderr: std::io::stderr().is_terminal(),
        columns: terminal::columns(std::io::stdout()),
        term: variable("TERM"),
        no_color: variable("NO_COLOR").is_some_and(|value| !value.is_empty()),
    }
}

fn environment() -> Vec<Variable> {
    let set = |name: &'static str| {
        let value = variable(name)?;
        Some(Variable { name, value })
    };
    VARIABLES.into_iter().filter_map(set).collect()
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(value.to_string_lossy().into_owned())
}
