//! The table of the baseline: one row per protection. Data only.
//!
//! Widths and argument orders are those of the `SYSCALL_DEFINE` lines of Linux 7.3; if the kernel reads
//! only 32 bits, so do the tests; otherwise a dirty upper half would bypass them.

use super::{Answer, Check, Rule, When};
use crate::condition::{Op, Test};
use crate::syscalls::{Errno, Width};

const EPERM: Answer = Answer::Deny(Errno::EPERM);
const ENOSYS: Answer = Answer::Quiet(Errno::ENOSYS);

/// Every call of the system call.
const EACH: When = When {
    text: "",
    any: &[&[]],
};

// linux/sched.h
/// `VM | FS | FILES | SIGHAND | THREAD | SYSVSEM`: all flags of unshare that make no namespace.
const UNSHARE_SHARED: u64 = 0x0005_0f00;
const CLONE_UNTRACED: u64 = 0x0080_0000;
/// `NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET`.
const CLONE_NEW: u64 = 0x7e02_0000;
// linux/mount.h
const OPEN_TREE_NAMESPACE: u64 = 1 << 1;
const FSMOUNT_NAMESPACE: u64 = 1 << 1;
// linux/seccomp.h
const SECCOMP_SET_MODE_FILTER: u64 = 1;
const SECCOMP_FILTER_FLAG_NEW_LISTENER: u64 = 1 << 3;
// asm-generic/ioctls.h, asm-generic/sockios.h
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;
// linux/resource.h, linux/ioprio.h
const PRIO_PROCESS: u32 = 0;
const IOPRIO_WHO_PROCESS: u32 = 1;
// linux/perf_event.h
const PERF_FLAG_PID_CGROUP: u64 = 1 << 2;
const MINUS_ONE: u64 = 0xffff_ffff;
// linux/prctl.h
const PR_SCHED_CORE: u64 = 62;
const PIDTYPE_PGID: u64 = 2;
// linux/keyctl.h, linux/userfaultfd.h
const KEYCTL_SESSION_TO_PARENT: u64 = 18;
const UFFD_USER_MODE_ONLY: u64 = 1;
const USERFAULTFD_IOC_NEW: u64 = 0xaa00;
// asm-generic/fcntl.h
const F_SETOWN: u64 = 8;
const F_SETOWN_EX: u64 = 15;

const fn test(arg: u8, op: Op, value: u64) -> Test {
    Test {
        arg,
        width: Width::Dword,
        mask: None,
        op,
        value,
    }
}
const fn is(arg: u8, value: u64) -> Test {
    test(arg, Op::Eq, value)
}
const fn is_not(arg: u8, value: u64) -> Test {
    test(arg, Op::Ne, value)
}
/// Any bit of `mask` is set.
const fn has_any(arg: u8, mask: u64) -> Test {
    Test {
        arg,
        width: Width::Dword,
        mask: Some(mask),
        op: Op::Ne,
        value: 0,
    }
}

/// No bit of `mask` is set.
const fn has_none(arg: u8, mask: u64) -> Test {
    Test {
        arg,
        width: Width::Dword,
        mask: Some(mask),
        op: Op::Eq,
        value: 0,
    }
}

