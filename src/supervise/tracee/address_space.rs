//! An address space: what tasks share that were made with CLONE_VM, and which tasks those are.
//!
//! The flags of a parent's event tell it. Where that event has not come, and may never come (the parent was
//! killed), the kernel is asked (kcmp(2)).

use super::spawn::{ChildState, Spawn};
use crate::supervise::syscall::pin::Pages;
use crate::sys::Errno;
use crate::sys::files::Shared;
use crate::trace::Tid;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;

/// kcmp(2), or what a test has in its place.
pub type Shares = fn(Tid, Tid, Shared) -> Result<bool, Errno>;

/// One address space.
#[derive(Debug, Default)]
pub struct AddressSpace {
    /// How many tasks have it.
    tasks: Cell<usize>,
    /// Its tasks share descriptors or the working directory with tasks of another one.
    entangled: Cell<bool>,
    /// The kernel did not tell whether its first task shares it.
    unsure: Cell<bool>,
    /// The one that this is, where a late event has told it.
    same: RefCell<Option<Rc<AddressSpace>>>,
    pages: Rc<Pages>,
}

/// That a task has an address space.
#[derive(Debug)]
pub struct Member(Rc<AddressSpace>);

impl Deref for Member {
    type Target = AddressSpace;

    fn deref(&self) -> &AddressSpace {
        &self.0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.tasks.set(self.0.tasks.get() - 1);
    }
}

impl AddressSpace {
    /// Whether more than one task has it, or that is not known.
    pub fn is_shared(&self) -> bool {
        self.unsure.get() || self.tasks.get() > 1
    }

    /// Whether its task shares neither memory nor descriptors nor working directory with another.
    pub fn is_alone(&self) -> bool {
        !self.is_shared() && !self.entangled.get()
    }

    /// What tells address spaces apart: two tasks that share memory have the same.
    pub fn id(&self) -> *const AddressSpace {
        match self.same.borrow().as_ref() {
            Some(same) => same.id(),
            None => self,
        }
    }

    /// The pages that hold what was judged.
    pub fn pages(&self) -> Rc<Pages> {
        match self.same.borrow().as_ref() {
            Some(same) => same.pages(),
            None => Rc::clone(&self.pages),
        }
    }

    /// Whether it is known which tasks have it.
    pub fn is_known(&self) -> bool {
        !self.unsure.get()
    }

    /// Whether it is known that no task had it before its own.
    pub fn has_own_memory(&self) -> bool {
        self.is_known() && self.same.borrow().is_none()
    }

    /// No event has told of its task: whatever the kernel says, it is not alone.
    pub(super) fn entangle(&self) {
        self.entangled.set(true);
        self.pages.may_have_run();
    }

    /// The event of the parent comes late, and tells that the task was made with memory of its own.
    pub(super) fn is_apart(&self) {
        if self.unsure.replace(false) {
            self.pages.look_again();
        }
    }
}

impl Member {
    fn of(space: &Rc<AddressSpace>) -> Self {
        space.tasks.set(space.tasks.get() + 1);
        Self(Rc::clone(space))
    }

    /// The only task of a new one.
    pub(super) fn new() -> Self {
        Self::of(&Rc::default())
    }

    /// A parent's event tells what the task and its child share beside memory.
    pub(super) fn spawned(&self, spawn: &Spawn) {
        self.entangled.set(self.entangled.get() | shares(spawn));
    }

    /// The event of the parent comes late, and tells that this task shares its memory, which the kernel
    /// may not have told: then both count once.
    pub(super) fn is_also(&self, parent: &Self) {
        if self.id() != parent.id() {
            let root = parent.same.borrow().clone();
            let root = root.unwrap_or_else(|| Rc::clone(&parent.0));
            root.pages().are_also(&self.pages());
            self.same.replace(Some(root));
        }
    }

    /// What a new child of this task has.
    pub(super) fn child(&self, spawn: &Spawn) -> Self {
        debug_assert_eq!(spawn.state, ChildState::New);
        if spawn.flags & libc::CLONE_VM as u64 != 0 {
            return Self::of(&self.0);
        }
        Self::of(&Rc::new(AddressSpace {
            entangled: Cell::new(shares(spawn)),
            pages: Rc::new(self.pages().copied(spawn.child)),
            ..AddressSpace::default()
        }))
    }

    /// A process runs a new program: nothing of the memory that its task had before is left. Its directory
    /// it may go on sharing.
    pub(super) fn executed(before: Option<&Self>) -> Self {
        let entangled = before.is_none_or(|before| before.unsure.get() || before.entangled.get());
        Self::of(&Rc::new(AddressSpace {
            entangled: Cell::new(entangled),
            ..AddressSpace::default()
        }))
    }

