//! What the suites of races share.

use super::{Ran, example};

/// For how long each attack is tried.
pub fn seconds() -> u64 {
    let seconds = std::env::var("JAIL_RACE_SECONDS").ok();
    seconds.and_then(|it| it.parse().ok()).unwrap_or(1)
}

/// The example `races`.
pub fn races() -> String {
    example("races")
}

/// The number after a word of the line `NAME tries N wins M …`.
pub fn score(ran: &Ran, word: &str) -> u64 {
    let line = ran.out.lines().find(|line| line.contains(" tries "));
    let mut words = line.unwrap_or_default().split(' ');
    words.find(|it| *it == word);
    let number = words.next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no {word}: {}{}", ran.out, ran.err))
}
