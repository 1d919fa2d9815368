//! Group-stops: a stopped process is stopped for all to see, and goes on as if it had not been.

use crate::busy::busy;
use crate::raw::{self, Status};
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// `stop-threads THREADS ROUNDS`: SIGSTOP stops every thread of a child, SIGCONT continues it, and
/// its parent is told of both.
pub fn stop_threads(arguments: &[String]) -> i32 {
    let number = |index: usize, default: usize| {
        arguments
            .get(index)
            .and_then(|text: &String| text.parse().ok())
            .unwrap_or(default)
    };
    let (threads, rounds) = (number(0, 10), number(1, 5));
    let (Ok((ready, tell)), Ok((end, ask))) = (raw::pipe(), raw::pipe()) else {
        return 1;
    };
    let child = raw::fork(|| {
        raw::close(ask);
        for i in 0..threads {
            std::thread::spawn(move || {
                loop {
                    match i % 3 {
                        0 => busy(1),
                        1 => std::thread::sleep(Duration::from_secs(100)),
                        _ => drop(std::fs::metadata("/")),
                    }
                }
            });
        }
        let _ = raw::write_byte(tell, b'r');
        let _ = raw::read_byte(end);
        7
    });
    raw::close(end);
    require!(
        raw::read_byte(ready) == Ok(Some(b'r')),
        "the child is not ready"
    );
    for round in 0..rounds {
        let _ = raw::kill(child, libc::SIGSTOP);
        let seen = raw::wait(child, libc::WUNTRACED);
        let expected = Ok(Some((child, Status::Stopped(libc::SIGSTOP))));
        require!(seen == expected, "round {round}: after SIGSTOP {seen:?}");
        let before = progress(child);
        require!(
            before.len() == threads + 1,
            "round {round}: threads are missing: {before:?}"
        );
        for (tid, state, _) in &before {
            require!(
                matches!(state.as_str(), "T" | "t"),
                "round {round}: {tid} is in state {state}"
            );
        }
        require!(
            raw::wait(child, libc::WUNTRACED | libc::WNOHANG) == Ok(None),
            "round {round}: one stop was told twice"
        );
        std::thread::sleep(Duration::from_millis(20));
        require!(
            progress(child) == before,
            "round {round}: somebody ran while stopped"
        );
        let _ = raw::kill(child, libc::SIGCONT);
        let seen = raw::wait(child, libc::WUNTRACED | libc::WCONTINUED);
        let expected = Ok(Some((child, Status::Continued)));
        require!(seen == expected, "round {round}: after SIGCONT {seen:?}");
    }
    raw::close(ask);
    let status = raw::reap(child);
    require!(status == Some(Status::Exited(7)), "at last: {status:?}");
    0
}

/// Each thread's id, state, and the time that it has run.
fn progress(pid: i32) -> Vec<(String, String, u64)> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return vec![];
    };
    let mut all: Vec<_> = tasks
        .flatten()
        .filter_map(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            // The name before it may hold spaces and parentheses.
            let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
            let time =
                fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
            Some((
                task.file_name().to_string_lossy().into_owned(),
                (*fields.first()?).to_owned(),
                time,
            ))
        })
        .collect();
    all.sort();
    all
}

/// How long the calls of `stop-in-calls` wait.
const WAIT: Duration = Duration::from_millis(500);

/// A name, and a call that takes a while.
type Slow = (&'static str, fn(i32) -> Result<(), String>);

/// Calls that a stop must not shorten or fail; each says what it got.
#[rustfmt::skip]
const CALLS: [Slow; 4] = [
    ("nanosleep", |_| raw::nanosleep(WAIT).map_err(|errno| errno.to_string())),
    ("poll",      |_| match raw::poll_nothing(WAIT.as_millis() as i32) {
        Ok(0) => Ok(()),
        other => Err(format!("{other:?}")),
    }),
    ("futex",     |_| match raw::futex_wait(WAIT) {
        Errno::ETIMEDOUT => Ok(()),
        other => Err(other.to_string()),
    }),
    ("read",      |fd| match raw::read_byte(fd) {
        Ok(Some(b'd')) => Ok(()),
        other => Err(format!("{other:?}")),
    }),
];

/// `stop-in-calls`: a child is stopped and continued, twice, in a blocking call.
pub fn stop_in_calls(_: &[String]) -> i32 {
    for (name, call) in CALLS {
        let Ok((read, write)) = raw::pipe() else {
            return 1;
        };
        let child = raw::fork(|| {
            let start = Instant::now();
            let result = call(read);
            let took = start.elapsed();
            match result {
                Err(error) => eprintln!("{name}: {error}"),
                Ok(()) if took < WAIT && name != "read" => eprintln!("{name}: only {took:?}"),
                Ok(()) => return 0,
            }
            1
        });
        let start = Instant::now();
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(30));
            let _ = raw::kill(child, libc::SIGSTOP);
            let seen = raw::wait(child, libc::WUNTRACED);
            let stopped = Ok(Some((child, Status::Stopped(libc::SIGSTOP))));
            require!(seen == stopped, "{name}: after SIGSTOP {seen:?}");
            std::thread::sleep(Duration::from_millis(20));
            let _ = raw::kill(child, libc::SIGCONT);
        }
        std::thread::sleep((WAIT + Duration::from_millis(50)).saturating_sub(start.elapsed()));
        let _ = raw::write_byte(write, b'd');
        let status = raw::reap(child);
        require!(status == Some(Status::Exited(0)), "{name}: {status:?}");
    }
    0
}

/// `stop-itself SIGNAL`: says so before and after it has stopped by that signal (a number).
pub fn stop_itself(arguments: &[String]) -> i32 {
    let Some(signal) = arguments.first().and_then(|signal| signal.parse().ok()) else {
        return 2;
    };
    println!("before");
    let _ = raw::kill(std::process::id() as i32, signal);
    println!("after");
    4
}
