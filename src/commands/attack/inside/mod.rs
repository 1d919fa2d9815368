//! The attacks themselves, by area. They run inside of a jail, and touch nothing but the targets that they
//! are given.

pub mod files;
pub mod kernel;
pub mod limits;
pub mod names;
pub mod peers;
pub mod proc;
pub mod processes;
pub mod programs;
pub mod races;
pub mod terminals;
pub mod waits;
