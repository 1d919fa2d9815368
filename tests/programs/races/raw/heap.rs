//! Attacks that need no call on the region itself: the heap's bounds, tags in addresses, a full address space.

use super::*;
use std::ops::Range;

const PR_SET_MM: i32 = 35;
const PR_SET_MM_MAP: usize = 14;
#[cfg(target_arch = "x86_64")]
const ARCH_ENABLE_TAGGED_ADDR: i32 = 0x4002;
#[cfg(not(target_arch = "x86_64"))]
const PR_SET_TAGGED_ADDR_CTRL: i32 = 55;

/// Makes the region the heap of a child, and gives the heap back there. 0: the region is gone.
pub fn unmap_as_heap(region: &Range<usize>) -> Called {
    let child = fork(|| match shrink_heap(region) {
        Err(errno) => errno as i32,
        Ok(_) if region::is_mapped(&(region.start + PAGE..region.end)) => Errno::EPERM as i32,
        Ok(_) => 0,
    });
    match wait(child, 0)? {
        (_, 0) => Ok(0),
        (_, status) => Err(Errno::from_raw(libc::WEXITSTATUS(status))),
    }
}

fn shrink_heap(region: &Range<usize>) -> Called {
    let (start, end) = (region.start, region.end);
    // struct prctl_mm_map of linux/prctl.h: code, data, heap, stack, arguments, environment, the auxiliary
    // vector, and -1 for the program. Heap after data, as kernels before 5.14 want it.
    let map: [usize; 13] = [
        start,
        start + PAGE,
        start,
        start,
        start + PAGE,
        end,
        start,
        start,
        start,
        start,
        start,
        0,
        0xffff_ffff << 32,
    ];
    // SAFETY: the kernel reads the structure. The child calls nothing that uses its heap before it ends.
    unsafe {
        let size = size_of_val(&map);
        check(libc::prctl(PR_SET_MM, PR_SET_MM_MAP, map.as_ptr(), size, 0usize).into())?;
        check(libc::syscall(libc::SYS_brk, start + PAGE))
    }
}

/// The kernel ignores some upper bits of addresses from now on: arch_prctl(ARCH_ENABLE_TAGGED_ADDR), bits 57 to 62;
/// of aarch64 prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE), the top byte.
pub fn enable_tags() -> Called {
    // SAFETY: takes numbers only.
    check(unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            libc::syscall(libc::SYS_arch_prctl, ARCH_ENABLE_TAGGED_ADDR, 6)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            libc::syscall(libc::SYS_prctl, PR_SET_TAGGED_ADDR_CTRL, 1, 0, 0, 0)
        }
    })
}

/// Fills the address space until the kernel has nothing left for a mapping of this length but this place, and
/// has it map memory there that grows downwards.
pub fn grow_low_by_exhaustion(place: &Range<usize>) -> bool {
    const MOST: usize = 8000;
    let next = place.end..place.end + PAGE;
    if region::map_fixed(&next).is_err() {
        return false;
    }
    let length = place.end - place.start;
    let mut taken: Vec<Range<usize>> = Vec::with_capacity(MOST);
    let mut size = length << 25;
    let mut found = false;
    while !found && size >= length && taken.len() < MOST {
        let (access, grows) = match size == length {
            true => (libc::PROT_READ, libc::MAP_GROWSDOWN),
            false => (libc::PROT_NONE, 0),
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | grows;
        match map_raw(0, size, access, flags, -1) {
            Ok(at) if at as usize == place.start => found = true,
            Ok(at) => taken.push(at as usize..at as usize + size),
            Err(_) => size /= 2,
        }
    }
    for it in &taken {
        let _ = region::unmap(it);
    }
    found
}

/// Fills the address space until the kernel has nothing left for a mapping but what lies below `end`: that
/// mapping. The rest is unmapped again. `None`: there is no room below `end`.
pub fn map_low_by_exhaustion(end: usize) -> Option<Range<usize>> {
    const MOST: usize = 8000;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // Nothing can be allocated on the way.
    let mut taken: Vec<Range<usize>> = Vec::with_capacity(MOST);
    let mut length = 1 << 46;
    let mut low = None;
    while low.is_none() && length >= PAGE && taken.len() < MOST {
        let access = match length < end {
            true => libc::PROT_READ | libc::PROT_WRITE,
            false => libc::PROT_NONE,
        };
        match map_raw(0, length, access, flags, -1) {
            Ok(at) if (at as usize) < end => low = Some(at as usize..at as usize + length),
            Ok(at) => taken.push(at as usize..at as usize + length),
            Err(_) => length /= 2,
        }
    }
    for it in &taken {
        let _ = region::unmap(it);
    }
    low
}
