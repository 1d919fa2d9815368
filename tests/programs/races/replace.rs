//! A race for the memory in which a jail holds checked paths, as soon as it is mapped: a thread puts its own
//! memory in its place, and turns what is written there into the bad path.

use crate::busy::busy;
use crate::place::{Place, SECRET};
use crate::raw::region;
use crate::raw::{self, Text};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Opens in each process.
const OPENS: u64 = 100;

const LOST: i32 = 0;
const REPLACED: i32 = 1;
const WON: i32 = 2;

/// What is done to the region.
#[derive(Clone, Copy, PartialEq)]
pub enum Trick {
    /// Other memory is mapped over it.
    Replace,
    /// It is kept from children, who then map other memory there.
    KeepFromChildren,
}

/// Tries, replaced regions, and wins.
#[derive(Default)]
pub struct Score {
    pub tries: u64,
    pub replaced: u64,
    pub wins: u64,
}

/// Tries in ever new processes, for each has the region mapped once.
pub fn replace(trick: Trick, place: &Place, time: Duration) -> Score {
    let end = Instant::now() + time;
    let mut score = Score::default();
    while Instant::now() < end {
        let child = raw::fork(|| race(trick, place));
        let status = raw::wait(child, 0).map_or(0, |(_, status)| status);
        score.tries += 1;
        if libc::WIFEXITED(status) {
            score.replaced += u64::from(libc::WEXITSTATUS(status) >= REPLACED);
            score.wins += u64::from(libc::WEXITSTATUS(status) == WON);
        }
    }
    score
}

/// What the two threads tell each other.
struct Both {
    /// Where the next region will be, once it is known.
    address: AtomicUsize,
    ready: AtomicBool,
    replaced: AtomicBool,
    ended: AtomicBool,
}

fn race(trick: Trick, place: &Place) -> i32 {
    static BOTH: Both = Both {
        address: AtomicUsize::new(0),
        ready: AtomicBool::new(false),
        replaced: AtomicBool::new(false),
        ended: AtomicBool::new(false),
    };
    let [good, bad] = [&place.good, &place.bad].map(Text::private);
    let thread = std::thread::spawn(move || take_over(&BOTH, trick, good, bad));
    std::thread::sleep(Duration::from_millis(1));
    let next = region::low();
    BOTH.address.store(next.start, Ordering::Release);
    while !BOTH.ready.load(Ordering::Acquire) {
        busy(1);
    }
    let won = match trick {
        Trick::Replace => open(good, OPENS),
        Trick::KeepFromChildren => {
            open(good, 1);
            let child = raw::fork(|| inherit(&BOTH, &next, good, bad));
            let status = raw::wait(child, 0).map_or(LOST, |(_, status)| status);
            let code = libc::WEXITSTATUS(status);
            BOTH.replaced.store(code >= REPLACED, Ordering::Relaxed);
            code == WON
        }
    };
    BOTH.ended.store(true, Ordering::Relaxed);
    let _ = thread.join();
    match (won, BOTH.replaced.load(Ordering::Relaxed)) {
        (true, _) => WON,
        (false, true) => REPLACED,
        (false, false) => LOST,
    }
}

/// Whether one of so many opens reads SECRET.
fn open(good: Text, times: u64) -> bool {
    (0..times).any(|_| {
        let Ok(fd) = raw::open_at(libc::AT_FDCWD, good, libc::O_RDONLY) else {
            return false;
        };
        let mut content = [0; 64];
        let _ = raw::read_at(fd as i32, &mut content);
        let _ = raw::close(fd as i32);
        content.windows(SECRET.len()).any(|word| word == SECRET)
    })
}

/// A child that has not inherited the region uses its place.
fn inherit(both: &'static Both, it: &Range<usize>, good: Text, bad: Text) -> i32 {
    if region::is_mapped(it) || region::map_fixed(it).is_err() {
        return LOST;
    }
    let it = it.clone();
    std::thread::spawn(move || change(both, &it, good, bad));
    if open(good, OPENS) { WON } else { REPLACED }
}

/// Waits for the region, and plays its trick.
fn take_over(both: &Both, trick: Trick, good: Text, bad: Text) {
    let mut start = 0;
    while start == 0 {
        start = both.address.load(Ordering::Acquire);
    }
    both.ready.store(true, Ordering::Release);
    let it = start..region::low().end;
    while !region::is_mapped(&it) {
        if both.ended.load(Ordering::Relaxed) {
            return;
        }
    }
    match trick {
        Trick::KeepFromChildren => {
            let _ = region::advise(&it, libc::MADV_DONTFORK);
        }
        Trick::Replace => {
            if region::map_fixed(&it).is_ok() {
                both.replaced.store(true, Ordering::Relaxed);
                change(both, &it, good, bad);
            }
        }
    }
}

/// Turns each good path that is written to the region into the bad one.
fn change(both: &Both, it: &Range<usize>, good: Text, bad: Text) {
    let bytes = region::as_bytes(it);
    let same = |at: usize, text: Text| {
        let there = bytes.iter().skip(at);
        let mut pairs = there.zip(text.0);
        pairs.all(|(byte, cell)| byte.load(Ordering::Relaxed) == cell.load(Ordering::Relaxed))
    };
    let mut found = None;
    while !both.ended.load(Ordering::Relaxed) {
        found = found.or_else(|| (0..raw::PAGE).find(|at| same(*at, good)));
        let Some(at) = found else { continue };
        for (byte, cell) in bytes.iter().skip(at).zip(bad.0) {
            byte.store(cell.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}
