//! Groups of system calls, by systemd's names and with its membership (that of
//! version 258), so that a list written for `SystemCallFilter=` means the same here. Newer calls stand
//! beside the calls that they resemble: `rseq_slice_yield` beside `rseq`, `fchroot` beside `chroot`.
//!
//! A member is a call, a call of another architecture, or another group. The sets
//! are flattened at compile time.

use super::set::SyscallSet;
use super::table::TABLE;

/// A named group.
#[derive(Debug)]
pub struct Group {
    /// The name, with its `@`.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub description: &'static str,
    /// Its members as listed: calls and nested groups.
    pub members: &'static [&'static str],
    /// All calls of the table in it, nested groups included.
    pub set: SyscallSet,
}

/// The group with that name, which starts with `@`.
pub fn group(name: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.name == name)
}

/// Every group, sorted by name, except `@known`, which comes last.
pub fn groups() -> &'static [Group] {
    &GROUPS
}

macro_rules! groups {
    ($($name:literal $description:literal [$($member:literal)*])*) => {
        /// The lists, before flattening.
        const LISTS: &[(&str, &[&str])] = &[$(($name, &[$($member),*])),*];

        static GROUPS: [Group; LISTS.len()] = [
            $(Group {
                name: $name,
                description: $description,
                members: &[$($member),*],
                set: {
                    const SET: SyscallSet = flatten(&[$($member),*]);
                    if equal($name, "@known") { SyscallSet::full() } else { SET }
                },
            }),*
        ];
    };
}

/// The rows of a list of members. Members without a row in the table belong to other architectures.
const fn flatten(members: &[&str]) -> SyscallSet {
    let mut set = SyscallSet::new();
    let mut at = 0;
    while at < members.len() {
        if members[at].as_bytes()[0] == b'@' {
            set = set.union(flatten(list(members[at])));
        } else if let Some(row) = row(members[at]) {
            set.insert_index(row);
        }
        at += 1;
    }
    set
}

/// The members of a group that another one names.
const fn list(name: &str) -> &'static [&'static str] {
    let mut at = 0;
    while at < LISTS.len() {
        if equal(LISTS[at].0, name) {
            return LISTS[at].1;
        }
        at += 1;
    }
    panic!("a member names a group that is not there")
}

/// The row of a call, by binary search.
const fn row(name: &str) -> Option<usize> {
    let (mut low, mut high) = (0, TABLE.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        if less(TABLE[middle].name, name) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low < TABLE.len() && equal(TABLE[low].name, name) {
        Some(low)
    } else {
        None
    }
}

const fn less(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return a[at] < b[at];
        }
        at += 1;
    }
    a.len() < b.len()
}

const fn equal(a: &str, b: &str) -> bool {
    !less(a, b) && !less(b, a)
}

