//! A call that is under way in another form than the tracee made it: what is done when it returns.

use super::pin::Slot;
use super::socket::state::Waited;
use crate::policy::DomainId;
use crate::sys::{Errno, Taken};
use crate::syscalls::op::{Op, Open};
use crate::trace::{Registers, Resume};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// A call that is under way in another form than the tracee made it. A task has one at most.
pub enum Pending {
    /// It returns, and the registers are to be as they were. `first`: it is the first of many
    /// messages, and what was sent of it belongs at this address.
    Return {
        original: Registers,
        /// The arguments with which it goes on.
        made: [u64; 6],
        _slot: Option<Slot>,
        first: Option<u64>,
        /// What stays open until then.
        held: Option<OwnedFd>,
        /// The directory that the task is to be in then.
        entered: Option<OwnedFd>,
    },
    /// A step on the way of an open file to the task.
    Passing { original: Registers },
    /// mmap of the pages for what is judged.
    Map { original: Registers },
    /// The filter of a domain is installed.
    Filter {
        original: Registers,
        domain: DomainId,
        _slot: Slot,
    },
    /// A connect that was begun here: the task waits for its end.
    Connect {
        original: Registers,
        socket: Taken,
        address: Vec<u8>,
        /// EINPROGRESS, or EALREADY where it is not the first.
        begun: Errno,
    },
    /// The task waits a little, and then makes its call again.
    Again { original: Registers, waited: Waited },
    /// The task waits a little for a look-up that is under way, and then makes its call again.
    LookUp { original: Registers, since: Instant },
    /// The task waits a little for the answer to a question, and then makes its call again.
    Asked { original: Registers },
    /// The task waits for an answer of a resolver, and then makes its call again.
    Answer { original: Registers },
    /// The call runs with less than it was asked for.
    Fewer { original: Registers },
}

impl Pending {
    /// Whether it waits for a peer, or for what is known of one.
    pub fn is_of_socket(&self) -> bool {
        matches!(
            self,
            Pending::Connect { .. }
                | Pending::Again { .. }
                | Pending::LookUp { .. }
                | Pending::Answer { .. }
                | Pending::Fewer { .. }
        )
    }

    /// Whether the task makes its own call again when this returns.
    pub fn is_made_again(&self) -> bool {
        matches!(
            self,
            Pending::Connect { .. }
                | Pending::Again { .. }
                | Pending::LookUp { .. }
                | Pending::Answer { .. }
                | Pending::Map { .. }
                | Pending::Filter { .. }
        )
    }

    /// The call that the task is in, where that is of the supervisor's making.
    pub fn injected(&self) -> Option<Op> {
        match self {
            Pending::Return { original, .. } => match original.call().op() {
                Op::Open(Open::Open | Open::Openat | Open::Creat) => Some(Op::Open(Open::Openat2)),
                _ => None,
            },
            Pending::Map { .. } => Some(Op::Mmap),
            _ => None,
        }
    }
}

/// A task is to make its own call again.
pub fn again(original: Registers) -> Resume {
    let call = original.call();
    Resume::set(original.before_call(call.nr, call.args))
}
