//! Verdicts in words: what decided, and what to change. It decides nothing.

use super::{Reason, Verdict};
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{Action, Entry, List, Policy, Rule, Source, Target, extend_base, lacks_base};
use crate::syscalls::{self, Call, Kind};

/// What decided a call, with its place and the author's reason:
/// `net.toml:12 socket: no network here`.
pub fn explain_reason(policy: &Policy, verdict: &Verdict) -> String {
    let entry = |origin, what: &str, why: &Option<String>| match why {
        Some(why) => format!("{} {what}: {why}", policy.place(origin)),
        None => format!("{} {what}", policy.place(origin)),
    };
    match verdict.reason {
        Reason::Baseline(rule) => format!("baseline {}: {}", rule.id, rule.reason),
        Reason::Always => {
            "always allowed: a program must be able to end, and to return from a signal".to_owned()
        }
        Reason::Rule(index) => match policy.rules.get(index) {
            Some(rule) => entry(rule.origin, &rule_head(rule), &rule.why),
            None => "a rule".to_owned(),
        },
        Reason::Entry(index) => match policy.syscalls.get(index) {
            Some(found) => entry(found.origin, &found.key, &found.why),
            None => "an entry".to_owned(),
        },
        Reason::Default => default_name(policy),
        Reason::UnknownNumber => "no system call that this version of jail knows".to_owned(),
        Reason::Path(index) => match policy.paths.get(index) {
            Some(found) => {
                let what = format!("{} \"{}\"", found.key(), found.text);
                entry(found.origin, &what, &found.why)
            }
            None => "an entry of [fs]".to_owned(),
        },
        Reason::PolicyFile(index) => {
            format!("{}: {POLICY_FILE}", source_name(policy, index))
        }
        Reason::Unsearched(index) => match policy.paths.get(index) {
            Some(found) => {
                let what = format!("{} \"{}\"", found.key(), found.text);
                entry(found.origin, &what, &Some(UNSEARCHED.to_owned()))
            }
            None => "an entry of [fs]".to_owned(),
        },
        Reason::PathDefault => match policy.default.action {
            Action::Allow => "default = \"allow\", and nothing in [fs] denies it".to_owned(),
            _ => format!("{}: nothing in [fs] allows it", default_name(policy)),
        },
        Reason::Metadata => "metadata may be read of whatever is not hidden".to_owned(),
        Reason::Command => "the program that was named on the command line".to_owned(),
        Reason::Peer(index) => match policy.peers.get(index) {
            Some(found) => {
                let what = format!("{} \"{}\"", found.key(), found.text);
                entry(found.origin, &what, &found.why)
            }
            None => "an entry of [net]".to_owned(),
        },
        Reason::PeerDefault => match policy.default.action {
            Action::Allow => "default = \"allow\", and nothing in [net] denies it".to_owned(),
            _ => format!("{}: nothing in [net] allows it", default_name(policy)),
        },
        Reason::Closed(rule) => format!("{}: {}", default_name(policy), rule.reason),
        Reason::Unpinned => {
            "another task could change it after it is judged, and nothing can prevent it".to_owned()
        }
        Reason::Terminal => "a terminal that the command was started with".to_owned(),
        Reason::Pathless => "what has no path cannot be named by [fs]".to_owned(),
        Reason::Changed => "it was changed after it was judged".to_owned(),
    }
}

/// Why a file of the policy is not changed.
pub const POLICY_FILE: &str = "a file of the policy that this jail was started with";
/// Why a directory is not moved that was not looked through.
pub const UNSEARCHED: &str =
    "the directory is too large to look for what this entry covers, or a part of it cannot be read";

fn source_name(policy: &Policy, index: usize) -> &str {
    policy.sources.get(index).map_or("?", |source| &source.name)
}

fn default_name(policy: &Policy) -> String {
    let source = policy
        .sources
        .get(usize::from(policy.default.origin.source));
    format!("default of {}", source.map_or("?", |source| &source.name))
}

