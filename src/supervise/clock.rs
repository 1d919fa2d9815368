//! A clock: a child of the supervisor that stops itself again and again, so that a wait that would
//! last wakes up in between. It takes neither a signal handler nor a thread of the program that runs
//! the jail.
//!
//! It is traced, for its stops to be seen and for it to die with the supervisor, and is no part of the
//! jail: nothing of the policy is about it.

use crate::launch::User;
use crate::sys::process::{self, Fork};
use crate::sys::{Errno, signal};
use crate::trace::{self, Tid};
use std::time::Duration;

/// How often it is tried to seize it, which it must let happen first.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_micros(200);

/// One that ticks until it is stopped.
pub struct Clock {
    tid: Tid,
}

impl Clock {
    /// Starts one, as a tracee of this thread. `every`: how often it ticks. `user`: whom this thread becomes while a jail runs,
    /// who must be able to end it.
    pub fn start(every: Duration, user: Option<&User>) -> Result<Clock, Errno> {
        let tid = match process::fork()? {
            // What it inherits it must not keep open: somebody may wait for the end of a pipe.
            Fork::Child => {
                let _ = process::close_range(0, u32::MAX);
                // Jail itself is not dumpable, and nobody but root may trace what is not.
                let _ = process::set_dumpable(true);
                if user.is_some_and(|user| user.take(None).is_err()) {
                    process::exit(1);
                }
                signal::tick_for_ever(every)
            }
            Fork::Parent(tid) => tid,
        };
        let clock = Clock { tid };
        for _ in 0..TRIES {
            match trace::seize(tid) {
                Ok(()) => return Ok(clock),
                // It has not yet let itself be traced.
                Err(Errno::EPERM) => std::thread::sleep(PAUSE),
                Err(errno) => {
                    clock.stop();
                    return Err(errno);
                }
            }
        }
        clock.stop();
        Err(Errno::EPERM)
    }

    /// Its id.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Whether this is the clock.
    pub fn is(&self, tid: Tid) -> bool {
        self.tid == tid
    }

    /// Ends it; it is waited for as all tracees are.
    pub fn stop(&self) {
        let _ = process::kill(self.tid, libc::SIGKILL);
    }
}
