//! Calls that read or change what is known of a file, made in a tracee's name: by a path that was
//! judged, or by the same open file.

use super::raw::{AT_FDCWD, fd, link, perform, six, text};
use super::resolve::{self, LookupFlags, Resolved, Start, is_directory, read_string};
use super::{Judged, SyscallStop, access};
use crate::paths::Access;
use crate::supervise::credentials::as_tracer;
use crate::sys::files::{self, Arg, FILE_GETATTR, FILE_SETATTR, descriptor_of};
use crate::sys::{self, Errno, Taken, memory};
use crate::syscalls::named::AT_EMPTY_PATH;
use crate::syscalls::op::{OnDescriptor, Op, ReadMetadata, WriteMetadata};
use crate::trace::Tid;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd, RawFd};

/// XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h.
const XATTR_MOST: u64 = 65_536;
/// XATTR_NAME_MAX and a NUL.
const XATTR_NAME: usize = 256;
/// Larger than any structure that a call here fills in.
const STRUCTURE: usize = 512;

/// The open file of a descriptor, if it may be changed.
pub(super) fn changed(stop: &SyscallStop<'_>, descriptor: u64) -> Judged<Taken> {
    let tid = stop.tracee.tid();
    let number = descriptor as u32 as RawFd;
    let file = descriptor_of(tid, stop.task.pid(), number).map_err(|errno| match errno {
        // What else may be wrong: the thread is gone.
        Errno::ENOENT => Errno::EBADF,
        other => other,
    })?;
    let flags = files::status_flags(file.as_fd())?;
    // A task that may write to it was judged when it opened it, or was given it.
    if flags & libc::O_ACCMODE != libc::O_RDONLY && flags & libc::O_PATH == 0 {
        return Ok(file);
    }
    let found = opened(stop, &file)?;
    stop.judge(
        Access::Write,
        format!("descriptor {number}").as_bytes(),
        &found,
    )?;
    Ok(file)
}

fn opened(stop: &SyscallStop<'_>, file: &OwnedFd) -> Judged<Resolved> {
    let path = stop.view().path_of(file)?;
    let (path, pathless) = stop.view().named(path, file)?;
    Ok(Resolved {
        path,
        object: None,
        parent: None,
        pathless,
        magic: None,
        own: false,
        links: false,
        passed: None,
    })
}

pub(super) fn on_descriptor(stop: &SyscallStop<'_>, op: OnDescriptor) -> Judged<i64> {
    let file = changed(stop, stop.arg(0))?;
    let number = |index| Arg::Number(stop.arg(index));
    Ok(match op {
        OnDescriptor::Fchmod => perform(libc::SYS_fchmod, six([fd(&file), number(1)]))?,
        OnDescriptor::Fchown => perform(libc::SYS_fchown, six([fd(&file), number(1), number(2)]))?,
        OnDescriptor::Fremovexattr => {
            let name = attribute(stop, 1)?;
            perform(libc::SYS_fremovexattr, six([fd(&file), Arg::Text(&name)]))?
        }
        OnDescriptor::Fsetxattr => {
            let name = attribute(stop, 1)?;
            let value = value(stop, stop.arg(2), stop.arg(3))?;
            let args = [
                fd(&file),
                Arg::Text(&name),
                Arg::In(&value),
                number(3),
                number(4),
            ];
            perform(libc::SYS_fsetxattr, six(args))?
        }
    })
}

