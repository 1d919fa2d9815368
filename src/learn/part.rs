//! A component of a path: a name, or a pattern for names that change from run to run.

use super::{Level, Scene};
use crate::judge::varying::{TEMPORARY, varying};
use crate::paths::{Access, Glob, is_beneath};
use crate::policy::written;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of a name that a pattern must have beside its `*`.
const FIXED: usize = 3;
/// What SQLite appends to the name of a database.
const SQLITE: [&str; 3] = ["-journal", "-wal", "-shm"];
/// Components of a path that an entry may have: one less than a pattern takes.
const MOST_PARTS: usize = 60;

/// A component, as an entry has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// This name, as text of an entry.
    Name(String),
    /// Names that match.
    Pattern(String),
    /// Any name: no pattern is narrow enough, so the directory stands for it.
    Any,
}

impl Part {
    /// Its text in an entry; `None`: it has none.
    pub fn text(&self) -> Option<&str> {
        match self {
            Part::Name(text) | Part::Pattern(text) => Some(text),
            Part::Any => None,
        }
    }

    /// Whether it stands for all that the other stands for, as far as one `*` tells.
    pub fn covers(&self, other: &Part) -> bool {
        match (self, other) {
            (one, other) if one == other => true,
            (Part::Pattern(pattern), Part::Name(name)) => {
                let Some((before, after)) = pattern.split_once('*') else {
                    return false;
                };
                let plain = !pattern.contains(['[', '\\']) && !after.contains('*');
                plain
                    && name.len() >= before.len() + after.len()
                    && name.starts_with(before)
                    && name.ends_with(after)
            }
            _ => false,
        }
    }
}

/// The components of an absolute path. A component [`Part::Any`] is the last one.
pub fn parts(scene: &Scene, level: Level, access: Access, path: &[u8]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut directory: Vec<u8> = Vec::new();
    let names = path.split(|byte| *byte == b'/');
    let of_tasks = path.starts_with(b"/proc/self/task/") || path.starts_with(b"/proc/thread-self/");
    for name in names.filter(|name| !name.is_empty()) {
        if of_tasks && level > Level::Exact && name.iter().all(u8::is_ascii_digit) {
            parts.push(Part::Pattern("[0-9]*".to_owned()));
            directory.extend_from_slice(&[b"/", name].concat());
            continue;
        }
        let changes = access == Access::Write || is_temporary(scene, &directory);
        let part = match level >= Level::Patterns && changes && !is_known(scene, &directory, name) {
            true => each_time(scene, &directory, name),
            false => plain(name),
        };
        let part = match opens_another(scene, &directory, &part) {
            true => plain(name),
            false => part,
        };
        let ends = part == Part::Any || parts.len() >= MOST_PARTS;
        parts.push(match parts.len() >= MOST_PARTS {
            true => Part::Any,
            false => part,
        });
        if ends {
            break;
        }
        directory.push(b'/');
        directory.extend_from_slice(name);
    }
    parts
}

/// A name as it is. Each byte that is no text is one of a class.
fn plain(name: &[u8]) -> Part {
    let text = written::abstract_name(name);
    match std::str::from_utf8(name) {
        Ok(_) => Part::Name(text),
        Err(_) => Part::Pattern(text),
    }
}

/// A name, or what it is each time.
fn each_time(scene: &Scene, directory: &[u8], name: &[u8]) -> Part {
    passing(scene, directory, name)
        .or_else(|| database(scene, directory, name))
        .or_else(|| changing(scene, name))
        .unwrap_or_else(|| plain(name))
}

/// Whether a pattern covers a name that was there, and is none of those that it is for: a command that chooses the
/// name `.con1.20.3` must not get `.config`.
fn opens_another(scene: &Scene, directory: &[u8], part: &Part) -> bool {
    let (Part::Pattern(text), Some(beside)) = (part, scene.beside.get(directory)) else {
        return false;
    };
    let Ok(glob) = Glob::new(text) else {
        return true;
    };
    let of_database = |name: &[u8]| {
        SQLITE.iter().any(|end| {
            let of = name.strip_suffix(end.as_bytes());
            of.is_some_and(|of| scene.databases.contains(&[directory, b"/", of].concat()))
        })
    };
    let is_other = |name: &Vec<u8>| {
        glob.matches(name) && each_time(scene, directory, name) != *part && !of_database(name)
    };
    // Where there are too many to be looked at, there may be one.
    beside
        .as_ref()
        .is_none_or(|names| names.iter().any(is_other))
}

