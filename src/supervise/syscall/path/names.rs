//! Calls that the supervisor makes in a tracee's name, on descriptors of what it has judged: no task
//! can put anything else in between.
//!
//! The supervisor has the tracee's user and groups and, while a jail runs, no capability that the
//! tracee lacks, so that the kernel's own checks are the tracee's. What it cannot have in common, it takes over: the
//! umask, and the limit on the size of files.

use super::metadata::{changed, on_descriptor, on_object, writable};
use super::raw::{AT_FDCWD, fd, is_missing, link, perform, six, text};
use super::resolve::{self, LookupFlags, Resolved, is_directory};
use super::umask::Umask;
use super::{Judged, Paths, Refused, SyscallStop, object, protect};
use crate::paths::Access;
use crate::supervise::syscall::{charged, emulate};
use crate::sys::files::Arg;
use crate::sys::{Errno, memory};
use crate::syscalls::named::{AT_EMPTY_PATH, Named};
use crate::syscalls::op::{Names, Op, ReadMetadata, WriteMetadata};
use crate::trace::Resume;
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// Which argument holds flags, and those that the kernel knows: it refuses all others, where the
/// supervisor makes another call that would not see them.
const FLAGS: &[(Op, u8, u32)] = &[
    (Op::ReadMetadata(ReadMetadata::Faccessat2), 3, 0x1300),
    (Op::WriteMetadata(WriteMetadata::Fchmodat2), 3, 0x1100),
    (Op::WriteMetadata(WriteMetadata::Fchownat), 4, 0x1100),
    (Op::ReadMetadata(ReadMetadata::FileGetattr), 4, 0x1100),
    (Op::WriteMetadata(WriteMetadata::FileSetattr), 4, 0x1100),
    (Op::ReadMetadata(ReadMetadata::Getxattrat), 2, 0x1100),
    (Op::Names(Names::Linkat), 4, 0x1400),
    (Op::ReadMetadata(ReadMetadata::Listxattrat), 2, 0x1100),
    (Op::ReadMetadata(ReadMetadata::Newfstatat), 3, 0x7900),
    (Op::WriteMetadata(WriteMetadata::Removexattrat), 2, 0x1100),
    (Op::WriteMetadata(WriteMetadata::Setxattrat), 2, 0x1100),
    (Op::ReadMetadata(ReadMetadata::Statx), 2, 0x7900),
    (Op::WriteMetadata(WriteMetadata::Utimensat), 3, 0x1100),
];

/// linux/btrfs.h: BTRFS_IOC_SNAP_CREATE, SUBVOL_CREATE, SNAP_DESTROY and their second versions. They
/// make, copy and remove whole trees in a directory, by a name in memory, and tell no security module.
/// A copy has what is denied in the original under another path, and its name may be protected. So they
/// are refused where something within what is open is denied, hidden or protected.
const TREE_REQUESTS: [u32; 6] = [
    0x5000_9401,
    0x5000_940e,
    0x5000_940f,
    0x5000_9417,
    0x5000_9418,
    0x5000_943f,
];

impl Paths {
    /// Makes a call with these paths.
    pub(super) fn perform(&mut self, stop: &mut SyscallStop<'_>, op: Op) -> Judged<Resume> {
        if is_missing(op) {
            return Err(Errno::ENOSYS.into());
        }
        if let Some((_, index, known)) = FLAGS.iter().find(|(call, ..)| *call == op)
            && stop.arg(*index) as u32 & !known != 0
        {
            return Err(Errno::EINVAL.into());
        }
        // Where another domain decides too, the task makes the call itself, of the paths that were
        // judged, and nothing is answered until it has returned: no task can rename anything.
        let own = stop.plan.files.pins && stop.task.paths.is_confined();
        let result = match op {
            Op::WriteMetadata(WriteMetadata::Truncate) if own => on_path(stop),
            Op::OnDescriptor(op) => on_descriptor(stop, op).map(Made::Done),
            Op::Names(op) => self.names(stop, op, own),
            op => on_object(stop, op).map(Made::Done),
        };
        match result? {
            Made::Done(value) => Ok(Resume::returning(stop.registers, value)),
            Made::Judged(first, second) => self.on_paths(stop, &first, second.as_deref()),
            Made::Held(path, file) => {
                let resume = self.on_paths(stop, &path, None)?;
                emulate::hold(stop, file);
                Ok(resume)
            }
        }
    }

