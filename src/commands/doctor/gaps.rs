//! What a host lacks, what that costs, and the next step. The costs are differences between the plans for
//! this host and those for a host without the gap. This asks the host nothing.

use super::findings::{Findings, Hierarchy, Probed, Supervision};
use super::rules::{Row, Samples};
use crate::plan::{Host, MemoryCgroup, PINS};
use crate::sys::Errno;
use serde::Serialize;

/// Something that this host lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gap {
    /// What it is called in the document and the manual.
    pub id: &'static str,
    /// What is missing, and why.
    pub gap: String,
    /// What that costs.
    pub costs: Vec<String>,
    /// How to close it.
    pub close: String,
}

/// The ABIs of Landlock with the versions of Linux that brought them.
const ABIS: [(u32, &str); 11] = [
    (1, "5.13"),
    (2, "5.19"),
    (3, "6.2"),
    (4, "6.7"),
    (5, "6.10"),
    (6, "6.12"),
    (7, "6.15"),
    (8, "7.0"),
    (9, "7.1"),
    (10, "7.2"),
    (11, "7.3"),
];

/// The errata of Landlock by number, with the first ABI that has each, and what it causes in a jail
/// (security/landlock/errata of Linux). Erratum 4 (Linux 7.3), about whiteouts of overlay file systems, is
/// not a gap: jail grants both rights that may be needed for one, or none.
const ERRATA: [(u32, u32, &str); 3] = [
    (
        1,
        4,
        "erratum 1: rules about TCP ports also deny MPTCP, SMC and SCTP sockets",
    ),
    (
        2,
        6,
        "erratum 2: a program that restricts one of its threads by Landlock cannot signal its other threads from it",
    ),
    (
        3,
        1,
        "erratum 3: if another process moves a directory out of a bind mount, a rename or link there may gain rights",
    ),
];

/// What jail's own filter returns.
const ACTIONS: [&str; 3] = ["errno", "trace", "allow"];

/// A call that may be missing.
struct Call {
    name: &'static str,
    /// The first Linux that has it.
    since: (u32, u32),
    cost: &'static str,
    /// How Docker allows it.
    docker: &'static str,
}

const PROFILE: &str = "--security-opt seccomp=PROFILE";
const CAPABILITY: &str = "--cap-add=SYS_PTRACE, or --security-opt seccomp=PROFILE";

#[rustfmt::skip]
const CALLS: &[Call] = &[
    Call { name: "close_range", since: (5, 9), docker: PROFILE,
        cost: "no command can be run, because its descriptors cannot be closed" },
    Call { name: "openat2", since: (5, 6), docker: PROFILE,
        cost: "where it fails with EPERM, no path can be opened for Landlock, so nothing can be executed under a policy of paths" },
    Call { name: "pidfd_getfd", since: (5, 6), docker: CAPABILITY,
        cost: "a policy that allows some connections and not others stops with an error before anything runs; entries that say `optional` are left out" },
    Call { name: "pidfd_open", since: (5, 3), docker: PROFILE,
        cost: "`isolate = [\"pid\"]`, `output` in [limits] and runs by the library stop with an error" },
    Call { name: "pidfd_send_signal", since: (5, 1), docker: PROFILE,
        cost: "`output` in [limits] and a kill by the library take effect late" },
    Call { name: "process_vm_readv", since: (3, 2), docker: CAPABILITY,
        cost: "the supervisor reads arguments through /proc/PID/mem, which is slower" },
    Call { name: "kcmp", since: (3, 5), docker: CAPABILITY,
        cost: "tasks are assumed to share their memory: one stop more for some calls" },
];

/// All gaps, in the order in which they matter.
pub fn gaps(findings: &Findings, samples: &Samples) -> Vec<Gap> {
    let survey = Survey { findings, samples };
    let mut gaps = Vec::new();
    gaps.extend(survey.actions());
    gaps.extend(survey.no_tracer());
    gaps.extend(survey.landlock());
    gaps.extend(survey.errata());
    gaps.extend(survey.racy());
    gaps.extend(findings.calls.iter().filter_map(|call| survey.call(call)));
    gaps.extend(survey.cgroup());
    gaps.extend(survey.namespaces());
    gaps.extend(survey.names());
    gaps.extend(survey.environment());
    gaps
}

