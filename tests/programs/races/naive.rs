//! A supervisor as one would first write it: it looks at the path, then lets the call go on.
//!
//! It is here to lose: an attack that does not win against it proves nothing about a jail.

use crate::old;
use crate::raw::tracer::Registers;
use crate::raw::{self, tracer};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What it denies.
pub enum Denied {
    /// Whatever lies in this directory.
    Directory(PathBuf),
    /// Writing to this file.
    Writing(PathBuf),
}

/// Whether a final symbolic link is followed.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Followed,
    Kept,
}
use Last::{Followed, Kept};

/// The argument that holds the directory descriptor, if any, and the one that holds the path.
type Name = (Option<usize>, usize);

/// A call that names paths.
type Row = (i64, &'static [Name], Last);

#[rustfmt::skip]
const CALLS: &[Row] = &[
    (old::SYS_open,       &[(None, 0)],               Followed),
    (libc::SYS_openat,     &[(Some(0), 1)],            Followed),
    (libc::SYS_openat2,    &[(Some(0), 1)],            Followed),
    (libc::SYS_execve,     &[(None, 0)],               Followed),
    (libc::SYS_execveat,   &[(Some(0), 1)],            Followed),
    (libc::SYS_truncate,   &[(None, 0)],               Followed),
    (old::SYS_chmod,      &[(None, 0)],               Followed),
    (libc::SYS_fchmodat,   &[(Some(0), 1)],            Followed),
    (libc::SYS_fchownat,   &[(Some(0), 1)],            Followed),
    (libc::SYS_utimensat,  &[(Some(0), 1)],            Followed),
    (libc::SYS_setxattr,   &[(None, 0)],               Followed),
    (old::SYS_unlink,     &[(None, 0)],               Kept),
    (libc::SYS_unlinkat,   &[(Some(0), 1)],            Kept),
    (old::SYS_mkdir,      &[(None, 0)],               Kept),
    (libc::SYS_mkdirat,    &[(Some(0), 1)],            Kept),
    (libc::SYS_mknodat,    &[(Some(0), 1)],            Kept),
    (libc::SYS_bind,       &[(None, 1)],               Kept),
    (libc::SYS_symlinkat,  &[(Some(1), 2)],            Kept),
    (old::SYS_link,       &[(None, 0), (None, 1)],    Kept),
    (libc::SYS_linkat,     &[(Some(0), 1), (Some(2), 3)], Kept),
    (old::SYS_rename,     &[(None, 0), (None, 1)],    Kept),
    (libc::SYS_renameat,   &[(Some(0), 1), (Some(2), 3)], Kept),
    (libc::SYS_renameat2,  &[(Some(0), 1), (Some(2), 3)], Kept),
];

/// Runs `attack` in a child under this supervision; its exit code.
pub fn supervise(denied: &Denied, attack: impl FnOnce() -> i32) -> i32 {
    let numbers: Vec<i64> = CALLS.iter().map(|(number, ..)| *number).collect();
    supervise_by(
        &numbers,
        |tid, registers| denies(tid, registers, denied),
        attack,
    )
}

/// As [`supervise`]; `denies` looks at each of these calls at its beginning.
pub fn supervise_by(
    numbers: &[i64],
    denies: impl Fn(i32, &Registers) -> bool,
    attack: impl FnOnce() -> i32,
) -> i32 {
    let (mut from, to) = std::io::pipe().expect("pipe");
    let child = raw::fork(|| {
        let mut seized = [0];
        let _ = from.read(&mut seized);
        tracer::trace_calls(numbers);
        attack()
    });
    tracer::seize(child).expect("cannot seize the child");
    std::io::Write::write_all(&mut &to, b".").expect("cannot tell the child");
    loop {
        let (tid, status) = raw::wait(-1, libc::__WALL).expect("the child is not waited for");
        if !libc::WIFSTOPPED(status) {
            if tid == child {
                return libc::WEXITSTATUS(status);
            }
            continue;
        }
        let signal = match status >> 16 {
            0 => libc::WSTOPSIG(status),
            libc::PTRACE_EVENT_SECCOMP => {
                judge(tid, &denies);
                0
            }
            _ => 0,
        };
        tracer::go_on(tid, signal);
    }
}

/// Denies the call at whose beginning this task is stopped, or does nothing.
fn judge(tid: i32, denies: impl Fn(i32, &Registers) -> bool) {
    if let Ok(registers) = Registers::of(tid)
        && denies(tid, &registers)
    {
        registers.deny(tid);
    }
}

/// Whether a call names a path that is denied.
fn denies(tid: i32, registers: &Registers, denied: &Denied) -> bool {
    let number = registers.number();
    let Some((_, names, last)) = CALLS.iter().find(|row| row.0 == number) else {
        return false;
    };
    let mut named = names
        .iter()
        .map(|name| resolve(tid, registers, *name, *last));
    named.any(|path| match denied {
        Denied::Directory(directory) => path.starts_with(directory),
        Denied::Writing(file) => path == *file && writes(tid, registers),
    })
}

/// The absolute path that a call names, without symbolic links.
fn resolve(tid: i32, registers: &Registers, (dirfd, path): Name, last: Last) -> PathBuf {
    let mut bytes = [0; raw::PAGE];
    let address = registers.argument(path) as usize;
    let length = raw::vm_read(tid, &mut bytes, address);
    let skip = match registers.number() {
        libc::SYS_bind => size_of::<libc::sa_family_t>(),
        _ => 0,
    };
    let path = raw::path_of(bytes.get(skip..length).unwrap_or_default());
    let base = match dirfd.map(|number| registers.argument(number) as i32) {
        None | Some(libc::AT_FDCWD) => format!("/proc/{tid}/cwd"),
        Some(fd) => format!("/proc/{tid}/fd/{fd}"),
    };
    let path = match path.strip_prefix("/proc/self") {
        Ok(rest) => Path::new("/proc").join(tid.to_string()).join(rest),
        Err(_) => Path::new(&base).join(path),
    };
    let in_parent = || {
        let parent = path.parent()?.canonicalize().ok()?;
        Some(parent.join(path.file_name()?))
    };
    let whole = if last == Followed {
        path.canonicalize().ok()
    } else {
        None
    };
    whole.or_else(in_parent).unwrap_or_default()
}

/// Whether an open asks for more than reading.
fn writes(tid: i32, registers: &Registers) -> bool {
    let flags = match registers.number() {
        old::SYS_open => registers.argument(1),
        libc::SYS_openat => registers.argument(2),
        libc::SYS_openat2 => {
            let mut flags = [0; 8];
            raw::vm_read(tid, &mut flags, registers.argument(2) as usize);
            u64::from_ne_bytes(flags)
        }
        _ => return true,
    };
    flags as i32 & (libc::O_ACCMODE | libc::O_TRUNC | libc::O_CREAT) != libc::O_RDONLY
}
