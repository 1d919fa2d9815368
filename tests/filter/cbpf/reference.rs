//! What a call must come to, written from the words of the policy language: slowly, plainly, and
//! without any of the project's own chains and tables.

#![allow(dead_code)]

use jail::internal::baseline::Watch;
use jail::internal::policy::{Action, Policy, Target};
use jail::internal::syscalls::{self, Errno};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub action: Action,
    pub quiet: bool,
    /// Allowed, if the process tree agrees.
    pub check: bool,
}

/// An entry or a rule that speaks of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says {
    pub action: Action,
    pub quiet: bool,
}

/// All that a policy says of one call.
#[derive(Debug, Clone, Default)]
pub struct Sayings {
    /// `[[rule]]`s whose condition holds.
    pub rules: Vec<Says>,
    /// Entries of its own name.
    pub names: Vec<Says>,
    /// Entries of groups that it is in.
    pub groups: Vec<Says>,
}

/// "The most specific entry wins; among equals the strictest does." Above it the baseline.
pub fn decide(
    name: Option<&str>,
    args: &[u64; 6],
    sayings: &Sayings,
    default: Action,
    landlock: bool,
    watch: Watch,
) -> Expected {
    let expected = |action, quiet| Expected {
        action,
        quiet,
        check: false,
    };
    // "A number that the syscall table does not know gets ENOSYS."
    let Some(name) = name else {
        return expected(Action::Deny(Errno::ENOSYS), true);
    };
    if ["exit", "exit_group", "restart_syscall", "rt_sigreturn"].contains(&name) {
        return expected(Action::Allow, false);
    }
    let said = [&sayings.rules, &sayings.names, &sayings.groups]
        .into_iter()
        .find(|says| !says.is_empty())
        .and_then(|says| strictest(says));
    match (
        said.map_or(default, |says| says.action),
        guard(name, args, landlock, watch),
    ) {
        (Action::Kill, _) => expected(Action::Kill, false),
        (Action::Deny(errno), _) if said.is_some() => {
            expected(Action::Deny(errno), said.is_some_and(|says| says.quiet))
        }
        (_, Guard::Deny) => expected(Action::Deny(Errno::EPERM), false),
        (_, Guard::Quiet) => expected(Action::Deny(Errno::ENOSYS), true),
        (_, Guard::Unknown(errno)) => expected(Action::Deny(errno), true),
        (_, Guard::Close) => expected(Action::Deny(Errno::EACCES), false),
        (Action::Deny(errno), _) => expected(Action::Deny(errno), false),
        (Action::Allow, Guard::Check) => Expected {
            action: Action::Allow,
            quiet: false,
            check: true,
        },
        (Action::Allow, Guard::None) => expected(Action::Allow, false),
    }
}

fn strictest(says: &[Says]) -> Option<Says> {
    says.iter().copied().min_by_key(|says| match says.action {
        Action::Kill => (0, false, 0),
        Action::Deny(errno) => (1, says.quiet, errno.number()),
        Action::Allow => (2, false, 0),
    })
}

enum Guard {
    None,
    Deny,
    Quiet,
    /// As on a kernel that does not know it.
    Unknown(Errno),
    /// Nothing in `[net]` is about such sockets, or in `[fs]` about queues.
    Close,
    Check,
}

/// The baseline, once more, as one would write it in C.
fn guard(name: &str, args: &[u64; 6], landlock: bool, watch: Watch) -> Guard {
    match protection(name, args, landlock) {
        // What is closed is closed; what depends on the target is asked first.
        Guard::None => match paths(name, args, watch) {
            Guard::None => peers(name, args, watch),
            guard => guard,
        },
        guard => guard,
    }
}

/// The least of what is given back that is looked at.
const MUCH: u64 = 128 << 10;

