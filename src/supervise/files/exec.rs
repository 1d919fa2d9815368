//! execve and execveat: the program, the interpreters of a script, and the loader of a dynamic one
//! are judged before the call; what really runs is judged after it, before its first instruction.
//!
//! The second look is the sound one: whatever was flipped in between, /proc/PID/exe is the program.

use super::program::{Elf, Interpreter, interpreter};
use super::resolve::{Found, Start, Wants, is_directory, is_regular, read_string, resolve};
use super::{Asked, Files, Judged as Judgement, PathObject, Refused, object, refusal};
use crate::baseline::{Answer, Rule, Watch, When};
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::denial::Object;
use crate::sys::{Errno, memory};
use crate::syscalls::named::named;
use crate::syscalls::{self, Call};
use crate::trace::{Resume, Tid};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// MAX_ARG_STRLEN of linux/binfmts.h.
const LONGEST: usize = 131_072;
/// How many interpreters of interpreters the kernel follows (exec_binprm of fs/exec.c).
const CHAIN: usize = 5;

/// A dynamic loader that is run itself runs whatever file it is told to.
static NO_LOADER: Rule = Rule {
    id: "no-loader",
    syscalls: &["execve", "execveat"],
    when: When {
        text: "",
        any: &[&[]],
    },
    answer: Answer::Deny(syscalls::Errno::EACCES),
    reason: "a dynamic loader started as a program runs any file that can be read; to allow it, name it in exec",
    attack: "/lib64/ld-linux-x86-64.so.2 ./forbidden",
};

/// What is known of programs.
#[derive(Debug, Default)]
pub struct Programs {
    /// Whether a file is a loader, by device and inode.
    loaders: HashMap<(u64, u64, i64), bool>,
    /// What was judged, of calls that a rule about paths or arguments decided.
    judged: HashMap<Tid, Judged>,
}

/// What a rule has judged of an execve.
#[derive(Debug)]
struct Judged {
    /// The arguments.
    vector: Vec<Vec<u8>>,
    /// The program as the call named it.
    given: Vec<u8>,
    /// Where that leads.
    path: Vec<u8>,
    /// Whether it is a script.
    script: bool,
}

impl Programs {
    pub fn gone(&mut self, tid: Tid) {
        self.judged.remove(&tid);
    }
}

impl Files {
    pub(super) fn exec(&mut self, asked: &mut Asked<'_>) -> Judgement<Resume> {
        let row = asked
            .call
            .syscall()
            .and_then(|syscall| named(syscall.name).first())
            .ok_or(Errno::ENOSYS)?;
        let given = asked.path(row)?;
        let wants = Wants::object(row.follows(&asked.call));
        let found = asked.found(row, &given, wants)?;
        let tid = asked.tracee.tid();
        self.exec.judged.remove(&tid);
        if asked.rules {
            asked.vector = arguments(tid, &asked.call)?;
        }
        let script = self.program(asked, &given, &found)?;
        if asked.rules {
            let judged = Judged {
                vector: std::mem::take(&mut asked.vector),
                given,
                path: found.path,
                script,
            };
            self.exec.judged.insert(tid, judged);
        }
        Ok(Resume::Continue)
    }

    /// A program, and what interprets it. Whether it is a script.
    fn program(&mut self, asked: &Asked<'_>, given: &[u8], found: &Found) -> Judgement<bool> {
        if found.object.is_none() {
            asked.judge(Access::Stat, given, found)?;
            return Err(Errno::ENOENT.into());
        }
        asked.judge(Access::Exec, given, found)?;
        let mut next = self.interpreter(asked, given, found)?;
        let script = next
            .as_ref()
            .is_some_and(|(interpreter, _)| interpreter.script);
        for _ in 0..CHAIN {
            let Some((interpreter, found)) = next else {
                break;
            };
            let given = interpreter.path;
            let verdict = asked.plan.judge.path(Access::Exec, &asked.own(&found.path));
            if verdict.action != Action::Allow {
                return Err(Refused::Denied(
                    verdict,
                    object(Access::Exec, &given, &found),
                ));
            }
            next = match interpreter.script {
                true => self.interpreter(asked, &given, &found)?,
                false => None,
            };
        }
        Ok(script)
    }

