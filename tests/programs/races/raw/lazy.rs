//! Memory whose pages the kernel may discard later: each call here, no decision.

use super::*;

/// MAP_DROPPABLE of linux/mman.h (Linux 6.11).
const MAP_DROPPABLE: c_int = 8;

/// Two pages, with a name that begins in the first and goes on in the second.
pub struct Lazy {
    pages: &'static [AtomicU8],
    /// Where the name begins.
    start: usize,
}

impl Lazy {
    /// The second page is to be given back by [`Lazy::free`]; so many bytes lie before it.
    pub fn freed(split: usize) -> Result<Self, Errno> {
        let pages = map(2 * PAGE, false);
        Ok(Self {
            pages,
            start: PAGE - split,
        })
    }

    /// The second page is of a kind that the kernel may drop at any time.
    pub fn droppable(split: usize) -> Result<Self, Errno> {
        let it = Self::freed(split)?;
        let flags = MAP_DROPPABLE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        map_raw(it.second(), PAGE, protection, flags, -1)?;
        Ok(it)
    }

    /// Stores bytes of the name, from this one on.
    pub fn write(&self, from: usize, bytes: &[u8]) {
        for (cell, byte) in self.pages.iter().skip(self.start + from).zip(bytes) {
            cell.store(*byte, Ordering::Relaxed);
        }
    }

    /// The address of the second page.
    pub fn second(&self) -> usize {
        self.pages.as_ptr().addr() + PAGE
    }

    /// The address of the name.
    pub fn name(&self) -> u64 {
        (self.pages.as_ptr().addr() + self.start) as u64
    }

    /// The name as a path of this length with its NUL.
    pub fn path(&self, length: usize) -> Text {
        Text(&self.pages[self.start..self.start + length])
    }

    /// madvise(MADV_FREE) of the second page.
    pub fn free(&self) -> Called {
        let (number, second) = (libc::SYS_madvise, self.second());
        // SAFETY: the page is one of atomic bytes, which may become zeros.
        check(unsafe { libc::syscall(number, second, PAGE, libc::MADV_FREE) })
    }
}

/// process_madvise(MADV_PAGEOUT) of a page of another process: what is to be reclaimed is at once.
pub fn reclaim(pidfd: i32, address: usize) -> Called {
    let page = libc::iovec {
        iov_base: address as *mut c_void,
        iov_len: PAGE,
    };
    let (number, page) = (libc::SYS_process_madvise, &raw const page);
    // SAFETY: the vector is read; what it names is another process's memory.
    check(unsafe { libc::syscall(number, pidfd, page, 1, libc::MADV_PAGEOUT, 0) })
}
