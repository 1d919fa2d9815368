//! What acts on a jail as a whole: stop requests, limits of time, signals, job control, the wait for events.

pub mod forward;
pub mod hints;
pub mod hold;
pub mod job_control;
pub mod round;
pub mod shutdown;
pub mod signals;
pub mod stop_handle;
pub mod timer;
pub mod wait;
pub mod watchdog;