struct Survey<'a> {
    findings: &'a Findings,
    samples: &'a Samples,
}

impl Survey<'_> {
    /// The kinds of rules that another mechanism would enforce, or at another cost, on the other host.
    fn falls(&self, here: &Host, other: &Host) -> Vec<String> {
        let rows = |host| self.samples.rows(host, self.findings.supervision());
        differences(&rows(here), &rows(other))
    }

    /// No tracer can be had.
    fn no_tracer(&self) -> Option<Gap> {
        let reason = self.findings.unsupervised.as_ref()?;
        let rows = |supervision| self.samples.rows(&self.findings.host, supervision);
        let mut costs = differences(&rows(Supervision::None), &rows(Supervision::Whole));
        costs.push(
            "denials are not reported; a policy that needs a supervisor stops with an error before anything runs"
                .to_owned(),
        );
        Some(Gap {
            id: "no-tracer",
            gap: format!("commands run without a supervisor: {reason}"),
            costs,
            close: "run jail outside of a debugger, strace or another jail, in a container that allows ptrace(2)"
                .to_owned(),
        })
    }

    fn actions(&self) -> Option<Gap> {
        let available = self.findings.seccomp.actions.as_ref();
        let Some(available) = available else {
            let because = self.because((4, 14));
            return Some(Gap {
                id: "seccomp",
                gap: format!("seccomp(2) cannot be used: {because}"),
                costs: vec!["no command can be run".to_owned()],
                close: self.allow("seccomp", (4, 14), PROFILE),
            });
        };
        let mut missing = ACTIONS.to_vec();
        missing.retain(|action| !available.contains(action));
        (!missing.is_empty()).then(|| Gap {
            id: "seccomp",
            gap: format!("a seccomp filter cannot return {}", missing.join(", ")),
            costs: vec!["no command can be run".to_owned()],
            close: "use a kernel with CONFIG_SECCOMP_FILTER, Linux 4.8 or newer".to_owned(),
        })
    }

    fn landlock(&self) -> Option<Gap> {
        let abi = self.findings.landlock.abi;
        let with = |landlock_abi| Host {
            landlock_abi,
            ..self.findings.all
        };
        let costs = self.falls(&with(abi), &with(u32::MAX));
        if costs.is_empty() {
            return None;
        }
        if abi == 0 {
            let (because, close) = self.no_landlock();
            return Some(Gap {
                id: "no-landlock",
                gap: format!("there is no Landlock: {because}"),
                costs,
                close,
            });
        }
        let enough = |(abi, _): &&(u32, &str)| self.falls(&with(*abi), &with(u32::MAX)).is_empty();
        let (used, linux) = ABIS.iter().find(enough)?;
        Some(Gap {
            id: "old-landlock",
            gap: format!("this kernel has Landlock {abi}; jail uses Landlock {used}"),
            costs,
            close: format!("use Linux {linux} or newer"),
        })
    }

    /// Why there is no Landlock, and the next step.
    fn no_landlock(&self) -> (String, String) {
        const SINCE: (u32, u32) = (5, 13);
        let allow = "landlock_create_ruleset, landlock_add_rule and landlock_restrict_self";
        match self.findings.landlock.errno {
            Some(Errno::EOPNOTSUPP) => (
                "the kernel has it, but it was not enabled at boot".to_owned(),
                "add landlock to the list `lsm=` of the kernel's command line".to_owned(),
            ),
            Some(Errno::ENOSYS)
                if self.findings.kernel.version >= SINCE && !self.findings.seccomp.filtered =>
            {
                (
                    "the kernel was built without it".to_owned(),
                    "use a kernel with CONFIG_SECURITY_LANDLOCK".to_owned(),
                )
            }
            _ => (self.because(SINCE), self.allow(allow, SINCE, PROFILE)),
        }
    }

    fn errata(&self) -> Option<Gap> {
        let landlock = &self.findings.landlock;
        let fixed = landlock.errata.as_deref();
        let unfixed = ERRATA.iter().filter(|(number, abi, _)| {
            landlock.abi >= *abi && !fixed.is_some_and(|fixed| fixed.contains(number))
        });
        let costs: Vec<String> = unfixed.map(|(_, _, cost)| (*cost).to_owned()).collect();
        (!costs.is_empty()).then(|| Gap {
            id: "errata",
            gap: match fixed {
                Some(_) => "this kernel's Landlock has bugs that newer ones fix".to_owned(),
                None => "this kernel does not say which bugs of Landlock it has fixed".to_owned(),
            },
            costs,
            close: "use a newer kernel, also of the same series".to_owned(),
        })
    }

    /// Entries that another thread can bypass.
    fn racy(&self) -> Option<Gap> {
        let all = self.findings.all;
        let with = Host {
            kernel: (u32::MAX, 0),
            ..all
        };
        let mut costs = self.falls(&all, &with);
        if costs.is_empty() {
            return None;
        }
        costs.push(
            "`jail check --strict` refuses what is racy: another thread of the command can change what was judged"
                .to_owned(),
        );
        let (major, minor) = PINS;
        Some(Gap {
            id: "racy",
            gap: format!("this kernel is older than Linux {major}.{minor}"),
            costs,
            close: format!("use Linux {major}.{minor} or newer, or rules that Landlock enforces"),
        })
    }

    fn call(&self, probed: &Probed) -> Option<Gap> {
        let errno = probed.errno?;
        let call = CALLS.iter().find(|call| call.name == probed.name)?;
        Some(Gap {
            id: call.name,
            gap: format!(
                "{}(2) is missing ({errno:?}): {}",
                call.name,
                self.because(call.since)
            ),
            costs: vec![call.cost.to_owned()],
            close: self.allow(call.name, call.since, call.docker),
        })
    }

    fn cgroup(&self) -> Option<Gap> {
        let all = self.findings.all;
        if all.memory != MemoryCgroup::None {
            return None;
        }
        let with = Host {
            memory: MemoryCgroup::V2,
            ..all
        };
        let (gap, close) = no_cgroup(&self.findings.cgroup.hierarchies);
        let mut costs = self.falls(&all, &with);
        if costs.is_empty() {
            // Without Landlock or pins a command might change its cgroup.
            costs.push("[limits] memory: the supervisor, also because of another gap".to_owned());
        }
        Some(Gap {
            id: "no-cgroup",
            gap,
            costs,
            close: close.to_owned(),
        })
    }

    /// One for each reason.
    fn namespaces(&self) -> Vec<Gap> {
        let mut reasons: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for namespace in self.findings.namespaces.iter().flatten() {
            let Some(reason) = namespace.reason.as_deref() else {
                continue;
            };
            let mut known = reasons.iter_mut();
            match known.find(|(known, help, _)| *known == reason && *help == namespace.help) {
                Some((_, _, words)) => words.push(namespace.word),
                None => reasons.push((reason, namespace.help, vec![namespace.word])),
            }
        }
        let gap = |(reason, help, words): (&str, &str, Vec<&str>)| Gap {
            id: "namespaces",
            gap: format!("`isolate` cannot use {}: {reason}", words.join(", ")),
            costs: vec![
                "a policy with one of these words stops with an error before anything runs"
                    .to_owned(),
            ],
            close: match help {
                "" => "remove the words from `isolate`".to_owned(),
                help => help.to_owned(),
            },
        };
        reasons.into_iter().map(gap).collect()
    }

    /// What variables take away.
    /// A program is missing that looks names up.
    fn names(&self) -> Option<Gap> {
        let missing = &self.findings.names.missing;
        if missing.is_empty() {
            return None;
        }
        let cost = |program: &&str| match *program {
            "getent" => {
                "endpoints by name have no address, and `user` in [process] is not found by name"
            }
            _ => "a `user` in [process] by name is an error: its groups are not known",
        };
        let mut costs: Vec<String> = missing.iter().map(|it| cost(it).to_owned()).collect();
        costs.dedup();
        Some(Gap {
            id: "names",
            gap: format!(
                "there is no {} in PATH, which a statically linked jail asks for names",
                missing.join(" and no ")
            ),
            costs,
            close: "install it (Debian: libc-bin, coreutils), or build jail without +crt-static"
                .to_owned(),
        })
    }

    fn environment(&self) -> Option<Gap> {
        let Findings { host, all, .. } = self.findings;
        if host == all {
            return None;
        }
        let set = self.findings.environment.iter();
        let set: Vec<String> = set
            .map(|variable| format!("{}={}", variable.name, variable.value))
            .collect();
        let mut costs = self.falls(host, all);
        if host.namespaces != all.namespaces {
            costs.push("`isolate`: not available".to_owned());
        }
        if costs.is_empty() {
            costs.push("none: no rule is enforced in another way".to_owned());
        }
        Some(Gap {
            id: "environment",
            gap: format!("jail does without a part of this host: {}", set.join(", ")),
            costs,
            close: "unset them; they are for tests".to_owned(),
        })
    }

    /// Why a call fails that the kernel has since this version.
    fn because(&self, since: (u32, u32)) -> String {
        let (major, minor) = since;
        if self.findings.kernel.version < since {
            return format!("it came with Linux {major}.{minor}");
        }
        match self.findings.seccomp.filtered {
            true => "a container's seccomp profile, or another jail, forbids it".to_owned(),
            false => "the kernel was built without it, or a security module forbids it".to_owned(),
        }
    }

    /// How to get such a call.
    fn allow(&self, call: &str, since: (u32, u32), docker: &str) -> String {
        let (major, minor) = since;
        match (
            self.findings.kernel.version < since,
            self.findings.seccomp.filtered,
        ) {
            (true, _) => format!("use Linux {major}.{minor} or newer"),
            (false, true) => format!("allow {call} in the profile (docker: {docker})"),
            (false, false) => format!("use a kernel that has {call}"),
        }
    }
}

