//! Attacks of one kind only, which no flip and no act of the table make.
//!
//! `races case NAME ARGUMENTS…` prints a score as the others do. `races case swap A B` is no
//! attack, but what one starts.

use crate::busy::busy;
use crate::flip::turning;
use crate::place::{BAD_PROGRAM, SECRET};
use crate::raw::critical::{self, Critical, Request};
use crate::raw::heap::{grow_low_by_exhaustion, map_low_by_exhaustion};
use crate::raw::programs::{Arguments, execute};
use crate::raw::{self, PAGE, Text, region};
use crate::seconds::time;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// As which this program only tells by its exit code what it was told.
const SAID: &str = "said";

/// The exit code of a program that was told to `push`, if it was started to tell so.
pub fn said() -> Option<ExitCode> {
    let mut words = std::env::args();
    if words.next()? != SAID {
        return None;
    }
    let pushed = words.next().is_some_and(|word| word == "push");
    Some(ExitCode::from(if pushed { BAD_PROGRAM } else { 0 }))
}

/// Does what the words say; `None` if there is no such case.
pub fn run(words: &[&str]) -> Option<ExitCode> {
    let score = match *words {
        ["swap", first, second] => swap(first, second),
        ["critical", good, bad, seconds] => critical(good, bad, time(seconds)),
        ["listener", good, seconds] => listener(good, time(seconds)),
        ["open", good, bad, seconds] => open(good, bad, time(seconds)),
        ["argument", how, seconds] => argument(how, time(seconds))?,
        ["program", good, bad, seconds] => program(good, bad, time(seconds)),
        ["exhausted", good] => {
            exhausted(good);
            return Some(ExitCode::SUCCESS);
        }
        ["growing", how, good] => {
            growing(how, good);
            return Some(ExitCode::SUCCESS);
        }
        ["arguments", program, length, times] => {
            many(program, length.parse().ok()?, times.parse().ok()?);
            return Some(ExitCode::SUCCESS);
        }
        ["arguments-of-many", program, length, times, tasks] => {
            let [length, times, tasks] = [length, times, tasks].map(|word| word.parse());
            held(program, length.ok()?, times.ok()?, tasks.ok()?);
            return Some(ExitCode::SUCCESS);
        }
        _ => return None,
    };
    let Score {
        tries,
        wins,
        passed,
        aborted,
    } = score;
    let name = words.first()?;
    println!("{name} tries {tries} wins {wins} passed {passed} aborted {aborted}");
    Some(ExitCode::SUCCESS)
}

#[derive(Default)]
struct Score {
    tries: u64,
    wins: u64,
    passed: u64,
    aborted: u64,
}

/// Has the kernel give it the lowest addresses, where a jail keeps what it has checked, before an open of its
/// own is checked. Then it opens GOOD for writing, and so does a child.
fn exhausted(good: &str) {
    let low = map_low_by_exhaustion(region::low().end);
    println!("low {}", if low.is_some() { "taken" } else { "free" });
    let good = Text::private(good);
    let open = || raw::open_at(libc::AT_FDCWD, good, libc::O_RDWR).err();
    let code = open().map_or(0, |errno| errno as i32);
    let child = raw::fork(|| open().map_or(0, |errno| errno as i32));
    let status = raw::wait(child, 0).map_or(0, |(_, status)| status);
    println!("open {code} child {}", libc::WEXITSTATUS(status));
}

/// Puts memory that grows downwards where a jail keeps what it has checked, and beyond, before an open of its
/// own is checked. Then it opens GOOD for writing, and makes that memory writable by an address that is not the
/// jail's.
fn growing(how: &str, good: &str) {
    let low = region::low();
    let beyond = low.end..low.end + low.start;
    let put = match how {
        "by a hint" => {
            region::move_growing(&(low.start..beyond.end)).ok() == Some(low.start as i64)
        }
        _ => grow_low_by_exhaustion(&(low.start..beyond.end)),
    };
    let good = Text::private(good);
    let code = raw::open_at(libc::AT_FDCWD, good, libc::O_RDWR).err();
    let code = code.map_or(0, |errno| errno as i32);
    let _ = region::protect_downwards(&(beyond.start..beyond.start + PAGE));
    let writable = region::is_writable(&low);
    println!("put {put} open {code} writable {writable}");
}

/// Changes the working directory between two, for ever.
fn swap(first: &str, second: &str) -> ! {
    raw::die_with_parent();
    let both = [first, second].map(Text::private);
    loop {
        for directory in both {
            let _ = raw::change_directory(directory);
            busy(1000);
        }
    }
}

/// A process that has had a child is not treated as one that is alone.
fn have_had_a_child() {
    let _ = raw::wait(raw::fork(|| 0), 0);
}

/// Descriptors that an attack may have made.
const DESCRIPTORS: std::ops::Range<i32> = 3..32;

/// Makes this call in a restartable sequence, and the other one if it is aborted.
fn aborted(
    call: &Request,
    other: &Request,
    time: Duration,
    found: impl Fn(i32) -> (bool, bool),
) -> Score {
    have_had_a_child();
    let mut score = Score::default();
    let Some(critical) = Critical::new() else {
        return score;
    };
    let end = Instant::now() + time;
    while Instant::now() < end && score.wins == 0 && score.tries < 2000 {
        score.tries += 1;
        let (_, aborted) = critical.call_or(call, other);
        score.aborted += u64::from(aborted);
        for fd in DESCRIPTORS {
            let (passed, won) = found(fd);
            score.passed += u64::from(passed);
            score.wins += u64::from(won);
            let _ = raw::close(fd);
        }
    }
    score
}