/// The name of an extended attribute.
fn attribute(stop: &SyscallStop<'_>, index: u8) -> Judged<CString> {
    match read_string(stop.tracee.tid(), stop.arg(index), XATTR_NAME) {
        Ok(name) if name.is_empty() => Err(Errno::ERANGE.into()),
        Ok(name) => text(name),
        Err(Errno::E2BIG) => Err(Errno::ERANGE.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// Bytes of the tracee.
fn value(stop: &SyscallStop<'_>, address: u64, length: u64) -> Judged<Vec<u8>> {
    if length > XATTR_MOST {
        return Err(Errno::E2BIG.into());
    }
    Ok(memory::bytes_at(
        stop.tracee.tid(),
        address,
        length as usize,
    )?)
}

/// `struct xattr_args` of linux/xattr.h: value, size, flags.
fn xattr_args(stop: &SyscallStop<'_>, index: u8) -> Judged<(u64, u64, u64)> {
    let bytes = value(stop, stop.arg(index), 16)?;
    let part = |from: usize, to: usize| {
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(bytes.get(from..to).unwrap_or_default()) {
            *to = *from;
        }
        u64::from_le_bytes(wide)
    };
    Ok((part(0, 8), part(8, 12), part(12, 16)))
}

/// Calls on what a path leads to.
pub(super) fn on_object(stop: &SyscallStop<'_>, op: Op) -> Judged<i64> {
    let row = stop.row(0)?;
    if matches!(
        op,
        Op::WriteMetadata(WriteMetadata::InotifyAddWatch)
            | Op::WriteMetadata(WriteMetadata::FanotifyMark)
    ) {
        // A wrong descriptor is told before a wrong path.
        descriptor(stop, stop.arg(0))?;
    }
    // These take NULL for the descriptor itself: utimensat(2), futimesat(2), fanotify_mark(2).
    let null = stop.arg(row.path) == 0
        && matches!(
            op,
            Op::WriteMetadata(WriteMetadata::Utimensat)
                | Op::WriteMetadata(WriteMetadata::Futimesat)
                | Op::WriteMetadata(WriteMetadata::FanotifyMark)
                | Op::ReadMetadata(ReadMetadata::Newfstatat)
                | Op::ReadMetadata(ReadMetadata::Statx)
        );
    let start = row
        .dirfd
        .map_or(Start::Directory, |dirfd| Start::of(stop.arg(dirfd)));
    let (given, found) = match null {
        true if matches!(
            op,
            Op::WriteMetadata(WriteMetadata::Utimensat)
                | Op::WriteMetadata(WriteMetadata::Futimesat)
        ) =>
        {
            if start == Start::Directory {
                return Err(Errno::EFAULT.into());
            }
            if op == Op::WriteMetadata(WriteMetadata::Utimensat) && stop.arg(3) as u32 != 0 {
                return Err(Errno::EINVAL.into());
            }
            let file = changed(stop, stop.arg(0))?;
            return set_times(stop, op, &link(&file));
        }
        true if matches!(
            op,
            Op::ReadMetadata(ReadMetadata::Newfstatat) | Op::ReadMetadata(ReadMetadata::Statx)
        ) && !row.may_be_empty(&stop.call) =>
        {
            return Err(Errno::EFAULT.into());
        }
        true => (Vec::new(), stop.descriptor(start)?),
        false => {
            let given = stop.path(row)?;
            let wants = LookupFlags::object(row.follows(&stop.call));
            let found = stop.found(row, &given, wants)?;
            (given, found)
        }
    };
    let Some(object) = &found.object else {
        return Err(Errno::ENOENT.into());
    };
    stop.judge(access(row.asks), &given, &found)?;
    match op {
        Op::ReadMetadata(op) => read_metadata(stop, op, object, &given, &found),
        Op::WriteMetadata(op) => write_metadata(stop, op, object),
        // A rule has asked for a call that is not made here.
        _ => Err(Errno::ENOSYS.into()),
    }
}

fn write_metadata(stop: &SyscallStop<'_>, op: WriteMetadata, object: &OwnedFd) -> Judged<i64> {
    let place = link(object);
    let path = || Arg::Text(&place);
    let number = |index| Arg::Number(stop.arg(index));
    // Calls with a directory have their arguments one further.
    let at = u8::from(has_directory(stop));
    Ok(match op {
        WriteMetadata::Chmod | WriteMetadata::Fchmodat | WriteMetadata::Fchmodat2 => {
            perform(libc::SYS_fchmodat, six([AT_FDCWD, path(), number(at + 1)]))?
        }
        WriteMetadata::Chown | WriteMetadata::Lchown | WriteMetadata::Fchownat => {
            let args = [
                fd(object),
                Arg::Text(c""),
                number(at + 1),
                number(at + 2),
                Arg::Number(AT_EMPTY_PATH),
            ];
            perform(libc::SYS_fchownat, six(args))?
        }
        WriteMetadata::Utime
        | WriteMetadata::Utimes
        | WriteMetadata::Futimesat
        | WriteMetadata::Utimensat => set_times(stop, Op::WriteMetadata(op), &place)?,
        WriteMetadata::Setxattr
        | WriteMetadata::Lsetxattr
        | WriteMetadata::Setxattrat
        | WriteMetadata::Removexattr
        | WriteMetadata::Lremovexattr
        | WriteMetadata::Removexattrat => write_attributes(stop, op, &place)?,
        WriteMetadata::Truncate => {
            let length = stop.arg(1);
            limit_size(stop, length)?;
            let file = writable(object)?;
            perform(libc::SYS_ftruncate, six([fd(&file), Arg::Number(length)]))?
        }
        WriteMetadata::FileSetattr => {
            let bytes = value(stop, stop.arg(2), stop.arg(3).min(4096))?;
            let size = Arg::Number(bytes.len() as u64);
            let args = [AT_FDCWD, path(), Arg::In(&bytes), size];
            perform(FILE_SETATTR, six(args))?
        }
        WriteMetadata::InotifyAddWatch => {
            const IN_DONT_FOLLOW: u64 = 0x0200_0000;
            let file = descriptor(stop, stop.arg(0))?;
            let mask = Arg::Number(stop.arg(2) & !IN_DONT_FOLLOW);
            perform(libc::SYS_inotify_add_watch, six([fd(&file), path(), mask]))?
        }
        WriteMetadata::FanotifyMark => {
            const FAN_MARK_DONT_FOLLOW: u64 = 4;
            let file = descriptor(stop, stop.arg(0))?;
            let flags = Arg::Number(stop.arg(1) & !FAN_MARK_DONT_FOLLOW);
            let args = [fd(&file), flags, number(2), AT_FDCWD, path()];
            perform(libc::SYS_fanotify_mark, six(args))?
        }
    })
}

/// Extended attributes of what is at `place` set and removed.
fn write_attributes(stop: &SyscallStop<'_>, op: WriteMetadata, place: &CStr) -> Judged<i64> {
    Ok(match op {
        WriteMetadata::Setxattr | WriteMetadata::Lsetxattr => {
            let name = attribute(stop, 1)?;
            let value = value(stop, stop.arg(2), stop.arg(3))?;
            let args = [
                Arg::Text(place),
                Arg::Text(&name),
                Arg::In(&value),
                Arg::Number(stop.arg(3)),
                Arg::Number(stop.arg(4)),
            ];
            perform(libc::SYS_setxattr, six(args))?
        }
        WriteMetadata::Setxattrat => {
            let name = attribute(stop, 3)?;
            let (address, size, flags) = xattr_args(stop, 4)?;
            let value = value(stop, address, size)?;
            let args = [
                Arg::Text(place),
                Arg::Text(&name),
                Arg::In(&value),
                Arg::Number(size),
                Arg::Number(flags),
            ];
            perform(libc::SYS_setxattr, six(args))?
        }
        WriteMetadata::Removexattr | WriteMetadata::Lremovexattr | WriteMetadata::Removexattrat => {
            let name = attribute(stop, if has_directory(stop) { 3 } else { 1 })?;
            perform(
                libc::SYS_removexattr,
                six([Arg::Text(place), Arg::Text(&name)]),
            )?
        }
        _ => return Err(Errno::ENOSYS.into()),
    })
}

/// An open file of the tracee.
fn descriptor(stop: &SyscallStop<'_>, number: u64) -> Judged<Taken> {
    let tid = stop.tracee.tid();
    Ok(descriptor_of(tid, stop.task.pid(), number as u32 as RawFd)?)
}

/// A regular file, opened for writing so that no lease of another process holds the supervisor up.
pub(super) fn writable(object: &OwnedFd) -> Judged<OwnedFd> {
    if is_directory(object) {
        return Err(Errno::EISDIR.into());
    }
    if !resolve::is_regular(object) {
        return Err(Errno::EINVAL.into());
    }
    let flags = libc::O_WRONLY | libc::O_NONBLOCK;
    Ok(files::openat2(libc::AT_FDCWD, &link(object), flags, 0)?)
}

/// RLIMIT_FSIZE as the kernel applies it to the tracee: EFBIG and SIGXFSZ (truncate(2)).
fn limit_size(stop: &SyscallStop<'_>, length: u64) -> Judged<()> {
    let pid = stop.task.pid();
    let limit = files::file_size_limit(pid)?;
    if length <= i64::MAX as u64 && length > limit {
        let _ = sys::process::kill(pid, libc::SIGXFSZ);
        return Err(Errno::EFBIG.into());
    }
    // The tracee's limit may be above the supervisor's soft one, whose signal would end it.
    if length > files::file_size_limit(0)? {
        files::raise_file_size_limit()?;
    }
    Ok(())
}

fn set_times(stop: &SyscallStop<'_>, op: Op, place: &CStr) -> Judged<i64> {
    let (index, length) = match op {
        Op::WriteMetadata(WriteMetadata::Utime) => (1, 16),
        Op::WriteMetadata(WriteMetadata::Utimes) => (1, 32),
        _ => (2, 32),
    };
    let address = stop.arg(index);
    let times = match address {
        0 => None,
        address => Some(value(stop, address, length)?),
    };
    let number = |bytes: &[u8], at: usize| memory::word(bytes, at * 8) as i64;
    // Two timespecs, whichever form they came in.
    let times = match times {
        None => None,
        Some(bytes) => {
            let pairs: [i64; 4] = match op {
                Op::WriteMetadata(WriteMetadata::Utime) => {
                    [number(&bytes, 0), 0, number(&bytes, 1), 0]
                }
                Op::WriteMetadata(WriteMetadata::Utimensat) => {
                    std::array::from_fn(|at| number(&bytes, at))
                }
                _ => {
                    let micros = [number(&bytes, 1), number(&bytes, 3)];
                    if micros.iter().any(|micros| !(0..1_000_000).contains(micros)) {
                        return Err(Errno::EINVAL.into());
                    }
                    let [first, second] = micros.map(|micros| micros * 1000);
                    [number(&bytes, 0), first, number(&bytes, 2), second]
                }
            };
            Some(pairs.map(i64::to_ne_bytes).concat())
        }
    };
    let times = match &times {
        Some(bytes) => Arg::In(bytes),
        None => Arg::Null,
    };
    Ok(perform(
        libc::SYS_utimensat,
        six([AT_FDCWD, Arg::Text(place), times]),
    )?)
}

fn read_metadata(
    stop: &SyscallStop<'_>,
    op: ReadMetadata,
    object: &OwnedFd,
    given: &[u8],
    found: &Resolved,
) -> Judged<i64> {
    let place = link(object);
    let empty = || (fd(object), Arg::Text(c""));
    let number = |index| Arg::Number(stop.arg(index));
    let at = u8::from(has_directory(stop));
    match op {
        ReadMetadata::Stat | ReadMetadata::Lstat | ReadMetadata::Newfstatat => {
            let (fd, path) = empty();
            filled(stop, at + 1, size_of::<libc::stat>(), |out| {
                let args = [fd, path, Arg::Out(out), Arg::Number(AT_EMPTY_PATH)];
                perform(libc::SYS_newfstatat, six(args))
            })
        }
        ReadMetadata::Statx => {
            let (fd, path) = empty();
            let flags = Arg::Number(stop.arg(2) & !0x100 | AT_EMPTY_PATH);
            filled(stop, 4, size_of::<libc::statx>(), |out| {
                perform(
                    libc::SYS_statx,
                    six([fd, path, flags, number(3), Arg::Out(out)]),
                )
            })
        }
        ReadMetadata::Statfs => filled(stop, 1, size_of::<libc::statfs>(), |out| {
            perform(libc::SYS_statfs, six([Arg::Text(&place), Arg::Out(out)]))
        }),
        ReadMetadata::Access | ReadMetadata::Faccessat | ReadMetadata::Faccessat2 => {
            let (fd, path) = empty();
            // By the effective ids, which are the real ones of whatever runs without privileges: by
            // the real ones the kernel would give uid 0 the capabilities that the supervisor keeps
            // in reserve (faccessat2(2), access_override_creds of fs/open.c).
            const AT_EACCESS: u64 = 0x200;
            let flags = Arg::Number(AT_EACCESS | AT_EMPTY_PATH);
            let args = [fd, path, number(at + 1), flags];
            Ok(perform(libc::SYS_faccessat2, six(args))?)
        }
        ReadMetadata::Readlink | ReadMetadata::Readlinkat => {
            if stop.arg(at + 2) as u32 as i32 <= 0 {
                return Err(Errno::EINVAL.into());
            }
            let text = link_text(stop, object, given, found)?;
            read_link(stop, at, &text)
        }
        ReadMetadata::Getxattr
        | ReadMetadata::Lgetxattr
        | ReadMetadata::Getxattrat
        | ReadMetadata::Listxattr
        | ReadMetadata::Llistxattr
        | ReadMetadata::Listxattrat => read_attributes(stop, op, &place),
        ReadMetadata::FileGetattr => {
            let size = stop.arg(3).min(4096);
            let mut out = vec![0; size as usize];
            let path = Arg::Text(&place);
            let args = [AT_FDCWD, path, Arg::Out(&mut out), Arg::Number(size)];
            let value = perform(FILE_GETATTR, six(args))?;
            memory::write(stop.tracee.tid(), stop.arg(2), &out)?;
            Ok(value)
        }
    }
}

/// readlink(2) of this text. `at`: 1 where the call has a directory.
fn read_link(stop: &SyscallStop<'_>, at: u8, text: &[u8]) -> Judged<i64> {
    let size = stop.arg(at + 2) as u32 as usize;
    let text = text.get(..text.len().min(size)).unwrap_or_default();
    memory::write(stop.tracee.tid(), stop.arg(at + 1), text)?;
    Ok(text.len() as i64)
}

/// Whether a call names the directory that its path starts at. Its other arguments are one further then.
fn has_directory(stop: &SyscallStop<'_>) -> bool {
    stop.rows().first().is_some_and(|row| row.dirfd.is_some())
}

/// Extended attributes of what is at `place`: one, or the names of all.
fn read_attributes(stop: &SyscallStop<'_>, op: ReadMetadata, place: &CStr) -> Judged<i64> {
    match op {
        ReadMetadata::Getxattr | ReadMetadata::Lgetxattr => {
            let name = attribute(stop, 1)?;
            attributes(stop, stop.arg(2), stop.arg(3), |out, size| {
                perform(
                    libc::SYS_getxattr,
                    six([Arg::Text(place), Arg::Text(&name), out, size]),
                )
            })
        }
        ReadMetadata::Getxattrat => {
            let name = attribute(stop, 3)?;
            let (address, size, _) = xattr_args(stop, 4)?;
            attributes(stop, address, size, |out, size| {
                perform(
                    libc::SYS_getxattr,
                    six([Arg::Text(place), Arg::Text(&name), out, size]),
                )
            })
        }
        ReadMetadata::Listxattr | ReadMetadata::Llistxattr | ReadMetadata::Listxattrat => {
            let first = if has_directory(stop) { 3 } else { 1 };
            attributes(stop, stop.arg(first), stop.arg(first + 1), |out, size| {
                perform(libc::SYS_listxattr, six([Arg::Text(place), out, size]))
            })
        }
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// A structure that a call fills in, written where argument `index` wants it.
fn filled(
    stop: &SyscallStop<'_>,
    index: u8,
    length: usize,
    call: impl FnOnce(&mut [u8]) -> Result<i64, Errno>,
) -> Judged<i64> {
    let mut out = [0; STRUCTURE];
    let value = call(&mut out)?;
    let bytes = out.get(..length).unwrap_or_default();
    memory::write(stop.tracee.tid(), stop.arg(index), bytes)?;
    Ok(value)
}

/// Attributes, or how long they are if there is no room.
fn attributes(
    stop: &SyscallStop<'_>,
    address: u64,
    size: u64,
    call: impl FnOnce(Arg<'_>, Arg<'_>) -> Result<i64, Errno>,
) -> Judged<i64> {
    let size = size.min(XATTR_MOST);
    if size == 0 {
        return Ok(call(Arg::Null, Arg::Number(0))?);
    }
    let mut out = vec![0; size as usize];
    let value = call(Arg::Out(&mut out), Arg::Number(size))?;
    let bytes = out.get(..value as usize).unwrap_or_default();
    memory::write(stop.tracee.tid(), address, bytes)?;
    Ok(value)
}

/// What a link says to the tracee.
fn link_text(
    stop: &SyscallStop<'_>,
    object: &OwnedFd,
    given: &[u8],
    found: &Resolved,
) -> Judged<Vec<u8>> {
    let tid = stop.tracee.tid();
    let pid = stop.task.pid();
    let number = |tid| stop.tracees.number(tid);
    let own = match found.path.as_slice() {
        b"/proc/self" => return Ok(number(pid).to_string().into_bytes()),
        b"/proc/thread-self" => {
            return Ok(format!("{}/task/{}", number(pid), number(tid)).into_bytes());
        }
        path => {
            // The links of others are theirs, as Landlock has it.
            let numbered: Option<Tid> = path
                .strip_prefix(b"/proc/")
                .and_then(|rest| std::str::from_utf8(rest.split(|byte| *byte == b'/').next()?).ok())
                .and_then(|pid| pid.parse().ok());
            let process = numbered.and_then(|number| stop.tracees.of_number(number));
            let inside = process.is_some_and(|process| stop.tracees.has(process));
            if numbered.is_some() && !inside {
                return Err(Errno::EACCES.into());
            }
            process.is_some_and(|process| process == pid || process == tid)
        }
    };
    let read = || nix::fcntl::readlinkat(object.as_fd(), "");
    let text = if own { as_tracer(read) } else { read() };
    let text = text.map_err(|errno| match errno {
        // What is no link: an empty path says so in another way (do_readlinkat of fs/stat.c).
        Errno::ENOENT if !given.is_empty() => Errno::EINVAL,
        other => other,
    })?;
    Ok(std::os::unix::ffi::OsStringExt::into_vec(text))
}
