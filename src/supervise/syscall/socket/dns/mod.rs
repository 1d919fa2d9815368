//! Names of hosts: what resolvers answer, and what the supervisor looks up.

pub mod lookup;
pub mod names;
pub mod observe;
pub mod questions;
pub mod talk;
