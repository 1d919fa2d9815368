//! execve and execveat: the program, the interpreters of a script, and the loader of a dynamic one
//! are judged before the call; what really runs is judged after it, before its first instruction.
//!
//! The second look is the sound one: whatever was flipped in between, /proc/PID/exe is the program.

use super::resolve::{Found, Start, Wants, is_directory, read_string, resolve};
use super::{Asked, Files, Judged, Refused, denied, object};
use crate::baseline::{Answer, Rule, When};
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
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};

/// MAX_ARG_STRLEN of linux/binfmts.h.
const LONGEST: usize = 131_072;
/// BINPRM_BUF_SIZE of linux/binfmts.h: what the kernel looks at to tell what a file is.
const HEAD: usize = 256;
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
    /// The arguments that were judged, of calls that a rule about arguments decided.
    judged: HashMap<Tid, Vec<Vec<u8>>>,
}

impl Programs {
    pub fn gone(&mut self, tid: Tid) {
        self.judged.remove(&tid);
    }
}

impl Files {
    pub(super) fn exec(&mut self, asked: &mut Asked<'_>) -> Judged<Resume> {
        let row = asked
            .call
            .syscall()
            .and_then(|syscall| named(syscall.name).first())
            .ok_or(Errno::ENOSYS)?;
        let given = asked.path(row)?;
        let wants = Wants::object(row.follows(&asked.call));
        let found = asked.found(row, &given, wants)?;
        self.program(asked, &given, &found, CHAIN)?;
        if asked.plan.judge.needs_objects(&asked.call) {
            let vector = arguments(asked.tracee.tid(), &asked.call, usize::MAX)?;
            self.exec.judged.insert(asked.tracee.tid(), vector);
        }
        Ok(Resume::Continue)
    }

    /// A program, and what interprets it.
    fn program(
        &mut self,
        asked: &Asked<'_>,
        given: &[u8],
        found: &Found,
        chain: usize,
    ) -> Judged<()> {
        let fd = found.object.as_ref().ok_or(Errno::ENOENT)?;
        asked.judge(Access::Exec, given, found)?;
        if is_directory(fd) {
            return Err(Errno::EACCES.into());
        }
        // What cannot be read is not looked into: the kernel has the last word on it, and the look
        // after the call.
        let Ok(file) = File::open(format!("/proc/self/fd/{}", fd.as_raw_fd())) else {
            return Ok(());
        };
        if !found.pathless && self.is_loader(&file) && !names_file(asked.plan, asked, &found.path) {
            let verdict = denied(Reason::Baseline(&NO_LOADER));
            return Err(Refused::Denied(verdict, object(Access::Exec, given, found)));
        }
        let Some(interpreter) = interpreter(&file).filter(|_| chain > 0) else {
            return Ok(());
        };
        let wants = Wants::object(true);
        // A missing interpreter is the kernel's to tell.
        let Ok(next) = resolve(asked.view(), Start::Directory, &interpreter.path, wants) else {
            return Ok(());
        };
        if next.object.is_none() {
            return Ok(());
        }
        match interpreter.script {
            true => self.program(asked, &interpreter.path, &next, chain - 1),
            false => asked.judge(Access::Exec, &interpreter.path, &next),
        }
    }

    /// What has been loaded is judged: no instruction of it has run. What denies it, if anything.
    pub fn loaded(&mut self, plan: &Plan, pid: Tid) -> Option<(Verdict, Object)> {
        let judged = self.exec.judged.remove(&pid);
        if let Some(judged) = judged
            && !ran_with(pid, &judged)
        {
            let object = exec_of(format!("/proc/{pid}/cmdline").into_bytes());
            return Some((denied(Reason::Pathless), object));
        }
        if !plan.files.judges_programs() {
            return None;
        }
        let link = format!("/proc/{pid}/exe");
        let path = match std::fs::read_link(&link) {
            Ok(path) => path.into_os_string().into_vec(),
            // A program that may not be read: the supervisor is blind to it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Some((denied(Reason::Pathless), exec_of(link.into_bytes())));
            }
            // It was killed meanwhile.
            Err(_) => return None,
        };
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
        if !nameless && self.is_loader(&file) && !plan.judge.names_program(&path) {
            return Some((denied(Reason::Baseline(&NO_LOADER)), exec_of(path)));
        }
        None
    }

    /// Whether a file is a dynamic loader: a shared object with a name and without an interpreter.
    fn is_loader(&mut self, file: &File) -> bool {
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
        let is = Elf::read(file).is_some_and(|elf| elf.is_loader(file));
        self.exec.loaders.insert(key, is);
        is
    }
}

fn names_file(plan: &Plan, asked: &Asked<'_>, path: &[u8]) -> bool {
    plan.judge.names_program(&asked.own(path))
}

fn exec_of(path: Vec<u8>) -> Object {
    Object {
        access: Access::Exec,
        given: path.clone(),
        resolved: path,
    }
}

/// The first arguments of a program that a call starts.
pub fn arguments(tid: Tid, call: &Call, most: usize) -> Result<Vec<Vec<u8>>, Errno> {
    /// More than any kernel takes: ARG_MAX is a quarter of the stack's limit.
    const MOST: usize = 1 << 20;
    let place = match call.syscall().map(|syscall| syscall.name) {
        Some("execveat") => 2,
        _ => 1,
    };
    let mut address = call.args.get(place).copied().unwrap_or(0);
    let mut arguments = Vec::new();
    if address == 0 {
        return Ok(arguments);
    }
    while arguments.len() < most.min(MOST) {
        let mut pointer = [0; 8];
        if memory::read(tid, address, &mut pointer)? < pointer.len() {
            return Err(Errno::EFAULT);
        }
        match u64::from_ne_bytes(pointer) {
            0 => break,
            text => arguments.push(read_string(tid, text, LONGEST)?),
        }
        address = address.wrapping_add(8);
    }
    Ok(arguments)
}

