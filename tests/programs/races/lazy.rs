//! Attacks of a process that has one task, on memory that the kernel may discard later: a name
//! continues in such a page, and ends before it once the page reads as zeros.
//!
//! `races lazy WAY ACT GOOD BAD SECONDS` prints `page PID ADDRESS`, then tries. The kernel must be
//! made to reclaim that page meanwhile: by memory pressure, or by `races lazy reclaim PID ADDRESS`
//! outside the jail, which asks for it (process_madvise(2), CAP_SYS_NICE).
//! `races lazy naive …` is the same under a supervisor that checks and then lets go on.

use crate::naive::{Denied, supervise, supervise_by};
use crate::place::SECRET;
use crate::raw::lazy::{self, Lazy};
use crate::raw::{self, Text, sockets};
use crate::seconds::time;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;
use std::time::Instant;

/// So many pages `races lazy many-WAY …` gives back at once, for a cgroup that is short of memory.
const MANY: usize = 1000;

/// Does what the words say; `None` if they say nothing.
pub fn run(words: &[&str]) -> Option<ExitCode> {
    match *words {
        ["reclaim", pid, address] => reclaim(pid.parse().ok()?, address.parse().ok()?),
        ["naive", way, act, good, bad, seconds] => {
            let attack = || i32::from(race(way, act, good, bad, seconds, true).is_none());
            let code = match act {
                "connect" => supervise_by(
                    &[libc::SYS_connect],
                    |tid, registers| !names(tid, registers.argument(1), good),
                    attack,
                ),
                _ => supervise(&Denied::Directory(bad.into()), attack),
            };
            Some(ExitCode::from(code as u8))
        }
        [way, act, good, bad, seconds] => {
            race(way, act, good, bad, seconds, false).map(|()| ExitCode::SUCCESS)
        }
        _ => None,
    }
}

/// Asks for the page to be reclaimed, again and again.
fn reclaim(pid: i32, address: usize) -> Option<ExitCode> {
    raw::die_with_parent();
    let process = sockets::pidfd_open(pid, 0).ok()? as i32;
    loop {
        match lazy::reclaim(process, address) {
            Ok(_) => {}
            Err(nix::errno::Errno::ESRCH) => return Some(ExitCode::SUCCESS),
            Err(errno) => {
                println!("reclaim {errno:?}");
                return Some(ExitCode::from(3));
            }
        }
    }
}

/// What a try reached.
enum Reached {
    Good,
    Bad,
    Nothing,
}

fn race(way: &str, act: &str, good: &str, bad: &str, seconds: &str, until_won: bool) -> Option<()> {
    let name = match act {
        "connect" => bytes_of(good.parse().ok()?),
        _ => [good.as_bytes(), b"\0"].concat(),
    };
    // What lies in the page that stays: the bad path, or the family and the port.
    let split = match act {
        "connect" => 4,
        _ => bad.len(),
    };
    // Under real pressure a page is discarded some time after it was given back: many wait for that.
    let (way, count) = match way.strip_prefix("many-") {
        Some(way) => (way, MANY),
        None => (way, 1),
    };
    let make = match way {
        "free" => Lazy::freed,
        "drop" => Lazy::droppable,
        _ => return None,
    };
    let pages: Result<Vec<Lazy>, _> = (0..count).map(|_| make(split)).collect();
    let pages = match pages {
        Ok(pages) => pages,
        Err(errno) => {
            println!("{way}-{act} refused {errno:?}");
            println!("{way}-{act} tries 0 wins 0 passed 0 refused 1");
            return Some(());
        }
    };
    pages.iter().for_each(|page| page.write(0, &name));
    if act == "open-after-fork" {
        // From now on this process is not the only one that the jail has had.
        let _ = raw::wait(raw::fork(|| 0), 0);
    }
    println!("page {} {}", std::process::id(), pages.first()?.second());
    let end = Instant::now() + time(seconds);
    let (mut tries, mut wins, mut passed, mut refused) = (0, 0, 0, 0);
    while Instant::now() < end && (wins == 0 || !until_won) {
        for page in &pages {
            page.write(split, name.get(split..)?);
            refused += u64::from(way == "free" && page.free().is_err());
        }
        for page in &pages {
            let reached = match act {
                "connect" => connect(page.name(), name.len()),
                _ => open(page.path(name.len())),
            };
            tries += 1;
            match reached {
                Reached::Good => passed += 1,
                Reached::Bad => wins += 1,
                Reached::Nothing => {}
            }
        }
    }
    println!("{way}-{act} tries {tries} wins {wins} passed {passed} refused {refused}");
    Some(())
}

fn open(path: Text) -> Reached {
    let Ok(fd) = raw::open_at(libc::AT_FDCWD, path, libc::O_RDONLY) else {
        return Reached::Nothing;
    };
    let mut content = [0; 64];
    let _ = raw::read_at(fd as i32, &mut content);
    let _ = raw::close(fd as i32);
    match content.windows(SECRET.len()).any(|word| word == SECRET) {
        true => Reached::Bad,
        false => Reached::Good,
    }
}

/// `struct sockaddr_in`.
fn bytes_of(address: SocketAddrV4) -> Vec<u8> {
    let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    bytes.extend(address.port().to_be_bytes());
    bytes.extend(address.ip().octets());
    bytes.resize(16, 0);
    bytes
}

/// Whether these bytes of a task are the address of an allowed peer.
fn names(tid: i32, address: u64, good: &str) -> bool {
    let mut bytes = [0; 16];
    let length = raw::vm_read(tid, &mut bytes, address as usize);
    let good = good.parse().map(bytes_of).unwrap_or_default();
    bytes.get(..length) == Some(&good)
}

/// The kernel takes 0.0.0.0 for 127.0.0.1.
fn connect(address: u64, length: usize) -> Reached {
    let Ok(fd) = sockets::socket(libc::AF_INET, libc::SOCK_STREAM, 0) else {
        return Reached::Nothing;
    };
    let fd = fd as i32;
    let _ = sockets::reset_at_close(fd);
    let reached = match sockets::connect(fd, address, length) {
        Ok(_) if sockets::peer_ip(fd) == Some(Ipv4Addr::LOCALHOST) => Reached::Bad,
        Ok(_) => Reached::Good,
        Err(_) => Reached::Nothing,
    };
    let _ = raw::close(fd);
    reached
}