#[rustfmt::skip]
groups! {
    "@aio" "Asynchronous input and output" [
        "io_cancel" "io_destroy" "io_getevents" "io_pgetevents" "io_pgetevents_time64" "io_setup"
        "io_submit" "io_uring_enter" "io_uring_register" "io_uring_setup"
    ]
    "@basic-io" "Reading, writing and closing of what is already open" [
        "_llseek" "close" "close_range" "dup" "dup2" "dup3" "llseek" "lseek" "pread64" "preadv"
        "preadv2" "pwrite64" "pwritev" "pwritev2" "read" "readv" "write" "writev"
    ]
    "@chown" "Giving files to other owners" [
        "chown" "chown32" "fchown" "fchown32" "fchownat" "lchown" "lchown32"
    ]
    "@clock" "Setting the system's clocks" [
        "adjtimex" "clock_adjtime" "clock_adjtime64" "clock_settime" "clock_settime64"
        "settimeofday"
    ]
    "@cpu-emulation" "Running code of other processor modes" [
        "modify_ldt" "subpage_prot" "switch_endian" "vm86" "vm86old"
    ]
    "@debug" "Tracing, profiling and looking into other processes" [
        "lookup_dcookie" "perf_event_open" "pidfd_getfd" "ptrace" "rtas" "s390_runtime_instr"
        "sys_debug_setcontext"
    ]
    "@default" "What every program needs to start, run and end" [
        "@sandbox" "arch_prctl" "brk" "cacheflush" "clock_getres" "clock_getres_time64"
        "clock_gettime" "clock_gettime64" "clock_nanosleep" "clock_nanosleep_time64" "execve"
        "exit" "exit_group" "futex" "futex_time64" "futex_waitv" "get_robust_list"
        "get_thread_area" "getegid" "getegid32" "geteuid" "geteuid32" "getgid" "getgid32"
        "getgroups" "getgroups32" "getpgid" "getpgrp" "getpid" "getppid" "getrandom" "getresgid"
        "getresgid32" "getresuid" "getresuid32" "getrlimit" "getsid" "gettid" "gettimeofday"
        "getuid" "getuid32" "lsm_get_self_attr" "lsm_list_modules" "membarrier" "mmap" "mmap2"
        "mprotect" "mseal" "munmap" "nanosleep" "pause" "prlimit64" "restart_syscall"
        "riscv_flush_icache" "riscv_hwprobe" "rseq" "rseq_slice_yield" "rt_sigreturn"
        "sched_getaffinity" "sched_yield" "set_robust_list" "set_thread_area" "set_tid_address"
        "set_tls" "sigreturn" "time" "ugetrlimit" "uretprobe"
    ]
    "@file-system" "Opening, listing, creating, renaming and removing files" [
        "access" "chdir" "chmod" "close" "creat" "faccessat" "faccessat2" "fallocate" "fchdir"
        "fchmod" "fchmodat" "fchmodat2" "fcntl" "fcntl64" "fgetxattr" "file_getattr"
        "file_setattr" "flistxattr" "fremovexattr" "fsetxattr" "fstat" "fstat64" "fstatat"
        "fstatat64" "fstatfs" "fstatfs64" "ftruncate" "ftruncate64" "futimesat" "getcwd"
        "getdents" "getdents64" "getxattr" "getxattrat" "inotify_add_watch" "inotify_init"
        "inotify_init1" "inotify_rm_watch" "lgetxattr" "link" "linkat" "listmount" "listxattr"
        "listxattrat" "llistxattr" "lremovexattr" "lsetxattr" "lstat" "lstat64" "mkdir" "mkdirat"
        "mknod" "mknodat" "newfstat" "newfstatat" "oldfstat" "oldlstat" "oldstat" "open"
        "open_tree" "openat" "openat2" "readlink" "readlinkat" "removexattr" "removexattrat"
        "rename" "renameat" "renameat2" "rmdir" "setxattr" "setxattrat" "stat" "stat64" "statfs"
        "statfs64" "statmount" "statx" "symlink" "symlinkat" "truncate" "truncate64" "unlink"
        "unlinkat" "utime" "utimensat" "utimensat_time64" "utimes"
    ]
    "@io-event" "Waiting for many descriptors at once" [
        "_newselect" "epoll_create" "epoll_create1" "epoll_ctl" "epoll_ctl_old" "epoll_pwait"
        "epoll_pwait2" "epoll_wait" "epoll_wait_old" "eventfd" "eventfd2" "poll" "ppoll"
        "ppoll_time64" "pselect6" "pselect6_time64" "select"
    ]
    "@ipc" "Pipes, shared memory, message queues and semaphores" [
        "ipc" "memfd_create" "mq_getsetattr" "mq_notify" "mq_open" "mq_timedreceive"
        "mq_timedreceive_time64" "mq_timedsend" "mq_timedsend_time64" "mq_unlink" "msgctl"
        "msgget" "msgrcv" "msgsnd" "pipe" "pipe2" "process_madvise" "process_vm_readv"
        "process_vm_writev" "semctl" "semget" "semop" "semtimedop" "semtimedop_time64" "shmat"
        "shmctl" "shmdt" "shmget"
    ]
    "@keyring" "The kernel's key store" [
        "add_key" "keyctl" "request_key"
    ]
    "@memlock" "Keeping memory from being swapped out" [
        "mlock" "mlock2" "mlockall" "munlock" "munlockall"
    ]
    "@module" "Loading and removing kernel modules" [
        "delete_module" "finit_module" "init_module"
    ]
    "@mount" "Mounting, unmounting and changing the root" [
        "chroot" "fchroot" "fsconfig" "fsmount" "fsopen" "fspick" "mount" "mount_setattr"
        "move_mount" "open_tree_attr" "pivot_root" "umount" "umount2"
    ]
    "@network-io" "Sockets of every family" [
        "accept" "accept4" "bind" "connect" "getpeername" "getsockname" "getsockopt" "listen"
        "recv" "recvfrom" "recvmmsg" "recvmmsg_time64" "recvmsg" "send" "sendmmsg" "sendmsg"
        "sendto" "setsockopt" "shutdown" "socket" "socketcall" "socketpair"
    ]
    "@obsolete" "Calls that were retired or never built" [
        "_sysctl" "afs_syscall" "bdflush" "break" "create_module" "ftime" "get_kernel_syms"
        "getpmsg" "gtty" "idle" "lock" "mpx" "prof" "profil" "putpmsg" "query_module" "security"
        "sgetmask" "ssetmask" "stime" "stty" "sysfs" "tuxcall" "ulimit" "uselib" "ustat"
        "vserver"
    ]
    "@pkey" "Memory protection keys" [
        "pkey_alloc" "pkey_free" "pkey_mprotect"
    ]
    "@privileged" "What needs capabilities" [
        "@chown" "@clock" "@module" "@raw-io" "@reboot" "@swap" "_sysctl" "acct" "bpf" "capset"
        "chroot" "fanotify_init" "fanotify_mark" "fchroot" "nfsservctl" "open_by_handle_at"
        "pivot_root" "quotactl" "quotactl_fd" "setdomainname" "setfsuid" "setfsuid32" "setgroups"
        "setgroups32" "sethostname" "setresuid" "setresuid32" "setreuid" "setreuid32" "setuid"
        "setuid32" "vhangup"
    ]
    "@process" "Starting, awaiting, signalling and isolating processes" [
        "capget" "clone" "clone3" "execveat" "fork" "getrusage" "kill" "pidfd_open"
        "pidfd_send_signal" "prctl" "rt_sigqueueinfo" "rt_tgsigqueueinfo" "setns" "swapcontext"
        "tgkill" "times" "tkill" "unshare" "vfork" "wait4" "waitid" "waitpid"
    ]
    "@raw-io" "Input and output ports of the machine" [
        "ioperm" "iopl" "pciconfig_iobase" "pciconfig_read" "pciconfig_write"
        "s390_pci_mmio_read" "s390_pci_mmio_write"
    ]
    "@reboot" "Rebooting, and preparing another kernel" [
        "kexec_file_load" "kexec_load" "reboot"
    ]
    "@resources" "Priorities, limits and placement of processes and memory" [
        "ioprio_set" "mbind" "migrate_pages" "move_pages" "nice" "sched_setaffinity"
        "sched_setattr" "sched_setparam" "sched_setscheduler" "set_mempolicy"
        "set_mempolicy_home_node" "setpriority" "setrlimit"
    ]
    "@sandbox" "Giving up rights of one's own" [
        "landlock_add_rule" "landlock_create_ruleset" "landlock_restrict_self" "seccomp"
    ]
    "@setuid" "Changing user and group ids" [
        "setgid" "setgid32" "setgroups" "setgroups32" "setregid" "setregid32" "setresgid"
        "setresgid32" "setresuid" "setresuid32" "setreuid" "setreuid32" "setuid" "setuid32"
    ]
    "@signal" "Handling of one's own signals" [
        "rt_sigaction" "rt_sigpending" "rt_sigprocmask" "rt_sigsuspend" "rt_sigtimedwait"
        "rt_sigtimedwait_time64" "sigaction" "sigaltstack" "signal" "signalfd" "signalfd4"
        "sigpending" "sigprocmask" "sigsuspend"
    ]
    "@swap" "Swap files and devices" [
        "swapoff" "swapon"
    ]
    "@sync" "Writing caches back to storage" [
        "fdatasync" "fsync" "msync" "sync" "sync_file_range" "sync_file_range2" "syncfs"
    ]
    "@system-service" "What an ordinary daemon uses" [
        "@aio" "@basic-io" "@chown" "@default" "@file-system" "@io-event" "@ipc" "@keyring"
        "@memlock" "@network-io" "@process" "@resources" "@setuid" "@signal" "@sync" "@timer"
        "arm_fadvise64_64" "capget" "capset" "copy_file_range" "fadvise64" "fadvise64_64"
        "flock" "get_mempolicy" "getcpu" "getpriority" "ioctl" "ioprio_get" "kcmp" "madvise"
        "mremap" "name_to_handle_at" "oldolduname" "olduname" "personality" "readahead"
        "readdir" "remap_file_pages" "sched_get_priority_max" "sched_get_priority_min"
        "sched_getattr" "sched_getparam" "sched_getscheduler" "sched_rr_get_interval"
        "sched_rr_get_interval_time64" "sched_yield" "sendfile" "sendfile64" "setfsgid"
        "setfsgid32" "setfsuid" "setfsuid32" "setpgid" "setsid" "splice" "sysinfo" "tee" "umask"
        "uname" "userfaultfd" "vmsplice"
    ]
    "@timer" "Timers and alarms" [
        "alarm" "getitimer" "setitimer" "timer_create" "timer_delete" "timer_getoverrun"
        "timer_gettime" "timer_gettime64" "timer_settime" "timer_settime64" "timerfd_create"
        "timerfd_gettime" "timerfd_gettime64" "timerfd_settime" "timerfd_settime64" "times"
    ]
    "@known" "Every call that the table knows" [
        "@obsolete"
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{all, by_name, foreign_name};
    use super::*;

    fn holds(name: &str, syscall: &str) -> bool {
        group(name)
            .expect(name)
            .set
            .contains(by_name(syscall).expect(syscall))
    }

    #[test]
    fn every_member_is_a_call_a_group_or_a_foreign_call() {
        for group in groups() {
            for member in group.members {
                let known = super::group(member).is_some()
                    || by_name(member).is_some()
                    || foreign_name(member);
                assert!(known, "{member} of {}", group.name);
            }
        }
    }

    #[test]
    fn groups_hold_their_calls_and_no_others() {
        assert!(holds("@basic-io", "read"));
        assert!(!holds("@basic-io", "open"));
        assert!(holds("@file-system", "openat2"));
        assert!(!holds("@file-system", "socket"));
        assert!(holds("@debug", "ptrace"));
        assert_eq!(group("@swap").expect("@swap").set.len(), 2);
        assert_eq!(group("@nothing").map(|g| g.name), None);
        assert_eq!(group("swap").map(|g| g.name), None);
    }

    #[test]
    fn nested_groups_are_flattened() {
        assert!(holds("@default", "seccomp"), "@sandbox is in @default");
        assert!(holds("@system-service", "seccomp"), "two levels deep");
        assert!(holds("@system-service", "connect"));
        assert!(!holds("@system-service", "ptrace"));
        assert!(!holds("@system-service", "mount"));
        assert!(holds("@privileged", "reboot"));
    }

    #[test]
    fn known_is_everything() {
        let known = group("@known").expect("@known");
        assert!(all().iter().all(|row| known.set.contains(row)));
    }

    #[test]
    fn groups_are_sorted_and_described() {
        let names: Vec<_> = groups().iter().map(|group| group.name).collect();
        assert!(names[..names.len() - 1].is_sorted());
        assert_eq!(names.last(), Some(&"@known"));
        assert!(groups().iter().all(|group| !group.description.is_empty()));
    }
}
