//! Attacks on what is outside of the jail and on the jail itself, each a small program.
//!
//! `probe attack NAME ARGUMENT…` prints one line: `NAME done DETAIL`, or `NAME ERRNO`, and exits
//! with 0 or 1. An attack says only what the kernel told it; whether anything really happened is
//! for the test to see. It must never be aimed at anything that the test did not start.

mod alone;
mod escape;
mod foreign;
mod kernel;
mod outside;
pub mod raw;
mod signals;
mod stage;

pub use stage::stage;

/// What an attack comes to: what it got, or the errno.
type Loot = Result<String, i32>;

type Attack = fn(&Arguments<'_>) -> Loot;

/// The words after the name of an attack.
pub struct Arguments<'a>(&'a [String]);

impl Arguments<'_> {
    fn number(&self, index: usize) -> u64 {
        let word = self
            .0
            .get(index)
            .unwrap_or_else(|| panic!("argument {index} is missing"));
        match word.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => word.parse::<i64>().map(|number| number as u64),
        }
        .unwrap_or_else(|error| panic!("{word}: {error}"))
    }

    fn pid(&self, index: usize) -> i32 {
        self.number(index) as i32
    }

    fn word(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }
}

/// `probe attack NAME ARGUMENT…`
pub fn attack(words: &[String]) -> i32 {
    let Some((name, rest)) = words.split_first() else {
        return 2;
    };
    let tables = [
        foreign::ATTACKS,
        kernel::ATTACKS,
        escape::ATTACKS,
        signals::ATTACKS,
        outside::ATTACKS,
    ];
    let Some((_, attack)) = tables
        .into_iter()
        .flatten()
        .find(|(known, _)| known == name)
    else {
        eprintln!("no such attack: {name}");
        return 2;
    };
    match attack(&Arguments(rest)) {
        Ok(detail) => {
            println!("{name} done {detail}");
            0
        }
        Err(errno) => {
            println!("{name} {:?}", nix::errno::Errno::from_raw(errno));
            1
        }
    }
}
