//! How the supervision of a started command begins.

use super::control::forward::Forward;
use super::control::hints::Hints;
use super::control::hold::Hold;
use super::control::job_control::JobControl;
use super::control::round::Round;
use super::control::shutdown::{Ends, killed};
use super::control::wait::Guard;
use super::credentials::Credentials;
use super::limits::LimitWatch;
use super::syscall::charged;
use super::syscall::path::Paths;
use super::syscall::refusal::OwnFilter;
use super::syscall::socket::Sockets;
use super::tracee::held::Held;
use super::tracee::{Namespaces, Parentless, Tracees};
use super::{Observer, Outcome, Stats, StopHandle, SuperviseError, Supervisor};
use crate::launch::Started;
use crate::plan::Plan;
use crate::sys::{self, Errno};
use crate::trace::{self, Meter, Wait};
use std::time::Instant;

/// How a jail is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Kill what the main command leaves behind when it ends; else wait for it.
    pub kill_on_exit: bool,
    /// This process stands for the command: signals sent to it are passed on, and it stops and
    /// continues with the command. For a program that does nothing else.
    pub stand_in: bool,
    /// Measure what the tree uses, for [`Event::Used`](super::Event::Used).
    pub measure: bool,
    /// By this another thread can end the jail.
    pub stop_handle: Option<StopHandle>,
    /// What limits time may be a timer and its signal, which `sys::signal::heed_ticks` has prepared:
    /// for a program that owns its signals.
    pub timer: bool,
}

/// Supervises a started command until its whole tree is gone. Must be called on the thread that
/// started it, and that thread must have no other children: their exits would be reaped here.
pub fn run(
    started: Started,
    plan: &Plan,
    options: Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, SuperviseError> {
    if plan.unsupervised {
        return super::relay::run(&started, &options);
    }
    if options.stand_in {
        // The command has been started, so it keeps the caller's limits. Without more descriptors, jail has
        // those that it began with.
        let _ = sys::process::raise_descriptor_limit();
    }
    let forward = options
        .stand_in
        .then(|| Forward::new(started.pid, started.isolation().pid))
        .transpose();
    let needs_clock = matches!(&forward, Ok(Some(forward)) if !forward.ticks);
    let mut supervisor = Supervisor::new(started, plan, options, observer, needs_clock)?;
    let result = forward
        .map_err(SuperviseError::system("sigaction"))
        .and_then(|forward| {
            supervisor.job.forward = forward;
            supervisor.supervise()
        });
    if result.is_err() {
        supervisor.abandon();
    }
    if let Some(stop_handle) = &supervisor.options.stop_handle {
        stop_handle.close();
    }
    supervisor.tell_usage();
    result
}

impl<'a> Supervisor<'a> {
    /// `needs_clock`: signals are looked for at its ticks.
    fn new(
        mut started: Started,
        plan: &'a Plan,
        options: Options,
        observer: &'a mut dyn Observer,
        needs_clock: bool,
    ) -> Result<Self, SuperviseError> {
        let mut tracees = Tracees::new(started.pid, Namespaces::new(started.isolation()));
        let (limits, credentials) = prepared(&started, plan, &options, needs_clock)?;
        tracees.parentless = Parentless::new(limits.unknown());
        let counts = options.measure || limits.keeps_cpu();
        let strangers = limits.clock().into_iter().chain(started.init());
        let meter = Meter::new(counts, started.pid, strangers.collect());
        Ok(Supervisor {
            plan,
            options,
            observer,
            paths: Paths::new(started.take_handed(), plan.records).letting(plan),
            sockets: Sockets::new(plan),
            init: started.init(),
            started,
            credentials,
            tracees,
            held: Held::default(),
            hold: Hold::default(),
            own_filter: OwnFilter::default(),
            round: Round::default(),
            hints: Hints::default(),
            running: false,
            main_exit: None,
            ending: None,
            ends: Ends::default(),
            asked_to_end: None,
            job: JobControl::default(),
            limits,
            guard: Guard::default(),
            wake_target: None,
            meter,
            replaced: 0,
            stats: Stats::default(),
        })
    }
}

/// What must be there before the command's first stop. Where something cannot be had, the command is
/// killed.
fn prepared(
    started: &Started,
    plan: &Plan,
    options: &Options,
    needs_clock: bool,
) -> Result<(LimitWatch, Credentials), SuperviseError> {
    let limits = LimitWatch::new(plan, started, options.timer, Instant::now());
    let mut limits = limits.map_err(|errno| {
        give_up(started, None);
        SuperviseError::system("fork of a clock")(errno)
    })?;
    let clock = match needs_clock {
        true => limits.need_clock(None),
        false => Ok(()),
    };
    let credentials = clock
        .and_then(|()| arm_stop_handle(options, started, &mut limits))
        .map_err(SuperviseError::system("fork of a clock or pidfd_open"))
        .and_then(|()| {
            Credentials::new(plan, started).map_err(SuperviseError::system("capset or setresuid"))
        });
    let begun = match &credentials {
        Ok(_) => charged::begin(started.group())
            .map_err(SuperviseError::system("dup of a cgroup's file")),
        Err(_) => Ok(()),
    };
    match (credentials, begun) {
        (Ok(credentials), Ok(())) => Ok((limits, credentials)),
        (Err(error), _) | (Ok(_), Err(error)) => {
            give_up(started, Some(&limits));
            Err(error)
        }
    }
}

/// Ends a command that cannot be supervised, and the clock. Both are waited for: they are this
/// program's children, and would stay its zombies.
fn give_up(started: &Started, limits: Option<&LimitWatch>) {
    started.kill();
    if let Some(limits) = limits {
        limits.stop();
    }
    wait_for_all(&mut Meter::default());
}

/// Waits until none is left of those that were killed.
fn wait_for_all(meter: &mut Meter) {
    loop {
        match trace::wait(meter) {
            Ok(Some(Wait::Stopped(tracee, stop))) => _ = tracee.resume(killed(stop)),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// The end of the main process wakes this thread for a stop request. Where the command is another user's,
/// the clock that takes its place later must be made before this thread becomes that user.
fn arm_stop_handle(
    options: &Options,
    started: &Started,
    limits: &mut LimitWatch,
) -> Result<(), Errno> {
    let Some(stop_handle) = &options.stop_handle else {
        return Ok(());
    };
    if started.user().is_some() {
        limits.need_clock(started.user())?;
    }
    stop_handle.wake_through(started.pid)
}
