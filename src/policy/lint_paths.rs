//! Warnings of `jail check` about entries of `[fs]` that have no effect, or less than their author may
//! think.
//!
//! It looks at the paths of a policy in the file system, and changes nothing.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Action, Code, Diagnostic, List, PathEntry, Policy};

/// How many files are checked for a pattern: the search must end.
const LOOKED_AT: usize = 20_000;

/// The warning of one entry: the one that matters most.
pub(super) fn lint(policy: &Policy, index: usize, entry: &PathEntry) -> Option<Diagnostic> {
    let base = entry.pattern.base();
    let (code, message, help) = closed(policy, entry)
        .or_else(|| superfluous(policy, index, entry))
        .or_else(|| vain(policy, entry))
        .or_else(|| movable(policy, entry))
        .or_else(|| defeated(policy, entry))
        .or_else(|| missing(entry))
        .or_else(|| {
            let linked = entry.place.is_some_and(|place| place.linked);
            (linked && !entry.list.allows()).then(|| {
                (
                    Code::HardLink,
                    format!(
                        "{} has other names: hard links, through which it can be reached",
                        base.display()
                    ),
                    format!(
                        "{} them, too (find / -xdev -samefile {}), or make it a copy",
                        match entry.list {
                            List::Protect => "protect",
                            _ => "deny",
                        },
                        base.display()
                    ),
                )
            })
        })
        .or_else(|| {
            let expected = entry.optional && entry.list == List::Protect || is_made(entry);
            (!expected && !entry.pattern.is_literal() && !matches_anything(entry)).then(|| {
                (
                    Code::MatchesNothing,
                    format!("the pattern \"{}\" matches no existing file", entry.text),
                    format!(
                        "jail looks for matches beneath {}; files created later are matched, too",
                        base.display()
                    ),
                )
            })
        })?;
    let span = policy.span(entry.origin, &entry.text);
    let warning = Diagnostic::warning(code, message).at(entry.origin.source, span);
    Some(warning.help(help))
}

/// Why an entry of `protect` never decides anything where nothing can be changed.
pub(super) const VAIN: &str = "nothing lets the command change it";

/// Code, message, help.
type Finding = (Code, String, String);

/// An entry that allows or protects and is denied completely, or that allows writing and is protected
/// completely.
fn closed(policy: &Policy, entry: &PathEntry) -> Option<Finding> {
    let closing = closed_by(policy, entry)?;
    let (what, help) = match (entry.list, closing.list) {
        (List::Protect, _) => (
            "never decides anything",
            "what is denied cannot be changed anyway: remove it",
        ),
        (_, List::Protect) => (
            "allows no change",
            "`protect` takes precedence over `write`, whatever the order: list it in `read`, or remove one of the two",
        ),
        _ => (
            "allows nothing",
            "deny takes precedence over allow, whatever the order: remove one of the two",
        ),
    };
    let message = format!(
        "{} \"{}\" {what}: {} \"{}\" at {} takes precedence",
        entry.key(),
        entry.text,
        closing.key(),
        closing.text,
        policy.place(closing.origin),
    );
    Some((Code::Shadowed, message, help.to_owned()))
}

/// An entry of `protect` where nothing can be changed anyway. Presets that are meant to be extended use
/// `optional`.
fn vain(policy: &Policy, entry: &PathEntry) -> Option<Finding> {
    let vain = entry.list == List::Protect && !entry.optional && !opens(policy, entry);
    vain.then(|| {
        (
            Code::Shadowed,
            format!(
                "fs.protect \"{}\" never decides anything: {VAIN}",
                entry.text
            ),
            "remove it, or write `optional = true` where another policy adds what may be changed"
                .to_owned(),
        )
    })
}

/// An entry that another entry already covers. The path of an optional entry may be elsewhere on another
/// host.
fn superfluous(policy: &Policy, index: usize, entry: &PathEntry) -> Option<Finding> {
    // A path that is relative or has a variable may also be elsewhere at another time.
    let start = |entry: &PathEntry| {
        let starts = |first: &char| entry.text.starts_with(*first);
        ['/', '~', '$'].into_iter().find(starts)
    };
    let other = opened_by(policy, index, entry)
        .filter(|other| !entry.optional && start(other) == start(entry))?;
    let message = format!(
        "{} \"{}\" adds nothing to {} \"{}\" at {}",
        entry.key(),
        entry.text,
        other.key(),
        other.text,
        policy.place(other.origin),
    );
    Some((Code::Redundant, message, "remove it".to_owned()))
}

/// A denial behind a symbolic link that the command can replace.
fn movable(policy: &Policy, entry: &PathEntry) -> Option<Finding> {
    let link = entry.links.first().filter(|_| entry.list.denies())?;
    let open = writable(policy, link)?;
    let message = format!(
        "{} is a symbolic link within fs.write \"{}\": the command can change where it leads",
        link.display(),
        open.text,
    );
    let help = format!(
        "the entry covers {}, where it leads now; deny every place that it may lead to",
        entry.pattern.base().display()
    );
    Some((Code::Movable, message, help))
}

