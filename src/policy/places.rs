//! Turns the text of a path into the place that it names: expands variables, makes it absolute, resolves
//! symbolic links. Besides the loading of files this is the only I/O of a policy.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Relative;
use super::temporary;
use crate::paths::{ByPath, Pattern, PatternError, is_beneath};

/// What a policy's paths are relative to.
#[derive(Debug, Clone)]
pub struct PathContext {
    /// The jail's starting directory.
    pub directory: PathBuf,
    /// The caller's environment.
    pub variable: fn(&str) -> Option<OsString>,
    /// Cached results of the file system.
    known: RefCell<ByPath<OsString, Existing>>,
    /// Directories as written, with their resolved paths: most entries of a policy share a few.
    directories: RefCell<ByPath<String, Option<Resolved>>>,
    /// Whether a file says `tmpdir = "fresh"`.
    pub(super) tmpdir_is_fresh: Cell<bool>,
    /// Whether TMPDIR was used.
    pub(super) tmpdir_is_used: Cell<bool>,
    /// The value of TMPDIR in place of the caller's.
    pub(super) tmpdir: OnceCell<PathBuf>,
    /// Which paths began in `directory`.
    pub(super) relative: Cell<Relative>,
    /// What keeps open what is granted, for a command that is started soon.
    keeper: Option<Arc<dyn Keeper>>,
}

/// Keeps open what the paths of a policy lead to, so that one open finds out what is there and later serves as what
/// a rule of Landlock is about.
pub trait Keeper: std::fmt::Debug + Send + Sync {
    /// Opens what is at a path whose directory is resolved. `Some(false)`: there is nothing. `None`: it must be
    /// looked at in another way, because it is a symbolic link or could not be opened.
    fn keep(&self, path: &Path) -> Option<bool>;
}

/// A path without symbolic links.
#[derive(Debug, Clone)]
struct Resolved {
    path: PathBuf,
    /// The symbolic links on the way, in the order in which they are followed.
    links: Vec<PathBuf>,
    /// Whether it exists.
    exists: bool,
}

/// What exists at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Existing {
    /// A symbolic link with this target.
    Link(PathBuf),
    /// Something else.
    Else,
    /// Nothing.
    Nothing,
}

impl PathContext {
    /// The context of this process.
    pub fn own() -> PathContext {
        PathContext::at(Path::new("."))
    }

