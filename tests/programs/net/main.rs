//! A program for the tests of `[net]`: `net [--threads] ATTEMPT PEER OTHER TOKEN` makes one attempt to
//! reach PEER, or to be reached there, and prints `ok`, or `errno NAME`.
//!
//! Exit code 0 either way, 2 for wrong usage. It must never rely on being jailed, so that a test can
//! compare both. With `--threads` a second thread sleeps meanwhile.
//!
//! TOKEN is what is sent: a stream is `ok` only once its peer has sent it back, a datagram when it
//! was sent. Who wants to be reached prints `at ENDPOINT` first, and is `ok` once TOKEN has come.
//! OTHER is a peer of the same kind, which attempts with two peers go to first, or `-`.
//! `net passing FD PROGRAM…` runs the program with its own stdin as descriptor FD.

mod address;
mod attempts;
mod packets;
mod raw;

use attempts::{ATTEMPTS, Failed, Job};

fn main() {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["passing", fd, program, rest @ ..] = words.as_slice() {
        let error = raw::passing(fd.parse().unwrap_or(-1), program, rest);
        eprintln!("net: {program}: {error}");
        std::process::exit(1);
    }
    if words.first() == Some(&"--threads") {
        words.remove(0);
        std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));
    }
    let known = |name: &str| ATTEMPTS.iter().find(|(known, _)| *known == name);
    match words.as_slice() {
        &[name, peer, other, token] if known(name).is_some() => {
            let job = Job { peer, other, token };
            match known(name).map(|(_, attempt)| attempt(&job)) {
                Some(Err(Failed::Errno(errno))) => println!("errno {errno:?}"),
                Some(Err(Failed::After(sent, errno))) => println!("errno {errno:?} after {sent}"),
                Some(Err(Failed::Lost)) => println!("lost"),
                _ => println!("ok"),
            }
        }
        _ => {
            eprintln!("usage: net [--threads] ATTEMPT PEER OTHER TOKEN | passing FD PROGRAM…");
            std::process::exit(2);
        }
    }
}