/// The rules that every host needs.
#[rustfmt::skip]
pub(super) static COMMON: &[Rule] = &[
    Rule {
        id:       "no-ptrace",
        syscalls: &["ptrace"],
        when:     EACH,
        answer:   EPERM,
        reason:   "a traced process has one tracer, and here it is the jail",
        // ptrace(2): PTRACE_ATTACH to a traced process fails with EPERM anyway, so it could only reach
        // processes outside.
        attack:   "PTRACE_ATTACH to a process outside makes it run code there",
    },
    Rule {
        id:       "no-foreign-memory",
        syscalls: &["process_vm_readv", "process_vm_writev", "process_madvise"],
        when:     EACH,
        answer:   EPERM,
        reason:   "the jail may not read or change the memory of another process",
        attack:   "process_vm_writev into a process outside takes it over; process_madvise drops its pages",
    },
    Rule {
        id:       "no-pidfd-getfd",
        syscalls: &["pidfd_getfd"],
        when:     EACH,
        answer:   EPERM,
        reason:   "the jail may not take the descriptors of another process",
        // pidfd_getfd(2): Linux 5.6, under PTRACE_MODE_ATTACH_REALCREDS.
        attack:   "pidfd_getfd copies an open file or socket out of a process outside",
    },
    Rule {
        id:       "no-kcmp",
        syscalls: &["kcmp"],
        when:     EACH,
        answer:   EPERM,
        reason:   "kcmp compares kernel objects of other processes",
        attack:   "tells which descriptors two processes outside share, and orders kernel addresses",
    },
    Rule {
        id:       "no-listener",
        syscalls: &["seccomp"],
        when:     When {
            text: "operation == SECCOMP_SET_MODE_FILTER && (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0",
            any:  &[&[is(0, SECCOMP_SET_MODE_FILTER), has_any(1, SECCOMP_FILTER_FLAG_NEW_LISTENER)]],
        },
        answer:   EPERM,
        reason:   "a filter with a listener would switch the supervisor off",
        // seccomp(2): SECCOMP_RET_USER_NOTIF takes precedence over SECCOMP_RET_TRACE.
        // prctl(PR_SET_SECCOMP) has no flags.
        attack:   "USER_NOTIF takes precedence over TRACE, and its CONTINUE runs the call unseen",
    },
    Rule {
        id:       "no-untraced-clone",
        syscalls: &["clone"],
        when:     When { text: "(flags & CLONE_UNTRACED) != 0", any: &[&[has_any(0, CLONE_UNTRACED)]] },
        answer:   EPERM,
        reason:   "a child that is not traced would outlive the jail",
        // sys_clone takes an unsigned long and uses lower_32_bits() of it (kernel/fork.c).
        attack:   "an untraced child survives the supervisor's death, which kills all others",
    },
    Rule {
        id:       "no-namespaces",
        syscalls: &["clone"],
        when:     When {
            // CLONE_NEWTIME overlaps clone's exit signal (CSIGNAL), so only unshare has it.
            text: "(flags & (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)) != 0",
            any:  &[&[has_any(0, CLONE_NEW)]],
        },
        answer:   EPERM,
        reason:   "a new namespace gives capabilities and views that the policy did not foresee",
        attack:   "a user namespace gives all capabilities over new mount and network namespaces",
    },
    Rule {
        id:       "no-unshare",
        syscalls: &["unshare"],
        when:     When {
            // Every flag but the known harmless ones: Linux 7.1 has added UNSHARE_EMPTY_MNTNS, whose bit
            // means something else to clone.
            text: "(flags & ~(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)) != 0",
            any:  &[&[Test {
                width: Width::Qword,
                ..has_any(0, !UNSHARE_SHARED)
            }]],
        },
        answer:   EPERM,
        reason:   "a new namespace gives capabilities and views that the policy did not foresee",
        attack:   "a user namespace gives all capabilities over new mount and network namespaces",
    },
    Rule {
        id:       "no-tree-namespace",
        syscalls: &["open_tree", "open_tree_attr"],
        when:     When { text: "(flags & OPEN_TREE_NAMESPACE) != 0", any: &[&[has_any(2, OPEN_TREE_NAMESPACE)]] },
        answer:   EPERM,
        reason:   "a new namespace gives capabilities and views that the policy did not foresee",
        // linux/mount.h, Linux 7.0.
        attack:   "a mount namespace whose root is a directory of the jail's choice",
    },
    Rule {
        id:       "no-fsmount-namespace",
        syscalls: &["fsmount"],
        when:     When { text: "(flags & FSMOUNT_NAMESPACE) != 0", any: &[&[has_any(1, FSMOUNT_NAMESPACE)]] },
        answer:   EPERM,
        reason:   "a new namespace gives capabilities and views that the policy did not foresee",
        // linux/mount.h, Linux 7.1.
        attack:   "a mount namespace whose root is a file system of the jail's choice",
    },
    Rule {
        id:       "no-setns",
        syscalls: &["setns"],
        when:     EACH,
        answer:   EPERM,
        reason:   "another namespace gives capabilities and views that the policy did not foresee",
        attack:   "joins the namespaces of a process outside through a pidfd or /proc/PID/ns",
    },
    Rule {
        id:       "no-clone3",
        syscalls: &["clone3"],
        when:     EACH,
        answer:   ENOSYS,
        reason:   "clone3 takes its flags from memory, where a filter cannot see them",
        // clone3(2): Linux 5.3; glibc and musl fall back to clone on ENOSYS.
        attack:   "the flags that are denied to clone, where the filter cannot see them; libraries fall back to clone",
    },
    Rule {
        id:       "no-io-uring",
        syscalls: &["io_uring_setup", "io_uring_enter", "io_uring_register"],
        when:     EACH,
        answer:   ENOSYS,
        reason:   "io_uring opens, connects and sends without a system call",
        attack:   "every operation that a ring can do, without passing the filter",
    },
    Rule {
        id:       "no-terminal-input",
        syscalls: &["ioctl"],
        when:     When {
            text: "request in {TIOCSTI, TIOCLINUX}",
            any:  &[&[is(1, TIOCSTI)], &[is(1, TIOCLINUX)]],
        },
        answer:   EPERM,
        reason:   "types into the caller's terminal",
        // ioctl's request is an unsigned int to the kernel: TIOCSTI with a dirty upper half works
        // (CVE-2019-10063 of flatpak). TIOCLINUX pastes the selection (CVE-2023-1523 of snapd).
        attack:   "commands pushed into the terminal run in the caller's shell when the jail ends",
    },
    Rule {
        id:       "no-parent-keyring",
        syscalls: &["keyctl"],
        when:     When {
            text: "operation == KEYCTL_SESSION_TO_PARENT",
            any:  &[&[is(0, KEYCTL_SESSION_TO_PARENT)]],
        },
        answer:   EPERM,
        reason:   "the jail may not replace the keyring of the process outside that runs it",
        // keyctl(2): Linux 2.6.32; it requires the same user and a single-threaded parent, as jail is.
        attack:   "the command's parent is jail itself, which would use the keyring from then on",
    },
    Rule {
        id:       "no-kernel-faults",
        syscalls: &["userfaultfd"],
        when:     When {
            text: "(flags & UFFD_USER_MODE_ONLY) == 0",
            any:  &[&[has_none(0, UFFD_USER_MODE_ONLY)]],
        },
        answer:   EPERM,
        reason:   "a program that handles the kernel's page faults can block the supervisor",
        // userfaultfd(2): Linux 5.11; the kernel gives the same answer to a caller without privileges.
        attack:   "the path of a denied call lies in a page that never arrives: the report waits for ever",
    },
    Rule {
        id:       "no-fault-device",
        syscalls: &["ioctl"],
        when:     When { text: "request == USERFAULTFD_IOC_NEW", any: &[&[is(1, USERFAULTFD_IOC_NEW)]] },
        answer:   EPERM,
        reason:   "a program that handles the kernel's page faults can block the supervisor",
        // Documentation/admin-guide/mm/userfaultfd.rst: /dev/userfaultfd, Linux 6.1.
        attack:   "as userfaultfd, through the device, which root may open without any capability",
    },
    Rule {
        id:       "no-foreign-limits",
        syscalls: &["prlimit64"],
        when:     When { text: "pid != 0", any: &[&[is_not(0, 0)]] },
        answer:   Answer::Check(Check::Task { arg: 0 }),
        reason:   "only the jail's own processes may be given other limits",
        attack:   "RLIMIT_CPU 0 or RLIMIT_AS 0 on a process outside ends it; Landlock does not hold this",
    },
    Rule {
        id:       "no-foreign-priority",
        syscalls: &["setpriority"],
        when:     When {
            text: "which != PRIO_PROCESS || who != 0",
            any:  &[&[is_not(0, PRIO_PROCESS as u64)], &[is_not(1, 0)]],
        },
        answer:   Answer::Check(Check::Who { process: PRIO_PROCESS }),
        reason:   "only the jail's own processes may be slowed down",
        attack:   "PRIO_USER lowers everything that the user runs, jail's supervisor too",
    },
    Rule {
        id:       "no-foreign-ioprio",
        syscalls: &["ioprio_set"],
        when:     When {
            text: "which != IOPRIO_WHO_PROCESS || who != 0",
            any:  &[&[is_not(0, IOPRIO_WHO_PROCESS as u64)], &[is_not(1, 0)]],
        },
        answer:   Answer::Check(Check::Who { process: IOPRIO_WHO_PROCESS }),
        reason:   "only the jail's own processes may be slowed down",
        attack:   "IOPRIO_WHO_USER starves everything that the user runs",
    },
    Rule {
        id:       "no-foreign-scheduling",
        syscalls: &["sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"],
        when:     When { text: "pid != 0", any: &[&[is_not(0, 0)]] },
        answer:   Answer::Check(Check::Task { arg: 0 }),
        reason:   "only the jail's own processes may be rescheduled",
        attack:   "SCHED_IDLE on one busy core starves the supervisor or a process outside",
    },
    Rule {
        id:       "no-core-scheduling",
        syscalls: &["prctl"],
        when:     When {
            text: "option == PR_SCHED_CORE && ((arg3 & 0xffffffff) != 0 || (arg4 & 0xffffffff) == 2)",
            any:  &[&[is(0, PR_SCHED_CORE), is_not(2, 0)], &[is(0, PR_SCHED_CORE), is(3, PIDTYPE_PGID)]],
        },
        answer:   EPERM,
        reason:   "only the caller itself may be rescheduled",
        // kernel/sched/core_sched.c, Linux 5.14: cmd, pid and type are 32-bit.
        attack:   "a core cookie on a process outside keeps it from sharing cores",
    },
    Rule {
        id:       "no-foreign-pages",
        syscalls: &["migrate_pages", "move_pages"],
        when:     When { text: "pid != 0", any: &[&[is_not(0, 0)]] },
        answer:   Answer::Check(Check::Task { arg: 0 }),
        reason:   "only the jail's own memory may be moved",
        attack:   "moves the memory of a process outside between nodes, and tells where it lies",
    },
    Rule {
        id:       "no-system-profiling",
        syscalls: &["perf_event_open"],
        when:     When {
            text: "pid == -1 || (flags & PERF_FLAG_PID_CGROUP) != 0",
            any:  &[&[is(1, MINUS_ONE)], &[has_any(4, PERF_FLAG_PID_CGROUP)]],
        },
        answer:   EPERM,
        reason:   "profiling whole processors or cgroups sees processes outside",
        attack:   "samples the registers and stacks of whatever else runs",
    },
    Rule {
        id:       "no-foreign-profiling",
        syscalls: &["perf_event_open"],
        when:     When { text: "pid != 0", any: &[&[is_not(1, 0)]] },
        answer:   Answer::Check(Check::Task { arg: 1 }),
        reason:   "only the jail's own processes may be profiled",
        attack:   "samples the registers and stacks of a process outside",
    },
];

