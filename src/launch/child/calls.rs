//! The calls of a child that inherits its filters: they must let all of these through.

use super::Prepared;
use crate::sys;
use std::os::fd::AsRawFd;

/// What dup2(3) of the C library calls.
#[cfg(target_arch = "x86_64")]
const DUPLICATE: i64 = libc::SYS_dup2;
#[cfg(not(target_arch = "x86_64"))]
const DUPLICATE: i64 = libc::SYS_dup3;

/// A call by its number, with its arguments.
pub type Call = (libc::c_long, [u64; 6]);

/// Stands for any address: a rule can ask of a pointer whether it is NULL, and of nothing else.
const ADDRESS: u64 = 1 << 16;

/// What every child calls, before its own calls and between them.
pub fn always() -> Vec<Call> {
    let mut calls = vec![
        call(
            libc::SYS_futex,
            &[ADDRESS, word(libc::FUTEX_WAIT), 0, ADDRESS],
        ),
        call(
            libc::SYS_futex,
            &[ADDRESS, word(libc::FUTEX_WAKE), word(i32::MAX)],
        ),
        call(libc::SYS_getppid, &[]),
        call(
            libc::SYS_rt_sigprocmask,
            &[word(libc::SIG_SETMASK), ADDRESS, 0, 8],
        ),
        call(libc::SYS_exit_group, &[125]),
    ];
    // Of each signal it asks whether there is a handler, and which signals have one depends on the program.
    for signal in 1..=sys::signal::HIGHEST as u64 {
        calls.push(call(libc::SYS_rt_sigaction, &[signal, 0, ADDRESS, 8]));
        calls.push(call(libc::SYS_rt_sigaction, &[signal, ADDRESS, 0, 8]));
    }
    calls
}

impl Prepared<'_> {
    /// What else [`run`](super::run) calls for a child that inherits its filters and their `pass`, up to its execve.
    /// `None`: it does what takes privileges that it has given up.
    pub fn calls(&self, pass: u64) -> Option<Vec<Call>> {
        let plain = self.spaces.is_none() && self.start.is_none() && self.nice.is_none();
        let floor = self.floor.as_ref();
        let grants = floor.is_some_and(|floor| !floor.beneath.is_empty());
        if !plain || grants || self.privileges.changes_user() {
            return None;
        }
        let mut calls = Vec::new();
        if let Some(opened) = &self.opened {
            calls.push(call(libc::SYS_fchdir, &[word(opened.as_raw_fd())]));
        }
        calls.extend(self.calls_for_descriptors());
        if let Some(floor) = floor {
            let ruleset = word(floor.ruleset.as_raw_fd());
            let flags = sys::landlock::restrict_flags(floor.quiet).into();
            let enter = libc::SYS_landlock_restrict_self;
            calls.push(call(enter, &[ruleset, flags, 0, 0, 0, pass]));
            calls.push(call(libc::SYS_close, &[ruleset]));
        }
        if let Some(mask) = self.umask {
            calls.push(call(libc::SYS_umask, &[mask.into()]));
        }
        let core = (!self.core_dumps).then_some((libc::RLIMIT_CORE, 0));
        for &(resource, _) in self.limits.iter().chain(&core) {
            let resource = resource.into();
            calls.push(call(libc::SYS_prlimit64, &[0, resource, 0, ADDRESS]));
            calls.push(call(libc::SYS_prlimit64, &[0, resource, ADDRESS, 0]));
        }
        Some(calls)
    }

    fn calls_for_descriptors(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        let keeps = |fd| call(libc::SYS_fcntl, &[word(fd), word(libc::F_SETFD)]);
        for (stream, number) in self.streams.iter().zip(0..) {
            let Some(stream) = *stream else { continue };
            calls.push(match stream == number {
                true => keeps(stream),
                false => call(DUPLICATE, &[word(stream), word(number)]),
            });
        }
        let gaps = self.close.iter();
        calls.extend(
            gaps.map(|&(first, last)| call(libc::SYS_close_range, &[first.into(), last.into()])),
        );
        calls.extend(self.pass_fds.iter().map(|&fd| keeps(fd)));
        calls
    }
}

fn call(number: libc::c_long, first: &[u64]) -> Call {
    let mut args = [0; 6];
    for (arg, value) in args.iter_mut().zip(first) {
        *arg = *value;
    }
    (number, args)
}

fn word(number: i32) -> u64 {
    number as u64
}
