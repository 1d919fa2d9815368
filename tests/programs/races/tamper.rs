//! Attacks on the memory that a jail may have mapped here to hold checked paths.

use crate::raw::region;
use crate::raw::{self, Called};
use std::fs;
use std::ops::Range;
use std::time::Duration;

type Attack = (&'static str, fn(&Range<usize>) -> Called);

const MADV_GUARD_INSTALL: i32 = 102;

/// What must fail; whatever destroys most comes last.
#[rustfmt::skip]
const ATTACKS: &[Attack] = &[
    ("process_vm_writev",       region::vm_write_itself),
    ("process_vm_writev-child", region::vm_write_from_child),
    ("mem-self",                |it| region::write_file(it, "/proc/self/mem")),
    ("mem-thread-self",         |it| region::write_file(it, "/proc/thread-self/mem")),
    ("mem-pid",                 |it| region::write_file(it, &format!("/proc/{}/mem", std::process::id()))),
    ("mem-task",                |it| region::write_file(it, &format!("/proc/self/task/{}/mem", std::process::id()))),
    ("mem-child",               region::write_file_from_child),
    ("read-into",               region::read_into),
    ("remap_file_pages",        region::remap_file_pages),
    ("userfaultfd-missing",     |it| region::watch_faults(it, region::MODES[0])),
    ("userfaultfd-wp",          |it| region::watch_faults(it, region::MODES[1])),
    ("uffdio_move",             region::move_page),
    ("madvise-wipeonfork",      |it| region::advise(it, libc::MADV_WIPEONFORK)),
    ("madvise-dontfork",        |it| region::advise(it, libc::MADV_DONTFORK)),
    ("madvise-guard",           |it| region::advise(it, MADV_GUARD_INSTALL)),
    ("madvise-remove",          |it| region::advise(it, libc::MADV_REMOVE)),
    ("madvise-free",            |it| region::advise(it, libc::MADV_FREE)),
    ("madvise-dontneed",        |it| region::advise(it, libc::MADV_DONTNEED)),
    ("madvise-dontneed-locked", |it| region::advise(it, libc::MADV_DONTNEED_LOCKED)),
    ("process_madvise",         |it| region::advise_as_process(it, libc::MADV_DONTNEED)),
    ("mprotect-write",          |it| region::protect(it, libc::PROT_READ | libc::PROT_WRITE)),
    ("mprotect-none",           |it| region::protect(it, libc::PROT_NONE)),
    ("mprotect-page",           |it| region::protect(&(it.start..it.start + raw::PAGE), libc::PROT_READ | libc::PROT_WRITE)),
    ("pkey_mprotect",           |it| region::protect_by_key(it, libc::PROT_READ | libc::PROT_WRITE)),
    ("shmat-remap",             region::attach_over),
    ("mmap-fixed",              region::map_fixed),
    ("mremap-over",             region::move_over),
    ("mremap-dontunmap",        |it| region::move_away(it, libc::MREMAP_DONTUNMAP)),
    ("mremap-shrink",           region::shrink),
    ("mremap-away",             |it| region::move_away(it, 0)),
    ("munmap-page",             |it| region::unmap(&(it.end - raw::PAGE..it.end))),
    ("munmap",                  region::unmap),
];

/// Attacks each such region (of its own making if `own`); the tries and wins, or `None` if there
/// is no region.
pub fn tamper(own: bool, good: &str) -> Option<(u64, u64)> {
    // A jail may need no such memory for a process that is alone.
    std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
    let _ = raw::wait(raw::fork(|| 0), 0);
    for _ in 0..8 {
        if let Ok(fd) = raw::open_path(good, libc::O_RDONLY) {
            let _ = raw::close(fd as i32);
        }
    }
    let mut tries = 0;
    let mut wins = 0;
    let own = own.then(|| region::unsealed(128 * 1024));
    let regions = own.map_or_else(regions, |own| vec![own]);
    if regions.is_empty() {
        println!("tamper-region none");
        return None;
    }
    for it in regions {
        let text = first_text(&region::copy(&it));
        println!("tamper-region {:#x} {} {text}", it.start, it.end - it.start);
        for (name, attack) in ATTACKS {
            tries += 1;
            match attack(&it) {
                Ok(_) => {
                    wins += 1;
                    println!("tamper-{name} won");
                }
                Err(errno) => println!("tamper-{name} {errno:?}"),
            }
        }
    }
    Some((tries, wins))
}

/// The anonymous private regions that can be read and nothing else.
fn regions() -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let region = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let anonymous = words.next()? == "r--p" && words.nth(2)? == "0" && words.next().is_none();
        let number = |text| usize::from_str_radix(text, 16).ok();
        anonymous.then_some(number(start)?..number(end)?)
    };
    maps.lines().filter_map(region).collect()
}

/// The first string in it.
fn first_text(bytes: &[u8]) -> String {
    let mut words = bytes.split(|byte| *byte == 0);
    let word = words.find(|word| !word.is_empty()).unwrap_or_default();
    String::from_utf8_lossy(word).into_owned()
}
