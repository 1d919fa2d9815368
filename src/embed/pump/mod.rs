//! The command's standard streams, if they are pipes of this process: feeds input; counts, keeps and
//! passes on output; ends the jail at the limit of output.
//!
//! Output that is kept is the work of one thread for many runs. Output that is passed on may have to wait for its
//! reader, so that each such run has a thread of its own, whose waits are bounded: when the jail has ended it
//! does not wait for the end of a pipe (a process outside may have got the other end), and it waits for
//! a reader only as long as the caller allows.
//!
//! | file | holds |
//! |---|---|
//! | `end` | the end of a pipe |
//! | `flow` | a pipe, and what is done with it |
//! | `work` | the pipes of a run |
//! | `thread` | a thread for one run |
//! | `collector` | a thread for many runs |

mod collector;
mod end;
mod flow;
mod thread;
mod work;

use crate::launch::Command;
use crate::supervise::StopHandle;
use collector::Collected;
pub use collector::Collector;
pub use flow::past_streams;
use flow::{Feed, Flow};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use thread::Thread;
use work::Work;

/// What happens with the command's output.
#[derive(Debug)]
pub enum Output {
    /// It is kept, up to this many bytes; further ones are only counted.
    Keep(usize),
    /// It is written to this file.
    Pass(OwnedFd),
}

/// How to handle the streams. `None`: the stream stays as it is.
#[derive(Debug, Default)]
pub struct Wiring {
    /// What the command reads.
    pub stdin: Option<Vec<u8>>,
    /// Its stdout.
    pub stdout: Option<Output>,
    /// Its stderr.
    pub stderr: Option<Output>,
    /// stderr is the same pipe as stdout, which preserves their order.
    pub joined: bool,
}

impl Wiring {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stdin.is_none() && self.stdout.is_none() && self.stderr.is_none()
    }

    /// Whether there is output, and all of it is kept.
    pub fn keeps(&self) -> bool {
        let pass = |output: &Option<Output>| matches!(output, Some(Output::Pass(_)));
        let none = self.stdout.is_none() && self.stderr.is_none();
        !none && !pass(&self.stdout) && !pass(&self.stderr)
    }

    /// Which streams of the command are pipes.
    pub fn pipes(&self) -> [bool; 3] {
        let joined = self.joined && self.stdout.is_some();
        [
            self.stdin.is_some(),
            self.stdout.is_some(),
            self.stderr.is_some() || joined,
        ]
    }
}

/// The command's output.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes written to stdout, kept or not; `None` if they were not counted. For joined streams, those
    /// of both.
    pub stdout: Option<u64>,
    /// Bytes written to stderr.
    pub stderr: Option<u64>,
    /// The parts that were kept.
    pub kept: [Vec<u8>; 2],
}

/// What handles the streams of a run.
pub enum Pump {
    Thread(Thread),
    Collected(Collected),
}

impl Pump {
    /// Creates the pipes, gives their far ends to the command, and begins; `None` if there is
    /// nothing to do. `limit`: the limit in bytes for both outputs together, at which it requests a
    /// stop. `collector`: takes over output that is kept.
    ///
    /// # Errors
    /// If no pipe or thread can be created.
    pub fn start(
        wiring: Wiring,
        limit: Option<u64>,
        stop_handle: &StopHandle,
        command: &mut Command,
        collector: Option<&Arc<Collector>>,
    ) -> io::Result<Option<Pump>> {
        if wiring.is_empty() {
            return Ok(None);
        }
        let keeps = wiring.keeps();
        let feed = match wiring.stdin {
            Some(bytes) => {
                let (feed, reader) = Feed::new(bytes)?;
                command.stdin = Some(Arc::new(reader));
                Some(feed)
            }
            None => None,
        };
        let flow = |to: Option<_>, end| to.map(|to| Flow::new(to, end)).transpose();
        let stdout = flow(wiring.stdout, &mut command.stdout)?;
        let stderr = flow(wiring.stderr, &mut command.stderr)?;
        if wiring.joined {
            command.stderr = command.stdout.clone();
        }
        let mut work = Work {
            feed,
            flows: [stdout, stderr],
            left: limit.unwrap_or(u64::MAX),
            stop_handle: stop_handle.clone(),
        };
        if let Some(collector) = collector.filter(|_| keeps) {
            // Not of an output that goes elsewhere: its reader waits for the end.
            let [stdout, stderr] = &work.flows;
            let far = [
                stdout.as_ref().and(command.stdout.clone()),
                stderr.as_ref().and(command.stderr.clone()),
            ];
            match collector.collect(work, far) {
                Ok(collected) => return Ok(Some(Pump::Collected(collected))),
                Err(back) => work = *back,
            }
        }
        Ok(Some(Pump::Thread(Thread::start(work)?)))
    }

    /// Called when the jail has ended: reads what is in the pipes, and no more. `patience`: how long
    /// readers of passed-on output may take; `None`: no limit, unless the jail is killed or this program
    /// is asked to end.
    pub fn finish(self, patience: Option<Duration>) -> Written {
        match self {
            Pump::Thread(thread) => thread.finish(patience),
            Pump::Collected(collected) => collected.finish(),
        }
    }
}
