//! Finds what to change so that a denied call is allowed the next time, as one text for messages, the
//! log and `jail explain`. It decides nothing.
//!
//! A suggested entry allows the same call when it is added as written, and opens no more than the call
//! needs: never the root, a system directory or a home directory as a whole. If no entry can do that,
//! the text says so.

mod flag;
mod lift;
mod patch;
mod path;
mod peer;
mod tools;

pub use patch::{Remedy, Standing};
pub use tools::{fetches, is_spare};

use super::advice::source_name;
use super::varying::Run;
use super::{Reason, Verdict};
use crate::baseline::{self, Rule};
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{
    Action, List, Origin, Policy, Source, Target, Who, extend_base, lacks_base, written,
};
use crate::syscalls::{self, Call, Kind};
use patch::Place;

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

/// What to change so that a denied call is allowed; `None` if it is allowed.
pub fn remedy(policy: &Policy, denied: &Denied<'_>, verdict: &Verdict) -> Option<Remedy> {
    if verdict.action == Action::Allow {
        return None;
    }
    // What a domain denies is allowed by an entry of the domain.
    let policy = policy.of_domain(verdict.domain);
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
        Reason::UnknownNumber => Remedy::never(
            "no policy can allow it: jail answers ENOSYS to calls that it does not know",
        ),
        Reason::Path(index) => {
            let entry = policy.paths.get(index)?;
            let protects = entry.list == List::Protect;
            let lift = lift::of_path(denied, entry);
            closing(policy, denied, &entry.key(), entry.origin, protects, lift)
        }
        Reason::Peer(index) => {
            let entry = policy.peers.get(index)?;
            let lift = lift::of_peer(denied);
            closing(policy, denied, &entry.key(), entry.origin, false, lift)
        }
        Reason::PolicyFile(index) => Remedy::never(format!(
            "no policy can allow it: {} is a file of the policy itself",
            source_name(policy, index)
        )),
        Reason::Unsearched(index) => unsearched(policy, policy.paths.get(index)?.origin),
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
            _ => Remedy::decide(NO_ENDPOINT.to_owned()),
        },
        Reason::Unpinned => Remedy::decide(format!(
            "{NO_NARROW_ENTRY}: where this host cannot inspect the command's sockets, only \"unix:*\" in connect of \
             [net] allows a unix socket, and it opens every one"
        )),
        Reason::Changed => Remedy::never("no policy can allow it: what was judged is not what ran"),
    })
}

/// The remedy for a system call that the jail denies whatever a policy says.
fn closed(call: &Call) -> Option<Remedy> {
    let why = baseline::closed(call.syscall()?.name)?;
    Some(Remedy::never(format!("no policy can allow it: {why}")))
}

/// The remedy for a kind of socket that no entry can cover.
const NO_ENDPOINT: &str =
    "no entry of [net] can allow it under default = \"deny\": it is about TCP and UDP";

/// The list that grants an access.
fn list_of(access: Access) -> &'static str {
    match access {
        Access::Write => "write",
        Access::Exec => "exec",
        Access::Read | Access::Stat | Access::Handle => "read",
    }
}

/// The start of each text that suggests no entry because one would open too much.
const NO_NARROW_ENTRY: &str = "no narrow entry can allow it";

/// The remedy for a directory that could not be searched before it was moved.
fn unsearched(policy: &Policy, origin: Origin) -> Remedy {
    let at = policy.place(origin);
    let text =
        format!("to allow: copy the directory instead of moving it, or narrow fs.protect at {at}");
    match preset(policy, origin) {
        Some(_) => Remedy::decide(text),
        None => Remedy::remove(text, origin),
    }
}

