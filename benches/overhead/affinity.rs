//! Measuring on one CPU.
//!
//! A tracer and its tracee take turns. Where the scheduler puts them on two CPUs, each turn wakes an
//! idle CPU, which costs several times what the turn itself does and depends on luck.

use crate::Result;
use std::io::Error;
use std::mem::zeroed;

/// Calls `measure` with this thread, and all that it starts, bound to the first CPU that it may use.
pub fn on_one_cpu<T>(measure: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = allowed()?;
    bind(&first_of(&all)?)?;
    let result = measure();
    bind(&all)?;
    result
}

#[allow(unsafe_code)]
fn allowed() -> Result<libc::cpu_set_t> {
    // SAFETY: the set is plain bits, which the kernel fills; the size is its own.
    let (set, result) = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        let result = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        (set, result)
    };
    if result == 0 {
        Ok(set)
    } else {
        Err(Error::last_os_error().into())
    }
}

#[allow(unsafe_code)]
fn first_of(set: &libc::cpu_set_t) -> Result<libc::cpu_set_t> {
    // SAFETY: every number is below the set's size.
    unsafe {
        let first = (0..libc::CPU_SETSIZE as usize).find(|&cpu| libc::CPU_ISSET(cpu, set));
        let mut one: libc::cpu_set_t = zeroed();
        libc::CPU_SET(first.ok_or("no CPU is allowed")?, &mut one);
        Ok(one)
    }
}

#[allow(unsafe_code)]
fn bind(set: &libc::cpu_set_t) -> Result<()> {
    // SAFETY: the kernel reads a set of this size.
    let result = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) };
    if result == 0 {
        Ok(())
    } else {
        Err(Error::last_os_error().into())
    }
}
