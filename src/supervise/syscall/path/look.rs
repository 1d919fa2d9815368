//! Denials of Landlock, reported.
//!
//! Landlock denies silently. Where its denials are to be reported, each call that it decides stops once,
//! and the supervisor looks where the call's path leads. If the policy denies that, the call stops again
//! when it returns, and the denial is reported if the kernel has refused it.
//!
//! Nothing is enforced here: a path that changes between the two looks can only make a report wrong or
//! missing. So what was found of a directory once is believed for good.

use super::open::{opening, reached};
use super::resolve::{LookupFlags, Start, path_of, read_path};
use super::state::Denied;
use super::{Judged, Paths, Refused, SyscallStop, access};
use crate::paths::Access;
use crate::supervise::credentials::as_tracer;
use crate::supervise::tracee::Task;
use crate::sys::Errno;
use crate::syscalls::named::follows_open;
use crate::syscalls::op::{self, Exec, Op, WriteMetadata};
use crate::trace::{Resume, Stopped};
use nix::fcntl::{AT_FDCWD, AtFlags, readlinkat};
use nix::sys::stat::{SFlag, fstatat};
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

/// What was looked at.
#[derive(Debug, Default)]
pub struct Looks {
    /// Paths that are open: a file by its path, everything in a directory by its path and a slash. As
    /// programs write them, with `..` and links within. No more than [`PATHS`].
    open: HashMap<Vec<u8>, Open>,
    /// Directories that are not there, by their paths with a slash: nothing beneath them can be denied,
    /// because the kernel says ENOENT first. Compilers look for files in many of them. Forgotten when a task
    /// of the jail makes or moves a name. No more than [`PATHS`].
    missing: HashSet<Vec<u8>>,
    /// How often a task of the jail has changed its working directory, which others may share.
    moves: u64,
}

/// Paths that are remembered.
const PATHS: usize = 16_384;

/// What the policy allows of a path.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    read: bool,
    write: bool,
    exec: bool,
}

impl Open {
    fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
            Access::Exec => self.exec,
            Access::Stat | Access::Handle => true,
        }
    }

    fn and(self, access: Access) -> Open {
        Open {
            read: self.read || access == Access::Read,
            write: self.write || access == Access::Write,
            exec: self.exec || access == Access::Exec,
        }
    }
}

impl Looks {
    /// A task changes its working directory, which others may share.
    pub fn moves(&mut self) {
        self.moves += 1;
    }

    fn keep_missing(&mut self, head: &[u8]) {
        if self.missing.len() >= PATHS {
            self.missing.clear();
        }
        self.missing.insert(head.to_vec());
    }

    fn remember(&mut self, path: Vec<u8>, access: Access) {
        let open = self.open.get(&path).copied().unwrap_or_default();
        self.keep(path, open.and(access));
    }

    fn keep(&mut self, path: Vec<u8>, open: Open) {
        if self.open.len() >= PATHS {
            self.open.clear();
        }
        self.open.insert(path, open);
    }
}

impl Paths {
    /// Looks at a call that Landlock decides.
    pub fn look(&mut self, stop: &mut SyscallStop<'_>) -> Resume {
        let denied = match stop.call.op() {
            Op::Chdir | Op::Fchdir => {
                self.looks.moves();
                return Resume::CONTINUE;
            }
            Op::Open(op) => self.look_at_open(stop, op),
            Op::Exec(op) => self.look_at_program(stop, op),
            Op::Bind => self.look_at_socket(stop),
            op => {
                // It may make a directory, or a link to one.
                self.looks.missing.clear();
                look_at_names(stop, op)
            }
        };
        let Err(Refused::Denied(verdict, object)) = denied else {
            // What else is wrong with it is the kernel's to say.
            return Resume::CONTINUE;
        };
        let denied = Denied {
            call: stop.call,
            verdict,
            object,
        };
        stop.task.paths.denied.replace(Some(denied));
        Resume::CONTINUE.and_stop()
    }

    /// A call returns that the policy denies: what is to be reported, if the kernel has refused it.
    pub fn looked(&self, tracee: &Stopped, task: &Task) -> Result<Option<Denied>, Errno> {
        let Some(denied) = task.paths.denied.take() else {
            return Ok(None);
        };
        let Some(result) = tracee.result()? else {
            return Ok(None);
        };
        // EXDEV: a name may not be moved to another directory (LANDLOCK_ACCESS_FS_REFER).
        let refused = [libc::EACCES, libc::EXDEV].map(|errno| -i64::from(errno));
        Ok(refused.contains(&result).then_some(denied))
    }

    fn look_at_open(&mut self, stop: &SyscallStop<'_>, op: op::Open) -> Judged<()> {
        let tid = stop.tracee.tid();
        let (start, address, how) = opening(stop, op)?;
        let given = read_path(tid, address)?;
        // Whether something is created does not matter here: then it is a change as well.
        let access = how.access(false);
        let follow = follows_open(how.flags);
        // What is recorded is looked at each time.
        let text = match stop.seen {
            Some(_) => None,
            None => self.text(stop, start, &given),
        };
        if let Some(text) = &text
            && self.is_open(stop, text, access, follow)
        {
            return Ok(());
        }
        let found = reached(stop, start, &given, how)?;
        let access = how.access(found.object.is_some());
        stop.judge(access, &given, &found)?;
        if let Some(text) = text {
            self.looks.remember(text, access);
        }
        Ok(())
    }