    /// The memory of a task whose parent's event has not come: the kernel tells what it shares with the
    /// others.
    pub(super) fn ask<'a>(
        tid: Tid,
        others: impl Iterator<Item = (Tid, &'a Self)>,
        shares: Shares,
    ) -> Self {
        let mut space = None;
        let mut unsure = shares(tid, tid, Shared::Memory).is_err();
        let mut entangled = false;
        for (other, known) in others {
            match shares(tid, other, Shared::Memory) {
                Ok(true) => space = Some(Rc::clone(&known.0)),
                Ok(false) => {}
                // The other one is gone.
                Err(Errno::ESRCH) => continue,
                Err(_) => unsure = true,
            }
            let of = |what| shares(tid, other, what);
            let apart = of(Shared::Directory) == Ok(false) && of(Shared::Descriptors) == Ok(false);
            if !apart && !is_thread_of(other, tid) {
                known.entangled.set(true);
                entangled = true;
            }
        }
        let space = space.unwrap_or_else(|| {
            Rc::new(AddressSpace {
                unsure: Cell::new(unsure),
                pages: Rc::new(Pages::of_unannounced(tid)),
                ..AddressSpace::default()
            })
        });
        space.entangled.set(space.entangled.get() | entangled);
        Self::of(&space)
    }
}

/// Whether a child goes on sharing descriptors or the working directory with its parent. Threads end at an
/// execve; another process goes on sharing them after it.
fn shares(spawn: &Spawn) -> bool {
    let shared = (libc::CLONE_FILES | libc::CLONE_FS) as u64;
    spawn.flags & shared != 0 && !spawn.is_thread()
}

/// Whether two tasks are threads of one process.
fn is_thread_of(one: Tid, other: Tid) -> bool {
    Path::new(&format!("/proc/{one}/task/{other}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::tracee::{Namespaces, Task, Tracees};

    const THREAD: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
    const VFORK: u64 = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;

    fn tracees() -> Tracees {
        Tracees::of_test(1, Namespaces::default(), |_| true)
    }

    /// Tasks of which the kernel says that they share nothing else than this.
    fn that_share(shares: Shares) -> Tracees {
        tracees().that_share(shares)
    }

    fn is_alone(tracees: &mut Tracees, tid: Tid) -> bool {
        tracees.at(tid).space().is_alone()
    }

    fn spawned(tracees: &mut Tracees, parent: Tid, child: Tid, flags: u64) {
        let parent: Rc<Task> = tracees.at(parent);
        tracees.spawned(&parent, child, flags);
    }

    #[test]
    fn a_task_that_shares_a_directory_with_another_process_is_never_alone_again() {
        let mut tracees = tracees();
        spawned(&mut tracees, 1, 2, (libc::CLONE_VM | libc::CLONE_FS) as u64);
        tracees.executed(2, 2);
        assert!(!is_alone(&mut tracees, 1) && !is_alone(&mut tracees, 2));
        spawned(&mut tracees, 2, 3, libc::SIGCHLD as u64);
        assert!(is_alone(&mut tracees, 3));
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_leaves_its_parent_alone() {
        let mut tracees = that_share(|_, _, _| Ok(false));
        tracees.adopt(2);
        tracees.gone(2);
        tracees.is_own = |tid| tid == 1;
        spawned(&mut tracees, 1, 2, VFORK);
        assert!(is_alone(&mut tracees, 1));
        assert_eq!(tracees.len(), 1);
    }

    #[test]
    fn a_child_that_executed_before_its_parents_event_leaves_its_parent_alone() {
        let mut tracees = that_share(|_, _, what| Ok(what == Shared::Memory));
        tracees.adopt(2);
        assert!(!is_alone(&mut tracees, 1) && !is_alone(&mut tracees, 2));
        tracees.executed(2, 2);
        spawned(&mut tracees, 1, 2, VFORK);
        assert!(is_alone(&mut tracees, 1) && is_alone(&mut tracees, 2));
    }

    #[test]
    fn an_adopted_child_goes_on_sharing_its_memory_with_its_own_threads() {
        let mut tracees = that_share(|one, other, _| Ok(one == other));
        tracees.adopt(2);
        assert!(is_alone(&mut tracees, 2));
        spawned(&mut tracees, 2, 3, THREAD);
        spawned(&mut tracees, 1, 2, libc::SIGCHLD as u64);
        assert!(!is_alone(&mut tracees, 2) && !is_alone(&mut tracees, 3));
    }

    #[test]
    fn an_adopted_child_that_shares_a_directory_entangles_both() {
        // Its parent was killed: the event never comes.
        let mut tracees = that_share(|_, _, what| Ok(what == Shared::Directory));
        tracees.adopt(Tid::MAX);
        assert!(!is_alone(&mut tracees, 1) && !is_alone(&mut tracees, Tid::MAX));
        tracees.executed(Tid::MAX, Tid::MAX);
        assert!(!is_alone(&mut tracees, Tid::MAX));
    }

    #[test]
    fn a_child_of_which_the_kernel_tells_nothing_is_not_alone_and_has_no_slots_of_others() {
        let mut tracees = that_share(|_, _, _| Err(Errno::EPERM));
        let task = tracees.adopt(2);
        assert!(task.space().is_shared() && !task.space().is_alone());
        let first = tracees.at(1);
        assert!(!Rc::ptr_eq(&task.space().0, &first.space().0));
    }

    #[test]
    fn a_task_that_no_event_has_told_of_is_not_alone() {
        assert!(!is_alone(&mut tracees(), 9));
    }
}
