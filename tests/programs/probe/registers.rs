//! Whether a call leaves every register but the result alone.

#[cfg(target_arch = "x86_64")]
use crate::raw;

/// `registers NR`: makes that call with no arguments and a known value in each register; prints
/// its result, and each register that came back with another value.
#[cfg(target_arch = "x86_64")]
pub fn registers(arguments: &[String]) -> i32 {
    let Some(number) = arguments.first().and_then(|number| number.parse().ok()) else {
        eprintln!("usage: registers NR");
        return 2;
    };
    let mut state = raw::x86_64::State::new(number);
    raw::x86_64::call(&mut state);
    println!("result {}", state.result as i64);
    let mut changed = 0;
    for (name, before, after) in state.registers() {
        if before != after {
            println!("{name} changed from {before:#x} to {after:#x}");
            changed = 1;
        }
    }
    changed
}

/// Not written for this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub fn registers(_: &[String]) -> i32 {
    eprintln!("registers: x86-64 only");
    2
}
