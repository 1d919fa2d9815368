//! What a file says of itself as a program: a `#!` line, or the headers of elf(5).
//!
//! Files are the jailed program's to write: whatever is wrong in one makes it no program here, and the
//! look at what was loaded has the last word.

use crate::trace::Tid;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

/// BINPRM_BUF_SIZE of linux/binfmts.h: what the kernel looks at to tell what a file is.
const HEAD: usize = 256;
/// What interprets a program.
pub struct Interpreter {
    /// Its path, as the program names it.
    pub path: Vec<u8>,
    /// By a `#!` line, else as the loader of a dynamic program.
    pub script: bool,
    /// What the `#!` line passes to it.
    pub argument: Option<Vec<u8>>,
}

/// What a file says that interprets it.
pub fn interpreter(file: &File) -> Option<Interpreter> {
    let mut head = [0; HEAD];
    let read = file.read_at(&mut head, 0).ok()?;
    let head = head.get(..read)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | 0);
        let path = line.split(space).find(|word| !word.is_empty())?.to_vec();
        let begin = line.iter().position(|byte| !space(byte)).unwrap_or(0);
        let rest = line.get(begin + path.len()..).unwrap_or_default();
        // The kernel takes all of it as one argument.
        let rest = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        let rest = rest.trim_ascii();
        return Some(Interpreter {
            path,
            script: true,
            argument: (!rest.is_empty()).then(|| rest.to_vec()),
        });
    }
    let path = Elf::read(file)?.interpreter(file)?;
    Some(Interpreter {
        path,
        script: false,
        argument: None,
    })
}

/// What is looked at of an ELF file of 64 bits: elf(5).
pub struct Elf {
    kind: u16,
    segments: Vec<Segment>,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

const ET_DYN: u16 = 3;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_SONAME: u64 = 14;

impl Elf {
    /// Reads the headers; `None`: it is no such file.
    pub fn read(file: &File) -> Option<Elf> {
        const SEGMENT: usize = 56;
        // As many as the kernel takes: load_elf_phdrs of fs/binfmt_elf.c.
        const MOST: u16 = 1170;
        let mut head = [0; 64];
        file.read_exact_at(&mut head, 0).ok()?;
        // No more than load_elf_binary of fs/binfmt_elf.c looks at: class and byte order are not.
        if !head.starts_with(b"\x7fELF") {
            return None;
        }
        let (table, size, count) = (u64_at(&head, 32)?, u16_at(&head, 54)?, u16_at(&head, 56)?);
        if usize::from(size) != SEGMENT || count > MOST {
            return None;
        }
        let mut bytes = vec![0; SEGMENT * usize::from(count)];
        file.read_exact_at(&mut bytes, table).ok()?;
        let segment = |bytes: &[u8]| {
            Some(Segment {
                kind: u32_at(bytes, 0)?,
                offset: u64_at(bytes, 8)?,
                address: u64_at(bytes, 16)?,
                size: u64_at(bytes, 32)?,
            })
        };
        Some(Elf {
            kind: u16_at(&head, 16)?,
            segments: bytes.chunks_exact(SEGMENT).filter_map(segment).collect(),
        })
    }

    fn segment(&self, kind: u32) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }

    fn interpreter(&self, file: &File) -> Option<Vec<u8>> {
        let bytes = read_part(file, self.segment(PT_INTERP)?, 4096)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        bytes.get(..end).map(<[u8]>::to_vec)
    }

    /// Whether it is a dynamic loader. musl's has no name in it: it is known by that of its file.
    pub fn is_loader(&self, file: &File, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        self.kind == ET_DYN
            && self.segment(PT_INTERP).is_none()
            && (self.has_name(file) || name.starts_with(b"ld-musl-"))
    }

    /// Whether it has a DT_SONAME: what is linked against has one, a program (even a static one at
    /// no fixed address) has none.
    fn has_name(&self, file: &File) -> bool {
        // Entries are not relocated on disk, so their offset is that of the segment.
        let Some(dynamic) = self.segment(PT_DYNAMIC) else {
            return false;
        };
        let loaded = self.segments.iter().any(|segment| {
            segment.kind == PT_LOAD
                && (segment.address..segment.address.saturating_add(segment.size))
                    .contains(&dynamic.address)
        });
        let Some(bytes) = read_part(file, dynamic, 1 << 16) else {
            // What cannot be read may have one.
            return loaded;
        };
        loaded
            && bytes
                .chunks_exact(16)
                .any(|entry| u64_at(entry, 0) == Some(DT_SONAME))
    }
}

