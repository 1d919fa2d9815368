//! Names that are other ones the next time: of temporary files, with the number of a process in them, and
//! in `/proc`. An entry of a policy that names one would cover nothing then.
//!
//! Whether a name is random can only be guessed. A wrong guess makes an advice name a directory instead of a
//! file, or a file that is not there the next time: it decides nothing else.

use crate::paths::{Access, is_beneath};
use crate::policy::{Policy, written};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is known of a run that a denial is of.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The caller's TMPDIR, resolved.
    pub tmpdir: Option<PathBuf>,
    /// The directory that the jail starts in.
    pub directory: Option<PathBuf>,
    /// Numbers in what was denied that are those of processes of the jail.
    pub processes: Vec<i32>,
    /// Whether a symbolic link itself was denied: an entry would be about what it leads to.
    pub link: bool,
}

/// Directories in which programs give their files random names.
const TEMPORARY: [&str; 4] = ["/dev/shm", "/dev/pts", "/var/tmp", "/tmp"];
/// Numbers of fewer digits are taken for part of a name.
const DIGITS: usize = 3;

/// The entry of `[fs]` that covers a path now and the next time. The caller's own part of `/proc` is
/// `/proc/self` in it.
pub fn path_entry(policy: &Policy, run: &Run, access: Access, path: &[u8]) -> String {
    // To a file that is removed the kernel adds this: no name that a program would use.
    let path = match run.link || path.ends_with(b" (deleted)") {
        true => above(path),
        false => path,
    };
    match path.strip_prefix(b"/proc/") {
        Some(rest) => process_entry(rest).unwrap_or_else(|| written::path(path)),
        None => {
            let steady = steady(policy, run, access, path);
            match &run.tmpdir {
                Some(tmpdir) if tmpdir.as_os_str().as_bytes() == steady && !is_usual(steady) => {
                    "$TMPDIR".to_owned()
                }
                _ => written::path(steady),
            }
        }
    }
}

/// The directory above a path.
pub fn above(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(end) => path.get(..end).unwrap_or(b"/"),
    }
}

fn is_usual(path: &[u8]) -> bool {
    TEMPORARY.iter().any(|usual| usual.as_bytes() == path)
}

/// A path of `/proc` with a number in it that is another one the next time; `None`: it has none.
fn process_entry(rest: &[u8]) -> Option<String> {
    let parts: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
    let (process, rest) = parts.split_first()?;
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let own = matches!(*process, b"self" | b"thread-self");
    if !own && !is_number(process) {
        return None;
    }
    // `/proc/self/task/4711`, `/proc/self/fdinfo/5`
    let listed = matches!(rest, [b"task" | b"fd" | b"fdinfo" | b"map_files", _, ..]);
    if own && !listed {
        return None;
    }
    let mut text = match own {
        true => format!("/proc/{}", String::from_utf8_lossy(process)),
        false => "/proc/[0-9]*".to_owned(),
    };
    for (place, part) in rest.iter().enumerate() {
        let Ok(plain) = std::str::from_utf8(part) else {
            break;
        };
        let of_tasks = rest.first().is_some_and(|first| *first == b"task");
        match (place, listed) {
            (1, true) if of_tasks => text.push_str("/[0-9]*"),
            (1, true) => break,
            _ => {
                text.push('/');
                text.push_str(&written::literal(plain));
            }
        }
    }
    Some(text)
}

/// A path as far as it will be the same the next time.
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
        let tmpdir = run
            .tmpdir
            .as_deref()
            .map(|path| path.as_os_str().as_bytes());
        let is_temporary = is_usual(directory) || tmpdir == Some(directory);
        let changes = access == Access::Write;
        let last = end == path.len();
        let is_new = is_temporary && changes && last;
        if is_new || (is_temporary || changes) && varying(run, name).is_some() {
            return directory;
        }
    }
    path
}