/// Whether a program that has just been loaded has the arguments that were judged. A script's stand
/// behind its interpreter's, the first of them replaced.
fn ran_with(pid: Tid, judged: &[Vec<u8>]) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return true;
    };
    let mut found: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    found.pop();
    let judged: Vec<&[u8]> = judged.iter().map(Vec::as_slice).collect();
    found == judged || {
        let rest = judged.get(1..).unwrap_or_default();
        found.len() > judged.len() && found.ends_with(rest)
    }
}

/// What interprets a program.
struct Interpreter {
    path: Vec<u8>,
    /// By a `#!` line, else as the loader of a dynamic program.
    script: bool,
}

fn interpreter(file: &File) -> Option<Interpreter> {
    let mut head = [0; HEAD];
    let read = file.read_at(&mut head, 0).ok()?;
    let head = head.get(..read)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let words = line.split(|byte| matches!(byte, b' ' | b'\t' | 0));
        let path = words.into_iter().find(|word| !word.is_empty())?.to_vec();
        return Some(Interpreter { path, script: true });
    }
    let path = Elf::read(file)?.interpreter(file)?;
    Some(Interpreter {
        path,
        script: false,
    })
}

/// What is looked at of an ELF file of 64 bits: elf(5).
struct Elf {
    kind: u16,
    segments: Vec<Segment>,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

const ET_DYN: u16 = 3;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_SONAME: u64 = 14;

impl Elf {
    fn read(file: &File) -> Option<Elf> {
        const SEGMENT: usize = 56;
        const MOST: u16 = 256;
        let mut head = [0; 64];
        file.read_exact_at(&mut head, 0).ok()?;
        if !head.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let (table, size, count) = (u64_at(&head, 32)?, u16_at(&head, 54)?, u16_at(&head, 56)?);
        if usize::from(size) != SEGMENT || count > MOST {
            return None;
        }
        let mut bytes = vec![0; SEGMENT * usize::from(count)];
        file.read_exact_at(&mut bytes, table).ok()?;
        let segment = |bytes: &[u8]| {
            Some(Segment {
                kind: u32_at(bytes, 0)?,
                offset: u64_at(bytes, 8)?,
                address: u64_at(bytes, 16)?,
                size: u64_at(bytes, 32)?,
            })
        };
        Some(Elf {
            kind: u16_at(&head, 16)?,
            segments: bytes.chunks_exact(SEGMENT).filter_map(segment).collect(),
        })
    }

    fn segment(&self, kind: u32) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }

    fn interpreter(&self, file: &File) -> Option<Vec<u8>> {
        let bytes = read_part(file, self.segment(PT_INTERP)?, 4096)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        bytes.get(..end).map(<[u8]>::to_vec)
    }

    fn is_loader(&self, file: &File) -> bool {
        self.kind == ET_DYN && self.segment(PT_INTERP).is_none() && self.has_name(file)
    }

    /// Whether it has a DT_SONAME: what is linked against has one, a program (even a static one at
    /// no fixed address) has none.
    fn has_name(&self, file: &File) -> bool {
        // Entries are not relocated on disk, so their offset is that of the segment.
        let Some(dynamic) = self.segment(PT_DYNAMIC) else {
            return false;
        };
        let loaded = self.segments.iter().any(|segment| {
            segment.kind == PT_LOAD
                && (segment.address..segment.address.saturating_add(segment.size))
                    .contains(&dynamic.address)
        });
        let bytes = read_part(file, dynamic, 1 << 16).unwrap_or_default();
        loaded
            && bytes
                .chunks_exact(16)
                .any(|entry| u64_at(entry, 0) == Some(DT_SONAME))
    }
}

fn read_part(file: &File, segment: &Segment, most: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; segment.size.min(most) as usize];
    file.read_exact_at(&mut bytes, segment.offset).ok()?;
    Some(bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_of_this_host_is_one_and_its_programs_are_none() {
        let shell = File::open("/bin/sh").expect("a shell");
        let found = interpreter(&shell).expect("a dynamic program");
        assert!(!found.script);
        let path = String::from_utf8(found.path).expect("a path");
        let loader = File::open(&path).expect("its loader");
        assert!(
            Elf::read(&loader).is_some_and(|elf| elf.is_loader(&loader)),
            "{path}"
        );
        assert!(!Elf::read(&shell).is_some_and(|elf| elf.is_loader(&shell)));
    }

    #[test]
    fn a_script_names_its_interpreter() {
        let path = std::env::temp_dir().join(format!("jail-script-{}", std::process::id()));
        std::fs::write(&path, "#! /usr/bin/env -S python3\n").expect("a file");
        let found = interpreter(&File::open(&path).expect("a file")).expect("a script");
        assert!(found.script);
        assert_eq!(found.path, b"/usr/bin/env");
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn a_broken_program_is_no_panic() {
        let path = std::env::temp_dir().join(format!("jail-elf-{}", std::process::id()));
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.extend([0xff; 80]);
        std::fs::write(&path, &bytes).expect("a file");
        assert!(interpreter(&File::open(&path).expect("a file")).is_none());
        let _ = std::fs::remove_file(path);
    }
}