    /// What interprets a program, if anything does. What is not there is the kernel's to tell.
    fn interpreter(
        &mut self,
        asked: &Asked<'_>,
        given: &[u8],
        found: &Found,
    ) -> Judgement<Option<(Interpreter, Found)>> {
        let fd = found.object.as_ref().ok_or(Errno::ENOENT)?;
        if is_directory(fd) {
            return Err(Errno::EACCES.into());
        }
        // What cannot be read is not looked into: the kernel has the last word on it, and the look
        // after the call.
        let Some(file) = open_program(fd) else {
            return Ok(None);
        };
        let loader = !found.pathless && self.is_loader(&file, &found.path);
        if loader && !asked.plan.judge.names_program(&asked.own(&found.path)) {
            let verdict = refusal(Reason::Baseline(&NO_LOADER));
            return Err(Refused::Denied(verdict, object(Access::Exec, given, found)));
        }
        let Some(interpreter) = interpreter(&file) else {
            return Ok(None);
        };
        let wants = Wants::object(true);
        let next = resolve(asked.view(), Start::Directory, &interpreter.path, wants);
        Ok(next
            .ok()
            .filter(|next| next.object.is_some())
            .map(|next| (interpreter, next)))
    }

    /// What has been loaded is judged: no instruction of it has run. What denies it, if anything.
    pub fn loaded(&mut self, plan: &Plan, pid: Tid, former: Tid) -> Option<(Verdict, Object)> {
        let judged = self.exec.judged.remove(&former);
        let link = format!("/proc/{pid}/exe");
        if !plan.files.judges_programs() && judged.is_none() {
            return None;
        }
        let path = match std::fs::read_link(&link) {
            Ok(path) => path.into_os_string().into_vec(),
            // A program that may not be read: the supervisor is blind to it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Some((refusal(Reason::Pathless), exec_of(link.into_bytes())));
            }
            // It was killed meanwhile.
            Err(_) => return None,
        };
        if judged.is_some_and(|judged| !ran_as(pid, &judged, &path)) {
            return Some((refusal(Reason::Changed), exec_of(path)));
        }
        if !plan.files.judges_programs() {
            return None;
        }
        let file = File::open(&link);
        let unlinked = file
            .as_ref()
            .ok()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|data| data.nlink() == 0);
        let nameless = path.starts_with(b"/memfd:") || !path.starts_with(b"/") || unlinked;
        let judged: &[u8] = if nameless { b"/" } else { &path };
        let verdict = plan.judge.path(Access::Exec, judged);
        if verdict.action != Action::Allow {
            let reason = if nameless {
                Reason::Pathless
            } else {
                verdict.reason
            };
            return Some((Verdict { reason, ..verdict }, exec_of(path)));
        }
        let file = file.ok()?;
        if !nameless && self.is_loader(&file, &path) && !plan.judge.names_program(&path) {
            return Some((refusal(Reason::Baseline(&NO_LOADER)), exec_of(path)));
        }
        // Its loader: where Landlock holds programs it holds this one, too.
        if plan.files.watch.has(Watch::EXEC) {
            for loader in mapped_with(pid, &path) {
                let nameless = !loader.starts_with(b"/") || loader.ends_with(b" (deleted)");
                let judged: &[u8] = if nameless { b"/" } else { &loader };
                let verdict = plan.judge.path(Access::Exec, judged);
                if verdict.action != Action::Allow {
                    return Some((verdict, exec_of(loader)));
                }
            }
        }
        None
    }

    /// Whether a file is a dynamic loader: a shared object with a name and without an interpreter.
    fn is_loader(&mut self, file: &File, path: &[u8]) -> bool {
        let Ok(data) = file.metadata() else {
            return false;
        };
        let key = (data.dev(), data.ino(), data.ctime_nsec());
        if let Some(known) = self.exec.loaders.get(&key) {
            return *known;
        }
        if self.exec.loaders.len() > 4096 {
            self.exec.loaders.clear();
        }
        let is = Elf::read(file).is_some_and(|elf| elf.is_loader(file, path));
        self.exec.loaders.insert(key, is);
        is
    }
}

