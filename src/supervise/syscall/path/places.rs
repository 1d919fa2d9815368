//! chdir and bind: calls of one path that no flag keeps from following links.
//!
//! Only the task itself can make a chdir. Its path lies in a page that nothing can change, and no other
//! stop of the jail is answered until it has returned; then the directory that it has led to is looked
//! at, for a process of another jail may have renamed on the way. A bind is made by the supervisor (see
//! `bind`), or where that cannot be, by the task as a chdir is.

use super::bind::Binding;
use super::resolve::{LookupFlags, PATH_MAX, Start, path_of, resolve};
use super::umask::Umask;
use super::{Judged, Object, PathObject, Paths, Resolved, SyscallStop, protect, refusal};
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::credentials::as_tracer;
use crate::supervise::syscall::emulate;
use crate::supervise::syscall::pending::Pending;
use crate::sys::Errno;
use crate::sys::files::{descriptor_of, openat2};
use crate::sys::landlock::QUIET_ABI;
use crate::trace::{Resume, Stopped, Tid};
use nix::sys::stat::fstat;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// The working directory of a task.
fn directory_of(tid: Tid) -> Result<OwnedFd, Errno> {
    let link = CString::new(format!("/proc/{tid}/cwd")).map_err(|_| Errno::EINVAL)?;
    as_tracer(|| openat2(libc::AT_FDCWD, &link, libc::O_PATH, 0))
}

