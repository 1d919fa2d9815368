//! Another process's memory, and a page shared with a child.

use super::{Errno, check};
use libc::{iovec, pid_t};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Reads from `address` into `buffer` and returns the number of bytes read: by process_vm_readv(2)
/// (Linux 3.2), or, if a container's seccomp profile forbids that, through /proc/PID/mem, which a tracer
/// may read as well.
///
/// Stops at an unmapped page. EFAULT: nothing at the address is readable.
pub fn read(tid: pid_t, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    match read_at_once(tid, address, buffer) {
        // A tracer needs the same permission for both, so this error means that the call itself is not
        // available.
        Err(Errno::EPERM | Errno::ENOSYS) => read_file(tid, address, buffer),
        other => other,
    }
}

/// Fills `buffer`, or fails with EFAULT.
pub fn read_all(tid: pid_t, address: u64, buffer: &mut [u8]) -> Result<(), Errno> {
    match buffer.is_empty() || read(tid, address, buffer) == Ok(buffer.len()) {
        true => Ok(()),
        false => Err(Errno::EFAULT),
    }
}

/// So many bytes, or EFAULT.
pub fn bytes_at(tid: pid_t, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; length];
    read_all(tid, address, &mut bytes)?;
    Ok(bytes)
}

/// The word of 64 bits that begins at this byte of what was read; 0 where not all of it is there.
pub fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u64::from_ne_bytes(*word))
}

/// proc_pid_mem(5). Reads a page that is mapped without PROT_READ, too.
fn read_file(tid: pid_t, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let errno = |error: std::io::Error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENOENT => Errno::ESRCH,
        Errno::EIO => Errno::EFAULT,
        other => other,
    };
    let memory = std::fs::File::open(format!("/proc/{tid}/mem")).map_err(errno)?;
    match memory.read_at(buffer, address).map_err(errno)? {
        // The process no longer has any memory.
        0 if !buffer.is_empty() => Err(Errno::ESRCH),
        read => Ok(read),
    }
}

fn read_at_once(tid: pid_t, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let local = iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let remote = iovec {
        iov_base: address as *mut _,
        iov_len: buffer.len(),
    };
    // SAFETY: `local` is valid for writing; `remote` is checked by the kernel in the other
    // process's address space.
    let read = check(unsafe { libc::process_vm_readv(tid, &local, 1, &remote, 1, 0) } as i64)?;
    Ok(read as usize)
}

/// Whether process_vm_readv(2) (Linux 3.2) is available: reads this process's own memory.
pub fn try_reading() -> Result<(), Errno> {
    let (from, mut into) = ([1u8; 8], [0; 8]);
    let address = from.as_ptr().addr() as u64;
    read_at_once(super::process::getpid(), address, &mut into).map(drop)
}

/// process_vm_writev(2) (Linux 3.2): writes all of `bytes` to `address`. EFAULT: not all of it is
/// writable; a part may have been written.
pub fn write(tid: pid_t, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    if bytes.is_empty() {
        return Ok(());
    }
    let local = iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let remote = iovec {
        iov_base: address as *mut _,
        iov_len: bytes.len(),
    };
    // SAFETY: `local` is only read; `remote` is checked by the kernel in the other process.
    let written = check(unsafe { libc::process_vm_writev(tid, &local, 1, &remote, 1, 0) } as i64)?;
    match written == bytes.len() as i64 {
        true => Ok(()),
        false => Err(Errno::EFAULT),
    }
}

/// The number of words in a [`SharedWords`] page.
pub const WORDS: usize = 8;

/// A few atomic words in a page that is shared with every child forked afterwards.
///
/// The child's execve removes it from the child's address space.
pub struct SharedWords(NonNull<[AtomicU32; WORDS]>);

// SAFETY: the page is owned memory that is not bound to a thread.
unsafe impl Send for SharedWords {}
// SAFETY: it is only ever accessed through atomics.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// Maps one, filled with zeroes.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no other.
        let address = unsafe {
            libc::mmap(
                null_mut(),
                size_of::<[AtomicU32; WORDS]>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        match NonNull::new(address) {
            Some(address) if address.as_ptr() != libc::MAP_FAILED => Ok(Self(address.cast())),
            _ => Err(Errno::last()),
        }
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU32; WORDS] {
        // SAFETY: the mapping is aligned to a page, zero-filled, large enough, lives as long as
        // `self`, and is only ever accessed through atomics.
        unsafe { self.0.as_ref() }
    }

    /// Makes them 0 again.
    pub fn clear(&mut self) {
        for word in self.words() {
            word.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this size; no reference outlives `self`.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<[AtomicU32; WORDS]>()) };
    }
}

