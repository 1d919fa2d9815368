//! Calls that name paths: each is resolved, judged, and then either goes on in such a way that what
//! was judged is what runs, or is made by the supervisor in the tracee's name.
//!
//! | a call | goes on |
//! |---|---|
//! | open | as openat2 of the resolved path, out of a page that nothing can change; or as it is, where only root may rename on the way (see `settled`) |
//! | anything else with a path | made here, on descriptors of what was judged |
//! | on a descriptor | made here, on the same open file |
//! | execve | as it is: the program that runs is judged again before its first instruction |
//! | chdir | with its path in such a page; where it has led to is looked at when it returns |
//! | what Landlock decides | as it is: it is looked at to report denials, where that is asked for (see `look`) |
//! | bind | made here, by a thread that can make sockets nowhere else |
//!
//! It must never let a call go on that it could not judge.

mod asked;
mod bind;
mod exec;
mod fixed;
mod loaded;
mod long;
mod look;
mod memory;
mod metadata;
mod open;
mod passing;
mod perform;
mod pinned;
mod places;
mod program;
mod protect;
mod resolve;
mod settled;
mod terminals;
mod umask;
mod vector;

use super::denial::{Object, PathObject};
use super::tracee::{ChildState, Spawn, Task, Tracees};
use crate::baseline::Watch;
use crate::judge::{Reason, Verdict};
use crate::launch::Handed;
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::Action;
use crate::sys::Errno;
use crate::syscalls::named::{Asks, Named, named};
use crate::syscalls::{self, Call};
use crate::trace::{Registers, Resume, Stopped, Tid};
pub use look::Denied;
use memory::Memories;
use pinned::Pending;
pub use pinned::again;
pub use places::SOCKADDR;
pub use resolve::{Found, Wants};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// What the supervisor knows of the files of a jail.
pub struct Files {
    memories: Memories,
    pending: HashMap<Tid, Pending>,
    /// Open files on their way to the tasks that have asked for them.
    passed: passing::Passed,
    /// A call under way that must return before anything else is answered: the supervisor makes all
    /// renames, so meanwhile no directory on its way becomes another.
    hurried: Option<Tid>,
    /// Tasks that have confined themselves by Landlock: what changes names is theirs to do, not the
    /// supervisor's, which is under no such domain.
    confined: HashSet<Tid>,
    /// Whether a task may have reads under way that end while it is stopped.
    asynchronous: bool,
    /// Whether a task may have a seccomp filter of its own.
    filtered: bool,
    /// A task whose call has just failed for want of pages for paths.
    unmapped: Option<Tid>,
    /// Whether there has ever been more than one task.
    several: bool,
    umask: umask::Umask,
    exec: exec::Programs,
    fixed: fixed::Fixed,
    /// What the command was started with and may open again.
    handed: Vec<Handed>,
    looks: look::Looks,
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
    pub fn new(main: Tid, handed: Vec<Handed>) -> Self {
        let mut memories = Memories::default();
        memories.begin(main);
        Self {
            memories,
            pending: HashMap::new(),
            passed: passing::Passed::default(),
            hurried: None,
            confined: HashSet::new(),
            asynchronous: false,
            filtered: false,
            unmapped: None,
            several: false,
            umask: umask::Umask::default(),
            exec: exec::Programs::default(),
            fixed: fixed::Fixed::default(),
            handed,
            looks: look::Looks::default(),
        }
    }

    /// A task was made.
    pub fn spawned(&mut self, spawn: &Spawn) {
        self.several = true;
        if spawn.state != ChildState::Gone && self.confined.contains(&spawn.parent) {
            self.confined.insert(spawn.child);
        }
        self.memories.spawned(spawn);
    }

    /// A task runs whose parent's event has not come yet. Its parent may have confined itself: it is
    /// taken to be confined, too, which costs a pin and allows nothing.
    pub fn adopted(&mut self, tid: Tid) {
        self.several = true;
        if !self.confined.is_empty() {
            self.confined.insert(tid);
        }
        self.memories.adopted(tid);
    }

