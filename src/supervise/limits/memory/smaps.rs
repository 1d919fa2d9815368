//! What /proc says of a process's memory: proc_pid_status(5), proc_pid_smaps(5). In bytes.

use crate::sys::proc::Status;
use crate::trace::Tid;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// Memory that is given back when no process has it any more; the pages of files on disks are not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Anonymous.
    pub anonymous: u64,
    /// Of tmpfs, memfds, System V and shared anonymous mappings.
    pub shared: u64,
}

/// What a process has, shared or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// In memory.
    pub memory: Memory,
    /// Anonymous, in swap.
    pub swapped: u64,
    /// Its page tables, which take a page for each 2 MiB where a single page was looked at.
    pub tables: u64,
}

impl Resident {
    /// Anonymous, wherever it is.
    pub fn anonymous(self) -> u64 {
        self.memory.anonymous.saturating_add(self.swapped)
    }

    /// All.
    pub fn sum(self) -> u64 {
        let pages = self.memory.sum().saturating_add(self.swapped);
        pages.saturating_add(self.tables)
    }
}

impl Memory {
    /// Both.
    pub fn sum(self) -> u64 {
        self.anonymous.saturating_add(self.shared)
    }
}

/// A file, as stat(2) tells one from another: device and inode.
pub type Inode = (u64, u64);

/// What a process has resident: all of each page, shared or not. `None`: it is gone.
pub fn resident(pid: Tid) -> Option<Resident> {
    of_any_thread(pid, resident_of)
}

fn resident_of(tid: Tid) -> Option<Resident> {
    let status = Status::of(tid)?;
    let field = |name| status.bytes(name).unwrap_or_default();
    // One that has ended has none of these lines.
    status.field("VmRSS").map(|_| Resident {
        memory: Memory {
            anonymous: field("RssAnon"),
            shared: field("RssShmem"),
        },
        swapped: field("VmSwap"),
        tables: field("VmPTE"),
    })
}

/// The most that a process had resident since its last execve(2), pages of files included. `None`: it is
/// gone.
pub fn peak(tid: Tid) -> Option<u64> {
    Status::of(tid)?.bytes("VmHWM")
}

/// What is read of a process, or of another thread of it where the first one has ended: that has no
/// memory any more, and the others go on.
fn of_any_thread<T>(pid: Tid, read: impl Fn(Tid) -> Option<T>) -> Option<T> {
    read(pid).or_else(|| {
        let entries = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut tids = names.filter_map(|name| name.to_str()?.parse().ok());
        tids.find_map(|tid: Tid| (tid != pid).then(|| read(tid)).flatten())
    })
}

/// A process's share: of a page that n mappings have, a n-th (Linux 5.3 tells the kinds apart).
/// `None`: it may not be looked at, or it is gone.
pub fn share(pid: Tid) -> Option<Memory> {
    let rollup = rollup(pid)?;
    let field = |name| kilobytes(&rollup, name);
    Some(Memory {
        anonymous: field("Pss_Anon:") + field("SwapPss:"),
        shared: field("Pss_Shmem:"),
    })
}

/// A process's anonymous memory, counted page by page: what [`resident`] tells is kept by each processor
/// on its own for a while (percpu_counter, Linux 6.2), and may be off by some MiB on a machine of many.
/// `None`: it may not be looked at, or it is gone.
pub fn anonymous(pid: Tid) -> Option<u64> {
    let rollup = rollup(pid)?;
    let swapped = kilobytes(&rollup, "Swap:").min(resident(pid)?.swapped);
    Some(kilobytes(&rollup, "Anonymous:") + swapped)
}

fn rollup(pid: Tid) -> Option<String> {
    of_any_thread(pid, |tid| {
        let rollup = std::fs::read_to_string(format!("/proc/{tid}/smaps_rollup")).ok()?;
        (!rollup.is_empty()).then_some(rollup)
    })
}

/// A process's share of the pages that it has mapped of files that `is` says.
pub fn mapped(pid: Tid, is: impl Fn(Inode) -> bool) -> u64 {
    let smaps = |tid| {
        let file = File::open(format!("/proc/{tid}/smaps")).ok()?;
        let mut lines = BufReader::new(file);
        // It is empty where the thread has ended.
        lines
            .fill_buf()
            .is_ok_and(|first| !first.is_empty())
            .then_some(lines)
    };
    of_any_thread(pid, smaps).map_or(0, |lines| mapped_of(lines, is))
}

/// A line of /proc/PID/maps that has a file.
#[derive(Debug)]
pub struct Mapping<'a> {
    /// Its addresses.
    pub range: std::ops::Range<u64>,
    /// Of what file.
    pub inode: Inode,
    /// How much of the file lies before its end.
    pub end: u64,
    shared: bool,
    path: &'a str,
}

impl Mapping<'_> {
    /// Whether it is a shared anonymous mapping, or one of /dev/zero, which is the same
    /// (shmem_zero_setup of mm/shmem.c).
    pub fn is_shared_anonymous(&self) -> bool {
        self.shared && self.path == "/dev/zero (deleted)"
    }
}

