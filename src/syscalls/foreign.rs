//! Names of system calls that Linux has on other architectures only.
//!
//! A policy written for several machines may name them; they have no effect on this one.

/// Whether another Linux architecture has or had a system call with that name that is not in the table.
pub fn foreign_name(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

/// Sorted.
#[rustfmt::skip]
pub(super) const NAMES: &[&str] = &[
    "_llseek", "_newselect", "arc_gettls", "arc_settls", "arc_usr_cmpxchg", "arm_fadvise64_64",
    "arm_sync_file_range", "atomic_barrier", "atomic_cmpxchg_32", "bdflush", "break", "breakpoint",
    "cachectl", "cacheflush", "chown32", "clock_adjtime64", "clock_getres_time64",
    "clock_gettime64", "clock_nanosleep_time64", "clock_settime64", "fadvise64_64", "fchown32",
    "fcntl64", "fstat64", "fstatat", "fstatat64", "fstatfs64", "ftime", "ftruncate64",
    "futex_time64", "get_tls", "getdomainname", "getdtablesize", "getegid32", "geteuid32",
    "getgid32", "getgroups32", "gethostname", "getpagesize", "getresgid32", "getresuid32",
    "getuid32", "getxgid", "getxpid", "getxuid", "gtty", "idle", "io_pgetevents_time64", "ipc",
    "kern_features", "lchown32", "llseek", "lock", "lstat64", "memory_ordering", "mmap2", "mpx",
    "mq_timedreceive_time64", "mq_timedsend_time64", "multiplexer", "newfstat", "nice", "oldfstat",
    "oldlstat", "oldolduname", "oldstat", "oldumount", "olduname", "or1k_atomic",
    "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "ppoll_time64", "prof", "profil",
    "pselect6_time64", "readdir", "recv", "recvmmsg_time64", "riscv_flush_icache", "riscv_hwprobe",
    "rt_sigtimedwait_time64", "rtas", "s390_guarded_storage", "s390_pci_mmio_read",
    "s390_pci_mmio_write", "s390_runtime_instr", "s390_sthyi", "sched_rr_get_interval_time64",
    "semtimedop_time64", "send", "sendfile64", "set_tls", "setfsgid32", "setfsuid32", "setgid32",
    "setgroups32", "setpgrp", "setregid32", "setresgid32", "setresuid32", "setreuid32", "setuid32",
    "sgetmask", "sigaction", "signal", "sigpending", "sigprocmask", "sigreturn", "sigsuspend",
    "socketcall", "spu_create", "spu_run", "ssetmask", "stat64", "statfs64", "stime", "stty",
    "subpage_prot", "swapcontext", "switch_endian", "sync_file_range2", "sys_debug_setcontext",
    "syscall", "sysmips", "timer_gettime64", "timer_settime64", "timerfd_gettime64",
    "timerfd_settime64", "truncate64", "ugetrlimit", "ulimit", "umount", "usr26", "usr32",
    "utimensat_time64", "utrap_install", "vm86", "vm86old", "waitpid",
];
