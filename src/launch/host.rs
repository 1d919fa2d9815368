//! The host's abilities, probed once.

use super::cgroup;
use crate::plan::{Host, MemoryCgroup, ProcElsewhere, meet};
use crate::policy::{LimitKind, Policy};
use crate::sys::{self, proc::Mounts};
use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Abilities of the host that must not be used, so that tests can run without them. By default all are
/// used.
///
/// The `jail` binary reads them from its environment. The library never does, because it shares the
/// environment with its host program.
#[derive(Debug, Clone, Default)]
pub struct Withheld {
    /// The highest Landlock ABI that is used; 0: none.
    pub landlock_above: Option<u32>,
    /// The only kind of memory cgroup that is used: `v1`, `v2`, or `none`.
    pub cgroups_but: Option<String>,
    /// Whether namespaces are not used.
    pub namespaces: bool,
    /// Whether memory is not written to through /proc/PID/mem.
    pub memory_files: bool,
}

impl Withheld {
    /// What `JAIL_LANDLOCK_ABI=n`, `JAIL_CGROUP=v1|v2|none`, `JAIL_NAMESPACES=none` and
    /// `JAIL_MEMORY_FILES=none` withhold.
    pub fn from_environment() -> Withheld {
        let variable = |name| std::env::var(name).ok();
        let none = |name| variable(name).is_some_and(|value| value == "none");
        Withheld {
            landlock_above: variable("JAIL_LANDLOCK_ABI").and_then(|abi| abi.parse().ok()),
            cgroups_but: variable("JAIL_CGROUP"),
            namespaces: none("JAIL_NAMESPACES"),
            memory_files: none("JAIL_MEMORY_FILES"),
        }
    }
}

/// Probes for everything that any plan may depend on.
pub fn probe(withheld: &Withheld) -> Host {
    Host {
        memory: cgroup::probe(withheld.cgroups_but.as_deref()),
        ..kernel(withheld)
    }
}

/// As [`probe`], for a program that does nothing but run many jails: mounts are read once.
pub fn probe_once(withheld: &Withheld) -> Host {
    Host {
        proc_elsewhere: ProcElsewhere(proc_was_in),
        ..probe(withheld)
    }
}

/// As [`probe`], but only for what this policy can depend on: looking for cgroups takes time.
pub fn probe_for(policy: &Policy, withheld: &Withheld) -> Host {
    match policy.limits.get(LimitKind::Memory).is_some() {
        true => probe(withheld),
        false => kernel(withheld),
    }
}

fn kernel(withheld: &Withheld) -> Host {
    let newest = sys::landlock::abi();
    Host {
        landlock_abi: withheld.landlock_above.unwrap_or(newest).min(newest),
        kernel: sys::process::kernel_version().unwrap_or_default(),
        memory: MemoryCgroup::None,
        namespaces: !withheld.namespaces,
        memory_files: !withheld.memory_files,
        proc_elsewhere: ProcElsewhere(proc_is_in),
    }
}

/// Whether one of these trees lies in a proc file system now, or has one within.
fn proc_is_in(trees: &[PathBuf]) -> bool {
    is_in(trees, |directories| are_met(directories, &procs()))
}

/// The same, by the mounts that there were when it was first asked.
fn proc_was_in(trees: &[PathBuf]) -> bool {
    static PROCS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    is_in(trees, |directories| {
        are_met(directories, PROCS.get_or_init(procs))
    })
}

/// `mounted`: whether proc is mounted above or within one of these directories. It is asked only if there are
/// any, because to read the mounts takes as long as to look at dozens of paths.
fn is_in(trees: &[PathBuf], mounted: impl FnOnce(&[&Path]) -> bool) -> bool {
    let mut directories = Vec::new();
    for tree in trees {
        match tree.metadata() {
            // Landlock grants nothing at a path that does not exist when the command starts.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // The files of proc are regular ones. One may be mounted at a place of its own.
            Ok(found) if found.is_file() => match statfs(tree.as_path()) {
                Ok(system) if system.filesystem_type() != PROC_SUPER_MAGIC => {}
                _ => return true,
            },
            Ok(found) if !found.is_dir() => {}
            _ => directories.push(tree.as_path()),
        }
    }
    !directories.is_empty() && mounted(&directories)
}

fn are_met(trees: &[&Path], places: &[PathBuf]) -> bool {
    places.iter().any(|place| meet(trees, place))
}

/// Where the proc file system is mounted. If that cannot be read, it may be anywhere.
fn procs() -> Vec<PathBuf> {
    match Mounts::own() {
        Ok(mounts) => of_proc(&mounts),
        Err(_) => vec![PathBuf::from("/")],
    }
}

fn of_proc(mounts: &Mounts) -> Vec<PathBuf> {
    let procs = mounts.iter().filter(|mount| mount.is(&["proc"]));
    procs.map(|mount| mount.place()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_found_wherever_it_is_mounted() {
        let mounts = Mounts::from(
            "22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n\
             23 1 0:21 /7 /srv/a\\040b\\134 ro - proc none rw\n\
             24 1 0:22 / /x rw - tmpfs proc rw\n",
        );
        let procs = of_proc(&mounts);
        assert_eq!(procs, ["/proc", "/srv/a b\\"].map(PathBuf::from));
        let met = |tree| are_met(&[Path::new(tree)], &procs);
        assert!(met("/") && met("/srv") && met("/srv/a b\\/x"));
        assert!(!met("/srv/a") && !met("/x"));
    }

    #[test]
    fn the_mounts_are_read_only_for_directories() {
        let asked = |trees: &[&str]| {
            let trees: Vec<PathBuf> = trees.iter().map(PathBuf::from).collect();
            let mut about = Vec::new();
            let found = is_in(&trees, |directories| {
                about = directories.iter().map(|tree| tree.to_path_buf()).collect();
                false
            });
            (found, about)
        };
        let exe = std::env::current_exe().unwrap();
        let exe = exe.to_str().unwrap();
        let none = Vec::<PathBuf>::new();
        assert_eq!(asked(&["/dev/null", "/not/there", exe]), (false, none));
        let (found, about) = asked(&["/dev/null", "/tmp", exe]);
        assert_eq!((found, about), (false, vec!["/tmp".into()]));
        // A file of proc, wherever it is.
        assert!(asked(&["/proc/self/mem"]).0);
        assert!(proc_is_in(&["/".into()]) && proc_was_in(&["/proc/self".into()]));
        assert!(!proc_is_in(&["/dev/null".into()]));
    }
}
