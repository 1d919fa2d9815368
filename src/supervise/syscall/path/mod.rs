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
mod border;
pub mod exec;
mod long_path;
mod look;
mod metadata;
mod named;
mod names;
mod open;
pub mod passing;
mod places;
mod protect;
mod raw;
mod resolve;
mod root_owned;
mod stable;
pub mod state;
mod terminals;
mod umask;

use super::emulate::Emulation;
use super::stop::{Answer, Judged, Refused, SyscallStop, errno, refusal};
use crate::baseline::Watch;
use crate::launch::Handed;
use crate::paths::Access;
use crate::plan::Plan;
use crate::supervise::object::{Object, PathObject, Seen};
use crate::supervise::syscall::lacks::Lacks;
use crate::sys::Errno;
use crate::syscalls::named::Asks;
use crate::syscalls::op::{Op, Open};
use crate::trace::Resume;
pub use places::{SOCKADDR, arrived};
pub use resolve::{LookupFlags, Resolved};
use std::cell::RefCell;
use std::rc::Rc;

/// What the supervisor knows of the files of a jail.
pub struct Paths {
    pub emulation: Emulation,
    umask: umask::Umask,
    exec: exec::Programs,
    fixed: root_owned::Fixed,
    /// What the command was started with and may open again.
    handed: Vec<Handed>,
    looks: look::Looks,
    /// What the call that is being answered was allowed, where that is recorded.
    pub seen: Option<Rc<Seen>>,
    /// What the policy lacks, where that is learned or asked about.
    pub lacks: Option<Rc<RefCell<Lacks>>>,
}

impl Paths {
    /// `records`: what is allowed is told.
    pub fn new(handed: Vec<Handed>, records: bool) -> Self {
        Self {
            emulation: Emulation::default(),
            umask: umask::Umask::default(),
            exec: exec::Programs::default(),
            fixed: root_owned::Fixed::default(),
            handed,
            looks: look::Looks::default(),
            seen: records.then(Rc::default),
            lacks: None,
        }
    }

    /// The same, where what the policy lacks is learned, or asked about.
    pub fn letting(mut self, plan: &Plan) -> Self {
        let lacks = || match plan.asks {
            true => Lacks::asking(),
            false => Lacks::default(),
        };
        self.lacks = plan.learns.then(|| Rc::new(RefCell::new(lacks())));
        self
    }

    /// What a rule may have judged of an execve.
    #[cfg(test)]
    pub fn judged_of_test(&self) -> exec::vector::JudgedExec {
        self.exec.judged_of_test()
    }

    /// Answers a call that the policy allows if its paths are open.
    pub fn answer(&mut self, stop: &mut SyscallStop<'_>) -> Result<Answer, Errno> {
        if stop.call.syscall().is_none() {
            return Ok(Answer::Go(Resume::returning(
                stop.registers,
                errno(Errno::ENOSYS),
            )));
        }
        if let Some(resume) = passing::go_on(stop) {
            return Ok(answered(stop, resume));
        }
        let watch = stop.plan.files.watch;
        let terminal = watch.has(Watch::TERMINALS) && Self::may_be_terminal(&stop.call);
        let own = match terminal {
            true => self.own_terminal(stop),
            false => Ok(None),
        };
        let result = match own {
            Ok(Some(resume)) => Ok(resume),
            Ok(None) => self.carry_out(stop, terminal),
            Err(refused) => Err(refused),
        };
        Ok(answered(stop, result))
    }

