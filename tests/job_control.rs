//! Job control and signals as if jail were not there: from an interactive shell on a terminal, and
//! sent to jail alone or to its process group.

#[path = "job_control/forwarding.rs"]
mod forwarding;
#[path = "job_control/interactive.rs"]
mod interactive;
#[path = "job_control/isolated.rs"]
mod isolated;
#[path = "job_control/others.rs"]
mod others;
#[path = "job_control/streams.rs"]
mod streams;
mod support;
#[path = "job_control/terminal.rs"]
mod terminal;
