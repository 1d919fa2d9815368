//! The processor time of another process.

use libc::{clockid_t, pid_t, timespec};
use std::time::Duration;

/// The processor time of all threads of a process, including those that have ended, but not of the
/// children that it has waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// As measured by the scheduler.
    pub ran: Duration,
    /// As sampled at the timer's ticks, in user mode.
    pub user: Duration,
    /// The same in user mode and in the kernel.
    pub both: Duration,
}

/// `None` unless `pid` is a process, running or not yet reaped; the id of another thread is not one.
pub fn process(pid: pid_t) -> Option<CpuTime> {
    Some(CpuTime {
        ran: read(pid, SCHED)?,
        user: read(pid, VIRT)?,
        both: read(pid, PROF)?,
    })
}

/// The [`CpuTime::ran`] alone, as of [`process`].
pub fn ran(pid: pid_t) -> Option<Duration> {
    read(pid, SCHED)
}

/// The kernel's CPUCLOCK_*.
const PROF: clockid_t = 0;
const VIRT: clockid_t = 1;
const SCHED: clockid_t = 2;

/// The clock of [`ran`], as clock_getcpuclockid(3) makes its number.
pub(super) fn whole_process(pid: pid_t) -> clockid_t {
    !pid << 3 | SCHED
}

/// clock_gettime(2) of a process's clock, as clock_getcpuclockid(3) makes its number.
fn read(pid: pid_t, which: clockid_t) -> Option<Duration> {
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing.
    match unsafe { libc::clock_gettime(!pid << 3 | which, &mut time) } {
        0 => Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_clocks_and_a_thread_of_it_has_none() {
        let pid = std::process::id() as pid_t;
        while read(pid, SCHED) < Some(Duration::from_millis(20)) {}
        let time = process(pid).expect("this process");
        assert!(time.ran >= Duration::from_millis(20) && time.user <= time.both);
        let (say, hear) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            // SAFETY: takes nothing.
            let _ = say.send(unsafe { libc::gettid() });
            let _ = wait.recv();
        });
        // A thread can always read the clock of its own id, so another thread asks here, as the
        // supervisor does.
        let tid = hear.recv().expect("a thread id");
        assert!(tid != pid && process(tid).is_none());
        drop(end);
        assert!(thread.join().is_ok());
    }
}
