//! What runs a jail from outside: requests to stop, limits of time, signals, the terminal.

pub mod forward;
pub mod job_control;
pub mod round;
pub mod shutdown;
pub mod stop_handle;
pub mod timer;
pub mod wait;
pub mod watchdog;
