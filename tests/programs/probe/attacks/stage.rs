//! The other side of the attacks: victims, and circumstances to put an attacker into. Started by
//! the tests, attacked by `probe attack`.

use super::raw;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// `probe stage NAME ARGUMENT…`: only returns to say why it could not.
pub fn stage(words: &[String]) -> i32 {
    let Some((name, rest)) = words.split_first() else {
        return 2;
    };
    match name.as_str() {
        "victim" => victim(rest),
        "alone" => super::alone::alone(rest),
        "parent" => parent(rest),
        "terminal" => terminal(rest),
        "leak" => leak(rest),
        "user" => user(rest),
        "ioprio" => look_ioprio(rest),
        "deny-getppid" => deny_getppid(rest),
        _ => 2,
    }
}

static VALUE: AtomicU64 = AtomicU64::new(0x1111);

/// Lives until it is killed, with every signal blocked so that those which reach it stay pending.
/// Prints where its value, its mapped file and its user-made namespace are. Its memory, its
/// descriptors, its limits are there to be changed.
fn victim(words: &[String]) -> i32 {
    raw::block_all();
    if words.get(1).is_some_and(|word| word == "namespace") {
        let flags = (libc::CLONE_NEWUSER | libc::CLONE_NEWUTS) as u64;
        if let Err(errno) = raw::call3(libc::SYS_unshare, flags, 0, 0) {
            println!("cannot {errno}");
            return 1;
        }
    }
    let mut mapped = 0;
    if let Some(path) = words.first().filter(|path| !path.is_empty()) {
        let filled = std::fs::write(path, vec![7; FILE])
            .and_then(|()| std::fs::File::options().read(true).write(true).open(path))
            .and_then(|file| file.sync_all().map(|()| file));
        let Ok(file) = filled else { return 1 };
        let Ok(address) = raw::map(FILE, file.as_raw_fd(), 0) else {
            return 1;
        };
        for page in (0..FILE as u64).step_by(4096) {
            raw::peek(address + page);
        }
        mapped = address;
    }
    println!("ready {} {mapped}", raw::at(&VALUE));
    if std::io::stdout().flush().is_err() {
        return 1;
    }
    loop {
        std::thread::sleep(Duration::from_millis(3));
        std::hint::black_box(VALUE.load(Ordering::Relaxed));
    }
}

/// How much a victim maps of its file.
const FILE: usize = 1 << 20;

/// Runs a command as its child, as jail does, without being a jail: the attacks on the parent
/// that fail on jail succeed on it.
fn parent(words: &[String]) -> i32 {
    let Some((program, rest)) = words.split_first() else {
        return 2;
    };
    match std::process::Command::new(program).args(rest).status() {
        Ok(status) => status.code().unwrap_or(3),
        Err(_) => 3,
    }
}

/// Runs a command in a session of its own with this terminal.
fn terminal(words: &[String]) -> i32 {
    let Some((path, command)) = words.split_first() else {
        return 2;
    };
    let _ = raw::call3(libc::SYS_setsid, 0, 0, 0);
    // Without O_NOCTTY the terminal becomes that of the session.
    let Ok(terminal) = std::fs::File::options().read(true).write(true).open(path) else {
        return 3;
    };
    if raw::call3(libc::SYS_dup3, terminal.as_raw_fd() as u64, 0, 0).is_err() {
        return 3;
    }
    drop(terminal);
    raw::exec(command)
}

/// Runs a command with this file open for writing at descriptor 9, as careless callers do.
fn leak(words: &[String]) -> i32 {
    let Some((path, command)) = words.split_first() else {
        return 2;
    };
    let Ok(file) = std::fs::File::options().append(true).open(path) else {
        return 3;
    };
    if raw::call3(libc::SYS_dup3, file.into_raw_fd() as u64, 9, 0).is_err() {
        return 3;
    }
    raw::exec(command)
}

/// Runs a command as another user, without groups.
fn user(words: &[String]) -> i32 {
    let Some((id, command)) = words.split_first() else {
        return 2;
    };
    let Ok(id) = id.parse::<u64>() else { return 2 };
    let done = raw::call3(libc::SYS_setgroups, 0, 0, 0)
        .and_then(|_| raw::call3(libc::SYS_setresgid, id, id, id))
        .and_then(|_| raw::call3(libc::SYS_setresuid, id, id, id));
    match done {
        Ok(_) => raw::exec(command),
        Err(errno) => errno,
    }
}

/// Prints the I/O priority of a process, which no file shows.
fn look_ioprio(words: &[String]) -> i32 {
    let pid = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    match raw::call3(libc::SYS_ioprio_get, 1, pid, 0) {
        Ok(value) => println!("{value}"),
        Err(errno) => println!("errno {errno}"),
    }
    0
}

/// Runs a command under a filter that fails getppid with EPERM and looks at nothing else: a
/// careless filter, to show what goes round one.
fn deny_getppid(command: &[String]) -> i32 {
    match super::escape::filter_out_getppid(libc::EPERM as u32, 0) {
        Ok(_) => raw::exec(command),
        Err(errno) => errno,
    }
}
