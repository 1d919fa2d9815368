//! Calls that name paths: each is resolved, judged, and then either goes on in such a way that what
//! was judged is what runs, or is made by the supervisor in the tracee's name.
//!
//! | a call | goes on |
//! |---|---|
//! | open | as openat2 of the resolved path, out of a page that nobody can change; or as it is, where nobody can change anything in between |
//! | anything else with a path | made here, on descriptors of what was judged |
//! | on a descriptor | made here, on the same open file |
//! | execve | as it is: the program that runs is judged again before its first instruction |
//! | chdir, bind | with its path in such a page |
//!
//! It must never let a call go on that it could not judge.

mod exec;
mod memory;
mod metadata;
mod open;
mod perform;
mod places;
mod program;
mod resolve;

use super::denial::{Object, PathObject};
use super::tree::Tree;
use crate::baseline::Watch;
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::{self, Action};
use crate::sys::{self, Errno};
use crate::syscalls::named::{Asks, Named, named};
use crate::syscalls::{self, Call};
use crate::trace::{Registers, Resume, Stopped, Tid};
use memory::{Memories, REGION, Slot};
pub use places::SOCKADDR;
pub use resolve::{Found, Wants};
use resolve::{Start, View, read_path, resolve};
use std::collections::{HashMap, HashSet};

/// What the supervisor knows of the files of a jail.
pub struct Files {
    memories: Memories,
    pending: HashMap<Tid, Pending>,
    /// A call under way that must return before anything else is answered: the supervisor makes all
    /// renames, so meanwhile no directory on its way becomes another.
    hurried: Option<Tid>,
    /// Tasks that have confined themselves by Landlock: what changes names is theirs to do, not the
    /// supervisor's, which is under no such domain.
    confined: HashSet<Tid>,
    /// Whether a task may have reads under way that end while it is stopped.
    asynchronous: bool,
    /// Whether there has ever been more than one task.
    several: bool,
    /// Whether this thread's umask is its own.
    own_umask: bool,
    exec: exec::Programs,
}

/// A call that is under way in another form than the tracee made it.
enum Pending {
    /// It returns, and the registers are to be as they were. `first`: it is the first of many
    /// messages, and what was sent of it belongs at this address.
    Return {
        original: Registers,
        _slot: Option<Slot>,
        first: Option<u64>,
    },
    /// mmap of a region.
    Map { original: Registers },
    /// mseal of it.
    Seal { original: Registers, address: u64 },
}

/// What becomes of a call.
pub enum Answer {
    /// It goes on, or has been made.
    Go(Resume),
    /// It is denied, for the sake of this path or peer; `None`: whatever it names.
    Deny(Verdict, Option<Object>),
}

/// A call in its stop, with what is needed to answer it.
pub struct Asked<'a> {
    pub plan: &'a Plan,
    pub tree: &'a mut Tree,
    pub tracee: &'a Stopped,
    pub registers: Registers,
    pub call: Call,
    /// Whether rules about paths or arguments have to be asked.
    pub rules: bool,
    /// The arguments of the program that is to be started, where a rule may ask for them.
    pub vector: Vec<Vec<u8>>,
}

/// Why a call is not allowed to go on as it is.
pub enum Refused {
    /// The kernel's answer.
    Errno(Errno),
    /// The policy's.
    Denied(Verdict, Object),
    /// The policy's, of a call that names nobody.
    Called(Verdict),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Refused::Errno(errno)
    }
}

pub type Judged<T> = Result<T, Refused>;

impl Files {
    pub fn new(main: Tid) -> Self {
        let mut memories = Memories::default();
        memories.begin(main);
        Self {
            memories,
            pending: HashMap::new(),
            hurried: None,
            confined: HashSet::new(),
            asynchronous: false,
            several: false,
            own_umask: false,
            exec: exec::Programs::default(),
        }
    }

    /// A task was made, by a call with these clone(2) flags.
    pub fn spawned(&mut self, parent: Tid, child: Tid, flags: u64) {
        self.several = true;
        if self.confined.contains(&parent) {
            self.confined.insert(child);
        }
        self.memories.spawned(parent, child, flags);
    }

    /// A task runs of which nobody has told whence it comes.
    pub fn adopted(&mut self, tid: Tid) {
        self.several = true;
        self.memories.adopted(tid);
    }