/// What to change so that a denied access to a path is allowed, in one line; `None` if it is.
pub fn path_remedy(
    policy: &Policy,
    access: Access,
    path: &str,
    verdict: &Verdict,
) -> Option<String> {
    if verdict.action == Action::Allow {
        return None;
    }
    Some(match verdict.reason {
        Reason::Path(index) => {
            let entry = policy.paths.get(index)?;
            let at = policy.place(entry.origin);
            let source = policy.sources.get(usize::from(entry.origin.source));
            let key = entry.key();
            match source {
                Some(Source {
                    name, preset: true, ..
                }) => format!(
                    "to allow: nothing outweighs {key} at {at}; copy the preset (jail presets {name}) and change it"
                ),
                _ if entry.list == List::Protect => format!(
                    "to allow: remove or narrow {key} at {at}, which holds whatever write grants"
                ),
                _ => format!(
                    "to allow: remove or narrow {key} at {at}, for a denial beats what allows"
                ),
            }
        }
        Reason::PolicyFile(index) => format!(
            "to allow: keep {} out of what write grants; no policy can grant a file of its own",
            source_name(policy, index)
        ),
        Reason::Unsearched(index) => {
            let at = policy.place(policy.paths.get(index)?.origin);
            format!(
                "to allow: copy the directory instead of moving it, or narrow fs.protect at {at}"
            )
        }
        Reason::Peer(index) => closed_peer(policy, index)?,
        Reason::PathDefault => {
            let list = match access {
                Access::Write => "write",
                Access::Exec => "exec",
                Access::Read | Access::Stat | Access::Handle => "read",
            };
            let path = shared_directory(path, access).unwrap_or(path);
            add(
                policy,
                &format!("{path:?}"),
                Some(&format!("{list} in [fs]")),
            )
        }
        Reason::Pathless if access != Access::Exec => {
            "to allow: nothing does; use the descriptor itself, or open it from a program without threads: another thread could put one of a protected file in its place".to_owned()
        }
        Reason::Pathless => {
            "to allow: add \"/\" to exec in [fs]; what has no path has no narrower name".to_owned()
        }
        // Its reason says how.
        Reason::Baseline(rule) if rule.id == "no-loader" => return None,
        Reason::Baseline(rule) => {
            format!(
                "no policy can allow it: the jail's own protection ({})",
                rule.id
            )
        }
        _ => return None,
    })
}

/// The directory to name instead of a file in it, where programs give their files random names.
fn shared_directory(path: &str, access: Access) -> Option<&'static str> {
    const SHARED: [&str; 4] = ["/dev/shm", "/dev/pts", "/var/tmp", "/tmp"];
    let (above, _) = path.rsplit_once('/')?;
    let mut shared = SHARED.into_iter().filter(|_| access == Access::Write);
    shared.find(|shared| *shared == above)
}

/// What to change so that a denied way to a peer is allowed, in one line; `None` if it is.
pub fn peer_remedy(
    policy: &Policy,
    way: Way,
    to: &str,
    names: &[String],
    call: &Call,
    verdict: &Verdict,
) -> Option<String> {
    if verdict.action == Action::Allow {
        return None;
    }
    match verdict.reason {
        Reason::Peer(index) => closed_peer(policy, index),
        Reason::PeerDefault => {
            let list = way.word();
            let port = to.rsplit_once(':').map_or("", |(_, port)| port);
            let or = match names.first() {
                Some(name) if !to.starts_with("unix:") => format!(", or \"{name}:{port}\","),
                _ => String::new(),
            };
            let section = format!("{list} in [net]");
            // A port that the kernel chooses is 0 in a policy.
            Some(add(policy, &format!("\"{to}\"{or}"), Some(&section)))
        }
        _ => remedy(policy, call, verdict),
    }
}

/// What to change of an entry of `[net]` that denies.
fn closed_peer(policy: &Policy, index: usize) -> Option<String> {
    let entry = policy.peers.get(index)?;
    let at = policy.place(entry.origin);
    let source = policy.sources.get(usize::from(entry.origin.source));
    let key = entry.key();
    Some(match source {
        Some(Source {
            name, preset: true, ..
        }) => format!(
            "to allow: nothing outweighs {key} at {at}; copy the preset (jail presets {name}) and change it"
        ),
        _ => {
            format!("to allow: remove or narrow {key} at {at}, for a denial beats what allows")
        }
    })
}

