//! The arguments of a program that a call starts, as far as rules ask for them, and what is kept of
//! them until the program is loaded: hashes of a fixed size, however long the arguments are.

use crate::policy;
use crate::sys::{Errno, memory};
use crate::syscalls::Call;
use crate::syscalls::op::{Exec, Op};
use crate::trace::Tid;
use std::hash::{BuildHasher, Hasher, RandomState};

/// MAX_ARG_STRLEN of linux/binfmts.h.
const LONGEST: usize = 131_072;
/// No kernel takes more: bprm_stack_limits of fs/exec.c.
const MOST_BYTES: usize = 6 << 20;

/// Hashes of 128 bits, with keys that are secret and new for each jail: the command can neither see a
/// hash nor compute one, so that it finds two texts of one hash by luck alone.
#[derive(Debug)]
pub struct Keys([RandomState; 2]);

/// A hash of one or many texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u64; 2]);

impl Default for Keys {
    fn default() -> Self {
        Keys([RandomState::new(), RandomState::new()])
    }
}

impl Keys {
    pub fn text(&self, text: &[u8]) -> Digest {
        self.texts(std::iter::once(text))
    }

    pub fn texts<'a>(&self, texts: impl Iterator<Item = &'a [u8]>) -> Digest {
        let mut sum = self.start();
        texts.for_each(|text| sum.add(text));
        sum.end()
    }

    fn start(&self) -> Sum<impl Hasher + use<>> {
        Sum(self.0.each_ref().map(RandomState::build_hasher))
    }
}

/// A hash that is being computed.
struct Sum<H>([H; 2]);

impl<H: Hasher> Sum<H> {
    /// With the length first: no text runs into the next.
    fn add(&mut self, text: &[u8]) {
        for hasher in &mut self.0 {
            hasher.write_usize(text.len());
            hasher.write(text);
        }
    }

    fn end(&self) -> Digest {
        Digest(self.0.each_ref().map(Hasher::finish))
    }
}

/// An argument vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vector {
    count: usize,
    first: Digest,
    /// All but the first.
    rest: Digest,
}

impl Vector {
    /// Reads the arguments of execve or execveat from the task's memory. Returns the first of them, as
    /// many as a rule can ask for.
    pub fn read(keys: &Keys, tid: Tid, call: &Call) -> Result<(Vec<Vec<u8>>, Vector), Errno> {
        let place = match call.op() {
            Op::Exec(Exec::Execveat) => 2,
            _ => 1,
        };
        let mut address = call.args.get(place).copied().unwrap_or(0);
        let (mut pointers, mut texts) = (Window::new(tid), Window::new(tid));
        let mut begin = Vec::new();
        let mut text = Vec::new();
        let mut rest = keys.start();
        let (mut count, mut bytes) = (0, 0);
        while address != 0 {
            match pointers.word(address)? {
                0 => break,
                at => texts.string(at, &mut text)?,
            }
            bytes += text.len() + 1 + size_of::<u64>();
            if bytes > MOST_BYTES {
                return Err(Errno::E2BIG);
            }
            if count > 0 {
                rest.add(&text);
            }
            count += 1;
            if begin.len() < policy::MOST_ARGUMENTS {
                begin.push(text.clone());
            }
            address = address.wrapping_add(8);
        }
        if begin.is_empty() {
            // The kernel makes an empty one of none (Linux 5.18).
            begin.push(Vec::new());
            count = 1;
        }
        let first = keys.text(begin.first().map_or(b"", Vec::as_slice));
        let rest = rest.end();
        Ok((begin, Vector { count, first, rest }))
    }

    /// One of one empty argument.
    #[cfg(test)]
    pub fn of_test(keys: &Keys) -> Self {
        let (first, rest) = (keys.text(b""), keys.start().end());
        Vector {
            count: 1,
            first,
            rest,
        }
    }

    /// Whether `line`, as /proc/PID/cmdline has it, holds these arguments and no others.
    pub fn is(&self, keys: &Keys, line: &[u8]) -> bool {
        let mut words = words(line);
        words.clone().count() == self.count
            && words.next().map(|first| keys.text(first)) == Some(self.first)
            && keys.texts(words) == self.rest
    }

    /// Whether `line` is that of a script with these arguments: the interpreter and its words, the
    /// script as the call named it, and all arguments but the first. Returns the script's name.
    pub fn of_script<'a>(&self, keys: &Keys, line: &'a [u8]) -> Option<&'a [u8]> {
        let place = words(line).count().checked_sub(self.count)?;
        let mut words = words(line).skip(place);
        let script = words.next()?;
        (place > 0 && keys.texts(words) == self.rest).then_some(script)
    }
}

/// The page of a task's memory that was read last: of 600,000 arguments each would take two calls.
struct Window {
    tid: Tid,
    page: Option<u64>,
    bytes: Vec<u8>,
}

impl Window {
    const PAGE: u64 = 4096;

    fn new(tid: Tid) -> Self {
        Self {
            tid,
            page: None,
            bytes: vec![0; Self::PAGE as usize],
        }
    }

    /// What is there, to the end of its page.
    fn at(&mut self, address: u64) -> Result<&[u8], Errno> {
        let page = address - address % Self::PAGE;
        if self.page != Some(page) {
            self.page = None;
            match memory::read(self.tid, page, &mut self.bytes) {
                Ok(read) if read == self.bytes.len() => self.page = Some(page),
                // An address that is none of the user's.
                Ok(_) | Err(Errno::EINVAL | Errno::EIO) => return Err(Errno::EFAULT),
                Err(errno) => return Err(errno),
            }
        }
        let from = (address % Self::PAGE) as usize;
        self.bytes.get(from..).ok_or(Errno::EFAULT)
    }

