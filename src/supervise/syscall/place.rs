//! Where the guarded pages lie in every process, and what /proc shows of that place.

use super::slots::SLOT;
use crate::baseline::{PAGES_END, PAGES_LEAST};
use crate::supervise::credentials::as_tracer;
use crate::sys::Errno;
use crate::sys::memory::page_size;
use crate::trace::Tid;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// The pages begin at a multiple of this: no page of memory is larger.
const LARGEST_PAGE: u64 = 65536;

/// The addresses of the pages, the same in every process. They begin at vm.mmap_min_addr or above. A slot is for
/// a call that is under way; a call that finds none free fails. `None`: vm.mmap_min_addr leaves no room for one.
pub fn place() -> Option<Range<u64>> {
    static PLACE: OnceLock<Option<Range<u64>>> = OnceLock::new();
    let read = || {
        // If it cannot be read or is no number, the kernel refuses to map what it does not allow.
        let least = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
        place_above(least.trim().parse().unwrap_or(0))
    };
    PLACE.get_or_init(read).clone()
}

fn place_above(lowest: u64) -> Option<Range<u64>> {
    let start = lowest
        .max(PAGES_LEAST)
        .checked_next_multiple_of(LARGEST_PAGE)?;
    (start + SLOT <= PAGES_END).then_some(start..PAGES_END)
}

/// Whether /proc/PID/maps shows the pages at this place: private, anonymous and read-only.
pub fn are_there(tid: Tid, place: &Range<u64>) -> bool {
    shows(&up_to(place, tid, "maps"), place)
}

/// Whether /proc/PID/smaps shows a mapping at this place that is like the pages in every way, whichever task
/// has made it.
pub fn are_alike(tid: Tid, place: &Range<u64>) -> bool {
    shows_alike(&up_to(place, tid, "smaps"), place)
}

