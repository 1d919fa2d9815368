//! execve and execveat: the program, the interpreters of a script, and the loader of a dynamic one
//! are judged before the call; what really runs is judged after it, before its first instruction.
//!
//! The second look is the sound one: whatever was flipped in between, /proc/PID/exe is the program.

mod loaded;
pub mod program;
pub mod vector;

use super::resolve::{LookupFlags, Resolved, Start, is_directory, is_regular, resolve};
use super::{Judged, Paths, Refused, SyscallStop, object, refusal};
use crate::baseline::{Answer, Rule, When};
use crate::judge::Reason;
use crate::paths::Access;
use crate::policy::Action;
use crate::sys::Errno;
use crate::syscalls;
use crate::syscalls::op::Exec;
use crate::trace::Resume;
use program::{Elf, Interpreter, interpreter};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};
use vector::{JudgedExec, Keys, Vector};

/// How many interpreters of interpreters the kernel follows (exec_binprm of fs/exec.c).
const CHAIN: usize = 5;

/// The calls that execute a program.
pub(super) const CALLS: &[&str] = &[Exec::Execve.name(), Exec::Execveat.name()];

/// A dynamic loader that is run itself runs whatever file it is told to.
pub(super) static NO_LOADER: Rule = Rule {
    id: "no-loader",
    syscalls: CALLS,
    when: When {
        text: "",
        any: &[&[]],
    },
    answer: Answer::Deny(syscalls::Errno::EACCES),
    reason: "a dynamic loader started as a program runs any file that can be read; to allow it, name it in exec",
    attack: "/lib64/ld-linux-x86-64.so.2 ./forbidden",
};

/// The protection that denies to execute a file of this host for what it contains. It does not apply to a file
/// that an entry of `exec` names.
pub fn protection_from(path: &Path) -> Option<&'static Rule> {
    // Opening another kind of file may block.
    if !std::fs::metadata(path).is_ok_and(|data| data.is_file()) {
        return None;
    }
    let file = File::open(path).ok()?;
    let path = path.as_os_str().as_bytes();
    let loader = Elf::read(&file).is_some_and(|elf| elf.is_loader(&file, path));
    loader.then_some(&NO_LOADER)
}

/// What is known of programs.
#[derive(Debug, Default)]
pub struct Programs {
    /// Whether a file is a loader, by device, inode and the time of its last change. No more than
    /// [`LOADERS`].
    loaders: HashMap<(u64, u64, i64, i64), bool>,
    keys: Keys,
}

/// Files of which it is remembered whether they are loaders.
const LOADERS: usize = 4096;

/// A file that was changed so lately may be changed again without another time of change: the clock of
/// file systems ticks no faster than the kernel's (current_time of fs/inode.c).
const SETTLED: Duration = Duration::from_secs(2);

impl Programs {
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// As if a rule had judged an execve.
    #[cfg(test)]
    pub fn judged_of_test(&self) -> JudgedExec {
        JudgedExec {
            vector: Vector::of_test(&self.keys),
            given: None,
            path: self.keys.text(b"/x"),
            script: false,
        }
    }
}

impl Paths {
    pub(super) fn exec(&mut self, stop: &mut SyscallStop<'_>) -> Judged<Resume> {
        let row = stop.row(0)?;
        let given = stop.path(row)?;
        let wants = LookupFlags::object(row.follows(&stop.call));
        let found = stop.found(row, &given, wants)?;
        let tid = stop.tracee.tid();
        let entry = stop.plan.entry.as_deref();
        let mut vector = Ok(None);
        if stop.rules || entry.is_some() {
            vector = Vector::read(&self.exec.keys, tid, &stop.call).map(|(begin, vector)| {
                stop.vector = begin;
                Some(vector)
            });
        }
        if stop.rules {
            vector = Ok(vector?);
        }
        let scripts = self.program(stop, &given, &found)?;
        // Without rules the kernel fails with the same error, or what is loaded is compared with `on-exec`.
        let vector = vector.unwrap_or_default();
        if let Some(entry) = entry {
            let own = stop.task.domains.judged();
            let entering = own.and(stop.entered(entry, &given, &found, &scripts));
            let missing = entering.without(stop.task.domains.filters());
            if let Some(domain) = missing.iter().next() {
                return self.emulation.install(stop, entry, domain);
            }
            stop.task.domains.enters(entering);
        }
        // Outside of all domains nothing has to be kept from entering one.
        let kept = stop.rules || !stop.task.domains.judged().is_none();
        if let Some(vector) = vector.filter(|_| kept) {
            let keys = &self.exec.keys;
            let judged = JudgedExec {
                vector,
                given: (!given.is_empty()).then(|| keys.text(&given)),
                path: keys.text(&found.path),
                script: !scripts.is_empty(),
            };
            stop.task.paths.judged.replace(Some(judged));
        }
        Ok(Resume::CONTINUE)
    }

