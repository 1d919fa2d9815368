//! From how a run ended, and what it wrote, to the verdict.

use crate::case;
use crate::compare;
use crate::compile::Program;
use crate::problem::Case;
use jail::{Ending, Limits};
use serde::Serialize;

/// What the judge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(clippy::upper_case_acronyms, reason = "as every judge writes them")]
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
    let Program {
        policy,
        command,
        place,
    } = program;
    let ran = match case::run_case(policy, limits, command, place.path(), &case.input) {
        Ok(ran) => ran,
        Err(error) => return Judged::only(Verdict::IE, error.to_string()),
    };
    let told = &ran.verdict;
    let (verdict, note) = match (told.ending, told.code) {
        (Ending::Exited, Some(0)) => match compare::difference(&ran.stdout, &case.expected) {
            None => (Verdict::AC, String::new()),
            Some(line) => (Verdict::WA, format!("line {line} differs")),
        },
        (Ending::Exited, code) => (Verdict::RE, format!("exit code {}", code.unwrap_or(-1))),
        (Ending::Signalled, _) => {
            let name = told.signal.as_ref().map(|signal| signal.name.clone());
            (Verdict::RE, name.unwrap_or_default())
        }
        (Ending::Policy, _) => {
            let call = told.killed_by.as_ref().map(|killed| killed.call.clone());
            (Verdict::FC, call.unwrap_or_default())
        }
        (Ending::Time, _) => (Verdict::TLE, String::new()),
        (Ending::Memory, _) => (Verdict::MLE, String::new()),
        (Ending::Output, _) => (Verdict::OLE, String::new()),
        (Ending::Tasks, _) => (Verdict::RE, "too many processes".to_owned()),
        (ending, _) => (Verdict::IE, format!("{ending:?}")),
    };
    // Why a solution failed may be what it was denied.
    let note = match (&told.denied.first, verdict) {
        (Some(denied), Verdict::RE | Verdict::WA) => format!("{note}; denied {}", denied.call),
        _ => note,
    };
    Judged {
        verdict,
        note,
        cpu: told.cpu_time().as_secs_f64(),
        wall: told.wall_time().as_secs_f64(),
        memory: told
            .memory
            .map_or(0, |memory| memory.tree.unwrap_or(memory.peak)),
    }
}
