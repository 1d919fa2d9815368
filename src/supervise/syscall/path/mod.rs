//! Calls that name paths: each is resolved, judged, and then either goes on in such a way that what
//! was judged is what runs, or is made by the supervisor in the tracee's name.
//!
//! | a call | goes on |
//! |---|---|
//! | open | as openat2 of the resolved path, out of a page that nothing can change; or as it is, where only root may rename on the way (see `stable`) |
//! | anything else with a path | made here, on descriptors of what was judged |
//! | on a descriptor | made here, on the same open file |
//! | execve | as it is: the program that runs is judged again before its first instruction |
//! | chdir | with its path in such a page; where it has led to is looked at when it returns |
//! | what Landlock decides | as it is: it is looked at to report denials, where that is asked for (see `look`) |
//! | bind | made here, by a thread that can make sockets nowhere else |
//!
//! It must never let a call go on that it could not judge.

mod bind;
mod exec;
mod long_path;
mod look;
mod metadata;
mod names;
mod open;
mod passing;
mod places;
mod protect;
mod resolve;
mod root_owned;
mod stable;
mod stop;
mod terminals;
mod umask;

use super::emulate::Pending;
pub use super::emulate::again;
pub use super::pin::Pages;
use crate::baseline::Watch;
use crate::judge::{Reason, Verdict};
use crate::launch::Handed;
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::denial::{Object, PathObject};
use crate::supervise::tracee::{Task, Tracees};
use crate::sys::Errno;
use crate::syscalls::named::Asks;
use crate::syscalls::op::{Op, Open};
use crate::syscalls::{self, Call};
use crate::trace::{Registers, Resume, Stopped, Tid};
pub use look::Denied;
pub use places::SOCKADDR;
pub use resolve::{Found, Wants};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// What the supervisor knows of the files of a jail.
pub struct Files {
    /// A call under way that must return before anything else is answered: the supervisor makes all
    /// renames, so meanwhile no directory on its way becomes another.
    pub hurried: Option<Tid>,
    /// Whether a task may have reads under way that end while it is stopped.
    pub asynchronous: bool,
    /// Whether a task may have a seccomp filter of its own.
    pub filtered: bool,
    /// A task whose call has just failed for want of pages for paths.
    pub unmapped: Option<Tid>,
    umask: umask::Umask,
    exec: exec::Programs,
    fixed: root_owned::Fixed,
    /// What the command was started with and may open again.
    handed: Vec<Handed>,
    looks: look::Looks,
}

/// What is kept for each task.
#[derive(Default)]
pub struct TaskState {
    /// Its call that is under way in another form than it was made.
    pub pending: RefCell<Option<Pending>>,
    /// An open file on its way to it.
    passing: RefCell<Option<passing::Passing>>,
    /// Whether it has confined itself by Landlock: what changes names is then the task's to do, not
    /// the supervisor's, which is under no such domain.
    confined: Cell<bool>,
    /// What was judged of its execve.
    judged: RefCell<Option<exec::loaded::Judged>>,
    /// Its call, as far as it was looked at, that the policy denies.
    denied: RefCell<Option<Denied>>,
}

impl TaskState {
    /// A child of this one is confined as well.
    pub fn inherit(&self, parent: &TaskState) {
        self.confined
            .set(self.confined.get() || parent.confined.get());
    }

    /// Taken to be confined, because its parent is not known and may be: that costs a pin and allows
    /// nothing.
    pub fn may_be_confined(&self) {
        self.confined.set(true);
    }

    /// Whether it has confined itself by a Landlock domain of its own.
    pub fn is_confined(&self) -> bool {
        self.confined.get()
    }

    /// Whether it is in a call of the supervisor's own making.
    pub fn is_pending(&self) -> bool {
        self.pending.borrow().is_some()
    }

    /// It makes a call: an execve before it has failed.
    pub fn calls(&self) {
        self.denied.take();
        self.judged.take();
    }

    /// Keeps for a task what can be kept for one.
    #[cfg(test)]
    pub fn fill(&self, files: &Files) {
        self.confined.set(true);
        self.judged.replace(Some(files.exec.judged_of_test()));
    }
}

/// What is kept for each process.
#[derive(Debug, Default)]
pub struct ProcessState {
    /// Its working directory, as [`look`] has found it.
    directory: look::Directory,
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
    pub tracees: &'a Tracees,
    /// The task that makes it.
    pub task: &'a Rc<Task>,
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
    /// Not known yet, of a peer: the call is to be made again after this pause.
    Later(Duration),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Refused::Errno(errno)
    }
}

pub type Judged<T> = Result<T, Refused>;

impl Files {
    pub fn new(handed: Vec<Handed>) -> Self {
        Self {
            hurried: None,
            asynchronous: false,
            filtered: false,
            unmapped: None,
            umask: umask::Umask::default(),
            exec: exec::Programs::default(),
            fixed: root_owned::Fixed::default(),
            handed,
            looks: look::Looks::default(),
        }
    }

