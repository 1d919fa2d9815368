//! Names that change from run to run: those of temporary files, names with a process id in them, and
//! names in `/proc`. An entry of a policy that names one would cover nothing the next time.
//!
//! Whether a name is random can only be guessed. A wrong guess only affects advice, which then names a
//! directory instead of a file, or a file that does not exist the next time.

pub use super::run::{Refused, Run};
use super::width::{is_parent, is_shared, is_too_wide};
use crate::paths::{Access, is_beneath};
use crate::policy::{Policy, written};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an advice can name so that it covers a path now and the next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// This entry of `[fs]`.
    Entry(String),
    /// A file for which the run should have a temporary directory of its own. It lies in this directory.
    Temporary(Vec<u8>),
    /// No entry that is narrow enough: the nearest one opens this whole directory.
    Wide(Vec<u8>),
    /// A process, which has another number the next time.
    Process,
}

/// Directories in which programs give their files random names.
pub const TEMPORARY: [&str; 4] = ["/dev/shm", SHARED_TERMINALS, "/var/tmp", "/tmp"];
/// Those of them that TMPDIR can replace.
const REPLACED: [&str; 2] = ["/var/tmp", "/tmp"];
/// The terminals of all programs, by their numbers.
const SHARED_TERMINALS: &str = "/dev/pts";
/// Bytes of a name that a pattern of it must have beside its `*`.
const FIXED: usize = 3;
/// A number with fewer digits counts as part of a name.
const DIGITS: usize = 3;

/// What covers a path in this run and the next. In it, the caller's own part of `/proc` is `/proc/self`.
pub fn named(policy: &Policy, run: &Run, access: Access, path: &[u8]) -> Named {
    // The kernel appends this to the path of a removed file; a program would not use such a name.
    let path = match run.link || path.ends_with(b" (deleted)") {
        true => above(path),
        false => path,
    };
    if let Some(rest) = path.strip_prefix(b"/proc/") {
        return match process_entry(rest) {
            Some(of_process) => of_process,
            None => narrow(run, path),
        };
    }
    let steady = steady(policy, run, access, path);
    if steady.len() == path.len() && !is_new_in_temporary(policy, run, access, path) {
        return narrow(run, path);
    }
    let directory = match steady.len() == path.len() {
        true => above(path),
        false => steady,
    };
    let own = own_tmpdir(run) == Some(directory);
    // A policy with a directory of the run's own means that by $TMPDIR.
    if own && policy.tmpdir.is_none() && !is_one_of(&TEMPORARY, directory) {
        return Named::Entry("$TMPDIR".to_owned());
    }
    if access == Access::Write && (own || is_one_of(&REPLACED, directory)) {
        return Named::Temporary(directory.to_owned());
    }
    if own || is_closed(run, directory) {
        return pattern(run, directory, path).unwrap_or_else(|| Named::Wide(directory.to_owned()));
    }
    narrow(run, directory)
}

/// Whether no entry may open a directory as a whole.
fn is_closed(run: &Run, directory: &[u8]) -> bool {
    is_too_wide(run, directory) || is_shared(run, directory)
}

/// The path itself, if that is narrow enough.
fn narrow(run: &Run, path: &[u8]) -> Named {
    if is_closed(run, path) {
        return Named::Wide(path.to_owned());
    }
    // A name that cannot be expressed is covered by its directory.
    let entry = written::path(path);
    match is_too_wide(run, entry.as_bytes()) {
        true => Named::Wide(entry.into_bytes()),
        false => Named::Entry(entry),
    }
}

