//! The workloads, timed from within so that no start-up counts: prints what one unit of work takes,
//! in nanoseconds.
//!
//! It must do nothing but the work while its clock runs.

use crate::Result;
use crate::programs::path_of_true;
use std::hint::black_box;
use std::io::IsTerminal;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::Instant;

/// Does `count` units of work, while `idle` more threads or processes do nothing.
pub fn run(work: &str, count: &str, idle: &str, kind: &str) -> Result<()> {
    let (count, idle): (u32, usize) = (count.parse()?, idle.parse()?);
    if kind == "processes" {
        return beside_processes(work, count, idle);
    }
    let gate = Arc::new(Barrier::new(idle + 1));
    let threads: Vec<_> = (0..idle)
        .map(|_| {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || {
                gate.wait(); // all are there
                gate.wait(); // the work is done
            })
        })
        .collect();
    gate.wait();
    let nanos = each(work, count)?;
    gate.wait();
    for thread in threads {
        thread.join().map_err(|_| "an idle thread panicked")?;
    }
    println!("{nanos}");
    Ok(())
}

/// What one unit of work takes, in nanoseconds.
fn each(work: &str, count: u32) -> Result<f64> {
    let unit = unit_of(work)?;
    let before = Instant::now();
    for _ in 0..count {
        unit()?;
    }
    Ok(before.elapsed().as_secs_f64() * 1e9 / f64::from(count))
}

/// The idle processes wait for the end of a pipe, which is the end of this process.
fn beside_processes(work: &str, count: u32, idle: usize) -> Result<()> {
    use nix::unistd::{ForkResult, fork, pipe, read};
    let (reader, writer) = pipe()?;
    for _ in 0..idle {
        // SAFETY: this process has one thread, so that its child may call anything.
        #[allow(unsafe_code)]
        if let ForkResult::Child = unsafe { fork()? } {
            drop(writer);
            let _ = read(&reader, &mut [0]);
            std::process::exit(0);
        }
    }
    println!("{}", each(work, count)?);
    drop(writer);
    while nix::sys::wait::wait().is_ok() {}
    Ok(())
}

fn unit_of(work: &str) -> Result<fn() -> Result<()>> {
    Ok(match work {
        "getppid" => || {
            black_box(std::os::unix::process::parent_id());
            Ok(())
        },
        "ioctl" => || {
            black_box(std::io::stdin().is_terminal());
            Ok(())
        },
        "thread" => || {
            std::thread::spawn(|| ())
                .join()
                .map_err(|_| "a thread panicked".into())
        },
        "fork" => fork_and_exit,
        "heap" => || {
            let piece = |_| black_box(vec![1_u8; 60 << 10].into_boxed_slice());
            let mut pieces: Vec<_> = (0..68).map(piece).collect();
            while pieces.pop().is_some() {}
            Ok(())
        },
        "mapping" => || map_and_unmap(1 << 20, true),
        "page" => || map_and_unmap(4096, false),
        "exec" => || {
            let status = Command::new(path_of_true()?).env_clear().status()?;
            if status.success() {
                Ok(())
            } else {
                Err(format!("true: {status}").into())
            }
        },
        _ => return Err(format!("no workload {work}").into()),
    })
}

fn fork_and_exit() -> Result<()> {
    use nix::sys::wait::waitpid;
    use nix::unistd::{ForkResult, fork};
    // SAFETY: the child calls _exit(2) alone, which is async-signal-safe.
    #[allow(unsafe_code)]
    let side = unsafe {
        match fork()? {
            ForkResult::Child => libc::_exit(0),
            side @ ForkResult::Parent { .. } => side,
        }
    };
    if let ForkResult::Parent { child } = side {
        waitpid(child, None)?;
    }
    Ok(())
}

/// Without the allocator, which would keep it.
fn map_and_unmap(length: usize, filled: bool) -> Result<()> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping of the kernel's choice, written to within its length and then unmapped.
    #[allow(unsafe_code)]
    let done = unsafe {
        let address = libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0);
        address != libc::MAP_FAILED && {
            if filled {
                std::ptr::write_bytes(address.cast::<u8>(), 1, length);
            }
            libc::munmap(address, length) == 0
        }
    };
    done.then_some(())
        .ok_or_else(|| "mmap or munmap failed".into())
}
