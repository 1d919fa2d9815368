//! What the suites of races share.

use super::{Dir, Ran, copy, example, plain, slow};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One race at a time: each needs two processors.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For how long each attack is tried: `JAIL_RACE_SECONDS`, which may have a fraction.
pub fn seconds() -> f64 {
    let seconds = std::env::var("JAIL_RACE_SECONDS").ok();
    seconds.and_then(|it| it.parse().ok()).unwrap_or(0.25)
}

/// For how long it is tried once more where there were too few tries, as on a busy machine or an emulated
/// processor.
pub fn longer() -> f64 {
    slowly((5.0 * seconds()).max(5.0))
}

/// So many seconds, or `JAIL_TEST_SLOW` times as many.
pub fn slowly(seconds: f64) -> f64 {
    slow(Duration::from_secs_f64(seconds)).as_secs_f64()
}

/// How long a race of so many seconds may take: an attacker goes on for five times as long, and for at
/// least five seconds, until it has tried often enough.
pub fn timeout(seconds: f64) -> Duration {
    Duration::from_secs_f64(5.0 * seconds + 60.0)
}

/// Whether an attack cannot win where temporary directories lie, even without protection; says why.
pub fn cannot_win(attack: &str) -> bool {
    let why = if attack.starts_with("aio-") && in_memory() {
        "a tmpfs reads at once what is to be read in the background"
    } else if attack.starts_with("setxattr-") && !has_attributes() {
        "this file system has no extended attributes"
    } else {
        return false;
    };
    println!("NOT TRIED HERE: {attack}: {why}");
    true
}

/// Whether temporary directories lie in a tmpfs.
fn in_memory() -> bool {
    let found = nix::sys::statfs::statfs(&std::env::temp_dir()).expect("statfs");
    found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC
}

/// Whether a file there can have extended attributes: those of a tmpfs can from Linux 6.6 on.
fn has_attributes() -> bool {
    let directory = Dir::new();
    let file = directory.write("file", "");
    let list = directory.write("list", file);
    let list = std::fs::File::open(list).expect("what was just written");
    let ran = plain([example("files"), "mark".to_owned()]).stdin(list);
    ran.output().ends_with(0).out.is_empty()
}

/// The program `races`.
pub fn races() -> String {
    example("races")
}

/// Copies it to where a policy allows it.
pub fn copy_races(to: &str) {
    copy(races(), to);
}

/// The line `NAME tries N wins M passed K …`.
#[derive(Debug)]
pub struct Score {
    pub tries: u64,
    pub wins: u64,
    pub passed: u64,
    pub unavailable: bool,
}

impl Score {
    /// Of the first attack that has printed one.
    #[track_caller]
    pub fn of(ran: &Ran) -> Self {
        let mut lines = ran.out.lines();
        let score = lines.find_map(|line| Self::read(line.split_once(" tries ")?.1));
        score.unwrap_or_else(|| ran.fail("should have printed a score"))
    }

    /// Of this attack; `None` if it has printed none.
    pub fn named(name: &str, ran: &Ran) -> Option<Self> {
        let mut lines = ran.out.lines();
        lines.find_map(|line| Self::read(line.strip_prefix(name)?.strip_prefix(" tries ")?))
    }

    fn read(rest: &str) -> Option<Self> {
        let words: Vec<&str> = rest.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse().ok();
        Some(Self {
            tries: number(0)?,
            wins: number(2)?,
            passed: number(4)?,
            unavailable: words.contains(&"unavailable"),
        })
    }
}

/// The number after a word of the line `NAME tries N wins M …`.
pub fn score(ran: &Ran, word: &str) -> u64 {
    let line = ran.out.lines().find(|line| line.contains(" tries "));
    let mut words = line.unwrap_or_default().split(' ');
    words.find(|it| *it == word);
    let number = words.next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no {word}: {}{}", ran.out, ran.err))
}
