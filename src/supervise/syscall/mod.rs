//! The system calls that the filter hands to the supervisor.

pub mod arguments;
pub mod charged;
pub mod emulate;
pub mod own_filter;
pub mod path;
pub mod pin;
pub mod refusal;
pub mod restart;
pub mod socket;
pub mod target;
