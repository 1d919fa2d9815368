//! Processes outside, and processes that are to outlive the jail.

use super::super::given::{Given, Tried};
use super::super::tools::{READY, SIBLING, all, by, say};
use crate::sys;
use crate::sys::attack;
use crate::sys::process::Fork;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// The process outside. Never 0, -1 or 1, which would be other processes.
fn outside(given: &Given) -> Result<i32, String> {
    match given.bystander {
        pid @ 2.. => Ok(pid),
        pid => Err(format!("{pid} is no process to aim at")),
    }
}

/// Each way to send a signal to the process outside.
pub fn signal(given: &Given) -> Tried {
    let pid = outside(given)?;
    let signal = libc::SIGUSR1;
    all(&mut [
        &mut || sys::process::kill(pid, signal).map_err(by("kill")),
        &mut || sys::process::kill(-pid, signal).map_err(by("kill of the group")),
        &mut || attack::signal_thread(pid, signal).map_err(by("tgkill")),
        &mut || attack::queue_signal(pid, signal).map_err(by("rt_sigqueueinfo")),
        &mut || attack::pidfd_signal(pid, signal).map_err(by("pidfd_send_signal")),
        &mut || {
            let (one, other) = UnixStream::pair().map_err(by("socketpair"))?;
            attack::own_signals(one.as_fd(), pid).map_err(by("fcntl F_SETOWN"))?;
            std::io::Write::write_all(&mut &other, b"x").map_err(by("write"))
        },
    ])
}

/// What the process of another jail does: says its id, and waits.
pub fn wait_as_sibling(_: &Given) -> Tried {
    say(&format!("{SIBLING}{}", sys::process::getpid()));
    survive()
}

/// Reads and changes the memory of the process outside.
pub fn memory(given: &Given) -> Tried {
    let pid = outside(given)?;
    all(&mut [
        &mut || {
            let mut bytes = vec![0; given.token.len()];
            sys::memory::read(pid, given.address, &mut bytes)
                .map_err(by("process_vm_readv and /proc/PID/mem"))?;
            say(&String::from_utf8_lossy(&bytes));
            Ok(())
        },
        &mut || {
            let bytes = b"changed!";
            sys::memory::write(pid, given.address, bytes).map_err(by("process_vm_writev"))
        },
    ])
}

/// Traces the process outside, and does not let it go.
pub fn trace(given: &Given) -> Tried {
    let pid = outside(given)?;
    sys::ptrace::seize(pid, 0).map_err(by("ptrace"))?;
    sys::memory::write(pid, given.address, b"changed!").map_err(by("process_vm_writev"))?;
    Ok("it was traced".to_owned())
}

/// Takes an open descriptor out of the process outside.
pub fn descriptor(given: &Given) -> Tried {
    let pid = outside(given)?;
    let taken = sys::files::descriptor_of(pid, pid, given.descriptor).map_err(by("pidfd_getfd"))?;
    let mut room = [0; 256];
    let file = taken
        .try_clone()
        .map(std::fs::File::from)
        .map_err(by("fcntl F_DUPFD"))?;
    let length = std::os::unix::fs::FileExt::read_at(&file, &mut room, 0).map_err(by("read"))?;
    Ok(String::from_utf8_lossy(room.get(..length).unwrap_or_default()).into_owned())
}

/// Lowers a limit of the process outside.
pub fn limits(given: &Given) -> Tried {
    attack::lower_descriptors(outside(given)?, 7).map_err(by("prlimit"))?;
    Ok("its limit of descriptors was lowered".to_owned())
}

/// Sleeps until the suite closes its stdin.
fn survive() -> ! {
    let _ = std::io::stdin().read(&mut [0; 1]);
    sys::process::exit(0)
}

/// Forks twice, in a session of its own, and ends.
pub fn double_fork(_: &Given) -> Tried {
    match sys::process::fork().map_err(by("fork"))? {
        Fork::Parent(child) => {
            let _ = sys::wait::wait(child, 0);
            Ok("a grandchild was left behind".to_owned())
        }
        Fork::Child => {
            attack::leave_session();
            match sys::process::fork() {
                Ok(Fork::Child) => survive(),
                _ => sys::process::exit(0),
            }
        }
    }
}

/// Storms of children are alive when the supervisor is killed.
pub fn killed_supervisor(_: &Given) -> Tried {
    let mut born = 0;
    for _ in 0..8 {
        match sys::process::fork() {
            Ok(Fork::Child) => {
                attack::leave_session();
                survive()
            }
            Ok(Fork::Parent(_)) => born += 1,
            Err(_) => {}
        }
    }
    say(READY);
    match born {
        0 => Err("no child could be made".to_owned()),
        _ => survive(),
    }
}

fn untraced(fork: Result<Fork, sys::Errno>, call: &str) -> Tried {
    match fork.map_err(by(call))? {
        Fork::Child => survive(),
        Fork::Parent(_) => {
            say(READY);
            survive()
        }
    }
}

/// A child that asks not to be traced is alive when the supervisor is killed.
pub fn untraced_clone(_: &Given) -> Tried {
    untraced(attack::clone_untraced(), "clone")
}

/// The same by clone3(2), whose flags no filter sees.
pub fn untraced_clone3(_: &Given) -> Tried {
    untraced(attack::clone3_untraced(), "clone3")
}