    /// The context of this process, in another directory.
    pub fn at(directory: &Path) -> PathContext {
        PathContext {
            directory: std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned()),
            variable: |name| std::env::var_os(name),
            known: RefCell::default(),
            directories: RefCell::default(),
            tmpdir_is_fresh: Cell::default(),
            tmpdir_is_used: Cell::default(),
            tmpdir: OnceCell::default(),
            relative: Cell::new(Relative::Nothing),
            keeper: None,
        }
    }

    /// The same, and `keeper` opens what is granted.
    pub fn kept_by(self, keeper: Arc<dyn Keeper>) -> PathContext {
        PathContext {
            keeper: Some(keeper),
            ..self
        }
    }

    /// The same, with the command's own TMPDIR.
    pub(super) fn with_tmpdir(self, tmpdir: PathBuf) -> PathContext {
        PathContext {
            tmpdir: OnceCell::from(tmpdir),
            directories: RefCell::default(),
            ..self
        }
    }

    /// A variable of the caller's environment, but the command's own TMPDIR.
    fn variable(&self, name: &str) -> Option<OsString> {
        if name == temporary::VARIABLES[0] {
            self.tmpdir_is_used.set(true);
            if let Some(fresh) = self.tmpdir.get() {
                return Some(fresh.clone().into_os_string());
            }
        }
        (self.variable)(name)
    }

    /// What exists at a path whose directory is resolved.
    fn at_path(&self, path: &Path) -> Existing {
        self.found(path, || look(path))
    }

    /// The same, of a path that a list names.
    fn at_entry(&self, path: &Path, granted: bool) -> Existing {
        let keeper = self.keeper.as_ref().filter(|_| granted);
        self.found(path, || match keeper.and_then(|it| it.keep(path)) {
            Some(true) => Existing::Else,
            Some(false) => Existing::Nothing,
            None => look(path),
        })
    }

    fn found(&self, path: &Path, look: impl FnOnce() -> Existing) -> Existing {
        if let Some(known) = self.known.borrow().get(path.as_os_str()) {
            return known.clone();
        }
        let found = look();
        let mut known = self.known.borrow_mut();
        known.insert(path.as_os_str().to_owned(), found.clone());
        found
    }

    /// The place of a plain name in a directory, as most entries of a policy have. The directory is
    /// expanded and resolved once for all of them. `None`: the text needs the general case. `granted`: the list
    /// allows something.
    fn in_known_directory(&self, text: &str, granted: bool) -> Option<Located> {
        let (directory, name) = text.rsplit_once('/')?;
        if matches!(name, "" | "." | "..") || has_meta(name) || name.contains(['$', '\0']) {
            return None;
        }
        let mut known = self.directories.borrow_mut();
        let found = match known.get(directory) {
            Some(found) => found,
            None => {
                let found = self.directory(directory);
                known.entry(directory.to_owned()).or_insert(found)
            }
        };
        let found = found.as_ref()?;
        let path = entry_of(&found.path, name.as_bytes());
        let stands = match found.exists {
            true => self.at_entry(&path, granted),
            false => Existing::Nothing,
        };
        Some(Located {
            place: match stands {
                Existing::Link(_) => return None,
                Existing::Else => Some(Place::default()),
                Existing::Nothing => None,
            },
            pattern: Pattern::literal(&path).ok()?,
            links: found.links.clone(),
            own: false,
        })
    }

    /// Resolves a directory as written. `None`: it has wildcards, is invalid, or is in /proc, where
    /// names depend on the calling process.
    fn directory(&self, text: &str) -> Option<Resolved> {
        let text = match text {
            "" => "/".to_owned(),
            _ => expand(text, self).ok()?,
        };
        if splits_braces(&text) || text.contains('\0') {
            return None;
        }
        let (literal, glob) = split(&text);
        let path = self.absolute(&literal);
        if let Cow::Owned(_) = path {
            // What is named lies beneath the starting directory.
            self.relative.set(Relative::More);
        }
        let found = resolve(&path, self);
        let is_proc = is_beneath(found.path.as_os_str().as_bytes(), b"/proc");
        (glob.is_none() && !is_proc).then_some(found)
    }

    /// The path from the jail's starting directory.
    pub(super) fn absolute<'a>(&self, path: &'a Path) -> Cow<'a, Path> {
        let relative = match path.as_os_str().as_bytes() {
            [b'/', ..] => return Cow::Borrowed(path),
            b"." => match self.relative.get() {
                Relative::Nothing => Relative::Start(1),
                Relative::Start(count) => Relative::Start(count + 1),
                Relative::More => Relative::More,
            },
            _ => Relative::More,
        };
        self.relative.set(relative);
        Cow::Owned(self.directory.join(path))
    }
}

/// The path of an entry of a directory.
fn entry_of(directory: &Path, name: &[u8]) -> PathBuf {
    let directory = directory.as_os_str().as_bytes();
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    path.push(b'/');
    path.extend_from_slice(name);
    PathBuf::from(OsString::from_vec(path))
}

/// What exists at a path whose directory is resolved.
fn look(path: &Path) -> Existing {
    match fs::read_link(path) {
        Ok(target) => Existing::Link(target),
        // EINVAL: it exists, and is not a link (readlink(2)).
        Err(error) if error.kind() == ErrorKind::InvalidInput => Existing::Else,
        Err(_) => Existing::Nothing,
    }
}

/// What existed at a path when the policy was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Whether it is a directory.
    pub directory: bool,
    /// Whether it is a regular file.
    pub file: bool,
    /// Its device: files cannot be renamed or linked from one device to another.
    pub device: u64,
    /// Whether it is a file with several hard links, so that another name may lead to it.
    pub linked: bool,
}

/// A path of a policy, resolved.
#[derive(Debug, Clone)]
pub struct Located {
    /// What it covers.
    pub pattern: Pattern,
    /// What exists there; `None` for a pattern, and if nothing exists.
    pub place: Option<Place>,
    /// The symbolic links on the way, in the order in which they are followed.
    pub links: Vec<PathBuf>,
    /// Whether it depends on the calling process: `/proc/self`.
    pub own: bool,
}

/// Why a text does not name a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceError {
    /// A variable is not set.
    Unset(String),
    /// The text is not a path.
    Malformed(String),
}

impl From<PatternError> for PlaceError {
    fn from(error: PatternError) -> Self {
        PlaceError::Malformed(error.0)
    }
}