/// The remedy for an entry that denies a path or an endpoint.
fn closing(
    policy: &Policy,
    denied: &Denied<'_>,
    key: &str,
    origin: Origin,
    protects: bool,
    lift: Option<lift::Lift>,
) -> Remedy {
    if let Some(flag) = policy.flag(origin) {
        let text = format!("to allow: remove or narrow {flag}; deny takes precedence over allow");
        return Remedy::remove(text, origin);
    }
    let at = policy.place(origin);
    match preset(policy, origin).map(|name| (name, lift)) {
        Some((_, Some(lift))) => lift.remedy(policy, denied, key, &at),
        Some((name, None)) => Remedy::decide(format!(
            "to allow: no entry takes precedence over {key} at {at}; copy the preset (jail presets {name}) and change it"
        )),
        None if protects => Remedy::remove(
            format!("to allow: remove or narrow {key} at {at}, which takes precedence over write"),
            origin,
        ),
        None => Remedy::remove(
            format!("to allow: remove or narrow {key} at {at}; deny takes precedence over allow"),
            origin,
        ),
    }
}

/// The remedy for a protection of the jail itself.
fn protected(policy: &Policy, rule: &Rule, denied: &Denied<'_>) -> Remedy {
    match (rule.id, denied.object) {
        ("no-loader", Object::Path(_, path)) => {
            let entry = written::quoted(&written::path(path));
            Remedy::add(policy, &entry, &entry, Place::List("exec", "fs"))
                .and("; it runs any file that may be read")
        }
        // LeakSanitizer's tracer: sanitizer_stoptheworld_linux_libcdep.cpp of LLVM.
        ("no-untraced-clone", _) => Remedy::never(
            "to run it: if it is LeakSanitizer (a part of AddressSanitizer) that asks, set \
             ASAN_OPTIONS=detect_leaks=0 (or LSAN_OPTIONS); it stops threads with ptrace, which no policy can allow",
        ),
        ("no-resolvers", _) => Remedy::never(
            "no policy that has a host name in connect can allow it: names stand for the addresses that port 53 answers",
        ),
        _ => Remedy::never(format!(
            "no policy can allow it: the jail's own protection ({})",
            rule.id
        )),
    }
}

fn of_rule(policy: &Policy, origin: Origin) -> Remedy {
    let at = policy.place(origin);
    match preset(policy, origin) {
        Some(name) => Remedy::decide(format!(
            "to allow: no entry takes precedence over the rule at {at}; copy the preset (jail presets {name}) and change it"
        )),
        None => Remedy::remove(
            format!(
                "to allow: change the rule at {at}; of all rules that hold, the strictest decides"
            ),
            origin,
        ),
    }
}

fn of_entry(policy: &Policy, index: usize, call: &Call) -> Option<Remedy> {
    let entry = policy.syscalls.get(index)?;
    let name = call.syscall()?.name;
    if let Some(flag) = policy.flag(entry.origin) {
        let text = format!("to allow: remove or change {flag}");
        return Some(Remedy::remove(text, entry.origin));
    }
    let main = entry.origin.source == 0 && !policy.sources.first()?.preset;
    let line = format!(r#"{name} = "allow""#);
    Some(match (entry.target, narrowest(call)) {
        (Target::Syscall(_), Some(when)) => Remedy::rule(policy, name, &when),
        (Target::Syscall(_), None) if main => Remedy::patched(
            format!(
                r#"to allow: change {name} at {} to "allow""#,
                policy.place(entry.origin)
            ),
            policy,
            &format!("[{}]\n{line}\n", policy.table("syscalls")),
        ),
        _ => Remedy::add(policy, &line, &line, Place::Syscalls),
    })
}

fn of_default(policy: &Policy, call: &Call) -> Option<Remedy> {
    let name = call.syscall()?.name;
    let line = format!(r#"{name} = "allow""#);
    // A domain is narrowed call by call: what every program needs is a matter of the main policy.
    let base = policy.domain_name.is_none() && is_of_base(name) && lacks_base(policy);
    Some(match base {
        true => Remedy::base(policy),
        false => Remedy::add(policy, &line, &line, Place::Syscalls),
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
    Remedy::add(policy, line, line, Place::Process).text
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
