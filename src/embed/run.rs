//! Runs a command from start to end on this thread, with its streams.

use super::pump::{Collector, Pump, Wiring, Written};
use crate::launch::{self, Command, Spawner, Started};
use crate::plan::Plan;
use crate::policy::LimitKind;
use crate::supervise::{
    self, Ending, Event, Observer, Options, Outcome, StopHandle, StopReason, SuperviseError,
};
use crate::sys;
use crate::trace::Exit;
use std::sync::Arc;
use std::time::Duration;

/// How long a reader of passed-on output may take after the command was killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs a command on this thread, which must have no other children. Also returns its output, if that
/// was requested or `limits.output` is set.
pub fn run(
    mut command: Command,
    wiring: Wiring,
    plan: &Arc<Plan>,
    mut options: Options,
    (spawner, collector): (Option<&mut Spawner>, Option<&Arc<Collector>>),
    observer: &mut dyn Observer,
) -> (Result<Outcome, SuperviseError>, Written) {
    if !wiring.is_empty() {
        options.stop_handle.get_or_insert_with(StopHandle::new);
    }
    let stop_handle = options.stop_handle.clone().unwrap_or_default();
    let limit = plan.limits.number(LimitKind::Output);
    let pump = match Pump::start(wiring, limit, &stop_handle, &mut command, collector) {
        Ok(pump) => pump,
        Err(error) => {
            let failed = SuperviseError::Streams(error);
            return (Err(failed), Written::default());
        }
    };
    let stand_in = options.stand_in;
    let mut result = supervised(command, plan, options, spawner, observer);
    if stand_in {
        // No process is left that could be stopped together with this one, so the terminal may stop this
        // process while it waits for a reader.
        for signal in [libc::SIGTSTP, libc::SIGTTIN] {
            let _ = sys::signal::set_ignored(signal, false);
        }
    }
    // A command that ended by itself has complete output, so wait for its reader; the output of a killed
    // command is truncated anyway.
    let patience = match &result {
        Ok(outcome) if outcome.ending == Ending::Exited && !was_asked(outcome) => None,
        _ => Some(PATIENCE),
    };
    let written = pump.map(|pump| pump.finish(patience)).unwrap_or_default();
    // The last output was read when no process was left.
    if let Ok(outcome) = &mut result
        && outcome.ending == Ending::Exited
        && stop_handle.requested() == Some(StopReason::Output)
    {
        observer.event(&Event::Limit(LimitKind::Output));
        outcome.ending = Ending::Limit(LimitKind::Output);
    }
    (result, written)
}

/// Whether a command died of a signal that this program also got and forwarded. Then this program was
/// asked to end, and must not wait for a reader longer than if the command had been killed.
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
    spawner: Option<&mut Spawner>,
    observer: &mut dyn Observer,
) -> Result<Outcome, SuperviseError> {
    let supervise = |started: Started| {
        // The command must not reach jail's memory or descriptors through /proc or ptrace. A forked
        // child has its own address space, and execve makes any child dumpable again.
        if options.stand_in
            && !plan.unsupervised
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
    // Once the command is started, only it holds its streams.
    match spawner {
        Some(spawner) => launch::start_in(spawner, command, plan, supervise)
            .map_err(SuperviseError::Launch)
            .flatten(),
        None => {
            let started = launch::start(&command, plan).map_err(SuperviseError::Launch)?;
            drop(command);
            supervise(started)
        }
    }
}
