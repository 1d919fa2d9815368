//! `files steps STEP…`: one system call after the other, each a word list; prints a line for each.
//!
//! A step is the number of a system call, or one of the verbs below, and its arguments: a number,
//! `{K}` (what step K returned), `:TEXT` (a string, in which `{K}` is replaced), `buf` (a page),
//! `words:A,B` (memory that holds these numbers of 64 bits), `null`, `bad` (an address that is nobody's), `sealed` (a page that cannot be read) or
//! `end:TEXT` (a string that ends with its page, without NUL). A step that fails returns -1.

use crate::raw::{self, Arg};
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

/// What the steps leave behind.
#[derive(Default)]
struct Left {
    results: Vec<i64>,
    children: Vec<Child>,
}

/// Makes the steps; 2 if one is no step.
pub fn run(steps: &[&str]) -> i32 {
    let mut left = Left::default();
    let mut code = 0;
    for step in steps {
        let words: Vec<&str> = step.split(' ').collect();
        let Some(answer) = left.step(&words) else {
            eprintln!("files: no step: {step:?}");
            code = 2;
            break;
        };
        let result = match answer {
            Ok((result, text)) => {
                println!("{text}");
                result
            }
            Err(errno) => {
                println!("{errno:?}");
                -1
            }
        };
        left.results.push(result);
    }
    for mut child in left.children {
        let _ = child.kill();
        let _ = child.wait();
    }
    code
}

type Answer = Result<(i64, String), Errno>;

impl Left {
    fn step(&mut self, words: &[&str]) -> Option<Answer> {
        let ok = |result: Result<(), Errno>| Some(result.map(|()| (0, "ok".to_owned())));
        match *words {
            // Reads a descriptor to its end.
            ["show", fd] => Some(show(self.number(fd)?)),
            // A process that does nothing.
            ["child"] => Some(self.child()),
            // What a call returns.
            ["value", number, ref arguments @ ..] => {
                let result = self.call(number.parse().ok()?, arguments)?;
                Some(result.map(|result| (result, format!("= {result:#o}"))))
            }
            // A program without a path.
            ["memfd", path] => Some(memfd(path)),
            ["exec", path] => ok(raw::exec(None, &self.text(path.strip_prefix(':')?)?)),
            ["exec-fd", fd] => {
                let at = (self.number(fd)?, libc::AT_EMPTY_PATH);
                ok(raw::exec(Some(at), c""))
            }
            [number, ref arguments @ ..] => {
                let result = self.call(number.parse().ok()?, arguments)?;
                Some(result.map(|result| (result, "ok".to_owned())))
            }
            [] => None,
        }
    }

    fn call(&self, number: i64, words: &[&str]) -> Option<Result<i64, Errno>> {
        let texts: Vec<Option<CString>> = words
            .iter()
            .map(|word| self.text(word.strip_prefix(':')?))
            .collect();
        let memory: Vec<Vec<u8>> = words
            .iter()
            .map(|word| {
                let numbers = word.strip_prefix("words:").unwrap_or_default().split(',');
                let numbers = numbers.filter_map(|number| number.parse::<u64>().ok());
                numbers.flat_map(u64::to_ne_bytes).collect()
            })
            .collect();
        let mut arguments = Vec::new();
        for ((word, text), memory) in words.iter().zip(&texts).zip(&memory) {
            arguments.push(match (text, *word) {
                (Some(text), _) => Arg::P(text),
                (None, word) if word.starts_with("words:") => Arg::B(memory),
                (None, "buf") => Arg::B(&[]),
                (None, "null") => Arg::N,
                (None, "bad") => Arg::I(0x1000),
                (None, "sealed") => Arg::I(page(b"", false)?),
                (None, word) => match word.strip_prefix("end:") {
                    Some(text) => Arg::I(page(text.as_bytes(), true)?),
                    None => Arg::I(self.number(word)?),
                },
            });
        }
        Some(raw::call(number, &arguments))
    }

    fn number(&self, word: &str) -> Option<i64> {
        let text = self.text(word)?;
        text.to_str().ok()?.parse().ok()
    }

    /// With results in the place of their numbers.
    fn text(&self, word: &str) -> Option<CString> {
        let mut text = word.to_owned();
        for (index, result) in self.results.iter().enumerate() {
            text = text.replace(&format!("{{{index}}}"), &result.to_string());
        }
        CString::new(text).ok()
    }

    fn child(&mut self) -> Answer {
        let child = Command::new("/bin/sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let pid = i64::from(child.id());
        // Until it is another program, it has this one's memory.
        std::thread::sleep(std::time::Duration::from_millis(20));
        self.children.push(child);
        Ok((pid, "ok".to_owned()))
    }
}

fn show(fd: i64) -> Answer {
    let mut text = Vec::new();
    loop {
        let arguments = [Arg::I(fd), Arg::B(&[]), Arg::I(4096)];
        let (length, rooms) = raw::call_reading(libc::SYS_read, &arguments)?;
        if length == 0 {
            break;
        }
        let [_, room, ..] = rooms;
        text.extend_from_slice(room.0.get(..length as usize).unwrap_or_default());
    }
    Ok((
        0,
        format!("= {}", String::from_utf8_lossy(&text).trim_end()),
    ))
}

fn memfd(path: &str) -> Answer {
    let content = std::fs::read(path).unwrap_or_default();
    let name: &CStr = c"program";
    let fd = raw::call(libc::SYS_memfd_create, &[Arg::P(name), Arg::I(0)])?;
    for part in content.chunks(4096) {
        let length = part.len() as i64;
        raw::call(libc::SYS_write, &[Arg::I(fd), Arg::B(part), Arg::I(length)])?;
    }
    Ok((fd, "ok".to_owned()))
}

/// The address of a text that the end of its page cuts off; or of a page that cannot be read.
fn page(text: &[u8], readable: bool) -> Option<i64> {
    const PAGE: i64 = 4096;
    let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let protection = i64::from(libc::PROT_READ | libc::PROT_WRITE);
    let arguments = [0, 2 * PAGE, protection, flags, -1, 0].map(Arg::I);
    let start = raw::call(libc::SYS_mmap, &arguments).ok()?;
    let place = start + PAGE - text.len() as i64;
    // By way of a pipe, for it is the kernel that writes there.
    let (from, mut to) = std::io::pipe().ok()?;
    to.write_all(text).ok()?;
    if !text.is_empty() {
        let from = i64::from(from.as_raw_fd());
        let length = text.len() as i64;
        raw::call(libc::SYS_read, &[from, place, length].map(Arg::I)).ok()?;
    }
    let closed = if readable { start + PAGE } else { start };
    let none = i64::from(libc::PROT_NONE);
    raw::call(libc::SYS_mprotect, &[closed, PAGE, none].map(Arg::I)).ok()?;
    Some(if readable { place } else { start })
}
