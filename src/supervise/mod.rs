//! The loop: every stop of every tracee gets exactly one answer, until none is left.
//!
//! It decides nothing by itself: the judge decides, the tree of processes answers what registers cannot, ptrace
//! enforces. It must never leave a tracee in a stop, and never outlive an error: whatever fails here kills the tree.

mod answer;
mod ask;
mod bounds;
mod control;
mod credentials;
mod denial;
mod domain;
mod event;
mod lifecycle;
mod limits;
mod object;
mod outcome;
mod relay;
mod start;
mod syscall;
mod tracee;

pub use ask::{Answer, Asker, Reply};
pub use control::stop_handle::{StopHandle, StopReason};
pub use denial::Denial;
pub use event::{Event, Observer};
pub use object::{Object, PathObject, PeerObject};
pub use outcome::{Ending, Outcome, Stats, SuperviseError, Used};
pub use start::{Options, run};
pub use syscall::path::exec::protection_from;
pub use tracee::Program;

use crate::launch::Started;
use crate::plan::Plan;
use crate::policy::LimitKind;
use crate::trace::{Exit, Meter, Stop, Stopped, Tid, Wait};
use control::{
    hints::Hints, hold::Hold, job_control::JobControl, round::Round, shutdown::Ends, wait::Guard,
};
use credentials::Credentials;
use limits::LimitWatch;
use syscall::{charged, path::Paths, refusal::OwnFilter, socket::Sockets};
use tracee::{Tracees, held::Held};

/// One running jail.
struct Supervisor<'a> {
    plan: &'a Plan,
    options: Options,
    observer: &'a mut dyn Observer,
    /// What this thread may do, as the command. Before `started`, whose end takes what it has given up.
    credentials: Credentials,
    started: Started,
    tracees: Tracees,
    /// Children that stopped before their parent's event.
    held: Held,
    /// Tasks that wait while a question is on their terminal.
    hold: Hold,
    /// The init of the jail's pid namespace: traced like the clock, and no part of the jail.
    init: Option<Tid>,
    paths: Paths,
    sockets: Sockets,
    own_filter: OwnFilter,
    /// Events that were ready when the last round began.
    round: Round,
    hints: Hints,
    /// Whether the command's own execve has happened.
    running: bool,
    /// How the main command ended, once it has.
    main_exit: Option<Exit>,
    /// Set when the tree is being killed, and why.
    ending: Option<Ending>,
    ends: Ends,
    /// The limit for which all have been asked to end.
    asked_to_end: Option<LimitKind>,
    job: JobControl,
    limits: LimitWatch,
    guard: Guard,
    /// The process whose end wakes this thread for a stop request after the command's end, without a clock.
    wake_target: Option<Tid>,
    meter: Meter,
    /// First threads whose place another took by its execve: their end is never told.
    replaced: u64,
    stats: Stats,
}

impl Supervisor<'_> {
    fn supervise(&mut self) -> Result<Outcome, SuperviseError> {
        // A stop that was requested before the handle was armed has woken nothing.
        self.heed_stop_request();
        while let Some(wait) = self.next()? {
            match wait {
                Wait::Gone(tid, exit) => self.gone_or_helper(tid, exit)?,
                Wait::Stopped(tracee, _) if self.is_helper(tracee.tid()) => {
                    self.continue_helper(tracee)?;
                }
                Wait::Stopped(tracee, stop) => self.stopped(tracee, stop)?,
                Wait::Interrupted => {}
            }
            // A tick may have come while this thread did not wait. Each event can take long.
            self.look_at_timer();
            self.heed_stop_request();
            self.pass_on();
            self.stop_if_due()?;
            self.look_at_questions()?;
        }
        self.outcome()
    }

    fn stopped(&mut self, tracee: Stopped, stop: Stop) -> Result<(), SuperviseError> {
        if self.hold.is_on() && self.ending.is_none() {
            self.hold.push(tracee, stop);
            return Ok(());
        }
        if stop == Stop::Attach && self.ending.is_none() && !self.tracees.knows(tracee.tid()) {
            self.held.push(tracee);
            return Ok(());
        }
        self.need_watchdog(stop);
        self.credentials
            .take(tracee.tid())
            .map_err(SuperviseError::system("capset"))?;
        let how = match self.ending {
            Some(_) => self.stopped_in_the_end(&tracee, stop),
            None => self
                .answer(&tracee, stop)
                .map_err(SuperviseError::system("ptrace"))?,
        };
        while let Some(performer) = charged::fresh() {
            self.meter.leave_out(performer);
        }
        tracee
            .resume(how)
            .map_err(SuperviseError::system("ptrace"))?;
        if let Some(tid) = self.paths.emulation.must_finish() {
            self.finish(tid)?;
        }
        if matches!(stop, Stop::Fork | Stop::Vfork | Stop::Clone) {
            self.release_known()?;
        }
        self.stop_if_due()
    }
}