    fn word(&mut self, address: u64) -> Result<u64, Errno> {
        let mut word = [0; 8];
        for (at, byte) in (0..).zip(&mut word) {
            let there = self.at(address.wrapping_add(at))?;
            *byte = there.first().copied().ok_or(Errno::EFAULT)?;
        }
        Ok(u64::from_ne_bytes(word))
    }

    /// A text that ends with NUL, in the place of what `text` holds. E2BIG: it is too long.
    fn string(&mut self, mut address: u64, text: &mut Vec<u8>) -> Result<(), Errno> {
        text.clear();
        while text.len() < LONGEST {
            let there = self.at(address)?;
            let there = there.get(..there.len().min(LONGEST - text.len()));
            let there = there.unwrap_or_default();
            match there.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend_from_slice(there.get(..end).unwrap_or_default());
                    return Ok(());
                }
                None => {
                    text.extend_from_slice(there);
                    address = address.wrapping_add(there.len() as u64);
                }
            }
        }
        Err(Errno::E2BIG)
    }
}

/// The arguments in a command line, each of which ends with a NUL.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let line = line.strip_suffix(&[0]);
    line.into_iter()
        .flat_map(|line| line.split(|byte| *byte == 0))
}

/// What a rule has judged of an execve. Of a fixed size, however long the arguments are: a call that
/// fails leaves it behind until the task's next call.
#[derive(Debug)]
pub struct JudgedExec {
    pub vector: Vector,
    /// The program as the call named it; `None`: by a descriptor alone.
    pub given: Option<Digest>,
    /// Where that leads.
    pub path: Digest,
    /// Whether it is a script.
    pub script: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(keys: &Keys, words: &[&str]) -> Vector {
        let mut words = words.iter().map(|word| word.as_bytes());
        Vector {
            count: words.len(),
            first: keys.text(words.next().unwrap_or_default()),
            rest: keys.texts(words),
        }
    }

    #[test]
    fn a_vector_is_known_by_its_words_and_their_borders() {
        let keys = Keys::default();
        let known = vector(&keys, &["git", "push", ""]);
        assert!(known.is(&keys, b"git\0push\0\0"));
        for other in [
            &b"git\0push\0"[..],
            b"git\0push\0\0\0",
            b"git\0pus\0h\0",
            b"gitpush\0\0\0",
            b"hg\0push\0\0",
            b"",
        ] {
            assert!(!known.is(&keys, other), "{other:?}");
        }
        assert!(vector(&keys, &[""]).is(&keys, b"\0"));
    }

    #[test]
    fn a_script_is_known_by_its_name_and_what_follows() {
        let keys = Keys::default();
        let known = vector(&keys, &["x", "a", "b"]);
        let script = |line: &'static [u8]| known.of_script(&keys, line);
        assert_eq!(script(b"/bin/sh\0./x\0a\0b\0"), Some(&b"./x"[..]));
        assert_eq!(script(b"/bin/env\0sh\0./x\0a\0b\0"), Some(&b"./x"[..]));
        assert_eq!(script(b"x\0a\0b\0"), None);
        assert_eq!(script(b"/bin/sh\0./x\0a\0c\0"), None);
    }

    /// execve of this process, with these arguments.
    fn call(pointers: &[*const std::ffi::c_char]) -> Call {
        let execve = Op::Exec(Exec::Execve).number();
        Call {
            nr: execve.expect("a number"),
            args: [0, pointers.as_ptr().addr() as u64, 0, 0, 0, 0],
        }
    }

    #[test]
    fn arguments_are_read_whatever_pages_they_lie_in() {
        let keys = Keys::default();
        let own = std::process::id() as Tid;
        let words: Vec<std::ffi::CString> = (0..1000)
            .map(|n| std::ffi::CString::new("x".repeat(n * 7 % 9000)).expect("a text"))
            .collect();
        let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(std::ptr::null());
        let (begin, found) = Vector::read(&keys, own, &call(&pointers)).expect("arguments");
        assert_eq!(begin.len(), policy::MOST_ARGUMENTS);
        let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str().ok()).collect();
        assert_eq!(found, vector(&keys, &texts));
        assert!(
            begin
                .iter()
                .zip(&texts)
                .all(|(one, other)| one == other.as_bytes())
        );
    }

    #[test]
    fn what_is_not_there_and_what_is_too_long_are_errors() {
        let keys = Keys::default();
        let own = std::process::id() as Tid;
        let read = |pointers: &[*const std::ffi::c_char]| {
            Vector::read(&keys, own, &call(pointers)).map(|(_, vector)| vector)
        };
        let null = std::ptr::null();
        assert_eq!(read(&[null]), Ok(vector(&keys, &[""])));
        assert_eq!(
            read(&[std::ptr::without_provenance(8), null]),
            Err(Errno::EFAULT)
        );
        let long = std::ffi::CString::new("x".repeat(LONGEST)).expect("a text");
        assert_eq!(read(&[long.as_ptr(), null]), Err(Errno::E2BIG));
        let many = std::ffi::CString::new("x".repeat(LONGEST - 1)).expect("a text");
        let mut pointers = vec![many.as_ptr(); 60];
        pointers.push(null);
        assert_eq!(read(&pointers), Err(Errno::E2BIG));
    }

    #[test]
    fn hashes_of_two_jails_differ() {
        assert_ne!(Keys::default().text(b"a"), Keys::default().text(b"a"));
    }
}