/// What to change so that a denied call is allowed, in one line; `None` if it is allowed.
pub fn remedy(policy: &Policy, call: &Call, verdict: &Verdict) -> Option<String> {
    if verdict.action == Action::Allow {
        return None;
    }
    let name = call.syscall()?.name;
    Some(match verdict.reason {
        Reason::Always
        | Reason::Path(_)
        | Reason::PolicyFile(_)
        | Reason::Unsearched(_)
        | Reason::PathDefault
        | Reason::Metadata
        | Reason::Command
        | Reason::Terminal
        | Reason::Pathless
        | Reason::Peer(_)
        | Reason::PeerDefault
        | Reason::Changed => return None,
        Reason::Unpinned => {
            "to allow: cover every place that it may lead to in connect of [net], as \"unix:*\" does"
                .to_owned()
        }
        Reason::Closed(rule) => {
            let endpoint = match rule.id {
                "no-internet" => {
                    let section = "connect (or listen) in [net]";
                    let add = add(policy, "\"HOST:PORT\"", Some(section));
                    return Some(format!("{add}; for the public network extend \"net\", too"));
                }
                "no-queues" => {
                    let place = "\"/dev/mqueue\"";
                    let add = add(policy, place, Some("write in [fs]"));
                    return Some(format!("{add}; it must be mounted there"));
                }
                "no-udp" => "\"udp://HOST:PORT\"",
                "no-unix-datagrams" => "\"unix:PATH\"",
                "no-other-protocols" => {
                    return Some(
                        "no entry of [net] can allow it under default = \"deny\": it is about TCP and UDP"
                            .to_owned(),
                    );
                }
                _ => "\"HOST:PORT\"",
            };
            add(policy, endpoint, Some("connect (or listen) in [net]"))
        }
        // LeakSanitizer's tracer: sanitizer_stoptheworld_linux_libcdep.cpp of LLVM.
        Reason::Baseline(rule) if rule.id == "no-untraced-clone" => {
            "to run it: if it is LeakSanitizer (a part of AddressSanitizer) that asks, set \
             ASAN_OPTIONS=detect_leaks=0 (or LSAN_OPTIONS); it stops threads with ptrace, which no policy can allow"
                .to_owned()
        }
        Reason::Baseline(rule) => {
            format!(
                "no policy can allow it: the jail's own protection ({})",
                rule.id
            )
        }
        Reason::UnknownNumber => {
            "no policy can allow it: jail answers ENOSYS to calls that it does not know".to_owned()
        }
        Reason::Rule(index) => {
            let rule = policy.rules.get(index)?;
            let source = policy.sources.get(usize::from(rule.origin.source));
            let at = policy.place(rule.origin);
            match source {
                Some(Source {
                    name, preset: true, ..
                }) => format!(
                    "to allow: no entry outweighs the rule at {at}; copy the preset (jail presets {name}) and change it"
                ),
                _ => format!(
                    "to allow: change the rule at {at}, for of all rules that hold the strictest wins"
                ),
            }
        }
        Reason::Entry(index) => {
            let entry = policy.syscalls.get(index)?;
            let main = entry.origin.source == 0 && !policy.sources.first()?.preset;
            match (entry.target, narrowest(call)) {
                (Target::Syscall(_), Some(when)) => add(
                    policy,
                    &format!(r#"[[rule]] syscall = "{name}", when = "{when}", action = "allow""#),
                    None,
                ),
                (Target::Syscall(_), None) if main => {
                    format!(
                        r#"to allow: change {name} at {} to "allow""#,
                        policy.place(entry.origin)
                    )
                }
                _ => add(policy, &format!(r#"{name} = "allow""#), Some("[syscalls]")),
            }
        }
        Reason::Default if is_of_base(name) && lacks_base(policy) => {
            format!("to allow: {}", extend_base(policy))
        }
        Reason::Default => add(policy, &format!(r#"{name} = "allow""#), Some("[syscalls]")),
    })
}

/// Whether the preset `base` allows a system call.
fn is_of_base(name: &str) -> bool {
    let group = syscalls::group("@system-service");
    group.is_some_and(|group| group.set.iter().any(|syscall| syscall.name == name))
}

/// An entry of `[syscalls]` as a policy writes it.
pub fn entry_text(entry: &Entry) -> String {
    let quote = if entry.key.starts_with('@') { "\"" } else { "" };
    format!(r#"{quote}{}{quote} = "{}""#, entry.key, entry.action)
}

/// The system calls and the condition of a rule.
pub fn rule_head(rule: &Rule) -> String {
    let targets = rule.targets.join(", ");
    match rule.text.as_str() {
        "" => targets,
        text => format!("{targets} when {text}"),
    }
}

fn main_source(policy: &Policy) -> &str {
    policy.sources.first().map_or("?", |source| &source.name)
}

/// What to change so that capabilities are kept; `line` is the one of `[process]` that says so.
pub fn caps_remedy(policy: &Policy, line: &str) -> String {
    add(policy, line, Some("[process]"))
}

fn add(policy: &Policy, line: &str, section: Option<&str>) -> String {
    let main = main_source(policy);
    match (
        section,
        policy.sources.first().is_some_and(|source| source.preset),
    ) {
        (Some(section), false) => format!("to allow: add {line} to {section} of {main}"),
        (None, false) => format!("to allow: add {line} to {main}"),
        (Some(section), true) => format!(
            r#"to allow: in a policy of your own with extends = ["{main}"], add {line} to {section}"#
        ),
        (None, true) => {
            format!(r#"to allow: in a policy of your own with extends = ["{main}"], add {line}"#)
        }
    }
}

/// The condition that tells this call from others of its system call: the argument that selects
/// what it does.
fn narrowest(call: &Call) -> Option<String> {
    let syscall = call.syscall()?;
    let (arg, value) = syscall
        .args
        .iter()
        .zip(call.args)
        .find(|(arg, _)| matches!(arg.kind, Kind::Enum(_) | Kind::Enum64(_)))?;
    let value = arg.kind.significant(value);
    let named = arg
        .kind
        .set()
        .and_then(|set| set.resolve(&call.args))
        .and_then(|set| {
            set.constants
                .iter()
                .find(|(_, constant)| arg.kind.significant(*constant) == value)
        });
    Some(match named {
        Some((constant, _)) => format!("{} == {constant}", arg.name),
        None => format!("{} == {value:#x}", arg.name),
    })
}
