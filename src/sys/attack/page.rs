//! Memory that changes while a call reads its arguments from it.

use crate::sys::{Errno, check, memory::page_size};
use libc::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU8, Ordering};

/// Two pages. Their bytes are only read and written as atomics by this process; the kernel reads them, too.
pub struct Page {
    at: NonNull<AtomicU8>,
    size: usize,
}

// SAFETY: the pages are owned memory that is not bound to a thread.
unsafe impl Send for Page {}
// SAFETY: they are only ever accessed through atomics.
unsafe impl Sync for Page {}

impl Page {
    /// Maps them: `shared` with the children that are forked later, or private.
    pub fn new(shared: bool) -> Result<Page, Errno> {
        let size = 2 * page_size() as usize;
        let kind = if shared {
            libc::MAP_SHARED
        } else {
            libc::MAP_PRIVATE
        };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no other.
        let at = unsafe { libc::mmap(null_mut(), size, access, kind | libc::MAP_ANONYMOUS, -1, 0) };
        match NonNull::new(at) {
            Some(at) if at.as_ptr() != libc::MAP_FAILED => Ok(Page {
                at: at.cast(),
                size,
            }),
            _ => Err(Errno::last()),
        }
    }

    /// Half of its size: where the second page begins.
    pub fn half(&self) -> usize {
        self.size / 2
    }

    fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the mapping has `size` bytes and lives as long as `self`; atomics may change at any time.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.size) }
    }

    /// Writes what fits behind `at`.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        let places = self.bytes().iter().skip(at);
        for (place, byte) in places.zip(bytes) {
            place.store(*byte, Ordering::Relaxed);
        }
    }

    /// The byte there.
    pub fn read(&self, at: usize) -> Option<u8> {
        Some(self.bytes().get(at)?.load(Ordering::Relaxed))
    }

    /// madvise(2) for the second page.
    pub fn advise_second(&self, advice: c_int) -> Result<(), Errno> {
        let half = self.half();
        // SAFETY: the second page belongs to this mapping, whose content may change at any time; the advices
        // that are given here change its content at most.
        check(unsafe {
            libc::madvise(
                self.at.as_ptr().byte_add(half).cast::<c_void>(),
                half,
                advice,
            )
        })
        .map(drop)
    }

    /// openat(2) for reading, of the path that begins at `at`.
    pub fn open(&self, at: usize) -> Result<OwnedFd, Errno> {
        let Some(start) = self.bytes().get(at) else {
            return Err(Errno::EFAULT);
        };
        // SAFETY: the kernel reads a path from the address; where the mapping ends first, it answers EFAULT.
        let fd = check(unsafe {
            libc::syscall(
                libc::SYS_openat,
                libc::AT_FDCWD,
                std::ptr::from_ref(start),
                libc::O_RDONLY,
                0,
            )
        })?;
        // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    }

    /// connect(2) to the address of `length` bytes that begins at `at`.
    pub fn connect(&self, socket: BorrowedFd<'_>, at: usize, length: usize) -> Result<(), Errno> {
        let Some(place) = at
            .checked_add(length)
            .and_then(|end| self.bytes().get(at..end))
        else {
            return Err(Errno::EFAULT);
        };
        // SAFETY: the kernel reads `length` bytes, which lie within the mapping.
        check(unsafe { libc::connect(socket.as_raw_fd(), place.as_ptr().cast(), length as u32) })
            .map(drop)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.size) };
    }
}
