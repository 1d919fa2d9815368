//! A remedy in its two forms: a sentence for people, and TOML that a program merges into the policy.

use super::{Main, extend_base, flag, main_file};
use crate::policy::{Origin, Policy, written};

/// Whether a policy could allow a denied call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A policy could.
    Askable,
    /// No policy can.
    Final,
}

/// What to change so that a denied call is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// For people: a sentence with a label (`to allow: …`). Lines after the first are to be added to the
    /// policy verbatim.
    pub text: String,
    /// Whether a policy could allow the call.
    pub standing: Standing,
    /// For programs: TOML to merge into the policy. Tables are merged, lists joined, other values replaced,
    /// and each `[[rule]]` is added. `None`: nothing to add can allow the call, or it would open too much.
    pub patch: Option<String>,
    /// The entry or rule of the user's own files that must be removed or narrowed, because nothing takes
    /// precedence over it.
    pub remove: Option<Origin>,
}

/// Where a line goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Into a list of a section: `read`, `fs`.
    List(&'static str, &'static str),
    /// Into `connect` of `[net]`, or `listen`.
    Peers,
    /// Into `[syscalls]`.
    Syscalls,
    /// Into `[process]`.
    Process,
}

impl Remedy {
    /// Nothing can be pasted: a person has to decide.
    pub(super) fn decide(text: String) -> Remedy {
        Remedy {
            text,
            standing: Standing::Askable,
            patch: None,
            remove: None,
        }
    }

    /// No policy can allow it.
    pub(super) fn never(text: impl Into<String>) -> Remedy {
        Remedy {
            standing: Standing::Final,
            ..Remedy::decide(text.into())
        }
    }

    /// An entry or rule of the user's own has to be removed.
    pub(super) fn remove(text: String, origin: Origin) -> Remedy {
        Remedy {
            remove: Some(origin),
            ..Remedy::decide(text)
        }
    }

    /// With TOML to merge.
    pub(super) fn patched(text: String, policy: &Policy, patch: &str) -> Remedy {
        let extends = match main_file(policy) {
            Main::File(_) | Main::Flags => String::new(),
            Main::Preset(main) => format!("extends = [{}]\n\n", written::quoted(main)),
        };
        Remedy {
            patch: Some(format!("{extends}{patch}")),
            ..Remedy::decide(text)
        }
    }

    /// `line` is to be added; the sentence shows `shown` in its place.
    pub(super) fn add(policy: &Policy, shown: &str, line: &str, place: Place) -> Remedy {
        let (section, patch) = match place {
            Place::List(list, section) => {
                let table = policy.table(section);
                (
                    format!("{list} in [{table}]"),
                    format!("[{table}]\n{list} = [{line}]\n"),
                )
            }
            Place::Peers => {
                let table = policy.table("net");
                (
                    format!("connect (or listen) in [{table}]"),
                    format!("[{table}]\nconnect = [{line}]\n"),
                )
            }
            Place::Syscalls => {
                let table = policy.table("syscalls");
                (format!("[{table}]"), format!("[{table}]\n{line}\n"))
            }
            Place::Process => ("[process]".to_owned(), format!("[process]\n{line}\n")),
        };
        let text = match main_file(policy) {
            Main::File(main) => format!("to allow: add {shown} to {section} of {main}"),
            Main::Preset(main) => format!(
                r#"to allow: in a policy of your own with extends = ["{main}"], add {shown} to {section}"#
            ),
            Main::Flags => match flag::adding(shown, &section) {
                Some(flag) => format!("to allow: add {flag}"),
                None => format!(
                    "to allow: in a policy of your own, given with --policy, add {shown} to {section}"
                ),
            },
        };
        Remedy::patched(text, policy, &patch)
    }

    /// A `[[rule]]` is to be added.
    pub(super) fn rule(policy: &Policy, syscall: &str, when: &str) -> Remedy {
        let head = match main_file(policy) {
            Main::File(main) => format!("to allow: add to {main}"),
            Main::Preset(main) => {
                format!(r#"to allow: in a policy of your own with extends = ["{main}"], add"#)
            }
            Main::Flags => "to allow: in a policy of your own, given with --policy, add".to_owned(),
        };
        let when = written::quoted(when);
        let table = policy.table("rule");
        let rule =
            format!("[[{table}]]\nsyscall = \"{syscall}\"\nwhen = {when}\naction = \"allow\"");
        Remedy::patched(format!("{head}\n{rule}"), policy, &format!("{rule}\n"))
    }

    /// `base` is to be extended.
    pub(super) fn base(policy: &Policy) -> Remedy {
        let main = match main_file(policy) {
            Main::File(_) | Main::Flags => String::new(),
            Main::Preset(main) => format!(", {}", written::quoted(main)),
        };
        Remedy {
            patch: Some(format!("extends = [\"base\"{main}]\n")),
            ..Remedy::decide(format!("to allow: {}", extend_base(policy)))
        }
    }

    /// The same with more text.
    pub(super) fn and(mut self, text: &str) -> Remedy {
        self.text.push_str(text);
        self
    }
}
