//! The argument SECONDS, which may have a fraction.

use std::time::Duration;

pub fn time(seconds: &str) -> Duration {
    Duration::from_secs_f64(seconds.parse().expect("SECONDS is a number"))
}