    pub fn executed(&mut self, pid: Tid, former: Tid) {
        self.pending.remove(&former);
        if self.confined.remove(&former) {
            self.confined.insert(pid);
        }
        self.memories.executed(pid, former);
    }

    pub fn gone(&mut self, tid: Tid) {
        self.pending.remove(&tid);
        self.confined.remove(&tid);
        self.memories.gone(tid);
        self.exec.gone(tid);
    }

    /// Answers a call that the policy allows if its paths are open.
    pub fn answer(&mut self, asked: &mut Asked<'_>) -> Result<Answer, Errno> {
        let Some(syscall) = asked.call.syscall() else {
            return Ok(Answer::Go(Resume::Return(
                asked.registers,
                errno(Errno::ENOSYS),
            )));
        };
        let result = match syscall.name {
            "open" | "openat" | "openat2" | "creat" => self.open(asked),
            "execve" | "execveat" => self.exec(asked),
            "chdir" => self.chdir(asked),
            "bind" => self.bind(asked),
            "clone" | "vfork" => self.share(asked),
            "landlock_restrict_self" => {
                self.confined.insert(asked.tracee.tid());
                Ok(Resume::Continue)
            }
            // Reads that are under way could change the pages before they are sealed.
            "io_setup" if self.memories.may_map(asked.tracee.tid()) => self.map(asked),
            "io_setup" => {
                self.asynchronous = true;
                Ok(Resume::Continue)
            }
            // Nothing can trace a jailed process anyway; the supervisor must.
            "prctl" => Ok(Resume::Return(asked.registers, 0)),
            name => self.perform(asked, name),
        };
        match result {
            Ok(resume) => Ok(Answer::Go(resume)),
            Err(Refused::Errno(found)) => {
                Ok(Answer::Go(Resume::Return(asked.registers, errno(found))))
            }
            Err(Refused::Denied(verdict, object)) => Ok(Answer::Deny(verdict, Some(object))),
            Err(Refused::Called(verdict)) => Ok(Answer::Deny(verdict, None)),
        }
    }

    /// Whether it is the supervisor's own call that a task is in.
    pub fn is_pending(&self, tid: Tid) -> bool {
        self.pending.contains_key(&tid)
    }

    /// A call of the supervisor's own making is entered, or returns.
    pub fn returned(&mut self, tracee: &Stopped) -> Result<Resume, Errno> {
        let tid = tracee.tid();
        let Some(pending) = self.pending.remove(&tid) else {
            return Ok(Resume::Continue);
        };
        let Some(registers) = tracee.registers()? else {
            return Ok(Resume::Continue);
        };
        let result = registers.result();
        Ok(match pending {
            Pending::Return {
                original,
                first: Some(at),
                ..
            } if result >= 0 => {
                let sent = (result as u32).to_ne_bytes();
                let told = sys::memory::write(tid, at, &sent);
                Resume::Set(original.with_result(told.map_or_else(self::errno, |()| 1)))
            }
            Pending::Return { original, .. } => Resume::Set(original.with_result(result)),
            Pending::Map { original } if (-4095..0).contains(&result) => {
                Resume::Set(original.with_result(result))
            }
            // The task makes its own call again; then there is a region to be sealed.
            Pending::Map { original } => {
                self.memories.mapped(tid, result as u64);
                again(original)
            }
            Pending::Seal { original, .. } if result < 0 => {
                Resume::Set(original.with_result(result))
            }
            // Between the two the task may have run: a signal handler, an aborted rseq section. What
            // lies there is looked at now, while it is stopped and nobody else is there.
            Pending::Seal { original, address } => match self.memories.sealed(tid, address) {
                true if !self.asynchronous => again(original),
                _ => Resume::Set(original.with_result(errno(Errno::EACCES))),
            },
        })
    }

    /// Lets a call go on as `nr` with the arguments that `args` makes of a slot, which holds `head`
    /// and `path`. If there is no slot yet, it is mapped first and the call comes again.
    fn pinned(
        &mut self,
        asked: &Asked<'_>,
        nr: u32,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        let fill = |slot: &Slot| slot.write(asked.tracee.tid(), head, path);
        self.pinned_in(asked, nr, fill, args, None)
    }

