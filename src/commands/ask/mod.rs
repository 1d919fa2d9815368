//! `--ask` and `--ask-socket`: what the policy leaves open is put to a person or a program.
//!
//! | file | holds |
//! |---|---|
//! | `options` | the options of the command line, and what they open |
//! | `entry` | the suggested entry: what it allows, and how it comes into the policy's file |
//! | `message` | the lines of the socket |
//! | `broker` | the program at the other end of the socket |
//! | `terminal` | the terminal, where a key answers |

mod broker;
mod entry;
mod message;
mod options;
mod terminal;

#[cfg(test)]
pub use message::Line;

pub(super) use options::{Answering, AskOptions};

use crate::policy::Policy;
use crate::report::{self, Denial};
use crate::supervise::{self, Answer, Asker, Reply};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A question, as it is shown.
struct Question<'a> {
    id: u64,
    denial: &'a Denial,
    /// When it is denied for want of an answer.
    timeout: Option<Duration>,
    /// The file that `always` writes to, if there is one.
    file: Option<&'a Path>,
}

impl Question<'_> {
    /// What `always` adds to the policy.
    fn entry(&self) -> Option<String> {
        let (file, patch) = (self.file?, self.denial.remedy.as_deref()?);
        let lines = patch.lines().filter(|line| !line.starts_with("extends"));
        let lines = lines.filter(|line| !line.is_empty());
        let lines: Vec<String> = lines
            .map(|line| format!("\n        {}", report::escaped(line, 300)))
            .collect();
        let file = report::escaped(&file.to_string_lossy(), 200);
        Some(format!("adds to {file}:{}", lines.concat()))
    }
}

/// Where questions are shown and answered. Nothing here waits.
trait Front {
    /// Shows a question; `false`: there is no room now.
    fn put(&mut self, question: &Question<'_>) -> bool;

    /// It needs no answer any more.
    fn withdraw(&mut self, id: u64);

    /// The answers that have come. The error: why none can come any more.
    fn answers(&mut self, answers: &mut Vec<Given>) -> Result<(), String>;

    /// See [`Asker::holds`].
    fn holds(&mut self) -> bool {
        false
    }

    /// See [`Asker::held`].
    fn held(&mut self) {}

    /// See [`Asker::hide`].
    fn hide(&mut self) {}

    /// All questions are denied.
    fn interrupt(&mut self, _signal: i32) {}
}

/// What was given as an answer.
enum Given {
    /// An answer to a question.
    Answer(u64, Answer),
    /// A text that is none; to this question, if it names one.
    Malformed(Option<u64>, String),
}

/// An open question.
struct Open {
    request: String,
    patch: Option<String>,
    until: Option<Instant>,
}

/// Puts the supervisor's questions, and makes answers of what comes back.
struct Approver<'a> {
    policy: &'a Policy,
    /// Where the command starts.
    start: PathBuf,
    front: Box<dyn Front>,
    timeout: Option<Duration>,
    open: BTreeMap<u64, Open>,
    /// The highest number of a question.
    last: u64,
    /// Why no answer can come any more.
    gone: Option<String>,
    ready: Vec<Reply>,
    /// What was said, so that it is said once.
    said: Vec<&'static str>,
}

impl Asker for Approver<'_> {
    fn ask(&mut self, id: u64, denied: &supervise::Denial<'_>) -> bool {
        if self.gone.is_some() {
            self.ready.push(reply(id, Answer::Gone));
            return true;
        }
        let denial = report::denial(self.policy, denied, false);
        let question = Question {
            id,
            denial: &denial,
            timeout: self.timeout,
            file: entry::file(self.policy).ok(),
        };
        if !self.front.put(&question) {
            return false;
        }
        self.last = self.last.max(id);
        let open = Open {
            request: denial.request(),
            patch: denial.remedy,
            until: self.timeout.map(|timeout| Instant::now() + timeout),
        };
        self.open.insert(id, open);
        true
    }

    fn withdraw(&mut self, id: u64) {
        if self.open.remove(&id).is_some() {
            self.front.withdraw(id);
        }
    }

    fn replies(&mut self) -> Vec<Reply> {
        let mut given = Vec::new();
        let result = match self.gone {
            Some(_) => Ok(()),
            None => self.front.answers(&mut given),
        };
        for given in given {
            self.given(given);
        }
        if let Err(why) = result {
            self.is_gone(why);
        }
        self.time_out();
        std::mem::take(&mut self.ready)
    }

    fn holds(&mut self) -> bool {
        self.front.holds()
    }

    fn held(&mut self) {
        self.front.held();
    }

    fn hide(&mut self) {
        self.front.hide();
    }

    fn interrupt(&mut self, signal: i32) {
        self.front.interrupt(signal);
        let open = std::mem::take(&mut self.open).into_keys();
        self.ready.extend(open.map(|id| reply(id, Answer::Deny)));
    }
}

impl Approver<'_> {
    fn given(&mut self, given: Given) {
        match given {
            Given::Answer(id, answer) => match self.open.remove(&id) {
                Some(open) => self.answered(id, &open, answer),
                // It was withdrawn while the answer was on its way.
                None if id <= self.last => {}
                None => self.say(
                    "unknown",
                    &format!("an answer names question {id}, which was not asked; it is ignored"),
                ),
            },
            Given::Malformed(id, text) => {
                let text = report::escaped(&text, 200);
                if let Some(id) = id.filter(|id| self.open.remove(id).is_some()) {
                    self.ready.push(reply(id, Answer::Deny));
                    let text = format!("question {id} is denied: {text}");
                    self.say("malformed", &text);
                } else {
                    self.say("unreadable", &format!("{text}; it is ignored"));
                }
            }
        }
    }

    fn answered(&mut self, id: u64, open: &Open, mut answer: Answer) {
        if answer == Answer::Always
            && let Err(why) = entry::write(self.policy, &self.start, open.patch.as_deref())
        {
            let request = report::escaped(&open.request, 200);
            report::notice(&format!("allowed for this run only: {request}: {why}"));
            answer = Answer::Run;
        }
        let scope = match answer.lasts() {
            true => entry::scope(&self.start, open.patch.as_deref()),
            false => None,
        };
        self.ready.push(Reply { id, answer, scope });
    }

    /// No answer can come any more.
    fn is_gone(&mut self, why: String) {
        let text = format!("{why}; what would be asked about is denied from now on");
        report::notice(&report::escaped(&text, 400));
        self.gone = Some(why);
        let open = std::mem::take(&mut self.open).into_keys();
        self.ready.extend(open.map(|id| reply(id, Answer::Gone)));
    }

    fn time_out(&mut self) {
        let now = Instant::now();
        let past = |open: &Open| open.until.is_some_and(|until| until <= now);
        let late: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, open)| past(open))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let Some(open) = self.open.remove(&id) else {
                continue;
            };
            self.front.withdraw(id);
            self.ready.push(reply(id, Answer::TimedOut));
            let request = report::escaped(&open.request, 200);
            let text = format!("denied, because no answer came in time: {request}");
            self.say("late", &text);
        }
    }

    /// Says something of this kind once.
    fn say(&mut self, kind: &'static str, text: &str) {
        if !self.said.contains(&kind) {
            self.said.push(kind);
            report::notice(text);
        }
    }
}

fn reply(id: u64, answer: Answer) -> Reply {
    Reply {
        id,
        answer,
        scope: None,
    }
}