/// Which calls are stopped for their paths, given what is watched.
fn paths(name: &str, args: &[u64; 6], watch: Watch) -> Guard {
    let a = args.map(|arg| arg as u32);
    let on = |class| watch.has(class);
    let check = |when: bool| if when { Guard::Check } else { Guard::None };
    let open = |flags: u32| {
        let (writes, path) = (flags & 0o1103 != 0, flags & 0o10000000 != 0);
        let truncates = flags & 0o1003 == 0o1000 && !path;
        check(
            on(Watch::READ) && flags & 3 == 0 && !path
                || on(Watch::FILL) && writes && !path
                || on(Watch::WRITE) && writes && !path
                || on(Watch::HANDLE) && path
                || on(Watch::MODE_3) && flags & 3 == 3 && !path
                || on(Watch::TRUNCATING) && truncates
                || on(Watch::TERMINALS) && flags & 0o10001503 == 0o402,
        )
    };
    if on(Watch::PINS) && touches_pages(name, args) {
        return Guard::Deny;
    }
    match name {
        "arch_prctl" if on(Watch::PINS) && a[0] == 0x4002 => Guard::Unknown(Errno::ENODEV),
        "open" => open(a[1]),
        "openat" => open(a[2]),
        "creat" => check(on(Watch::WRITE) || on(Watch::FILL)),
        "openat2" => check(
            on(Watch::READ)
                || on(Watch::FILL)
                || on(Watch::WRITE)
                || on(Watch::HANDLE)
                || on(Watch::TRUNCATING)
                || on(Watch::MODE_3),
        ),
        "truncate" => check(on(Watch::TRUNCATE)),
        "mknod" if on(Watch::FILL) && [0, 0x8000].contains(&(a[1] & 0xf000)) => {
            Guard::Unknown(Errno::EPERM)
        }
        "mknodat" if on(Watch::FILL) && [0, 0x8000].contains(&(a[2] & 0xf000)) => {
            Guard::Unknown(Errno::EPERM)
        }
        "mkdir" | "mkdirat" | "mknod" | "mknodat" | "rmdir" | "symlink" | "symlinkat"
        | "unlink" | "unlinkat" | "bind" => check(on(Watch::CHANGE)),
        "rename" | "renameat" | "renameat2" | "link" | "linkat" => check(on(Watch::MOVE)),
        "chmod" | "fchmod" | "fchmodat" | "fchmodat2" | "chown" | "lchown" | "fchown"
        | "fchownat" | "utime" | "utimes" | "futimesat" | "utimensat" | "setxattr"
        | "lsetxattr" | "fsetxattr" | "setxattrat" | "removexattr" | "lremovexattr"
        | "fremovexattr" | "removexattrat" | "file_setattr" => check(on(Watch::METADATA)),
        "ioctl"
            if on(Watch::GOVERNED) && [0x4020_bc10, 0x4020_bc11, 0x4018_6f04].contains(&a[1]) =>
        {
            Guard::Deny
        }
        "ioctl" => check(
            on(Watch::TERMINALS) && a[1] == 0x5441
                || on(Watch::METADATA)
                    && [
                        0x4008_6602,
                        0x4008_7602,
                        0x401c_5820,
                        0x4080_6685,
                        0x800c_6613,
                        0x4004_7211,
                        0x4008_6604,
                        0x6609,
                        0x5000_9401,
                        0x5000_940e,
                        0x5000_940f,
                        0x5000_9417,
                        0x5000_9418,
                        0x4008_941a,
                        0x5000_943f,
                    ]
                    .contains(&a[1]),
        ),
        "stat" | "lstat" | "newfstatat" | "statx" | "access" | "faccessat" | "faccessat2"
        | "readlink" | "readlinkat" | "chdir" | "statfs" | "getxattr" | "lgetxattr"
        | "getxattrat" | "listxattr" | "llistxattr" | "listxattrat" | "name_to_handle_at"
        | "file_getattr" => check(on(Watch::STAT)),
        "inotify_add_watch" | "fanotify_mark" => check(on(Watch::NOTIFY)),
        "execve" => check(on(Watch::EXEC) || on(Watch::FILL)),
        "execveat" => check(
            on(Watch::EXEC)
                || on(Watch::FILL)
                || on(Watch::EXEC_OF_DESCRIPTOR) && a[4] & 0x1000 != 0,
        ),
        "mount" | "umount2" | "pivot_root" | "chroot" | "fchroot" | "move_mount"
        | "mount_setattr" | "fsmount" | "fspick" | "swapon" | "swapoff" | "acct" | "quotactl"
        | "quotactl_fd" | "uselib" | "open_by_handle_at"
            if on(Watch::GOVERNED) =>
        {
            Guard::Deny
        }
        "uselib" if on(Watch::PINS) => Guard::Deny,
        "open_tree" | "open_tree_attr" if on(Watch::GOVERNED) => Guard::Quiet,
        "madvise" if on(Watch::LAZY_MEMORY) && a[2] == 8 || on(Watch::FILL) && a[2] == 25 => {
            Guard::Unknown(Errno::EINVAL)
        }
        "mmap" if on(Watch::LAZY_MEMORY) && a[3] & 0xf == 8 => Guard::Unknown(Errno::EINVAL),
        "madvise" => check(on(Watch::FILL) && [4, 24].contains(&a[2]) && args[1] >= MUCH),
        "mmap" => {
            check(on(Watch::FILL) && (a[3] & 1 != 0 || a[3] & 0x30 == 0x30 && args[1] >= MUCH))
        }
        "munmap" => check(on(Watch::FILL) && args[1] >= MUCH),
        "mremap" => check(on(Watch::FILL) && args[1] >= MUCH && args[2] < MUCH),
        "brk" => check(on(Watch::FILL) && args[0] != 0),
        "memfd_create" if on(Watch::MEMFD) && a[1] & 8 == 0 => Guard::Deny,
        "memfd_create" | "shmget" | "semget" | "msgget" => check(on(Watch::FILL)),
        "mq_open" | "mq_unlink" if on(Watch::NO_QUEUES) => Guard::Close,
        "memfd_secret" | "vmsplice" if on(Watch::FILL) => Guard::Quiet,
        "prctl" => check(
            a[0] == 22 || (on(Watch::MEMORY) || on(Watch::DUMPABLE)) && a[0] == 4 && a[1] == 0,
        ),
        "seccomp" => check(a[0] == 1),
        "io_setup" | "landlock_restrict_self" => check(on(Watch::MEMORY)),
        _ => Guard::None,
    }
}

