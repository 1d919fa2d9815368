//! What the attacks of `jail attack` do that only raw system calls can do. It is used inside of a jail, in a
//! process that does nothing else, and by the suite around it to make what they aim at.
//!
//! | file | holds |
//! |---|---|
//! | `page` | memory that changes while a call reads its arguments from it |
//! | `abi` | calls by the numbers of another architecture |
//! | `ring` | an open through io_uring |
//! | `listener` | a seccomp filter of the process's own that lets calls continue |
//! | `clones` | processes that ask not to be traced |
//! | `outside` | calls against other processes and terminals, and sockets of all kinds |

mod abi;
mod clones;
mod listener;
mod outside;
mod page;
mod ring;

pub use abi::{has_i386, has_x32, open_i386, open_x32};
pub use clones::{clone_untraced, clone3_untraced, has_clone3};
pub use listener::open_continued;
pub use outside::{
    allow_tracers, can_make_user_namespace, filter_mode, lease, leave_session, lower_descriptors,
    make_fifo, own_signals, pidfd_signal, queue_signal, signal_thread, socket, take_terminal,
    type_into, unlock_terminal, unshare,
};
pub use page::Page;
pub use ring::{has_ring, open_by_ring};
