//! What `files` does with its table: lists it, makes one call, or one a line.

use crate::calls::{CALLS, Call};
use crate::job::{self, Answer};
use crate::old;
use crate::raw::{self, Arg::*};
use std::ffi::CString;
use std::io::{BufRead, Write};

/// Prints what the test has to know: `CALL WANTS ACCESS OTHER`.
pub fn list() {
    for call in CALLS.iter().filter(|call| old::EXIST || !call.old) {
        println!(
            "{} {} {} {}",
            call.name, call.wants, call.access, call.other
        );
    }
}

/// One call; `None` if there is no such call or variant.
pub fn one(call: &str, variant: &str, directory: &str, name: &str) -> Option<Answer> {
    let call: &Call = CALLS.iter().find(|known| known.name == call)?;
    let result = job::name(variant, directory, name, call.at, call.follows)?;
    Some(match result {
        Ok(job) => match (call.run)(&job) {
            Ok(()) => Answer::Ok,
            Err(answer) => answer,
        },
        Err(answer) => answer,
    })
}

/// Makes the call of each line of stdin, and prints a line for each.
pub fn run() {
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let &[call, variant, directory, name] = words.as_slice() else {
            eprintln!("files: no job: {line:?}");
            std::process::exit(2);
        };
        let ended = raw::child(|| {
            let text = match one(call, variant, directory, name) {
                Some(answer) => format!("{answer}\n"),
                None => "no-such-call\n".to_owned(),
            };
            let mut out = std::io::stdout().lock();
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            i32::from(written.is_err())
        });
        if ended != 0 {
            println!("ended:{ended:#x}");
        }
    }
}

/// Gives each file that stdin names the extended attribute that the calls ask for.
pub fn mark() {
    for path in lines() {
        let path = CString::new(path).unwrap_or_default();
        let arguments = [P(&path), P(c"user.files"), B(b"1"), I(1), I(0)];
        if let Err(errno) = raw::call(libc::SYS_setxattr, &arguments) {
            println!("{errno:?}");
        }
    }
}

/// All of stdin, before anything is forked.
fn lines() -> Vec<String> {
    std::io::stdin()
        .lock()
        .lines()
        .map_while(Result::ok)
        .collect()
}
