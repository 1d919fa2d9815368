//! The same harness without a jail: threads that start a program, wait, and write a line with the time it took.
//!
//! It looks nothing up, confines nothing, and judges nothing; what it does besides is what any
//! harness must.

use crate::Result;
use jail::internal::sys::memory::SharedWords;
use jail::internal::sys::process::{self, CStrings, Fork};
use jail::internal::sys::{self, wait};
use jail::internal::trace::Tid;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Children would go free without these.
const OPTIONS: i32 = libc::PTRACE_O_EXITKILL
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE;

/// `bare JOBS COUNT FILE PROGRAM ARGUMENT…`: fork, PTRACE_SEIZE, execve; the smallest ptrace loop.
pub fn run(jobs: &str, count: &str, file: &str, command: &[&str]) -> Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let words: Vec<CString> = command
        .iter()
        .map(|word| CString::new(*word))
        .collect::<std::result::Result<_, _>>()?;
    harness(jobs, count, file, &|| {
        one(&words, &null).map_err(|errno| errno.to_string())
    })
}

/// `spawn JOBS COUNT FILE PROGRAM ARGUMENT…`: nothing but posix_spawn and a wait.
pub fn spawn(jobs: &str, count: &str, file: &str, command: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = command else {
        return Err("no program".into());
    };
    harness(jobs, count, file, &|| {
        let mut command = Command::new(program);
        let command = command.args(arguments).stdin(Stdio::null());
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        Ok(status.map_err(|error| error.to_string())?.into_raw())
    })
}

/// Runs it `count` times on `jobs` threads.
fn harness(
    jobs: &str,
    count: &str,
    file: &str,
    once: &(dyn Fn() -> std::result::Result<i32, String> + Sync),
) -> Result<()> {
    let (jobs, count): (usize, usize) = (jobs.parse()?, count.parse()?);
    let next = AtomicUsize::new(0);
    let output = Mutex::new(File::create(file)?);
    let work = || -> std::result::Result<(), String> {
        loop {
            let id = next.fetch_add(1, Ordering::Relaxed);
            if id >= count {
                return Ok(());
            }
            let begin = Instant::now();
            let status = once()?;
            let wall = begin.elapsed().as_secs_f64();
            let mut output = output.lock().map_err(|error| error.to_string())?;
            writeln!(
                output,
                "{{\"id\":{id},\"status\":{status},\"wall\":{wall:.6}}}"
            )
            .map_err(|error| error.to_string())?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread has panicked")??;
        }
        Ok(())
    })
}

fn one(words: &[CString], null: &File) -> std::result::Result<i32, sys::Errno> {
    let page = SharedWords::new()?;
    let go = &page.words()[0];
    let arguments = CStrings::new(words.iter().map(CString::as_c_str));
    let environment = CStrings::new([]);
    let main = match process::fork()? {
        Fork::Child => {
            for number in 0..3 {
                let _ = process::become_descriptor(null.as_raw_fd(), number);
            }
            let _ = process::close_range(3, u32::MAX);
            while go.load(Ordering::Acquire) == 0 {
                std::hint::spin_loop();
            }
            let _ = process::execve(&words[0], &arguments, &environment);
            process::exit(125)
        }
        Fork::Parent(pid) => pid,
    };
    sys::ptrace::seize(main, OPTIONS)?;
    go.store(1, Ordering::Release);
    let mut ended = 0;
    loop {
        match wait::wait(-1, 0) {
            Ok(Some((tid, status))) if libc::WIFSTOPPED(status) => go_on(tid, status)?,
            Ok(Some((tid, status))) if tid == main => ended = status,
            Ok(_) => {}
            Err(sys::Errno::ECHILD) => return Ok(ended),
            Err(errno) => return Err(errno),
        }
    }
}

fn go_on(tid: Tid, status: i32) -> std::result::Result<(), sys::Errno> {
    let signal = match status >> 16 {
        0 => libc::WSTOPSIG(status),
        _ => 0,
    };
    match sys::ptrace::cont(tid, signal) {
        Err(sys::Errno::ESRCH) => Ok(()),
        other => other,
    }
}
