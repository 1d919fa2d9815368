//! Calls on files that the supervisor makes in a tracee's name, and the questions that it asks about
//! files and memory. One call each; what may be asked for is decided elsewhere.

use super::{Errno, Taken, check};
use libc::{c_int, c_long, pid_t};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::from_mut;

/// RESOLVE_NO_SYMLINKS of openat2(2).
pub const NO_SYMLINKS: u64 = libc::RESOLVE_NO_SYMLINKS;
/// RESOLVE_NO_MAGICLINKS of openat2(2).
pub const NO_MAGICLINKS: u64 = libc::RESOLVE_NO_MAGICLINKS;

/// openat2(2) (Linux 5.6). `directory`: AT_FDCWD or a descriptor.
pub fn openat2(
    directory: RawFd,
    path: &CStr,
    flags: c_int,
    resolve: u64,
) -> Result<OwnedFd, Errno> {
    // SAFETY: zeroed bytes are a valid `struct open_how`.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: the path is NUL-terminated, `how` is a valid open_how of the size given.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory,
            path.as_ptr(),
            from_mut(&mut how),
            size_of::<libc::open_how>(),
        )
    })?;
    // SAFETY: the kernel has just returned this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// pidfd_open(2) (Linux 5.3), of a thread with PIDFD_THREAD (6.9), else of its process; then
/// pidfd_getfd(2) (5.6): another descriptor for the same open file.
pub fn descriptor_of(tid: pid_t, pid: pid_t, fd: RawFd) -> Result<Taken, Errno> {
    const PIDFD_THREAD: c_int = libc::O_EXCL;
    let open = |id: pid_t, flags: c_int| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::syscall(libc::SYS_pidfd_open, id, flags) })
    };
    let pidfd = match open(tid, PIDFD_THREAD) {
        Err(Errno::EINVAL) => open(pid, 0)?,
        other => other?,
    };
    // SAFETY: the kernel has just returned this descriptor, and nobody else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as RawFd) };
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0u32) })?;
    // SAFETY: the kernel has just returned this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }.into())
}

/// Whether [`descriptor_of`] can succeed here at all.
pub fn can_take_descriptors() -> Result<(), Errno> {
    let own = super::process::getpid();
    match descriptor_of(own, own, -1) {
        // It has looked for the descriptor.
        Err(Errno::EBADF) => Ok(()),
        other => other.map(drop),
    }
}

/// What two tasks may share, as kcmp(2) numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// KCMP_VM.
    Memory = 1,
    /// KCMP_FILES: the table of descriptors.
    Descriptors = 2,
    /// KCMP_FS: the working directory and the umask.
    Directory = 3,
}

/// kcmp(2) (Linux 3.5): whether two tasks share this. ESRCH: one of them is gone. EPERM: this thread
/// may not look at one of them. ENOSYS: a kernel without CONFIG_KCMP.
pub fn share(one: pid_t, other: pid_t, what: Shared) -> Result<bool, Errno> {
    let kind = what as c_int;
    // SAFETY: takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, one, other, kind, 0u64, 0u64) };
    check(result).map(|order| order == 0)
}

/// Whether two tasks share their memory. Where the kernel cannot be asked they are taken to.
pub fn shares_memory(one: pid_t, other: pid_t) -> bool {
    share(one, other, Shared::Memory).unwrap_or_else(|errno| errno != Errno::ESRCH)
}

/// kcmp(2) KCMP_FILES: whether two tasks share their descriptors. Where it cannot be asked they are not
/// taken to.
pub fn shares_descriptors(one: pid_t, other: pid_t) -> bool {
    const KCMP_FILES: c_int = 2;
    // SAFETY: takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0u64, 0u64) };
    result == 0
}

/// unshare(2) with CLONE_FS: umask and working directory of this thread are its own. Needs no
/// privilege.
pub fn own_umask() -> Result<(), Errno> {
    // SAFETY: takes a number only.
    check(unsafe { libc::unshare(libc::CLONE_FS) }).map(drop)
}

/// umask(2): returns the one before.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: takes a number only.
    unsafe { libc::umask(mask) }
}

/// fcntl(2) F_GETFL.
pub fn status_flags(fd: BorrowedFd<'_>) -> Result<c_int, Errno> {
    status_flags_of(fd.as_raw_fd())
}

/// The same of a number that need not be open: EBADF then.
pub fn status_flags_of(fd: RawFd) -> Result<c_int, Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::fcntl(fd, libc::F_GETFL) }).map(|flags| flags as c_int)
}

/// setrlimit(2): this process's soft limit on the size of files becomes the hard one.
pub fn raise_file_size_limit() -> Result<(), Errno> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for writing.
    check(unsafe { libc::getrlimit64(libc::RLIMIT_FSIZE, from_mut(&mut limit)) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for reading.
    check(unsafe { libc::setrlimit64(libc::RLIMIT_FSIZE, from_mut(&mut limit)) }).map(drop)
}

/// prlimit(2): the soft limit of another process on the size of files.
pub fn file_size_limit(pid: pid_t) -> Result<u64, Errno> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a null new limit changes nothing; `limit` is valid for writing.
    check(unsafe {
        libc::prlimit64(
            pid,
            libc::RLIMIT_FSIZE,
            std::ptr::null(),
            from_mut(&mut limit),
        )
    })?;
    Ok(limit.rlim_cur)
}

/// A part of another process's memory that one mapping holds, as PROCMAP_QUERY tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Its first byte.
    pub start: u64,
    /// Whether its owner may write to it.
    pub writable: bool,
    /// One past its last byte.
    pub end: u64,
    /// Whether others may see what is written to it.
    pub shared: bool,
    /// Whether it has no file.
    pub anonymous: bool,
}

