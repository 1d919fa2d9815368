//! Processes that use a known amount of what a report counts.

use crate::busy::busy;
use crate::raw;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// `joins NUMBER`: starts so many threads, each after the end of the one before.
pub fn joins(arguments: &[String]) -> i32 {
    let number: Option<usize> = arguments.first().and_then(|number| number.parse().ok());
    let Some(number) = number else {
        return 2;
    };
    let join = |_| std::thread::spawn(|| {}).join().is_err();
    i32::from((0..number).any(join))
}

/// `spin MILLISECONDS WAYS`: this process and a child use so much processor time each. The child is
/// waited for (`waits`), left behind (`leaves`), or nobody's (`ignores`: SIGCHLD is ignored); or it is
/// no process, but a thread (`thread`).
pub fn spin(arguments: &[String]) -> i32 {
    let time = arguments.first().and_then(|time| time.parse().ok());
    let (Some(time), Some(way)) = (time, arguments.get(1)) else {
        return 2;
    };
    match way.as_str() {
        "thread" => {
            let thread = std::thread::spawn(move || use_up(UsageWho::RUSAGE_THREAD, time));
            use_up(UsageWho::RUSAGE_THREAD, time);
            return i32::from(thread.join().is_err());
        }
        "ignores" => require!(raw::ignore(libc::SIGCHLD).is_ok(), "cannot ignore SIGCHLD"),
        _ => {}
    }
    let child = raw::fork(|| {
        use_up(UsageWho::RUSAGE_SELF, time);
        0
    });
    use_up(UsageWho::RUSAGE_SELF, time);
    if way == "waits" {
        let status = raw::reap(child);
        require!(status == Some(raw::Status::Exited(0)), "{status:?}");
    }
    0
}

fn use_up(who: UsageWho, milliseconds: i64) {
    let used = || getrusage(who).map(|usage| usage.user_time() + usage.system_time());
    while used().is_ok_and(|used| used.num_milliseconds() < milliseconds) {
        busy(100_000);
    }
}

/// `fill MEBIBYTES`: a child has so much memory resident, this process does not.
pub fn fill(arguments: &[String]) -> i32 {
    let size: usize = match arguments.first().map(|size| size.parse()) {
        Some(Ok(size)) => size,
        _ => return 2,
    };
    let child = raw::fork(|| {
        let memory = vec![1_u8; size << 20];
        i32::from(std::hint::black_box(&memory).contains(&0))
    });
    i32::from(raw::reap(child) != Some(raw::Status::Exited(0)))
}