/// Tells of each mapping of a task until it is told that this is enough; those without a file have inode
/// 0. Returns how many there were.
pub fn mappings(tid: Tid, mut tell: impl FnMut(Mapping<'_>) -> bool) -> std::io::Result<usize> {
    let mut lines = BufReader::new(File::open(format!("/proc/{tid}/maps"))?);
    let (mut line, mut number) = (Vec::new(), 0);
    while lines.read_until(b'\n', &mut line)? > 0 {
        number += 1;
        let text = String::from_utf8_lossy(&line);
        if mapping(&text).is_some_and(|mapping| !tell(mapping)) {
            break;
        }
        line.clear();
    }
    Ok(number)
}

fn mapping(line: &str) -> Option<Mapping<'_>> {
    let mut words = line.trim_end().splitn(6, ' ');
    let (range, permissions, offset) = (words.next()?, words.next()?, words.next()?);
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = range.split_once('-')?;
    let range = hexadecimal(start)?..hexadecimal(end)?;
    let length = range.end.saturating_sub(range.start);
    Some(Mapping {
        end: hexadecimal(offset)?.saturating_add(length),
        range,
        inode: file(line)?,
        shared: permissions.ends_with('s'),
        path: words.nth(2).unwrap_or_default().trim_start(),
    })
}

fn mapped_of(smaps: impl BufRead, is: impl Fn(Inode) -> bool) -> u64 {
    let (mut sum, mut mapping, mut share) = (0_u64, None, 0_u64);
    for line in smaps.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Some(file) = file(&line) {
            mapping = Some(file).filter(|file| is(*file));
        } else if mapping.is_some() && line.starts_with("Pss:") {
            share = kilobytes(&line, "Pss:");
        } else if mapping.is_some() && line.starts_with("Anonymous:") {
            // Copies of a private mapping are no pages of the file, and counted as what they are.
            let copies = kilobytes(&line, "Anonymous:");
            sum = sum.saturating_add(share.saturating_sub(copies));
        }
    }
    sum
}

/// The first line of a mapping, `START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH`: its file. `None`:
/// another line.
fn file(line: &str) -> Option<Inode> {
    let mut words = line.split_ascii_whitespace();
    let range = words.next()?;
    if range.ends_with(':') || !range.contains('-') {
        return None;
    }
    let (device, inode) = (words.nth(2)?, words.next()?);
    let (major, minor) = device.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let device = libc::makedev(number(major)?, number(minor)?);
    Some((device, inode.parse().ok()?))
}

/// A line `NAME:   NUMBER kB`, in bytes; 0 where it is missing.
fn kilobytes(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.trim().strip_suffix("kB"));
    let number: Option<u64> = number.and_then(|number| number.trim().parse().ok());
    number.unwrap_or_default().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_this_process_is_read_whole_and_shared() {
        let own = std::process::id() as Tid;
        let bytes = std::hint::black_box(vec![1_u8; 8 << 20]);
        let (whole, part) = (resident(own), share(own));
        assert!(whole.is_some_and(|memory| memory.anonymous() >= 8 << 20));
        assert!(anonymous(own).is_some_and(|bytes| bytes >= 8 << 20));
        assert!(part.is_some_and(|memory| memory.anonymous >= 8 << 20));
        assert!(bytes.iter().all(|&byte| byte == 1));
        assert_eq!(resident(i32::MAX), None);
        assert_eq!(share(i32::MAX), None);
    }

    #[test]
    fn a_shared_anonymous_mapping_is_told_from_others() {
        let line = "7f00-8000 rw-s 00001000 00:01 17                     /dev/zero (deleted)\n";
        let shared = mapping(line).expect("a mapping");
        assert!(shared.is_shared_anonymous());
        assert_eq!((shared.range, shared.end), (0x7f00..0x8000, 0x1100));
        assert_eq!(shared.inode, (libc::makedev(0, 1), 17));
        for other in [
            line.replace("rw-s", "rw-p"),
            line.replace("zero", "zeros"),
            line.replace("/dev/zero", "/memfd:/dev/zero"),
        ] {
            assert!(
                mapping(&other).is_some_and(|it| !it.is_shared_anonymous()),
                "{other}"
            );
        }
        let nothing = "7f00-8000 rw-p 00000000 00:00 0 \n";
        assert_eq!(mapping(nothing).map(|it| it.inode), Some((0, 0)));
        assert!(mapping("VmFlags: rd wr").is_none());
        let own = std::process::id() as Tid;
        assert!(mappings(own, |_| true).is_ok_and(|number| number > 3));
        assert_eq!(mappings(own, |_| false).ok(), Some(1));
    }

    #[test]
    fn a_line_without_its_number_is_nothing() {
        assert_eq!(
            kilobytes("VmSwap:\t       3 kB\nRssAnon:\t5 kB\n", "RssAnon:"),
            5120
        );
        assert_eq!(kilobytes("VmSwap:\t3\n", "VmSwap:"), 0);
        assert_eq!(kilobytes("", "VmSwap:"), 0);
    }

    #[test]
    fn of_mappings_the_pages_of_the_file_count_and_no_copies() {
        let smaps = "\
7f00-7f10 rw-s 00000000 00:05 12 /memfd:a b (deleted)
Size:                 64 kB
Pss:                  40 kB
Anonymous:             0 kB
7f20-7f30 rw-p 00000000 00:05 12 /memfd:a b (deleted)
Pss:                  30 kB
Anonymous:            25 kB
7f40-7f50 rw-s 00000000 00:05 13 /memfd:c (deleted)
Pss:                  20 kB
Anonymous:             0 kB
7f60-7f70 rw-p 00000000 00:00 0
Pss:                  10 kB
Anonymous:            10 kB
";
        let device = libc::makedev(0, 5);
        assert_eq!(
            mapped_of(smaps.as_bytes(), |file| file == (device, 12)),
            45 << 10
        );
        assert_eq!(mapped_of(smaps.as_bytes(), |_| true), 65 << 10);
        assert_eq!(mapped_of(smaps.as_bytes(), |_| false), 0);
    }
}