    fn pinned_in(
        &mut self,
        asked: &Asked<'_>,
        nr: u32,
        fill: impl FnOnce(&Slot) -> Result<(), Errno>,
        args: impl FnOnce(&Slot) -> [u64; 6],
        first: Option<u64>,
    ) -> Judged<Resume> {
        let tid = asked.tracee.tid();
        let original = asked.registers;
        if let Some(slot) = self.memories.slot(tid) {
            fill(&slot)?;
            let changed = original.with_call(nr, args(&slot));
            let pending = Pending::Return {
                original,
                _slot: Some(slot),
                first,
            };
            self.pending.insert(tid, pending);
            return Ok(Resume::SetAndStop(changed));
        }
        match self.memories.has_region(tid) {
            false => self.map(asked),
            // Too many calls are under way.
            true => Err(Errno::ENFILE.into()),
        }
    }

    /// Lets the call go on with these bytes where nobody can change them; `args` gets their address.
    pub fn pinned_call(
        &mut self,
        asked: &Asked<'_>,
        bytes: &[u8],
        args: impl FnOnce(u64) -> [u64; 6],
    ) -> Judged<Resume> {
        let bytes = bytes.to_vec();
        self.pinned_as(asked, asked.call.nr, |_| bytes, args, None)
    }

    /// As [`Files::pinned_call`], as another call and with bytes that depend on where they lie.
    /// `first`: what it sent belongs at this address, and it returns 1.
    pub fn pinned_as(
        &mut self,
        asked: &Asked<'_>,
        nr: u32,
        bytes: impl FnOnce(u64) -> Vec<u8>,
        args: impl FnOnce(u64) -> [u64; 6],
        first: Option<u64>,
    ) -> Judged<Resume> {
        if !asked.plan.net.pins {
            // `explain` says that it is racy.
            return Ok(Resume::Continue);
        }
        let tid = asked.tracee.tid();
        let fill = |slot: &Slot| slot.fill(tid, &bytes(slot.address));
        self.pinned_in(asked, nr, fill, |slot| args(slot.address), first)
    }

    /// Lets the call go on with other arguments.
    pub fn changed_call(&mut self, asked: &Asked<'_>, args: [u64; 6]) -> Resume {
        let original = asked.registers;
        let pending = Pending::Return {
            original,
            _slot: None,
            first: None,
        };
        self.pending.insert(asked.tracee.tid(), pending);
        Resume::SetAndStop(original.with_call(asked.call.nr, args))
    }

    /// Whether a task has confined itself by a Landlock domain of its own.
    pub fn is_confined(&self, tid: Tid) -> bool {
        self.confined.contains(&tid)
    }

    /// Whether a task shares neither memory nor descriptors nor working directory with another.
    pub fn is_alone(&mut self, tid: Tid) -> bool {
        !self.several || self.memories.is_alone(tid)
    }

    /// Whether nobody in the jail can change these bytes, or which sockets the descriptors of their
    /// owner stand for, before its call goes on.
    pub fn is_own(&mut self, asked: &Asked<'_>, address: u64, length: usize) -> bool {
        let tid = asked.tracee.tid();
        !self.asynchronous && (!self.several || self.memories.is_private(tid, address, length))
    }

    /// Whether nobody in the jail can rename anything on the way to what was found.
    pub fn stays(&self, asked: &Asked<'_>, found: &Found) -> bool {
        let beneath = |tree: &std::path::PathBuf| {
            let tree = std::os::unix::ffi::OsStrExt::as_bytes(tree.as_os_str());
            crate::paths::is_beneath(&found.path, tree)
        };
        let trees = asked.plan.files.writable.as_ref();
        trees.is_some_and(|trees| !trees.iter().any(beneath))
    }

    /// Maps a region for paths, or seals the one that was mapped: the call is made again afterwards.
    fn map(&mut self, asked: &Asked<'_>) -> Judged<Resume> {
        let tid = asked.tracee.tid();
        let original = asked.registers;
        let (name, args, pending) = match self.memories.unsealed(tid) {
            Some(address) => (
                "mseal",
                [address, REGION, 0, 0, 0, 0],
                Pending::Seal { original, address },
            ),
            None => {
                let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                let args = [0, REGION, libc::PROT_READ as u64, flags, u64::MAX, 0];
                ("mmap", args, Pending::Map { original })
            }
        };
        let nr = number(name).ok_or(Errno::ENOSYS)?;
        self.pending.insert(tid, pending);
        Ok(Resume::SetAndStop(original.with_call(nr, args)))
    }