/// Whether a path is on the way to what the policy names, to where it lies, or to where the jail starts: it
/// was there before.
fn is_known(policy: &Policy, run: &Run, path: &[u8]) -> bool {
    let entries = policy.paths.iter().map(|entry| entry.pattern.base());
    let files = policy.sources.iter().flat_map(|source| &source.files);
    let mut known = entries
        .chain(files.map(PathBuf::as_path))
        .chain(run.directory.as_deref());
    known.any(|known: &Path| is_beneath(known.as_os_str().as_bytes(), path))
}

/// The entry of `[net]` for an abstract name.
pub fn abstract_entry(run: &Run, name: &[u8]) -> String {
    // Those that the kernel chooses are five hexadecimal digits (unix(7), autobind).
    let hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if name.len() == 5 && name.iter().all(hexadecimal) {
        return "unix:@[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]".to_owned();
    }
    match varying(run, name) {
        Some(range) => {
            let part = |part: Option<&[u8]>| written::abstract_name(part.unwrap_or_default());
            let (before, after) = (part(name.get(..range.start)), part(name.get(range.end..)));
            format!("unix:@{before}*{after}")
        }
        None => format!("unix:@{}", written::abstract_name(name)),
    }
}

/// The part of a name that looks random, or is the number of a process.
fn varying(run: &Run, name: &[u8]) -> Option<Range<usize>> {
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

/// Whether a word of a name looks as if it was made by mkstemp(3) and the like.
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
            link: false,
        }
    }

    fn entry(access: Access, path: &str) -> String {
        let text = "[fs]\nread = [\"/srv/tmp.Zz9yX8\"]";
        let policy = Policy::parse(text, "net.toml").expect("a policy");
        path_entry(&policy, &run(), access, path.as_bytes())
    }

    #[test]
    fn numbers_of_processes_in_proc_are_any() {
        let cases = [
            ("/proc/self/oom_score_adj", "/proc/self/oom_score_adj"),
            ("/proc/4711/stat", "/proc/[0-9]*/stat"),
            ("/proc/4711", "/proc/[0-9]*"),
            ("/proc/4711/task/12/comm", "/proc/[0-9]*/task/[0-9]*/comm"),
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
            (Access::Write, "/tmp/x", "/tmp"),
            (Access::Write, "/tmp/x/y", "/tmp/x/y"),
            (Access::Read, "/tmp/x", "/tmp/x"),
            (Access::Read, "/tmp/tmp.Zb3dX9/x", "/tmp"),
            (Access::Write, "/home/u/t/x", "$TMPDIR"),
            (Access::Read, "/home/u/t/x", "/home/u/t/x"),
            (Access::Read, "/home/u/t/tmpab12cd_8/y", "$TMPDIR"),
            (Access::Write, "/home/u/p/.x.Ab3dXq", "/home/u/p"),
            (Access::Write, "/home/u/p/lock.4711", "/home/u/p"),
            (Access::Write, "/home/u/p/lock.4712", "/home/u/p/lock.4712"),
            (Access::Read, "/home/u/p/x.Ab3dX9", "/home/u/p/x.Ab3dX9"),
            // What was there before stays.
            (Access::Read, "/tmp/tmp.Ab3dX9/a", "/tmp/tmp.Ab3dX9/a"),
            (Access::Write, "/tmp/tmp.Ab3dX9/a", "/tmp/tmp.Ab3dX9/a"),
            (Access::Write, "/srv/tmp.Zz9yX8/a", "/srv/tmp.Zz9yX8/a"),
            (Access::Read, "/tmp/x (deleted)", "/tmp"),
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
    fn an_abstract_name_keeps_what_is_the_same_the_next_time() {
        let entry = |name: &str| abstract_entry(&run(), name.as_bytes());
        assert_eq!(
            entry("0002f"),
            "unix:@[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
        );
        assert_eq!(entry("/tmp/dbus-Ab3dX9Qx"), "unix:@/tmp/dbus-*");
        assert_eq!(entry("x.4711.y"), "unix:@x.*.y");
        assert_eq!(entry("a$[b]"), r"unix:@a\$\[b\]");
    }
}