/// Whether a call may change the guarded pages, whatever is in the top byte of an address.
fn touches_pages(name: &str, args: &[u64; 6]) -> bool {
    if super::NATIVE == super::AARCH64 {
        return touches_pages_below_2_gib(name, args);
    }
    let low = |arg: usize| args[arg] << 8 >> 8 < 0x20_0000;
    match name {
        "munmap" | "mprotect" | "pkey_mprotect" | "madvise" | "remap_file_pages" => {
            low(0) && args[1] != 0
        }
        "mremap" => {
            let huge = |arg: usize| args[arg] >> 56 != 0;
            let moves = args[3] & 2 != 0 || args[3] & 4 != 0 && args[4] != 0;
            low(0) && args[2] != 0 || huge(0) || huge(2) || moves && low(4)
        }
        "mmap" => low(0) && (args[0] != 0 || args[3] & 0x10_0010 != 0),
        "shmat" => low(1) && args[1] != 0,
        "prctl" => args[0] as u32 == 35,
        _ => false,
    }
}

/// Of aarch64: those that may reach the 2 MiB below 2 GiB.
fn touches_pages_below_2_gib(name: &str, args: &[u64; 6]) -> bool {
    let address = |arg: usize| args[arg] << 8 >> 8;
    let long = |arg: usize| args[arg] >= 0x800_0000;
    let reaches = |arg: usize, length: bool| match address(arg) {
        0x7000_0000..0x8000_0000 => true,
        at => at < 0x8000_0000 && length,
    };
    let gigantic = |arg: usize| address(arg) < 0x8000_0000 && address(arg) % 0x2000_0000 == 0;
    match name {
        "munmap" | "mprotect" | "pkey_mprotect" | "madvise" | "remap_file_pages" => {
            reaches(0, long(1)) && args[1] != 0
        }
        "mremap" => {
            let huge = |arg: usize| args[arg] >> 56 != 0;
            let (fixed, hint) = (args[3] & 2 != 0, args[3] & 4 != 0);
            let to = reaches(4, long(2) && args[4] != 0) || fixed && gigantic(4);
            let from = reaches(0, long(1) || long(2)) && args[2] != 0;
            from || huge(0) || huge(2) || (fixed || hint) && to
        }
        "mmap" => {
            let placed = args[0] != 0 || args[3] & 0x10_0010 != 0;
            reaches(0, long(1) && args[0] != 0) || placed && gigantic(0)
        }
        "shmat" => address(1) < 0x8000_0000 && args[1] != 0,
        "prctl" => args[0] as u32 == 35,
        _ => false,
    }
}