    /// A program, and what interprets it.
    fn look_at_program(&mut self, stop: &mut SyscallStop<'_>, op: Exec) -> Judged<()> {
        let text = match op {
            Exec::Execve if stop.seen.is_none() => {
                let given = stop.path(stop.row(0)?)?;
                self.text(stop, Start::Directory, &given)
            }
            Exec::Execve | Exec::Execveat => None,
        };
        if let Some(text) = &text
            && let Some(open) = self.looks.open.get(text)
            && open.exec
        {
            return Ok(());
        }
        self.exec(stop)?;
        if let Some(text) = text {
            self.looks.remember(text, Access::Exec);
        }
        Ok(())
    }

    /// The name of a socket.
    fn look_at_socket(&mut self, stop: &SyscallStop<'_>) -> Judged<()> {
        let Some(name) = super::places::socket(stop)? else {
            return Ok(());
        };
        let found = stop.found_at(&name, LookupFlags::NAME)?;
        stop.judge(Access::Write, &name, &found)
    }

    /// A path as the task has written it, with the directory that it starts from. `None`: it means
    /// something else to each process, or there is none.
    fn text(&mut self, stop: &SyscallStop<'_>, start: Start, given: &[u8]) -> Option<Vec<u8>> {
        if given.is_empty() || stop.tracees.namespaces.has_own_mounts() {
            return None;
        }
        let text = match given.starts_with(b"/") {
            true => given.to_vec(),
            false => {
                let mut text = self.directory(stop, start)?;
                text.push(b'/');
                text.extend_from_slice(given);
                text
            }
        };
        (!text.starts_with(b"/proc") && !text.starts_with(b"/dev/")).then_some(text)
    }

    /// Where relative paths of a task start.
    fn directory(&self, stop: &SyscallStop<'_>, start: Start) -> Option<Vec<u8>> {
        let tid = stop.tracee.tid();
        let process = stop.task.process();
        let known = &process.paths.directory;
        let moves = self.looks.moves;
        let link = match start {
            Start::Directory => {
                if let Some((found, path)) = known.borrow().as_ref()
                    && *found == moves
                {
                    return Some(path.clone());
                }
                format!("/proc/{tid}/cwd")
            }
            Start::Descriptor(fd) => format!("/proc/{tid}/fd/{fd}"),
        };
        let path = as_tracer(|| readlinkat(AT_FDCWD, link.as_str())).ok()?;
        let path = path.into_vec();
        if !path.starts_with(b"/") || path.ends_with(b" (deleted)") {
            return None;
        }
        if start == Start::Directory {
            known.replace(Some((moves, path.clone())));
        }
        Some(path)
    }

    /// Whether a path is known to be open, or lies in a directory that is and is no link that leads out
    /// of it. Entries of a policy that Landlock holds are whole trees.
    fn is_open(
        &mut self,
        stop: &SyscallStop<'_>,
        text: &[u8],
        access: Access,
        follow: bool,
    ) -> bool {
        let known = |open: &Open| open.allows(access);
        if self.looks.open.get(text).is_some_and(known) {
            return true;
        }
        let Some(end) = text.iter().rposition(|byte| *byte == b'/') else {
            return false;
        };
        let (head, name) = text.split_at(end + 1);
        if matches!(name, b"" | b"." | b"..") {
            return false;
        }
        let open = match self.looks.open.get(head) {
            Some(open) => *open,
            None if self.looks.missing.contains(head) => return true,
            None => match open_directory(stop, head) {
                Ok(Some(open)) => {
                    self.looks.keep(head.to_vec(), open);
                    open
                }
                Ok(None) => return false,
                Err(Errno::ENOENT | Errno::ENOTDIR) => {
                    self.looks.keep_missing(head);
                    return true;
                }
                Err(_) => return false,
            },
        };
        if !open.allows(access) || follow && is_link(text) {
            return false;
        }
        self.looks.remember(text.to_vec(), access);
        true
    }
}

/// What the policy allows of all that lies in a directory. `None`: its files differ in that.
fn open_directory(stop: &SyscallStop<'_>, head: &[u8]) -> Result<Option<Open>, Errno> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let directory = stop.tracees.namespaces.open(head, flags, 0)?;
    let path = path_of(&directory)?;
    if path.starts_with(b"/proc") {
        return Ok(None);
    }
    let allows = |access| {
        let verdict = stop.plan.judge.path(access, &path);
        verdict.action == crate::policy::Action::Allow
    };
    Ok(Some(Open {
        read: allows(Access::Read),
        write: allows(Access::Write),
        exec: allows(Access::Exec),
    }))
}

/// Whether a symbolic link is there, or that cannot be told.
fn is_link(path: &[u8]) -> bool {
    let Ok(path) = CString::new(path) else {
        return true;
    };
    match fstatat(AT_FDCWD, path.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK,
        Err(Errno::ENOENT) => false,
        Err(_) => true,
    }
}

/// Names that are made, removed or moved, and files that are made shorter.
fn look_at_names(stop: &SyscallStop<'_>, op: Op) -> Judged<()> {
    for row in stop.rows() {
        let given = stop.path(row)?;
        let wants = match op {
            Op::WriteMetadata(WriteMetadata::Truncate) => LookupFlags::object(true),
            _ => LookupFlags {
                follow: row.follows(&stop.call),
                ..LookupFlags::NAME
            },
        };
        let found = stop.found(row, &given, wants)?;
        stop.judge_path(access(row.asks), &given, &found)?;
    }
    Ok(())
}
