//! The host's abilities, probed once.

use super::cgroup;
use crate::plan::{Host, MemoryCgroup};
use crate::policy::{LimitKind, Policy};
use crate::sys;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

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
        proc_elsewhere: proc_elsewhere(),
    }
}

/// Where the proc file system is mounted besides `/proc` now. If that cannot be read, it may be anywhere.
fn proc_elsewhere() -> &'static [PathBuf] {
    kept(match std::fs::read("/proc/self/mountinfo") {
        Ok(mounts) => mounts
            .split(|byte| *byte == b'\n')
            .filter_map(proc_mounted)
            .filter(|place| !place.starts_with("/proc"))
            .collect(),
        Err(_) => vec![PathBuf::from("/")],
    })
}

/// Keeps a list for ever, each once: a program may start many jails, but mounts change seldom.
fn kept(places: Vec<PathBuf>) -> &'static [PathBuf] {
    static KEPT: Mutex<Vec<&'static [PathBuf]>> = Mutex::new(Vec::new());
    if places.is_empty() {
        return &[];
    }
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().copied().find(|known| *known == places);
    known.unwrap_or_else(|| {
        let places: &'static [PathBuf] = places.leak();
        all.push(places);
        places
    })
}

/// The place of a mount, of one line of /proc/PID/mountinfo, if it is the proc file system. The kernel writes
/// blanks and backslashes in octal.
fn proc_mounted(line: &[u8]) -> Option<PathBuf> {
    let mut words = line.split(|byte| *byte == b' ');
    let place = words.nth(4)?;
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    (kind == b"proc").then(|| PathBuf::from(OsString::from_vec(plain(place))))
}

/// Without octal escapes.
fn plain(mut escaped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(escaped.len());
    while let Some((first, rest)) = escaped.split_first() {
        match (first, rest) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                escaped = left;
            }
            _ => {
                bytes.push(*first);
                escaped = rest;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_proc_is_told_by_its_kind() {
        let of = |line: &str| proc_mounted(line.as_bytes());
        let line = |place, kind| {
            format!("22 1 0:21 / {place} rw,nosuid shared:5 master:1 - {kind} proc rw")
        };
        assert_eq!(
            of(&line("/srv/a\\040b\\134", "proc")),
            Some("/srv/a b\\".into())
        );
        assert_eq!(of("22 1 0:21 /7 /x ro - proc none rw"), Some("/x".into()));
        assert_eq!(of(&line("/proc", "tmpfs")), None);
        assert_eq!(of("22 1 0:21 / /x"), None);
        assert_eq!(of(""), None);
        assert_eq!(plain(b"\\9\\04"), b"\\9\\04");
    }
}