/// The rules for signals, needed if no Landlock domain restricts them (before Linux 6.12).
#[rustfmt::skip]
pub(super) static SIGNALS: &[Rule] = &[
    Rule {
        id:       "no-foreign-kill",
        syscalls: &["kill"],
        when:     EACH,
        answer:   Answer::Check(Check::Signal),
        reason:   "signals stay within the jail",
        attack:   "kill(0) and kill(-1) reach the supervisor and the caller's pipeline",
    },
    Rule {
        id:       "no-foreign-tkill",
        syscalls: &["tkill", "rt_sigqueueinfo"],
        when:     EACH,
        answer:   Answer::Check(Check::Task { arg: 0 }),
        reason:   "signals stay within the jail",
        attack:   "a signal to the supervisor or to any process of the same user",
    },
    Rule {
        id:       "no-foreign-tgkill",
        syscalls: &["tgkill", "rt_tgsigqueueinfo"],
        when:     EACH,
        // The thread is the target; the kernel checks that it belongs to the group.
        answer:   Answer::Check(Check::Task { arg: 1 }),
        reason:   "signals stay within the jail",
        attack:   "a signal to the supervisor or to any process of the same user",
    },
    Rule {
        id:       "no-pidfd-signals",
        syscalls: &["pidfd_send_signal"],
        when:     EACH,
        answer:   ENOSYS,
        reason:   "the registers do not tell which process a pidfd refers to",
        // pidfd_send_signal(2): Linux 5.1; libraries fall back to kill on ENOSYS.
        attack:   "a signal to the supervisor or to any process of the same user",
    },
    Rule {
        id:       "no-foreign-owner",
        syscalls: &["fcntl"],
        when:     When {
            text: "cmd == F_SETOWN && (arg & 0xffffffff) != 0",
            any:  &[&[is(1, F_SETOWN), is_not(2, 0)]],
        },
        answer:   Answer::Check(Check::Owner),
        reason:   "signals stay within the jail",
        attack:   "F_SETOWN and F_SETSIG make the kernel send SIGIO, or any signal, to a process outside",
    },
    Rule {
        id:       "no-owner-in-memory",
        syscalls: &["fcntl"],
        when:     When { text: "cmd == F_SETOWN_EX", any: &[&[is(1, F_SETOWN_EX)]] },
        answer:   EPERM,
        reason:   "F_SETOWN_EX takes its target from memory, where it cannot be checked",
        attack:   "as F_SETOWN, with a target that the filter cannot see",
    },
    Rule {
        id:       "no-socket-owner",
        syscalls: &["ioctl"],
        when:     When {
            text: "request in {FIOSETOWN, SIOCSPGRP}",
            any:  &[&[is(1, FIOSETOWN)], &[is(1, SIOCSPGRP)]],
        },
        answer:   EPERM,
        reason:   "these requests take their target from memory, where it cannot be checked",
        attack:   "as F_SETOWN, for sockets",
    },
];
