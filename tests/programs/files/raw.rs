//! The only `unsafe` of `files`: system calls by number, and processes.
//!
//! No decision. What is here must be sound for whatever a row of the table passes.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::ffi::CStr;
use std::io::{Read, Write};
use std::ptr::null;

/// One argument of a system call.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    /// A number.
    I(i64),
    /// A string.
    P(&'a CStr),
    /// Memory that starts with these bytes and has 4096, to read and to write.
    B(&'a [u8]),
    /// `struct xattr_args`, with this value.
    X(&'a [u8]),
    /// NULL.
    N,
}

/// Memory of an argument.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct Room(pub [u8; 4096]);

/// Makes a system call.
///
/// No row asks for a call that writes more than a page, or keeps a pointer.
pub fn call(number: i64, arguments: &[Arg]) -> Result<i64, Errno> {
    call_reading(number, arguments).map(|(result, _)| result)
}

/// Makes a system call; returns the memory of its arguments, too.
pub fn call_reading(number: i64, arguments: &[Arg]) -> Result<(i64, [Room; 6]), Errno> {
    let mut rooms = [Room([0; 4096]); 6];
    let mut values = [Room([0; 4096]); 6];
    let mut raw = [0i64; 6];
    for ((argument, raw), (room, value)) in arguments
        .iter()
        .zip(&mut raw)
        .zip(rooms.iter_mut().zip(&mut values))
    {
        *raw = match argument {
            Arg::I(number) => *number,
            Arg::P(text) => text.as_ptr() as i64,
            Arg::N => 0,
            Arg::B(bytes) => {
                room.0[..bytes.len()].copy_from_slice(bytes);
                room.0.as_mut_ptr() as i64
            }
            Arg::X(bytes) => {
                value.0[..bytes.len()].copy_from_slice(bytes);
                room.0[..8].copy_from_slice(&(value.0.as_mut_ptr() as u64).to_ne_bytes());
                room.0[8..12].copy_from_slice(&(bytes.len() as u32).to_ne_bytes());
                room.0.as_mut_ptr() as i64
            }
        };
    }
    let (number, [a, b, c, d, e, f]) = crate::old::current(number, raw);
    // SAFETY: every pointer is to a string that ends in NUL or to a page that lives until after the
    // call and may be written.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        return Err(Errno::last());
    }
    Ok((result, rooms))
}

/// Runs `child` in a forked process; returns its wait status.
pub fn child(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the process has one thread, so that the child may do everything.
    match unsafe { libc::fork() } {
        -1 => -1,
        0 => {
            let code = child();
            // SAFETY: takes no memory and does not return.
            unsafe { libc::_exit(code) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: `status` is this function's own.
            while unsafe { libc::waitpid(pid, &mut status, 0) } == -1 {
                if Errno::last() != Errno::EINTR {
                    return -1;
                }
            }
            status
        }
    }
}

/// Executes a program in a forked process, as `true`; by execve(2) unless `at` is given.
pub fn exec(at: Option<(i64, i32)>, path: &CStr) -> Result<(), Errno> {
    let (mut from, mut to) = std::io::pipe().map_err(|_| Errno::last())?;
    let name = c"true";
    let arguments = [name.as_ptr(), null()];
    let status = child(|| {
        let environment = [null::<u8>()];
        // SAFETY: the strings and the lists, which NULL ends, outlive the call, which returns only
        // if it has failed.
        unsafe {
            match at {
                Some((at, flags)) => libc::syscall(
                    libc::SYS_execveat,
                    at,
                    path.as_ptr(),
                    arguments.as_ptr(),
                    environment.as_ptr(),
                    i64::from(flags),
                ),
                None => libc::syscall(
                    libc::SYS_execve,
                    path.as_ptr(),
                    arguments.as_ptr(),
                    environment.as_ptr(),
                ),
            }
        };
        let errno = Errno::last() as i32;
        i32::from(to.write_all(&errno.to_ne_bytes()).is_err())
    });
    drop(to);
    let mut errno = [0; 4];
    match from.read_exact(&mut errno) {
        Ok(()) => Err(Errno::from_raw(i32::from_ne_bytes(errno))),
        // The pipe was closed by the exec; the program must have run, too.
        Err(_) if status == 0 => Ok(()),
        Err(_) => Err(Errno::ENOEXEC),
    }
}