/// The files that a program is mapped with which has just been loaded: itself, and its loader, wherever
/// that lies. AT_BASE (getauxval(3)) would not do: it is 0 for a loader at a fixed address, and for one
/// whose first segment is not at 0 no mapping starts there.
pub fn mapped(pid: Tid) -> io::Result<Vec<Vec<u8>>> {
    let maps = std::fs::read(format!("/proc/{pid}/maps"))?;
    let mut files = Vec::new();
    for line in maps.split(|byte| *byte == b'\n') {
        let Some((range, path)) = mapped_file(line) else {
            continue;
        };
        // A newline is written so; whether it is one, the link tells (Linux 4.3 without a capability).
        let path = match path.windows(NEWLINE.len()).any(|part| part == NEWLINE) {
            true => {
                let link = std::fs::read_link(map_file(pid, range)?)?;
                link.into_os_string().into_vec()
            }
            false => path.to_vec(),
        };
        if !files.contains(&path) {
            files.push(path);
        }
    }
    match files.is_empty() {
        true => Err(io::ErrorKind::NotFound.into()),
        false => Ok(files),
    }
}

/// The link of a mapping, whose name has no zeros in front.
fn map_file(pid: Tid, range: &[u8]) -> io::Result<String> {
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let range = std::str::from_utf8(range).ok();
    let ends = range.and_then(|range| range.split_once('-'));
    match ends.and_then(|(from, to)| Some((number(from)?, number(to)?))) {
        Some((from, to)) => Ok(format!("/proc/{pid}/map_files/{from:x}-{to:x}")),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// How proc_pid_maps(5) writes a newline in a path; nothing else is escaped.
const NEWLINE: &[u8] = b"\\012";

/// The range and the file of one line of maps: address, permissions, offset, device, inode, then the
/// path. A mapping without a file has the inode 0, and no path or one in brackets.
fn mapped_file(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = fields.next()?;
    let inode = fields.nth(3)?;
    let path = fields.next()?.trim_ascii_start();
    (inode != b"0" || path.starts_with(b"/")).then_some((range, path))
}

fn read_part(file: &File, segment: &Segment, most: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; segment.size.min(most) as usize];
    file.read_exact_at(&mut bytes, segment.offset).ok()?;
    Some(bytes)
}

/// Eight bytes, as this machine's programs have them.
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_of_this_host_is_one_and_its_programs_are_none() {
        let shell = File::open("/bin/sh").expect("a shell");
        let found = interpreter(&shell).expect("a dynamic program");
        assert!(!found.script);
        let path = String::from_utf8(found.path).expect("a path");
        let loader = File::open(&path).expect("its loader");
        assert!(
            Elf::read(&loader).is_some_and(|elf| elf.is_loader(&loader, b"")),
            "{path}"
        );
        assert!(!Elf::read(&shell).is_some_and(|elf| elf.is_loader(&shell, b"")));
    }

    #[test]
    fn a_script_names_its_interpreter() {
        let path = std::env::temp_dir().join(format!("jail-script-{}", std::process::id()));
        std::fs::write(&path, "#! /usr/bin/env -S python3\n").expect("a file");
        let found = interpreter(&File::open(&path).expect("a file")).expect("a script");
        assert!(found.script);
        assert_eq!(found.path, b"/usr/bin/env");
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn a_line_of_maps_gives_its_file_and_nothing_else() {
        let file = b"400000-401000 r-xp 00000000 08:01 131 \t  /lib/a b\\012c";
        let found = mapped_file(file).expect("a file");
        assert_eq!(found, (&b"400000-401000"[..], &b"/lib/a b\\012c"[..]));
        for line in [
            &b"7f0-7f1 rw-p 00000000 00:00 0   [stack]"[..],
            b"7f0-7f1 rw-p 00000000 00:00 0 ",
            b"",
        ] {
            assert_eq!(mapped_file(line), None);
        }
    }

    #[test]
    fn what_is_not_there_has_no_files_but_an_error() {
        assert!(mapped(Tid::MAX).is_err());
    }

    #[test]
    fn a_broken_program_is_no_panic() {
        let path = std::env::temp_dir().join(format!("jail-elf-{}", std::process::id()));
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.extend([0xff; 80]);
        std::fs::write(&path, &bytes).expect("a file");
        assert!(interpreter(&File::open(&path).expect("a file")).is_none());
        let _ = std::fs::remove_file(path);
    }
}
