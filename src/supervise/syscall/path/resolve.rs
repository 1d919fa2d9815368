//! A path resolved as the tracee would resolve it: its working directory and descriptors, its
//! `/proc/self`. The answer is a descriptor of what is there, and the path without a symbolic link.
//!
//! It judges nothing. What it finds may change a moment later: a caller that acts on it acts on the
//! descriptor, or has the kernel open the path that it found without following links.

use crate::judge::Judge;
use crate::paths::Access;
use crate::policy::{Action, DomainSet};
use crate::supervise::credentials::as_tracer;
use crate::supervise::tracee::Tracees;
use crate::sys::files::{NO_MAGICLINKS, NO_SYMLINKS, openat2};
use crate::sys::{Errno, memory};
use crate::trace::Tid;
use nix::fcntl::readlinkat;
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

/// PATH_MAX of linux/limits.h: a path's most bytes, its NUL among them.
pub const PATH_MAX: usize = 4096;
/// NAME_MAX.
const NAME_MAX: usize = 255;
/// More components than any path of a program has: links that make one out of thousands must not hold
/// the supervisor up.
const MAX_STEPS: usize = 16_384;
/// MAXSYMLINKS of linux/namei.h.
const MAX_LINKS: usize = 40;

/// Whose view it is.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The thread.
    pub tid: Tid,
    /// Its process.
    pub pid: Tid,
    /// The processes of the jail: the magic links of others lead nowhere.
    pub tracees: &'a Tracees,
    /// Where the policy hides something: what is hidden.
    pub hides: Option<&'a Judge>,
}

impl View<'_> {
    /// Whether a path is hidden: it is not there, whatever stands beneath it.
    fn hides(&self, path: &[u8]) -> bool {
        self.hides
            .is_some_and(|judge| judge.path(Access::Stat, path).action != Action::Allow)
    }
}

/// Where a relative path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The working directory.
    Directory,
    /// A descriptor of the tracee.
    Descriptor(RawFd),
}

impl Start {
    /// From a `dirfd` argument, of which the kernel looks at 32 bits.
    pub fn of(dirfd: u64) -> Start {
        match dirfd as u32 as i32 {
            libc::AT_FDCWD => Start::Directory,
            fd => Start::Descriptor(fd),
        }
    }
}

/// Where a path leads.
#[derive(Debug)]
pub struct Resolved {
    /// Absolute, without symbolic links.
    pub path: Vec<u8>,
    /// What is there; `None` where nothing is, in a directory that is.
    pub object: Option<OwnedFd>,
    /// The directory that holds it, and its name there, for calls that make and remove names. Only
    /// if asked for.
    pub parent: Option<(OwnedFd, CString)>,
    /// It has no path: a pipe, a socket, a memfd, an unlinked file. `path` is what the kernel calls
    /// it, or the path that it had.
    pub pathless: bool,
    /// The magic link that led to it.
    pub magic: Option<Vec<u8>>,
    /// Whether that link is the caller's own.
    pub own: bool,
    /// Whether symbolic links were followed.
    pub links: bool,
    /// What was passed on the way and does not lie above the path: the links that were followed, and
    /// the directories that were left by `..`. `None`: it is not known.
    pub passed: Option<Vec<Vec<u8>>>,
}

/// What is wanted of a resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupFlags {
    /// Follow a symbolic link at the end.
    pub follow: bool,
    /// The parent directory and the name.
    pub parent: bool,
    /// The end may be made as a file: a slash after it is an error then, whatever is there.
    pub file: bool,
}

impl LookupFlags {
    /// What a path leads to.
    pub fn object(follow: bool) -> LookupFlags {
        LookupFlags {
            follow,
            parent: false,
            file: false,
        }
    }

    /// The name at its end, and the directory that it stands in.
    pub const NAME: LookupFlags = LookupFlags {
        follow: false,
        parent: true,
        file: false,
    };
}

/// Reads a path from the tracee's memory: EFAULT and ENAMETOOLONG as the kernel has them.
pub fn read_path(tid: Tid, address: u64) -> Result<Vec<u8>, Errno> {
    read_string(tid, address, PATH_MAX).map_err(|errno| match errno {
        Errno::E2BIG => Errno::ENAMETOOLONG,
        other => other,
    })
}

