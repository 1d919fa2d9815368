//! A command that runs without a supervisor: this process passes signals on, stops as the command stops,
//! and waits for its end. It traces nothing.

use super::control::forward;
use super::{Ending, Options, Outcome, Stats, SuperviseError};
use crate::launch::Started;
use crate::sys::{self, Errno, signal};
use crate::trace::Exit;
use std::time::Duration;

/// Waits for a started command and for what it leaves behind.
pub fn run(started: &Started, options: &Options) -> Result<Outcome, SuperviseError> {
    let failed = |call: &'static str| {
        move |errno| {
            started.kill();
            SuperviseError::System { call, errno }
        }
    };
    // What the command leaves behind becomes a child of this process.
    sys::process::adopt_orphans().map_err(failed("prctl(PR_SET_CHILD_SUBREAPER)"))?;
    let ticks = match options.stand_in {
        true => forward::catch().map_err(failed("sigaction"))?,
        false => true,
    };
    if !ticks {
        signal::block(libc::SIGCHLD).map_err(failed("sigprocmask"))?;
    }
    let mut relay = Relay {
        main: started.pid,
        exit: None,
        interrupted: false,
    };
    loop {
        if relay.pass_on() {
            break;
        }
        match next(ticks) {
            Ok(Some((pid, status))) if pid == relay.main => {
                relay.main_changed(status).map_err(failed("kill"))?;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => break,
            Err(errno) => return Err(failed("wait4")(errno)),
        }
    }
    if let Some(failure) = started.failure() {
        return Err(SuperviseError::Launch(failure));
    }
    let exit = relay.exit.ok_or(SuperviseError::MainLost)?;
    Ok(Outcome {
        exit,
        ending: Ending::Exited,
        interrupted: relay.interrupted && exit == Exit::Signal(libc::SIGINT),
        stats: Stats::default(),
    })
}

/// How late a signal is passed on that came just before a wait, where no timer ends the wait.
const LATE: Duration = Duration::from_millis(50);

/// Waits for the next change of a child. `ticks`: whether a timer ends a wait that a signal came just before; else
/// the wait ends by itself, and SIGCHLD must be blocked.
fn next(ticks: bool) -> Result<Option<(i32, i32)>, Errno> {
    if ticks {
        return sys::wait::wait(-1, libc::WUNTRACED);
    }
    let found = sys::wait::wait(-1, libc::WUNTRACED | libc::WNOHANG)?;
    if found.is_none() {
        signal::child(LATE)?;
    }
    Ok(found)
}

struct Relay {
    main: i32,
    exit: Option<Exit>,
    interrupted: bool,
}

impl Relay {
    /// Passes on what was sent to this process. The terminal's own signals have reached the command, which
    /// is in the same process group.
    /// Returns whether this process is asked to end, and the command has ended: what it left behind is then
    /// not waited for.
    fn pass_on(&mut self) -> bool {
        let mut ends = false;
        while let Some(arrived) = signal::take() {
            if forward::is_for_group(&arrived) {
                self.interrupted |= arrived.signal == libc::SIGINT;
            } else if self.exit.is_none() {
                let _ = sys::process::kill(self.main, arrived.signal);
            }
            ends |= self.exit.is_some() && forward::ENDING.contains(&arrived.signal);
        }
        signal::rest();
        ends
    }

    fn main_changed(&mut self, status: i32) -> Result<(), Errno> {
        if libc::WIFSTOPPED(status) {
            signal::stop_self(libc::WSTOPSIG(status))?;
            let _ = sys::process::kill(self.main, libc::SIGCONT);
        } else if libc::WIFEXITED(status) {
            self.exit = Some(Exit::Code(libc::WEXITSTATUS(status)));
        } else {
            self.exit = Some(Exit::Signal(libc::WTERMSIG(status)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Fork};
    use std::time::Instant;

    #[test]
    fn without_a_timer_no_wait_lasts_and_no_end_is_late() {
        signal::block(libc::SIGCHLD).expect("a mask");
        let child = || match process::fork().expect("a process") {
            Fork::Child => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            Fork::Parent(pid) => pid,
        };
        let (pid, start) = (child(), Instant::now());
        // A signal that has come before the wait is looked at after it.
        assert_eq!(next(false), Ok(None));
        assert!(start.elapsed() < 20 * LATE, "{:?}", start.elapsed());
        process::kill(pid, libc::SIGKILL).expect("kill");
        let mut found = None;
        while found.is_none() {
            found = next(false).expect("a child");
        }
        assert_eq!(found, Some((pid, libc::SIGKILL)));
        assert_eq!(next(false), Err(Errno::ECHILD));
    }
}