/// A denial of a path that does not exist, beneath a directory that the command can replace. While something is
/// there, jail keeps the directories above it from being renamed.
fn defeated(policy: &Policy, entry: &PathEntry) -> Option<Finding> {
    let missing = entry.place.is_none() && !entry.own && entry.pattern.is_literal();
    if !missing || entry.optional || !entry.list.denies() {
        return None;
    }
    let base = entry.pattern.base();
    let above = base.parent()?;
    // The command cannot replace the directory that the entry opens, because that would change the one above.
    let open = writable(policy, above).filter(|open| open.pattern.base() != above)?;
    let message = format!(
        "{} \"{}\" can be defeated: fs.write \"{}\" at {} lets the command replace {} by a symbolic link",
        entry.key(),
        entry.text,
        open.text,
        policy.place(open.origin),
        above.display()
    );
    let help = format!(
        "{} does not exist, and the entry covers this path only: create it first, deny {} as a whole, or protect it",
        base.display(),
        above.display()
    );
    Some((Code::Defeated, message, help))
}

/// Whether the author says why it is written or executed: then the command may make it first.
fn is_made(entry: &PathEntry) -> bool {
    matches!(entry.list, List::Write | List::Exec) && entry.why.is_some()
}

/// A path that does not exist.
fn missing(entry: &PathEntry) -> Option<Finding> {
    let there = entry.place.is_some() || entry.own || entry.optional || is_made(entry);
    if there || !entry.pattern.is_literal() {
        return None;
    }
    let base = entry.pattern.base();
    let help = match entry.list.allows() {
        _ if entry.list == List::Protect => {
            "the command cannot create it; write { path = \"…\", optional = true } if it may be missing"
                .to_owned()
        }
        true => {
            "the supervisor checks each open because of it, since Landlock accepts only existing files: create it first, or write { path = \"…\", optional = true }".to_owned()
        }
        false => "it is denied once it exists".to_owned(),
    };
    Some((
        Code::MissingPath,
        format!("{} does not exist", base.display()),
        help,
    ))
}

/// The entry of `deny` or `hide` that completely covers one that allows or protects, or the entry of
/// `protect` that completely covers one of `write`.
fn closed_by<'p>(policy: &'p Policy, entry: &PathEntry) -> Option<&'p PathEntry> {
    let base = entry.pattern.base().as_os_str().as_bytes();
    let closes = |other: &&PathEntry| {
        let closes = match entry.list {
            List::Read | List::Exec | List::Protect => other.list.denies(),
            List::Write => other.list.denies() || other.list == List::Protect,
            List::Deny | List::Hide => false,
        };
        // A lifted place beneath stays allowed.
        let lifted = |lifted: &crate::paths::Pattern| entry.pattern.covers(lifted.base_bytes());
        closes && other.covers(base) && !other.lifted.iter().any(lifted)
    };
    policy.paths.iter().find(closes)
}

/// Another entry that says the same or more.
fn opened_by<'p>(policy: &'p Policy, index: usize, entry: &PathEntry) -> Option<&'p PathEntry> {
    let base = entry.pattern.base().as_os_str().as_bytes();
    let as_much =
        |list: List| list == entry.list || (entry.list, list) == (List::Read, List::Write);
    policy
        .paths
        .iter()
        .enumerate()
        // Of two equal entries, the second is the superfluous one.
        .filter(|(other, found)| {
            *other != index
                && (found.pattern.base() != entry.pattern.base()
                    || *other < index
                    || found.list != entry.list)
        })
        .map(|(_, found)| found)
        .filter(|found| {
            found.lifted.is_empty()
                && found.pattern.is_literal()
                && as_much(found.list)
                && found.action == entry.action
        })
        .find(|found| found.pattern.covers(base))
}

/// The entry that lets the command change this path.
fn writable<'p>(policy: &'p Policy, path: &Path) -> Option<&'p PathEntry> {
    policy.paths.iter().find(|entry| {
        entry.list == List::Write && entry.pattern.covers(path.as_os_str().as_bytes())
    })
}

/// Whether `write` and the default let something be changed that an entry covers.
fn opens(policy: &Policy, entry: &PathEntry) -> bool {
    policy.default.action == Action::Allow
        || policy.paths.iter().any(|other| {
            other.list == List::Write
                && [(entry, other), (other, entry)]
                    .iter()
                    .any(|(inner, outer)| {
                        let inner = inner.pattern.base().as_os_str().as_bytes();
                        outer.pattern.progress(inner).leads_on()
                    })
        })
}

/// Whether a pattern matches something that exists.
fn matches_anything(entry: &PathEntry) -> bool {
    let mut left = LOOKED_AT;
    let mut todo: Vec<PathBuf> = vec![entry.pattern.base().to_owned()];
    while let Some(directory) = todo.pop() {
        let Ok(found) = fs::read_dir(&directory) else {
            continue;
        };
        for item in found.flatten() {
            let path = item.path();
            let bytes = path.as_os_str().as_bytes();
            if entry.pattern.covers(bytes) {
                return true;
            }
            left = left.saturating_sub(1);
            if left == 0 {
                // Reading a whole disk would take too long: assume that it matches.
                return true;
            }
            let goes_on = entry.pattern.progress(bytes).leads_on();
            if goes_on && item.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(path);
            }
        }
    }
    false
}
