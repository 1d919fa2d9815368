//! Memory that is mapped, and files that are memory.

use super::check;
use libc::c_int;
use nix::errno::Errno;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::{NonNull, null_mut};

/// A mapping, never unmapped: it ends with the process.
pub struct Region {
    address: NonNull<u8>,
    length: usize,
}

/// mmap(2) for reading and writing; of a file all that it has, else anonymous.
pub fn map(length: usize, flags: c_int, file: Option<&File>) -> Result<Region, Errno> {
    let (flags, fd) = match file {
        Some(file) => (flags, file.as_raw_fd()),
        None => (flags | libc::MAP_ANONYMOUS, -1),
    };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice touches no other.
    let address = unsafe { libc::mmap(null_mut(), length, access, flags, fd, 0) };
    match NonNull::new(address.cast::<u8>()) {
        Some(address) if address.as_ptr().cast() != libc::MAP_FAILED => {
            Ok(Region { address, length })
        }
        _ => Err(Errno::last()),
    }
}

impl Region {
    /// Writes to every page.
    pub fn touch(&self) {
        for offset in (0..self.length).step_by(4096) {
            // SAFETY: within the mapping, which stays; volatile, as others may write as well.
            unsafe { self.address.add(offset).write_volatile(1) };
        }
    }
}

/// memfd_create(2).
pub fn memfd() -> Result<File, Errno> {
    // SAFETY: the name is NUL-terminated.
    let fd = check(unsafe { libc::memfd_create(c"probe".as_ptr(), 0) })?;
    // SAFETY: the kernel has just returned this descriptor, and nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd as c_int) })
}

/// shmget(2), shmat(2): a System V segment, written to and detached. It stays until [`remove`].
pub fn segment(length: usize) -> Result<c_int, Errno> {
    // SAFETY: takes numbers only.
    let id = check(unsafe { libc::shmget(libc::IPC_PRIVATE, length, libc::IPC_CREAT | 0o600) })?;
    // SAFETY: attached at an address of the kernel's choice.
    let address = unsafe { libc::shmat(id as c_int, null_mut(), 0) };
    let Some(address) =
        NonNull::new(address.cast::<u8>()).filter(|it| it.as_ptr().addr() != usize::MAX)
    else {
        return Err(Errno::last());
    };
    Region { address, length }.touch();
    // SAFETY: attached above, and used no more.
    check(unsafe { libc::shmdt(address.as_ptr().cast()) })?;
    Ok(id as c_int)
}

/// shmctl(2) IPC_RMID.
pub fn remove(segment: c_int) -> Result<(), Errno> {
    // SAFETY: this command reads and writes no structure.
    check(unsafe { libc::shmctl(segment, libc::IPC_RMID, null_mut()) }).map(drop)
}
