//! A command that runs without a supervisor: this process passes signals on, stops as the command stops,
//! and waits for its end. It traces nothing.

use super::control::forward;
use super::{Ending, Options, Outcome, Stats, SuperviseError};
use crate::launch::Started;
use crate::sys::{self, Errno, signal};
use crate::trace::Exit;

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
    if options.stand_in {
        forward::catch().map_err(failed("sigaction"))?;
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
        match sys::wait::wait(-1, libc::WUNTRACED) {
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
