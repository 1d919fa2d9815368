//! Which Landlock domain this host can give a jail. This file creates none.

use super::Host;
use crate::baseline::SIGNAL_SCOPE_ABI;

/// The Landlock domain of a jail. Any domain prevents its processes from tracing processes outside, and
/// so from reaching their memory and descriptors in /proc (landlock(7), "Ptrace restrictions").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// None: no Landlock, or ABI 1, whose domains forbid every rename between directories.
    None,
    /// One that handles LANDLOCK_ACCESS_FS_REFER and grants it everywhere: ABI 2, Linux 5.19.
    Plain,
    /// One that scopes signals: ABI 6, Linux 6.12.
    Signals,
}

/// The first ABI that can grant LANDLOCK_ACCESS_FS_REFER.
pub const REFER_ABI: u32 = 2;

impl Domain {
    /// The best domain that the host supports.
    pub fn new(host: &Host) -> Domain {
        match host.landlock_abi {
            abi if abi >= SIGNAL_SCOPE_ABI => Domain::Signals,
            abi if abi >= REFER_ABI => Domain::Plain,
            _ => Domain::None,
        }
    }
}