    /// Before memory is shared, the region is mapped: afterwards another task could put its own
    /// pages in its place before they are sealed, or keep them from its children.
    fn share(&mut self, asked: &Asked<'_>) -> Judged<Resume> {
        match self.memories.may_map(asked.tracee.tid()) {
            true => self.map(asked),
            false => Ok(Resume::Continue),
        }
    }

    /// The call that must return before anything else is answered.
    pub fn hurried(&mut self) -> Option<Tid> {
        self.hurried.take()
    }

    /// As [`Files::pinned`], for a call that the kernel resolves anew: nothing else is answered
    /// until it has returned.
    fn pinned_at_once(
        &mut self,
        asked: &Asked<'_>,
        head: &[u8],
        path: &[u8],
        args: impl FnOnce(&Slot) -> [u64; 6],
    ) -> Judged<Resume> {
        let resume = self.pinned(asked, asked.call.nr, head, path, args)?;
        let tid = asked.tracee.tid();
        if let Some(Pending::Return { .. }) = self.pending.get(&tid) {
            self.hurried = Some(tid);
        }
        Ok(resume)
    }

    /// Whether neither the path of a call in memory, nor what it leads to, can be changed by anybody
    /// in the jail before the call goes on.
    pub fn is_settled(
        &mut self,
        asked: &Asked<'_>,
        address: u64,
        given: &[u8],
        found: &Found,
    ) -> bool {
        let tid = asked.tracee.tid();
        if self.asynchronous {
            return false;
        }
        // There is nobody else: the jail has had one task, which is stopped.
        if !self.several {
            return true;
        }
        // Nobody else reaches its memory, descriptors and working directory, and no directory on
        // the way is one in which anybody in the jail may rename: none is in a tree that may be
        // changed. (What may be changed only beneath the way does not matter to it.)
        !found.links
            && found.magic.is_none()
            && self.stays(asked, found)
            && self.memories.is_private(tid, address, given.len())
    }
}

