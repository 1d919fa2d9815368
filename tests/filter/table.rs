//! The syscall table against three witnesses that this project did not write: the
//! kernel's headers as installed on this machine, a list of the newest headers, and the
//! libc crate.
//!
//! The headers may be older than the table and the list, never newer.
//! Without headers the tests that read them say so, and fail where `CI` is set.
//! JAIL_HEADERS names a folder with other headers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jail::internal::syscalls;
use jail::internal::syscalls::arch::{Arch, NATIVE};

mod newest;

/// Where headers live: Debian's folder of the architecture, and everyone's.
fn include_dirs() -> [PathBuf; 2] {
    let root = std::env::var_os("JAIL_HEADERS");
    let root = root.map_or("/usr/include".into(), PathBuf::from);
    let triple = match NATIVE {
        Arch::X86_64 => "x86_64-linux-gnu",
        Arch::Aarch64 => "aarch64-linux-gnu",
    };
    [root.join(triple), root]
}

/// A header's text, or a loud skip.
fn header(name: &str) -> Option<String> {
    let found = include_dirs()
        .iter()
        .find_map(|dir| fs::read_to_string(dir.join(name)).ok());
    if found.is_none() {
        missing(name);
    }
    found
}

fn missing(what: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{what} is not installed, and CI must not skip this"
    );
    eprintln!("NOT TRIED HERE: {what} is not installed: the table was not compared with it");
}

/// `#define name value` of a header, in its order, values not yet understood.
fn defines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let rest = line
            .trim_start()
            .strip_prefix('#')?
            .trim_start()
            .strip_prefix("define")?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim();
        let (name, value) = rest.split_once([' ', '\t'])?;
        let value = value.split("/*").next()?.split("//").next()?.trim();
        Some((name, value))
    })
}

/// A plain integer as C writes it: `12`, `0x1fUL`, `0755`, `-1`, `(1 << 4)`, `((__u64)1 << 32)`.
fn literal(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(bit) = text.strip_prefix("_BITUL") {
        return 1_i64.checked_shl(u32::try_from(literal(bit)?).ok()?);
    }
    // A cast; the values are small.
    if let Some(cast) = text.strip_prefix("(__")
        && let Some((_, value)) = cast.split_once(')')
    {
        return literal(value);
    }
    if let Some(inner) = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        return literal(inner);
    }
    if let Some((value, shift)) = text.split_once("<<") {
        return literal(value)?.checked_shl(u32::try_from(literal(shift)?).ok()?);
    }
    if let Some(magnitude) = text.strip_prefix('-') {
        return Some(-literal(magnitude)?);
    }
    let digits = text.trim_end_matches(['u', 'U', 'l', 'L']);
    let value = if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(&digits[1..], 8)
    } else {
        digits.parse()
    };
    value.ok().map(|value| value as i64)
}

#[test]
fn literals_are_read_as_c_reads_them() {
    let read = [
        "12",
        "0x1fUL",
        "0755",
        "-1",
        "(1 << 4)",
        "1U<<31",
        "(-100)",
        "O_RDONLY",
        "1|2",
        "",
        "_BITUL(2)",
        "((__u64)1 << 32)",
    ];
    let values = read.map(literal);
    assert_eq!(
        values,
        [
            Some(12),
            Some(31),
            Some(493),
            Some(-1),
            Some(16),
            Some(1 << 31),
            Some(-100),
            None,
            None,
            None,
            Some(4),
            Some(1 << 32),
        ]
    );
}

#[test]
fn every_native_number_in_the_kernels_header_is_in_the_table() {
    let file = match NATIVE {
        Arch::X86_64 => "asm/unistd_64.h",
        Arch::Aarch64 => "asm-generic/unistd.h",
    };
    let Some(text) = header(file) else { return };
    let wrong = compare(&numbers(&text), |row| row.number());
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
}

#[test]
fn every_generic_number_in_the_kernels_header_is_aarch64s() {
    let Some(text) = header("asm-generic/unistd.h") else {
        return;
    };
    let wrong = compare(&numbers(&text), |row| row.aarch64);
    assert!(
        wrong.is_empty(),
        "asm-generic/unistd.h:\n{}",
        wrong.join("\n")
    );
}

/// The calls of a header, without those that only 32-bit architectures have.
fn numbers(text: &str) -> BTreeMap<String, u32> {
    let mut numbers = BTreeMap::new();
    for (name, value) in defines(text) {
        let Some(nr) = literal(value).and_then(|value| u32::try_from(value).ok()) else {
            continue;
        };
        let name = match (name.strip_prefix("__NR3264_"), name.strip_prefix("__NR_")) {
            (Some("fstatat"), _) => "newfstatat",
            (Some(name), _) => name,
            (None, Some(name)) => name,
            (None, None) => continue,
        };
        let time64 = (403..=423).contains(&nr);
        let not_a_call = matches!(
            name,
            "syscalls" | "arch_specific_syscall" | "sync_file_range2"
        );
        if !time64 && !not_a_call {
            numbers.insert(name.to_owned(), nr);
        }
    }
    numbers
}

/// What a header and a column of the table disagree on.
fn compare(
    header: &BTreeMap<String, u32>,
    column: impl Fn(&syscalls::Syscall) -> Option<u32>,
) -> Vec<String> {
    assert!(header.len() > 300, "only {} calls were read", header.len());
    let highest = header.values().max().copied().unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, nr) in header {
        let ours = syscalls::by_name(name).and_then(&column);
        if ours != Some(*nr) {
            wrong.push(format!("{name}: the header says {nr}, the table {ours:?}"));
        }
    }
    // x86-64 got 335 and 336 after 424 and up had been given out.
    let late = ["uretprobe", "uprobe"];
    for row in syscalls::all() {
        if let Some(nr) = column(row)
            && !header.contains_key(row.name)
            && nr <= highest
            && !late.contains(&row.name)
        {
            wrong.push(format!(
                "{}: the table says {nr}, the header has no such call",
                row.name
            ));
        }
    }
    wrong
}

#[test]
fn every_constant_in_the_headers_has_the_headers_value() {
    let wanted: BTreeMap<_, _> = syscalls::constants().collect();
    let mut found: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    let mut read = 0;
    for dir in include_dirs() {
        for folder in ["linux", "asm-generic", "asm", "bits", "sys", "scsi"] {
            for file in headers_in(&dir.join(folder)) {
                let Ok(bytes) = fs::read(&file) else { continue };
                let text = String::from_utf8_lossy(&bytes);
                read += 1;
                for (name, value) in defines(&text) {
                    if let Some((name, _)) = wanted.get_key_value(name)
                        && let Some(value) = literal(value)
                    {
                        found.entry(name).or_default().insert(value);
                    }
                }
            }
        }
    }
    if read < 100 {
        return missing("/usr/include/linux");
    }
    // Values of other architectures, in headers that ours does not include.
    let mut wrong = Vec::new();
    for (name, values) in &found {
        let ours = wanted[name] as i64;
        if !values.iter().any(|theirs| same(ours, *theirs)) {
            wrong.push(format!(
                "{name}: the table says {ours:#x}, the headers {values:x?}"
            ));
        }
    }
    assert!(
        found.len() > 1000,
        "only {} of {} constants were found",
        found.len(),
        wanted.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether two values are one, be it as 32 bits (`1 << 31` is negative in C).
fn same(ours: i64, theirs: i64) -> bool {
    ours == theirs || (ours as u32 == theirs as u32 && (ours >> 32 == 0 || ours >> 32 == -1))
}

fn headers_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "h") {
                files.push(path);
            }
        }
    }
    files
}

