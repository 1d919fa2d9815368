//! Denials that get no message. They are in the log, in the report and in its counts.
//!
//! A denial is noise if the program's behaviour does not depend on it:
//!
//! - a probe that the kernel would refuse as well: libseccomp installs a filter without a program to
//!   learn which flags the kernel knows (`seccomp(SECCOMP_SET_MODE_FILTER, flag, NULL)`, EFAULT);
//! - a process that sets what its own core dump will contain, as the JVM does when it starts;
//! - cargo's locks, and its note of which crates were used, in a cache that the policy only lets be read.
//!
//! This depends on the object only, never on the program's name, which a program chooses itself.

use crate::judge::remedy::is_spare;
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::policy::Policy;
use crate::supervise::Object;
use crate::syscalls::Call;
use crate::trace::Tid;

/// The register of seccomp(2) that has the address of the filter.
const FILTER: usize = 2;

/// Whether a denial is noise; `pid` is the process that made the call.
pub fn is_noise(
    policy: &Policy,
    call: &Call,
    verdict: &Verdict,
    object: Option<&Object>,
    pid: impl FnOnce() -> Tid,
) -> bool {
    match (verdict.reason, object) {
        (Reason::Baseline(rule), None) => rule.id == "no-listener" && call.args[FILTER] == 0,
        (_, Some(Object::Path(path))) if path.access == Access::Write => {
            let rest = path.resolved.strip_prefix(b"/proc/");
            let own = rest.and_then(|rest| rest.strip_suffix(b"/coredump_filter"));
            own.is_some_and(|own| own == b"self" || own == pid().to_string().as_bytes())
                || verdict.domain.is_none()
                    && verdict.reason == Reason::PathDefault
                    && is_spare(policy, &path.resolved)
        }
        _ => false,
    }
}
