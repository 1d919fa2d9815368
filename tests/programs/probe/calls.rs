//! System calls by number, with any arguments: what the kernel answers.

use crate::raw;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// Descriptors past all that an argument is likely to name.
const FAR: i32 = 700;
/// So long after its start a call that sleeps is given up: `pause` and the like never return.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often a child is waited for so long that is still at work, on a machine that has much other work.
const TIMES: usize = 200;

/// Reads lines of a number and six arguments, and prints a line for each: what the call returned, or "none" if it
/// did not return. Each is made by a child of its own.
pub fn calls(_: &[String]) -> i32 {
    let mut text = String::new();
    require!(std::io::stdin().read_to_string(&mut text).is_ok(), "stdin");
    let mut answers = String::new();
    for line in text.lines() {
        let words: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [nr, ref args @ ..] = words[..] else {
            return 2;
        };
        let Ok(args) = <[u64; 6]>::try_from(args) else {
            return 2;
        };
        let answer = answer(nr, args).map_or("none".to_owned(), |answer| answer.to_string());
        answers += &format!("{answer}\n");
    }
    require!(
        std::io::stdout().write_all(answers.as_bytes()).is_ok(),
        "stdout"
    );
    0
}

/// The descriptors 0 to 2 of the child are the ends of a pipe of its own, so that no call changes the streams of
/// the test.
fn answer(nr: u64, args: [u64; 6]) -> Option<i64> {
    let (reader, writer) = nix::unistd::pipe().ok()?;
    let child = raw::fork(|| {
        let ready = || -> nix::Result<()> {
            let (idle, other) = nix::unistd::pipe()?;
            raw::duplicate(&writer, FAR)?;
            for (end, number) in [(&idle, 0), (&other, 1), (&other, 2)] {
                raw::duplicate(end, number)?;
            }
            Ok(())
        };
        if ready().is_ok() {
            let answer = raw::any_call(nr, args);
            let _ = raw::write_to(FAR, &answer.to_ne_bytes());
        }
        0
    });
    drop(writer);
    let answer = read(&reader, child);
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child),
        nix::sys::signal::Signal::SIGKILL,
    );
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None);
    answer
}

fn read(reader: &OwnedFd, child: i32) -> Option<i64> {
    let mut answer = [0; 8];
    (0..TIMES)
        .map(|_| raw::is_readable(reader.as_raw_fd(), PATIENCE))
        .find(|readable| *readable || sleeps(child))
        .filter(|readable| *readable)
        .map(|_| nix::unistd::read(reader, &mut answer))
        .filter(|read| *read == Ok(8))
        .map(|_| i64::from_ne_bytes(answer))
}

/// Whether it sleeps in its call: `S` in proc_pid_stat(5). It is stopped while the supervisor judges the call.
fn sleeps(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default();
    state.trim_start().starts_with('S')
}
