//! Questions about what a policy leaves open: a call that its `default` denies, and nothing else, can be put to
//! a person or a program before it is answered.
//!
//! The supervisor decides what is asked (`syscall::asked`); an [`Asker`] shows the question and brings the
//! answer. It must never wait: the supervisor's thread answers all other tasks meanwhile.

use super::Denial;
use crate::judge::Judge;
use serde::Deserialize;

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The call is allowed, this time.
    Once,
    /// It is allowed, and so is all that the suggested entry covers, for the rest of the run.
    Run,
    /// The same, and the entry was written into the policy.
    Always,
    /// The call is denied, this time.
    Deny,
    /// It is denied, and so is all that the suggested entry covers, for the rest of the run.
    DenyRun,
    /// The whole command is killed.
    Kill,
    /// No answer came in time: denied, this time.
    #[serde(skip)]
    TimedOut,
    /// Nothing can answer any more: denied, this time.
    #[serde(skip)]
    Gone,
}

impl Answer {
    /// Whether the call is allowed.
    pub const fn allows(self) -> bool {
        matches!(self, Answer::Once | Answer::Run | Answer::Always)
    }

    /// Whether it is also the answer to later requests of the same kind.
    pub const fn lasts(self) -> bool {
        matches!(self, Answer::Run | Answer::Always | Answer::DenyRun)
    }
}

/// An answer that has come.
pub struct Reply {
    /// The question's number.
    pub id: u64,
    /// What it says.
    pub answer: Answer,
    /// Where it lasts: what allows the requests that it is about, which are those of the suggested entry. `None`: the
    /// one request.
    pub scope: Option<Box<Judge>>,
}

/// What shows questions and brings answers. None of its functions may wait.
pub trait Asker {
    /// A question is to be put; its number is used once. Returns `false` if there is no room for it now: then the
    /// task waits, and the question is put again.
    fn ask(&mut self, id: u64, denial: &Denial<'_>) -> bool;

    /// No task waits for this answer any more.
    fn withdraw(&mut self, id: u64);

    /// The answers that have come since this was last called.
    fn replies(&mut self) -> Vec<Reply>;

    /// Whether all tasks of the command are to be held now, because a question is on their terminal. What changes
    /// this wakes the supervisor's thread.
    fn holds(&mut self) -> bool {
        false
    }

    /// All tasks are held that can be.
    fn held(&mut self) {}

    /// The command is to stop: no question is to hold its tasks until it has been continued.
    fn hide(&mut self) {}

    /// The command is to end by this signal: what was asked is denied.
    fn interrupt(&mut self, _signal: i32) {}
}
