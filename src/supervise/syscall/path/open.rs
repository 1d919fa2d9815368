//! open, openat, openat2, creat.
//!
//! An open that is allowed goes on as openat2(2) with RESOLVE_NO_SYMLINKS of the resolved path: the
//! string is in a page that no task can change, and a directory that has become a symbolic link
//! meanwhile fails it with ELOOP.

use super::resolve::{LookupFlags, PATH_MAX, Resolved, Start, is_directory, read_path, resolve};
use super::{Judged, Paths, Refused, SyscallStop, object, passing, protect, refusal};
use crate::baseline::Watch;
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::sys::files::NO_SYMLINKS;
use crate::sys::{Errno, memory};
use crate::syscalls::named::{follows_open, open_flags::*};
use crate::syscalls::op::{Op, Open};
use crate::trace::Resume;
use nix::sys::stat::fstat;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

/// What an open asks, whichever call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct How {
    pub(super) flags: u64,
    mode: u64,
    /// RESOLVE_* of openat2.
    resolve: u64,
}

/// How an open that is allowed goes on.
enum Way {
    /// By the path that was found.
    Path,
    /// By the link of the caller's descriptor.
    Link,
    /// It does not: the supervisor opens what was found.
    Passed,
}

/// VALID_OPEN_FLAGS of linux/fcntl.h: open and openat ignore what is none of these.
const VALID: u64 = 0o37_777_703;
/// O_PATH_FLAGS of fs/open.c: all that counts with O_PATH.
const PATH_FLAGS: u64 = O_DIRECTORY | O_NOFOLLOW | O_PATH | libc::O_CLOEXEC as u64;
/// S_IALLUGO.
const PERMISSIONS: u64 = 0o7777;
/// RESOLVE_CACHED of openat2(2), which asks for speed.
const RESOLVE_CACHED: u64 = 0x20;
const READING: u64 = libc::O_RDONLY as u64;
const READING_AND_WRITING: u64 = libc::O_RDWR as u64;

impl How {
    /// As build_open_how of fs/open.c has it.
    fn of_openat(flags: u64, mode: u64) -> How {
        let mut flags = flags & VALID | O_LARGEFILE;
        if flags & O_PATH != 0 {
            flags &= PATH_FLAGS;
        }
        How {
            flags,
            mode: if creates(flags) {
                mode & PERMISSIONS
            } else {
                0
            },
            resolve: 0,
        }
    }

    /// `struct open_how`: flags, mode, resolve.
    fn bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let fields = [self.flags, self.mode, self.resolve];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        bytes
    }

    /// What the policy is asked. Creating what is there already creates nothing.
    pub(super) fn access(self, exists: bool) -> Access {
        let writes = self.flags & (O_ACCMODE | O_TRUNC) != 0 || self.flags & O_TMPFILE != 0;
        match () {
            () if self.flags & O_PATH != 0 => Access::Handle,
            () if writes || self.flags & O_CREAT != 0 && !exists => Access::Write,
            () => Access::Read,
        }
    }
}

impl How {
    fn reads(self) -> bool {
        matches!(self.flags & O_ACCMODE, READING | READING_AND_WRITING)
    }

    fn writes(self) -> bool {
        self.flags & O_ACCMODE != READING || self.flags & O_TRUNC != 0
    }
}

fn creates(flags: u64) -> bool {
    flags & (O_CREAT | O_TMPFILE) != 0
}

/// An open as a call has it: where its path starts and lies, and what it asks.
pub(super) fn opening(stop: &SyscallStop<'_>, op: Open) -> Judged<(Start, u64, How)> {
    let tid = stop.tracee.tid();
    let args = stop.call.args;
    Ok(match op {
        Open::Open => (Start::Directory, args[0], How::of_openat(args[1], args[2])),
        Open::Creat => {
            let flags = O_CREAT | O_WRONLY | O_TRUNC;
            (Start::Directory, args[0], How::of_openat(flags, args[1]))
        }
        Open::Openat => (
            Start::of(args[0]),
            args[1],
            How::of_openat(args[2], args[3]),
        ),
        Open::Openat2 => (
            Start::of(args[0]),
            args[1],
            read_how(tid, args[2], args[3])?,
        ),
    })
}