/// What such a file of /proc/PID says of the mappings up to this place: hardly any lie below it. Of a program
/// with many the end may be missing, as if the pages were not there.
fn up_to(place: &Range<u64>, tid: Tid, name: &str) -> Vec<u8> {
    const MOST: usize = 65536;
    let mut text = Vec::new();
    let read = as_tracer(|| {
        let mut file = File::open(format!("/proc/{tid}/{name}")).map_err(errno)?;
        let mut more = [0; 4096];
        while text.len() < MOST && !is_past(&text, place) {
            match file.read(&mut more).map_err(errno)? {
                0 => break,
                count => text.extend_from_slice(more.get(..count).unwrap_or_default()),
            }
        }
        Ok(())
    });
    match read {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

/// Whether it tells of a mapping above this place.
fn is_past(text: &[u8], place: &Range<u64>) -> bool {
    let above = |line: &[u8]| addresses(line).is_some_and(|found| found.start >= place.end);
    text.split(|byte| *byte == b'\n').any(above)
}

/// The addresses with which the first line about a mapping begins.
fn addresses(line: &[u8]) -> Option<Range<u64>> {
    let range = line.split(|byte| *byte == b' ').next()?;
    let (start, end) = std::str::from_utf8(range).ok()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

fn shows(maps: &[u8], place: &Range<u64>) -> bool {
    let mut lines = maps.split_inclusive(|byte| *byte == b'\n');
    lines.any(|line| line.ends_with(b"\n") && is_of_pages(line, place).unwrap_or(false))
}

/// proc_pid_smaps(5): VmFlags is the last line about a mapping.
fn shows_alike(smaps: &[u8], place: &Range<u64>) -> bool {
    let mut within = false;
    for line in smaps.split_inclusive(|byte| *byte == b'\n') {
        match (within, line.strip_prefix(b"VmFlags:")) {
            (true, Some(flags)) => return line.ends_with(b"\n") && are_of_pages(flags),
            (false, _) => within = is_of_pages(line, place).unwrap_or(false),
            (true, None) => {}
        }
    }
    false
}

/// Whether a mapping with these flags behaves as the pages do. It may be executable, locked, sealed, and made of
/// huge or merged pages. Above all it must neither grow downwards ("gd": mprotect with PROT_GROWSDOWN then
/// begins at its start, whatever address it names) nor be discarded by the kernel ("dp").
fn are_of_pages(flags: &[u8]) -> bool {
    const HARMLESS: [&str; 14] = [
        "rd", "ex", "mr", "mw", "me", "ac", "nr", "lo", "lf", "hg", "nh", "mg", "sd", "sl",
    ];
    let flags = std::str::from_utf8(flags).unwrap_or("?");
    let mut flags = flags.split_ascii_whitespace();
    flags.all(|flag| HARMLESS.contains(&flag))
}

/// Whether a line of proc_pid_maps(5), `START-END PERMISSIONS OFFSET DEVICE INODE [NAME]`, is that of the pages.
/// The kernel joins neighbouring mappings that are alike.
fn is_of_pages(line: &[u8], place: &Range<u64>) -> Option<bool> {
    let found = addresses(line)?;
    let covers = found.start <= place.start && place.end <= found.end;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace().skip(1);
    let access = words.next()?.as_bytes();
    // They may be executable (READ_IMPLIES_EXEC of personality(2)).
    let private = matches!(access, [b'r', b'-', _, b'p']);
    let (device, inode) = (words.nth(1)?, words.next()?);
    Some(covers && private && (device, inode) == ("00:00", "0") && words.next().is_none())
}

/// Whether none of the pages has any content, in memory or in swap: /proc/PID/pagemap, a word a page
/// (Documentation/admin-guide/mm/pagemap.rst). Where it cannot be asked, one may have.
pub fn are_untouched(tid: Tid, place: &Range<u64>) -> bool {
    const PRESENT_OR_SWAPPED: u64 = 3 << 62;
    let page = page_size();
    let mut words = vec![0xff; ((place.end - place.start) / page * 8) as usize];
    let read = as_tracer(|| File::open(format!("/proc/{tid}/pagemap")).map_err(errno))
        .map_err(std::io::Error::from)
        .and_then(|file| file.read_exact_at(&mut words, place.start / page * 8));
    let absent = |word: &[u8]| {
        let word = u64::from_ne_bytes(word.try_into().unwrap_or([0xff; 8]));
        word & PRESENT_OR_SWAPPED == 0
    };
    read.is_ok() && words.chunks_exact(8).all(absent)
}

/// The errno of a failed call on a file of /proc.
pub fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Range<u64> = 0x1_0000..0x20_0000;

    #[test]
    fn the_pages_begin_where_programs_may_map_and_never_below_their_least_address() {
        let start = |lowest| place_above(lowest).map(|place| place.start);
        for low in [0, 4096, 32768, 65535, PAGES_LEAST - 1, PAGES_LEAST] {
            assert_eq!(start(low), Some(PAGES_LEAST), "{low}");
        }
        assert_eq!(start(PAGES_LEAST + 1), Some(PAGES_LEAST + LARGEST_PAGE));
        let last = PAGES_END - LARGEST_PAGE;
        assert_eq!(start(last), Some(last));
        for high in [last + 1, PAGES_END, 1 << 40, u64::MAX] {
            assert_eq!(start(high), None, "{high}");
        }
    }

    #[test]
    fn the_pages_are_told_by_their_line() {
        let there = |lines: &str| shows(lines.as_bytes(), &PLACE);
        assert!(there("00010000-00200000 r--p 00000000 00:00 0 \n"));
        let between = "00000000-00001000 r-xp 00000000 00:05 9   /dev/zero\n\
                       00010000-00210000 r-xp 00000000 00:00 0\n00400000-00401000 r--p 00000000 00:00 0\n";
        assert!(there(between));
        for other in [
            "00010000-00200000 r--p 00000000 00:00 0",
            "00010000-00200000 rw-p 00000000 00:00 0\n",
            "00010000-00200000 r--s 00000000 00:00 0\n",
            "00010000-00200000 ---p 00000000 00:00 0\n",
            "00010000-00200000 r--p 00000000 08:01 7 /a 00:00 0\n",
            "00010000-00200000 r--p 00000000 00:00 0 [heap]\n",
            "00010000-001ff000 r--p 00000000 00:00 0\n001ff000-00200000 r--p 00000000 00:00 0\n",
            "00011000-00200000 r--p 00000000 00:00 0\n",
            "",
        ] {
            assert!(!there(other), "{other}");
        }
        assert!(!are_there(Tid::MAX, &PLACE) && !are_untouched(Tid::MAX, &PLACE));
        assert!(!are_alike(Tid::MAX, &PLACE));
    }

    #[test]
    fn many_mappings_below_are_read_up_to_the_place_and_no_further() {
        let tid = std::process::id() as Tid;
        let all = std::fs::read("/proc/self/maps").expect("maps");
        let mut lines = all.split(|byte| *byte == b'\n').filter_map(addresses);
        let (first, last) = (
            lines.next().expect("a line"),
            lines.next_back().expect("a line"),
        );
        let low = up_to(&(0..first.start), tid, "maps");
        assert!(is_past(&low, &(0..first.start)) && low.len() <= all.len());
        let high = up_to(&last, tid, "maps");
        assert!(
            high.split(|byte| *byte == b'\n')
                .filter_map(addresses)
                .any(|it| it == last)
        );
        assert!(up_to(&last, Tid::MAX, "maps").is_empty());
    }

    #[test]
    fn memory_that_grows_or_is_discarded_is_not_like_the_pages() {
        let line = "00010000-00200000 r--p 00000000 00:00 0 \n";
        let alike = |flags: &str| {
            let smaps = format!(
                "00001000-00002000 r--p 00000000 08:01 7 /a\nVmFlags: rd gd \n\
                 {line}Size:               1984 kB\nTHPeligible:           0\nVmFlags: {flags}\n\
                 00200000-00210000 r--p 00000000 00:00 0 \nVmFlags: rd gd \n"
            );
            shows_alike(smaps.as_bytes(), &PLACE)
        };
        assert!(alike("rd mr mw me sd ") && alike("rd ex mr mw me ac lo sd "));
        // Linux: grows down, droppable, missing pages are filled by a program, raw frames, huge pages of a file,
        // not copied by fork, wiped by it, shadow stack, one that is not known yet.
        for flag in ["gd", "dp", "um", "uw", "pf", "ht", "dc", "wf", "ss", "zz"] {
            assert!(!alike(&format!("rd mr mw me {flag} sd ")), "{flag}");
        }
        assert!(!shows_alike(line.as_bytes(), &PLACE), "no flags");
        let cut = format!("{line}VmFlags: rd mr mw me");
        assert!(!shows_alike(cut.as_bytes(), &PLACE), "{cut}");
    }
}
