//! Starts a program that lacks system calls, as a container's profile or a host's setting takes them:
//! to show that jail does without them, or says that it cannot.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// clone(2)'s flags of new namespaces, as container profiles mask them, CLONE_NEWTIME aside.
const NEW_NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

/// What makes or enters a namespace, clone(2) with flags aside.
const NAMESPACES: &[i64] = &[libc::SYS_unshare, libc::SYS_setns];

/// What Docker's default profile and its like keep for capabilities that a container lacks: the calls
/// that bear upon a jail, and the administrator's.
const CONTAINER: &[i64] = &[
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_fanotify_init,
    libc::SYS_fsopen,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_sethostname,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
];

/// What older profiles do not know, or keep as well.
const OLD_CONTAINER: &[i64] = &[
    libc::SYS_landlock_create_ruleset,
    libc::SYS_mseal,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
];

/// All of Landlock.
const LANDLOCK: &[i64] = &[
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// `without WHAT COMMAND…`: runs the command so that `namespaces` cannot be made, or in a `container`,
/// or in an `old-container`, or so that calls of `ptrace`, `seccomp` or `landlock` fail; `traces`: under a
/// filter that answers times(2) with SECCOMP_RET_TRACE.
pub fn without(arguments: &[String]) -> i32 {
    let Some((what, command)) = arguments.split_first() else {
        return 2;
    };
    if what == "traces" {
        let trace = SeccompAction::Trace(7);
        return match filter([(libc::SYS_times, vec![])].into(), trace) {
            Some(program) => run_under(&[program], command),
            None => 2,
        };
    }
    let denied = match what.as_str() {
        "namespaces" => NAMESPACES.to_vec(),
        "container" => [NAMESPACES, CONTAINER].concat(),
        "old-container" => [NAMESPACES, CONTAINER, OLD_CONTAINER].concat(),
        "ptrace" => vec![libc::SYS_ptrace],
        "seccomp" => vec![libc::SYS_seccomp],
        "landlock" => LANDLOCK.to_vec(),
        _ => return 2,
    };
    match (denying(&denied), missing_clone3()) {
        // The last one may deny seccomp(2) itself.
        (Some(denied), Some(missing)) => run_under(&[missing, denied], command),
        _ => 2,
    }
}

/// Runs a command under these filters.
fn run_under(filters: &[BpfProgram], command: &[String]) -> i32 {
    let Some((program, arguments)) = command.split_first() else {
        return 2;
    };
    // Each sets no_new_privs.
    for filter in filters {
        if let Err(error) = seccompiler::apply_filter(filter) {
            eprintln!("cannot load the filter: {error}");
            return 1;
        }
    }
    let error = Command::new(program).args(arguments).exec();
    eprintln!("cannot execute {program}: {error}");
    127
}

/// Answers these with EPERM, and clone with a flag of a new namespace.
fn denying(calls: &[i64]) -> Option<BpfProgram> {
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        calls.iter().map(|&call| (call, vec![])).collect();
    let flags = |flag: i32| {
        let mask = SeccompCmpOp::MaskedEq(flag as u64);
        let condition =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, mask, flag as u64).ok()?;
        SeccompRule::new(vec![condition]).ok()
    };
    let each = (0..31)
        .map(|bit| 1i32 << bit)
        .filter(|flag| NEW_NAMESPACES & flag != 0);
    rules.insert(libc::SYS_clone, each.map(flags).collect::<Option<_>>()?);
    filter(rules, SeccompAction::Errno(libc::EPERM as u32))
}

/// clone3(2) hides its flags in memory: profiles answer ENOSYS, and the C library takes clone.
fn missing_clone3() -> Option<BpfProgram> {
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    filter([(libc::SYS_clone3, vec![])].into(), missing)
}

fn filter(
    rules: std::collections::BTreeMap<i64, Vec<SeccompRule>>,
    action: SeccompAction,
) -> Option<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().ok()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture).ok()?;
    filter.try_into().ok()
}