/// The kinds of rules that have another mechanism or cost.
fn differences(here: &[Row], other: &[Row]) -> Vec<String> {
    let pairs = here.iter().zip(other);
    let differ =
        pairs.filter(|(here, other)| (here.enforcer, here.cost) != (other.enforcer, other.cost));
    differ
        .map(|(here, other)| {
            let (rules, here, other) = (here.rules, told(here), told(other));
            format!("{rules}: {here}, otherwise {other}")
        })
        .collect()
}

/// A mechanism with its cost, if it has one.
fn told(row: &Row) -> String {
    match row.cost {
        "none" | "-" => row.enforcer.to_owned(),
        cost => format!("{} ({cost})", row.enforcer),
    }
}

/// Why no cgroup with a limit of memory can be created, and the next step.
fn no_cgroup(hierarchies: &[Hierarchy]) -> (String, &'static str) {
    const DELEGATE: &str =
        "run jail in a cgroup that is yours: systemd-run --user --scope -p Delegate=yes jail …";
    let Some(found) = hierarchies
        .iter()
        .find(|found| found.controller)
        .or(hierarchies.first())
    else {
        return (
            "no cgroups are mounted beneath /sys/fs/cgroup".to_owned(),
            "mount them there, or run jail outside of the container",
        );
    };
    let own = &found.own;
    match (found.version, found.controller, found.writable) {
        (2, false, _) => (
            format!("{own} does not have the memory controller"),
            "give it the controller (Delegate=yes in its systemd unit), or run jail as root",
        ),
        (2, true, false) => (format!("this user may not write to {own}"), DELEGATE),
        (2, true, true) => (
            format!("{own} has other processes, and the cgroup above it is not this user's"),
            DELEGATE,
        ),
        _ => (
            format!("this user may not write to {own} (cgroups of version 1)"),
            "run jail as root, or use a host with cgroups of version 2",
        ),
    }
}
