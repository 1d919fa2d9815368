//! Jails for programs that run commands: a judge, a test harness, a service.
//!
//! Each jail has its own thread, so that jails can be run from any thread, and many at once. A jail does
//! not interfere with its host: it only waits for its own processes (`__WNOTHREAD`), and does not change
//! signal handlers, the working directory or the umask. The host must not interfere with the jail
//! either: wait(2) and waitpid(-1) reap the children and tracees of all threads, so wait for a specific
//! pid, as [`std::process::Child`] does.
//!
//! | file | holds |
//! |---|---|
//! | `builder` | what to run, and how |
//! | `streams` | its standard streams: where they come from and go to |
//! | `ready` | a prepared run, from its start to its verdict |
//! | `handle` | a running jail |
//! | `end` | its end, for other ways to wait for it |
//! | `event` | events of a jail, for a listener |
//! | `policy` | a policy, loaded once and shared |
//! | `spawners` | memory in which commands start, and the thread that keeps their output |
//! | `plans` | a cache of plans, for the next run under the same policy |
//! | `run` | runs a command from start to end on this thread |
//! | `pump` | feeds and reads streams that are pipes |
//! | `error` | why there is no outcome |

mod builder;
mod end;
mod error;
mod event;
mod handle;
mod plans;
mod policy;
mod pump;
mod ready;
mod run;
mod spawners;
mod streams;
mod temporaries;

pub use builder::{Builder, Jail};
pub use end::{KillOnDrop, Killer};
pub use error::{Error, Failure};
pub use event::{Event, Events};
pub use handle::{Handle, Outcome};
pub use policy::Policy;
pub use pump::{Output, Wiring};
pub(crate) use ready::{Finished, failed};
pub use run::run;
pub use streams::{Stdin, Stdio};