    /// Makes a call, or lets it go on, if what it names is open. `terminal`: it may be about a terminal.
    fn carry_out(&mut self, stop: &mut SyscallStop<'_>, terminal: bool) -> Judged<Resume> {
        let watch = stop.plan.files.watch;
        match stop.call.op() {
            // Nothing but its being a terminal has asked for this call: Landlock decides.
            Op::Ioctl if terminal => Ok(Resume::CONTINUE),
            Op::Open(Open::Open | Open::Openat)
                if terminal && !stop.rules && !watch.any(Watch::WRITING) =>
            {
                Ok(match watch.has(Watch::LOOK_WRITE) {
                    true => self.look(stop),
                    false => Resume::CONTINUE,
                })
            }
            Op::Open(op) => self.open(stop, op),
            Op::Exec(_) => self.exec(stop),
            Op::Chdir => self.chdir(stop),
            Op::Bind => self.bind(stop),
            Op::Ioctl => self.ioctl(stop),
            Op::NameToHandleAt => self.handle(stop),
            Op::LandlockRestrictSelf => {
                self.confine(stop);
                Ok(Resume::CONTINUE)
            }
            Op::IoSetup => {
                self.emulation.reads_may_be_under_way();
                Ok(Resume::CONTINUE)
            }
            // Nothing can trace a jailed process anyway; the supervisor must.
            Op::Prctl => Ok(Resume::returning(stop.registers, 0)),
            op @ (Op::Names(_)
            | Op::OnDescriptor(_)
            | Op::ReadMetadata(_)
            | Op::WriteMetadata(_)) => self.perform(stop, op),
            // What a rule about paths has asked for although nothing here makes it: the rule is asked,
            // and then the call fails with ENOSYS.
            #[rustfmt::skip]
            Op::Peer(_) | Op::Accept | Op::Accept4 | Op::Brk | Op::Clone | Op::Close
            | Op::EpollPwait | Op::EpollPwait2 | Op::EpollWait | Op::Fchdir | Op::Fcntl | Op::Fork
            | Op::IoGetevents | Op::IoprioSet | Op::Kill | Op::Madvise | Op::MemfdCreate
            | Op::Mmap | Op::Mremap | Op::Msgget | Op::Munmap | Op::Poll
            | Op::Prlimit64 | Op::Read | Op::Readv | Op::Recvfrom | Op::Recvmmsg | Op::Recvmsg
            | Op::RtSigtimedwait | Op::SchedSetaffinity | Op::SchedSetattr | Op::SchedSetparam
            | Op::SchedSetscheduler | Op::SchedYield | Op::Seccomp | Op::Semget | Op::Semop
            | Op::Semtimedop | Op::Sendfile | Op::Shmget | Op::Socketpair | Op::Tgkill | Op::Tkill
            | Op::Vfork | Op::Write | Op::Writev | Op::Other => self.perform(stop, Op::Other),
        }
    }
}

/// What becomes of a call, by what was judged of it.
fn answered(stop: &SyscallStop<'_>, result: Judged<Resume>) -> Answer {
    let error = |found| Answer::Go(Resume::returning(stop.registers, errno(found)));
    match result {
        Ok(resume) => Answer::Go(resume),
        Err(Refused::Errno(found)) => error(found),
        Err(Refused::Denied(verdict, object)) => Answer::Deny(verdict, Some(object)),
        Err(Refused::Called(verdict)) => Answer::Deny(verdict, None),
        // Only peers are looked up.
        Err(Refused::Later(_)) => error(Errno::EAGAIN),
    }
}

fn object(access: Access, given: &[u8], found: &Resolved) -> Object {
    Object::Path(PathObject {
        access,
        given: given.to_vec(),
        resolved: found.path.clone(),
        exists: found.object.is_some(),
    })
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
    use crate::supervise::tracee::{Namespaces, Tracees};

    const SHARED: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;

    #[test]
    fn an_exec_from_a_thread_keeps_that_threads_domain_and_not_the_first_threads() {
        let mut tracees = Tracees::of_test(1, Namespaces::default(), |_| true);
        let first = tracees.at(1);
        tracees.spawned(&first, 2, SHARED);
        first.paths.confined.set(true);
        assert!(!tracees.executed(1, 2).task.paths.is_confined());
        let first = tracees.at(1);
        tracees.spawned(&first, 3, SHARED);
        tracees.at(3).paths.confined.set(true);
        assert!(tracees.executed(1, 3).task.paths.is_confined());
        assert!(!tracees.knows(3));
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_does_not_stay_confined() {
        let mut tracees = Tracees::of_test(1, Namespaces::default(), |tid| tid == 1);
        let parent = tracees.at(1);
        parent.paths.confined.set(true);
        assert!(tracees.adopt(2).paths.is_confined());
        tracees.gone(2);
        tracees.spawned(&parent, 2, 0);
        assert!(!tracees.knows(2));
    }
}