impl Asked<'_> {
    fn view(&self) -> View<'_> {
        let tid = self.tracee.tid();
        let hides = self.plan.files.watch.has(Watch::STAT);
        View {
            tid,
            pid: self.tree.pid_of(tid),
            tree: self.tree,
            hides: hides.then_some(&self.plan.judge),
        }
    }

    pub fn arg(&self, index: u8) -> u64 {
        let arg = self.call.args.get(usize::from(index));
        arg.copied().unwrap_or(0)
    }

    /// The path of a row, as the call has it.
    fn path(&self, row: &Named) -> Judged<Vec<u8>> {
        Ok(read_path(self.tracee.tid(), self.arg(row.path))?)
    }

    /// Where a row's path leads.
    fn found(&self, row: &Named, given: &[u8], wants: Wants) -> Judged<Found> {
        let start = row
            .dirfd
            .map_or(Start::Directory, |dirfd| Start::of(self.arg(dirfd)));
        if given.is_empty() && row.may_be_empty(&self.call) {
            return self.descriptor(start);
        }
        Ok(resolve(self.view(), start, given, wants)?)
    }

    /// Where a path leads from the working directory.
    pub fn found_at(&self, given: &[u8], wants: Wants) -> Judged<Found> {
        Ok(resolve(self.view(), Start::Directory, given, wants)?)
    }

    fn descriptor(&self, start: Start) -> Judged<Found> {
        let fd = match start {
            Start::Directory => libc::AT_FDCWD,
            Start::Descriptor(fd) => fd,
        };
        Ok(resolve::descriptor(self.view(), fd)?)
    }

    /// A path as policies have it: the caller's own part of /proc is `/proc/self`.
    fn own(&self, path: &[u8]) -> Vec<u8> {
        let own = format!("/proc/{}", self.tree.pid_of(self.tracee.tid()));
        match path.strip_prefix(own.as_bytes()) {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                [b"/proc/self", rest].concat()
            }
            _ => path.to_vec(),
        }
    }

    /// What rules about paths and arguments say of a call that leads to these.
    fn ask_rules(&self, access: Access, given: &[u8], paths: &[&Found]) -> Judged<()> {
        if !self.rules {
            return Ok(());
        }
        let own: Vec<Vec<u8>> = paths.iter().map(|found| self.own(&found.path)).collect();
        let mut holds = |object: &policy::Object| {
            let path = object.path.as_ref().is_none_or(|(_, pattern)| {
                let mut found = paths.iter().zip(&own);
                found.any(|(found, own)| pattern.covers(&found.path) || pattern.covers(own))
            });
            path && object.peer.is_none()
                && object
                    .argv
                    .as_ref()
                    .is_none_or(|argv| argv.matches(&self.vector))
        };
        let verdict = self.plan.judge.call_on(&self.call, &mut holds);
        match (verdict.action, paths.first()) {
            (Action::Allow, _) => Ok(()),
            (_, Some(found)) => Err(Refused::Denied(verdict, object(access, given, found))),
            (_, None) => Err(Errno::EPERM.into()),
        }
    }

    /// What `[fs]` alone says of an access to what was found.
    pub fn judge_only(&self, access: Access, given: &[u8], found: &Found) -> Judged<()> {
        self.judge_path(access, given, found)
    }

    /// What the policy says of an access to what was found.
    fn judge(&self, access: Access, given: &[u8], found: &Found) -> Judged<()> {
        // A call of two paths asks for both together.
        let two = self
            .call
            .syscall()
            .is_some_and(|call| named(call.name).len() > 1);
        if !two {
            self.ask_rules(access, given, &[found])?;
        }
        self.judge_path(access, given, found)
    }

    fn judge_path(&self, access: Access, given: &[u8], found: &Found) -> Judged<()> {
        let denied = |verdict| Err(Refused::Denied(verdict, object(access, given, found)));
        // A pipe, a socket, a memfd: whoever has a descriptor of it has it already.
        let nameless =
            found.pathless && !found.path.starts_with(b"/") || found.path.starts_with(b"/memfd:");
        if nameless {
            // Where any path may be executed, so may this.
            let verdict = self.plan.judge.path(access, b"/");
            return match (access, verdict.action) {
                (Access::Exec, Action::Deny(_) | Action::Kill) => denied(Verdict {
                    reason: Reason::Pathless,
                    ..verdict
                }),
                _ => Ok(()),
            };
        }
        if access == Access::Write && found.path.ends_with(b"/mem") && found.is_of_proc() {
            let rule = &crate::baseline::NO_MEMORY_FILES;
            return denied(refusal(Reason::Baseline(rule)));
        }
        let own = self.own(&found.path);
        let verdict = self.plan.judge.path(access, &own);
        if verdict.action != Action::Allow {
            return denied(verdict);
        }
        // An entry that denies may mean the caller by its number, too.
        if own != found.path {
            let verdict = self.plan.judge.path(access, &found.path);
            if verdict.action != Action::Allow && matches!(verdict.reason, Reason::Path(_)) {
                return denied(verdict);
            }
        }
        Ok(())
    }
}

/// A task is to make its own call again.
pub fn again(original: Registers) -> Resume {
    let call = original.call();
    Resume::Set(original.before_call(call.nr, call.args))
}

/// A denial that no entry of the policy says.
pub fn refusal(reason: Reason) -> Verdict {
    Verdict {
        action: Action::Deny(syscalls::Errno::EACCES),
        quiet: false,
        reason,
        check: None,
    }
}

fn object(access: Access, given: &[u8], found: &Found) -> Object {
    Object::Path(PathObject {
        access,
        given: given.to_vec(),
        resolved: found.path.clone(),
    })
}

/// The one row of a system call that names one path.
fn row(syscall: &str) -> Judged<&'static Named> {
    Ok(named(syscall).first().ok_or(Errno::ENOSYS)?)
}

pub fn number(name: &str) -> Option<u32> {
    syscalls::by_name(name)?.number()
}

/// As a system call returns it.
fn errno(errno: Errno) -> i64 {
    -i64::from(errno as i32)
}

/// What a row asks, where that does not depend on flags.
fn access(asks: Asks) -> Access {
    match asks {
        Asks::Stat => Access::Stat,
        Asks::Read => Access::Read,
        Asks::Exec => Access::Exec,
        Asks::Handle => Access::Handle,
        Asks::Write | Asks::Make | Asks::Open(_) | Asks::Creat | Asks::How(_) => Access::Write,
    }
}
