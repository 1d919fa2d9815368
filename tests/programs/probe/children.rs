//! Birth and end of processes and threads: every exit is seen once, with the right code.

use crate::raw::{self, Status};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::Duration;

fn number(arguments: &[String], index: usize, default: usize) -> usize {
    arguments
        .get(index)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// `exit CODE`.
pub fn exit(arguments: &[String]) -> i32 {
    number(arguments, 0, 0) as i32
}

/// `reap PROCESSES CHILDREN`: each process makes and reaps so many children, all processes at once.
pub fn reap(arguments: &[String]) -> i32 {
    let (processes, children) = (number(arguments, 0, 64), number(arguments, 1, 200));
    let makers: Vec<i32> = (0..processes)
        .map(|_| raw::fork(|| i32::from(!(0..children).all(|i| exits_with(i as i32 % 256)))))
        .collect();
    for maker in makers {
        let status = raw::reap(maker);
        require!(
            status == Some(Status::Exited(0)),
            "a maker of children ended with {status:?}"
        );
    }
    require!(
        raw::wait(-1, 0) == Err(Errno::ECHILD),
        "somebody is left to wait for"
    );
    0
}

fn exits_with(code: i32) -> bool {
    let child = raw::fork(|| code);
    let status = raw::reap(child);
    if status != Some(Status::Exited(code)) {
        eprintln!("child {child} should have exited with {code}: {status:?}");
    }
    status == Some(Status::Exited(code))
}

/// `fork-exit COUNT`: children that end at once, reaped by whichever comes first.
pub fn fork_exit(arguments: &[String]) -> i32 {
    let count = number(arguments, 0, 200);
    let mut expected = std::collections::BTreeMap::new();
    for i in 0..count {
        let code = i as i32 % 256;
        expected.insert(raw::fork(|| code), code);
    }
    while let Ok(Some((pid, status))) = raw::wait(-1, 0) {
        let code = expected.remove(&pid);
        require!(
            code.map(Status::Exited) == Some(status),
            "{pid}: {code:?}, but {status:?}"
        );
    }
    require!(expected.is_empty(), "never heard of {expected:?}");
    0
}

/// `vfork COUNT`: the true vfork, and one with a memory of its own.
pub fn vfork(arguments: &[String]) -> i32 {
    for i in 0..number(arguments, 0, 100) {
        let code = i as i32 % 256;
        let status = raw::reap(raw::vfork_exit(code));
        require!(
            status == Some(Status::Exited(code)),
            "vfork: {code}, but {status:?}"
        );
        let status = raw::reap(raw::vfork(|| code));
        require!(
            status == Some(Status::Exited(code)),
            "CLONE_VFORK: {code}, but {status:?}"
        );
    }
    0
}

/// `spawn COUNT`: posix_spawn, of programs that are there and that are not.
pub fn spawn(arguments: &[String]) -> i32 {
    let Ok(this) = std::env::current_exe() else {
        return 1;
    };
    for i in 0..number(arguments, 0, 50) {
        let code = (i % 256) as i32;
        let status = Command::new(&this)
            .args(["exit", &code.to_string()])
            .status();
        let found = status
            .as_ref()
            .ok()
            .and_then(std::process::ExitStatus::code);
        require!(found == Some(code), "exit {code}: {status:?}");
        let missing = Command::new("/nonexistent/program")
            .stdin(Stdio::null())
            .status();
        let kind = missing.as_ref().map_err(std::io::Error::kind);
        require!(
            matches!(kind, Err(std::io::ErrorKind::NotFound)),
            "no such program: {missing:?}"
        );
    }
    0
}

/// `exec-fails`: a child whose execve fails goes on and ends as it likes.
pub fn exec_fails(_: &[String]) -> i32 {
    for (program, errno, code) in [
        ("/nonexistent/program", Errno::ENOENT, 9),
        ("/", Errno::EACCES, 10),
        ("/dev/null", Errno::EACCES, 11),
        ("/etc/passwd/program", Errno::ENOTDIR, 12),
    ] {
        let child = || {
            if raw::exec(&[program.to_owned()]) == errno {
                code
            } else {
                1
            }
        };
        for status in [raw::reap(raw::fork(child)), raw::reap(raw::vfork(child))] {
            require!(
                status == Some(Status::Exited(code)),
                "exec of {program}: {status:?}"
            );
        }
    }
    0
}

/// `threads COUNT ROUNDS`: all alive at once, then all ended.
pub fn threads(arguments: &[String]) -> i32 {
    let count = number(arguments, 0, 200);
    for _ in 0..number(arguments, 1, 1) {
        let all = Barrier::new(count);
        let sum: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count)
                .map(|i| {
                    let all = &all;
                    scope.spawn(move || {
                        all.wait();
                        i
                    })
                })
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .sum()
        });
        require!(sum == count * (count - 1) / 2, "threads are missing: {sum}");
    }
    0
}

/// `exec-from-thread THREADS PROGRAM …`: one of so many threads runs the program, while the others
/// sleep, spin and make calls.
pub fn exec_from_thread(arguments: &[String]) -> i32 {
    let Some((count, program)) = arguments.split_first() else {
        return 2;
    };
    let count: usize = count.parse().unwrap_or(50);
    let all: &'static Barrier = Box::leak(Box::new(Barrier::new(count)));
    for i in 1..count {
        let program = program.to_vec();
        std::thread::spawn(move || {
            all.wait();
            match i {
                _ if i == count / 2 => eprintln!("{program:?}: {}", raw::exec(&program)),
                _ if i % 10 == 0 => while nix::unistd::getpid().as_raw() > 0 {},
                _ if i % 10 == 1 => loop {
                    let _ = std::fs::metadata("/");
                },
                _ => std::thread::sleep(Duration::from_secs(100)),
            }
            raw::exit(1)
        });
    }
    all.wait();
    std::thread::sleep(Duration::from_secs(100));
    1
}

/// `leader-exits CODE`: the first thread ends before another that ends the process.
pub fn leader_exits(arguments: &[String]) -> i32 {
    let code = number(arguments, 0, 0) as i32;
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        let status = raw::reap(raw::fork(|| 5));
        raw::exit(if status == Some(Status::Exited(5)) {
            code
        } else {
            1
        })
    });
    raw::exit_thread()
}

/// `daemon FILE MILLISECONDS`: leaves behind a process in a session of its own, which writes the
/// file after that time; ends at once with 3.
pub fn daemon(arguments: &[String]) -> i32 {
    let Some(file) = arguments.first() else {
        return 2;
    };
    let time = Duration::from_millis(number(arguments, 1, 100) as u64);
    raw::reap(raw::fork(|| {
        if nix::unistd::setsid().is_err() {
            return 1;
        }
        raw::fork(|| {
            std::thread::sleep(time);
            i32::from(std::fs::write(file, "done").is_err())
        });
        0
    }));
    3
}

/// `waitid`: P_ALL with WNOWAIT leaves the child to be waited for again.
pub fn waitid(_: &[String]) -> i32 {
    let child = raw::fork(|| 6);
    let exited = WaitPidFlag::WEXITED;
    for flags in [
        exited | WaitPidFlag::WNOWAIT,
        exited | WaitPidFlag::WNOWAIT,
        exited,
    ] {
        let status = nix::sys::wait::waitid(Id::All, flags);
        let expected = Ok(WaitStatus::Exited(nix::unistd::Pid::from_raw(child), 6));
        require!(status == expected, "waitid with {flags:?}: {status:?}");
    }
    let status = nix::sys::wait::waitid(Id::All, exited);
    require!(status == Err(Errno::ECHILD), "a second time: {status:?}");
    0
}