/// Where an open leads, as far as what is not there and what is there already decide it.
pub(super) fn reached(
    stop: &SyscallStop<'_>,
    start: Start,
    given: &[u8],
    how: How,
) -> Judged<Resolved> {
    if how.flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY {
        // open(2), BUGS: no program can mean it (an error since Linux 6.4).
        return Err(Errno::EINVAL.into());
    }
    let found = find(stop, start, given, how)?;
    let exists = found.object.is_some();
    if !exists && how.flags & O_CREAT == 0 {
        // What is not there is not denied, but what is hidden is told.
        stop.judge(Access::Stat, given, &found)?;
        return Err(Errno::ENOENT.into());
    }
    if exists && how.flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
        // That it is there is no secret, unless it is denied.
        stop.judge_existing(given, &found)?;
        return Err(Errno::EEXIST.into());
    }
    Ok(found)
}

impl Paths {
    pub(super) fn open(&mut self, stop: &mut SyscallStop<'_>, op: Open) -> Judged<Resume> {
        let (start, address, how) = opening(stop, op)?;
        let given = read_path(stop.tracee.tid(), address)?;
        let found = reached(stop, start, &given, how)?;
        let by_link = match self.judge_open(stop, &given, &found, how)? {
            Way::Path => false,
            Way::Link => true,
            Way::Passed => {
                let object = found.object.as_ref().ok_or(Errno::ENOENT)?;
                let file = passing::opened(object, how.flags as i32)?;
                return passing::pass(stop, file, how.flags & libc::O_CLOEXEC as u64 != 0);
            }
        };
        if found.object.is_none() {
            protect::may_be_file(stop, &given, &found.path)?;
        }
        // The flags of openat2 are in memory, too.
        let stable = op != Open::Openat2;
        if stable && self.is_stable(stop, address, &given, &found) {
            return Ok(Resume::CONTINUE);
        }
        if !stop.plan.files.pins {
            return Ok(Resume::CONTINUE);
        }
        self.goes_on(stop, start, given, found, how, by_link)
    }

    /// An open goes on as openat2 of what it was judged for. `by_link`: of the caller's own descriptor.
    fn goes_on(
        &mut self,
        stop: &SyscallStop<'_>,
        start: Start,
        given: Vec<u8>,
        found: Resolved,
        how: How,
        by_link: bool,
    ) -> Judged<Resume> {
        let openat2 = Op::Open(Open::Openat2).number().ok_or(Errno::ENOSYS)?;
        let here = libc::AT_FDCWD as i64 as u64;
        // Only the task itself can change where a relative path starts: it goes on from there,
        // be it out of reach by an absolute one.
        let from = match start {
            Start::Directory => here,
            Start::Descriptor(_) => stop.arg(0),
        };
        let goes_up = given.split(|byte| *byte == b'/').any(|part| part == b"..");
        let relative = !given.starts_with(b"/")
            && how.resolve == 0
            && !found.links
            && stop.task.space().is_alone();
        let long = found.path.len() >= PATH_MAX;
        if relative && goes_up && long && how.flags & O_CREAT == 0 {
            let directory = found.object.as_ref().is_some_and(is_directory);
            // Of a directory the open does not wait, so that nothing is renamed until it returns.
            return match directory {
                true => {
                    let how = How {
                        flags: how.flags | O_DIRECTORY,
                        resolve: NO_SYMLINKS,
                        ..how
                    };
                    self.emulation
                        .pinned_now(stop, openat2, &how.bytes(), &given, |slot| {
                            [from, slot.path(), slot.address, 24, 0, 0]
                        })
                }
                false => Err(Errno::ENAMETOOLONG.into()),
            };
        }
        let relative = relative && !goes_up;
        let (from, path) = match (found.magic, found.pathless) {
            (None, _) if relative => (from, given.clone()),
            // The descriptor is the caller's, and what it stands for may only be replaced by what the
            // caller has, too.
            (Some(magic), _) if by_link => (here, magic),
            (_, false) => (here, found.path),
            (_, true) => return Err(Errno::ENOENT.into()),
        };
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let pinned = How {
            resolve: match by_link {
                true => 0,
                false => NO_SYMLINKS,
            },
            ..how
        };
        self.emulation
            .pinned(stop, openat2, &pinned.bytes(), &path, |slot| {
                [from, slot.path(), slot.address, 24, 0, 0]
            })
    }
}

