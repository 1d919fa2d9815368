//! The operations by which the supervisor handles system calls. Each row of the [table](super::table)
//! that the supervisor answers, makes a tracee call, or follows has an `Op`, on which it matches
//! exhaustively: a call that is added here does not compile until the supervisor handles it. All other
//! rows are [`Op::Other`].
//!
//! Variants are named after their rows.
#![allow(missing_docs)]

/// A system call, as the supervisor handles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Open(Open),
    Exec(Exec),
    Names(Names),
    ReadMetadata(ReadMetadata),
    WriteMetadata(WriteMetadata),
    OnDescriptor(OnDescriptor),
    Peer(Peer),
    Accept,
    Accept4,
    Bind,
    Brk,
    Chdir,
    Clone,
    Close,
    EpollPwait,
    EpollPwait2,
    EpollWait,
    Fchdir,
    Fcntl,
    Fork,
    IoGetevents,
    IoSetup,
    Ioctl,
    IoprioSet,
    Kill,
    LandlockRestrictSelf,
    Madvise,
    MemfdCreate,
    Mmap,
    Mremap,
    Msgget,
    Munmap,
    NameToHandleAt,
    Poll,
    Prctl,
    Prlimit64,
    Read,
    Readv,
    Recvfrom,
    Recvmmsg,
    Recvmsg,
    RtSigtimedwait,
    SchedSetaffinity,
    SchedSetattr,
    SchedSetparam,
    SchedSetscheduler,
    SchedYield,
    Seccomp,
    Semget,
    Semop,
    Semtimedop,
    Sendfile,
    Shmget,
    Socketpair,
    Tgkill,
    Tkill,
    Vfork,
    Write,
    Writev,
    /// Any other system call.
    Other,
}

/// Calls that open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::enum_variant_names,
    reason = "their names are the system calls'"
)]
pub enum Open {
    Open,
    Openat,
    Openat2,
    Creat,
}

/// Calls that execute a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exec {
    Execve,
    Execveat,
}

/// Calls that create, remove and rename names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Link,
    Linkat,
    Mkdir,
    Mkdirat,
    Mknod,
    Mknodat,
    Rename,
    Renameat,
    Renameat2,
    Rmdir,
    Symlink,
    Symlinkat,
    Unlink,
    Unlinkat,
}

/// Calls that read metadata of a file by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMetadata {
    Access,
    Faccessat,
    Faccessat2,
    FileGetattr,
    Getxattr,
    Getxattrat,
    Lgetxattr,
    Listxattr,
    Listxattrat,
    Llistxattr,
    Lstat,
    Newfstatat,
    Readlink,
    Readlinkat,
    Stat,
    Statfs,
    Statx,
}

/// Calls that change a file or its metadata by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMetadata {
    Chmod,
    Chown,
    FanotifyMark,
    Fchmodat,
    Fchmodat2,
    Fchownat,
    FileSetattr,
    Futimesat,
    InotifyAddWatch,
    Lchown,
    Lremovexattr,
    Lsetxattr,
    Removexattr,
    Removexattrat,
    Setxattr,
    Setxattrat,
    Truncate,
    Utime,
    Utimensat,
    Utimes,
}

/// Calls that change a file by a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDescriptor {
    Fchmod,
    Fchown,
    Fremovexattr,
    Fsetxattr,
}

/// Calls that name peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Connect,
    Listen,
    Sendmmsg,
    Sendmsg,
    Sendto,
}

impl Op {
    /// The name of its row; none of [`Op::Other`].
    pub const fn name(self) -> &'static str {
        match self {
            Op::Open(op) => op.name(),
            Op::Exec(op) => op.name(),
            Op::Names(op) => op.name(),
            Op::ReadMetadata(op) => op.name(),
            Op::WriteMetadata(op) => op.name(),
            Op::OnDescriptor(op) => op.name(),
            Op::Peer(op) => op.name(),
            Op::Accept => "accept",
            Op::Accept4 => "accept4",
            Op::Bind => "bind",
            Op::Brk => "brk",
            Op::Chdir => "chdir",
            Op::Clone => "clone",
            Op::Close => "close",
            Op::EpollPwait => "epoll_pwait",
            Op::EpollPwait2 => "epoll_pwait2",
            Op::EpollWait => "epoll_wait",
            Op::Fchdir => "fchdir",
            Op::Fcntl => "fcntl",
            Op::Fork => "fork",
            Op::IoGetevents => "io_getevents",
            Op::IoSetup => "io_setup",
            Op::Ioctl => "ioctl",
            Op::IoprioSet => "ioprio_set",
            Op::Kill => "kill",
            Op::LandlockRestrictSelf => "landlock_restrict_self",
            Op::Madvise => "madvise",
            Op::MemfdCreate => "memfd_create",
            Op::Mmap => "mmap",
            Op::Mremap => "mremap",
            Op::Msgget => "msgget",
            Op::Munmap => "munmap",
            Op::NameToHandleAt => "name_to_handle_at",
            Op::Poll => "poll",
            Op::Prctl => "prctl",
            Op::Prlimit64 => "prlimit64",
            Op::Read => "read",
            Op::Readv => "readv",
            Op::Recvfrom => "recvfrom",
            Op::Recvmmsg => "recvmmsg",
            Op::Recvmsg => "recvmsg",
            Op::RtSigtimedwait => "rt_sigtimedwait",
            Op::SchedSetaffinity => "sched_setaffinity",
            Op::SchedSetattr => "sched_setattr",
            Op::SchedSetparam => "sched_setparam",
            Op::SchedSetscheduler => "sched_setscheduler",
            Op::SchedYield => "sched_yield",
            Op::Seccomp => "seccomp",
            Op::Semget => "semget",
            Op::Semop => "semop",
            Op::Semtimedop => "semtimedop",
            Op::Sendfile => "sendfile",
            Op::Shmget => "shmget",
            Op::Socketpair => "socketpair",
            Op::Tgkill => "tgkill",
            Op::Tkill => "tkill",
            Op::Vfork => "vfork",
            Op::Write => "write",
            Op::Writev => "writev",
            Op::Other => "",
        }
    }

    /// Its number on this architecture.
    pub fn number(self) -> Option<u32> {
        super::by_name(self.name())?.number()
    }
}