/// Name and number of each as the libc crate has them.
macro_rules! libc_calls {
    ($list:ident: $($name:ident)*) => {
        #[allow(deprecated)]
        const $list: &[(&str, i64)] = &[$((stringify!($name), libc::$name)),*];
    };
}

macro_rules! libc_constants {
    ($list:ident: $($name:ident)*) => {
        #[allow(deprecated)]
        const $list: &[(&str, i64)] = &[$((stringify!($name), libc::$name as i64)),*];
    };
}

#[test]
fn every_call_of_the_libc_crate_is_in_the_table() {
    let mut wrong = Vec::new();
    for (name, nr) in LIBC_CALLS.iter().chain(LIBC_CALLS_OF_ONE_ARCHITECTURE) {
        let name = name.strip_prefix("SYS_").expect("a SYS_ name");
        let ours = syscalls::by_name(name)
            .and_then(|row| row.number())
            .map(i64::from);
        if ours != Some(*nr) {
            wrong.push(format!("{name}: libc says {nr}, the table {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_constant_that_the_libc_crate_knows_has_its_value() {
    let mut wrong = Vec::new();
    for (name, theirs) in LIBC_CONSTANTS
        .iter()
        .chain(LIBC_CONSTANTS_OF_ONE_ARCHITECTURE)
    {
        match syscalls::constant(name) {
            Some(ours) if same(ours as i64, *theirs) => {}
            ours => wrong.push(format!(
                "{name}: libc says {theirs:#x}, the table {ours:x?}"
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errno_and_signal_names_are_the_libc_crates() {
    let errnos = [
        ("EPERM", libc::EPERM),
        ("EAGAIN", libc::EAGAIN),
        ("EWOULDBLOCK", libc::EWOULDBLOCK),
        ("EDEADLOCK", libc::EDEADLOCK),
        ("ENOTSUP", libc::ENOTSUP),
        ("ENOSYS", libc::ENOSYS),
        ("ENETUNREACH", libc::ENETUNREACH),
        ("EHWPOISON", libc::EHWPOISON),
    ];
    for (name, number) in errnos {
        assert_eq!(
            syscalls::Errno::from_name(name).map(|e| e.number()),
            Some(number),
            "{name}"
        );
    }
    assert_eq!(syscalls::signal_by_name("SIGRTMIN"), Some(libc::SIGRTMIN()));
    assert_eq!(syscalls::signal_by_name("SIGRTMAX"), Some(libc::SIGRTMAX()));
    for signal in 1..=31 {
        let name = syscalls::signal_name(signal).expect("a name");
        assert_eq!(syscalls::constant(name), Some(signal as u64), "{name}");
    }
}

#[rustfmt::skip]
libc_calls! {
    LIBC_CALLS:
    SYS_accept SYS_accept4 SYS_acct SYS_add_key SYS_adjtimex SYS_bind SYS_bpf SYS_brk
    SYS_capget SYS_capset SYS_chdir SYS_chroot SYS_clock_adjtime SYS_clock_getres
    SYS_clock_gettime SYS_clock_nanosleep SYS_clock_settime SYS_clone SYS_clone3 SYS_close
    SYS_close_range SYS_connect SYS_copy_file_range SYS_delete_module SYS_dup SYS_dup3
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve
    SYS_execveat SYS_exit SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64
    SYS_fallocate SYS_fanotify_init SYS_fanotify_mark SYS_fchdir SYS_fchmod SYS_fchmodat
    SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync SYS_fgetxattr SYS_finit_module
    SYS_flistxattr SYS_flock SYS_fremovexattr SYS_fsconfig SYS_fsetxattr SYS_fsmount
    SYS_fsopen SYS_fspick SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate SYS_futex
    SYS_futex_waitv SYS_get_mempolicy SYS_get_robust_list SYS_getcpu SYS_getcwd
    SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getitimer
    SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom
    SYS_getresgid SYS_getresuid SYS_getrusage SYS_getsid SYS_getsockname SYS_getsockopt
    SYS_gettid SYS_gettimeofday SYS_getuid SYS_getxattr SYS_init_module SYS_inotify_add_watch
    SYS_inotify_init1 SYS_inotify_rm_watch SYS_io_cancel SYS_io_destroy SYS_io_getevents
    SYS_io_setup SYS_io_submit SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup
    SYS_ioctl SYS_ioprio_get SYS_ioprio_set SYS_kcmp SYS_kexec_file_load SYS_kexec_load
    SYS_keyctl SYS_kill SYS_landlock_add_rule SYS_landlock_create_ruleset
    SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat SYS_listen SYS_listxattr
    SYS_llistxattr SYS_lookup_dcookie SYS_lremovexattr SYS_lseek SYS_lsetxattr SYS_madvise
    SYS_mbind SYS_membarrier SYS_memfd_create SYS_memfd_secret SYS_migrate_pages SYS_mincore
    SYS_mkdirat SYS_mknodat SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap SYS_mount
    SYS_mount_setattr SYS_move_mount SYS_move_pages SYS_mprotect SYS_mq_getsetattr
    SYS_mq_notify SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap
    SYS_mseal SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock
    SYS_munlockall SYS_munmap SYS_name_to_handle_at SYS_nanosleep SYS_newfstatat
    SYS_nfsservctl SYS_open_by_handle_at SYS_open_tree SYS_openat SYS_openat2
    SYS_perf_event_open SYS_personality SYS_pidfd_getfd SYS_pidfd_open SYS_pidfd_send_signal
    SYS_pipe2 SYS_pivot_root SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll
    SYS_prctl SYS_pread64 SYS_preadv SYS_preadv2 SYS_prlimit64 SYS_process_madvise
    SYS_process_mrelease SYS_process_vm_readv SYS_process_vm_writev SYS_pselect6 SYS_ptrace
    SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_quotactl SYS_quotactl_fd SYS_read
    SYS_readahead SYS_readlinkat SYS_readv SYS_reboot SYS_recvfrom SYS_recvmmsg SYS_recvmsg
    SYS_remap_file_pages SYS_removexattr SYS_renameat2 SYS_request_key SYS_restart_syscall
    SYS_rseq SYS_rt_sigaction SYS_rt_sigpending SYS_rt_sigprocmask SYS_rt_sigqueueinfo
    SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo
    SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_getaffinity
    SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler SYS_sched_rr_get_interval
    SYS_sched_setaffinity SYS_sched_setattr SYS_sched_setparam SYS_sched_setscheduler
    SYS_sched_yield SYS_seccomp SYS_semctl SYS_semget SYS_semop SYS_semtimedop SYS_sendfile
    SYS_sendmmsg SYS_sendmsg SYS_sendto SYS_set_mempolicy SYS_set_mempolicy_home_node
    SYS_set_robust_list SYS_set_tid_address SYS_setdomainname SYS_setfsgid SYS_setfsuid
    SYS_setgid SYS_setgroups SYS_sethostname SYS_setitimer SYS_setns SYS_setpgid
    SYS_setpriority SYS_setregid SYS_setresgid SYS_setresuid SYS_setreuid SYS_setsid
    SYS_setsockopt SYS_settimeofday SYS_setuid SYS_setxattr SYS_shmat SYS_shmctl SYS_shmdt
    SYS_shmget SYS_shutdown SYS_sigaltstack SYS_signalfd4 SYS_socket SYS_socketpair
    SYS_splice SYS_statfs SYS_statx SYS_swapoff SYS_swapon SYS_symlinkat SYS_sync
    SYS_syncfs SYS_sysinfo SYS_syslog SYS_tee SYS_tgkill SYS_timer_create SYS_timer_delete
    SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime SYS_timerfd_create
    SYS_timerfd_gettime SYS_timerfd_settime SYS_times SYS_tkill SYS_truncate SYS_umask
    SYS_umount2 SYS_uname SYS_unlinkat SYS_unshare SYS_userfaultfd SYS_utimensat SYS_vhangup
    SYS_vmsplice SYS_wait4 SYS_waitid SYS_write SYS_writev
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
libc_calls! {
    LIBC_CALLS_OF_ONE_ARCHITECTURE:
    SYS__sysctl SYS_access SYS_afs_syscall SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown
    SYS_creat SYS_dup2 SYS_epoll_create SYS_epoll_ctl_old SYS_epoll_wait SYS_epoll_wait_old
    SYS_eventfd SYS_fchmodat2 SYS_fork SYS_futimesat SYS_get_thread_area SYS_getdents
    SYS_getpgrp SYS_getpmsg SYS_getrlimit SYS_inotify_init SYS_ioperm SYS_iopl SYS_lchown
    SYS_link SYS_lstat SYS_mkdir SYS_mknod SYS_modify_ldt SYS_open SYS_pause SYS_pipe
    SYS_poll SYS_putpmsg SYS_readlink SYS_rename SYS_renameat SYS_rmdir SYS_security
    SYS_select SYS_set_thread_area SYS_setrlimit SYS_signalfd SYS_stat SYS_symlink
    SYS_sync_file_range SYS_sysfs SYS_time SYS_tuxcall SYS_unlink SYS_uselib SYS_ustat
    SYS_utime SYS_utimes SYS_vfork SYS_vserver
}

#[cfg(target_arch = "aarch64")]
#[rustfmt::skip]
libc_calls! {
    LIBC_CALLS_OF_ONE_ARCHITECTURE:

}

// The crate has these for x86-64 only.
#[cfg(target_arch = "x86_64")]
libc_constants! {
    LIBC_CONSTANTS_OF_ONE_ARCHITECTURE:
    PR_GET_SPECULATION_CTRL PR_SET_SPECULATION_CTRL PTRACE_GET_RSEQ_CONFIGURATION PTRACE_PEEKSIGINFO_SHARED
}

#[cfg(not(target_arch = "x86_64"))]
libc_constants! {
    LIBC_CONSTANTS_OF_ONE_ARCHITECTURE:
}

// Without three that the crate defines as 0: O_LARGEFILE, which the C library hides
// on 64-bit machines, and CLONE_CLEAR_SIGHAND and CLONE_INTO_CGROUP, cut to an int.
#[rustfmt::skip]
libc_constants! {
    LIBC_CONSTANTS:
    ADDR_COMPAT_LAYOUT ADDR_LIMIT_32BIT ADDR_LIMIT_3GB ADDR_NO_RANDOMIZE AF_ALG AF_APPLETALK
    AF_ASH AF_ATMPVC AF_ATMSVC AF_AX25 AF_BLUETOOTH AF_BRIDGE AF_CAIF AF_CAN AF_DECnet
    AF_ECONET AF_IB AF_IEEE802154 AF_INET AF_INET6 AF_IPX AF_IRDA AF_ISDN AF_IUCV AF_KEY
    AF_LLC AF_LOCAL AF_MPLS AF_NETBEUI AF_NETLINK AF_NETROM AF_NFC AF_PACKET AF_PHONET
    AF_PPPOX AF_RDS AF_ROSE AF_ROUTE AF_RXRPC AF_SECURITY AF_SNA AF_TIPC AF_UNIX
    AF_UNSPEC AF_VSOCK AF_WANPIPE AF_X25 AF_XDP AT_EACCESS AT_EMPTY_PATH AT_EXECVE_CHECK
    AT_FDCWD AT_HANDLE_CONNECTABLE AT_HANDLE_FID AT_HANDLE_MNT_ID_UNIQUE AT_NO_AUTOMOUNT
    AT_RECURSIVE AT_REMOVEDIR AT_STATX_DONT_SYNC AT_STATX_FORCE_SYNC AT_SYMLINK_FOLLOW
    AT_SYMLINK_NOFOLLOW BLKIOMIN BLKIOOPT BLKPBSZGET BLKSSZGET CAN_BCM CAN_ISOTP CAN_J1939
    CAN_MCNET CAN_RAW CAN_TP16 CAN_TP20 CLOCK_BOOTTIME CLOCK_BOOTTIME_ALARM CLOCK_MONOTONIC
    CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC_RAW CLOCK_PROCESS_CPUTIME_ID CLOCK_REALTIME
    CLOCK_REALTIME_ALARM CLOCK_REALTIME_COARSE CLOCK_TAI CLOCK_THREAD_CPUTIME_ID
    CLONE_CHILD_CLEARTID CLONE_CHILD_SETTID CLONE_DETACHED CLONE_FILES
    CLONE_FS CLONE_IO CLONE_NEWCGROUP CLONE_NEWIPC CLONE_NEWNET
    CLONE_NEWNS CLONE_NEWPID CLONE_NEWTIME CLONE_NEWUSER CLONE_NEWUTS CLONE_PARENT
    CLONE_PARENT_SETTID CLONE_PIDFD CLONE_PTRACE CLONE_SETTLS CLONE_SIGHAND CLONE_SYSVSEM
    CLONE_THREAD CLONE_UNTRACED CLONE_VFORK CLONE_VM CLOSE_RANGE_CLOEXEC CLOSE_RANGE_UNSHARE
    CSIGNAL EFD_CLOEXEC EFD_NONBLOCK EFD_SEMAPHORE EPOLLERR EPOLLET EPOLLEXCLUSIVE EPOLLHUP
    EPOLLIN EPOLLONESHOT EPOLLOUT EPOLLPRI EPOLLRDHUP EPOLLWAKEUP EPOLL_CLOEXEC
    EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_INSERT_RANGE
    FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE FALLOC_FL_UNSHARE_RANGE FALLOC_FL_ZERO_RANGE
    FAN_ACCESS FAN_ACCESS_PERM FAN_ATTRIB FAN_CLASS_CONTENT FAN_CLASS_NOTIF
    FAN_CLASS_PRE_CONTENT FAN_CLOEXEC FAN_CLOSE FAN_CLOSE_NOWRITE FAN_CLOSE_WRITE FAN_CREATE
    FAN_DELETE FAN_DELETE_SELF FAN_ENABLE_AUDIT FAN_EVENT_ON_CHILD FAN_FS_ERROR FAN_MARK_ADD
    FAN_MARK_DONT_FOLLOW FAN_MARK_EVICTABLE FAN_MARK_FILESYSTEM FAN_MARK_FLUSH FAN_MARK_IGNORE
    FAN_MARK_IGNORED_MASK FAN_MARK_IGNORED_SURV_MODIFY FAN_MARK_IGNORE_SURV FAN_MARK_MOUNT
    FAN_MARK_ONLYDIR FAN_MARK_REMOVE FAN_MODIFY FAN_MOVE FAN_MOVED_FROM FAN_MOVED_TO
    FAN_MOVE_SELF FAN_NONBLOCK FAN_ONDIR FAN_OPEN FAN_OPEN_EXEC FAN_OPEN_EXEC_PERM
    FAN_OPEN_PERM FAN_Q_OVERFLOW FAN_RENAME FAN_REPORT_DFID_NAME FAN_REPORT_DFID_NAME_TARGET
    FAN_REPORT_DIR_FID FAN_REPORT_FID FAN_REPORT_NAME FAN_REPORT_PIDFD FAN_REPORT_TARGET_FID
    FAN_REPORT_TID FAN_UNLIMITED_MARKS FAN_UNLIMITED_QUEUE FDPIC_FUNCPTRS FD_CLOEXEC FICLONE
    FICLONERANGE FIOASYNC FIOCLEX FIONBIO FIONCLEX FIONREAD FIOQSIZE FSMOUNT_CLOEXEC
    FSOPEN_CLOEXEC FSPICK_CLOEXEC FSPICK_EMPTY_PATH FSPICK_NO_AUTOMOUNT
    FSPICK_SYMLINK_NOFOLLOW FS_IOC32_GETFLAGS FS_IOC32_GETVERSION FS_IOC32_SETFLAGS
    FS_IOC32_SETVERSION FS_IOC_GETFLAGS FS_IOC_GETVERSION FS_IOC_SETFLAGS FS_IOC_SETVERSION
    FUTEX2_NUMA FUTEX2_PRIVATE FUTEX2_SIZE_U16 FUTEX2_SIZE_U32 FUTEX2_SIZE_U64 FUTEX2_SIZE_U8
    FUTEX_CLOCK_REALTIME FUTEX_CMP_REQUEUE FUTEX_CMP_REQUEUE_PI FUTEX_FD FUTEX_LOCK_PI
    FUTEX_LOCK_PI2 FUTEX_PRIVATE_FLAG FUTEX_REQUEUE FUTEX_TRYLOCK_PI FUTEX_UNLOCK_PI
    FUTEX_WAIT FUTEX_WAIT_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_WAKE FUTEX_WAKE_BITSET
    FUTEX_WAKE_OP F_ADD_SEALS F_CANCELLK F_DUPFD F_DUPFD_CLOEXEC F_GETFD F_GETFL F_GETLEASE
    F_GETLK F_GETOWN F_GETPIPE_SZ F_GET_SEALS F_NOTIFY F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW
    F_OK F_RDLCK F_SEAL_EXEC F_SEAL_FUTURE_WRITE F_SEAL_GROW F_SEAL_SEAL F_SEAL_SHRINK
    F_SEAL_WRITE F_SETFD F_SETFL F_SETLEASE F_SETLK F_SETLKW F_SETOWN F_SETPIPE_SZ F_UNLCK
    F_WRLCK GETALL GETNCNT GETPID GETVAL GETZCNT GRND_INSECURE GRND_NONBLOCK GRND_RANDOM
    GRPQUOTA IN_ACCESS IN_ALL_EVENTS IN_ATTRIB IN_CLOEXEC IN_CLOSE IN_CLOSE_NOWRITE
    IN_CLOSE_WRITE IN_CREATE IN_DELETE IN_DELETE_SELF IN_DONT_FOLLOW IN_EXCL_UNLINK
    IN_IGNORED IN_ISDIR IN_MASK_ADD IN_MASK_CREATE IN_MODIFY IN_MOVE IN_MOVED_FROM
    IN_MOVED_TO IN_MOVE_SELF IN_NONBLOCK IN_ONESHOT IN_ONLYDIR IN_OPEN IN_Q_OVERFLOW
    IN_UNMOUNT IPC_CREAT IPC_EXCL IPC_INFO IPC_NOWAIT IPC_PRIVATE IPC_RMID IPC_SET
    IPC_STAT IPPROTO_AH IPPROTO_BEETPH IPPROTO_COMP IPPROTO_DCCP IPPROTO_DSTOPTS IPPROTO_EGP
    IPPROTO_ENCAP IPPROTO_ESP IPPROTO_ETHERNET IPPROTO_FRAGMENT IPPROTO_GRE IPPROTO_HOPOPTS
    IPPROTO_ICMP IPPROTO_ICMPV6 IPPROTO_IDP IPPROTO_IGMP IPPROTO_IP IPPROTO_IPIP
    IPPROTO_IPV6 IPPROTO_MH IPPROTO_MPLS IPPROTO_MPTCP IPPROTO_MTP IPPROTO_NONE IPPROTO_PIM
    IPPROTO_PUP IPPROTO_RAW IPPROTO_ROUTING IPPROTO_RSVP IPPROTO_SCTP IPPROTO_TCP IPPROTO_TP
    IPPROTO_UDP IPPROTO_UDPLITE IPV6_2292DSTOPTS IPV6_2292HOPLIMIT IPV6_2292HOPOPTS
    IPV6_2292PKTINFO IPV6_2292PKTOPTIONS IPV6_2292RTHDR IPV6_ADDRFORM IPV6_ADDR_PREFERENCES
    IPV6_ADD_MEMBERSHIP IPV6_AUTOFLOWLABEL IPV6_CHECKSUM IPV6_DONTFRAG IPV6_DROP_MEMBERSHIP
    IPV6_DSTOPTS IPV6_FLOWINFO IPV6_FREEBIND IPV6_HDRINCL IPV6_HOPLIMIT IPV6_HOPOPTS
    IPV6_IPSEC_POLICY IPV6_JOIN_ANYCAST IPV6_LEAVE_ANYCAST IPV6_MINHOPCOUNT IPV6_MTU
    IPV6_MTU_DISCOVER IPV6_MULTICAST_ALL IPV6_MULTICAST_HOPS IPV6_MULTICAST_IF
    IPV6_MULTICAST_LOOP IPV6_NEXTHOP IPV6_ORIGDSTADDR IPV6_PATHMTU IPV6_PKTINFO
    IPV6_RECVDSTOPTS IPV6_RECVERR IPV6_RECVFRAGSIZE IPV6_RECVHOPLIMIT IPV6_RECVHOPOPTS
    IPV6_RECVORIGDSTADDR IPV6_RECVPATHMTU IPV6_RECVPKTINFO IPV6_RECVRTHDR IPV6_RECVTCLASS
    IPV6_ROUTER_ALERT IPV6_RTHDR IPV6_RTHDRDSTOPTS IPV6_TCLASS IPV6_TRANSPARENT
    IPV6_UNICAST_HOPS IPV6_UNICAST_IF IPV6_V6ONLY IPV6_XFRM_POLICY IP_ADD_MEMBERSHIP
    IP_ADD_SOURCE_MEMBERSHIP IP_BIND_ADDRESS_NO_PORT IP_BLOCK_SOURCE IP_CHECKSUM
    IP_DROP_MEMBERSHIP IP_DROP_SOURCE_MEMBERSHIP IP_FREEBIND IP_HDRINCL IP_IPSEC_POLICY
    IP_MINTTL IP_MSFILTER IP_MTU IP_MTU_DISCOVER IP_MULTICAST_ALL IP_MULTICAST_IF
    IP_MULTICAST_LOOP IP_MULTICAST_TTL IP_NODEFRAG IP_OPTIONS IP_ORIGDSTADDR IP_PASSSEC
    IP_PKTINFO IP_PKTOPTIONS IP_RECVERR IP_RECVFRAGSIZE IP_RECVOPTS IP_RECVTOS IP_RECVTTL
    IP_RETOPTS IP_ROUTER_ALERT IP_TOS IP_TRANSPARENT IP_TTL IP_UNBLOCK_SOURCE IP_UNICAST_IF
    IP_XFRM_POLICY ITIMER_PROF ITIMER_REAL ITIMER_VIRTUAL KEXEC_FILE_NO_INITRAMFS
    KEXEC_FILE_ON_CRASH KEXEC_FILE_UNLOAD KEXEC_ON_CRASH KEXEC_PRESERVE_CONTEXT
    KEYCTL_ASSUME_AUTHORITY KEYCTL_CAPABILITIES KEYCTL_CHOWN KEYCTL_CLEAR KEYCTL_DESCRIBE
    KEYCTL_DH_COMPUTE KEYCTL_GET_KEYRING_ID KEYCTL_GET_PERSISTENT KEYCTL_GET_SECURITY
    KEYCTL_INSTANTIATE KEYCTL_INSTANTIATE_IOV KEYCTL_INVALIDATE KEYCTL_JOIN_SESSION_KEYRING
    KEYCTL_LINK KEYCTL_MOVE KEYCTL_NEGATE KEYCTL_PKEY_DECRYPT KEYCTL_PKEY_ENCRYPT
    KEYCTL_PKEY_QUERY KEYCTL_PKEY_SIGN KEYCTL_PKEY_VERIFY KEYCTL_READ KEYCTL_REJECT
    KEYCTL_RESTRICT_KEYRING KEYCTL_REVOKE KEYCTL_SEARCH KEYCTL_SESSION_TO_PARENT
    KEYCTL_SETPERM KEYCTL_SET_REQKEY_KEYRING KEYCTL_SET_TIMEOUT KEYCTL_UNLINK KEYCTL_UPDATE
    KEY_SPEC_GROUP_KEYRING KEY_SPEC_PROCESS_KEYRING KEY_SPEC_REQKEY_AUTH_KEY
    KEY_SPEC_REQUESTOR_KEYRING KEY_SPEC_SESSION_KEYRING KEY_SPEC_THREAD_KEYRING
    KEY_SPEC_USER_KEYRING KEY_SPEC_USER_SESSION_KEYRING LINUX_REBOOT_CMD_CAD_OFF
    LINUX_REBOOT_CMD_CAD_ON LINUX_REBOOT_CMD_HALT LINUX_REBOOT_CMD_KEXEC
    LINUX_REBOOT_CMD_POWER_OFF LINUX_REBOOT_CMD_RESTART LINUX_REBOOT_CMD_RESTART2
    LINUX_REBOOT_CMD_SW_SUSPEND LINUX_REBOOT_MAGIC1 LINUX_REBOOT_MAGIC2 LINUX_REBOOT_MAGIC2A
    LINUX_REBOOT_MAGIC2B LINUX_REBOOT_MAGIC2C LOCK_EX LOCK_NB LOCK_SH LOCK_UN MADV_COLD
    MADV_COLLAPSE MADV_DODUMP MADV_DOFORK MADV_DONTDUMP MADV_DONTFORK MADV_DONTNEED
    MADV_DONTNEED_LOCKED MADV_FREE MADV_HUGEPAGE MADV_HWPOISON MADV_KEEPONFORK MADV_MERGEABLE
    MADV_NOHUGEPAGE MADV_NORMAL MADV_PAGEOUT MADV_POPULATE_READ MADV_POPULATE_WRITE
    MADV_RANDOM MADV_REMOVE MADV_SEQUENTIAL MADV_SOFT_OFFLINE MADV_UNMERGEABLE MADV_WILLNEED
    MADV_WIPEONFORK MAP_ANON MAP_ANONYMOUS MAP_DENYWRITE MAP_DROPPABLE MAP_EXECUTABLE
    MAP_FILE MAP_FIXED MAP_FIXED_NOREPLACE MAP_GROWSDOWN MAP_HUGETLB MAP_HUGE_16GB
    MAP_HUGE_16MB MAP_HUGE_1GB MAP_HUGE_1MB MAP_HUGE_256MB MAP_HUGE_2GB MAP_HUGE_2MB
    MAP_HUGE_32MB MAP_HUGE_512KB MAP_HUGE_512MB MAP_HUGE_64KB MAP_HUGE_8MB MAP_LOCKED
    MAP_NONBLOCK MAP_NORESERVE MAP_POPULATE MAP_PRIVATE MAP_SHARED MAP_SHARED_VALIDATE
    MAP_STACK MAP_SYNC MAP_TYPE MCL_CURRENT MCL_FUTURE MCL_ONFAULT MEMBARRIER_CMD_GLOBAL
    MEMBARRIER_CMD_GLOBAL_EXPEDITED MEMBARRIER_CMD_PRIVATE_EXPEDITED
    MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE
    MEMBARRIER_CMD_QUERY MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE MFD_ALLOW_SEALING MFD_CLOEXEC MFD_EXEC
    MFD_HUGETLB MFD_HUGE_16GB MFD_HUGE_16MB MFD_HUGE_1GB MFD_HUGE_1MB MFD_HUGE_256MB
    MFD_HUGE_2GB MFD_HUGE_2MB MFD_HUGE_32MB MFD_HUGE_512KB MFD_HUGE_512MB MFD_HUGE_64KB
    MFD_HUGE_8MB MFD_NOEXEC_SEAL MLOCK_ONFAULT MMAP_PAGE_ZERO MNT_DETACH MNT_EXPIRE
    MNT_FORCE MODULE_INIT_IGNORE_MODVERSIONS MODULE_INIT_IGNORE_VERMAGIC MOUNT_ATTR_IDMAP
    MOUNT_ATTR_NOATIME MOUNT_ATTR_NODEV MOUNT_ATTR_NODIRATIME MOUNT_ATTR_NOEXEC
    MOUNT_ATTR_NOSUID MOUNT_ATTR_NOSYMFOLLOW MOUNT_ATTR_RDONLY MOUNT_ATTR_RELATIME
    MOUNT_ATTR_STRICTATIME MOUNT_ATTR__ATIME MOVE_MOUNT_BENEATH MOVE_MOUNT_F_AUTOMOUNTS
    MOVE_MOUNT_F_EMPTY_PATH MOVE_MOUNT_F_SYMLINKS MOVE_MOUNT_SET_GROUP MOVE_MOUNT_T_AUTOMOUNTS
    MOVE_MOUNT_T_EMPTY_PATH MOVE_MOUNT_T_SYMLINKS MPOL_BIND MPOL_DEFAULT MPOL_F_NUMA_BALANCING
    MPOL_F_RELATIVE_NODES MPOL_F_STATIC_NODES MPOL_INTERLEAVE MPOL_LOCAL MPOL_PREFERRED
    MREMAP_DONTUNMAP MREMAP_FIXED MREMAP_MAYMOVE MSG_CMSG_CLOEXEC MSG_CONFIRM MSG_COPY
    MSG_CTRUNC MSG_DONTROUTE MSG_DONTWAIT MSG_EOR MSG_ERRQUEUE MSG_EXCEPT MSG_FASTOPEN
    MSG_FIN MSG_INFO MSG_MORE MSG_NOERROR MSG_NOSIGNAL MSG_OOB MSG_PEEK MSG_RST MSG_STAT
    MSG_SYN MSG_TRUNC MSG_WAITALL MSG_WAITFORONE MSG_ZEROCOPY MS_ACTIVE MS_ASYNC MS_BIND
    MS_DIRSYNC MS_INVALIDATE MS_I_VERSION MS_KERNMOUNT MS_LAZYTIME MS_MANDLOCK MS_MOVE
    MS_NOATIME MS_NODEV MS_NODIRATIME MS_NOEXEC MS_NOSUID MS_NOSYMFOLLOW MS_NOUSER
    MS_POSIXACL MS_PRIVATE MS_RDONLY MS_REC MS_RELATIME MS_REMOUNT MS_SHARED MS_SILENT
    MS_SLAVE MS_STRICTATIME MS_SYNC MS_SYNCHRONOUS MS_UNBINDABLE NETLINK_AUDIT
    NETLINK_CONNECTOR NETLINK_CRYPTO NETLINK_DNRTMSG NETLINK_ECRYPTFS NETLINK_FIB_LOOKUP
    NETLINK_FIREWALL NETLINK_GENERIC NETLINK_INET_DIAG NETLINK_IP6_FW NETLINK_ISCSI
    NETLINK_KOBJECT_UEVENT NETLINK_NETFILTER NETLINK_NFLOG NETLINK_RDMA NETLINK_ROUTE
    NETLINK_SCSITRANSPORT NETLINK_SELINUX NETLINK_SOCK_DIAG NETLINK_UNUSED NETLINK_USERSOCK
    NETLINK_XFRM NS_GET_NSTYPE NS_GET_OWNER_UID NS_GET_PARENT NS_GET_USERNS OPEN_TREE_CLOEXEC
    OPEN_TREE_CLONE O_ACCMODE O_APPEND O_ASYNC O_CLOEXEC O_CREAT O_DIRECT O_DIRECTORY
    O_DSYNC O_EXCL O_FSYNC O_NDELAY O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK
    O_PATH O_RDONLY O_RDWR O_RSYNC O_SYNC O_TMPFILE O_TRUNC O_WRONLY PF_ALG PF_APPLETALK
    PF_ASH PF_ATMPVC PF_ATMSVC PF_AX25 PF_BLUETOOTH PF_BRIDGE PF_CAIF PF_CAN PF_DECnet
    PF_ECONET PF_IB PF_IEEE802154 PF_INET PF_INET6 PF_IPX PF_IRDA PF_ISDN PF_IUCV PF_KEY
    PF_LLC PF_LOCAL PF_MPLS PF_NETBEUI PF_NETLINK PF_NETROM PF_NFC PF_PACKET PF_PHONET
    PF_PPPOX PF_RDS PF_ROSE PF_ROUTE PF_RXRPC PF_SECURITY PF_SNA PF_TIPC PF_UNIX
    PF_UNSPEC PF_VSOCK PF_WANPIPE PF_X25 PF_XDP PIDFD_GET_CGROUP_NAMESPACE
    PIDFD_GET_IPC_NAMESPACE PIDFD_GET_MNT_NAMESPACE PIDFD_GET_NET_NAMESPACE
    PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE PIDFD_GET_PID_NAMESPACE
    PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE PIDFD_GET_TIME_NAMESPACE PIDFD_GET_USER_NAMESPACE
    PIDFD_GET_UTS_NAMESPACE PIDFD_NONBLOCK PIDFD_SIGNAL_PROCESS_GROUP PIDFD_SIGNAL_THREAD
    PIDFD_SIGNAL_THREAD_GROUP PIDFD_THREAD POSIX_FADV_DONTNEED POSIX_FADV_NOREUSE
    POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED PRIO_PGRP
    PRIO_PROCESS PRIO_USER PROT_EXEC PROT_GROWSDOWN PROT_GROWSUP PROT_NONE PROT_READ
    PROT_WRITE PR_CAPBSET_DROP PR_CAPBSET_READ PR_CAP_AMBIENT PR_CAP_AMBIENT_CLEAR_ALL
    PR_CAP_AMBIENT_IS_SET PR_CAP_AMBIENT_LOWER PR_CAP_AMBIENT_RAISE PR_FP_MODE_FR
    PR_FP_MODE_FRE PR_GET_CHILD_SUBREAPER PR_GET_DUMPABLE PR_GET_ENDIAN PR_GET_FPEMU
    PR_GET_FPEXC PR_GET_FP_MODE PR_GET_KEEPCAPS PR_GET_MDWE PR_GET_MEMORY_MERGE PR_GET_NAME
    PR_GET_NO_NEW_PRIVS PR_GET_PDEATHSIG PR_GET_SECCOMP PR_GET_SECUREBITS
    PR_GET_THP_DISABLE PR_GET_TID_ADDRESS PR_GET_TIMERSLACK
    PR_GET_TIMING PR_GET_TSC PR_GET_UNALIGN PR_MCE_KILL PR_MCE_KILL_CLEAR PR_MCE_KILL_DEFAULT
    PR_MCE_KILL_EARLY PR_MCE_KILL_GET PR_MCE_KILL_LATE PR_MCE_KILL_SET
    PR_MPX_DISABLE_MANAGEMENT PR_MPX_ENABLE_MANAGEMENT PR_SCHED_CORE PR_SCHED_CORE_CREATE
    PR_SCHED_CORE_GET PR_SCHED_CORE_SCOPE_PROCESS_GROUP PR_SCHED_CORE_SCOPE_THREAD
    PR_SCHED_CORE_SCOPE_THREAD_GROUP PR_SCHED_CORE_SHARE_FROM PR_SCHED_CORE_SHARE_TO
    PR_SET_CHILD_SUBREAPER PR_SET_DUMPABLE PR_SET_ENDIAN PR_SET_FPEMU PR_SET_FPEXC
    PR_SET_FP_MODE PR_SET_KEEPCAPS PR_SET_MDWE PR_SET_MEMORY_MERGE PR_SET_MM
    PR_SET_MM_ARG_END PR_SET_MM_ARG_START PR_SET_MM_AUXV PR_SET_MM_BRK PR_SET_MM_END_CODE
    PR_SET_MM_END_DATA PR_SET_MM_ENV_END PR_SET_MM_ENV_START PR_SET_MM_EXE_FILE PR_SET_MM_MAP
    PR_SET_MM_MAP_SIZE PR_SET_MM_START_BRK PR_SET_MM_START_CODE PR_SET_MM_START_DATA
    PR_SET_MM_START_STACK PR_SET_NAME PR_SET_NO_NEW_PRIVS PR_SET_PDEATHSIG PR_SET_PTRACER
    PR_SET_PTRACER_ANY PR_SET_SECCOMP PR_SET_SECUREBITS
    PR_SET_THP_DISABLE PR_SET_TIMERSLACK PR_SET_TIMING PR_SET_TSC PR_SET_UNALIGN PR_SET_VMA
    PR_SET_VMA_ANON_NAME PR_TASK_PERF_EVENTS_DISABLE PR_TASK_PERF_EVENTS_ENABLE PTRACE_ATTACH
    PTRACE_CONT PTRACE_DETACH PTRACE_GETEVENTMSG PTRACE_GETSIGINFO PTRACE_GETSIGMASK
    PTRACE_GET_SYSCALL_INFO
    PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG PTRACE_INTERRUPT PTRACE_KILL PTRACE_LISTEN
    PTRACE_PEEKDATA PTRACE_PEEKSIGINFO PTRACE_PEEKTEXT
    PTRACE_POKEDATA PTRACE_POKETEXT PTRACE_SEIZE PTRACE_SETOPTIONS PTRACE_SETSIGINFO
    PTRACE_SETSIGMASK PTRACE_SET_SYSCALL_INFO PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG
    PTRACE_SINGLESTEP PTRACE_SYSCALL PTRACE_TRACEME P_ALL P_PGID P_PID P_PIDFD Q_GETFMT
    Q_GETINFO Q_GETQUOTA Q_QUOTAOFF Q_QUOTAON Q_SETINFO Q_SETQUOTA Q_SYNC READ_IMPLIES_EXEC
    RENAME_EXCHANGE RENAME_NOREPLACE RENAME_WHITEOUT RESOLVE_BENEATH RESOLVE_CACHED
    RESOLVE_IN_ROOT RESOLVE_NO_MAGICLINKS RESOLVE_NO_SYMLINKS RESOLVE_NO_XDEV RLIMIT_AS
    RLIMIT_CORE RLIMIT_CPU RLIMIT_DATA RLIMIT_FSIZE RLIMIT_LOCKS RLIMIT_MEMLOCK
    RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_NOFILE RLIMIT_NPROC RLIMIT_RSS RLIMIT_RTPRIO
    RLIMIT_RTTIME RLIMIT_SIGPENDING RLIMIT_STACK RUSAGE_CHILDREN RUSAGE_SELF RUSAGE_THREAD
    RWF_APPEND RWF_ATOMIC RWF_DONTCACHE RWF_DSYNC RWF_HIPRI RWF_NOAPPEND RWF_NOWAIT
    RWF_SYNC R_OK SCHED_BATCH SCHED_DEADLINE SCHED_FIFO SCHED_IDLE SCHED_NORMAL SCHED_OTHER
    SCHED_RESET_ON_FORK SCHED_RR SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_NEW_LISTENER
    SECCOMP_FILTER_FLAG_SPEC_ALLOW SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_TSYNC_ESRCH
    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV SECCOMP_GET_ACTION_AVAIL SECCOMP_GET_NOTIF_SIZES
    SECCOMP_IOCTL_NOTIF_ADDFD SECCOMP_IOCTL_NOTIF_ID_VALID SECCOMP_IOCTL_NOTIF_RECV
    SECCOMP_IOCTL_NOTIF_SEND SECCOMP_MODE_DISABLED SECCOMP_MODE_FILTER SECCOMP_MODE_STRICT
    SECCOMP_RET_ACTION SECCOMP_RET_ACTION_FULL SECCOMP_RET_ALLOW SECCOMP_RET_DATA
    SECCOMP_RET_ERRNO SECCOMP_RET_KILL SECCOMP_RET_KILL_PROCESS SECCOMP_RET_KILL_THREAD
    SECCOMP_RET_LOG SECCOMP_RET_TRACE SECCOMP_RET_TRAP SECCOMP_RET_USER_NOTIF
    SECCOMP_SET_MODE_FILTER SECCOMP_SET_MODE_STRICT SEEK_CUR SEEK_DATA SEEK_END SEEK_HOLE
    SEEK_SET SEM_INFO SEM_STAT SEM_STAT_ANY SEM_UNDO SETALL SETVAL SFD_CLOEXEC
    SFD_NONBLOCK SHM_EXEC SHM_HUGETLB SHM_LOCK SHM_NORESERVE SHM_RDONLY SHM_REMAP SHM_RND
    SHM_UNLOCK SHORT_INODE SHUT_RD SHUT_RDWR SHUT_WR SIGABRT SIGALRM SIGBUS SIGCHLD
    SIGCONT SIGEV_NONE SIGEV_SIGNAL SIGEV_THREAD SIGEV_THREAD_ID SIGFPE SIGHUP SIGILL
    SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL SIGPROF SIGPWR SIGQUIT SIGSEGV SIGSTKFLT
    SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2
    SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ SIG_BLOCK SIG_SETMASK SIG_UNBLOCK SIOCADDMULTI
    SIOCADDRT SIOCDARP SIOCDELMULTI SIOCDELRT SIOCDIFADDR SIOCDRARP SIOCETHTOOL SIOCGARP
    SIOCGHWTSTAMP SIOCGIFADDR SIOCGIFBR SIOCGIFBRDADDR SIOCGIFCONF SIOCGIFCOUNT
    SIOCGIFDSTADDR SIOCGIFENCAP SIOCGIFFLAGS SIOCGIFHWADDR SIOCGIFINDEX SIOCGIFMAP
    SIOCGIFMEM SIOCGIFMETRIC SIOCGIFMTU SIOCGIFNAME SIOCGIFNETMASK SIOCGIFPFLAGS
    SIOCGIFSLAVE SIOCGIFTXQLEN SIOCGMIIPHY SIOCGMIIREG SIOCGRARP SIOCGSKNS SIOCOUTQNSD
    SIOCSARP SIOCSHWTSTAMP SIOCSIFADDR SIOCSIFBR SIOCSIFBRDADDR SIOCSIFDSTADDR SIOCSIFENCAP
    SIOCSIFFLAGS SIOCSIFHWADDR SIOCSIFHWBROADCAST SIOCSIFLINK SIOCSIFMAP SIOCSIFMEM
    SIOCSIFMETRIC SIOCSIFMTU SIOCSIFNAME SIOCSIFNETMASK SIOCSIFPFLAGS SIOCSIFSLAVE
    SIOCSIFTXQLEN SIOCSMIIREG SIOCSRARP SIOCWANDEV SOCK_CLOEXEC SOCK_DCCP SOCK_DGRAM
    SOCK_NONBLOCK SOCK_PACKET SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_STREAM SOL_AAL SOL_ALG
    SOL_ATM SOL_BLUETOOTH SOL_CAIF SOL_DCCP SOL_DECNET SOL_ICMPV6 SOL_IP SOL_IPV6 SOL_IRDA
    SOL_IUCV SOL_LLC SOL_NETBEUI SOL_NETLINK SOL_NFC SOL_PACKET SOL_PNPIPE SOL_PPPOL2TP
    SOL_RAW SOL_RDS SOL_RXRPC SOL_SOCKET SOL_TCP SOL_TIPC SOL_TLS SOL_UDP SOL_X25 SOL_XDP
    SO_ACCEPTCONN SO_ATTACH_BPF SO_ATTACH_FILTER SO_ATTACH_REUSEPORT_CBPF
    SO_ATTACH_REUSEPORT_EBPF SO_BINDTODEVICE SO_BINDTOIFINDEX SO_BPF_EXTENSIONS SO_BROADCAST
    SO_BSDCOMPAT SO_BUF_LOCK SO_BUSY_POLL SO_BUSY_POLL_BUDGET SO_CNX_ADVICE SO_COOKIE
    SO_DEBUG SO_DETACH_BPF SO_DETACH_FILTER SO_DETACH_REUSEPORT_BPF SO_DEVMEM_DONTNEED
    SO_DEVMEM_LINEAR SO_DOMAIN SO_DONTROUTE SO_ERROR SO_GET_FILTER SO_INCOMING_CPU
    SO_INCOMING_NAPI_ID SO_KEEPALIVE SO_LINGER SO_LOCK_FILTER SO_MARK SO_MAX_PACING_RATE
    SO_MEMINFO SO_NETNS_COOKIE SO_NOFCS SO_NO_CHECK SO_OOBINLINE SO_PASSCRED SO_PASSPIDFD
    SO_PASSSEC SO_PEEK_OFF SO_PEERCRED SO_PEERGROUPS SO_PEERNAME SO_PEERPIDFD SO_PEERSEC
    SO_PREFER_BUSY_POLL SO_PRIORITY SO_PROTOCOL SO_RCVBUF SO_RCVBUFFORCE SO_RCVLOWAT
    SO_RCVMARK SO_RCVTIMEO SO_RCVTIMEO_NEW SO_RESERVE_MEM SO_REUSEADDR SO_REUSEPORT
    SO_RXQ_OVFL SO_SECURITY_AUTHENTICATION SO_SECURITY_ENCRYPTION_NETWORK
    SO_SECURITY_ENCRYPTION_TRANSPORT SO_SELECT_ERR_QUEUE SO_SNDBUF SO_SNDBUFFORCE SO_SNDLOWAT
    SO_SNDTIMEO SO_SNDTIMEO_NEW SO_TIMESTAMP SO_TIMESTAMPING SO_TIMESTAMPING_NEW
    SO_TIMESTAMPNS SO_TIMESTAMPNS_NEW SO_TIMESTAMP_NEW SO_TXREHASH SO_TXTIME SO_TYPE
    SO_WIFI_STATUS SO_ZEROCOPY SPLICE_F_GIFT SPLICE_F_MORE SPLICE_F_MOVE SPLICE_F_NONBLOCK
    STATX_ALL STATX_ATIME STATX_BASIC_STATS STATX_BLOCKS STATX_BTIME STATX_CTIME
    STATX_DIOALIGN STATX_DIO_READ_ALIGN STATX_GID STATX_INO STATX_MNT_ID STATX_MNT_ID_UNIQUE
    STATX_MODE STATX_MTIME STATX_NLINK STATX_SIZE STATX_SUBVOL STATX_TYPE STATX_UID
    STATX_WRITE_ATOMIC STICKY_TIMEOUTS SYNC_FILE_RANGE_WAIT_AFTER SYNC_FILE_RANGE_WAIT_BEFORE
    SYNC_FILE_RANGE_WRITE S_IEXEC S_IFBLK S_IFCHR S_IFDIR S_IFIFO S_IFLNK S_IFMT S_IFREG
    S_IFSOCK S_IREAD S_IRGRP S_IROTH S_IRUSR S_IRWXG S_IRWXO S_IRWXU S_ISGID S_ISUID
    S_ISVTX S_IWGRP S_IWOTH S_IWRITE S_IWUSR S_IXGRP S_IXOTH S_IXUSR TCFLSH TCGETA
    TCGETS TCGETS2 TCGETX TCP_CC_INFO TCP_CONGESTION TCP_CORK TCP_DEFER_ACCEPT TCP_FASTOPEN
    TCP_FASTOPEN_CONNECT TCP_FASTOPEN_KEY TCP_FASTOPEN_NO_COOKIE TCP_INFO TCP_INQ TCP_KEEPCNT
    TCP_KEEPIDLE TCP_KEEPINTVL TCP_LINGER2 TCP_MAXSEG TCP_MD5SIG TCP_MD5SIG_EXT TCP_NODELAY
    TCP_NOTSENT_LOWAT TCP_QUEUE_SEQ TCP_QUICKACK TCP_REPAIR TCP_REPAIR_OPTIONS
    TCP_REPAIR_QUEUE TCP_REPAIR_WINDOW TCP_SAVED_SYN TCP_SAVE_SYN TCP_SYNCNT TCP_THIN_DUPACK
    TCP_THIN_LINEAR_TIMEOUTS TCP_TIMESTAMP TCP_ULP TCP_USER_TIMEOUT TCP_WINDOW_CLAMP
    TCP_ZEROCOPY_RECEIVE TCSBRK TCSBRKP TCSETA TCSETAF TCSETAW TCSETS TCSETS2 TCSETSF
    TCSETSF2 TCSETSW TCSETSW2 TCSETX TCSETXF TCSETXW TCXONC TFD_CLOEXEC TFD_NONBLOCK
    TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET TIMER_ABSTIME TIOCCBRK TIOCCONS TIOCEXCL
    TIOCGDEV TIOCGETD TIOCGEXCL TIOCGICOUNT TIOCGLCKTRMIOS TIOCGPGRP TIOCGPKT TIOCGPTLCK
    TIOCGPTN TIOCGPTPEER TIOCGRS485 TIOCGSERIAL TIOCGSID TIOCGSOFTCAR TIOCGWINSZ TIOCINQ
    TIOCLINUX TIOCMBIC TIOCMBIS TIOCMGET TIOCMIWAIT TIOCMSET TIOCNOTTY TIOCNXCL TIOCOUTQ
    TIOCPKT TIOCSBRK TIOCSCTTY TIOCSERCONFIG TIOCSERGETLSR TIOCSERGETMULTI TIOCSERGSTRUCT
    TIOCSERGWILD TIOCSERSETMULTI TIOCSERSWILD TIOCSETD TIOCSIG TIOCSLCKTRMIOS TIOCSPGRP
    TIOCSPTLCK TIOCSRS485 TIOCSSERIAL TIOCSSOFTCAR TIOCSTI TIOCSWINSZ TIOCVHANGUP
    TUNATTACHFILTER TUNDETACHFILTER TUNGETDEVNETNS TUNGETFEATURES TUNGETFILTER TUNGETIFF
    TUNGETSNDBUF TUNGETVNETBE TUNGETVNETHDRSZ TUNGETVNETLE TUNSETCARRIER TUNSETDEBUG
    TUNSETFILTEREBPF TUNSETGROUP TUNSETIFF TUNSETIFINDEX TUNSETLINK TUNSETNOCSUM
    TUNSETOFFLOAD TUNSETOWNER TUNSETPERSIST TUNSETQUEUE TUNSETSNDBUF TUNSETSTEERINGEBPF
    TUNSETTXFILTER TUNSETVNETBE TUNSETVNETHDRSZ TUNSETVNETLE UMOUNT_NOFOLLOW UNAME26
    USRQUOTA WCONTINUED WEXITED WHOLE_SECONDS WNOHANG WNOWAIT WSTOPPED WUNTRACED W_OK
    XATTR_CREATE XATTR_REPLACE X_OK __WALL __WCLONE __WNOTHREAD
}