impl Paths {
    /// Judges an open.
    fn judge_open(
        &mut self,
        stop: &SyscallStop<'_>,
        given: &[u8],
        found: &Resolved,
        how: How,
    ) -> Judged<Way> {
        let access = how.access(found.object.is_some());
        let denied = |verdict| Err(Refused::Denied(verdict, object(access, given, found)));
        match stop.judge(access, given, found) {
            Err(Refused::Denied(verdict, _))
                if verdict.reason == Reason::PathDefault
                    && verdict.domain.is_none()
                    && stop.is_open_in_domains(access, found)
                    && self.was_handed(found, how) =>
            {
                let again = |paths: &mut Paths, access| paths.may_reopen(stop, access, found.own);
                let linked = found.magic.is_some()
                    && again(self, access)
                    && (!how.reads() || again(self, Access::Read));
                // What has taken its place meanwhile, Landlock keeps closed: its rule is about the
                // inode.
                let held = |access| match access {
                    Access::Read => stop.plan.files.handled.read,
                    _ => stop.plan.files.handled.write,
                };
                let object = found.object.as_ref();
                let leads = |object| stop.view().leads_to(&found.path, object);
                match linked {
                    true => Ok(Way::Link),
                    false if held(access) && !found.pathless && object.is_some_and(leads) => {
                        Ok(Way::Path)
                    }
                    false if self.may_pass(stop, found, how) => Ok(Way::Passed),
                    false => denied(verdict),
                }
            }
            Err(refused) => Err(refused),
            Ok(()) if !found.pathless || found.magic.is_none() => Ok(Way::Path),
            Ok(()) if self.may_reopen(stop, access, found.own) => Ok(Way::Link),
            Ok(()) if self.may_pass(stop, found, how) => Ok(Way::Passed),
            Ok(()) => denied(Verdict {
                quiet: is_spare_pipe(found),
                ..refusal(Reason::Pathless)
            }),
        }
    }

    /// Whether the supervisor may open what was found, and pass it on. A task that has confined itself may
    /// be denied more than the supervisor is. Where memory is added up, a file that may grow is seen when
    /// the task's own open returns.
    fn may_pass(&self, stop: &SyscallStop<'_>, found: &Resolved, how: How) -> bool {
        let object = found.object.as_ref();
        let unseen = stop.plan.files.watch.has(Watch::FILL) && how.writes();
        !unseen && !stop.task.paths.is_confined() && object.is_some_and(passing::opens_at_once)
    }

    /// Whether this was handed over to the command, for all that is asked of it now. Only what Landlock
    /// knows to ask of an open counts: not the access mode 3, nor truncation without writing, which
    /// needs ABI 3.
    fn was_handed(&self, found: &Resolved, how: How) -> bool {
        let plain = how.flags & O_ACCMODE != O_ACCMODE
            && (how.flags & O_TRUNC == 0 || how.flags & O_ACCMODE != 0);
        let Some(Ok(stat)) = found.object.as_ref().map(fstat) else {
            return false;
        };
        let mut handed = self.handed.iter();
        plain
            && handed.any(|file| {
                file.is(&stat) && (file.read || !how.reads()) && (file.write || !how.writes())
            })
    }

    /// Whether what has no path may be opened again by way of its descriptor. While the call is on
    /// its way, a task that shares the descriptors can put another one in its place, which it has
    /// for less: that is held by nothing but Landlock.
    fn may_reopen(&mut self, stop: &SyscallStop<'_>, access: Access, own: bool) -> bool {
        let floor = stop.plan.files.floor;
        match access {
            Access::Handle | Access::Stat => true,
            Access::Read if floor.read => true,
            Access::Write if floor.write => true,
            // By the link of another process, that one can.
            _ => own && stop.task.space().is_alone(),
        }
    }
}

