//! The memory controller of cgroup v1 (Documentation/admin-guide/cgroup-v1/memory.rst).

use super::places::{self, Place, Version};
use super::{Count, Group, Members, directory};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// How near to its limit a cgroup is that has met it: memory is charged by 64 pages at a time
/// (MEMCG_CHARGE_BATCH), of 64 KiB at most.
const NEARLY: u64 = 4 << 20;

/// Whether one can be made, and is under the limits of those above.
pub fn is_possible() -> bool {
    let Some(place) = Place::find(Version::V1) else {
        return false;
    };
    // Without it each cgroup is on its own: the command would leave the limits of its caller.
    let inherits = places::has_word(&place.own.join("memory.use_hierarchy"), "1");
    (inherits || place.own == place.mount) && places::is_writable(&place.own)
}

/// Makes one beneath this process's own.
pub fn make(limit: u64) -> io::Result<Group> {
    let place = Place::find(Version::V1).ok_or(io::ErrorKind::NotFound)?;
    let made = directory::Made::new(&place.own)?;
    let at = made.path();
    let bytes = limit.to_string();
    fs::write(at.join("memory.limit_in_bytes"), &bytes)?;
    // With swap: where the kernel counts that at all. Not less than the limit above, so it comes after;
    // of two limits that are the same it is met first (try_charge_memcg() of mm/memcontrol.c).
    let all = at.join("memory.memsw.limit_in_bytes");
    let most = match all.exists() {
        true => {
            fs::write(all, &bytes)?;
            "memory.memsw.max_usage_in_bytes"
        }
        false => {
            fs::write(at.join("memory.swappiness"), "0")?;
            "memory.max_usage_in_bytes"
        }
    };
    Ok(Group {
        members: Members(File::options().write(true).open(at.join("cgroup.procs"))?),
        // memory.failcnt stays 0 (measured on Linux 6.18).
        met: Count::new(at, most, "", limit.saturating_sub(NEARLY))?,
        // Linux 4.13.
        killed: Count::new(at, "memory.oom_control", "oom_kill", 1)?,
        peak: open_peak(at, "memory.max_usage_in_bytes"),
        _made: made,
        _moved: None,
    })
}

/// The file of a peak, where this kernel has it.
pub fn open_peak(at: &Path, name: &str) -> Option<File> {
    File::open(at.join(name)).ok()
}
