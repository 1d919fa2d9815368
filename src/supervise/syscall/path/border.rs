//! The border of a domain: which programs enter it, and what of /proc lies outside of it.

use super::exec::program::Interpreter;
use super::resolve::Resolved;
use crate::paths::Access;
use crate::plan::Entry;
use crate::policy::{DomainSet, interpreted};
use crate::supervise::syscall::stop::SyscallStop;
use crate::trace::Tid;
use std::os::unix::ffi::OsStringExt;

/// Files of /proc/PID that say nothing of a process's memory, descriptors and environment.
const HARMLESS: &[&[u8]] = &[
    b"cgroup",
    b"cmdline",
    b"comm",
    b"limits",
    b"oom_score",
    b"stat",
    b"statm",
    b"status",
    b"task",
];

/// Whether this part of a process's directory tells no more of it than any process may know: the directory itself, or
/// that of a thread, and what is in [`HARMLESS`].
fn is_harmless(parts: &[&[u8]]) -> bool {
    let number = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    match parts {
        [] => true,
        [file] => HARMLESS.contains(file),
        [directory, thread, rest @ ..] if *directory == b"task" && number(thread) => {
            !matches!(rest, [directory, ..] if *directory == b"task") && is_harmless(rest)
        }
        _ => false,
    }
}

impl SyscallStop<'_> {
    /// The domains that the execve of this program enters: by where its path leads, or by the path as it is
    /// written. So a link in the place of the program does not lead out of a domain. The same of what interprets
    /// a script, with the arguments that the kernel passes to it.
    pub(super) fn entered(
        &self,
        entry: &Entry,
        given: &[u8],
        found: &Resolved,
        scripts: &[(Interpreter, Resolved)],
    ) -> DomainSet {
        let by = |given: &[u8], found: &Resolved, words: &[Vec<u8>]| {
            let written = self.written(given);
            let names: &[&[u8]] = match &written {
                Some(written) => &[&found.path, written],
                None => &[&found.path],
            };
            entry.entered(names, words)
        };
        let mut set = by(given, found, &self.vector);
        let (mut words, mut script) = (self.vector.clone(), given);
        for (interpreter, found) in scripts {
            let argument = interpreter.argument.as_deref();
            words = interpreted(&interpreter.path, argument, script, &words);
            script = &interpreter.path;
            set = set.and(by(script, found, &words));
        }
        set
    }

    /// A path as it is written, made absolute; `None`: it is relative to a descriptor, or empty.
    fn written(&self, given: &[u8]) -> Option<Vec<u8>> {
        let mut full = match given.first()? {
            b'/' => Vec::new(),
            _ if self.is_at_directory() => {
                let link = format!("/proc/{}/cwd", self.task.tid());
                let directory = std::fs::read_link(link).ok()?;
                directory.into_os_string().into_vec()
            }
            _ => return None,
        };
        if full == b"/" {
            full.clear();
        }
        for name in given.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => {
                    let end = full.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    full.truncate(end);
                }
                name => {
                    full.push(b'/');
                    full.extend_from_slice(name);
                }
            }
        }
        Some(full)
    }

    /// Whether a file of /proc belongs to a process outside of the caller's domains, and tells more of it than any
    /// process may know.
    pub(super) fn crosses(&self, access: Access, found: &Resolved) -> bool {
        let set = self.task.domains.judged();
        if set.is_none() || access == Access::Stat || !found.is_of_proc() {
            return false;
        }
        let number = |part: &[u8]| std::str::from_utf8(part).ok()?.parse::<Tid>().ok();
        let parts: Vec<&[u8]> = found.path.split(|byte| *byte == b'/').collect();
        let Some(place) = parts.iter().position(|part| number(part).is_some()) else {
            return false;
        };
        let numbers = parts.iter().filter_map(|part| number(part));
        let in_proc = found.path.starts_with(b"/proc/");
        let mut targets = numbers.filter_map(|number| match in_proc {
            true => self.tracees.of_number(number),
            false => Some(number),
        });
        if targets.all(|target| self.tracees.is_within(set, target)) {
            return false;
        }
        access == Access::Write || !is_harmless(parts.get(place + 1..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_process_is_its_state_and_its_name() {
        let harmless = |path: &str| {
            let parts: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
            is_harmless(&parts)
        };
        for path in [
            "status",
            "comm",
            "task",
            "task/7",
            "task/7/stat",
            "task/7/comm",
        ] {
            assert!(harmless(path), "{path}");
        }
        assert!(is_harmless(&[]));
        for path in [
            "mem",
            "environ",
            "fd",
            "fd/3",
            "fdinfo",
            "fdinfo/3",
            "map_files/1-2",
            "task/7/fd/3",
            "task/7/fdinfo/3",
            "task/7/mem",
            "task/x/comm",
            "net/stat",
            "attr/comm",
            "ns",
            "root",
            "cwd/comm",
            "task/7/task/8",
        ] {
            assert!(!harmless(path), "{path}");
        }
    }
}
