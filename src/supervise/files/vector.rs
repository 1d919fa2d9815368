//! The arguments of a program that a call starts, as far as rules ask for them, and what is kept of
//! them until the program is loaded: hashes of a fixed size, however long the arguments are.

use super::resolve::read_string;
use crate::policy;
use crate::sys::{Errno, memory};
use crate::syscalls::Call;
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
        let place = match call.syscall().map(|syscall| syscall.name) {
            Some("execveat") => 2,
            _ => 1,
        };
        let mut address = call.args.get(place).copied().unwrap_or(0);
        let mut begin = Vec::new();
        let mut rest = keys.start();
        let (mut count, mut bytes) = (0, 0);
        while address != 0 {
            let mut pointer = [0; 8];
            if memory::read(tid, address, &mut pointer)? < pointer.len() {
                return Err(Errno::EFAULT);
            }
            let text = match u64::from_ne_bytes(pointer) {
                0 => break,
                text => read_string(tid, text, LONGEST)?,
            };
            bytes += text.len() + 1 + pointer.len();
            if bytes > MOST_BYTES {
                return Err(Errno::E2BIG);
            }
            if count > 0 {
                rest.add(&text);
            }
            count += 1;
            if begin.len() < policy::MOST_ARGUMENTS {
                begin.push(text);
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

/// The arguments in a command line, each of which ends with a NUL.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let line = line.strip_suffix(&[0]);
    line.into_iter()
        .flat_map(|line| line.split(|byte| *byte == 0))
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

    #[test]
    fn hashes_of_two_jails_differ() {
        assert_ne!(Keys::default().text(b"a"), Keys::default().text(b"a"));
    }
}
