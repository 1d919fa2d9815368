//! File calls that the supervisor makes for a tracee, and its queries about files and memory. One system
//! call each; the callers decide what is allowed.

use super::{Errno, Taken, check};
use libc::{c_int, c_long, pid_t};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
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
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Opens what an absolute path names, by O_PATH, unless a symbolic link is in the path: ELOOP. By openat2(2),
/// or, if that is missing, by open(2): the kernel then names another path for what was opened.
pub fn open_without_links(path: &CStr) -> Result<OwnedFd, Errno> {
    match openat2(libc::AT_FDCWD, path, libc::O_PATH, NO_SYMLINKS) {
        Err(Errno::ENOSYS) => {}
        other => return other,
    }
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the path is NUL-terminated.
    let fd = check(unsafe { libc::open(path.as_ptr(), flags) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let file = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    let name = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    let name = name.map_err(|_| Errno::ENOENT)?;
    match name.as_os_str().as_bytes() == path.to_bytes() {
        true => Ok(file),
        false => Err(Errno::ELOOP),
    }
}

/// Closes descriptors, those with numbers next to each other by one call: close_range(2) (Linux 5.9).
pub fn close_all(files: impl Iterator<Item = OwnedFd>) {
    let mut numbers: Vec<RawFd> = files.map(IntoRawFd::into_raw_fd).collect();
    numbers.sort_unstable();
    for run in numbers.chunk_by(|one, next| *one + 1 == *next) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        // SAFETY: takes numbers only; the descriptors between these two were owned by what was passed, and all of
        // them were in it.
        let closed = check(unsafe { libc::syscall(libc::SYS_close_range, *first, *last, 0u32) });
        if closed.is_err() {
            run.iter().copied().for_each(super::process::close);
        }
    }
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
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as RawFd) };
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0u32) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }.into())
}

/// Whether [`descriptor_of`] can work on this host.
pub fn can_take_descriptors() -> Result<(), Errno> {
    let own = super::process::getpid();
    match descriptor_of(own, own, -1) {
        // The kernel looked for the descriptor, so the call is available.
        Err(Errno::EBADF) => Ok(()),
        other => other.map(drop),
    }
}

/// What two tasks may share, by the numbers of kcmp(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// KCMP_VM.
    Memory = 1,
    /// KCMP_FILES: the table of descriptors.
    Descriptors = 2,
    /// KCMP_FS: the working directory and the umask.
    Directory = 3,
}

/// kcmp(2) (Linux 3.5): whether two tasks share this. ESRCH: one of them is gone. EPERM: this thread may
/// not inspect one of them. ENOSYS: the kernel lacks CONFIG_KCMP.
pub fn share(one: pid_t, other: pid_t, what: Shared) -> Result<bool, Errno> {
    let kind = what as c_int;
    // SAFETY: takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, one, other, kind, 0u64, 0u64) };
    check(result).map(|order| order == 0)
}

/// Whether two tasks share their memory. If kcmp fails, assumes that they do.
pub fn shares_memory(one: pid_t, other: pid_t) -> bool {
    share(one, other, Shared::Memory).unwrap_or_else(|errno| errno != Errno::ESRCH)
}

/// kcmp(2) KCMP_FILES: whether two tasks share their descriptors. If kcmp fails, assumes that they do
/// not.
pub fn shares_descriptors(one: pid_t, other: pid_t) -> bool {
    const KCMP_FILES: c_int = 2;
    // SAFETY: takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0u64, 0u64) };
    result == 0
}

/// unshare(2) with CLONE_FS: gives this thread its own umask and working directory. Needs no privilege.
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

/// The same for a number that need not be an open descriptor: EBADF if it is not.
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

/// One mapping of another process's memory, as PROCMAP_QUERY returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// One past its last byte.
    pub end: u64,
    /// Whether it is shared (MAP_SHARED).
    pub shared: bool,
    /// Whether it has no file (an anonymous mapping).
    pub anonymous: bool,
}

/// ioctl PROCMAP_QUERY (Linux 6.11) on an open /proc/PID/maps: the mapping that holds an address.
pub fn mapping(maps: BorrowedFd<'_>, address: u64) -> Result<Mapping, Errno> {
    const PROCMAP_QUERY: libc::Ioctl = 0xc068_6611_u32 as libc::Ioctl;
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
        end: query.vma_end,
        shared: query.vma_flags & PROCMAP_QUERY_VMA_SHARED != 0,
        anonymous: query.inode == 0 && (query.dev_major, query.dev_minor) == (0, 0),
    })
}

/// An argument of a call that the supervisor makes for a tracee.
#[derive(Debug)]
pub enum Arg<'a> {
    /// A number, or a descriptor of this process.
    Number(u64),
    /// A path or a name.
    Text(&'a CStr),
    /// A buffer that the kernel reads.
    In(&'a [u8]),
    /// A buffer that the kernel fills in.
    Out(&'a mut [u8]),
    /// NULL.
    Null,
}

/// The calls that [`perform`] makes, each with the minimum size in bytes of the structure that it reads
/// or fills in, where no argument gives a length.
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

/// Whether this is one of those calls, and each buffer is as long as the length argument after it, or as
/// the structure of the call.
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

/// Makes one of a few file calls. If a call takes a length, it must not exceed the buffer before it:
/// EINVAL if it does, or if the call is not one of these.
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
    // SAFETY: only calls of the list above reach this. They read NUL-terminated texts, and read or fill
    // in no more than the length after a buffer, or the structure whose size the list holds. Both were
    // checked against the buffers, which outlive the call.
    check(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}

/// Whether the kernel has a call, one that takes a descriptor and then a path.
pub fn is_known(number: c_long) -> bool {
    // SAFETY: the descriptor is none, so the call fails; NULL and the length 0 stand for all memory.
    let result = check(unsafe { libc::syscall(number, -1_i64, 0_u64, 0_u64, 0_u64, 0_u64, 0_u64) });
    result != Err(Errno::ENOSYS)
}
