//! Hints about a failed command that no denial message gives. They are determined after the command's
//! end, so they cost nothing while it runs.

use crate::judge::remedy::{Denied, Object, caps_remedy, fetches, is_spare, remedy};
use crate::judge::varying::Run;
use crate::launch::script_interpreter;
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::{Action, Isolation, List, PathEntry, Policy};
use crate::report::{Hint, run_context};
use caps::{CapSet, Capability};
use nix::unistd::{AccessFlags, access, geteuid};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The exit code of a shell and env(1) if a program exists but cannot be executed.
const NOT_EXECUTABLE: i32 = 126;
/// How many words of a command line are checked.
const WORDS: usize = 64;
/// How many places a hint names.
const PLACES: usize = 6;

/// A command that failed.
pub struct Ran<'a> {
    pub command: &'a [OsString],
    /// Where it was started.
    pub directory: &'a Path,
    /// Its exit code.
    pub code: i32,
    /// Whether the kernel refused a call that the supervisor made for it.
    pub refused: bool,
    /// Paths for which a change was denied.
    pub changes: &'a [PathBuf],
    /// Whether a peer was denied because no entry is about it.
    pub lacks_peers: bool,
}

/// The hints for a command that failed.
pub fn hints(policy: &Policy, plan: &Plan, ran: &Ran<'_>) -> Vec<Hint> {
    let words = words(ran.command);
    // Denials by the supervisor already have a message.
    let executed = (ran.code == NOT_EXECUTABLE && plan.files.silent)
        .then(|| not_executed(policy, plan, &words, ran.directory));
    executed
        .flatten()
        .into_iter()
        .chain(left_out(policy, ran.changes))
        .chain(unfetched(policy, ran))
        .chain(without_capabilities(policy, ran))
        .collect()
}

/// The words of a command line, and those of the scripts in it: `sh -c "./run.py x"`.
fn words(command: &[OsString]) -> Vec<String> {
    let text = command.iter().map(|word| word.to_string_lossy());
    let apart = |c: char| c.is_whitespace() || "\"'`;&|()<>=$".contains(c);
    text.flat_map(|word| word.split(apart).map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| !word.is_empty())
        .take(WORDS)
        .collect()
}

/// A program of the command line, or its interpreter, that the policy does not allow to be executed.
fn not_executed(policy: &Policy, plan: &Plan, words: &[String], directory: &Path) -> Option<Hint> {
    let closed = |path: &Path| {
        let found = path.canonicalize().ok()?;
        let verdict = plan.judge.path(Access::Exec, found.as_os_str().as_bytes());
        (verdict.action != Action::Allow).then_some((found, verdict))
    };
    let may = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    words
        .iter()
        .filter(|word| word.contains('/'))
        .find_map(|word| {
            let path = Some(directory.join(word)).filter(may)?;
            let (text, found, verdict) = match closed(&path) {
                Some((found, verdict)) => {
                    let text = format!("the policy does not let {word} be executed");
                    (text, found, verdict)
                }
                None => {
                    let interpreter = script_interpreter(&path).filter(may)?;
                    let (found, verdict) = closed(&interpreter)?;
                    let shown = interpreter.display();
                    let text = format!(
                        "the policy does not let {shown}, the interpreter of {word}, be executed"
                    );
                    (text, found, verdict)
                }
            };
            let denied = Denied {
                call: None,
                object: Object::Path(Access::Exec, found.as_os_str().as_bytes()),
                run: &Run {
                    home: run_context().home,
                    ..Run::default()
                },
            };
            let remedy = remedy(policy, &denied, &verdict);
            Some(Hint {
                text,
                remedy: remedy.map(|remedy| remedy.text),
            })
        })
}

/// Optional entries of `write` that were left out, if a change at their place was denied.
fn left_out(policy: &Policy, changes: &[PathBuf]) -> Option<Hint> {
    let denied = |entry: &&PathEntry| {
        let base = entry.pattern.base();
        let at =
            |path: &PathBuf| path.starts_with(base) || base.starts_with(path) && !path.exists();
        entry.list == List::Write && changes.iter().any(at)
    };
    let entries = policy.left_out.iter().filter(denied);
    let missing: BTreeSet<&str> = entries.map(first_missing).collect();
    if missing.is_empty() {
        return None;
    }
    let more = match missing.len().saturating_sub(PLACES) {
        0 => String::new(),
        more => format!(" and {more} more, see jail explain"),
    };
    let shown: Vec<&str> = missing.into_iter().take(PLACES).collect();
    Some(Hint {
        text: format!(
            "left out of write in [fs], because they do not exist: {}{more}. The command cannot create \
             them, and advice to change an owner or a mode (sudo chown) does not help",
            shown.join(", ")
        ),
        remedy: Some("to grant it: create them before jail is started".to_owned()),
    })
}

/// A package manager that may only read its cache, and has no network: what it needs may be missing.
fn unfetched(policy: &Policy, ran: &Ran<'_>) -> Option<Hint> {
    let changes = ran.changes.iter().filter(|_| ran.lacks_peers);
    let mut paths = changes.map(|path| path.as_os_str().as_bytes());
    let path = paths.find(|path| is_spare(policy, path))?;
    Some(Hint {
        text: "if the command lacks a package, it could not fetch it".to_owned(),
        remedy: fetches(policy, path),
    })
}

/// The first missing part of a path that does not exist, as the policy writes it: `~/.cargo` of
/// `~/.cargo/registry`.
fn first_missing(entry: &PathEntry) -> &str {
    let missing = entry.pattern.base().ancestors();
    let missing = missing.take_while(|path| !path.exists()).count();
    let mut text = entry.text.as_str();
    for _ in 1..missing {
        match text.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => text = above,
            _ => break,
        }
    }
    text
}

/// The hint that root's capabilities are gone, if the policy does not say which ones are kept, and jail
/// has them. It is given if the supervisor saw the kernel refuse something, or if the command started in
/// a directory of another user: there every change fails, and policies that only use Landlock have no
/// stop to see it.
fn without_capabilities(policy: &Policy, ran: &Ran<'_>) -> Option<Hint> {
    const ROOTS: [Capability; 3] = [
        Capability::CAP_CHOWN,
        Capability::CAP_DAC_OVERRIDE,
        Capability::CAP_FOWNER,
    ];
    let process = &policy.process;
    let own_users = process.isolate.iter().any(|it| it.value == Isolation::User);
    if !geteuid().is_root() || process.capabilities.is_some() || process.user.is_some() || own_users
    {
        return None;
    }
    let elsewhere = ran.directory.metadata().is_ok_and(|it| it.uid() != 0);
    if !ran.refused && !elsewhere {
        return None;
    }
    let has = |capability: &Capability| caps::has_cap(None, CapSet::Effective, *capability);
    let lost: Vec<String> = ROOTS
        .iter()
        .filter(|capability| has(capability).unwrap_or(false))
        .map(|capability| format!("\"{capability}\""))
        .collect();
    let line = format!("caps = [{}]", lost.join(", "));
    (!lost.is_empty()).then(|| Hint {
        text: "the command ran as root without root's capabilities: changing owners (chown) and using \
               files of other users fails"
            .to_owned(),
        remedy: Some(format!(
            "{}; with caps = [] this hint is not printed",
            caps_remedy(policy, &line)
        )),
    })
}