    /// Answers a call that the policy allows if its paths are open.
    pub fn answer(&mut self, asked: &mut Asked<'_>) -> Result<Answer, Errno> {
        if asked.call.syscall().is_none() {
            return Ok(Answer::Go(Resume::Return(
                asked.registers,
                errno(Errno::ENOSYS),
            )));
        }
        if let Some(resume) = self.go_on_passing(asked) {
            return Ok(answered(asked, resume));
        }
        let watch = asked.plan.files.watch;
        let terminal = watch.has(Watch::TERMINALS) && Self::may_be_terminal(&asked.call);
        let own = match terminal {
            true => self.own_terminal(asked),
            false => Ok(None),
        };
        let result = match asked.call.op() {
            _ if !matches!(own, Ok(None)) => own.map(|own| own.unwrap_or(Resume::Continue)),
            // Nothing but its being a terminal has asked for this call: Landlock decides.
            Op::Ioctl if terminal => Ok(Resume::Continue),
            Op::Open(Open::Open | Open::Openat)
                if terminal && !asked.rules && !watch.any(Watch::WRITING) =>
            {
                Ok(match watch.has(Watch::LOOK_WRITE) {
                    true => self.look(asked),
                    false => Resume::Continue,
                })
            }
            Op::Open(op) => self.open(asked, op),
            Op::Exec(_) => self.exec(asked),
            Op::Chdir => self.chdir(asked),
            Op::Bind => self.bind(asked),
            Op::Ioctl => self.ioctl(asked),
            Op::NameToHandleAt => self.handle(asked),
            Op::Clone | Op::Vfork => self.share(asked),
            Op::LandlockRestrictSelf => {
                self.confine(asked);
                Ok(Resume::Continue)
            }
            // Reads that are under way could change the pages before they are sealed.
            Op::IoSetup if asked.task.may_map() => self.map(asked),
            Op::IoSetup => {
                self.asynchronous = true;
                Ok(Resume::Continue)
            }
            // Nothing can trace a jailed process anyway; the supervisor must.
            Op::Prctl => Ok(Resume::Return(asked.registers, 0)),
            op @ (Op::Names(_)
            | Op::OnDescriptor(_)
            | Op::ReadMetadata(_)
            | Op::WriteMetadata(_)) => self.perform(asked, op),
            // What a rule about paths has asked for although nothing here makes it: the rule is asked,
            // and then the call fails with ENOSYS.
            Op::Peer(_)
            | Op::Accept
            | Op::Accept4
            | Op::Brk
            | Op::Close
            | Op::EpollPwait
            | Op::EpollPwait2
            | Op::EpollWait
            | Op::Fchdir
            | Op::Fcntl
            | Op::Fork
            | Op::IoGetevents
            | Op::IoprioSet
            | Op::Kill
            | Op::Madvise
            | Op::MemfdCreate
            | Op::Mmap
            | Op::Mremap
            | Op::Mseal
            | Op::Msgget
            | Op::Munmap
            | Op::Poll
            | Op::Prlimit64
            | Op::Read
            | Op::Readv
            | Op::Recvfrom
            | Op::Recvmmsg
            | Op::Recvmsg
            | Op::RtSigtimedwait
            | Op::SchedSetaffinity
            | Op::SchedSetattr
            | Op::SchedSetparam
            | Op::SchedSetscheduler
            | Op::SchedYield
            | Op::Seccomp
            | Op::Semget
            | Op::Semop
            | Op::Semtimedop
            | Op::Sendfile
            | Op::Shmget
            | Op::Socketpair
            | Op::Tgkill
            | Op::Tkill
            | Op::Write
            | Op::Writev
            | Op::Other => self.perform(asked, Op::Other),
        };
        Ok(answered(asked, result))
    }
}

/// What becomes of a call, by what was judged of it.
fn answered(asked: &Asked<'_>, result: Judged<Resume>) -> Answer {
    let error = |found| Answer::Go(Resume::Return(asked.registers, errno(found)));
    match result {
        Ok(resume) => Answer::Go(resume),
        Err(Refused::Errno(found)) => error(found),
        Err(Refused::Denied(verdict, object)) => Answer::Deny(verdict, Some(object)),
        Err(Refused::Called(verdict)) => Answer::Deny(verdict, None),
        // Only peers are looked up.
        Err(Refused::Later(_)) => error(Errno::EAGAIN),
    }
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

/// As a system call returns it.
pub fn errno(errno: Errno) -> i64 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::tracee::Namespaces;

    const SHARED: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;

    #[test]
    fn an_exec_from_a_thread_keeps_that_threads_domain_and_not_the_first_threads() {
        let mut tracees = Tracees::of_test(1, Namespaces::default(), |_| true);
        let first = tracees.at(1);
        tracees.spawned(&first, 2, SHARED);
        first.files.confined.set(true);
        assert!(!tracees.executed(1, 2).task.files.is_confined());
        let first = tracees.at(1);
        tracees.spawned(&first, 3, SHARED);
        tracees.at(3).files.confined.set(true);
        assert!(tracees.executed(1, 3).task.files.is_confined());
        assert!(!tracees.knows(3));
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_does_not_stay_confined() {
        let mut tracees = Tracees::of_test(1, Namespaces::default(), |tid| tid == 1);
        let parent = tracees.at(1);
        parent.files.confined.set(true);
        assert!(tracees.adopt(2).files.is_confined());
        tracees.gone(2);
        tracees.spawned(&parent, 2, 0);
        assert!(!tracees.knows(2));
    }
}