/// Whether this is a pipe, by a number above those of the standard streams. Programs with threads
/// open such a pipe again to have flags of its own (the jobserver of make and cargo), and go on with
/// the descriptor that they have where that fails.
fn is_spare_pipe(found: &Resolved) -> bool {
    let number = found.magic.as_ref().and_then(|magic| {
        let name = magic.rsplit(|byte| *byte == b'/').next()?;
        std::str::from_utf8(name).ok()?.parse::<u32>().ok()
    });
    found.path.starts_with(b"pipe:") && number.is_some_and(|number| number > 2)
}

/// Where an open's path leads.
fn find(stop: &SyscallStop<'_>, start: Start, given: &[u8], how: How) -> Judged<Resolved> {
    let wants = LookupFlags {
        file: how.flags & O_CREAT != 0,
        ..LookupFlags::object(follows_open(how.flags))
    };
    if how.resolve & !RESOLVE_CACHED == 0 {
        return Ok(resolve(stop.view(), start, given, wants)?);
    }
    let way = Restricted::new(stop, start, given, how)?;
    let nofollow = if wants.follow { 0 } else { libc::O_NOFOLLOW };
    let opened = match way.open(given, nofollow) {
        Ok(opened) => opened,
        Err(Errno::ENOENT) if how.flags & O_CREAT != 0 && ends_in_name(given) => {
            return way.missing(given);
        }
        Err(errno) => return Err(errno.into()),
    };
    let path = way.path_of(&opened)?;
    let found = reached_by_kernel(path, Some(opened));
    // `/proc/self` would be this process here: no program needs both.
    if found.path.starts_with(b"/proc/") {
        let object = object(how.access(true), given, &found);
        return Err(Refused::Denied(refusal(Reason::Pathless), object));
    }
    Ok(found)
}

/// RESOLVE_BENEATH and the like: the kernel resolves the path from the caller's own directory, as far as it
/// goes, and what it found has a path.
struct Restricted<'a> {
    stop: &'a SyscallStop<'a>,
    /// The directory that it starts at; `None`: the root, or the path is absolute.
    from: Option<OwnedFd>,
    absolute: bool,
    resolve: u64,
}

impl<'a> Restricted<'a> {
    fn new(
        stop: &'a SyscallStop<'a>,
        start: Start,
        given: &[u8],
        how: How,
    ) -> Judged<Restricted<'a>> {
        let resolve = how.resolve & !RESOLVE_CACHED;
        let fd = match start {
            Start::Directory => libc::AT_FDCWD,
            Start::Descriptor(fd) => fd,
        };
        let from = super::resolve::descriptor(stop.view(), fd);
        // RESOLVE_IN_ROOT: the caller's directory is the root.
        let absolute = given.starts_with(b"/") && resolve & libc::RESOLVE_IN_ROOT == 0;
        Ok(Restricted {
            stop,
            from: match absolute {
                true => None,
                false => from?.object,
            },
            absolute,
            resolve,
        })
    }

    fn open(&self, path: &[u8], flags: i32) -> Result<OwnedFd, Errno> {
        let namespaces = &self.stop.tracees.namespaces;
        if self.absolute && namespaces.has_own_mounts() {
            if self.resolve & libc::RESOLVE_BENEATH != 0 {
                return Err(Errno::EXDEV);
            }
            return namespaces.open(path, libc::O_PATH | flags, self.resolve);
        }
        let from = self
            .from
            .as_ref()
            .map_or(libc::AT_FDCWD, AsRawFd::as_raw_fd);
        let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
        crate::sys::files::openat2(from, &path, libc::O_PATH | flags, self.resolve)
    }

    /// The path of what was found. An absolute link on the way leads into the root of this process,
    /// whatever the tracee's is.
    fn path_of(&self, found: &OwnedFd) -> Judged<Vec<u8>> {
        let view = self.stop.view();
        let path = view.path_of(found)?;
        let own_mounts = self.stop.tracees.namespaces.has_own_mounts();
        match !own_mounts || view.leads_to(&path, found) {
            true => Ok(path),
            false => Err(Errno::ENOENT.into()),
        }
    }

    /// A name that is to be made.
    fn missing(&self, given: &[u8]) -> Judged<Resolved> {
        let (head, name) = match given.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (
                given.get(..=at).unwrap_or_default(),
                given.get(at + 1..).unwrap_or_default(),
            ),
            None => (&b"."[..], given),
        };
        let parent = self.open(head, libc::O_DIRECTORY)?;
        let mut path = self.path_of(&parent)?;
        super::resolve::join(&mut path, name);
        Ok(Resolved {
            pathless: false,
            ..reached_by_kernel(path, None)
        })
    }
}

