//! What a parent's event tells of a child.

use crate::trace::Tid;

/// What a parent's event says of a child: FORK, VFORK or CLONE of ptrace(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spawn {
    /// The task that made it.
    pub parent: Tid,
    /// The process of that task.
    pub process: Tid,
    pub child: Tid,
    /// The clone(2) flags of the call.
    pub flags: u64,
    pub state: ChildState,
}

/// How far a child is when its parent's event is told. The event may come late: a child whose parent
/// does not report is released, and then may execute a program, or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// It runs what its parent ran, with the memory that the flags give it.
    New,
    /// It has executed a program: its memory is its own, whatever the flags say.
    Executed,
    /// It has ended, and its end was told: nothing may be kept for it, or the next task with that id
    /// inherits it.
    Gone,
}

impl Spawn {
    /// Whether the child is a thread of its parent's process.
    pub fn is_thread(&self) -> bool {
        self.flags & libc::CLONE_THREAD as u64 != 0
    }
}
