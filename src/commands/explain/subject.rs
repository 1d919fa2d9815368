//! What a row of the plan is about: where the policy says it, what it says, and what happens.

use anstyle::AnsiColor;
use serde::Serialize;

use crate::baseline::{self, Answer};
use crate::commands::table::Cell;
use crate::judge::rule_head;
use crate::plan::What;
use crate::policy::{Action, Origin, Policy};
use crate::syscalls::Errno;

/// The subject of a row.
pub struct Subject {
    pub section: Section,
    /// Its place in the policy; `None`: no policy says it.
    pub origin: Option<Origin>,
    /// The place as text: `net.toml:9`, or the name of a protection.
    pub place: String,
    /// The list: `fs.read`; empty where entries are in none.
    pub key: String,
    /// The entry in it.
    pub text: String,
    pub does: Does,
}

/// The part of a policy that a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    #[serde(rename = "syscalls")]
    Calls,
    #[serde(rename = "fs")]
    Files,
    Net,
    Limits,
    Process,
    PolicyFiles,
    Baseline,
    Default,
}

/// What happens to what a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Act(Action),
    AllowInside,
    Limit,
    Own,
}

impl Section {
    /// As a title.
    pub const fn title(self) -> &'static str {
        match self {
            Section::Calls => "[syscalls] and [[rule]]",
            Section::Files => "[fs]",
            Section::Net => "[net]",
            Section::Limits => "[limits]",
            Section::Process => "[process]",
            Section::PolicyFiles => "The policy's own files",
            Section::Baseline => "The baseline, which no policy can loosen",
            Section::Default => "The default",
        }
    }
}

impl Does {
    pub fn text(self) -> String {
        match self {
            Does::Act(action) => action.to_string(),
            Does::AllowInside => "allow inside".to_owned(),
            Does::Limit => "limit".to_owned(),
            Does::Own => "own".to_owned(),
        }
    }

    pub fn cell(self) -> Cell {
        match self {
            Does::Act(it) => action(it),
            Does::AllowInside => Cell::styled(self.text(), AnsiColor::Green.on_default()),
            Does::Limit | Does::Own => self.text().into(),
        }
    }
}

impl Subject {
    /// The entry with its list.
    pub fn entry(&self) -> String {
        match self.key.as_str() {
            "" => self.text.clone(),
            key => format!("{key} {}", self.text),
        }
    }

    pub fn of(policy: &Policy, what: What) -> Option<Subject> {
        let at = |section, origin: Origin, key: String, text: String, does| Subject {
            section,
            origin: Some(origin),
            place: policy.place(origin),
            key,
            text,
            does,
        };
        let quoted = |text: &str| format!("{text:?}");
        let none = String::new;
        Some(match what {
            What::Entry(index) => {
                let entry = policy.syscalls.get(index)?;
                let does = Does::Act(entry.action);
                at(
                    Section::Calls,
                    entry.origin,
                    none(),
                    entry.key.clone(),
                    does,
                )
            }
            What::Rule(index) => {
                let rule = policy.rules.get(index)?;
                let does = Does::Act(rule.action);
                at(Section::Calls, rule.origin, none(), rule_head(rule), does)
            }
            What::Path(index) => {
                let entry = policy.paths.get(index)?;
                let text = quoted(&entry.text);
                at(
                    Section::Files,
                    entry.origin,
                    entry.key(),
                    text,
                    listed(entry.action),
                )
            }
            What::Peer(index) => {
                let entry = policy.peers.get(index)?;
                let text = quoted(&entry.text);
                at(
                    Section::Net,
                    entry.origin,
                    entry.key(),
                    text,
                    listed(entry.action),
                )
            }
            What::Limit(kind) => {
                let (origin, text) = policy.limits.said(kind)?;
                let entry = format!("limits.{} = {text}", kind.key());
                at(Section::Limits, origin, none(), entry, Does::Limit)
            }
            What::Isolation(word) => {
                let mut said = policy.process.isolate.iter();
                let said = said.find(|said| said.value == word)?;
                let entry = format!("process.isolate = \"{}\"", word.word());
                at(Section::Process, said.origin, none(), entry, Does::Own)
            }
            What::Default => {
                let (origin, text) = (policy.default.origin, "anything that no entry names");
                let does = Does::Act(policy.default.action);
                at(Section::Default, origin, none(), text.to_owned(), does)
            }
            _ => return beyond(policy, what),
        })
    }
}

/// What no entry of a policy says.
fn beyond(policy: &Policy, what: What) -> Option<Subject> {
    Some(match what {
        What::PolicyFile(index) => Subject {
            section: Section::PolicyFiles,
            origin: None,
            place: policy.sources.get(index)?.name.clone(),
            key: String::new(),
            text: "the policy file itself".to_owned(),
            does: Does::Act(Action::Deny(Errno::EPERM)),
        },
        What::Baseline(rule) => Subject {
            place: rule.id.to_owned(),
            ..unsaid(protection(rule), answer(rule.answer))
        },
        What::Signals => denied("signals to processes outside", Errno::EPERM),
        What::Memory => denied(
            "memory and descriptors of processes outside, in /proc",
            Errno::EACCES,
        ),
        What::Always => unsaid(baseline::ALWAYS.join(", "), Does::Act(Action::Allow)),
        What::Foreign => denied("x32, i386 and unknown calls", Errno::ENOSYS),
        What::Entry(_)
        | What::Rule(_)
        | What::Path(_)
        | What::Peer(_)
        | What::Limit(_)
        | What::Isolation(_)
        | What::Default => return None,
    })
}

/// What a route is about, with its place: `fs.deny "**/.env" (net.toml:4)`.
pub fn name(policy: &Policy, what: What) -> String {
    match Subject::of(policy, what) {
        Some(subject) => format!("{} ({})", subject.entry(), subject.place),
        None => String::new(),
    }
}

/// The action of an entry of a list. EACCES is the one that the list implies.
fn listed(said: Action) -> Does {
    Does::Act(match said {
        Action::Deny(Errno::EACCES) => Action::Deny(Errno::EPERM),
        other => other,
    })
}

/// What no policy says.
fn unsaid(text: String, does: Does) -> Subject {
    Subject {
        section: Section::Baseline,
        origin: None,
        place: String::new(),
        key: String::new(),
        text,
        does,
    }
}

fn denied(text: &str, errno: Errno) -> Subject {
    unsaid(text.to_owned(), Does::Act(Action::Deny(errno)))
}

/// The system calls of a protection, and its condition.
fn protection(rule: &baseline::Rule) -> String {
    let calls = rule.syscalls.join(", ");
    match rule.when.text {
        "" => calls,
        when => format!("{calls} when {when}"),
    }
}

fn answer(answer: Answer) -> Does {
    match answer {
        Answer::Deny(errno) | Answer::Quiet(errno) | Answer::Close(errno) => {
            Does::Act(Action::Deny(errno))
        }
        Answer::Check(_) => Does::AllowInside,
    }
}

/// An action in its colour.
pub fn action(action: Action) -> Cell {
    let style = match action {
        Action::Allow => AnsiColor::Green.on_default(),
        Action::Deny(_) => AnsiColor::Yellow.on_default(),
        Action::Kill => AnsiColor::Red.on_default().bold(),
    };
    Cell::styled(action.to_string(), style)
}