/// A pattern for the name in a directory that varies: `/home/u/.lock.*`.
fn pattern(run: &Run, directory: &[u8], path: &[u8]) -> Option<Named> {
    // Each child of these is too wide itself, and the pattern might match it.
    if directory == b"/" || is_parent(directory) {
        return None;
    }
    let rest = path.strip_prefix(directory)?;
    let name = rest
        .split(|byte| *byte == b'/')
        .find(|part| !part.is_empty())?;
    let name = std::str::from_utf8(name).ok()?;
    let range = varying(run, name.as_bytes())?;
    let (before, after) = (name.get(..range.start)?, name.get(range.end..)?);
    // The names of mktemp and Python begin with a fixed prefix.
    let before = match before.is_empty() && name.starts_with("tmp") {
        true => "tmp",
        false => before,
    };
    if before.len() + after.len() < FIXED || !is_apart(before, after) {
        return None;
    }
    let directory = written::path(directory);
    let directory = directory.trim_end_matches('/');
    let (before, after) = (written::literal(before), written::literal(after));
    Some(Named::Entry(format!("{directory}/{before}*{after}")))
}

/// Whether what is the same in a name is a word of its own before what varies. Else a program that chooses the name
/// `.con4711` or `4711.config` is advised an entry that covers `.config`.
fn is_apart(before: &str, after: &str) -> bool {
    let is_letter = char::is_alphanumeric;
    let word = before.contains(is_letter) && !before.ends_with(is_letter) || before == "tmp";
    word && !after.starts_with(is_letter)
}

/// Whether a file is to be made in a directory for temporary files, or is a terminal there.
fn is_new_in_temporary(policy: &Policy, run: &Run, access: Access, path: &[u8]) -> bool {
    let directory = above(path);
    let temporary = is_one_of(&REPLACED, directory)
        || own_tmpdir(run) == Some(directory)
        || directory == SHARED_TERMINALS.as_bytes();
    access == Access::Write && temporary && !is_known(policy, run, path)
}

fn own_tmpdir(run: &Run) -> Option<&[u8]> {
    let tmpdir = run.tmpdir.as_deref()?;
    Some(tmpdir.as_os_str().as_bytes())
}

/// The directory above a path.
pub fn above(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(end) => path.get(..end).unwrap_or(b"/"),
    }
}

fn is_one_of(list: &[&str], path: &[u8]) -> bool {
    list.iter().any(|known| known.as_bytes() == path)
}

/// A path of `/proc` with a number that differs the next time; `None`: it has none.
fn process_entry(rest: &[u8]) -> Option<Named> {
    let parts: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
    let (process, rest) = parts.split_first()?;
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let own = matches!(*process, b"self" | b"thread-self");
    if !own {
        // An entry for any number opens every process that this user may look at.
        return is_number(process).then_some(Named::Process);
    }
    // `/proc/self/task/4711`, `/proc/self/fdinfo/5`
    let listed = matches!(rest, [b"task" | b"fd" | b"fdinfo" | b"map_files", _, ..]);
    if !listed {
        return None;
    }
    let mut text = format!("/proc/{}", String::from_utf8_lossy(process));
    for (place, part) in rest.iter().enumerate() {
        let Ok(plain) = std::str::from_utf8(part) else {
            break;
        };
        let of_tasks = rest.first().is_some_and(|first| *first == b"task");
        match place {
            1 if of_tasks => text.push_str("/[0-9]*"),
            1 => break,
            _ => {
                text.push('/');
                text.push_str(&written::literal(plain));
            }
        }
    }
    Some(Named::Entry(text))
}

/// The part of a path that will be the same the next time.
fn steady<'a>(policy: &Policy, run: &Run, access: Access, path: &'a [u8]) -> &'a [u8] {
    let mut start = 0;
    let slashes = path.iter().enumerate().skip(1);
    let ends = slashes.filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for end in ends.chain([path.len()]) {
        let directory = path.get(..start.max(1)).unwrap_or_default();
        let here = path.get(..end).unwrap_or_default();
        let name = path.get(start + 1..end).unwrap_or_default();
        start = end;
        if is_known(policy, run, here) {
            continue;
        }
        let is_temporary = is_one_of(&TEMPORARY, directory) || own_tmpdir(run) == Some(directory);
        let changes = access == Access::Write;
        if (is_temporary || changes) && varying(run, name).is_some() {
            return directory;
        }
    }
    path
}

