//! The program's first function, in place of that of Rust's runtime.
//!
//! Before `main` the runtime reads /proc/self/maps and sets up a stack and handlers for SIGSEGV and SIGBUS, to say
//! that a stack overflowed: twenty system calls, which take a tenth of the time that a jail takes to start. Without
//! them an overflow still ends the process at the guard page that every stack has.

use std::io::Write;

/// Defines the C library's `main` of a program, which has `start` (below) call a function, and exits with its code.
///
/// Only for glibc: it gives the arguments to Rust's library before `main`.
#[macro_export]
#[doc(hidden)]
macro_rules! without_runtime {
    ($start:path, $run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main() -> ::std::ffi::c_int {
            $start($run)
        }
    };
}

/// Does what else the runtime does before and after `run`.
pub fn start(run: fn() -> u8) -> libc::c_int {
    if open_streams().is_err() {
        return 125;
    }
    // A closed pipe is an error of write(2), not the end of the process.
    if super::signal::set_ignored(libc::SIGPIPE, true).is_err() {
        return 125;
    }
    let code = run();
    let _ = std::io::stdout().flush();
    code.into()
}

/// Opens the streams that the caller has closed: otherwise the next file that is opened becomes one of them.
fn open_streams() -> Result<(), super::Errno> {
    let mut streams = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: the array is valid for reading and writing, and its length is given.
    let polled = super::check(unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) });
    if polled == Ok(0) {
        return Ok(());
    }
    for stream in &streams {
        // SAFETY: takes numbers only.
        let is_closed = unsafe { libc::fcntl(stream.fd, libc::F_GETFD) } == -1;
        if is_closed {
            // The lowest free number is taken, which is this one.
            // SAFETY: the path is NUL-terminated.
            super::check(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) })?;
        }
    }
    Ok(())
}
