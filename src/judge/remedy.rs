//! Finds what to change so that a denied call is allowed the next time, as one text for messages, the
//! log and `jail explain`. It decides nothing.
//!
//! A suggested entry allows the same call when it is added as written, and opens no more than the call
//! needs: never the root, a system directory or a home directory as a whole. If no entry can do that,
//! the text says so.

mod flag;
mod path;
mod peer;
mod tools;

use super::advice::source_name;
use super::varying::Run;
use super::width::is_too_wide;
use super::{Reason, Verdict};
use crate::baseline::{self, Rule};
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{
    Action, List, Origin, Policy, Source, Target, Who, extend_base, lacks_base, written,
};
use crate::syscalls::{self, Call, Kind};
use std::os::unix::ffi::OsStrExt;

/// What was denied.
#[derive(Debug, Clone, Copy)]
pub struct Denied<'a> {
    /// The call, if it is known.
    pub call: Option<&'a Call>,
    /// What it named.
    pub object: Object<'a>,
    /// What is known of the run.
    pub run: &'a Run,
}

/// What a denied call named.
#[derive(Debug, Clone, Copy)]
pub enum Object<'a> {
    /// Nothing but its registers.
    Nothing,
    /// A path: absolute, resolved, the caller's own part of `/proc` as `/proc/self`.
    Path(Access, &'a [u8]),
    /// A peer, with the names of its address; `None`: one that no entry can name.
    Peer(Way, Option<&'a Who>, &'a [String]),
}

/// What to change so that a denied call is allowed; `None` if it is allowed. Lines after the first are
/// to be added to the policy verbatim.
pub fn remedy(policy: &Policy, denied: &Denied<'_>, verdict: &Verdict) -> Option<String> {
    if verdict.action == Action::Allow {
        return None;
    }
    if let Some(closed) = denied.call.and_then(closed)
        && matches!(
            verdict.reason,
            Reason::Rule(_) | Reason::Entry(_) | Reason::Default
        )
    {
        return Some(closed);
    }
    Some(match verdict.reason {
        // These never deny.
        Reason::Always | Reason::Metadata | Reason::Command | Reason::Terminal => return None,
        Reason::Baseline(rule) => protected(policy, rule, denied),
        Reason::Rule(index) => of_rule(policy, policy.rules.get(index)?.origin),
        Reason::Entry(index) => of_entry(policy, index, denied.call?)?,
        Reason::Default => of_default(policy, denied.call?)?,
        Reason::Closed(rule) => peer::closed(policy, rule, denied.call?),
        Reason::UnknownNumber => {
            "no policy can allow it: jail answers ENOSYS to calls that it does not know".to_owned()
        }
        Reason::Path(index) => {
            let entry = policy.paths.get(index)?;
            let protects = entry.list == List::Protect;
            closing(policy, denied, &entry.key(), entry.origin, protects)
        }
        Reason::Peer(index) => {
            let entry = policy.peers.get(index)?;
            closing(policy, denied, &entry.key(), entry.origin, false)
        }
        Reason::PolicyFile(index) => format!(
            "no policy can allow it: {} is a file of the policy itself",
            source_name(policy, index)
        ),
        Reason::Unsearched(index) => {
            let at = policy.place(policy.paths.get(index)?.origin);
            format!(
                "to allow: copy the directory instead of moving it, or narrow fs.protect at {at}"
            )
        }
        Reason::PathDefault => match denied.object {
            Object::Path(access, path) if path.starts_with(b"/") => {
                path::denied(policy, denied, access, path)
            }
            Object::Path(access, _) => path::pathless(access),
            _ => return None,
        },
        Reason::Pathless => match denied.object {
            Object::Path(access, _) => path::pathless(access),
            _ => path::pathless(Access::Exec),
        },
        Reason::PeerDefault => match denied.object {
            Object::Peer(way, Some(who), names) => {
                peer::denied(policy, denied.run, way, who, names)
            }
            _ => NO_ENDPOINT.to_owned(),
        },
        Reason::Unpinned => format!(
            "{NO_NARROW_ENTRY}: where this host cannot inspect the command's sockets, only \"unix:*\" in connect of \
             [net] allows a unix socket, and it opens every one"
        ),
        Reason::Changed => "no policy can allow it: what was judged is not what ran".to_owned(),
    })
}

