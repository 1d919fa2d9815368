//! `jail learn`: real tools learned, and run under what was learned; and what a hostile command cannot make it
//! learn.

#[path = "../support/mod.rs"]
mod support;

mod continued;
mod domains;
mod file;
mod guards;
mod scene;
mod sockets;
mod tools;
