//! `[process]`: TOML to what a command starts with. It does not query the host: the launcher checks
//! which capabilities, users and files exist.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use caps::Capability;

use super::Code;
use super::Origin;
use super::capability;
use super::document::Document;
use super::isolate::{self, Isolation};
use super::places::{PathContext, PlaceError, expand_plain};
use super::read::note;
use super::tree::{Key, Kind, Value};
use crate::condition::nearest;
use crate::paths::Glob;
use crate::sorting::sort_by_key;

/// A value of `[process]`, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Its line.
    pub origin: Origin,
    /// Its byte range in the source.
    pub(super) span: Range<usize>,
}

/// `[process]`: what the command starts with. Missing values are the caller's.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// The variables of the caller's environment that are passed on; `None`: all.
    pub pass: Option<Vec<Variables>>,
    /// Variables that are set after that.
    pub set: BTreeMap<String, Setting<String>>,
    /// The working directory, absolute.
    pub directory: Option<Setting<PathBuf>>,
    /// The umask.
    pub umask: Option<Setting<u32>>,
    /// The nice value.
    pub nice: Option<Setting<i32>>,
    /// The capabilities that are kept, by number; `None` also means none.
    pub capabilities: Option<Vec<Setting<Capability>>>,
    /// The file for stdin, absolute.
    pub stdin: Option<Setting<PathBuf>>,
    /// The user.
    pub user: Option<Setting<User>>,
    /// Its own namespaces, each once and in order.
    pub isolate: Vec<Setting<Isolation>>,
    /// Where its temporary files go.
    pub tmpdir: Option<Setting<TemporaryDirectory>>,
}

impl Process {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        let Process {
            pass,
            set,
            directory,
            umask,
            nice,
            capabilities,
            stdin,
            user,
            isolate,
            tmpdir,
        } = self;
        pass.is_none()
            && set.is_empty()
            && directory.is_none()
            && umask.is_none()
            && nice.is_none()
            && capabilities.is_none()
            && stdin.is_none()
            && user.is_none()
            && isolate.is_empty()
            && tmpdir.is_none()
    }
}

/// Where a command's temporary files go. If it is missing: to the caller's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporaryDirectory {
    /// A directory that is created for the run, and removed at its end.
    Fresh,
}

/// As written in a policy.
impl fmt::Display for TemporaryDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemporaryDirectory::Fresh => f.write_str("fresh"),
        }
    }
}

/// Variables by name, or by a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// As written.
    pub text: String,
    /// What it matches.
    pub glob: Glob,
}

/// The user that a command runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// By name, with the groups of that user.
    Name(String),
    /// By numbers, without further groups.
    Ids {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
}

/// As written in a policy.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            User::Name(name) => f.write_str(name),
            User::Ids { uid, gid } => write!(f, "{uid}:{gid}"),
        }
    }
}

pub(super) const KEYS: &[&str] = &[
    "env", "cwd", "umask", "nice", "caps", "stdin", "user", "isolate", "tmpdir",
];

/// The keys of `env`.
pub(super) const ENVIRONMENT_KEYS: &[&str] = &["pass", "set"];

/// Whether it is a key of `[process]`.
pub(super) fn is_key(name: &str) -> bool {
    KEYS.contains(&name)
}

/// The contents of a `[process]` table.
pub(super) fn process(
    document: &mut Document<'_>,
    value: Value<'_>,
    around: &PathContext,
) -> Process {
    let mut found = Process::default();
    let expected = "a table: `[process]`, then keys such as `umask = \"022\"`";
    let Some(table) = document.table("process", expected, value) else {
        return found;
    };
    for (key, value) in table {
        match key.name() {
            "env" => environment(document, value, around, &mut found),
            "cwd" => found.directory = path(document, "cwd", value, around),
            "stdin" => found.stdin = path(document, "stdin", value, around),
            "umask" => found.umask = umask(document, value),
            "nice" => found.nice = nice(document, value),
            "caps" => found.capabilities = capabilities(document, value),
            "user" => found.user = user(document, value),
            "isolate" => found.isolate = isolate::isolate(document, value),
            "tmpdir" => found.tmpdir = temporary(document, value, around),
            _ => _ = document.unknown_key(key, "[process]", KEYS),
        }
    }
    found
}