fn critical(good: &str, bad: &str, time: Duration) -> Score {
    let [good, bad] = [good, bad].map(|path| critical::open_request(Text::private(path)));
    aborted(&good, &bad, time, |fd| {
        let mut content = [0; 64];
        let length = raw::read_at(fd, &mut content).unwrap_or(0);
        let won = content.windows(SECRET.len()).any(|word| word == SECRET);
        (length > 0 && !won, won)
    })
}

/// A win has installed a filter with a listener, as which this process may let any call go on.
fn listener(good: &str, time: Duration) -> Score {
    let install = critical::listener_request();
    let is_listener = |fd: i32| {
        let target = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        target.is_ok_and(|target| target.to_string_lossy().contains("seccomp notify"))
    };
    match critical::plain(&install) {
        Ok(fd) => println!("asked: listener {}", is_listener(fd as i32)),
        Err(errno) => println!("asked: {errno:?}"),
    }
    for fd in DESCRIPTORS {
        let _ = raw::close(fd);
    }
    let good = critical::open_request(Text::private(good));
    aborted(&good, &install, time, |fd| {
        let won = is_listener(fd);
        (!won && raw::status_flags(fd).is_ok(), won)
    })
}

/// Opens a path that is turned, after one that was not.
fn open(good: &str, bad: &str, time: Duration) -> Score {
    let read = |path: Text| {
        let fd = raw::open_at(libc::AT_FDCWD, path, libc::O_RDONLY).ok()? as i32;
        let mut content = [0; 64];
        let _ = raw::read_at(fd, &mut content);
        let _ = raw::close(fd);
        Some(content.windows(SECRET.len()).any(|word| word == SECRET))
    };
    have_had_a_child();
    let (path, turn) = turning(good.as_ref(), bad.as_ref());
    read(path);
    forever(turn);
    let end = Instant::now() + time;
    let mut score = Score::default();
    while Instant::now() < end {
        score.tries += 1;
        match read(path) {
            Some(true) => score.wins += 1,
            Some(false) => score.passed += 1,
            None => {}
        }
    }
    score
}

/// Ever new processes, each of which turns something in a thread and executes; 77 is a win.
fn executions(time: Duration, child: impl Fn() -> i32) -> Score {
    let end = Instant::now() + time;
    let mut score = Score::default();
    while Instant::now() < end {
        score.tries += 1;
        let status = raw::wait(raw::fork(&child), 0).map_or(-1, |(_, status)| status);
        if libc::WIFEXITED(status) {
            let code = libc::WEXITSTATUS(status);
            score.wins += u64::from(code == i32::from(BAD_PROGRAM));
            score.passed += u64::from(code == 0);
        }
    }
    score
}

fn forever(mut turn: impl FnMut(bool) + Send + 'static) {
    std::thread::spawn(move || {
        loop {
            for to_bad in [true, false] {
                turn(to_bad);
                busy(1000);
            }
        }
    });
    std::thread::sleep(Duration::from_micros(100));
}

/// An argument that is turned into `push`: from the vector's end, or from `pull`; executed by the
/// first thread or by another.
fn argument(how: &str, time: Duration) -> Option<Score> {
    let program = Text::private(std::env::current_exe().ok()?);
    let (good, in_thread) = match how {
        "ends" => (None, false),
        "changes" => (Some(c"pull"), false),
        "changes-in-thread" => (Some(c"pull"), true),
        _ => return None,
    };
    Some(executions(time, || {
        let arguments = Arguments::new(&[c"said", c"pull", c"PUSHED"]);
        forever(move |to_bad| arguments.set(1, if to_bad { Some(c"push") } else { good }));
        let execute = move || {
            (0..50).for_each(|_| {
                let _ = execute(program, arguments);
            })
        };
        if in_thread {
            let _ = std::thread::spawn(execute).join();
        } else {
            execute();
        }
        9
    }))
}

/// A program's path that is turned into another.
fn program(good: &str, bad: &str, time: Duration) -> Score {
    executions(time, || {
        let (path, turn) = turning(good.as_ref(), bad.as_ref());
        forever(turn);
        let arguments = Arguments::new(&[c"program"]);
        (0..50).for_each(|_| {
            let _ = execute(path, arguments);
        });
        9
    })
}

/// Threads, each of which fails to execute a program with so many arguments of this length, and then
/// makes no call any more. Says `held`, and waits to be killed.
fn held(program: &str, length: usize, times: usize, tasks: usize) {
    let (program, arguments) = (Text::private(program), Arguments::repeated(length, times));
    let failed = std::sync::Arc::new(std::sync::Barrier::new(tasks + 1));
    for _ in 0..tasks {
        let failed = std::sync::Arc::clone(&failed);
        std::thread::spawn(move || {
            let errno = execute(program, arguments);
            assert_ne!(errno, nix::errno::Errno::UnknownErrno);
            failed.wait();
            std::thread::sleep(Duration::from_secs(60));
        });
    }
    failed.wait();
    println!("held");
    std::thread::sleep(Duration::from_secs(60));
}

/// One execution with so many arguments of this length.
fn many(program: &str, length: usize, times: usize) {
    let (program, arguments) = (Text::private(program), Arguments::repeated(length, times));
    let child = raw::fork(|| execute(program, arguments) as i32);
    match raw::wait(child, 0) {
        Ok((_, 0)) => println!("ran"),
        Ok((_, status)) if libc::WIFEXITED(status) => {
            println!(
                "{:?}",
                nix::errno::Errno::from_raw(libc::WEXITSTATUS(status))
            );
        }
        other => println!("ended: {other:?}"),
    }
}