/// The remedy for a system call that the jail denies whatever a policy says.
fn closed(call: &Call) -> Option<String> {
    let why = baseline::closed(call.syscall()?.name)?;
    Some(format!("no policy can allow it: {why}"))
}

/// The remedy for a kind of socket that no entry can cover.
const NO_ENDPOINT: &str =
    "no entry of [net] can allow it under default = \"deny\": it is about TCP and UDP";

/// The list that grants an access.
fn list_of(access: Access) -> &'static str {
    match access {
        Access::Write => "write in [fs]",
        Access::Exec => "exec in [fs]",
        Access::Read | Access::Stat | Access::Handle => "read in [fs]",
    }
}

/// The start of each text that suggests no entry because one would open too much.
const NO_NARROW_ENTRY: &str = "no narrow entry can allow it";

/// The remedy for an entry that denies a path or an endpoint.
fn closing(
    policy: &Policy,
    denied: &Denied<'_>,
    key: &str,
    origin: Origin,
    protects: bool,
) -> String {
    if let Some(flag) = policy.flag(origin) {
        return format!("to allow: remove or narrow {flag}; deny takes precedence over allow");
    }
    let at = policy.place(origin);
    match preset(policy, origin).map(|name| (name, lift(denied))) {
        Some((_, Some((entry, list)))) => {
            let add = add(policy, &entry, list);
            let too = match denied.object {
                Object::Path(access, _) => list_of(access),
                _ => "the list of [net]",
            };
            format!(
                "{add}, with your reason: it removes {key} of {at} but grants nothing, so the same must also be in {too}"
            )
        }
        Some((name, None)) => format!(
            "to allow: no entry takes precedence over {key} at {at}; copy the preset (jail presets {name}) and change it"
        ),
        None if protects => {
            format!("to allow: remove or narrow {key} at {at}, which takes precedence over write")
        }
        None => {
            format!("to allow: remove or narrow {key} at {at}; deny takes precedence over allow")
        }
    }
}

/// The entry of `lift` that removes the denial of a preset, and its list; `None`: it would lift more
/// than that.
fn lift(denied: &Denied<'_>) -> Option<(String, &'static str)> {
    let (key, entry, list) = match denied.object {
        Object::Nothing | Object::Peer(_, None, _) => return None,
        Object::Path(_, path) => {
            let entry = written::path(path);
            if is_too_wide(denied.run, entry.as_bytes()) {
                return None;
            }
            ("path", entry, "lift in [fs]")
        }
        Object::Peer(way, Some(who), _) => {
            let entry = match who {
                Who::Abstract(name)
                    if written::abstract_name(name).bytes().all(|it| it == b'*') =>
                {
                    return None;
                }
                Who::Abstract(name) => format!("unix:@{}", written::abstract_name(name)),
                Who::Path(path) => format!("unix:{}", written::path(path.as_os_str().as_bytes())),
                _ => written::endpoint(who)?,
            };
            let key = match way {
                Way::Connect => "to",
                Way::Listen => "on",
            };
            (key, entry, "lift in [net]")
        }
    };
    let entry = written::quoted(&entry);
    Some((format!("{{ {key} = {entry}, why = \"...\" }}"), list))
}

/// The remedy for a protection of the jail itself.
fn protected(policy: &Policy, rule: &Rule, denied: &Denied<'_>) -> String {
    match (rule.id, denied.object) {
        ("no-loader", Object::Path(_, path)) => {
            let add = add(policy, &written::quoted(&written::path(path)), "exec in [fs]");
            format!("{add}; it runs any file that may be read")
        }
        // LeakSanitizer's tracer: sanitizer_stoptheworld_linux_libcdep.cpp of LLVM.
        ("no-untraced-clone", _) => {
            "to run it: if it is LeakSanitizer (a part of AddressSanitizer) that asks, set \
             ASAN_OPTIONS=detect_leaks=0 (or LSAN_OPTIONS); it stops threads with ptrace, which no policy can allow"
                .to_owned()
        }
        ("no-resolvers", _) => {
            "no policy that has a host name in connect can allow it: names stand for the addresses that port 53 answers"
                .to_owned()
        }
        _ => format!(
            "no policy can allow it: the jail's own protection ({})",
            rule.id
        ),
    }
}