fn setting<T>(document: &Document<'_>, span: Range<usize>, value: T) -> Setting<T> {
    Setting {
        value,
        origin: document.origin(&span),
        span,
    }
}

fn environment(
    document: &mut Document<'_>,
    value: Value<'_>,
    around: &PathContext,
    found: &mut Process,
) {
    let expected = "a table: { pass = [\"PATH\", \"LC_*\"], set = { CI = \"1\" } }";
    let Some(table) = document.table("env", expected, value) else {
        return;
    };
    for (key, value) in table {
        match key.name() {
            "pass" => {
                let names = document.strings("pass", value);
                let globs = names
                    .into_iter()
                    .filter_map(|(name, span)| variables(document, name, span));
                found.pass = Some(globs.collect());
            }
            "set" => {
                let expected = "a table: { CI = \"1\", OUT = \"$HOME/out\" }";
                for (name, value) in document.table("set", expected, value).into_iter().flatten() {
                    if let Some(set) = variable(document, name, value, around) {
                        found.set.insert(name.name().to_string(), set);
                    }
                }
            }
            _ => _ = document.unknown_key(key, "process.env", ENVIRONMENT_KEYS),
        }
    }
}

/// Whether it can be the name of a variable; if not, an error is noted.
fn is_name(document: &mut Document<'_>, name: &str, span: &Range<usize>) -> bool {
    let good = !name.is_empty() && !name.contains(['=', '\0']);
    if !good {
        let message = format!("{name:?} is not a variable name");
        let help = "a name is not empty, and has no `=` and no NUL byte";
        document
            .error(Code::Variable, span.clone(), message)
            .help(help);
    }
    good
}

fn variables(document: &mut Document<'_>, name: &str, span: Range<usize>) -> Option<Variables> {
    if !is_name(document, name, &span) {
        return None;
    }
    match Glob::new(name) {
        Ok(glob) => Some(Variables {
            text: name.to_owned(),
            glob,
        }),
        Err(error) => {
            document.error(Code::Variable, span, error.0);
            None
        }
    }
}

fn variable(
    document: &mut Document<'_>,
    name: Key<'_>,
    value: Value<'_>,
    around: &PathContext,
) -> Option<Setting<String>> {
    let good = is_name(document, name.name(), &name.span());
    let text = document.string(name.name(), value)?;
    let expanded = match expand_plain(text, around) {
        Ok(expanded) if expanded.contains('\0') => Err(PlaceError::Malformed(
            "a variable has no NUL byte".to_owned(),
        )),
        other => other,
    };
    match expanded {
        Ok(expanded) => good.then(|| setting(document, value.span(), expanded)),
        Err(error) => {
            note(document, text, &value.span(), error);
            None
        }
    }
}

/// A path without wildcards, as written: links in it are followed when it is used.
fn path(
    document: &mut Document<'_>,
    key: &str,
    value: Value<'_>,
    around: &PathContext,
) -> Option<Setting<PathBuf>> {
    let text = document.string(key, value)?;
    let malformed = |message: &str| Err(PlaceError::Malformed(message.to_owned()));
    let expanded = match expand_plain(text, around) {
        Ok(path) if path.is_empty() => malformed("an empty path"),
        Ok(path) if path.contains('\0') => malformed("a path has no NUL byte"),
        other => other,
    };
    match expanded {
        Ok(path) => {
            let path = around.absolute(Path::new(&path)).components().collect();
            Some(setting(document, value.span(), path))
        }
        Err(error) => {
            note(document, text, &value.span(), error);
            None
        }
    }
}

fn umask(document: &mut Document<'_>, value: Value<'_>) -> Option<Setting<u32>> {
    let Kind::String(text) = value.kind() else {
        let expected = "octal text such as \"022\"";
        document.wrong_type("umask", expected, value.kind(), value.span());
        return None;
    };
    let octal = !text.is_empty() && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mask) if octal && mask <= 0o777 => Some(setting(document, value.span(), mask)),
        _ => {
            let message = format!("`umask` must be octal, from \"000\" to \"777\", not {text:?}");
            document.error(Code::Umask, value.span(), message);
            None
        }
    }
}

