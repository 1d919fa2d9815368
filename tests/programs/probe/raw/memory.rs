//! Memory that is mapped, and files that are memory.

use super::check;
use libc::c_int;
use nix::errno::Errno;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
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

impl Region {
    /// Writes to every page of a part.
    pub fn touch_part(&self, from: usize, length: usize) {
        let end = from.saturating_add(length).min(self.length);
        for offset in (from..end).step_by(4096) {
            // SAFETY: within the mapping; volatile, as others may write as well.
            unsafe { self.address.add(offset).write_volatile(1) };
        }
    }

    /// Whether a byte is what [`Region::touch`] wrote.
    pub fn holds(&self, offset: usize) -> bool {
        // SAFETY: within the mapping.
        offset < self.length && unsafe { self.address.add(offset).read_volatile() } == 1
    }

    /// The first offset whose address is a multiple of this.
    pub fn aligned(&self, to: usize) -> usize {
        self.address.as_ptr().addr().next_multiple_of(to) - self.address.as_ptr().addr()
    }

    /// madvise(2) of a part.
    pub fn advise(&self, from: usize, length: usize, advice: c_int) -> Result<(), Errno> {
        assert!(from + length <= self.length);
        // SAFETY: within the mapping, of which no reference was given out.
        check(unsafe { libc::madvise(self.address.add(from).as_ptr().cast(), length, advice) })
            .map(drop)
    }