/// Which calls are stopped for their peers, and which sockets cannot be made, given what is watched.
fn peers(name: &str, args: &[u64; 6], watch: Watch) -> Guard {
    const UNIX: u32 = 1;
    const INET: [u32; 2] = [2, 10];
    const FASTOPEN: u32 = 0x2000_0000;
    let a = args.map(|arg| arg as u32);
    let on = |class| watch.has(class);
    let check = |when: bool| if when { Guard::Check } else { Guard::None };
    let (domain, kind, protocol) = (a[0], a[1] & 0xf, a[2]);
    let inet = INET.contains(&domain);
    match name {
        "socket" if on(Watch::NO_DETOURS) && [262, 132, 33, 256, 115].contains(&protocol) => {
            Guard::Unknown(Errno::EPROTONOSUPPORT)
        }
        "socket" if on(Watch::NO_DETOURS) && [43, 21, 33, 24].contains(&domain) => {
            Guard::Unknown(Errno::EAFNOSUPPORT)
        }
        "socket" | "socketpair" => {
            let tcp = kind == 1 && [0, 6].contains(&protocol);
            let udp = kind == 2 && [0, 17].contains(&protocol);
            let closed = inet && on(Watch::NO_INTERNET)
                || inet && on(Watch::NO_STREAMS) && kind == 1
                || inet && on(Watch::NO_DATAGRAMS) && kind == 2
                || inet && on(Watch::NO_OTHERS) && !tcp && !udp
                || domain == UNIX && on(Watch::NO_UNIX_DATAGRAMS) && [2, 3].contains(&kind);
            if closed { Guard::Close } else { Guard::None }
        }
        "setsockopt"
            if on(Watch::NO_DETOURS)
                && (a[1] == 41 && [57, 5, 6].contains(&a[2]) || (a[1], a[2]) == (0, 4)) =>
        {
            Guard::Deny
        }
        "setsockopt" if on(Watch::NO_DETOURS) && a[1] == 6 && a[2] == 31 => {
            Guard::Unknown(Errno::ENOENT)
        }
        "connect" => check(on(Watch::CONNECT)),
        "bind" => check(on(Watch::BIND)),
        "listen" => check(on(Watch::LISTEN)),
        "sendto" => check(
            on(Watch::SEND_TO) && args[4] != 0 || on(Watch::FAST_OPEN) && a[3] & FASTOPEN != 0,
        ),
        "sendmmsg" => {
            check(on(Watch::SEND_MESSAGE) || on(Watch::FAST_OPEN) && a[3] & FASTOPEN != 0)
        }
        "sendmsg" => check(on(Watch::SEND_MESSAGE) || on(Watch::FAST_OPEN) && a[2] & FASTOPEN != 0),
        _ => Guard::None,
    }
}

