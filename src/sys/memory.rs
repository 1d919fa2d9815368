//! Another process's memory, and a page shared with a child.

use super::{Errno, check};
use libc::{iovec, pid_t};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU32;

/// process_vm_readv(2) (Linux 3.2): how many bytes of `address` were read into `buffer`.
///
/// Stops short at an unmapped page. EFAULT: nothing there is readable.
pub fn read(tid: pid_t, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
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

/// How many words a [`SharedWords`] page holds.
pub const WORDS: usize = 8;

/// A few atomic words in a page that is shared with every child forked afterwards.
///
/// It leaves the child's address space with its execve.
pub struct SharedWords(NonNull<[AtomicU32; WORDS]>);

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
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this size; no reference outlives `self`.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<[AtomicU32; WORDS]>()) };
    }
}
