//! The memory controller of cgroup v1 (Documentation/admin-guide/cgroup-v1/memory.rst).

use super::places::{self, Place, Version};
use super::{Cgroup, Count, Members, Renewal, directory};
use std::fs::{self, File};
use std::io;

/// How close to its limit the usage of a cgroup is when the limit is reached: memory is charged in
/// batches of 64 pages (MEMCG_CHARGE_BATCH) of at most 64 KiB.
const NEARLY: u64 = 4 << 20;

/// The file of the peak, which a write sets back.
const PEAK: &str = "memory.max_usage_in_bytes";

/// Whether a cgroup can be created, and the limits of its ancestors apply to it.
pub fn is_possible() -> bool {
    let Some(place) = Place::find(Version::V1) else {
        return false;
    };
    // Without use_hierarchy each cgroup is independent: the command would leave the limits of its
    // caller.
    let inherits = places::has_word(&place.own.join("memory.use_hierarchy"), "1");
    (inherits || place.own == place.mount) && places::is_writable(&place.own)
}

/// Creates one beneath this process's own cgroup.
pub fn make(limit: u64) -> io::Result<Cgroup> {
    let place = Place::lately(Version::V1).ok_or(io::ErrorKind::NotFound)?;
    let made = directory::Made::new(&place.own)?;
    let at = made.path();
    let bytes = limit.to_string();
    fs::write(at.join("memory.limit_in_bytes"), &bytes)?;
    // The limit of memory plus swap, if the kernel counts that. It must not be less than the limit
    // above, so it is set after it; if both limits are equal, this one is reached first
    // (try_charge_memcg() of mm/memcontrol.c).
    let all = at.join("memory.memsw.limit_in_bytes");
    let most = match all.exists() {
        true => {
            fs::write(all, &bytes)?;
            "memory.memsw.max_usage_in_bytes"
        }
        false => {
            fs::write(at.join("memory.swappiness"), "0")?;
            PEAK
        }
    };
    let peaks = [most, PEAK];
    let peaks = peaks.map(|name| File::options().write(true).open(at.join(name)));
    Ok(Cgroup {
        members: Members(File::options().write(true).open(at.join("cgroup.procs"))?),
        // memory.failcnt stays 0 (measured on Linux 6.18).
        met: Count::new(at, most, "", limit.saturating_sub(NEARLY))?,
        // Linux 4.13.
        killed: Count::new(at, "memory.oom_control", "oom_kill", 1)?,
        peak: File::open(at.join(PEAK)).ok(),
        renewal: Renewal {
            peaks: peaks
                .into_iter()
                .collect::<io::Result<_>>()
                .unwrap_or_default(),
            charged: at.join("memory.usage_in_bytes"),
            inhabited: (at.join("cgroup.procs"), ""),
            beside: None,
            place: (Version::V1, place),
        },
        made,
        _moved: None,
    })
}