fn exec_of(path: Vec<u8>) -> Object {
    Object::Path(PathObject {
        access: Access::Exec,
        given: path.clone(),
        resolved: path,
    })
}

/// A program, opened so that nothing can hold the supervisor up: no FIFO, no lease.
fn open_program(fd: &OwnedFd) -> Option<File> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    if !is_regular(fd) {
        return None;
    }
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()
}

/// The arguments of a program that a call starts.
fn arguments(tid: Tid, call: &Call) -> Result<Vec<Vec<u8>>, Errno> {
    /// No kernel takes more: bprm_stack_limits of fs/exec.c.
    const MOST_BYTES: usize = 6 << 20;
    let place = match call.syscall().map(|syscall| syscall.name) {
        Some("execveat") => 2,
        _ => 1,
    };
    let mut address = call.args.get(place).copied().unwrap_or(0);
    let mut arguments = Vec::new();
    let mut bytes = 0;
    while address != 0 {
        let mut pointer = [0; 8];
        if memory::read(tid, address, &mut pointer)? < pointer.len() {
            return Err(Errno::EFAULT);
        }
        let text = match u64::from_ne_bytes(pointer) {
            0 => break,
            text => read_string(tid, text, LONGEST)?,
        };
        bytes += text.len() + 1 + pointer.len();
        if bytes > MOST_BYTES {
            return Err(Errno::E2BIG);
        }
        arguments.push(text);
        address = address.wrapping_add(8);
    }
    if arguments.is_empty() {
        // The kernel makes an empty one of none (Linux 5.18).
        arguments.push(Vec::new());
    }
    Ok(arguments)
}

/// Whether a program that has just been loaded is the one, with the arguments, that was judged.
fn ran_as(pid: Tid, judged: &Judged, path: &[u8]) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let mut found: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    found.pop();
    if !judged.script {
        return path == judged.path && found == judged.vector;
    }
    // The interpreter and its words, the script as it was named, and its arguments.
    let rest = judged.vector.get(1..).unwrap_or_default();
    let Some(place) = found.len().checked_sub(rest.len() + 1) else {
        return false;
    };
    let script = found.get(place).copied().unwrap_or_default();
    let named =
        script == judged.given || judged.given.is_empty() && script.starts_with(b"/dev/fd/");
    let given = found.get(place + 1..).unwrap_or_default();
    place > 0 && named && given == rest
}

/// The files that a program that has just been loaded is mapped with: its loader, wherever that
/// lies. AT_BASE (getauxval(3)) would not do: it is 0 for a loader at a fixed address, and for one
/// whose first segment is not at 0 no mapping starts there.
fn mapped_with(pid: Tid, program: &[u8]) -> Vec<Vec<u8>> {
    let maps = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mut files: Vec<Vec<u8>> = maps
        .split(|byte| *byte == b'\n')
        .filter_map(mapped_file)
        .filter(|file| file != program)
        .collect();
    files.dedup();
    files
}

/// The file of one line of maps: address, permissions, offset, device, inode, then the path, in
/// which only a newline is escaped (proc_pid_maps(5)). A mapping without a file has the inode 0.
fn mapped_file(line: &[u8]) -> Option<Vec<u8>> {
    const NEWLINE: &[u8] = b"\\012";
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    if fields.nth(4)? == b"0" {
        return None;
    }
    let mut rest = fields.next()?.trim_ascii_start();
    let mut path = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        match rest.strip_prefix(NEWLINE) {
            Some(after) => {
                path.push(b'\n');
                rest = after;
            }
            None => {
                path.push(*first);
                rest = after;
            }
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::mapped_file;

    #[test]
    fn a_line_of_maps_gives_its_file_and_nothing_else() {
        let file = b"400000-401000 r-xp 00000000 08:01 131 \t  /lib/a b\\012c";
        assert_eq!(mapped_file(file).as_deref(), Some(&b"/lib/a b\nc"[..]));
        assert_eq!(
            mapped_file(b"7f0-7f1 rw-p 00000000 00:00 0   [stack]"),
            None
        );
        assert_eq!(mapped_file(b"7f0-7f1 rw-p 00000000 00:00 0 "), None);
        assert_eq!(mapped_file(b""), None);
    }
}