/// The pattern of a name with a date, a random part, a hash, the number of a process or a version; `None`: it has
/// none.
fn changing(scene: &Scene, name: &[u8]) -> Option<Part> {
    let text = std::str::from_utf8(name).ok()?;
    let range = date(name)
        .or_else(|| varying(&scene.run, name))
        .or_else(|| version(name))?;
    let (before, after) = (text.get(..range.start)?, text.get(range.end..)?);
    // The names of mktemp and Python begin with a fixed prefix.
    let before = match before.is_empty() && text.starts_with("tmp") {
        true => "tmp",
        false => before,
    };
    // The rest may change, too: `tmp.XXXX.YYYY`.
    let after = match varying(&scene.run, after.as_bytes()) {
        Some(range) => after.get(range.end..)?,
        None => after,
    };
    if before.len() + after.len() < FIXED {
        return Some(Part::Any);
    }
    let (before, after) = (written::literal(before), written::literal(after));
    Some(Part::Pattern(format!("{before}*{after}")))
}

/// The pattern of a name that the run has removed again, and that begins with the name of something that
/// stays: `Cargo.lockx7Kq2a`.
fn passing(scene: &Scene, directory: &[u8], name: &[u8]) -> Option<Part> {
    let path = [directory, b"/", name].concat();
    if !scene.gone.contains(&path) {
        return None;
    }
    let stays = (FIXED..name.len().saturating_sub(FIXED))
        .rev()
        .find(|end| {
            let shorter = name.get(..*end).unwrap_or_default();
            let other = [directory, b"/", shorter].concat();
            scene.made.contains(&other) && !scene.gone.contains(&other)
        })?;
    let stays = std::str::from_utf8(name.get(..stays)?).ok()?;
    Some(Part::Pattern(format!("{}*", written::literal(stays))))
}

/// The pattern of a database of SQLite, which keeps `-journal`, `-wal` and `-shm` beside it, but not all the time.
fn database(scene: &Scene, directory: &[u8], name: &[u8]) -> Option<Part> {
    let path = [directory, b"/", name].concat();
    let name = std::str::from_utf8(name).ok()?;
    let known = scene.databases.contains(&path) && name.len() >= FIXED;
    known.then(|| Part::Pattern(format!("{}*", written::literal(name))))
}

/// The part of a name that is a date, with the time behind it: `2026-11-30T05_50_04_123Z` of a log.
fn date(name: &[u8]) -> Option<std::ops::Range<usize>> {
    const SHAPE: &[u8] = b"0000-00-00";
    let digit = |at: usize| name.get(at).is_some_and(u8::is_ascii_digit);
    let fits = |start: &usize| {
        let part = name.get(*start..*start + SHAPE.len()).unwrap_or_default();
        let known = |(byte, shape): (&u8, &u8)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        };
        part.len() == SHAPE.len() && part.iter().zip(SHAPE).all(known)
    };
    let start = (0..name.len()).find(fits)?;
    let mut end = start + SHAPE.len();
    while digit(end) || digit(end + 1) && name.get(end).is_some_and(|byte| b"T_-:.".contains(byte))
    {
        end += 1;
    }
    let zone = name.get(end) == Some(&b'Z');
    Some(start..end + usize::from(zone))
}