/// Reads a NUL-terminated string of less than `most` bytes. E2BIG: it is longer.
pub fn read_string(tid: Tid, address: u64, most: usize) -> Result<Vec<u8>, Errno> {
    const PAGE: u64 = 4096;
    let mut text = Vec::with_capacity(256);
    let mut buffer = [0; PAGE as usize];
    while text.len() < most {
        let at = address.wrapping_add(text.len() as u64);
        // Most paths are short: a look at all of the page costs as much as one at 256 bytes.
        let room = (PAGE - at % PAGE) as usize;
        let chunk = buffer
            .get_mut(..room.min(most - text.len()))
            .unwrap_or_default();
        let read = memory::read(tid, at, chunk).map_err(|errno| match errno {
            // An address that is none of the user's.
            Errno::EINVAL | Errno::EIO => Errno::EFAULT,
            other => other,
        })?;
        let bytes = chunk.get(..read).unwrap_or_default();
        match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => {
                text.extend_from_slice(bytes.get(..end).unwrap_or_default());
                return Ok(text);
            }
            None if read == 0 => return Err(Errno::EFAULT),
            None => text.extend_from_slice(bytes),
        }
    }
    Err(Errno::E2BIG)
}

/// The path of what a descriptor of this process stands for.
pub fn path_of(fd: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    readlinkat(nix::fcntl::AT_FDCWD, link.as_str()).map(OsString::into_vec)
}

/// Resolves a path.
pub fn resolve(
    view: View<'_>,
    start: Start,
    path: &[u8],
    wants: LookupFlags,
) -> Result<Resolved, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if let Some(found) = fast(view, start, path, wants)? {
        return Ok(found);
    }
    Walk::new(view, start, path, wants)?.run()
}

/// What a descriptor of the tracee stands for, for an empty path.
pub fn descriptor(view: View<'_>, fd: RawFd) -> Result<Resolved, Errno> {
    let name = match Start::of(fd as u64) {
        Start::Directory => "cwd".to_owned(),
        Start::Descriptor(fd) if fd < 0 => return Err(Errno::EBADF),
        Start::Descriptor(fd) => format!("fd/{fd}"),
    };
    let object = open_link(&format!("/proc/{}/{name}", view.tid))?;
    // As the tracee would name it.
    let link = format!("/proc/{}/{name}", view.tracees.number(view.tid));
    let path = view.path_of(&object)?;
    let (path, pathless) = view.named(path, &object)?;
    Ok(Resolved {
        path,
        object: Some(object),
        parent: None,
        pathless,
        magic: Some(link.into_bytes()),
        own: true,
        links: false,
        passed: None,
    })
}

fn open_link(link: &str) -> Result<OwnedFd, Errno> {
    let link = CString::new(link).map_err(|_| Errno::EINVAL)?;
    let opened = as_tracer(|| openat2(libc::AT_FDCWD, &link, libc::O_PATH, 0));
    opened.map_err(|errno| match errno {
        Errno::ENOENT => Errno::EBADF,
        other => other,
    })
}

impl View<'_> {
    /// What the kernel calls an object, and whether that is no path to it.
    pub fn named(&self, mut path: Vec<u8>, object: &OwnedFd) -> Result<(Vec<u8>, bool), Errno> {
        const DELETED: &[u8] = b" (deleted)";
        if !path.starts_with(b"/") {
            return Ok((path, true));
        }
        if path.ends_with(DELETED) && !self.leads_to(&path, object) {
            if !path.starts_with(b"/memfd:") {
                path.truncate(path.len() - DELETED.len());
            }
            return Ok((path, true));
        }
        Ok((path, false))
    }

    /// Whether a path, taken as it is, leads to this object.
    pub fn leads_to(&self, path: &[u8], object: &OwnedFd) -> bool {
        let found = self.open(path, libc::O_PATH | libc::O_NOFOLLOW, NO_SYMLINKS);
        let identity = |fd: &OwnedFd| {
            fstat(fd.as_fd())
                .ok()
                .map(|stat| (stat.st_dev, stat.st_ino))
        };
        found.is_ok_and(|found| identity(&found).is_some() && identity(&found) == identity(object))
    }

    fn directory(&self, path: &[u8], resolve: u64) -> Result<OwnedFd, Errno> {
        self.open(path, libc::O_PATH | libc::O_DIRECTORY, resolve)
    }
}

