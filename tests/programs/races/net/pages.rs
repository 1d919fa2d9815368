//! Races for the memory in which a jail holds the addresses that it has judged, as soon as it is mapped: that
//! is when it is needed, where there may be threads already.

use super::acts::{NAME, UDP, socket};
use super::place::{HERE, Place, THERE, v4};
use crate::raw::sockets::{self, Memory};
use crate::raw::{self, region};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Sends in each process.
const SENDS: usize = 40;

/// What is done to the region.
#[derive(Clone, Copy, PartialEq)]
pub enum Trick {
    /// Other memory, to be written to, is mapped over it.
    Replace,
    /// The same, written to and made read-only at once.
    Prepare,
    /// It is made writable.
    Protect,
    /// It is unmapped, and other memory mapped there.
    Unmap,
    /// It is moved away.
    Move,
    /// Each of its pages is read.
    Touch,
    /// Its pages are dropped.
    Drop,
    /// Nothing; more threads want it at once, and all are to get what they ask for.
    Want,
}

pub const TRICKS: &[(&str, Trick)] = &[
    ("pages-replaced", Trick::Replace),
    ("pages-prepared", Trick::Prepare),
    ("pages-made-writable", Trick::Protect),
    ("pages-unmapped", Trick::Unmap),
    ("pages-moved", Trick::Move),
    ("pages-touched", Trick::Touch),
    ("pages-dropped", Trick::Drop),
    ("pages-wanted-by-all", Trick::Want),
];

/// Tries in ever new processes, for each has the region mapped once.
pub fn race(name: &str, trick: Trick, place: &Place, time: Duration) {
    const MOST: u64 = 20_000;
    let end = Instant::now() + time;
    let (mut tries, mut passed, mut played) = (0, 0, 0);
    while Instant::now() < end && tries < MOST {
        let child = raw::fork(|| one(trick, place));
        let status = raw::wait(child, 0).map_or(0, |(_, status)| status);
        tries += 1;
        if libc::WIFEXITED(status) {
            let code = libc::WEXITSTATUS(status);
            passed += u64::from(code & 1 != 0);
            played += u64::from(code & 2 != 0);
        }
        if sockets::told() > 0 {
            break;
        }
    }
    println!("{name} tries {tries} wins 0 passed {passed} played {played}");
}

/// What the two threads tell each other.
struct Both {
    /// Where the next region will be, once it is known.
    address: AtomicUsize,
    ready: AtomicBool,
    played: AtomicBool,
    ended: AtomicBool,
}

/// Bit 0: a send has passed. Bit 1: the trick was played.
fn one(trick: Trick, place: &Place) -> i32 {
    static BOTH: Both = Both {
        address: AtomicUsize::new(0),
        ready: AtomicBool::new(false),
        played: AtomicBool::new(false),
        ended: AtomicBool::new(false),
    };
    let memory = Memory::new(false);
    let [good, bad] = [HERE, THERE].map(|host| v4(host, place.udp));
    memory.put(NAME, &good);
    let fd = socket(UDP);
    if trick == Trick::Want {
        return i32::from(all(fd, memory, good.len()));
    }
    let (from, to) = (good.clone(), bad);
    let thread = std::thread::spawn(move || play(&BOTH, trick, &from, &to));
    let next = region::low();
    BOTH.address.store(next.start, Ordering::Release);
    while !BOTH.ready.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    let sent = (0..SENDS)
        .filter(|_| {
            sockets::send_to(fd, memory.at(NAME), 1, 0, memory.at(NAME), good.len()).is_ok()
        })
        .count();
    BOTH.ended.store(true, Ordering::Relaxed);
    let _ = thread.join();
    i32::from(sent > 0) | i32::from(BOTH.played.load(Ordering::Relaxed)) << 1
}

/// Whether each send of some threads that begin at once has passed.
fn all(fd: i32, memory: Memory, length: usize) -> bool {
    let send = move || sockets::send_to(fd, memory.at(NAME), 1, 0, memory.at(NAME), length);
    let many = move || (0..4).all(|_| send().is_ok());
    let threads: Vec<_> = (0..6).map(|_| std::thread::spawn(many)).collect();
    let passed = threads.into_iter().map(|it| it.join().unwrap_or(false));
    let passed: Vec<bool> = passed.collect();
    passed.iter().all(|passed| *passed)
}

/// Waits for the region, and plays its trick.
fn play(both: &Both, trick: Trick, good: &[u8], bad: &[u8]) {
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
    let played = match trick {
        Trick::Replace => region::map_fixed(&it),
        Trick::Prepare => region::map_fixed(&it).and_then(|_| {
            let cells = region::as_bytes(&it);
            for slot in (0..it.end - it.start).step_by(16384) {
                for (cell, byte) in cells.iter().skip(slot).zip(bad) {
                    cell.store(*byte, Ordering::Relaxed);
                }
            }
            region::protect(&it, libc::PROT_READ)
        }),
        Trick::Protect => region::protect(&it, libc::PROT_READ | libc::PROT_WRITE),
        Trick::Unmap => region::unmap(&it).and_then(|_| region::map_fixed(&it)),
        Trick::Move => region::move_away(&it, 0).and_then(|_| region::map_fixed(&it)),
        Trick::Touch => Ok(region::touch(&it)),
        Trick::Drop => region::advise(&it, libc::MADV_DONTNEED),
        Trick::Want => Ok(0),
    };
    let writable = !matches!(
        trick,
        Trick::Prepare | Trick::Touch | Trick::Drop | Trick::Want
    );
    if played.is_ok() {
        both.played.store(true, Ordering::Relaxed);
        if writable && region::is_writable(&it) {
            change(both, &it, good, bad);
        }
    }
}

/// Turns each good address that is written to the region into the bad one.
fn change(both: &Both, it: &Range<usize>, good: &[u8], bad: &[u8]) {
    let cells = region::as_bytes(it);
    while !both.ended.load(Ordering::Relaxed) {
        let mut there = cells.iter().zip(good);
        let same = |(cell, byte): (&std::sync::atomic::AtomicU8, &u8)| {
            cell.load(Ordering::Relaxed) == *byte
        };
        if there.all(same) {
            for (cell, byte) in cells.iter().zip(bad) {
                cell.store(*byte, Ordering::Relaxed);
            }
        }
    }
}