    /// The call as it is, but of these paths.
    fn on_paths(
        &mut self,
        stop: &SyscallStop<'_>,
        first: &[u8],
        second: Option<&[u8]>,
    ) -> Judged<Resume> {
        let longest = first.len().max(second.map_or(0, <[u8]>::len));
        if longest >= resolve::PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let tid = stop.tracee.tid();
        let mut args = stop.call.args;
        let mut written = Ok(());
        let resume = self.emulation.pinned_at_once(stop, &[], first, |slot| {
            let places = [slot.path(), slot.second()];
            for (row, place) in stop.rows().iter().zip(places) {
                if let Some(arg) = args.get_mut(usize::from(row.path)) {
                    *arg = place;
                }
            }
            written = second.map_or(Ok(()), |second| slot.write_second(tid, second));
            args
        })?;
        written?;
        Ok(resume)
    }

    fn names(&mut self, stop: &SyscallStop<'_>, op: Names, own: bool) -> Judged<Made> {
        match op {
            Names::Rename | Names::Renameat => rename(stop, 0, own),
            Names::Renameat2 => rename(stop, stop.arg(4), own),
            Names::Link | Names::Linkat => link_to(stop, own),
            Names::Mkdir | Names::Mkdirat => self.make(stop, New::Directory, own),
            Names::Mknod | Names::Mknodat => self.make(stop, New::Node, own),
            Names::Symlink | Names::Symlinkat => self.make(stop, New::Link, own),
            Names::Rmdir => remove(stop, libc::AT_REMOVEDIR as u64, own),
            Names::Unlink => remove(stop, 0, own),
            Names::Unlinkat => remove(stop, stop.arg(2), own),
        }
    }

    fn make(&mut self, stop: &SyscallStop<'_>, new: New, own: bool) -> Judged<Made> {
        let row = stop.row(0)?;
        let (path, directory, entry) = made(stop, row)?;
        match new {
            New::Link => protect::may_be_link(stop, &path, &path)?,
            New::Node => protect::may_be_file(stop, &path, &path)?,
            New::Directory => {}
        }
        if own {
            return Ok(Made::Judged(path, None));
        }
        let first = row.path + 1;
        let (number, device) = match new {
            New::Link => {
                let target = text(resolve::read_path(stop.tracee.tid(), stop.arg(0))?)?;
                let args = [Arg::Text(&target), fd(&directory), Arg::Text(&entry)];
                return Ok(Made::Done(perform(libc::SYS_symlinkat, six(args))?));
            }
            New::Directory => (libc::SYS_mkdirat, 0),
            New::Node => (libc::SYS_mknodat, stop.arg(first + 1)),
        };
        let umask = Umask::of(stop.tracee.tid())?;
        let taken = self.umask.take(umask).is_ok();
        let mode = Arg::Number(stop.arg(first));
        let args = [fd(&directory), Arg::Text(&entry), mode, Arg::Number(device)];
        let made = charged::perform_with_umask(number, six(args), umask, taken)?;
        Ok(Made::Done(made))
    }

    /// Requests that change an inode through any descriptor.
    pub(super) fn ioctl(&mut self, stop: &SyscallStop<'_>) -> Judged<Resume> {
        // linux/fs.h: an int, or `struct fsxattr`.
        const NUMBERS: [u32; 2] = [0x4008_6602, 0x4008_7602];
        const FSXATTR: (u32, usize) = (0x401c_5820, 28);
        let tid = stop.tracee.tid();
        let file = changed(stop, stop.arg(0))?;
        let request = stop.arg(1) as u32;
        if stop.plan.files.excepts && TREE_REQUESTS.contains(&request) {
            return Err(Errno::EACCES.into());
        }
        let length = match request {
            request if NUMBERS.contains(&request) => 4,
            request if request == FSXATTR.0 => FSXATTR.1,
            // Verity and encryption: no task may put another descriptor in its place.
            _ if stop.task.space().is_alone() => return Ok(Resume::CONTINUE),
            _ => return Err(Errno::EACCES.into()),
        };
        let mut bytes = [0; FSXATTR.1];
        let part = bytes.get_mut(..length).unwrap_or_default();
        memory::read_all(tid, stop.arg(2), part)?;
        let args = [fd(&file), Arg::Number(request.into()), Arg::In(&bytes)];
        let value = perform(libc::SYS_ioctl, six(args))?;
        Ok(Resume::returning(stop.registers, value))
    }