/// Resolves a path or pattern as a policy writes it.
///
/// # Errors
/// An unset variable, or a text that is not a path.
pub fn locate(text: &str, around: &PathContext) -> Result<Located, PlaceError> {
    locate_for(text, around, false)
}

/// The same; `granted`: for a list that allows something.
pub(super) fn locate_for(
    text: &str,
    around: &PathContext,
    granted: bool,
) -> Result<Located, PlaceError> {
    if let Some(located) = around.in_known_directory(text, granted) {
        return Ok(located);
    }
    let text = expand(text, around)?;
    if text.contains('\0') {
        return Err(PlaceError::Malformed("a path has no NUL byte".to_owned()));
    }
    if splits_braces(&text) {
        return Err(PlaceError::Malformed(
            "braces stand within one component: write two entries instead".to_owned(),
        ));
    }
    let (literal, glob) = split(&text);
    let Resolved {
        path: base,
        links,
        exists,
    } = resolve(&around.absolute(&literal), around);
    let own = is_own(base.as_os_str().as_bytes());
    if let Some(glob) = glob {
        return Ok(Located {
            pattern: Pattern::glob(&base, glob)?,
            place: None,
            links,
            own,
        });
    }
    Ok(Located {
        place: (exists && !own).then(Place::default),
        pattern: Pattern::literal(&base)?,
        links,
        own,
    })
}

/// A path of this process as the kernel resolves it: the symbolic links on the way, then the resolved
/// path.
pub(super) fn way_to(path: &Path) -> Vec<PathBuf> {
    let around = PathContext::own();
    let Resolved {
        path: end,
        links: mut way,
        ..
    } = resolve(&around.absolute(path), &around);
    // Here `/proc/self/fd/3` means this process.
    match end.starts_with("/proc") {
        true => way.extend(fs::canonicalize(path)),
        false => way.push(end),
    }
    way
}

impl Located {
    /// Checks what exists there, for entries to which that matters.
    pub fn look(&mut self) {
        if self.place.is_some() {
            self.place = fs::symlink_metadata(self.pattern.base())
                .ok()
                .map(|found| Place {
                    directory: found.is_dir(),
                    file: found.is_file(),
                    device: found.dev(),
                    linked: !found.is_dir() && found.nlink() > 1,
                });
        }
    }
}

/// Whether a path depends on the calling process.
fn is_own(path: &[u8]) -> bool {
    is_beneath(path, b"/proc/self") || is_beneath(path, b"/proc/thread-self")
}

/// The text with `~` and `$VAR` replaced; wildcards in a value are escaped. After a backslash, `$` is
/// literal, and the pattern removes the backslash.
fn expand(text: &str, around: &PathContext) -> Result<String, PlaceError> {
    expand_with(text, around, escape, &['$', '\\'])
}

/// The pattern of a name that is not a path, with `$VAR` replaced, but not `\$`.
pub(super) fn expand_name(text: &str, around: &PathContext) -> Result<String, PlaceError> {
    expand_with(text, around, str::to_owned, &['$', '\\'])
}

/// The text of a value that is not a path, with `$VAR` replaced.
pub(super) fn expand_plain(text: &str, around: &PathContext) -> Result<String, PlaceError> {
    match text.is_empty() {
        true => Ok(String::new()),
        false => expand_with(text, around, str::to_owned, &['$']),
    }
}

fn expand_with(
    text: &str,
    around: &PathContext,
    written: fn(&str) -> String,
    marks: &[char],
) -> Result<String, PlaceError> {
    if text.is_empty() {
        return Err(PlaceError::Malformed("an empty path".to_owned()));
    }
    let value = |name: &str| -> Result<String, PlaceError> {
        let value = around.variable(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| PlaceError::Unset(name.to_owned()))?;
        match value.into_string() {
            Ok(value) => Ok(written(&value)),
            Err(_) => Err(PlaceError::Malformed(format!("${name} is not UTF-8 text"))),
        }
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    if let Some(after) = text.strip_prefix('~') {
        if !after.is_empty() && !after.starts_with('/') {
            return Err(PlaceError::Malformed(
                "only `~` and `~/…` are known: write another user's home as a path".to_owned(),
            ));
        }
        out.push_str(&value("HOME")?);
        rest = after;
    }
    while let Some(at) = rest.find(marks) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = &from[1..];
        if from.starts_with('\\') {
            let escaped = after.chars().next().map_or(0, char::len_utf8);
            let (whole, next) = from.split_at(1 + escaped);
            out.push_str(whole);
            rest = next;
            continue;
        }
        let (name, next) = match after.strip_prefix('{') {
            Some(braced) => braced
                .split_once('}')
                .ok_or_else(|| PlaceError::Malformed("`${` without a closing brace".to_owned()))?,
            None => {
                let end = after
                    .find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
                    .unwrap_or(after.len());
                after.split_at(end)
            }
        };
        if name.is_empty() {
            return Err(PlaceError::Malformed("`$` without a name".to_owned()));
        }
        out.push_str(&value(name)?);
        rest = next;
    }
    out.push_str(rest);
    Ok(out)
}

pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if META.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a pair of braces has a slash in it.
fn splits_braces(text: &str) -> bool {
    if !text.contains('{') {
        return false;
    }
    let (mut depth, mut escaped) = (0_u32, false);
    text.chars().any(|c| {
        if !escaped {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        escaped = !escaped && c == '\\';
        c == '/' && depth > 0
    })
}

/// The components before the first wildcard, unescaped, and the rest.
fn split(text: &str) -> (PathBuf, Option<&str>) {
    if !has_meta(text) {
        return (PathBuf::from(text), None);
    }
    let mut literal = PathBuf::from(if text.starts_with('/') { "/" } else { "" });
    let mut at = 0;
    for component in text.split('/') {
        if component == "**" || crate::paths::has_wildcard(component) {
            return (literal, text.get(at..));
        }
        if !component.is_empty() {
            literal.push(crate::paths::unescaped(component));
        }
        at += component.len() + 1;
    }
    (literal, None)
}

/// Characters with a meaning in a pattern.
const META: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

fn has_meta(text: &str) -> bool {
    let is = |byte| matches!(byte, b'*' | b'?' | b'[' | b']' | b'{' | b'}' | b'\\');
    text.bytes().any(is)
}

/// The maximum number of symbolic links that the kernel follows in a path (MAXSYMLINKS).
const LINKS: usize = 40;

/// A path with symbolic links resolved, as far as it exists, and the links on the way. `/proc/self`
/// depends on the calling process, so it stays as it is.
fn resolve(path: &Path, around: &PathContext) -> Resolved {
    let mut todo = Todo::new(path.as_os_str().as_bytes());
    // The root is the empty path.
    let mut done: Vec<u8> = Vec::with_capacity(128);
    let mut links = Vec::new();
    let mut exists = true;
    while let Some(component) = todo.next() {
        let before = done.len();
        if component == b".." {
            drop_last(&mut done);
            continue;
        }
        done.push(b'/');
        done.extend_from_slice(component);
        if done == b"/proc/self" || done == b"/proc/thread-self" {
            while let Some(component) = todo.next() {
                done.push(b'/');
                done.extend_from_slice(component);
            }
            break;
        }
        match around.at_path(as_path(&done)) {
            Existing::Link(target) if links.len() < LINKS => {
                links.push(as_path(&done).to_owned());
                let target = target.as_os_str().as_bytes();
                let from = if target.starts_with(b"/") { 0 } else { before };
                done.truncate(from);
                todo.begin_with(target);
            }
            // Nothing exists beneath a missing path, so `..` is resolved lexically.
            Existing::Nothing => {
                exists = false;
                while let Some(component) = todo.next() {
                    if component == b".." {
                        drop_last(&mut done);
                        exists = true;
                        continue;
                    }
                    done.push(b'/');
                    done.extend_from_slice(component);
                }
                exists = exists && around.at_path(as_path(&done)) != Existing::Nothing;
            }
            _ => {}
        }
    }
    Resolved {
        exists,
        path: as_path(&done).to_owned(),
        links,
    }
}

/// The path of these bytes; the root if there are none.
fn as_path(bytes: &[u8]) -> &Path {
    match bytes {
        b"" => Path::new("/"),
        _ => Path::new(OsStr::from_bytes(bytes)),
    }
}

fn drop_last(path: &mut Vec<u8>) {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    path.truncate(slash.unwrap_or(0));
}

/// The components that are left of a path.
struct Todo {
    path: Vec<u8>,
    at: usize,
}

impl Todo {
    fn new(path: &[u8]) -> Todo {
        let path = path.to_vec();
        Todo { path, at: 0 }
    }

    /// The next component that is not `.`.
    fn next(&mut self) -> Option<&[u8]> {
        loop {
            let rest = self.path.get(self.at..)?;
            let start = self.at + rest.iter().position(|byte| *byte != b'/')?;
            let rest = self.path.get(start..)?;
            let len = rest.iter().position(|byte| *byte == b'/');
            self.at = start + len.unwrap_or(rest.len());
            match self.path.get(start..self.at)? {
                b"." => {}
                _ => return self.path.get(start..self.at),
            }
        }
    }

    /// Has the components of a link's target before the others.
    fn begin_with(&mut self, target: &[u8]) {
        let rest = self.path.get(self.at..).unwrap_or_default();
        self.path = [target, b"/", rest].concat();
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> PathContext {
        PathContext {
            directory: PathBuf::from("/nowhere/here"),
            variable: |name| match name {
                "HOME" => Some("/nowhere/home".into()),
                "ODD" => Some("/nowhere/[x]*".into()),
                "EMPTY" => Some("".into()),
                _ => None,
            },
            ..PathContext::own()
        }
    }

    fn base(text: &str) -> String {
        let located = locate(text, &around()).expect(text);
        located.pattern.base().display().to_string()
    }

    #[test]
    fn paths_start_where_the_jail_starts_or_at_home() {
        assert_eq!(base("."), "/nowhere/here");
        assert_eq!(base("a/../b/"), "/nowhere/here/b");
        assert_eq!(base("~"), "/nowhere/home");
        assert_eq!(base("~/x"), "/nowhere/home/x");
        assert_eq!(base("$HOME/x"), "/nowhere/home/x");
        assert_eq!(base("${HOME}x"), "/nowhere/homex");
        assert_eq!(base("**/.env"), "/nowhere/here");
    }

    #[test]
    fn a_wildcard_in_a_variable_is_a_letter() {
        let located = locate("$ODD/a", &around()).expect("a path");
        assert!(located.pattern.is_literal());
        assert!(located.pattern.covers(b"/nowhere/[x]*/a/b"));
        let located = locate("$ODD/*.c", &around()).expect("a pattern");
        assert!(located.pattern.covers(b"/nowhere/[x]*/a.c"));
    }

    #[test]
    fn a_dollar_after_a_backslash_is_a_letter() {
        assert_eq!(base(r"/a/\$HOME/\$\{x\}/b"), "/a/$HOME/${x}/b");
        assert_eq!(base(r"/a/\\$HOME"), r"/a/\/nowhere/home");
        let located = locate(r"/a/\$id/*.c", &around()).expect("a pattern");
        assert!(located.pattern.covers(b"/a/$id/x.c"));
        let name = |text| expand_name(text, &around());
        assert_eq!(name(r"unix:@\$HOME").as_deref(), Ok(r"unix:@\$HOME"));
        assert_eq!(name("unix:@$HOME").as_deref(), Ok("unix:@/nowhere/home"));
    }

    #[test]
    fn what_is_no_path_is_told_apart() {
        let unset = |name: &str| PlaceError::Unset(name.to_owned());
        assert_eq!(locate("$NONE/x", &around()).err(), Some(unset("NONE")));
        assert_eq!(locate("$EMPTY", &around()).err(), Some(unset("EMPTY")));
        for wrong in ["", "~root/x", "$", "${HOME", "{a/b,c}", "[a"] {
            let error = locate(wrong, &around()).err();
            assert!(matches!(error, Some(PlaceError::Malformed(_))), "{wrong}");
        }
    }

    #[test]
    fn links_are_resolved_and_what_is_not_there_stays() {
        let dir = std::env::temp_dir().join(format!("jail-places-{}", std::process::id()));
        fs::create_dir_all(dir.join("real")).expect("a directory");
        std::os::unix::fs::symlink("real", dir.join("link")).expect("a link");
        let dir = dir.canonicalize().expect("its path");
        let text = dir.join("link/new/file").display().to_string();
        let located = locate(&text, &around()).expect("a path");
        assert_eq!(located.pattern.base(), dir.join("real/new/file"));
        assert_eq!(located.links, [dir.join("link")]);
        assert_eq!(located.place, None);
        let mut real = locate(&dir.join("link").display().to_string(), &around()).expect("a path");
        real.look();
        assert!(real.place.is_some_and(|place| place.directory));
        let _ = fs::remove_dir_all(dir);
    }

    #[test]
    fn proc_self_depends_on_the_calling_process() {
        let located = locate("/proc/self/status", &around()).expect("a path");
        assert!(located.own);
        assert_eq!(located.pattern.base(), Path::new("/proc/self/status"));
    }
}
