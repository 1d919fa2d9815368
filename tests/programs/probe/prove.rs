//! `prove`: makes the request of each line of stdin, and prints its result (`ok` or the error) and how often
//! this thread was stopped during it.
//!
//! The kernel counts a stop of ptrace(2) as a voluntary context switch (getrusage(2), `ru_nvcsw`). Other waits
//! count, too, so that each request is made three times and the smallest number is printed.

use crate::attacks::raw::{at, call};
use nix::errno::Errno;
use nix::sys::resource::{UsageWho, getrusage};
use std::ffi::CString;
use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};

const TRIES: usize = 3;
/// Longer than one argument of a program may be (MAX_ARG_STRLEN), so that execve(2) fails with E2BIG.
const TOO_LONG: usize = 200_000;

type Done = Result<(), Errno>;

/// `prove`.
pub fn prove(_: &[String]) -> i32 {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let rest = rest.replace("$TMPDIR", &std::env::var("TMPDIR").unwrap_or_default());
        if verb == "make" {
            println!(
                "{} 0",
                told(std::fs::write(&rest, "no program").map_err(errno_of))
            );
            continue;
        }
        let tries = (0..TRIES).map(|_| {
            let before = switches();
            let done = attempt(verb, &rest);
            (switches() - before, told(done))
        });
        match tries.min() {
            Some((stops, result)) => println!("{result} {stops}"),
            None => return 2,
        }
    }
    0
}

fn switches() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.voluntary_context_switches())
}

fn told(done: Done) -> String {
    done.map_or_else(|errno| format!("{errno:?}"), |()| "ok".to_owned())
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

fn attempt(verb: &str, object: &str) -> Done {
    let quiet = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    match verb {
        "read" => open(object, libc::O_RDONLY | quiet),
        "write" => open(object, libc::O_WRONLY | quiet),
        "create" => open(object, libc::O_WRONLY | libc::O_CREAT | quiet),
        "exec" => execute(object),
        "chmod" => change_mode(object),
        "connect" => reach(object, libc::SYS_connect),
        "listen" => reach(object, libc::SYS_bind),
        "call" => {
            let mut words = object.split(' ').map(|word| word.parse::<u64>().ok());
            let mut next = || words.next().flatten().ok_or(Errno::EBADMSG);
            let nr = next()?;
            let args = [next()?, next()?, next()?, next()?, next()?, next()?];
            made(nr as i64, args).map(drop)
        }
        _ => Err(Errno::EBADMSG),
    }
}

fn made(nr: i64, args: [u64; 6]) -> Result<u64, Errno> {
    call(nr, args).map_err(Errno::from_raw)
}

fn path(text: &str) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| Errno::EINVAL)
}

fn open(name: &str, flags: i32) -> Done {
    let name = path(name)?;
    let args = [
        at(name.to_bytes_with_nul().first().unwrap_or(&0)),
        flags as u64,
        0o600,
    ];
    let [name_at, flags, mode] = args;
    let at_cwd = libc::AT_FDCWD as u64;
    let opened = made(libc::SYS_openat, [at_cwd, name_at, flags, mode, 0, 0])?;
    close(opened)
}

fn close(descriptor: u64) -> Done {
    made(libc::SYS_close, [descriptor, 0, 0, 0, 0, 0]).map(drop)
}

/// Fails in any case: the file is no program, or the argument is too long.
fn execute(name: &str) -> Done {
    let (name, long) = (path(name)?, path(&"x".repeat(TOO_LONG))?);
    let words = [name.as_ptr() as u64, long.as_ptr() as u64, 0];
    let args = [name.as_ptr() as u64, at(&words), 0, 0, 0, 0];
    made(libc::SYS_execve, args).map(drop)
}

/// Sets the mode that the file has.
fn change_mode(name: &str) -> Done {
    let mode = std::fs::metadata(name).map_err(errno_of)?;
    let mode = u64::from(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o7777);
    let name = path(name)?;
    let args = [libc::AT_FDCWD as u64, name.as_ptr() as u64, mode, 0, 0, 0];
    made(libc::SYS_fchmodat, args).map(drop)
}

/// Connects or binds a new socket that does not wait.
fn reach(endpoint: &str, nr: i64) -> Done {
    let (kind, rest) = match endpoint.strip_prefix("udp://") {
        Some(rest) => (libc::SOCK_DGRAM, rest),
        None => (libc::SOCK_STREAM, endpoint),
    };
    let (domain, address, leaves) = match rest.strip_prefix("unix:") {
        Some(name) => (libc::AF_UNIX, unix(name), false),
        None => {
            let address: SocketAddr = rest.parse().map_err(|_| Errno::EBADMSG)?;
            let domain = if address.is_ipv4() {
                libc::AF_INET
            } else {
                libc::AF_INET6
            };
            (domain, inet(address), !address.ip().is_loopback())
        }
    };
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let socket = made(libc::SYS_socket, [domain as u64, kind as u64, 0, 0, 0, 0])?;
    let (start, length) = (address.as_ptr() as u64, address.len() as u64);
    let kept = match leaves && nr == libc::SYS_connect {
        true => keep_on_loopback(socket),
        false => Ok(()),
    };
    let done = kept.and_then(|()| made(nr, [socket, start, length, 0, 0, 0]));
    close(socket)?;
    done.map(drop)
}

/// Binds a socket to the loopback interface, on which no packet leaves the host: SO_BINDTODEVICE of socket(7), for
/// every user since Linux 5.7.
fn keep_on_loopback(socket: u64) -> Done {
    let (level, option) = (libc::SOL_SOCKET as u64, libc::SO_BINDTODEVICE as u64);
    let name = c"lo".to_bytes_with_nul();
    let (start, length) = (name.as_ptr() as u64, name.len() as u64);
    made(
        libc::SYS_setsockopt,
        [socket, level, option, start, length, 0],
    )
    .map(drop)
}

fn unix(name: &str) -> Vec<u8> {
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    match name.strip_prefix('@') {
        Some(name) => {
            bytes.push(0);
            bytes.extend(name.bytes());
        }
        None => {
            bytes.extend(name.bytes());
            bytes.push(0);
        }
    }
    bytes
}

fn inet(address: SocketAddr) -> Vec<u8> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let mut bytes = (family as u16).to_ne_bytes().to_vec();
    bytes.extend(address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.extend(ip.octets());
            bytes.extend([0; 8]);
        }
        IpAddr::V6(ip) => {
            bytes.extend([0; 4]);
            bytes.extend(ip.octets());
            bytes.extend([0; 4]);
        }
    }
    bytes
}
