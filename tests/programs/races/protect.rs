//! Attacks on what may be read and not changed: by the directories above it, and by what stands at a
//! name when it is renamed.
//!
//! `races protect NAME [SECONDS]` works in its directory, where `kept` is not to be changed, and prints
//! `NAME tries N wins M`. A win has changed `kept/file`, or put a file or a link where `sub/kept`
//! is. The attacks by two jails are two programs: `NAME` and `NAME-other`.

use crate::seconds::time;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Does what the words say; `None` if there is no such attack.
pub fn run(words: &[&str]) -> Option<ExitCode> {
    let (name, seconds) = match *words {
        [name] => (name, "1"),
        [name, seconds] => (name, seconds),
        _ => return None,
    };
    let end = Instant::now() + time(seconds);
    let (tries, wins) = match name {
        "missing" => beside(end, make_and_remove, missing),
        "filled" => beside(end, fill, filled),
        "kind" => kind(end),
        "kind-other" => {
            flip_kind(end);
            (0, 0)
        }
        _ => return None,
    };
    println!("{name} tries {tries} wins {wins}");
    Some(ExitCode::SUCCESS)
}

type Score = (u64, u64);

/// One thread does something until another has ended.
fn beside(end: Instant, other: fn(&AtomicBool), attack: fn(Instant) -> Score) -> Score {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| other(&ended));
        let score = attack(end);
        ended.store(true, Ordering::Relaxed);
        score
    })
}

/// A file that is there and is not.
fn make_and_remove(ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        if let Ok(mut file) = File::create("flicker") {
            let _ = file.write_all(b"evil");
        }
        let _ = fs::remove_file("flicker");
    }
}

/// A rename of what may not be there when it is looked for, onto the protected file.
fn missing(end: Instant) -> Score {
    let before = fs::read("kept/file").unwrap_or_default();
    let (mut tries, mut wins) = (0, 0);
    while Instant::now() < end {
        tries += 1;
        let renamed = fs::rename("flicker", "kept/file").is_ok();
        if renamed || fs::read("kept/file").unwrap_or_default() != before {
            wins += 1;
            break;
        }
    }
    (tries, wins)
}

/// Makes a file by a way that leads through a directory which is being moved.
fn fill(ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        let mut options = OpenOptions::new();
        let _ = options.write(true).create(true).open("moving/file");
        let _ = fs::remove_file("moving/file");
    }
}

/// Moves an empty directory to where what is in it is protected.
fn filled(end: Instant) -> Score {
    let _ = fs::create_dir_all("sub");
    let (mut tries, mut wins) = (0, 0);
    while Instant::now() < end {
        tries += 1;
        let _ = fs::create_dir("moving");
        let _ = fs::rename("moving", "sub/kept");
        if Path::new("sub/kept/file").exists() {
            wins += 1;
            break;
        }
        let _ = fs::rename("sub/kept", "moving");
    }
    (tries, wins)
}

/// A name that is a file and a link by turns.
fn flip_kind(end: Instant) {
    let _ = File::create("file");
    let _ = symlink("evil", "link");
    while Instant::now() < end {
        for from in ["file", "link"] {
            let _ = fs::hard_link(from, "turn");
            let _ = fs::rename("turn", "kind");
            let _ = fs::remove_file("turn");
        }
    }
}

/// Renames it, which is judged as a file, to where a link would lead protected names elsewhere.
fn kind(end: Instant) -> Score {
    let _ = fs::create_dir_all("sub");
    let (mut tries, mut wins) = (0, 0);
    while Instant::now() < end {
        tries += 1;
        if fs::rename("kind", "sub/kept").is_ok() && Path::new("sub/kept").is_symlink() {
            wins += 1;
            break;
        }
        let _ = fs::remove_file("sub/kept");
    }
    (tries, wins)
}
