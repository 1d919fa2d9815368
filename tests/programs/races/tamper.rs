//! Attacks on the memory that a jail may have mapped here to hold checked paths.

use crate::raw::region::{self, low};
use crate::raw::{self, Called, heap};
use nix::errno::Errno;
use std::fs;
use std::ops::Range;
use std::time::Duration;

type Attack = (&'static str, fn(&Range<usize>) -> Called);

const MADV_GUARD_INSTALL: i32 = 102;
/// Bit 57, the lowest of a tag on x86-64, which is one of the top byte that aarch64 ignores.
const TAG: usize = 1 << 57;

/// What must fail, or change nothing; whatever destroys most comes last.
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
    ("uffdio_move-user",        region::move_page_of_user),
    ("madvise-wipeonfork",      |it| region::advise(it, libc::MADV_WIPEONFORK)),
    ("madvise-dontfork",        |it| region::advise(it, libc::MADV_DONTFORK)),
    ("madvise-guard",           |it| region::advise(it, MADV_GUARD_INSTALL)),
    ("madvise-remove",          |it| region::advise(it, libc::MADV_REMOVE)),
    ("madvise-free",            |it| region::advise(it, libc::MADV_FREE)),
    ("madvise-dontneed",        |it| region::advise(it, libc::MADV_DONTNEED)),
    ("madvise-dontneed-locked", |it| region::advise(it, libc::MADV_DONTNEED_LOCKED)),
    ("madvise-from-below",      |it| region::advise(&(0..it.end), libc::MADV_DONTNEED)),
    ("madvise-each",            advise_each),
    ("process_madvise",         |it| region::advise_as_process(it, libc::MADV_DONTNEED)),
    ("mprotect-write",          |it| region::protect(it, libc::PROT_READ | libc::PROT_WRITE)),
    ("mprotect-none",           |it| region::protect(it, libc::PROT_NONE)),
    ("mprotect-page",           |it| region::protect(&(it.start..it.start + raw::PAGE), libc::PROT_READ | libc::PROT_WRITE)),
    ("mprotect-tagged",         |it| region::protect(&tagged(it), libc::PROT_READ | libc::PROT_WRITE)),
    ("mprotect-downwards",      |it| region::protect_downwards(&(it.end..it.end + raw::PAGE))),
    ("mprotect-downwards-page", |it| region::protect_downwards(&(it.end - raw::PAGE..it.end))),
    ("madvise-tagged",          |it| region::advise(&tagged(it), libc::MADV_DONTNEED)),
    ("mremap-tagged",           |it| region::move_away(&tagged(it), 0)),
    ("munmap-tagged",           |it| region::unmap(&tagged(it))),
    ("pkey_mprotect",           |it| region::protect_by_key(it, libc::PROT_READ | libc::PROT_WRITE)),
    ("shmat-remap",             |it| region::attach_over(it, 0, libc::SHM_REMAP)),
    ("shmat-rounded",           |it| region::attach_over(it, 1, libc::SHM_REMAP | libc::SHM_RND)),
    ("shmdt",                   region::detach),
    ("mmap-fixed",              region::map_fixed),
    ("mmap-fixed-page",         |it| region::map_fixed(&(it.end - raw::PAGE..it.end))),
    ("mmap-fixed-growsdown",    |it| region::map_fixed_as(it, libc::MAP_GROWSDOWN)),
    ("mmap-fixed-from-zero",    |it| region::map_fixed(&(0..it.end))),
    ("mmap-gigantic",           region::map_gigantic),
    ("mmap-gigantic-file",      region::map_gigantic_file),
    ("mremap-over",             region::move_over),
    ("mremap-to-zero",          |it| region::move_to_zero(it.end)),
    ("mremap-dontunmap",        |it| region::move_away(it, libc::MREMAP_DONTUNMAP)),
    ("mremap-shrink",           region::shrink),
    ("mremap-shrink-wrapped",   region::shrink_wrapped),
    ("mremap-shrink-above",     region::shrink_from_above),
    ("mremap-away",             |it| region::move_away(it, 0)),
    ("mm-map-and-brk",          heap::unmap_as_heap),
    ("tags-and-munmap",         |it| heap::enable_tags().and_then(|_| region::unmap(&tagged(it)))),
    ("munmap-page",             |it| region::unmap(&(it.end - raw::PAGE..it.end))),
    ("munmap-from-below",       |it| region::unmap(&(0..it.end))),
    ("munmap",                  region::unmap),
];

fn tagged(it: &Range<usize>) -> Range<usize> {
    it.start | TAG..it.end | TAG
}

/// By each number of an advice that there may be.
fn advise_each(it: &Range<usize>) -> Called {
    let mut advised = (0..=1024).map(|advice| region::advise(it, advice));
    advised.find(Result::is_ok).unwrap_or(Err(Errno::EPERM))
}

/// Attacks each such region (of its own making if `own`: as the jail's, and anew for each attack); the tries
/// and wins, or `None` if there is no region.
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
    let regions = match own {
        true => vec![low()],
        false => regions(),
    };
    if regions.is_empty() {
        println!("tamper-region none");
        return None;
    }
    for it in regions {
        if own {
            region::place(&it);
        }
        let text = first_text(&region::first_page(&it).unwrap_or_default());
        println!("tamper-region {:#x} {} {text}", it.start, it.end - it.start);
        for (name, attack) in ATTACKS {
            if own {
                region::place(&it);
            }
            let before = region::first_page(&it);
            tries += 1;
            // Some destroy it and fail.
            let result = attack(&it);
            match result {
                Err(errno) if is_as_before(&it, &before) => println!("tamper-{name} {errno:?}"),
                _ => {
                    wins += 1;
                    println!("tamper-{name} won");
                }
            }
        }
    }
    Some((tries, wins))
}

fn is_as_before(it: &Range<usize>, before: &Option<Vec<u8>>) -> bool {
    before.is_some() && region::first_page(it) == *before && region::is_readable_only(it)
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