    /// mmap(2) with MAP_FIXED of other memory in its place.
    pub fn replace(&self) -> Result<(), Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let address = self.address.as_ptr().cast();
        // SAFETY: it replaces this mapping alone, of which no reference was given out.
        let got = unsafe { libc::mmap(address, self.length, libc::PROT_READ, flags, -1, 0) };
        match got == libc::MAP_FAILED {
            true => Err(Errno::last()),
            false => Ok(()),
        }
    }

    /// munmap(2) of a part: it must not be used any more.
    pub fn unmap(&self, from: usize, length: usize) -> Result<(), Errno> {
        assert!(from + length <= self.length);
        // SAFETY: within the mapping, of which no reference was given out.
        check(unsafe { libc::munmap(self.address.add(from).as_ptr().cast(), length) }).map(drop)
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

/// A System V segment that is attached, and removed at the end of this process.
pub fn attached(length: usize) -> Result<Region, Errno> {
    // SAFETY: takes numbers only.
    let id = check(unsafe { libc::shmget(libc::IPC_PRIVATE, length, libc::IPC_CREAT | 0o600) })?;
    // SAFETY: attached at an address of the kernel's choice.
    let address = unsafe { libc::shmat(id as c_int, null_mut(), 0) };
    remove(id as c_int)?;
    match NonNull::new(address.cast::<u8>()).filter(|it| it.as_ptr().addr() != usize::MAX) {
        Some(address) => Ok(Region { address, length }),
        None => Err(Errno::last()),
    }
}

/// sendmsg(2) of one byte and a descriptor.
pub fn send(socket: BorrowedFd<'_>, file: BorrowedFd<'_>) -> std::io::Result<()> {
    /// `struct cmsghdr` with one descriptor, on a 64-bit machine.
    #[repr(C, align(8))]
    struct Rights {
        length: usize,
        level: c_int,
        kind: c_int,
        fd: c_int,
    }
    let mut rights = Rights {
        length: 20,
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        fd: file.as_raw_fd(),
    };
    let mut byte = 0_u8;
    let mut part = libc::iovec {
        iov_base: std::ptr::from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: zeroed bytes are a valid `struct msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = std::ptr::from_mut(&mut rights).cast();
    message.msg_controllen = size_of::<Rights>();
    // SAFETY: `message` and all that it points to are valid, and only read.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    check(sent as i64)?;
    Ok(())
}

/// unshare(2) with CLONE_FILES.
pub fn own_descriptors() -> Result<(), Errno> {
    // SAFETY: takes a number only.
    check(unsafe { libc::unshare(libc::CLONE_FILES) }).map(drop)
}

/// Reads one byte of every 2 MiB: each has a page table of its own, and no page.
pub fn page_tables(bytes: usize) -> Result<(), Errno> {
    const REACH: usize = 2 << 20;
    let tables = bytes / 4096;
    let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE;
    let region = map(tables * REACH, flags, None)?;
    region.advise(0, tables * REACH, libc::MADV_NOHUGEPAGE)?;
    for table in 0..tables {
        let _ = region.holds(table * REACH);
    }
    std::thread::sleep(std::time::Duration::from_millis(600));
    Ok(())
}

/// memfd_secret(2) (Linux 5.14): filled by a few pages at a time, as more may not be locked.
pub fn secret(bytes: usize) -> Result<(), Errno> {
    const PART: usize = 1 << 20;
    // SAFETY: takes a number only.
    let fd = check(unsafe { libc::syscall(libc::SYS_memfd_secret, 0) })?;
    // SAFETY: the kernel has just returned this descriptor, and nobody else owns it.
    let file = unsafe { File::from_raw_fd(fd as c_int) };
    file.set_len(bytes as u64).map_err(|_| Errno::EINVAL)?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    for from in (0..bytes).step_by(PART) {
        // SAFETY: a new mapping at an address of the kernel's choice touches no other.
        let address = unsafe {
            let (fd, from) = (file.as_raw_fd(), from as i64);
            libc::mmap(null_mut(), PART, access, libc::MAP_SHARED, fd, from)
        };
        match NonNull::new(address.cast::<u8>()).filter(|_| address != libc::MAP_FAILED) {
            Some(address) => {
                let region = Region {
                    address,
                    length: PART,
                };
                region.touch();
                region.unmap(0, PART)?;
            }
            None => return Err(Errno::last()),
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(600));
    Ok(())
}

/// vmsplice(2) of one byte.
pub fn splice(pipe: BorrowedFd<'_>, region: &Region, from: usize) -> Result<(), Errno> {
    let part = libc::iovec {
        // SAFETY: within the mapping.
        iov_base: unsafe { region.address.add(from) }.as_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: `part` is one valid iovec, whose bytes are only read.
    let spliced = unsafe { libc::vmsplice(pipe.as_raw_fd(), &raw const part, 1, 0) };
    check(spliced as i64).map(drop)
}

/// Memory of a process whose first thread has ended: a child of this one.
pub fn without_leader(bytes: usize, kept: std::time::Duration) -> std::io::Result<()> {
    let child = super::fork(|| {
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            if let Ok(region) = map(bytes, libc::MAP_PRIVATE, None) {
                region.touch();
            }
            std::thread::sleep(kept);
            super::exit(0);
        });
        // SAFETY: ends this thread alone; nothing of its stack is used by the other one.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        1
    });
    match super::reap(child) {
        Some(super::Status::Exited(0)) => Ok(()),
        other => Err(std::io::Error::other(format!("{other:?}"))),
    }
}

/// setxattr(2) of one attribute.
pub fn attribute(path: &std::ffi::CStr, value: &[u8]) -> Result<(), Errno> {
    let (name, bytes) = (c"user.probe".as_ptr(), value.as_ptr().cast());
    // SAFETY: both texts are NUL-terminated, and the value has the length that is given.
    check(unsafe { libc::setxattr(path.as_ptr(), name, bytes, value.len(), 0) }).map(drop)
}

/// Permissions by which a test knows what was left behind.
const KEPT: c_int = 0o641;

/// semget(2): sets of semaphores, each of which takes a line of the cache.
pub fn semaphores(bytes: usize, kept: std::time::Duration) -> Result<(), Errno> {
    const NUMBER: usize = 31_999;
    let get = |_| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::semget(libc::IPC_PRIVATE, NUMBER as c_int, KEPT) })
    };
    let sets = (0..bytes / (NUMBER * 64)).map(get);
    let sets: Vec<i64> = sets.collect::<Result<_, _>>()?;
    std::thread::sleep(kept);
    for id in sets {
        // SAFETY: this command reads and writes no structure.
        check(unsafe { libc::semctl(id as c_int, 0, libc::IPC_RMID) })?;
    }
    Ok(())
}

/// msgsnd(2): queues with one message each.
pub fn messages(bytes: usize, kept: std::time::Duration) -> Result<(), Errno> {
    const SIZE: usize = 8_001;
    let message = [1_u8; SIZE + 8];
    let get = |_| {
        // SAFETY: takes numbers only.
        let id = check(unsafe { libc::msgget(libc::IPC_PRIVATE, KEPT) })?;
        // SAFETY: the message has a type and so many bytes.
        check(unsafe { libc::msgsnd(id as c_int, message.as_ptr().cast(), SIZE, 0) })?;
        Ok(id)
    };
    let queues = (0..bytes / SIZE).map(get);
    let queues: Vec<i64> = queues.collect::<Result<_, Errno>>()?;
    std::thread::sleep(kept);
    for id in queues {
        // SAFETY: this command reads and writes no structure.
        check(unsafe { libc::msgctl(id as c_int, libc::IPC_RMID, null_mut()) })?;
    }
    Ok(())
}
