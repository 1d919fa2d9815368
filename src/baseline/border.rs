//! What keeps a program in a domain from the processes outside of it. Nothing here knows which tasks are in a
//! domain.

use super::{Answer, Rule, When};
use crate::syscalls::Errno;

/// A process outside of the domains of the caller.
pub static NO_CROSSING: Rule = Rule {
    id: "no-crossing",
    syscalls: &[],
    when: When {
        text: "",
        any: &[&[]],
    },
    answer: Answer::Deny(Errno::EACCES),
    reason: "a program in a domain may not look into processes outside of it",
    attack: "a build script reads tokens of its parent in /proc/PID/environ",
};

/// The filter of a domain could not be installed.
pub static NO_FILTER: Rule = Rule {
    id: "no-domain-filter",
    syscalls: &[],
    when: When {
        text: "",
        any: &[&[]],
    },
    answer: Answer::Deny(Errno::EACCES),
    reason: "the filter of the domain could not be installed: a filter of the command's own may refuse seccomp or mmap",
    attack: "a program that enters no domain runs under the main policy alone",
};
