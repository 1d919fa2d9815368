//! SIGTERM, SIGINT and SIGHUP: these end the running commands, whose verdicts are written, and then the
//! batch itself.

use crate::supervise::{StopHandle, StopReason};
use crate::sys::{event, signal};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The signals. One that was ignored when the batch was started, as by nohup(1), stays ignored.
const ENDS: [i32; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// After this time, a second signal ends the batch at once. Some programs send the first one twice:
/// timeout(1) sends it to a process and to its group.
const AGAIN: Duration = Duration::from_secs(1);

/// A command of the same process group may die of a signal before this process notes it: how long to
/// wait for that.
const LATE: Duration = Duration::from_millis(20);

/// Ends all running commands.
pub struct Stop {
    wanted: AtomicBool,
    running: Mutex<Running>,
    idle: Condvar,
    /// Readable once a signal has arrived, or the batch has ended. `None`: signals end the batch in the
    /// default way.
    woken: Option<OwnedFd>,
}

/// The running commands.
#[derive(Default)]
struct Running {
    next: u64,
    stop_handles: Vec<(u64, StopHandle)>,
}

/// A running command, until this is dropped after its verdict is written.
pub struct Run<'a> {
    stop: &'a Stop,
    id: u64,
    /// Ends it.
    pub stop_handle: StopHandle,
}

impl Stop {
    /// Notes these signals from now on.
    pub fn new() -> Stop {
        Stop {
            wanted: AtomicBool::new(false),
            running: Mutex::default(),
            idle: Condvar::new(),
            woken: signal::wake_on(&ENDS).ok(),
        }
    }

    /// Whether no further case must be started.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Prevents further cases from starting. Running ones continue.
    pub fn start_no_more(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// Registers a command that is about to run; `None` if no further one may start.
    pub fn run(&self) -> Option<Run<'_>> {
        let mut running = self.running();
        if self.is_wanted() {
            return None;
        }
        let (id, stop_handle) = (running.next, StopHandle::new());
        running.next += 1;
        running.stop_handles.push((id, stop_handle.clone()));
        Some(Run {
            stop: self,
            id,
            stop_handle,
        })
    }

    /// Whether a command that died of this signal, or failed, may have got the same signal as the batch:
    /// a terminal sends it to a whole process group, and so do kill(1) and timeout(1).
    pub fn has_hit(&self, died_of: Option<i32>) -> bool {
        let known = died_of.is_some_and(|signal| ENDS.contains(&signal));
        if known && self.woken.is_some() && !self.has_arrived() {
            std::thread::sleep(LATE);
        }
        self.has_arrived()
    }

    fn has_arrived(&self) -> bool {
        ENDS.into_iter().any(signal::has_arrived)
    }

    /// Waits for a signal, then for the end of the running commands, and ends this program by that
    /// signal; returns if the batch ends without one.
    pub fn watch(&self, before_end: impl FnOnce()) {
        let Some(woken) = &self.woken else { return };
        let mut fds = [PollFd::new(woken.as_fd(), PollFlags::POLLIN)];
        while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
        let Some(signal) = ENDS.into_iter().find(|&it| signal::has_arrived(it)) else {
            return;
        };
        let mut running = self.running();
        self.start_no_more();
        for (_, stop_handle) in &running.stop_handles {
            stop_handle.request(StopReason::Kill);
        }
        let mut patient = true;
        while !running.stop_handles.is_empty() {
            let waited = self.idle.wait_timeout(running, AGAIN);
            let (still, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            running = still;
            if patient && timeout.timed_out() {
                patient = false;
                for signal in ENDS.into_iter().filter(|&it| signal::is_handled(it)) {
                    let _ = signal::set_ignored(signal, false);
                }
            }
        }
        before_end();
        signal::die_by(signal);
    }

    /// Called when the batch has ended: lets [`Stop::watch`] return.
    pub fn over(&self) {
        if let Some(woken) = &self.woken {
            event::set(woken.as_fd());
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let mut running = self.stop.running();
        running.stop_handles.retain(|(id, _)| *id != self.id);
        if running.stop_handles.is_empty() {
            self.stop.idle.notify_all();
        }
    }
}
