//! From how a run ended, and what it wrote, to the verdict.

use crate::case::{self, Ending, Jailed};
use crate::compare;
use crate::compile::Program;
use crate::limits::Limits;
use crate::problem::Case;
use serde::Serialize;

/// What the judge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Accepted.
    AC,
    /// Wrong answer.
    WA,
    /// Time limit exceeded: processor time, or the clock.
    TLE,
    /// Memory limit exceeded.
    MLE,
    /// Output limit exceeded.
    OLE,
    /// Runtime error: an exit code that is not 0, a signal, too many processes.
    RE,
    /// Forbidden call: the policy killed it.
    FC,
    /// Compile error.
    CE,
    /// The judge itself failed: says nothing of the submission.
    IE,
}

/// A verdict, why, and what was used.
#[derive(Clone, Serialize)]
pub struct Judged {
    pub verdict: Verdict,
    pub note: String,
    /// Processor time in seconds.
    pub cpu: f64,
    /// Seconds by the clock.
    pub wall: f64,
    /// Bytes at the most.
    pub memory: u64,
}

impl Judged {
    /// Where nothing ran.
    pub fn only(verdict: Verdict, note: String) -> Self {
        Self {
            verdict,
            note,
            cpu: 0.0,
            wall: 0.0,
            memory: 0,
        }
    }
}

/// Runs a program on a case.
pub fn judge(program: &Program, case: &Case, limits: &Limits) -> Judged {
    let ran = case::run_case(&Jailed {
        policy: &program.policy,
        command: program.command.clone(),
        env: &[],
        dir: program.place.path(),
        input: &case.input,
        limits: Some(limits),
    });
    let ran = match ran {
        Ok(ran) => ran,
        Err(why) => return Judged::only(Verdict::IE, why),
    };
    let (verdict, note) = match ran.ending {
        Ending::Exited(0) => match compare::difference(&ran.output, &case.expected) {
            None => (Verdict::AC, String::new()),
            Some(line) => (Verdict::WA, format!("line {line} differs")),
        },
        Ending::Exited(code) => (Verdict::RE, format!("exit code {code}")),
        Ending::Signalled(ref name) => (Verdict::RE, name.clone()),
        Ending::Forbidden(ref call) => (Verdict::FC, call.clone()),
        Ending::Time => (Verdict::TLE, String::new()),
        Ending::Memory => (Verdict::MLE, String::new()),
        Ending::Output => (Verdict::OLE, String::new()),
        Ending::Tasks => (
            Verdict::RE,
            format!("more than {} processes", limits.processes),
        ),
        Ending::Failed => (Verdict::IE, ran.error.clone()),
    };
    // Why a solution failed may be what it was denied.
    let note = match (&ran.denied, verdict) {
        (Some(call), Verdict::RE | Verdict::WA) => format!("{note}; denied {call}"),
        _ => note,
    };
    Judged {
        verdict,
        note,
        cpu: ran.cpu,
        wall: ran.wall,
        memory: ran.memory,
    }
}