/// The part of a name that is a version of three numbers: `1.91.0` of `rustc-1.91.0-x86_64`.
fn version(name: &[u8]) -> Option<std::ops::Range<usize>> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let mut at = 0;
    while let Some(start) = name.get(at..)?.iter().position(u8::is_ascii_digit) {
        let start = at + start;
        let length = name.get(start..)?.iter().take_while(|b| is_part(b)).count();
        let end = start + length;
        let text = name.get(start..end)?;
        let end = end - usize::from(text.ends_with(b"."));
        let text = name.get(start..end)?;
        if text
            .split(|byte| *byte == b'.')
            .filter(|n| !n.is_empty())
            .count()
            >= 3
        {
            return Some(start..end);
        }
        at = start + length;
    }
    None
}

/// Whether `path` is `place` or leads to it.
pub fn is_at_or_beneath(place: &Path, path: &[u8]) -> bool {
    is_beneath(place.as_os_str().as_bytes(), path)
}

/// Whether programs give their files random names in this directory.
pub fn is_temporary(scene: &Scene, directory: &[u8]) -> bool {
    let tmpdir = scene.run.tmpdir.as_deref();
    TEMPORARY.iter().any(|known| known.as_bytes() == directory)
        || tmpdir.is_some_and(|tmpdir| tmpdir.as_os_str().as_bytes() == directory)
}

/// Whether a name leads to where the jail starts, or to the home directory: it existed before.
fn is_known(scene: &Scene, directory: &[u8], name: &[u8]) -> bool {
    let path = [directory, b"/", name].concat();
    let run = &scene.run;
    let known = [&run.directory, &run.home, &run.tmpdir].map(Option::as_deref);
    let variables = scene.variables.iter().map(|(_, place)| place.as_path());
    known
        .into_iter()
        .flatten()
        .chain(variables)
        .any(|known| is_at_or_beneath(known, &path))
}

#[cfg(test)]
mod tests {
    use super::super::tests::scene;
    use super::*;

    fn text(access: Access, path: &str) -> String {
        let parts = parts(&scene(), Level::Patterns, access, path.as_bytes());
        let text = |part: &Part| match part {
            Part::Name(text) => format!("/{text}"),
            Part::Pattern(text) => format!("/<{text}>"),
            Part::Any => "/<any>".to_owned(),
        };
        parts.iter().map(text).collect()
    }

    #[test]
    fn names_that_change_are_patterns() {
        for (access, path, expected) in [
            (
                Access::Write,
                "/work0/p/out/obj.Ab3dXq",
                "/work0/p/out/<obj.*>",
            ),
            (Access::Write, "/tmp/npm-3f2a9c1b/x", "/tmp/<npm-*>/x"),
            (Access::Read, "/tmp/tmpab12cd_8/y", "/tmp/<tmp*>/y"),
            (Access::Write, "/work0/p/lock.4711", "/work0/p/<lock.*>"),
            (
                Access::Write,
                "/work0/p/2026-11-30T05_50_04_123Z-debug-0.log",
                "/work0/p/<*-debug-0.log>",
            ),
            (
                Access::Write,
                "/work0/p/run-2026-11-30.log",
                "/work0/p/<run-*.log>",
            ),
            (
                Access::Write,
                "/work0/p/pkg-1.20.3.tgz",
                "/work0/p/<pkg-*.tgz>",
            ),
            (Access::Write, "/work0/p/Ab3dXq7Y", "/work0/p/<any>"),
            (Access::Write, "/work0/p/main.o", "/work0/p/main.o"),
            (Access::Read, "/work0/p/x.Ab3dXq", "/work0/p/x.Ab3dXq"),
            (Access::Read, "/work0/p/[slug]/$x", r"/work0/p/\[slug\]/\$x"),
        ] {
            assert_eq!(text(access, path), expected, "{path}");
        }
    }

    #[test]
    fn only_three_numbers_are_a_version() {
        let found = |name: &str| version(name.as_bytes()).map(|range| name[range].to_owned());
        assert_eq!(found("a-1.2.3-b").as_deref(), Some("1.2.3"));
        assert_eq!(found("x-1.91.0.tar.gz").as_deref(), Some("1.91.0"));
        assert_eq!(found("python3.12"), None);
        assert_eq!(found("a1b2"), None);
        assert_eq!(found(""), None);
    }
}
