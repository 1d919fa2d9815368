//! The abilities of this kernel: plain data, so that tests can take abilities away.
//!
//! This file never asks the kernel: the caller that starts a jail probes once and passes the result on.

use std::path::{Path, PathBuf};

/// A host's abilities, as far as a plan depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The Landlock ABI, 0 if there is none.
    pub landlock_abi: u32,
    /// Major and minor version of the kernel.
    pub kernel: (u32, u32),
    /// Which cgroups with a limit of memory can be created.
    pub memory: MemoryCgroup,
    /// Whether namespaces may be used. The kernel is asked for them when a command starts.
    pub namespaces: bool,
    /// Whether the supervisor writes to a command's memory through /proc/PID/mem. Where the kernel does not
    /// let it, it finds out by itself.
    pub memory_files: bool,
    /// Where the proc file system is besides `/proc`: such a place, too, has files that write to the memory of a
    /// task.
    pub proc_elsewhere: ProcElsewhere,
}

/// Whether one of these trees lies in a proc file system or has one within, be it mounted at `/proc` or elsewhere.
///
/// To know it takes longer than the rest of the probe, and not every plan depends on it, so a plan that does asks
/// by this function.
#[derive(Debug, Clone, Copy)]
pub struct ProcElsewhere(pub fn(&[PathBuf]) -> bool);

impl PartialEq for ProcElsewhere {
    /// Two functions have one address only if they do the same.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for ProcElsewhere {}

impl ProcElsewhere {
    /// It is nowhere else.
    pub const NOWHERE: ProcElsewhere = ProcElsewhere(|_| false);
}

/// Whether a place lies in one of these trees, or above it.
pub fn meet(trees: &[impl AsRef<Path>], place: &Path) -> bool {
    let mut trees = trees.iter().map(AsRef::as_ref);
    trees.any(|tree| place.starts_with(tree) || tree.starts_with(place))
}

/// A cgroup with the memory controller that this process can create for a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryCgroup {
    /// None, or the host was not probed for it.
    #[default]
    None,
    /// Of cgroup v1.
    V1,
    /// Of cgroup v2.
    V2,
    /// Of cgroup v2, if this process, the only one in its cgroup, first moves into a cgroup beneath it.
    /// A program that does more than run the jail must not be moved.
    V2Alone,
}

impl Host {
    /// A host with every ability that this program knows of.
    pub fn newest() -> Host {
        Host {
            landlock_abi: u32::MAX,
            kernel: (u32::MAX, 0),
            memory: MemoryCgroup::V2,
            namespaces: true,
            memory_files: true,
            proc_elsewhere: ProcElsewhere::NOWHERE,
        }
    }
}
