//! Job control and signals as if jail were not there: from an interactive shell on a terminal, and
//! sent to jail alone or to its process group.

mod asks;
mod forwarding;
mod interactive;
mod isolated;
mod others;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
