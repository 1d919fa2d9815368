//! A program for the tests of `[fs]`: `files CALL VARIANT DIR NAME` makes one system call on the
//! path DIR/NAME, named as VARIANT says, and prints `ok` or the name of its error.
//!
//! Exit code 0 either way, 2 for wrong usage. It must never rely on being jailed, so that a test can
//! compare both. `files calls` lists the calls and the victims that they want, `files batch` makes
//! those that stdin names, one a line, each in a process of its own; `files mark` gives the files
//! that stdin names an extended attribute. `files steps STEP…` makes one call after the other, and
//! `files busy KIND…` opens files while something else happens, `files filtered …` under a filter of its own.
//!
//! `FILES_LINKS` is the directory of the symbolic links that the variants `symlink` (named after the
//! last component of DIR, to DIR) and `final` (named after the last component of NAME, to DIR/NAME)
//! go through; `FILES_OTHER` is that of the second path of the calls that have two.

mod batch;
mod busy;
mod calls;
mod filtered;
mod job;
mod machine;
#[path = "../old.rs"]
mod old;
mod raw;
mod steps;

fn main() {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["calls"] => batch::list(),
        ["batch"] => batch::run(),
        ["mark"] => batch::mark(),
        ["steps", steps @ ..] => std::process::exit(steps::run(steps)),
        ["filtered", answer, calls, actions @ ..] => {
            std::process::exit(filtered::run(answer, calls, actions))
        }
        ["busy", words @ ..] => std::process::exit(busy::run(words)),
        &[call, variant, directory, name] => match batch::one(call, variant, directory, name) {
            Some(answer) => println!("{answer}"),
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() {
    eprintln!(
        "usage: files CALL VARIANT DIR NAME | calls | batch | mark | steps STEP… | busy KIND… | filtered ANSWER CALLS ACTION…"
    );
    std::process::exit(2);
}