impl Open {
    /// The name of its row.
    pub const fn name(self) -> &'static str {
        match self {
            Open::Open => "open",
            Open::Openat => "openat",
            Open::Openat2 => "openat2",
            Open::Creat => "creat",
        }
    }
}

impl Exec {
    /// The name of its row.
    pub const fn name(self) -> &'static str {
        match self {
            Exec::Execve => "execve",
            Exec::Execveat => "execveat",
        }
    }
}

impl Names {
    /// The name of its row.
    pub const fn name(self) -> &'static str {
        match self {
            Names::Link => "link",
            Names::Linkat => "linkat",
            Names::Mkdir => "mkdir",
            Names::Mkdirat => "mkdirat",
            Names::Mknod => "mknod",
            Names::Mknodat => "mknodat",
            Names::Rename => "rename",
            Names::Renameat => "renameat",
            Names::Renameat2 => "renameat2",
            Names::Rmdir => "rmdir",
            Names::Symlink => "symlink",
            Names::Symlinkat => "symlinkat",
            Names::Unlink => "unlink",
            Names::Unlinkat => "unlinkat",
        }
    }
}

impl ReadMetadata {
    /// The name of its row.
    pub const fn name(self) -> &'static str {
        match self {
            ReadMetadata::Access => "access",
            ReadMetadata::Faccessat => "faccessat",
            ReadMetadata::Faccessat2 => "faccessat2",
            ReadMetadata::FileGetattr => "file_getattr",
            ReadMetadata::Getxattr => "getxattr",
            ReadMetadata::Getxattrat => "getxattrat",
            ReadMetadata::Lgetxattr => "lgetxattr",
            ReadMetadata::Listxattr => "listxattr",
            ReadMetadata::Listxattrat => "listxattrat",
            ReadMetadata::Llistxattr => "llistxattr",
            ReadMetadata::Lstat => "lstat",
            ReadMetadata::Newfstatat => "newfstatat",
            ReadMetadata::Readlink => "readlink",
            ReadMetadata::Readlinkat => "readlinkat",
            ReadMetadata::Stat => "stat",
            ReadMetadata::Statfs => "statfs",
            ReadMetadata::Statx => "statx",
        }
    }
}

impl WriteMetadata {
    /// The name of its row.
    pub const fn name(self) -> &'static str {
        match self {
            WriteMetadata::Chmod => "chmod",
            WriteMetadata::Chown => "chown",
            WriteMetadata::FanotifyMark => "fanotify_mark",
            WriteMetadata::Fchmodat => "fchmodat",
            WriteMetadata::Fchmodat2 => "fchmodat2",
            WriteMetadata::Fchownat => "fchownat",
            WriteMetadata::FileSetattr => "file_setattr",
            WriteMetadata::Futimesat => "futimesat",
            WriteMetadata::InotifyAddWatch => "inotify_add_watch",
            WriteMetadata::Lchown => "lchown",
            WriteMetadata::Lremovexattr => "lremovexattr",
            WriteMetadata::Lsetxattr => "lsetxattr",
            WriteMetadata::Removexattr => "removexattr",
            WriteMetadata::Removexattrat => "removexattrat",
            WriteMetadata::Setxattr => "setxattr",
            WriteMetadata::Setxattrat => "setxattrat",
            WriteMetadata::Truncate => "truncate",
            WriteMetadata::Utime => "utime",
            WriteMetadata::Utimensat => "utimensat",
            WriteMetadata::Utimes => "utimes",
        }
    }
}

impl OnDescriptor {
    /// The name of its row.
    pub const fn name(self) -> &'static str {
        match self {
            OnDescriptor::Fchmod => "fchmod",
            OnDescriptor::Fchown => "fchown",
            OnDescriptor::Fremovexattr => "fremovexattr",
            OnDescriptor::Fsetxattr => "fsetxattr",
        }
    }
}

impl Peer {
    /// The name of its row.
    pub const fn name(self) -> &'static str {
        match self {
            Peer::Connect => "connect",
            Peer::Listen => "listen",
            Peer::Sendmmsg => "sendmmsg",
            Peer::Sendmsg => "sendmsg",
            Peer::Sendto => "sendto",
        }
    }
}
