//! Status words of wait(2) for a seized tracee, decoded by number: real-time signals included,
//! which nix's `WaitStatus` cannot name.

use super::{Stopped, Tid};

/// The result of a wait.
#[derive(Debug)]
#[must_use]
pub enum Wait {
    /// The tracee has ended. No ptrace request may be made on it.
    Gone(Tid, Exit),
    /// The tracee is in a ptrace-stop until it is resumed.
    Stopped(Stopped, Stop),
    /// A signal handler of this thread ran.
    Interrupted,
}

/// How a process or thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By exit, with this code, 0 to 255.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// The ptrace-stops of ptrace(2), each with the usual answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Seccomp-stop: SECCOMP_RET_TRACE, before the call. `Continue` runs it, `Return` answers it.
    Seccomp,
    /// Event-stop of the parent in fork(2); the message is the child. `Continue`.
    Fork,
    /// The same for vfork(2).
    Vfork,
    /// The same for clone(2) with another termination signal than SIGCHLD: threads above all.
    Clone,
    /// Exec-stop: the new image is loaded, none of it has run; the message is the tid that the
    /// thread had before. `Continue`.
    Exec,
    /// Exit-stop: a thread is about to end, and still has its memory ([`Stopped::watch_exits`]). A thread
    /// that is killed may end without one. `Continue`: SIGKILL does not end this stop.
    Exit,
    /// Signal-delivery-stop. `Deliver` with the same signal leaves its siginfo intact.
    Signal(i32),
    /// Group-stop by this stop signal. `Listen`, so that it stays stopped.
    Group(i32),
    /// First stop of a child that was attached when it was created, or the end of a group-stop.
    /// `Continue`.
    Attach,
    /// Syscall-stop: the entry or the exit of a call, after [`Resume::and_stop`](super::Resume::and_stop).
    Syscall,
    /// Any other stop; no option requests one. `Continue`.
    Other(i32),
}

impl Wait {
    /// Decodes a status word: see "PTRACE_SEIZE" and "Group-stop" in ptrace(2).
    pub fn decode(tid: Tid, status: i32) -> Self {
        if libc::WIFEXITED(status) {
            return Self::Gone(tid, Exit::Code(libc::WEXITSTATUS(status)));
        }
        if libc::WIFSIGNALED(status) {
            return Self::Gone(tid, Exit::Signal(libc::WTERMSIG(status)));
        }
        Self::Stopped(Stopped::new(tid), Stop::decode(status))
    }
}

impl Stop {
    fn decode(status: i32) -> Self {
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Self::Syscall,
            0 => Self::Signal(signal),
            libc::PTRACE_EVENT_SECCOMP => Self::Seccomp,
            libc::PTRACE_EVENT_FORK => Self::Fork,
            libc::PTRACE_EVENT_VFORK => Self::Vfork,
            libc::PTRACE_EVENT_CLONE => Self::Clone,
            libc::PTRACE_EVENT_EXEC => Self::Exec,
            libc::PTRACE_EVENT_EXIT => Self::Exit,
            libc::PTRACE_EVENT_STOP => match signal {
                libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {
                    Self::Group(signal)
                }
                _ => Self::Attach,
            },
            _ => Self::Other(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(status: i32) -> Stop {
        match Wait::decode(7, status) {
            Wait::Stopped(stopped, stop) => {
                stopped.forget();
                stop
            }
            other => panic!("not a stop: {other:?}"),
        }
    }

    fn stopped_by(signal: i32, event: i32) -> i32 {
        event << 16 | signal << 8 | 0x7f
    }

    #[test]
    fn exits_and_deaths_are_told_apart() {
        assert!(matches!(
            Wait::decode(7, 3 << 8),
            Wait::Gone(7, Exit::Code(3))
        ));
        assert!(matches!(
            Wait::decode(7, libc::SIGKILL),
            Wait::Gone(7, Exit::Signal(9))
        ));
        // With a core dump (bit 7), and by a real-time signal, which nix cannot decode.
        assert!(matches!(
            Wait::decode(7, 11 | 0x80),
            Wait::Gone(7, Exit::Signal(11))
        ));
        assert!(matches!(
            Wait::decode(7, 40),
            Wait::Gone(7, Exit::Signal(40))
        ));
    }

    #[test]
    fn every_event_has_its_stop() {
        let event = |event| stop(stopped_by(libc::SIGTRAP, event));
        assert_eq!(event(libc::PTRACE_EVENT_SECCOMP), Stop::Seccomp);
        assert_eq!(event(libc::PTRACE_EVENT_FORK), Stop::Fork);
        assert_eq!(event(libc::PTRACE_EVENT_VFORK), Stop::Vfork);
        assert_eq!(event(libc::PTRACE_EVENT_CLONE), Stop::Clone);
        assert_eq!(event(libc::PTRACE_EVENT_EXEC), Stop::Exec);
        assert_eq!(event(libc::PTRACE_EVENT_STOP), Stop::Attach);
        assert_eq!(event(libc::PTRACE_EVENT_EXIT), Stop::Exit);
        let vfork_done = libc::PTRACE_EVENT_VFORK_DONE;
        assert!(matches!(event(vfork_done), Stop::Other(_)));
    }

    #[test]
    fn a_signal_delivery_is_not_a_group_stop() {
        for signal in (1..=64).filter(|&signal| signal != libc::SIGKILL) {
            assert_eq!(stop(stopped_by(signal, 0)), Stop::Signal(signal));
        }
        for signal in [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            assert_eq!(
                stop(stopped_by(signal, libc::PTRACE_EVENT_STOP)),
                Stop::Group(signal)
            );
        }
    }

    #[test]
    fn a_syscall_stop_is_not_a_sigtrap() {
        assert_eq!(stop(stopped_by(libc::SIGTRAP | 0x80, 0)), Stop::Syscall);
        assert_eq!(
            stop(stopped_by(libc::SIGTRAP, 0)),
            Stop::Signal(libc::SIGTRAP)
        );
    }
}