/// Bytes in a page.
pub fn page_size() -> u64 {
    // SAFETY: takes a number only.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The peak resident memory of this process in bytes: ru_maxrss of getrusage(2).
pub fn peak() -> Option<u64> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is valid for writing, and zeroed bytes are one, too.
    let (got, usage) = unsafe {
        let got = libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        (got, usage.assume_init())
    };
    check(got).ok()?;
    Some(u64::try_from(usage.ru_maxrss).ok()?.saturating_mul(1024))
}

/// PID_MAX_LIMIT of the kernel on 64-bit processors: every process id is below it.
const IDS: usize = 1 << 22;

/// A set of process ids, for a process that shares this memory. It takes half a MiB of address space,
/// and only the pages that were written take memory.
pub struct IdSet(NonNull<[AtomicU64; IDS / 64]>);

// SAFETY: owned memory that is not bound to a thread.
unsafe impl Send for IdSet {}
// SAFETY: it is only ever accessed through atomics.
unsafe impl Sync for IdSet {}

impl IdSet {
    /// An empty one.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no other.
        let address = unsafe {
            libc::mmap(
                null_mut(),
                IDS / 8,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        match NonNull::new(address) {
            Some(address) if address.as_ptr() != libc::MAP_FAILED => Ok(Self(address.cast())),
            _ => Err(Errno::last()),
        }
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is aligned to a page, zero-filled, large enough, lives as long as
        // `self`, and is only ever accessed through atomics.
        unsafe { self.0.as_ref() }
    }

    fn word(&self, id: pid_t) -> Option<(&AtomicU64, u64)> {
        let id = usize::try_from(id).ok()?;
        Some((self.words().get(id / 64)?, 1 << (id % 64)))
    }

    /// Adds one.
    pub fn insert(&self, id: pid_t) {
        if let Some((word, bit)) = self.word(id) {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// Takes one out.
    pub fn remove(&self, id: pid_t) {
        // Most ids are not in the set, and a page that was never written takes no memory.
        if let Some((word, bit)) = self.word(id)
            && word.load(Ordering::Acquire) & bit != 0
        {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    /// All ids in the set, in ascending order. Allocates nothing.
    pub fn iter(&self) -> impl Iterator<Item = pid_t> {
        let words = self.words().iter().zip((0..).step_by(64));
        words.flat_map(|(word, first): (_, pid_t)| {
            let mut bits = word.load(Ordering::Acquire);
            std::iter::from_fn(move || {
                let bit = bits.checked_ilog2()?;
                bits &= !(1 << bit);
                Some(first.saturating_add(bit as pid_t))
            })
        })
    }
}

impl Drop for IdSet {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this size; no reference outlives `self`.
        unsafe { libc::munmap(self.0.as_ptr().cast(), IDS / 8) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_read_the_same_and_fail_the_same() {
        let own = super::super::process::getpid();
        let text = *b"some text in this process";
        let ways = [read_at_once, read_file];
        for way in ways {
            let mut buffer = [0; 25];
            assert_eq!(way(own, text.as_ptr() as u64, &mut buffer), Ok(25));
            assert_eq!(buffer, text);
            assert_eq!(way(own, 8, &mut buffer), Err(Errno::EFAULT));
            assert_eq!(way(i32::MAX, 8, &mut buffer), Err(Errno::ESRCH));
        }
    }

    #[test]
    fn a_set_of_ids_has_what_was_put_into_it_and_not_taken_out() {
        let set = IdSet::new().expect("memory");
        for id in [1, 63, 64, 4_194_303] {
            set.insert(id);
        }
        // No process has such an id.
        for id in [-1, IDS as pid_t, pid_t::MAX] {
            set.insert(id);
        }
        set.remove(63);
        set.remove(62);
        let mut all: Vec<pid_t> = set.iter().collect();
        all.sort_unstable();
        assert_eq!(all, [1, 64, 4_194_303]);
    }
}
