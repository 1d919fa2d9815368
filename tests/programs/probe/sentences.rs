//! What a sentence of a `[[test]]` says, done: one line of output for each, `allowed`, or `denied` and
//! the error. Whatever it names must be there.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

/// `sentences SENTENCE…`.
pub fn sentences(arguments: &[String]) -> i32 {
    for sentence in arguments {
        let Some((verb, object)) = sentence.split_once(' ') else {
            eprintln!("probe: no sentence: {sentence:?}");
            return 2;
        };
        match attempt(verb, object) {
            Err(error) if is_denial(&error) => println!("denied {error}"),
            _ => println!("allowed"),
        }
    }
    0
}

/// `hide` answers with ENOENT. A peer that is not there is no denial.
fn is_denial(error: &io::Error) -> bool {
    let denials = [libc::EPERM, libc::EACCES, libc::ENOENT, libc::EAFNOSUPPORT];
    error
        .raw_os_error()
        .is_some_and(|errno| denials.contains(&errno))
}

fn attempt(verb: &str, object: &str) -> io::Result<()> {
    match (
        verb,
        object.strip_prefix("unix:"),
        object.strip_prefix("udp://"),
    ) {
        ("read", ..) => fs::File::open(object).map(drop),
        ("write", ..) => OpenOptions::new().write(true).open(object).map(drop),
        ("stat", ..) => fs::metadata(object).map(drop),
        ("exec", ..) => {
            let mut command = Command::new(object);
            command.stdin(Stdio::null()).status().map(drop)
        }
        ("connect", Some(path), _) => UnixStream::connect(path).map(drop),
        ("connect", ..) => TcpStream::connect(object).map(drop),
        ("listen", Some(path), _) => UnixListener::bind(path).map(drop),
        ("listen", _, Some(address)) => UdpSocket::bind(address).map(drop),
        ("listen", ..) => TcpListener::bind(object).map(drop),
        _ => Err(io::Error::other("no such verb")),
    }
}