    /// name_to_handle_at fills in two places: it goes on, of the path that was judged.
    pub(super) fn handle(&mut self, stop: &mut SyscallStop<'_>) -> Judged<Resume> {
        let row = stop.row(0)?;
        let given = stop.path(row)?;
        let wants = LookupFlags::object(row.follows(&stop.call));
        let found = stop.found(row, &given, wants)?;
        stop.judge(Access::Stat, &given, &found)?;
        if found.object.is_none() {
            return Err(Errno::ENOENT.into());
        }
        if found.pathless && !stop.task.space().is_alone() {
            return Err(Errno::EACCES.into());
        }
        if found.pathless || !stop.plan.files.pins {
            return Ok(Resume::CONTINUE);
        }
        let [_, _, handle, mount, flags, _] = stop.call.args;
        let here = libc::AT_FDCWD as i64 as u64;
        self.emulation
            .pinned_at_once(stop, &[], &found.path, |slot| {
                [here, slot.path(), handle, mount, flags & !AT_EMPTY_PATH, 0]
            })
    }
}

/// What is to be made.
#[derive(Clone, Copy)]
enum New {
    Directory,
    Link,
    Node,
}

/// What became of a call.
enum Made {
    /// It was made, and returns this.
    Done(i64),
    /// It was judged, for these paths, and the task is to make it.
    Judged(Vec<u8>, Option<Vec<u8>>),
    /// The same, and until it has returned this is to stay open.
    Held(Vec<u8>, OwnedFd),
}

/// truncate, by the task itself. Nothing else is answered until it returns, so it must not wait: while
/// the file is open for writing here no process gets a lease of it (fcntl(2)), and one that has a lease is
/// asked for it, and not waited for.
fn on_path(stop: &SyscallStop<'_>) -> Judged<Made> {
    let row = stop.row(0)?;
    let given = stop.path(row)?;
    let found = stop.found(row, &given, LookupFlags::object(row.follows(&stop.call)))?;
    let Some(object) = &found.object else {
        return Err(Errno::ENOENT.into());
    };
    stop.judge(Access::Write, &given, &found)?;
    match found.pathless {
        true => Err(Errno::EACCES.into()),
        false => {
            let file = writable(object)?;
            Ok(Made::Held(found.path, file))
        }
    }
}

/// The path of what is to be made, its directory, and its name there.
fn made(stop: &SyscallStop<'_>, row: &Named) -> Judged<(Vec<u8>, OwnedFd, CString)> {
    let given = stop.path(row)?;
    let wants = LookupFlags::NAME;
    let found = stop.found(row, &given, wants)?;
    if found.object.is_some() {
        // That it is there is no secret, unless it is denied.
        stop.judge_existing(&given, &found)?;
        return Err(Errno::EEXIST.into());
    }
    stop.judge(Access::Write, &given, &found)?;
    let (directory, name) = found.parent.ok_or(Errno::ENOENT)?;
    Ok((found.path, directory, name))
}

/// ENOENT where a name leads to nothing: it was not judged, and another task may make it before the
/// call is made. `.` and `..` are always there, and the kernel says what is wrong with them.
fn exists(found: &Resolved) -> Judged<()> {
    let dots = |name: &CString| matches!(name.as_bytes(), b"." | b"..");
    match found.object.is_some() || found.parent.as_ref().is_some_and(|(_, name)| dots(name)) {
        true => Ok(()),
        false => Err(Errno::ENOENT.into()),
    }
}

fn remove(stop: &SyscallStop<'_>, flags: u64, own: bool) -> Judged<Made> {
    let row = stop.row(0)?;
    let given = stop.path(row)?;
    let wants = LookupFlags::NAME;
    let found = stop.found(row, &given, wants)?;
    exists(&found)?;
    if found.object.is_some() {
        stop.judge(Access::Write, &given, &found)?;
    }
    if own && found.object.is_some() {
        return Ok(Made::Judged(found.path, None));
    }
    let (directory, entry) = found.parent.ok_or(Errno::ENOENT)?;
    let args = [fd(&directory), Arg::Text(&entry), Arg::Number(flags)];
    Ok(Made::Done(perform(libc::SYS_unlinkat, six(args))?))
}