/// ioctl PROCMAP_QUERY (Linux 6.11) on an open /proc/PID/maps: the mapping that holds an address.
pub fn mapping(maps: BorrowedFd<'_>, address: u64) -> Result<Mapping, Errno> {
    const PROCMAP_QUERY: libc::Ioctl = 0xc068_6611_u32 as libc::Ioctl;
    const PROCMAP_QUERY_VMA_WRITABLE: u64 = 2;
    const PROCMAP_QUERY_VMA_SHARED: u64 = 8;
    /// `struct procmap_query` of linux/fs.h.
    #[repr(C)]
    #[derive(Default)]
    struct Query {
        size: u64,
        query_flags: u64,
        query_addr: u64,
        vma_start: u64,
        vma_end: u64,
        vma_flags: u64,
        vma_page_size: u64,
        vma_offset: u64,
        inode: u64,
        dev_major: u32,
        dev_minor: u32,
        vma_name_size: u32,
        build_id_size: u32,
        vma_name_addr: u64,
        build_id_addr: u64,
    }
    let mut query = Query {
        size: size_of::<Query>() as u64,
        query_addr: address,
        ..Query::default()
    };
    // SAFETY: `query` is a valid procmap_query of the size it states, and asks for no name.
    check(unsafe { libc::ioctl(maps.as_raw_fd(), PROCMAP_QUERY, from_mut(&mut query)) })?;
    Ok(Mapping {
        start: query.vma_start,
        writable: query.vma_flags & PROCMAP_QUERY_VMA_WRITABLE != 0,
        end: query.vma_end,
        shared: query.vma_flags & PROCMAP_QUERY_VMA_SHARED != 0,
        anonymous: query.inode == 0 && (query.dev_major, query.dev_minor) == (0, 0),
    })
}

/// An argument of a call that is made in a tracee's name.
#[derive(Debug)]
pub enum Arg<'a> {
    /// A number, or a descriptor of this process.
    Number(u64),
    /// A path or a name.
    Text(&'a CStr),
    /// What the kernel reads.
    In(&'a [u8]),
    /// What the kernel fills in.
    Out(&'a mut [u8]),
    /// NULL.
    Null,
}

/// The calls that [`perform`] makes, each with the least size in bytes of the structure that it
/// reads or fills in without being told a length.
const PERFORMED: &[(c_long, usize)] = &[
    (libc::SYS_fchmodat, 0),
    (libc::SYS_fchmod, 0),
    (libc::SYS_fchownat, 0),
    (libc::SYS_fchown, 0),
    (libc::SYS_utimensat, 32),
    (libc::SYS_setxattr, 0),
    (libc::SYS_fsetxattr, 0),
    (libc::SYS_removexattr, 0),
    (libc::SYS_fremovexattr, 0),
    (libc::SYS_getxattr, 0),
    (libc::SYS_listxattr, 0),
    (libc::SYS_ftruncate, 0),
    (libc::SYS_newfstatat, 144),
    (libc::SYS_statx, 256),
    (libc::SYS_statfs, 120),
    (libc::SYS_faccessat2, 0),
    (libc::SYS_readlinkat, 0),
    (libc::SYS_mkdirat, 0),
    (libc::SYS_mknodat, 0),
    (libc::SYS_unlinkat, 0),
    (libc::SYS_symlinkat, 0),
    (libc::SYS_renameat2, 0),
    (libc::SYS_linkat, 0),
    (libc::SYS_getdents64, 0),
    (libc::SYS_inotify_add_watch, 0),
    (libc::SYS_fanotify_mark, 0),
    (FILE_GETATTR, 0),
    (FILE_SETATTR, 0),
    (libc::SYS_ioctl, 28),
];

/// file_getattr(2) and file_setattr(2), Linux 6.17.
pub const FILE_GETATTR: c_long = 468;
/// See [`FILE_GETATTR`].
pub const FILE_SETATTR: c_long = 469;

/// Whether this is one of those calls, and each buffer as long as what stands beside it, or the structure
/// of the call.
pub(super) fn is_sound(number: c_long, args: &[Arg<'_>; 6]) -> bool {
    let Some((_, least)) = PERFORMED.iter().find(|(known, _)| *known == number) else {
        return false;
    };
    let sized = |place: usize, length: usize| match args.get(place + 1) {
        // A buffer is followed by its length, or has the size of the call's structure.
        Some(Arg::Number(given)) if *least == 0 => *given <= length as u64,
        _ => *least > 0 && length >= *least,
    };
    args.iter().enumerate().all(|(place, arg)| match arg {
        Arg::In(bytes) => sized(place, bytes.len()),
        Arg::Out(bytes) => sized(place, bytes.len()),
        Arg::Number(_) | Arg::Text(_) | Arg::Null => true,
    })
}

/// Makes one of a few calls on files. Where a call takes a length, the caller gives the length of
/// the buffer beside it: EINVAL if one is longer, or if the call is not one of these.
pub fn perform(number: c_long, args: [Arg<'_>; 6]) -> Result<i64, Errno> {
    if !is_sound(number, &args) {
        return Err(Errno::EINVAL);
    }
    let registers = args.map(|arg| match arg {
        Arg::Number(number) => number,
        Arg::Text(text) => text.as_ptr().addr() as u64,
        Arg::In(bytes) => bytes.as_ptr().addr() as u64,
        Arg::Out(bytes) => bytes.as_mut_ptr().addr() as u64,
        Arg::Null => 0,
    });
    let [a, b, c, d, e, f] = registers;
    // SAFETY: only calls of the list above get here. They read NUL-terminated texts, and read or
    // fill in no more than the length that stands beside a buffer or the structure whose size the
    // list holds, both of which were checked against the buffers, which outlive the call.
    check(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}