fn nice(document: &mut Document<'_>, value: Value<'_>) -> Option<Setting<i32>> {
    let Kind::Integer(number) = value.kind() else {
        document.wrong_type("nice", "a number from 0 to 19", value.kind(), value.span());
        return None;
    };
    // A number that does not fit is out of range in any case.
    let parsed = i32::from_str_radix(number.as_str(), number.radix()).ok();
    if let Some(nice @ 0..=19) = parsed {
        return Some(setting(document, value.span(), nice));
    }
    let written = number.to_string();
    let message = format!("`nice` must be a number from 0 to 19, not {written}");
    let note = document.error(Code::Nice, value.span(), message);
    if written.starts_with('-') {
        note.help(
            "a higher priority than the caller's needs privileges that a command does not get",
        );
    }
    None
}

fn capabilities(document: &mut Document<'_>, value: Value<'_>) -> Option<Vec<Setting<Capability>>> {
    if !matches!(value.kind(), Kind::List(_) | Kind::String(_)) {
        let expected = "a list of names such as [\"CAP_NET_BIND_SERVICE\"]";
        document.wrong_type("caps", expected, value.kind(), value.span());
        return None;
    }
    let mut found: Vec<Setting<Capability>> = Vec::new();
    for (name, span) in document.strings("caps", value) {
        match capability::named(name) {
            Ok(capability) => {
                if let Some(reason) = capability::refused(capability) {
                    let message = format!("no policy can keep {capability}: {reason}");
                    document
                        .error(Code::Baseline, span, message)
                        .help("remove it; run what needs it outside of the jail");
                } else if found.iter().all(|known| known.value != capability) {
                    found.push(setting(document, span, capability));
                }
            }
            Err(near) => {
                let message = format!("unknown capability `{name}`");
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "the names are those of capabilities(7), such as CAP_NET_BIND_SERVICE"
                        .to_owned(),
                };
                document
                    .error(Code::UnknownCapability, span, message)
                    .help(help);
            }
        }
    }
    sort_by_key(&mut found, |setting| setting.value.index());
    Some(found)
}

fn temporary(
    document: &mut Document<'_>,
    value: Value<'_>,
    around: &PathContext,
) -> Option<Setting<TemporaryDirectory>> {
    const FRESH: &str = "fresh";
    let Kind::String(text) = value.kind() else {
        document.wrong_type("tmpdir", "\"fresh\"", value.kind(), value.span());
        return None;
    };
    if text == FRESH {
        around.tmpdir_is_fresh.set(true);
        if !around.tmpdir_is_used.get() {
            around
                .tmpdir
                .get_or_init(|| super::temporary::place(around));
        }
        return Some(setting(document, value.span(), TemporaryDirectory::Fresh));
    }
    let help = match (nearest(text, [FRESH]), text.contains('/')) {
        (Some(_), _) => "did you mean \"fresh\"?",
        (None, true) => "to set a directory of your own, write env = { set = { TMPDIR = \"…\" } }",
        (None, false) => "without `tmpdir` the command has the caller's TMPDIR",
    };
    let message = format!("`tmpdir` can only be \"fresh\", not {text:?}");
    document
        .error(Code::Tmpdir, value.span(), message)
        .help(help);
    None
}

fn user(document: &mut Document<'_>, value: Value<'_>) -> Option<Setting<User>> {
    let text = document.string("user", value)?;
    // The last number means "unchanged" to setresuid(2).
    let number = |text: &str| {
        let plain = text.bytes().all(|digit| digit.is_ascii_digit());
        let number = text.parse().ok().filter(|id| *id != u32::MAX);
        number.filter(|_| plain)
    };
    let numbers = text
        .split_once(':')
        .map(|(uid, gid)| (number(uid), number(gid)));
    let user = match numbers {
        Some((Some(uid), Some(gid))) => Some(User::Ids { uid, gid }),
        None if !text.is_empty() && number(text).is_none() && !text.contains('\0') => {
            Some(User::Name(text.to_owned()))
        }
        _ => None,
    };
    if user.is_none() {
        let message = format!("`user` must be a name or \"UID:GID\", not {text:?}");
        document
            .error(Code::User, value.span(), message)
            .help("write \"nobody\", or numbers such as \"65534:65534\"");
    }
    user.map(|user| setting(document, value.span(), user))
}