/// Whether a path leads to what the policy names, to the policy itself, or to where the jail starts:
/// then it existed before.
fn is_known(policy: &Policy, run: &Run, path: &[u8]) -> bool {
    let entries = policy.paths.iter().map(|entry| entry.pattern.base());
    let files = policy.sources.iter().flat_map(|source| &source.files);
    let mut known = entries
        .chain(files.map(PathBuf::as_path))
        .chain(run.directory.as_deref());
    known.any(|known: &Path| is_beneath(known.as_os_str().as_bytes(), path))
}

/// The entry of `[net]` for an abstract name; `None`: it would be for every name.
pub fn abstract_entry(run: &Run, name: &[u8]) -> Option<String> {
    // A name that the kernel chooses is five hexadecimal digits (unix(7), autobind).
    let hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if name.len() == 5 && name.iter().all(hexadecimal) {
        return Some("unix:@[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]".to_owned());
    }
    let text = match varying(run, name) {
        Some(range) => {
            let part = |part: Option<&[u8]>| written::abstract_name(part.unwrap_or_default());
            let (before, after) = (part(name.get(..range.start)), part(name.get(range.end..)));
            format!("{before}*{after}")
        }
        None => written::abstract_name(name),
    };
    let is_any = text.bytes().all(|byte| byte == b'*');
    (!is_any).then(|| format!("unix:@{text}"))
}

/// The part of a name that looks random, or is the number of a process.
pub fn varying(run: &Run, name: &[u8]) -> Option<Range<usize>> {
    let number = |range: &Range<usize>| {
        let digits = std::str::from_utf8(name.get(range.clone())?).ok()?;
        digits.parse::<i32>().ok()
    };
    let numbers = runs(name, u8::is_ascii_digit);
    let of_process = numbers
        .filter(|range| range.len() >= DIGITS)
        .find(|range| number(range).is_some_and(|number| run.processes.contains(&number)));
    let random = || {
        let words = runs(name, |byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        words.into_iter().find(|range| is_random(name, range))
    };
    of_process.or_else(random)
}

/// The longest runs of bytes of a kind.
fn runs<'a>(
    name: &'a [u8],
    kind: impl Fn(&u8) -> bool + 'a,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = name.get(at..)?;
        let start = at + rest.iter().position(&kind)?;
        let length = name
            .get(start..)?
            .iter()
            .take_while(|byte| kind(byte))
            .count();
        at = start + length;
        Some(start..at)
    })
}

