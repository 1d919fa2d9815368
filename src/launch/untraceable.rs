//! Whether processes can be traced from here. A process has one tracer: under strace(1) or in another
//! jail none of its children can be seized, and a container may forbid ptrace(2).

use super::{Circumstances, Command, LaunchError, landlock, lookup};
use crate::sys::process::{CStrings, Fork};
use crate::sys::{self, Errno, memory::SharedWords};
use crate::trace;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The highest limit of descriptors that a program is left with if it is started by a descriptor. The
/// kernel's table of descriptors grows with the number.
const MOST: u64 = 1 << 16;
/// A program needs at least so many.
const LEAST: u64 = 64;

/// A descriptor by which the command's program can be started where its filter denies execve: one that it
/// can never have again, because the limit of descriptors is lowered to it. `None`: the program is a script,
/// whose interpreter would have to open that descriptor, or keeps capabilities, which may raise limits, or no
/// number is free, or the filter of a jail outside denies execveat(2) of every descriptor.
pub fn start_descriptor(command: &Command) -> Option<u32> {
    let nothing = CStrings::new([]);
    if sys::process::execute_open(-1, &nothing, &nothing) != Errno::EBADF {
        return None;
    }
    if !command.capabilities.is_empty() || lookup::is_text(&lookup::program(command)?) {
        return None;
    }
    let (_, most) = sys::process::descriptor_limits().ok()?;
    let number = most
        .min(MOST)
        .checked_sub(1)
        .filter(|number| *number >= LEAST)?;
    let number = i32::try_from(number).ok()?;
    (!sys::process::is_open(number)).then_some(number as u32)
}

/// Opens the program to execute it.
pub(super) fn opened(program: &Path) -> Result<OwnedFd, LaunchError> {
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let program = program.canonicalize().map_err(errno);
    let program = program.map_err(LaunchError::system("realpath"))?;
    let path = super::c_string(program.into_os_string())?;
    let file = sys::files::open_without_links(&path);
    let mut file = file.map_err(LaunchError::system("open"))?;
    landlock::past_streams(&mut file)?;
    Ok(file)
}

/// Why no command can be traced, if that is so.
///
/// It is tried where there is a reason to doubt it: this process is traced itself, or under a filter, or Yama
/// restricts it.
pub fn untraceable() -> Option<LaunchError> {
    let host = Circumstances::read(None);
    let tracer = host.tracer.as_ref();
    // Yama's modes 2 and 3 take tracing from ordinary users, and from everybody.
    let restricted = host.yama.is_some_and(|scope| scope >= 2);
    if tracer.is_none() && !host.filtered && !restricted {
        return None;
    }
    // The other jail would report the attempt.
    let jailed = host.filtered && tracer.is_some_and(|(_, name)| name == "jail");
    let errno = match jailed {
        true => Errno::EPERM,
        false => tried().err()?,
    };
    Some(LaunchError::Seize { errno, host })
}

/// Seizes a child that does nothing.
fn tried() -> Result<(), Errno> {
    let words = SharedWords::new()?;
    let word = words.words().first().ok_or(Errno::EINVAL)?;
    let parent = std::process::id();
    match sys::process::fork()? {
        Fork::Child => {
            // A signal may end this process at any time, and then the child would remain.
            let _ = sys::namespace::die_with_parent();
            while std::os::unix::process::parent_id() == parent {
                sys::process::futex_wait(word, 0);
            }
            sys::process::exit(0)
        }
        Fork::Parent(pid) => {
            let seized = trace::seize(pid);
            let _ = sys::process::kill(pid, libc::SIGKILL);
            let _ = sys::wait::wait(pid, 0);
            seized
        }
    }
}