fn of_rule(policy: &Policy, origin: Origin) -> String {
    let at = policy.place(origin);
    match preset(policy, origin) {
        Some(name) => format!(
            "to allow: no entry takes precedence over the rule at {at}; copy the preset (jail presets {name}) and change it"
        ),
        None => format!(
            "to allow: change the rule at {at}; of all rules that hold, the strictest decides"
        ),
    }
}

fn of_entry(policy: &Policy, index: usize, call: &Call) -> Option<String> {
    let entry = policy.syscalls.get(index)?;
    let name = call.syscall()?.name;
    if let Some(flag) = policy.flag(entry.origin) {
        return Some(format!("to allow: remove or change {flag}"));
    }
    let main = entry.origin.source == 0 && !policy.sources.first()?.preset;
    Some(match (entry.target, narrowest(call)) {
        (Target::Syscall(_), Some(when)) => add_rule(policy, name, &when),
        (Target::Syscall(_), None) if main => format!(
            r#"to allow: change {name} at {} to "allow""#,
            policy.place(entry.origin)
        ),
        _ => add(policy, &format!(r#"{name} = "allow""#), "[syscalls]"),
    })
}

fn of_default(policy: &Policy, call: &Call) -> Option<String> {
    let name = call.syscall()?.name;
    Some(match is_of_base(name) && lacks_base(policy) {
        true => format!("to allow: {}", extend_base(policy)),
        false => add(policy, &format!(r#"{name} = "allow""#), "[syscalls]"),
    })
}

/// Whether the preset `base` allows a system call.
fn is_of_base(name: &str) -> bool {
    let group = syscalls::group("@system-service");
    group.is_some_and(|group| group.set.iter().any(|syscall| syscall.name == name))
}

/// The name of the preset that contains an origin.
fn preset(policy: &Policy, origin: Origin) -> Option<&str> {
    match policy.sources.get(usize::from(origin.source)) {
        Some(Source {
            name, preset: true, ..
        }) => Some(name),
        _ => None,
    }
}

/// Where an entry is added.
enum Main<'p> {
    /// A file.
    File(&'p str),
    /// A preset, which a policy of the user's own would extend.
    Preset(&'p str),
    /// The command line.
    Flags,
}

fn main_file(policy: &Policy) -> Main<'_> {
    match policy.sources.first() {
        Some(main) if main.flags => Main::Flags,
        Some(main) if main.preset => Main::Preset(&main.name),
        Some(main) => Main::File(&main.name),
        None => Main::File("?"),
    }
}

/// What to change so that capabilities are kept; `line` is the line of `[process]` for it.
pub fn caps_remedy(policy: &Policy, line: &str) -> String {
    add(policy, line, "[process]")
}

fn add(policy: &Policy, line: &str, section: &str) -> String {
    match main_file(policy) {
        Main::File(main) => format!("to allow: add {line} to {section} of {main}"),
        Main::Preset(main) => format!(
            r#"to allow: in a policy of your own with extends = ["{main}"], add {line} to {section}"#
        ),
        Main::Flags => match flag::adding(line, section) {
            Some(flag) => format!("to allow: add {flag}"),
            None => format!(
                "to allow: in a policy of your own, given with --policy, add {line} to {section}"
            ),
        },
    }
}

fn add_rule(policy: &Policy, syscall: &str, when: &str) -> String {
    let head = match main_file(policy) {
        Main::File(main) => format!("to allow: add to {main}"),
        Main::Preset(main) => {
            format!(r#"to allow: in a policy of your own with extends = ["{main}"], add"#)
        }
        Main::Flags => "to allow: in a policy of your own, given with --policy, add".to_owned(),
    };
    let when = written::quoted(when);
    format!("{head}\n[[rule]]\nsyscall = \"{syscall}\"\nwhen = {when}\naction = \"allow\"")
}

/// The condition that distinguishes this call from others of its system call: the argument that selects
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
