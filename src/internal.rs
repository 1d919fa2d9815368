//! The parts of the inner modules that this package's own tests and benchmarks use, and nothing else.
//!
//! It is not part of the library's interface, and changes without notice. An item is listed here only
//! while a file of `tests/`, `benches/` or `fuzz/` names it, so that the compiler reports what nothing uses.

#[cfg(feature = "cli")]
pub mod attack {
    pub use crate::commands::{Rehearsed, rehearse};
}

pub mod baseline {
    pub use crate::baseline::{ALWAYS, Baseline, Watch, closed};
}

pub mod condition {
    pub use crate::condition::Condition;
}

#[cfg(fuzzing)]
pub mod fuzz {
    pub use crate::fuzz::*;
}

pub mod judge {
    pub use crate::judge::{Code, Judge, Reason, Sentence, Standing, Verdict, explain_reason};

    pub mod remedy {
        pub use crate::judge::remedy::{Denied, Object, Remedy, remedy};
    }

    pub mod varying {
        pub use crate::judge::varying::Run;
    }
}

pub mod launch {
    pub use crate::launch::{Command, Withheld, probe, probe_for, ruleset, start};
}

pub mod net {
    pub use crate::net::Way;
}

pub mod paths {
    pub use crate::paths::{Access, Pattern};
}

pub mod plan {
    pub use crate::plan::{Host, MemoryCgroup, Plan, ProcElsewhere, TRACE_DATA};
}

pub mod policy {
    pub use crate::policy::{
        About, Action, Expect, Flag, FlagKind, Layers, Origin, PathContext, Policy, Rule, Target,
        Who, lint, locate, peer, presets, render,
    };
}

pub mod supervise {
    pub use crate::supervise::{Event, Observer, Options, run};
}

/// What `main` calls.
#[cfg(feature = "cli")]
pub use crate::sys::start::start;

pub mod sys {
    pub use crate::sys::Errno;

    pub mod landlock {
        pub use crate::sys::landlock::restrict_self;
    }

    pub mod memory {
        pub use crate::sys::memory::SharedWords;
    }

    pub mod process {
        pub use crate::sys::process::{
            CStrings, Fork, become_descriptor, close_range, execve, exit, fork, no_new_privs,
            set_dumpable,
        };
    }

    pub mod ptrace {
        pub use crate::sys::ptrace::{cont, seize};
    }

    pub mod signal {
        pub use crate::sys::signal::pipe_was_ignored;
    }

    pub mod wait {
        pub use crate::sys::wait::wait;
    }
}

pub mod syscalls {
    pub use crate::syscalls::{
        Call, Errno, Kind, Syscall, all, by_name, by_number, constant, constants, group, groups,
        parse_call, signal_by_name, signal_name,
    };

    pub mod arch {
        pub use crate::syscalls::arch::{Arch, NATIVE};
    }

    pub mod named {
        pub use crate::syscalls::named::{Asks, NAMED};
    }
}

pub mod trace {
    pub use crate::trace::Tid;
}