fn protection(name: &str, args: &[u64; 6], landlock: bool) -> Guard {
    let a = args.map(|arg| arg as u32);
    let deny = |when: bool| if when { Guard::Deny } else { Guard::None };
    let check = |when: bool| if when { Guard::Check } else { Guard::None };
    match name {
        "ptrace" | "process_vm_readv" | "process_vm_writev" | "process_madvise" | "kcmp"
        | "pidfd_getfd" | "setns" => Guard::Deny,
        "clone3" | "io_uring_setup" | "io_uring_enter" | "io_uring_register" => Guard::Quiet,
        "seccomp" => deny(a[0] == 1 && a[1] & 8 == 8),
        "clone" => deny(
            a[0] & 0x0080_0000 != 0
                || [17, 25, 26, 27, 28, 29, 30]
                    .iter()
                    .any(|bit| a[0] >> bit & 1 == 1),
        ),
        // CLONE_VM, FS, FILES, SIGHAND, THREAD and SYSVSEM.
        "unshare" => deny(args[0] & !0x0005_0f00 != 0),
        "open_tree" | "open_tree_attr" => deny(a[2] & 2 != 0),
        "fsmount" => deny(a[1] & 2 != 0),
        "ioctl" if [0x5412, 0x541c, 0xaa00].contains(&a[1]) => Guard::Deny,
        "keyctl" => deny(a[0] == 18),
        "userfaultfd" => deny(a[0] & 1 == 0),
        "ioctl" if !landlock => deny(a[1] == 0x8901 || a[1] == 0x8902),
        "prlimit64" | "sched_setaffinity" | "sched_setscheduler" | "sched_setparam"
        | "sched_setattr" | "migrate_pages" | "move_pages" => check(a[0] != 0),
        "setpriority" => check(!(a[0] == 0 && a[1] == 0)),
        "ioprio_set" => check(!(a[0] == 1 && a[1] == 0)),
        "prctl" => deny(a[0] == 62 && (a[2] != 0 || a[3] == 2)),
        "perf_event_open" if a[1] == u32::MAX || a[4] & 4 != 0 => Guard::Deny,
        "perf_event_open" => check(a[1] != 0),
        "kill" | "tkill" | "tgkill" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo" => check(!landlock),
        "pidfd_send_signal" if !landlock => Guard::Quiet,
        "fcntl" if !landlock && a[1] == 15 => Guard::Deny,
        "fcntl" if !landlock => check(a[1] == 8 && a[2] != 0),
        _ => Guard::None,
    }
}

/// What a parsed policy says of a call; its conditions are taken at their word.
pub fn sayings(policy: &Policy, name: &str, args: &[u64; 6]) -> Sayings {
    let mut sayings = Sayings::default();
    for rule in &policy.rules {
        let says = Says {
            action: rule.action,
            quiet: rule.quiet,
        };
        for (about, condition) in &rule.conditions {
            if about.name == name && condition.holds(args) {
                sayings.rules.push(says);
            }
        }
    }
    for entry in &policy.syscalls {
        let says = Says {
            action: entry.action,
            quiet: entry.quiet,
        };
        match entry.target {
            Target::Syscall(about) if about.name == name => sayings.names.push(says),
            Target::Group(group)
                if syscalls::by_name(name).is_some_and(|about| group.set.contains(about)) =>
            {
                sayings.groups.push(says);
            }
            _ => {}
        }
    }
    sayings
}

/// The name of a number, searched for in the whole table.
pub fn name(nr: u32) -> Option<&'static str> {
    let of = |syscall: &&syscalls::Syscall| match super::NATIVE {
        super::AARCH64 => syscall.aarch64 == Some(nr),
        _ => syscall.x86_64 == Some(nr),
    };
    syscalls::all().iter().find(of).map(|syscall| syscall.name)
}