/// Whether two descriptors stand for the same directory.
fn same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let identity = |fd: &OwnedFd| fstat(fd.as_fd()).map(|stat| (stat.st_dev, stat.st_ino));
    match (identity(one), identity(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// `struct sockaddr_storage` is as large (socket(7)): no address is longer.
pub const SOCKADDR: usize = 128;
/// The path in `struct sockaddr_un`: unix(7).
const SUN_PATH: usize = 108;
/// Where it begins: after the family.
const FAMILY: usize = 2;

/// The address of a bind, and its length.
fn address(stop: &SyscallStop<'_>) -> Judged<([u8; SOCKADDR], usize)> {
    let length = stop.arg(2) as u32 as usize;
    if length > SOCKADDR {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = [0; SOCKADDR];
    let buffer = bytes.get_mut(..length).unwrap_or_default();
    crate::sys::memory::read_all(stop.tracee.tid(), stop.arg(1), buffer)?;
    Ok((bytes, length))
}

/// The path in an address, if it has one.
fn name(bytes: &[u8; SOCKADDR], length: usize) -> Option<Vec<u8>> {
    let family = i32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    let name = bytes.get(FAMILY..length).unwrap_or_default();
    let end = name.iter().position(|byte| *byte == 0);
    let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
    (family == libc::AF_UNIX && !name.is_empty()).then(|| name.to_vec())
}

/// The path that a bind would make a socket at, if it has one.
pub(super) fn socket(stop: &SyscallStop<'_>) -> Judged<Option<Vec<u8>>> {
    let (bytes, length) = address(stop)?;
    Ok(name(&bytes, length))
}

/// A call returns: what denies the directory that a chdir has led to, if anything. No flag keeps
/// chdir from following a link that a process of another jail has made meanwhile; that a hidden
/// directory is there would be known then, so the task must not run on.
pub fn arrived(
    plan: &Plan,
    tracee: &Stopped,
    pending: &Pending,
) -> Result<Option<(Verdict, Object)>, Errno> {
    let tid = tracee.tid();
    let Pending::Return {
        entered: Some(judged),
        ..
    } = pending
    else {
        return Ok(None);
    };
    if tracee.result()? != Some(0) {
        return Ok(None);
    }
    let here = match directory_of(tid) {
        Ok(here) => here,
        // The task is gone.
        Err(Errno::ENOENT | Errno::ESRCH) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    if same(&here, judged) {
        return Ok(None);
    }
    let (path, verdict) = match path_of(&here) {
        Ok(path) => {
            let verdict = plan.judge.path(Access::Stat, &path);
            (path, verdict)
        }
        // It cannot be judged.
        Err(Errno::ENAMETOOLONG) => (Vec::new(), refusal(Reason::Changed)),
        Err(errno) => return Err(errno),
    };
    let object = Object::Path(PathObject {
        access: Access::Stat,
        given: path.clone(),
        resolved: path,
        exists: true,
    });
    Ok((verdict.action != Action::Allow).then_some((verdict, object)))
}

impl Paths {
    /// chdir(2): relative paths start there, and are resolved anew each time.
    pub(super) fn chdir(&mut self, stop: &mut SyscallStop<'_>) -> Judged<Resume> {
        self.looks.moves();
        let row = stop.row(0)?;
        let given = stop.path(row)?;
        let found = stop.found(row, &given, LookupFlags::object(true))?;
        stop.judge(Access::Stat, &given, &found)?;
        if found.object.is_none() {
            return Err(Errno::ENOENT.into());
        }
        if !stop.plan.files.pins {
            return Ok(Resume::CONTINUE);
        }
        // What has no path to it is reached by the link that led there.
        let path = match (&found.magic, found.pathless) {
            (Some(magic), true) => magic.clone(),
            // Out of a directory that is gone: no path leads there.
            (None, true) if self.is_own(stop, stop.arg(row.path), given.len()) => {
                return Ok(Resume::CONTINUE);
            }
            (None, true) => return Err(Errno::ENOENT.into()),
            (_, false) => found.path,
        };
        // From the working directory it is reached all the same, and looked at when it has arrived.
        let path = match path.len() >= PATH_MAX && !given.starts_with(b"/") {
            true => given,
            false => path,
        };
        let resume = self
            .emulation
            .pinned_at_once(stop, &[], &path, |slot| [slot.path(), 0, 0, 0, 0, 0])?;
        if let Some(directory) = found.object {
            emulate::enter(stop, directory);
        }
        Ok(resume)
    }

    /// bind(2) of a unix socket makes a file.
    pub(super) fn bind(&mut self, stop: &mut SyscallStop<'_>) -> Judged<Resume> {
        let (bytes, length) = address(stop)?;
        self.bind_address(stop, bytes, length)
    }

    /// bind(2) of this address, which is not read again: another task may have changed it.
    pub fn bind_address(
        &mut self,
        stop: &mut SyscallStop<'_>,
        mut bytes: [u8; SOCKADDR],
        length: usize,
    ) -> Judged<Resume> {
        let address = stop.arg(1);
        let Some(name) = name(&bytes, length) else {
            // No path: whatever it is changed to meanwhile, is bound by what [net] says.
            return self.bind_to(stop, bytes, length);
        };
        let wants = LookupFlags::NAME;
        let found = resolve(stop.view(), Start::Directory, &name, wants)?;
        if found.object.is_some() {
            stop.judge_existing(&name, &found)?;
            return Err(Errno::EADDRINUSE.into());
        }
        stop.judge(Access::Write, &name, &found)?;
        protect::may_be_file(stop, &name, &found.path)?;
        if self.is_stable(
            stop,
            address,
            bytes.get(..length).unwrap_or_default(),
            &found,
        ) {
            return Ok(Resume::CONTINUE);
        }
        let here = Paths::may_bind_here(stop, &name, &found);
        // The name stays as it was given, unless it means something else here, or another task may
        // change where it leads.
        let stays = match here {
            true => found.passed.is_some(),
            false => !found.links && (name.starts_with(b"/") || stop.task.space().is_alone()),
        };
        let mut length = length;
        if !stays {
            let whole = found.path.as_slice();
            let room = bytes.get_mut(FAMILY..FAMILY + SUN_PATH).unwrap_or_default();
            let Some(place) = room
                .get_mut(..whole.len())
                .filter(|_| whole.len() < SUN_PATH)
            else {
                return Err(Errno::ENAMETOOLONG.into());
            };
            place.copy_from_slice(whole);
            let end = FAMILY + whole.len();
            if let Some(end) = bytes.get_mut(end) {
                *end = 0;
            }
            length = end + 1;
        }
        match here {
            true => self.bind_here(stop, bytes.get(..length).unwrap_or_default(), &found),
            false => self.bind_to(stop, bytes, length),
        }
    }

    /// Whether the supervisor can bind in a task's name, so that no other jail can interfere: by
    /// Landlock, of a path that leads to the same place here. A task that has confined itself may be
    /// denied more than the supervisor is.
    fn may_bind_here(stop: &SyscallStop<'_>, name: &[u8], found: &Resolved) -> bool {
        let absolute = name.starts_with(b"/") || found.passed.is_none();
        let same_root = !stop.tracees.namespaces.has_own_mounts() || !absolute;
        same_root && stop.plan.files.abi() > 0 && !stop.task.paths.is_confined()
    }

    fn bind_here(
        &mut self,
        stop: &SyscallStop<'_>,
        address: &[u8],
        found: &Resolved,
    ) -> Judged<Resume> {
        let tid = stop.tracee.tid();
        let number = stop.arg(0) as u32 as std::os::fd::RawFd;
        let socket = descriptor_of(tid, stop.task.pid(), number).map_err(|errno| {
            match errno {
                // What else may be wrong: the thread is gone.
                Errno::ENOENT => Errno::EBADF,
                other => other,
            }
        })?;
        let start = stop.descriptor(Start::Directory)?.object;
        let (Some((directory, _)), Some(start)) = (&found.parent, &start) else {
            return Err(Errno::ENOENT.into());
        };
        let binding = Binding {
            socket: socket.as_fd(),
            address,
            start,
            directory,
            umask: Umask::of(tid)?,
            quiet: stop.plan.files.abi() >= QUIET_ABI,
        };
        binding.make()?;
        Ok(Resume::returning(stop.registers, 0))
    }

    /// bind(2) of this address.
    fn bind_to(
        &mut self,
        stop: &SyscallStop<'_>,
        bytes: [u8; SOCKADDR],
        length: usize,
    ) -> Judged<Resume> {
        if !stop.plan.files.pins {
            return Ok(Resume::CONTINUE);
        }
        let fd = stop.arg(0);
        self.emulation.pinned_at_once(stop, &bytes, &[], |slot| {
            [fd, slot.address, length as u64, 0, 0, 0]
        })
    }
}
