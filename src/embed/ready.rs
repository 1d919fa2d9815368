//! A run that is prepared, from its start to its verdict.

use super::event::{self, Sender};
use super::pump::Wiring;
use super::spawners::Spawners;
use super::streams::Readers;
use super::temporaries::{Own, Temporaries};
use super::{Error, Outcome};
use crate::launch::Command;
use crate::plan::Plan;
use crate::policy;
use crate::report::{self, Report, Verdict};
use crate::supervise::{Event, Observer, Options, StopHandle};
use crate::trace::Tid;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc;

/// All that is decided before the command is started.
pub(crate) struct Ready {
    pub(super) policy: Arc<policy::Policy>,
    pub(super) plan: Arc<Plan>,
    pub(super) command: Command,
    pub(super) wiring: Wiring,
    /// The host's ends of pipes.
    pub(super) readers: Readers,
    /// Kept open until the command has them.
    pub(super) passed: Vec<Arc<OwnedFd>>,
    pub(super) spawners: Arc<Spawners>,
    pub(super) kill_on_exit: bool,
    /// Removed when the run is over, and given back.
    pub(super) temporary: Option<(Own, Arc<Temporaries>)>,
}

/// A run that is over. It has a verdict also where it has no outcome.
pub(crate) struct Finished {
    pub verdict: Verdict,
    /// What was kept of stdout and stderr.
    pub kept: [Vec<u8>; 2],
    /// Why there is no outcome.
    pub error: Option<Error>,
}

impl Finished {
    pub(super) fn outcome(self) -> Result<Outcome, Error> {
        let [stdout, stderr] = self.kept;
        match self.error {
            Some(error) => Err(error),
            None => Ok(Outcome {
                verdict: self.verdict,
                stdout,
                stderr,
            }),
        }
    }
}

/// The receivers of information while it runs.
#[derive(Default)]
pub(crate) struct Listeners {
    /// Gets the main process's id, once.
    pub started: Option<mpsc::Sender<Tid>>,
    pub(super) events: Option<Sender>,
}

impl Ready {
    /// The ends from which the host reads stdout and stderr.
    pub(super) fn take_readers(&mut self) -> Readers {
        std::mem::take(&mut self.readers)
    }

    /// Runs it on this thread, which must have no children. `timer`: see [`Options::timer`].
    pub(crate) fn run(
        self,
        stop_handle: Option<StopHandle>,
        timer: bool,
        listeners: Listeners,
    ) -> Finished {
        let Ready {
            policy,
            plan,
            command,
            wiring,
            readers,
            passed,
            spawners,
            kill_on_exit,
            temporary,
        } = self;
        // Ends that were not taken have no reader.
        drop(readers);
        let options = Options {
            kill_on_exit,
            stand_in: false,
            measure: true,
            stop_handle,
            timer,
        };
        let name = policy.name();
        let arguments = command.arguments.clone();
        let report = Report::recording(&policy, arguments.clone(), name.clone());
        let mut observer = Starting {
            started: listeners.started,
            sink: event::EventSink {
                report,
                policy: &policy,
                sender: listeners.events,
            },
        };
        let (mut spawner, collector) = (spawners.take(), spawners.collector(&wiring));
        // The program owns its threads, too.
        if let Some(spawner) = spawner.as_mut().filter(|_| timer) {
            spawner.confine();
        }
        let (result, written) = super::run(
            command,
            wiring,
            &plan,
            options,
            (spawner.as_mut(), collector.as_ref()),
            &mut observer,
        );
        spawners.put(spawner);
        drop(passed);
        if let Some((own, temporaries)) = temporary {
            temporaries.give(own);
        }
        let mut report = observer.sink.report;
        report.wrote(written.stdout, written.stderr);
        let verdict = match &result {
            Ok(outcome) => report.end(outcome),
            Err(error) => report.failed(error),
        };
        let error = result.err().map(Error::from);
        Finished {
            // A report that records always has one.
            error: error.or(verdict.is_none().then_some(Error::Lost)),
            verdict: verdict.unwrap_or_else(|| failed(&name, &arguments, &Error::Lost)),
            kept: written.kept,
        }
    }
}

/// Reports once that the command was started.
struct Starting<'a> {
    started: Option<mpsc::Sender<Tid>>,
    sink: event::EventSink<'a>,
}

impl Observer for Starting<'_> {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Start { pid, .. } = *event
            && let Some(started) = self.started.take()
        {
            let _ = started.send(pid);
        }
        self.sink.event(event);
    }

    fn wants_all(&self) -> bool {
        self.sink.wants_all()
    }
}

/// The verdict of a command that was not started, or whose thread was lost.
pub(crate) fn failed(policy: &str, command: &[OsString], error: &Error) -> Verdict {
    report::not_started(policy, command, error.exit_code(), error.to_string())
}
