//! An open through io_uring(7), which no filter of system calls sees.

use crate::sys::{Errno, check};
use libc::c_void;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null_mut;

/// Sizes and offsets of `linux/io_uring.h`.
const PARAMS: usize = 120;
const SQ_OFFSETS: usize = 40;
const CQ_OFFSETS: usize = 80;
const ENTRY: usize = 64;
const COMPLETION: u32 = 16;
const OFF_ENTRIES: i64 = 0x1000_0000;
const OFF_COMPLETIONS: i64 = 0x0800_0000;
const OPENAT: u8 = 18;
const GETEVENTS: u32 = 1;

/// One mapping of a ring.
struct Mapped {
    at: *mut c_void,
    size: usize,
}

impl Mapped {
    fn new(ring: &OwnedFd, size: usize, offset: i64) -> Result<Mapped, Errno> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other.
        let at = unsafe {
            libc::mmap(
                null_mut(),
                size,
                access,
                libc::MAP_SHARED,
                ring.as_raw_fd(),
                offset,
            )
        };
        match at == libc::MAP_FAILED {
            true => Err(Errno::last()),
            false => Ok(Mapped { at, size }),
        }
    }

    fn place(&self, at: u32, size: usize) -> Result<*mut c_void, Errno> {
        match (at as usize).checked_add(size) {
            // SAFETY: the place lies within the mapping.
            Some(end) if end <= self.size => Ok(unsafe { self.at.byte_add(at as usize) }),
            _ => Err(Errno::EFAULT),
        }
    }

    fn read(&self, at: u32) -> Result<u32, Errno> {
        let place = self.place(at, 4)?;
        // SAFETY: `place` has checked the bounds; the kernel writes the word at any time.
        Ok(unsafe { place.cast::<u32>().read_volatile() })
    }

    fn write(&self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let place = self.place(at, bytes.len())?;
        // SAFETY: `place` has checked the bounds, and nothing else in this process refers to the mapping.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), bytes.len()) };
        Ok(())
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.at, self.size) };
    }
}

/// Opens a file for reading.
pub fn open_by_ring(path: &CStr) -> Result<OwnedFd, Errno> {
    let mut params = [0_u32; PARAMS / 4];
    // SAFETY: the kernel reads and fills in the structure, whose size `params` has.
    let ring = check(unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, params.as_mut_ptr()) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let ring = unsafe { OwnedFd::from_raw_fd(ring as RawFd) };
    let word = |offset: usize| params.get(offset / 4).copied().unwrap_or_default();
    let (entries, completions) = (word(0), word(4));
    // Of `io_sqring_offsets`: head, tail, mask, entries, flags, dropped, array.
    let (tail, array) = (word(SQ_OFFSETS + 4), word(SQ_OFFSETS + 24));
    // Of `io_cqring_offsets`: head, tail, mask, entries, overflow, cqes.
    let cqes = word(CQ_OFFSETS + 20);
    let submissions = Mapped::new(&ring, (array + entries * 4) as usize, 0)?;
    let done = Mapped::new(
        &ring,
        (cqes + completions * COMPLETION) as usize,
        OFF_COMPLETIONS,
    )?;
    let first = Mapped::new(&ring, entries as usize * ENTRY, OFF_ENTRIES)?;
    let mut entry = [0_u8; ENTRY];
    let address = path.as_ptr().addr() as u64;
    for (at, bytes) in [
        (0, &[OPENAT][..]),
        (4, &libc::AT_FDCWD.to_ne_bytes()),
        (16, &address.to_ne_bytes()),
    ] {
        if let Some(place) = entry.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    first.write(0, &entry)?;
    submissions.write(array, &0_u32.to_ne_bytes())?;
    submissions.write(tail, &1_u32.to_ne_bytes())?;
    let (fd, none) = (ring.as_raw_fd(), null_mut::<c_void>());
    // SAFETY: takes numbers and a NULL; the one entry names a path that outlives the call.
    check(unsafe { libc::syscall(libc::SYS_io_uring_enter, fd, 1, 1, GETEVENTS, none, 0) })?;
    match done.read(cqes + 8)? as i32 {
        // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
        fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        errno => Err(Errno::from_raw(-errno)),
    }
}

/// Whether this host lets this user make a ring: asks for one without entries, which there is not.
pub fn has_ring() -> bool {
    // SAFETY: without entries the call fails before it reads the structure, and NULL is none.
    let made = check(unsafe { libc::syscall(libc::SYS_io_uring_setup, 0, null_mut::<c_void>()) });
    !matches!(made, Err(Errno::ENOSYS | Errno::EPERM))
}