/// A path made absolute without a look at it; `None`: a component is special.
fn plain_path(view: View<'_>, start: Start, path: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let mut full = Vec::with_capacity(path.len() + 64);
    if !path.starts_with(b"/") {
        if start != Start::Directory {
            return Ok(None);
        }
        let cwd = format!("/proc/{}/cwd", view.tid);
        full = match as_tracer(|| readlinkat(nix::fcntl::AT_FDCWD, cwd.as_str())) {
            Err(Errno::ENAMETOOLONG) => return Ok(None),
            other => other?.into_vec(),
        };
        if !full.starts_with(b"/") || full.ends_with(b" (deleted)") {
            return Ok(None);
        }
        if full == b"/" {
            full.clear();
        }
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Ok(None),
            name => {
                full.push(b'/');
                full.extend_from_slice(name);
            }
        }
    }
    // A trailing slash wants a directory; /proc has links that are not text.
    let ends_plainly = !matches!(path.last(), Some(b'/' | b'.'));
    let special =
        full.is_empty() || !ends_plainly || full.starts_with(b"/proc") || full.len() >= PATH_MAX;
    Ok((!special).then_some(full))
}

/// One look, where no component is special and none is a symbolic link: the text is the path then.
fn fast(
    view: View<'_>,
    start: Start,
    path: &[u8],
    wants: LookupFlags,
) -> Result<Option<Resolved>, Errno> {
    let Some(full) = plain_path(view, start, path)? else {
        return Ok(None);
    };
    // Beneath a directory that may not be searched a relative path still leads somewhere.
    let walked = |errno| match errno {
        // What the judge denies is told as the policy has it.
        _ if view.hides(&full) => Ok(Some(nothing(full.clone()))),
        Errno::ELOOP => Ok(None),
        Errno::EACCES if !path.starts_with(b"/") => Ok(None),
        errno => Err(errno),
    };
    let (head, name) = crate::paths::split(&full);
    let flags = libc::O_PATH | if wants.follow { 0 } else { libc::O_NOFOLLOW };
    let found = |object, parent| Resolved {
        path: full.clone(),
        object,
        parent,
        pathless: false,
        magic: None,
        own: false,
        links: false,
        passed: Some(Vec::new()),
    };
    if wants.parent {
        let Ok(parent) = view.directory(head, NO_SYMLINKS) else {
            return Ok(None);
        };
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        return match openat2(parent.as_raw_fd(), &name, flags, NO_SYMLINKS) {
            Ok(object) => Ok(Some(found(Some(object), Some((parent, name))))),
            Err(Errno::ENOENT) => Ok(Some(found(None, Some((parent, name))))),
            Err(errno) => walked(errno),
        };
    }
    match view.open(&full, flags, NO_SYMLINKS) {
        Ok(object) => Ok(Some(found(Some(object), None))),
        Err(Errno::ENOENT) => match view.directory(head, NO_SYMLINKS) {
            Ok(_) => Ok(Some(found(None, None))),
            Err(errno) => walked(errno),
        },
        Err(errno) => walked(errno),
    }
}

/// A path that leads nowhere.
fn nothing(path: Vec<u8>) -> Resolved {
    Resolved {
        path,
        object: None,
        parent: None,
        pathless: false,
        magic: None,
        own: false,
        links: true,
        passed: None,
    }
}

/// One component after another, as namei does it.
struct Walk<'a> {
    view: View<'a>,
    wants: LookupFlags,
    /// What is left, the next one last.
    todo: Vec<Vec<u8>>,
    here: OwnedFd,
    path: Vec<u8>,
    links: usize,
    /// See [`Resolved::passed`].
    passed: Option<Vec<Vec<u8>>>,
    /// Whether what the path ends in must be a directory.
    slash: bool,
    /// Where a descriptor started whose directory is unlinked.
    pathless: bool,
}

/// What a component is.
enum Entry {
    Missing,
    Is(OwnedFd, FileStat),
}

