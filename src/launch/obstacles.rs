//! Why a host does not grant namespaces. This reads /proc only after a call has failed; whether
//! namespaces are granted is found out by creating them.

use super::unavailable::Unavailable;
use super::{Circumstances, Isolation, Step};
use crate::sys::Errno;

/// The reason why a step of the child failed; `None` if the step is not about namespaces.
pub fn at(isolation: &Isolation, step: Step, errno: Errno) -> Option<Unavailable> {
    let namespaces = matches!(
        step,
        Step::Maps
            | Step::Loopback
            | Step::Private
            | Step::ReadOnly
            | Step::Temporary
            | Step::Start
            | Step::Proc
            | Step::Init
    );
    if !namespaces {
        return None;
    }
    let mut found = of(isolation, step.name(), errno);
    match (step, errno) {
        (Step::Maps, Errno::EPERM) if nix::unistd::geteuid().is_root() => {
            // user_namespaces(7): the process that maps user 0 of the parent namespace needs it.
            found.reason += ", or root lacks CAP_SETFCAP, which is needed since Linux 5.12";
        }
        (Step::Proc, Errno::EPERM) => {
            found.reason +=
                ": mounts hide parts of this container's /proc, which a new /proc would show";
            found.help = "remove \"pid\" or \"mount\", or run jail outside of the container";
        }
        (Step::ReadOnly, Errno::ENOSYS) => {
            found.help = "\"read-only\" needs Linux 5.12: remove it";
        }
        _ => {}
    }
    Some(found)
}

/// The reason why a call that creates namespaces failed.
pub fn of(isolation: &Isolation, call: &str, errno: Errno) -> Unavailable {
    let setting = |path: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/{path}"));
        text.ok().and_then(|text| text.trim().parse::<u64>().ok())
    };
    let filtered = Circumstances::read(None).filtered;
    let (reason, help) = reason(isolation, errno, filtered, setting);
    Unavailable {
        place: isolation.place.clone(),
        key: "isolate",
        reason: format!("{call}: {} ({errno:?}){reason}", errno.desc()),
        help,
    }
}

const REMOVE: &str = "remove `isolate`, or run jail where namespaces are allowed";

/// `filtered`: whether this process is under a seccomp filter; `setting` reads a number of /proc/sys.
fn reason(
    isolation: &Isolation,
    errno: Errno,
    filtered: bool,
    setting: impl Fn(&str) -> Option<u64>,
) -> (String, &'static str) {
    let most = [
        (isolation.needs_users(), "user"),
        (isolation.pid, "pid"),
        (isolation.net, "net"),
        (isolation.ipc, "ipc"),
        (isolation.uts, "uts"),
        (isolation.mount, "mnt"),
    ];
    let mut asked = most.iter().filter(|(asked, _)| *asked);
    let none = asked.find(|(_, kind)| setting(&format!("user/max_{kind}_namespaces")) == Some(0));
    if let Some((_, kind)) = none {
        return (
            format!(": user.max_{kind}_namespaces is 0"),
            "set it higher with sysctl, or remove `isolate`",
        );
    }
    if errno == Errno::ENOSPC {
        return (
            ": the limit of user.max_*_namespaces is reached, or namespaces are nested 32 deep"
                .to_owned(),
            REMOVE,
        );
    }
    let lacks = match errno {
        Errno::EINVAL => Some(": this kernel lacks one of these namespaces (CONFIG_NAMESPACES)"),
        Errno::ENOSYS if !filtered => Some(": this kernel has no such call"),
        _ => None,
    };
    if let Some(lacks) = lacks {
        return (lacks.to_owned(), REMOVE);
    }
    if filtered && matches!(errno, Errno::EPERM | Errno::ENOSYS) {
        return (
            ": this container's seccomp profile forbids it".to_owned(),
            "allow `clone` and `mount` in it (docker: --security-opt seccomp=PROFILE), or remove `isolate`",
        );
    }
    if !isolation.needs_users() {
        return (
            ": this container or a security module forbids it".to_owned(),
            REMOVE,
        );
    }
    if setting("kernel/unprivileged_userns_clone") == Some(0) {
        return (
            ": kernel.unprivileged_userns_clone is 0, and the caller has no CAP_SYS_ADMIN"
                .to_owned(),
            "set it to 1 with sysctl, start jail as root, or remove `isolate`",
        );
    }
    if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return (
            ": kernel.apparmor_restrict_unprivileged_userns is 1, and the caller has no CAP_SYS_ADMIN"
                .to_owned(),
            "give jail an AppArmor profile with `userns`, start it as root, or remove `isolate`",
        );
    }
    (
        ": the caller has no CAP_SYS_ADMIN, and a chroot, this container or a security module forbids user namespaces"
            .to_owned(),
        REMOVE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_has_its_own_sentence() {
        let isolation = Isolation {
            user: true,
            net: true,
            ..Isolation::default()
        };
        let says = |errno, name: &'static str, value| {
            let setting = |path: &str| (path == name).then_some(value);
            reason(&isolation, errno, false, setting).0
        };
        let contained = reason(&isolation, Errno::EPERM, true, |_| None);
        assert!(contained.0.contains("seccomp profile") && contained.1.contains("docker"));
        let none = |kind| says(Errno::ENOSPC, kind, 0);
        assert!(none("user/max_user_namespaces").contains("user.max_user_namespaces is 0"));
        assert!(none("user/max_net_namespaces").contains("user.max_net_namespaces is 0"));
        assert!(none("user/max_pid_namespaces").contains("the limit of user.max_*_namespaces"));
        let name = "kernel/unprivileged_userns_clone";
        assert!(says(Errno::EPERM, name, 0).contains("unprivileged_userns_clone is 0"));
        let name = "kernel/apparmor_restrict_unprivileged_userns";
        assert!(says(Errno::EPERM, name, 1).contains("apparmor_restrict_unprivileged_userns is 1"));
        assert!(says(Errno::EPERM, name, 0).contains("no CAP_SYS_ADMIN"));
        assert!(says(Errno::EINVAL, name, 1).contains("CONFIG_NAMESPACES"));
        assert!(says(Errno::ENOSYS, name, 1).contains("this kernel has no such call"));
    }
}
