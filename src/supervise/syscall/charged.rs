//! Calls in a tracee's name by which the kernel comes to keep something: a name, a link, an attribute, a
//! watch. Where a cgroup limits the command's memory, a process in that cgroup makes them
//! ([`Performer`]): made by the supervisor they would be charged to the supervisor's own cgroup, and the
//! command could fill the memory with them.
//!
//! It also makes what needs a task's umask where a container lets no thread have its own.
//!
//! It is started at the first such call, as a child of this thread that is none of the tree's, and ends
//! with the jail. Where it cannot be started or has been killed, the call fails with ENOMEM.

use crate::launch::{Group, Members};
use crate::sys::Errno;
use crate::sys::files::{self, Arg};
use crate::sys::performer::Performer;
use crate::trace::Tid;
use libc::c_long;
use std::cell::RefCell;

/// Those calls.
const CHARGED: &[c_long] = &[
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_renameat2,
    libc::SYS_setxattr,
    libc::SYS_fsetxattr,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_mark,
];

/// Of the jail that this thread supervises.
#[derive(Default)]
struct State {
    /// The command's cgroup, where it has one.
    members: Option<Members>,
    performer: Option<Performer>,
    /// Those whose end has not been told.
    alive: Vec<Tid>,
    /// The same, of which the meter does not know yet.
    fresh: Vec<Tid>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// A jail begins: `group` is the command's cgroup.
pub fn begin(group: Option<&Group>) -> Result<(), Errno> {
    let members = group.map(Group::members).transpose();
    let members =
        members.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    STATE.replace(State {
        members,
        ..State::default()
    });
    Ok(())
}

/// No task is left: the process ends. It is waited for as all are.
pub fn end() {
    STATE.with_borrow_mut(|state| state.performer.take());
}

/// Whether this is that process, or was.
pub fn has(tid: Tid) -> bool {
    STATE.with_borrow(|state| state.alive.contains(&tid))
}

/// One that was started since this was last asked.
pub fn fresh() -> Option<Tid> {
    STATE.with_borrow_mut(|state| state.fresh.pop())
}

/// The process has ended.
pub fn gone(tid: Tid) {
    STATE.with_borrow_mut(|state| {
        state.alive.retain(|one| *one != tid);
        state.performer.take_if(|performer| performer.pid() == tid);
    });
}

/// As [`files::perform`].
pub fn perform(number: c_long, args: [Arg<'_>; 6]) -> Result<i64, Errno> {
    STATE.with_borrow_mut(|state| match state.charges(number) {
        true => state.in_process(number, args, None),
        false => files::perform(number, args),
    })
}

/// The same, with the umask of a task. `taken`: this thread has taken it over; otherwise only the process can.
pub fn perform_with_umask(
    number: c_long,
    args: [Arg<'_>; 6],
    umask: u32,
    taken: bool,
) -> Result<i64, Errno> {
    STATE.with_borrow_mut(|state| match !taken || state.charges(number) {
        true => state.in_process(number, args, Some(umask)),
        false => files::perform(number, args),
    })
}

impl State {
    fn charges(&self, number: c_long) -> bool {
        self.members.is_some() && CHARGED.contains(&number)
    }

    fn in_process(
        &mut self,
        number: c_long,
        args: [Arg<'_>; 6],
        umask: Option<u32>,
    ) -> Result<i64, Errno> {
        let performer = self.performer().map_err(|_| Errno::ENOMEM)?;
        performer.perform(number, args, umask)
    }

    fn performer(&mut self) -> Result<&Performer, Errno> {
        if self.performer.is_none() {
            let performer = Performer::start()?;
            self.alive.push(performer.pid());
            self.fresh.push(performer.pid());
            if let Some(members) = &self.members {
                // Else it ends.
                members.take(performer.pid()).map_err(|_| Errno::EPERM)?;
            }
            self.performer = Some(performer);
        }
        self.performer.as_ref().ok_or(Errno::ENOENT)
    }
}