impl<'a> Walk<'a> {
    fn new(view: View<'a>, start: Start, path: &[u8], wants: LookupFlags) -> Result<Self, Errno> {
        let mut walk = Walk {
            view,
            wants,
            todo: Vec::new(),
            here: view.directory(b"/", 0)?,
            path: b"/".to_vec(),
            links: 0,
            passed: Some(Vec::new()),
            slash: false,
            pathless: false,
        };
        if !path.starts_with(b"/") {
            let fd = match start {
                Start::Directory => libc::AT_FDCWD,
                Start::Descriptor(fd) => fd,
            };
            let found = descriptor(view, fd)?;
            let object = found.object.ok_or(Errno::EBADF)?;
            if !is(&fstat(object.as_fd())?, SFlag::S_IFDIR) {
                return Err(Errno::ENOTDIR);
            }
            walk.here = object;
            walk.path = found.path;
            walk.pathless = found.pathless;
        }
        walk.push(path);
        Ok(walk)
    }

    /// What a path, or a link's text, adds to what is left.
    fn push(&mut self, text: &[u8]) {
        let at_end = self.todo.is_empty();
        let parts = text.split(|byte| *byte == b'/');
        let parts: Vec<Vec<u8>> = parts
            .filter(|part| !part.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        if at_end {
            self.slash |= text.ends_with(b"/");
        }
        self.todo.extend(parts.into_iter().rev());
    }

    fn run(mut self) -> Result<Resolved, Errno> {
        let mut steps = 0;
        while let Some(name) = self.todo.pop() {
            steps += 1;
            if steps > MAX_STEPS {
                return Err(Errno::ELOOP);
            }
            if name.len() > NAME_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            let last = self.todo.is_empty();
            if last && self.wants.file && (self.slash || name == b"." || name == b"..") {
                return Err(Errno::EISDIR);
            }
            if name == b"." || name == b".." {
                // As the last, the kernel makes no name of them: it has its own errors for that.
                if last && self.wants.parent {
                    return self.end(Entry::Missing, &name);
                }
                match name == b".." {
                    true => self.up()?,
                    // That it may be searched is asked all the same.
                    false => drop(openat2(self.here.as_raw_fd(), c".", libc::O_PATH, 0)?),
                }
                continue;
            }
            let follow = !last || self.wants.follow || self.slash && !self.wants.parent;
            if follow && let Some(own) = self.own_process(&name) {
                self.count_link()?;
                self.passed = None;
                self.push(own.as_bytes());
                continue;
            }
            let (object, stat) = match self.look(&name)? {
                Entry::Missing if last => return self.end(Entry::Missing, &name),
                Entry::Missing => return Err(Errno::ENOENT),
                Entry::Is(object, stat) => (object, stat),
            };
            if is(&stat, SFlag::S_IFLNK) && follow {
                self.count_link()?;
                if let Some(found) = self.link(&name, object, &stat, last)? {
                    return Ok(found);
                }
                continue;
            }
            if last {
                return self.end(Entry::Is(object, stat), &name);
            }
            if !is(&stat, SFlag::S_IFDIR) {
                return Err(Errno::ENOTDIR);
            }
            self.enter(object, &name);
            if self.view.hides(&self.path) {
                return Ok(nothing(self.path));
            }
        }
        self.directory()
    }

    /// The path named a directory by `/`, `.` or `..`.
    fn directory(self) -> Result<Resolved, Errno> {
        Ok(Resolved {
            object: Some(self.here.try_clone().map_err(|_| Errno::EMFILE)?),
            parent: match self.wants.parent {
                true => Some((self.here, CString::from(c"."))),
                false => None,
            },
            path: self.path,
            pathless: self.pathless,
            magic: None,
            own: false,
            links: self.links > 0,
            passed: self.passed,
        })
    }

    fn look(&self, name: &[u8]) -> Result<Entry, Errno> {
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        match openat2(
            self.here.as_raw_fd(),
            &name,
            libc::O_PATH | libc::O_NOFOLLOW,
            0,
        ) {
            Ok(object) => {
                let stat = fstat(object.as_fd())?;
                Ok(Entry::Is(object, stat))
            }
            Err(Errno::ENOENT) => Ok(Entry::Missing),
            Err(errno) => Err(errno),
        }
    }

    fn enter(&mut self, directory: OwnedFd, name: &[u8]) {
        self.here = directory;
        join(&mut self.path, name);
    }

    fn up(&mut self) -> Result<(), Errno> {
        self.pass(None);
        let parent = openat2(
            self.here.as_raw_fd(),
            c"..",
            libc::O_PATH | libc::O_DIRECTORY,
            0,
        )?;
        let path = self.view.path_of(&parent)?;
        (self.path, self.pathless) = self.view.named(path, &parent)?;
        self.here = parent;
        Ok(())
    }

    /// The way goes on elsewhere than beneath this directory: from it, or from a link in it.
    fn pass(&mut self, link: Option<&[u8]>) {
        let mut place = self.path.clone();
        if let Some(name) = link {
            join(&mut place, name);
        }
        match &mut self.passed {
            Some(passed) if passed.len() < MAX_LINKS => passed.push(place),
            _ => self.passed = None,
        }
    }

    fn count_link(&mut self) -> Result<(), Errno> {
        self.links += 1;
        match self.links > MAX_LINKS {
            true => Err(Errno::ELOOP),
            false => Ok(()),
        }
    }

    /// `/proc/self` and `/proc/thread-self` are the caller, and here the supervisor is the caller.
    fn own_process(&self, name: &[u8]) -> Option<String> {
        /// PROC_ROOT_INO of linux/proc_fs.h.
        const ROOT: u64 = 1;
        // In the procfs at /proc; any other shows what the host's does.
        let number = |tid| match self.path == b"/proc" {
            true => self.view.tracees.number(tid),
            false => tid,
        };
        let (pid, tid) = (self.view.pid, self.view.tid);
        let own = match name {
            b"self" => number(pid).to_string(),
            b"thread-self" => format!("{}/task/{}", number(pid), number(tid)),
            _ => return None,
        };
        let root = fstat(self.here.as_fd()).is_ok_and(|stat| stat.st_ino == ROOT);
        (root && is_of_proc(&self.here)).then_some(own)
    }

    /// Follows a symbolic link. What is found where it leads to no path.
    fn link(
        &mut self,
        name: &[u8],
        object: OwnedFd,
        stat: &FileStat,
        last: bool,
    ) -> Result<Option<Resolved>, Errno> {
        let text = CString::new(name).map_err(|_| Errno::EINVAL)?;
        if is_of_proc(&object) && self.open_link(&text, NO_MAGICLINKS).err() == Some(Errno::ELOOP) {
            return self.magic(name, &text, last);
        }
        self.may_follow(stat)?;
        self.pass(Some(name));
        let target = readlinkat(object.as_fd(), "")?.into_vec();
        if target.starts_with(b"/") {
            self.here = self.view.directory(b"/", 0)?;
            self.path = b"/".to_vec();
        }
        self.push(&target);
        Ok(None)
    }

    /// A link of /proc that leads to an object, whatever its text says.
    fn magic(&mut self, name: &[u8], text: &CStr, last: bool) -> Result<Option<Resolved>, Errno> {
        let mut link = self.path.clone();
        join(&mut link, name);
        let process = self.process();
        let caller = self.view.tracees.get(self.view.tid);
        let domains = caller.map_or(DomainSet::NONE, |task| task.domains.judged());
        let leads = |pid| self.view.tracees.has(pid) && self.view.tracees.is_within(domains, pid);
        if !process.is_some_and(leads) {
            return Err(Errno::EACCES);
        }
        let object = self.open_link(text, 0)?;
        let path = self.view.path_of(&object)?;
        let (path, pathless) = self.view.named(path, &object)?;
        let stat = fstat(object.as_fd())?;
        if !last || self.slash {
            if !is(&stat, SFlag::S_IFDIR) {
                return Err(Errno::ENOTDIR);
            }
            self.here = object;
            self.path = path;
            self.pathless = pathless;
            self.passed = None;
            return Ok(None);
        }
        Ok(Some(Resolved {
            path,
            object: Some(object),
            parent: None,
            pathless,
            own: self.is_own(process),
            magic: Some(link),
            links: true,
            passed: None,
        }))
    }

    /// Whether that is the caller.
    fn is_own(&self, process: Option<Tid>) -> bool {
        process == Some(self.view.pid) || process == Some(self.view.tid)
    }

    /// Opens what a link of /proc leads to. A process may always follow its own.
    fn open_link(&self, name: &CStr, resolve: u64) -> Result<OwnedFd, Errno> {
        let open = || openat2(self.here.as_raw_fd(), name, libc::O_PATH, resolve);
        match self.is_own(self.process()) {
            true => as_tracer(open),
            false => open(),
        }
    }

    /// The process or thread whose part of a procfs this directory is in: the last number on the way
    /// to it from the procfs's root.
    fn process(&self) -> Option<Tid> {
        let number = |part: &[u8]| std::str::from_utf8(part).ok()?.parse::<Tid>().ok();
        let mut parts = self.path.rsplit(|byte| *byte == b'/');
        let number = parts.find_map(number)?;
        match self.path.starts_with(b"/proc/") {
            true => self.view.tracees.of_number(number),
            false => Some(number),
        }
    }

    /// `fs.protected_symlinks` (proc_sys_fs(5)): in a sticky directory that all may write, a link is
    /// followed if it is the follower's own, or the directory's owner's.
    fn may_follow(&self, link: &FileStat) -> Result<(), Errno> {
        const STICKY_FOR_ALL: u32 = 0o1002;
        let owner = nix::unistd::geteuid().as_raw();
        if link.st_uid == owner {
            return Ok(());
        }
        let parent = fstat(self.here.as_fd())?;
        let open = parent.st_mode & STICKY_FOR_ALL == STICKY_FOR_ALL;
        if !open || parent.st_uid == link.st_uid || !protects_symlinks() {
            return Ok(());
        }
        Err(Errno::EACCES)
    }

    fn end(self, entry: Entry, name: &[u8]) -> Result<Resolved, Errno> {
        let mut path = self.path;
        if name != b"." && name != b".." {
            join(&mut path, name);
        }
        let object = match entry {
            Entry::Missing => None,
            Entry::Is(object, stat) => {
                if self.slash && !self.wants.parent && !is(&stat, SFlag::S_IFDIR) {
                    return Err(Errno::ENOTDIR);
                }
                Some(object)
            }
        };
        let mut name = name.to_vec();
        if self.slash {
            // The kernel's own errors for a slash after what is no directory.
            name.push(b'/');
        }
        Ok(Resolved {
            path,
            object,
            parent: match self.wants.parent {
                true => Some((self.here, CString::new(name).map_err(|_| Errno::EINVAL)?)),
                false => None,
            },
            pathless: self.pathless,
            magic: None,
            own: false,
            links: self.links > 0,
            passed: self.passed,
        })
    }
}

fn protects_symlinks() -> bool {
    static PROTECTS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *PROTECTS.get_or_init(|| {
        // Where it cannot be read, links are protected: following less allows nothing.
        std::fs::read("/proc/sys/fs/protected_symlinks").map_or(true, |text| text.starts_with(b"1"))
    })
}

/// Adds a component.
pub fn join(path: &mut Vec<u8>, name: &[u8]) {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

fn is(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind
}

/// Whether a descriptor stands for something in a procfs.
fn is_of_proc(object: &OwnedFd) -> bool {
    fstatfs(object.as_fd()).is_ok_and(|found| found.filesystem_type() == PROC_SUPER_MAGIC)
}

impl Resolved {
    /// Whether it is in a procfs, wherever that is mounted.
    pub fn is_of_proc(&self) -> bool {
        self.object.as_ref().is_some_and(is_of_proc)
    }
}

/// Whether a descriptor stands for a regular file.
pub fn is_regular(object: &OwnedFd) -> bool {
    fstat(object.as_fd()).is_ok_and(|stat| is(&stat, SFlag::S_IFREG))
}

/// Whether a descriptor stands for a directory.
pub fn is_directory(object: &OwnedFd) -> bool {
    fstat(object.as_fd()).is_ok_and(|stat| is(&stat, SFlag::S_IFDIR))
}