    /// A program, and what interprets it. The interpreters of scripts.
    fn program(
        &mut self,
        stop: &SyscallStop<'_>,
        given: &[u8],
        found: &Resolved,
    ) -> Judged<Vec<(Interpreter, Resolved)>> {
        if found.object.is_none() {
            stop.judge(Access::Stat, given, found)?;
            return Err(Errno::ENOENT.into());
        }
        stop.judge(Access::Exec, given, found)?;
        let mut next = self.interpreter(stop, given, found)?;
        let mut scripts = Vec::new();
        for _ in 0..CHAIN {
            let Some((interpreter, found)) = next else {
                break;
            };
            let given = interpreter.path.clone();
            let verdict = stop.plan.judge.path(Access::Exec, &stop.own(&found.path));
            let named = || object(Access::Exec, &given, &found);
            if verdict.action != Action::Allow {
                if !stop.lets(&verdict, named) {
                    return Err(Refused::Denied(verdict, named()));
                }
                let path = stop.own(&found.path);
                if let Some(verdict) = stop.plan.judge.path_in_domains(Access::Exec, &path) {
                    return Err(Refused::Denied(verdict, named()));
                }
            }
            stop.see(named);
            next = match interpreter.script {
                true => self.interpreter(stop, &given, &found)?,
                false => None,
            };
            if interpreter.script {
                scripts.push((interpreter, found));
            }
        }
        Ok(scripts)
    }

    /// What interprets a program, if anything does. What is not there is the kernel's to tell.
    fn interpreter(
        &mut self,
        stop: &SyscallStop<'_>,
        given: &[u8],
        found: &Resolved,
    ) -> Judged<Option<(Interpreter, Resolved)>> {
        let fd = found.object.as_ref().ok_or(Errno::ENOENT)?;
        if is_directory(fd) {
            return Err(Errno::EACCES.into());
        }
        let Some(file) = open_program(fd)? else {
            return Ok(None);
        };
        let loader = !found.pathless && self.is_loader(&file, &found.path);
        if loader && !stop.plan.judge.names_program(&stop.own(&found.path)) {
            let verdict = refusal(Reason::Baseline(&NO_LOADER));
            return Err(Refused::Denied(verdict, object(Access::Exec, given, found)));
        }
        let Some(interpreter) = interpreter(&file) else {
            return Ok(None);
        };
        let wants = LookupFlags::object(true);
        match resolve(stop.view(), Start::Directory, &interpreter.path, wants) {
            Ok(next) if next.object.is_some() => Ok(Some((interpreter, next))),
            // It is not there, or cannot be reached: the kernel says so, too.
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP) => Ok(None),
            // It may be there, and the supervisor cannot tell what it is.
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether a file is a dynamic loader: a shared object with a name and without an interpreter.
    pub(super) fn is_loader(&mut self, file: &File, path: &[u8]) -> bool {
        // What cannot be looked at may be one.
        let Ok(data) = file.metadata() else {
            return true;
        };
        let key = (data.dev(), data.ino(), data.ctime(), data.ctime_nsec());
        if let Some(known) = self.exec.loaders.get(&key) {
            return *known;
        }
        let is = Elf::read(file).is_some_and(|elf| elf.is_loader(file, path));
        if is_stable(data.ctime()) {
            if self.exec.loaders.len() >= LOADERS {
                self.exec.loaders.clear();
            }
            self.exec.loaders.insert(key, is);
        }
        is
    }
}

/// Whether a file that was last changed at this time (in seconds) can only be changed with another one
/// from now on.
fn is_stable(changed: i64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let changed = u64::try_from(changed).map(Duration::from_secs);
    match (now, changed) {
        (Ok(now), Ok(changed)) => now.checked_sub(changed).is_some_and(|age| age > SETTLED),
        _ => false,
    }
}

/// A program, opened so that nothing can hold the supervisor up: no FIFO, no lease. `None`: it is none,
/// or it may not be read: then the look after the call has the last word on it.
fn open_program(fd: &OwnedFd) -> Result<Option<File>, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    if !is_regular(fd) {
        return Ok(None);
    }
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    match opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::EACCES | Errno::EPERM) => Ok(None),
        // A process has a lease to write to it: fcntl(2), F_SETLEASE.
        Err(Errno::EWOULDBLOCK) => Err(Errno::ETXTBSY),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_remembered_once_its_time_of_change_can_tell_changes_apart() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("a clock after 1970").as_secs() as i64;
        assert!(is_stable(now - 10));
        for changed in [now, now - 1, now + 10, -1] {
            assert!(!is_stable(changed), "{changed}");
        }
    }
}