/// Whether a path ends in a name, which can be made.
fn ends_in_name(path: &[u8]) -> bool {
    path.last().is_some_and(|last| *last != b'/')
}

/// What the kernel has found of a path.
fn reached_by_kernel(path: Vec<u8>, object: Option<OwnedFd>) -> Resolved {
    Resolved {
        pathless: !path.starts_with(b"/"),
        path,
        object,
        parent: None,
        magic: None,
        own: false,
        links: true,
        passed: None,
    }
}

/// openat2's `struct open_how`, with the kernel's checks of its size (copy_struct_from_user).
fn read_how(tid: crate::trace::Tid, address: u64, size: u64) -> Judged<How> {
    const SMALLEST: u64 = 24;
    const PAGE: u64 = 4096;
    if size < SMALLEST {
        return Err(Errno::EINVAL.into());
    }
    if size > PAGE {
        return Err(Errno::E2BIG.into());
    }
    let bytes = memory::bytes_at(tid, address, size as usize)?;
    let (known, rest) = bytes.split_at(SMALLEST as usize);
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG.into());
    }
    let field = |at| memory::word(known, at);
    let how = How {
        flags: field(0),
        mode: field(8),
        resolve: field(16),
    };
    // What the kernel refuses is refused as it does, before anything is looked up.
    let unknown = how.flags & !(VALID | O_LARGEFILE) != 0
        || how.mode & !PERMISSIONS != 0
        || how.mode != 0 && !creates(how.flags)
        || how.resolve & !0x3f != 0;
    match unknown {
        true => Err(Errno::EINVAL.into()),
        false => Ok(how),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_decide_what_is_asked() {
        let access = |flags, exists| How::of_openat(flags, 0).access(exists);
        assert_eq!(access(0, true), Access::Read);
        assert_eq!(access(O_WRONLY, true), Access::Write);
        assert_eq!(access(O_RDWR, true), Access::Write);
        assert_eq!(access(3, true), Access::Write);
        assert_eq!(access(O_TRUNC, true), Access::Write);
        assert_eq!(access(O_CREAT, false), Access::Write);
        assert_eq!(access(O_CREAT, true), Access::Read);
        assert_eq!(
            access(O_TMPFILE | O_DIRECTORY | O_RDWR, true),
            Access::Write
        );
        assert_eq!(access(O_PATH | O_WRONLY, true), Access::Handle);
    }

    #[test]
    fn what_openat_ignores_openat2_is_not_given() {
        let how = How::of_openat(O_CREAT | 1 << 40 | 1 << 30, 0o170_644);
        assert_eq!(how.flags, O_CREAT | O_LARGEFILE);
        assert!(follows_open(How::of_openat(0, 0).flags));
        assert_eq!(how.mode, 0o644);
        assert_eq!(How::of_openat(0, 0o644).mode, 0);
        let path = How::of_openat(O_PATH | O_RDWR | O_CREAT, 0o644);
        assert_eq!((path.flags, path.mode), (O_PATH, 0));
    }

    #[test]
    fn open_how_lies_in_memory_as_the_kernel_reads_it() {
        let how = How {
            flags: 1,
            mode: 2,
            resolve: 4,
        };
        assert_eq!(how.bytes().map(u64::from).iter().sum::<u64>(), 7);
        assert_eq!(how.bytes()[8], 2);
    }
}