fn rename(stop: &SyscallStop<'_>, flags: u64, own: bool) -> Judged<Made> {
    let (from_row, to_row) = (stop.row(0)?, stop.row(1)?);
    let wants = LookupFlags::NAME;
    let (from_given, to_given) = (stop.path(from_row)?, stop.path(to_row)?);
    let from = stop.found(from_row, &from_given, wants)?;
    let to = stop.found(to_row, &to_given, wants)?;
    let exchange = flags & u64::from(libc::RENAME_EXCHANGE) != 0;
    exists(&from)?;
    if exchange {
        exists(&to)?;
    }
    if let Some(object) = &from.object {
        stop.ask_rules(Access::Write, &from_given, &[&from, &to])?;
        stop.judge(Access::Write, &from_given, &from)?;
        stop.judge(Access::Write, &to_given, &to)?;
        stays(stop, object, &from_given, &from, &to.path)?;
        if exchange && let Some(object) = &to.object {
            stays(stop, object, &to_given, &to, &from.path)?;
        }
        if flags & u64::from(libc::RENAME_WHITEOUT) != 0 {
            // It leaves a device at the former name.
            protect::may_be_file(stop, &from_given, &from.path)?;
        }
    }
    if own && from.object.is_some() {
        return Ok(Made::Judged(from.path, Some(to.path)));
    }
    let exchanged = to.object.filter(|_| exchange);
    let (from_directory, from_name) = from.parent.as_ref().ok_or(Errno::ENOENT)?;
    let (to_directory, to_name) = to.parent.as_ref().ok_or(Errno::ENOENT)?;
    // With a slash at its end a name is that of a directory, or the call fails with ENOTDIR.
    let as_judged = |name: &CString, is_directory: bool| match is_directory {
        true => text([name.as_bytes(), b"/"].concat()),
        false => Ok(name.clone()),
    };
    let one = from.object.as_ref().is_some_and(is_directory);
    let other = exchanged.as_ref().map(is_directory);
    let old = as_judged(from_name, one)?;
    let new = as_judged(to_name, other == Some(true))?;
    let args = [
        fd(from_directory),
        Arg::Text(&old),
        fd(to_directory),
        Arg::Text(&new),
        Arg::Number(flags),
    ];
    let value = perform(libc::SYS_renameat2, six(args))?;
    let old: protect::Name<'_> = (&from.path, from_directory, from_name);
    let new: protect::Name<'_> = (&to.path, to_directory, to_name);
    if !one {
        protect::was_file(stop, old, new)?;
    }
    if other == Some(false) {
        protect::was_file(stop, new, old)?;
    }
    Ok(Made::Done(value))
}

/// Whether a file, or what lies beneath a directory, stays under the denials that it is under.
fn stays(
    stop: &SyscallStop<'_>,
    renamed: &OwnedFd,
    given: &[u8],
    from: &Resolved,
    to: &[u8],
) -> Judged<()> {
    let leaves = match is_directory(renamed) {
        true => stop.plan.judge.moved(&from.path, to),
        false => stop.plan.judge.renamed(&from.path, to),
    };
    match leaves {
        None => protect::may_become(stop, renamed, given, from, to),
        Some(verdict) => Err(Refused::Denied(verdict, object(Access::Write, given, from))),
    }
}

fn link_to(stop: &SyscallStop<'_>, own: bool) -> Judged<Made> {
    let (from_row, to_row) = (stop.row(0)?, stop.row(1)?);
    let given = stop.path(from_row)?;
    let wants = LookupFlags::object(from_row.follows(&stop.call));
    let from = stop.found(from_row, &given, wants)?;
    let Some(source) = &from.object else {
        return Err(Errno::ENOENT.into());
    };
    stop.judge(Access::Write, &given, &from)?;
    let (path, directory, entry) = made(stop, to_row)?;
    stays(stop, source, &given, &from, &path)?;
    if stop.rules {
        let to = stop.found(to_row, &stop.path(to_row)?, LookupFlags::NAME)?;
        // Another name than the one that is made would be another thread's doing.
        if to.path != path {
            return Err(Errno::EACCES.into());
        }
        stop.ask_rules(Access::Write, &given, &[&from, &to])?;
    }
    if own && !from.pathless {
        return Ok(Made::Judged(from.path, Some(path)));
    }
    // Before Linux 6.10 this flag takes CAP_DAC_READ_SEARCH (linkat(2)).
    let empty = match stop.call.op() {
        Op::Names(Names::Linkat) => stop.arg(4) & AT_EMPTY_PATH,
        _ => 0,
    };
    let source = link(source);
    let args = [
        AT_FDCWD,
        Arg::Text(&source),
        fd(&directory),
        Arg::Text(&entry),
        Arg::Number(libc::AT_SYMLINK_FOLLOW as u64 | empty),
    ];
    Ok(Made::Done(perform(libc::SYS_linkat, six(args))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is watched and not known here would answer ENOSYS.
    #[test]
    fn every_watched_call_is_known() {
        let watched = crate::baseline::Watch::all_rules()
            .filter(|rule| {
                rule.answer == crate::baseline::Answer::Check(crate::baseline::Check::Paths)
            })
            .flat_map(|rule| rule.syscalls);
        for name in watched {
            let row = crate::syscalls::by_name(name).expect("a row");
            assert_ne!(row.op, Op::Other, "{name} is watched, and nothing makes it");
        }
    }
}