/// Whether a word of a name looks like one of mkstemp(3) and similar functions.
fn is_random(name: &[u8], range: &Range<usize>) -> bool {
    let before = name.get(..range.start).unwrap_or_default();
    let word = name.get(range.clone()).unwrap_or_default();
    let count = |kind: fn(&u8) -> bool| word.iter().filter(|byte| kind(byte)).count();
    let (digits, upper, lower) = (
        count(u8::is_ascii_digit),
        count(u8::is_ascii_uppercase),
        count(u8::is_ascii_lowercase),
    );
    let changes = word
        .windows(2)
        .filter(|pair| {
            let digits = pair.iter().filter(|byte| byte.is_ascii_digit()).count();
            digits == 1 && pair.iter().all(u8::is_ascii_alphanumeric)
        })
        .count();
    let mixed = digits > 0 && upper > 0 && lower > 0;
    match word.len() {
        // `tmp.XXXXXXXXXX` of mktemp(1).
        6.. if before == b"tmp." => true,
        // `tmpXXXXXXXX` of Python.
        11 if word.starts_with(b"tmp") => true,
        // `name.XXXXXX` of mkstemp(3).
        6 if before.ends_with(b".") || before.ends_with(b"-") => {
            let letters = upper + lower;
            let capital = upper == 1 && word.first().is_some_and(u8::is_ascii_uppercase);
            letters + digits == 6
                && (digits > 0 && letters > 0 || upper > 0 && lower > 0 && !capital)
        }
        6.. => mixed || changes >= 3 || digits >= 8,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            tmpdir: Some("/home/u/t".into()),
            directory: Some("/tmp/tmp.Ab3dX9/work".into()),
            processes: vec![4711],
            home: Some("/home/u".into()),
            ..Run::default()
        }
    }

    fn policy(more: &str) -> Policy {
        let text = format!("[fs]\nread = [\"/srv/tmp.Zz9yX8\"]\n{more}");
        Policy::parse(&text, "net.toml").expect("a policy")
    }

    fn entry(access: Access, path: &str) -> String {
        text(named(&policy(""), &run(), access, path.as_bytes()))
    }

    fn text(named: Named) -> String {
        let place = |place: Vec<u8>| String::from_utf8(place).expect("a text");
        match named {
            Named::Entry(entry) => entry,
            Named::Temporary(directory) => format!("temporary {}", place(directory)),
            Named::Wide(directory) => format!("wide {}", place(directory)),
            Named::Process => "process".to_owned(),
        }
    }

    #[test]
    fn only_the_callers_own_process_is_named() {
        let cases = [
            ("/proc/self/oom_score_adj", "/proc/self/oom_score_adj"),
            ("/proc/4711/stat", "process"),
            ("/proc/4711", "process"),
            ("/proc/4711/task/12/comm", "process"),
            ("/proc", "wide /proc"),
            ("/proc/self/task/12/comm", "/proc/self/task/[0-9]*/comm"),
            ("/proc/self/task", "/proc/self/task"),
            ("/proc/self/fdinfo/5", "/proc/self/fdinfo"),
            ("/proc/sys/kernel/12", "/proc/sys/kernel/12"),
            ("/proc/meminfo", "/proc/meminfo"),
        ];
        for (path, expected) in cases {
            assert_eq!(entry(Access::Read, path), expected);
        }
    }

    #[test]
    fn a_temporary_name_is_its_directory() {
        let cases = [
            (Access::Write, "/tmp/x", "temporary /tmp"),
            (Access::Write, "/tmp/tmp.Zb3dX9/x", "temporary /tmp"),
            (Access::Write, "/tmp/x/y", "/tmp/x/y"),
            (Access::Write, "/dev/shm/x", "/dev/shm/x"),
            (Access::Write, "/dev/shm/sem.Zb3dX9", "/dev/shm/sem.*"),
            (Access::Write, "/dev/shm/Zb3dX9", "wide /dev/shm"),
            (Access::Write, "/dev/pts/7", "wide /dev/pts"),
            (Access::Read, "/tmp/x", "/tmp/x"),
            (Access::Read, "/tmp/tmp.Zb3dX9/x", "/tmp/tmp.*"),
            (Access::Read, "/tmp/tmpab12cd_8", "/tmp/tmp*"),
            (Access::Write, "/home/u/t/x", "$TMPDIR"),
            (Access::Read, "/home/u/t/x", "/home/u/t/x"),
            (Access::Read, "/home/u/t/tmpab12cd_8/y", "$TMPDIR"),
            (Access::Write, "/home/u/p/.x.Ab3dXq", "/home/u/p"),
            (Access::Write, "/home/u/p/lock.4711", "/home/u/p"),
            (Access::Write, "/home/u/p/lock.4712", "/home/u/p/lock.4712"),
            (Access::Read, "/home/u/p/x.Ab3dX9", "/home/u/p/x.Ab3dX9"),
            // A directory that existed before stays.
            (Access::Read, "/tmp/tmp.Ab3dX9/a", "/tmp/tmp.Ab3dX9/a"),
            (Access::Write, "/tmp/tmp.Ab3dX9/a", "/tmp/tmp.Ab3dX9/a"),
            (Access::Write, "/srv/tmp.Zz9yX8/a", "/srv/tmp.Zz9yX8/a"),
            (Access::Read, "/tmp/x (deleted)", "wide /tmp"),
            // A directory of the system, or a home directory.
            (Access::Write, "/home/u/.x.Ab3dXq", "/home/u/.x.*"),
            (Access::Write, "/home/u/Ab3dXq7Y", "wide /home/u"),
            (Access::Write, "/core.4711", "wide /"),
            (Access::Write, "/var/tmpab12cd_8", "wide /var"),
            (Access::Read, "/home/u", "wide /home/u"),
            (Access::Read, "/etc", "wide /etc"),
            (Access::Read, "/", "wide /"),
        ];
        for (access, path, expected) in cases {
            assert_eq!(entry(access, path), expected, "{access} {path}");
        }
    }

    #[test]
    fn a_policy_with_a_temporary_directory_of_the_runs_own_is_not_given_another() {
        let policy = policy("[process]\ntmpdir = \"fresh\"\n");
        let entry = |access, path: &str| text(named(&policy, &run(), access, path.as_bytes()));
        let cases = [
            (Access::Write, "/tmp/x", "temporary /tmp"),
            (Access::Write, "/home/u/t/x", "temporary /home/u/t"),
            (Access::Read, "/home/u/t/x", "/home/u/t/x"),
            (Access::Read, "/home/u/t/tmpab12cd_8/y", "/home/u/t/tmp*"),
        ];
        for (access, path, expected) in cases {
            assert_eq!(entry(access, path), expected, "{access} {path}");
        }
    }

    #[test]
    fn ordinary_names_are_not_taken_for_random_ones() {
        let run = run();
        for name in [
            "x",
            "Makefile",
            "x86_64",
            "python3.12",
            "libfoo.so.1.2.3",
            "sha256sum",
            "main.rs",
            "README.md",
            "[slug]",
            "page.tsx",
            "MyFileName.java",
            "tmp",
            "utf8",
            "node_modules",
            "a.out",
            "package-lock.json",
            "id_ed25519",
        ] {
            assert_eq!(varying(&run, name.as_bytes()), None, "{name}");
        }
        for name in [
            "tmp.Ab3dX9",
            "tmpab12cd_8",
            "ccQ3xY1z.o",
            "sh-thd.kQzWxy",
            "x.t0fuf5",
            "x.leoaxL",
            "lock.4711",
            "go-build2846312345",
            "npm-3f2a9c1b",
        ] {
            assert!(varying(&run, name.as_bytes()).is_some(), "{name}");
        }
    }

    #[test]
    fn no_name_in_a_home_makes_a_pattern_that_covers_another_word() {
        for name in [
            ".con4711",
            "4711.config",
            ".4711config",
            ".4711.config",
            "..4711.config",
        ] {
            let path = format!("/home/u/{name}");
            assert_eq!(entry(Access::Write, &path), "wide /home/u", "{name}");
        }
        for (name, expected) in [
            (".lock.4711", "/home/u/.lock.*"),
            ("a.4711.config", "/home/u/a.*.config"),
            (".config/x-Ab3dX9.tmp", "/home/u/.config/x-*.tmp"),
            (".config/Ab3dX9Qx", "wide /home/u/.config"),
            (".local/share", "wide /home/u/.local/share"),
            (".local/share/tool/Ab3dX9Qx", "/home/u/.local/share/tool"),
        ] {
            let path = format!("/home/u/{name}");
            assert_eq!(entry(Access::Write, &path), expected, "{name}");
        }
    }

    #[test]
    fn an_abstract_name_keeps_what_is_the_same_the_next_time() {
        let entry = |name: &[u8]| abstract_entry(&run(), name).unwrap_or_default();
        assert_eq!(
            entry(b"0002f"),
            "unix:@[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
        );
        assert_eq!(entry(b"/tmp/dbus-Ab3dX9Qx"), "unix:@/tmp/dbus-*");
        assert_eq!(entry(b"x.4711.y"), "unix:@x.*.y");
        assert_eq!(entry(b"a$[b]"), r"unix:@a\$\[b\]");
        assert_eq!(entry(b"\xff"), "unix:@[! -~]");
        // It would be an entry for every name.
        assert_eq!(entry(b"Ab3dX9Qx"), "");
    }
}