    /// A process runs another program, in the thread that was `former` until now. The end of the first
    /// thread, whose id that thread takes, is never told: what was kept for it is dropped here.
    pub fn executed(&mut self, pid: Tid, former: Tid) {
        let confined = self.confined.remove(&former);
        for tid in [pid, former] {
            self.pending.remove(&tid);
            self.passed.remove(&tid);
            self.confined.remove(&tid);
            self.exec.gone(tid);
            self.looks.gone(tid);
        }
        if confined {
            self.confined.insert(pid);
        }
        self.memories.executed(pid, former);
    }

    /// A task makes a call: an execve before it has failed.
    pub fn calls(&mut self, tid: Tid) {
        self.looks.calls(tid);
        self.exec.gone(tid);
    }

    pub fn gone(&mut self, tid: Tid) {
        self.passed.remove(&tid);
        self.pending.remove(&tid);
        self.confined.remove(&tid);
        self.memories.gone(tid);
        self.exec.gone(tid);
        self.looks.gone(tid);
    }

    /// Whether anything is kept for a task.
    #[cfg(test)]
    pub fn keeps(&self, tid: Tid) -> bool {
        self.pending.contains_key(&tid)
            || self.confined.contains(&tid)
            || self.passed.contains_key(&tid)
            || self.memories.keeps(tid)
            || self.exec.keeps(tid)
            || self.looks.keeps(tid)
    }

    /// Keeps for a task what can be kept for one.
    #[cfg(test)]
    pub fn fill(&mut self, tid: Tid) {
        self.confined.insert(tid);
        self.exec.fill(tid);
        self.looks.fill(tid);
    }

    /// Answers a call that the policy allows if its paths are open.
    pub fn answer(&mut self, asked: &mut Asked<'_>) -> Result<Answer, Errno> {
        let Some(syscall) = asked.call.syscall() else {
            return Ok(Answer::Go(Resume::Return(
                asked.registers,
                errno(Errno::ENOSYS),
            )));
        };
        if let Some(resume) = self.go_on_passing(asked) {
            return Ok(answered(asked, resume));
        }
        let watch = asked.plan.files.watch;
        let terminal = watch.has(Watch::TERMINALS) && Self::may_be_terminal(&asked.call);
        let own = match terminal {
            true => self.own_terminal(asked),
            false => Ok(None),
        };
        let result = match syscall.name {
            _ if !matches!(own, Ok(None)) => own.map(|own| own.unwrap_or(Resume::Continue)),
            // Nothing but its being a terminal has asked for this call: Landlock decides.
            "ioctl" if terminal => Ok(Resume::Continue),
            "open" | "openat" if terminal && !asked.rules && !watch.any(Watch::WRITING) => {
                Ok(match watch.has(Watch::LOOK_WRITE) {
                    true => self.look(asked),
                    false => Resume::Continue,
                })
            }
            "open" | "openat" | "openat2" | "creat" => self.open(asked),
            "execve" | "execveat" => self.exec(asked),
            "chdir" => self.chdir(asked),
            "bind" => self.bind(asked),
            "clone" | "vfork" => self.share(asked),
            "landlock_restrict_self" => {
                self.confine(asked);
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;

    fn spawn(parent: Tid, child: Tid, flags: u64, state: ChildState) -> Spawn {
        Spawn {
            parent,
            process: parent,
            child,
            flags,
            state,
        }
    }

    #[test]
    fn an_exec_from_a_thread_keeps_that_threads_domain_and_not_the_first_threads() {
        let mut files = Files::new(1, Vec::new());
        files.spawned(&spawn(1, 2, SHARED, ChildState::New));
        files.confined.insert(1);
        files.executed(1, 2);
        assert!(!files.is_confined(1));
        files.spawned(&spawn(1, 3, SHARED, ChildState::New));
        files.confined.insert(3);
        files.executed(1, 3);
        assert!(files.is_confined(1) && !files.is_confined(3));
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_does_not_stay_confined() {
        let mut files = Files::new(1, Vec::new());
        files.confined.insert(1);
        files.adopted(2);
        assert!(files.is_confined(2));
        files.gone(2);
        files.spawned(&spawn(1, 2, 0, ChildState::Gone));
        assert!(!files.is_confined(2));
    }
}
