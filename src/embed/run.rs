//! A command from its start to its end, on this thread, with its streams.

use super::pump::{Pump, Wiring, Written};
use crate::launch::{self, Command, Nursery, Started};
use crate::plan::Plan;
use crate::policy::LimitKind;
use crate::supervise::{
    self, Bell, BellCall, Ending, Event, Observer, Options, Outcome, SuperviseError,
};
use crate::sys;
use crate::trace::Exit;
use std::sync::Arc;
use std::time::Duration;

/// How long whoever reads what is passed on may take, once a command was killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs a command, whose thread this is: it must have no other children. Also what it has written,
/// where that was asked for or `limits.output` says how much that may be.
pub fn run(
    mut command: Command,
    wiring: Wiring,
    plan: &Arc<Plan>,
    mut options: Options,
    nursery: Option<&mut Nursery>,
    observer: &mut dyn Observer,
) -> (Result<Outcome, SuperviseError>, Written) {
    if !wiring.is_empty() {
        options.bell.get_or_insert_with(Bell::new);
    }
    let bell = options.bell.clone().unwrap_or_default();
    let limit = plan.limits.output.as_ref().map(|limit| limit.value);
    let pump = match Pump::start(wiring, limit, &bell, &mut command) {
        Ok(pump) => pump,
        Err(error) => {
            let failed = SuperviseError::Streams(error);
            return (Err(failed), Written::default());
        }
    };
    let stand_in = options.stand_in;
    let mut result = supervised(command, plan, options, nursery, observer);
    if stand_in {
        // Nobody is left to stop with: the terminal stops this process while it waits for a reader.
        for signal in [libc::SIGTSTP, libc::SIGTTIN] {
            let _ = sys::signal::set_ignored(signal, false);
        }
    }
    // What is left to be read is a whole output's end; what was killed is cut off somewhere anyway.
    let patience = match &result {
        Ok(outcome) if outcome.ending == Ending::Exited && !was_asked(outcome) => None,
        _ => Some(PATIENCE),
    };
    let written = pump.map(|pump| pump.finish(patience)).unwrap_or_default();
    // The last of it was read when nobody was left.
    if let Ok(outcome) = &mut result
        && outcome.ending == Ending::Exited
        && bell.rung() == Some(BellCall::Output)
    {
        observer.event(&Event::Limit(LimitKind::Output));
        outcome.ending = Ending::Limit(LimitKind::Output);
    }
    (result, written)
}

/// Whether a command died of a signal that this program has got, too, and passed on: it was asked to end, and
/// must not wait for a reader any longer than if it had been killed.
fn was_asked(outcome: &Outcome) -> bool {
    match outcome.exit {
        Exit::Signal(signal) => sys::signal::has_ever_arrived(signal),
        Exit::Code(_) => false,
    }
}

fn supervised(
    command: Command,
    plan: &Arc<Plan>,
    options: Options,
    nursery: Option<&mut Nursery>,
    observer: &mut dyn Observer,
) -> Result<Outcome, SuperviseError> {
    let supervise = |started: Started| {
        // Neither jail's memory nor its descriptors are to be had through /proc or ptrace. A child that
        // was forked has an address space of its own, and any child's execve makes it dumpable again.
        if options.stand_in
            && let Err(errno) = sys::process::set_dumpable(false)
        {
            return Err(SuperviseError::System {
                call: "prctl(PR_SET_DUMPABLE)",
                errno,
            });
        }
        observer.event(&Event::Start {
            pid: started.pid,
            program: started.program(),
        });
        supervise::run(started, plan, options, observer)
    };
    // Its streams are the command's alone once it is started.
    match nursery {
        Some(nursery) => launch::start_in(nursery, command, plan, supervise)
            .map_err(SuperviseError::Launch)
            .flatten(),
        None => {
            let started = launch::start(&command, plan).map_err(SuperviseError::Launch)?;
            drop(command);
            supervise(started)
        }
    }
}
