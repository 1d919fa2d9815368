//! What a process does to keep its end from being told: whatever it is, a report says how it ended.

use crate::raw;
use nix::errno::Errno;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::Duration;

/// The exit code of those that end by themselves.
const CODE: i32 = 5;

/// A name that is none: a terminal's escape, and the end of a JSON string.
const NAME: &std::ffi::CStr = c"\x1b]0;\",\"\n{}\\";

/// What is done, and how.
type Way = (&'static str, fn() -> i32);

#[rustfmt::skip]
const WAYS: &[Way] = &[
    ("closes",          closes),
    ("fills",           || on_all(fill)),
    ("truncates",       || on_all(truncate)),
    ("replaces",        replaces),
    ("of-its-parent",   of_its_parent),
    ("renames-itself",  renames_itself),
    ("daemonizes",      daemonizes),
    ("stops",           stops),
    ("stops-threads",   stops_threads),
    ("exits-stopping",  exits_stopping),
    ("leader-gone",     leader_gone),
    ("zombie-leaders",  zombie_leaders),
    ("exits-in-thread", exits_in_thread),
    ("ignores-all",     ignores_all),
    ("lingers",         lingers),
];

/// `meddles WAY`.
pub fn meddles(arguments: &[String]) -> i32 {
    let way = arguments.first().map_or("", String::as_str);
    match WAYS.iter().find(|(name, _)| *name == way) {
        Some((_, meddle)) => meddle(),
        None => 2,
    }
}

fn closes() -> i32 {
    (0..=20).for_each(raw::close);
    CODE
}

/// By the link of each descriptor that there may be.
fn on_all(act: fn(&str)) -> i32 {
    for fd in 0..=20 {
        act(&format!("/proc/self/fd/{fd}"));
    }
    CODE
}

fn fill(path: &str) {
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(libc::O_NONBLOCK);
    if let Ok(mut file) = options.open(path) {
        // A pipe is full long before that.
        let mut left = 1 << 21;
        while let Ok(written @ 1..) = file.write(&[b'x'; 512]) {
            left -= written.min(left);
            if left == 0 {
                break;
            }
        }
    }
}

fn truncate(path: &str) {
    let file = OpenOptions::new().write(true).truncate(true).open(path);
    let _ = file.map(|file| file.set_len(0));
}

fn replaces() -> i32 {
    let replaced = (0..=20).all(|fd| raw::leak(fd).is_ok());
    if replaced { CODE } else { 1 }
}

fn of_its_parent() -> i32 {
    let parent = nix::unistd::getppid();
    for fd in 0..=20 {
        let path = format!("/proc/{parent}/fd/{fd}");
        fill(&path);
        truncate(&path);
    }
    CODE
}

/// And does what a policy may deny, so that the name is told.
fn renames_itself() -> i32 {
    let _ = nix::sys::prctl::set_name(NAME);
    let _ = nix::unistd::getppid();
    CODE
}

/// Twice away from its parent, in a session of its own, where it ends no more.
fn daemonizes() -> i32 {
    raw::reap(raw::fork(|| {
        let _ = nix::unistd::setsid();
        raw::fork(|| {
            let _ = nix::unistd::setsid();
            (0..=20).for_each(raw::close);
            for_ever()
        });
        0
    }));
    CODE
}

fn for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(100));
    }
}

fn stop_itself() {
    let _ = raw::kill(std::process::id() as i32, libc::SIGSTOP);
}

fn stops() -> i32 {
    loop {
        stop_itself();
    }
}

fn stops_threads() -> i32 {
    for _ in 0..4 {
        std::thread::spawn(|| {
            loop {
                stop_itself();
            }
        });
    }
    for_ever()
}

/// One thread stops all of them while another ends all of them.
fn exits_stopping() -> i32 {
    for _ in 0..50 {
        let child = raw::fork(|| {
            std::thread::spawn(|| {
                loop {
                    stop_itself();
                }
            });
            std::thread::sleep(Duration::from_micros(300));
            CODE
        });
        // It may have been stopped for good.
        std::thread::sleep(Duration::from_millis(1));
        let _ = raw::kill(child, libc::SIGCONT);
        let _ = raw::kill(child, libc::SIGKILL);
        raw::reap(child);
    }
    CODE
}

/// The first thread has ended, and another never does.
fn leader_gone() -> i32 {
    std::thread::spawn(|| for_ever());
    raw::exit_thread()
}

/// Children like that, which nobody waits for.
fn zombie_leaders() -> i32 {
    for _ in 0..8 {
        raw::fork(leader_gone);
        raw::fork(|| 0);
    }
    leader_gone()
}

/// While other threads are in a stop.
fn exits_in_thread() -> i32 {
    for _ in 0..8 {
        std::thread::spawn(|| {
            loop {
                let _ = nix::unistd::getppid();
            }
        });
    }
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(50));
        raw::exit(CODE)
    });
    for_ever()
}

/// Whatever it is asked, it goes on.
fn ignores_all() -> i32 {
    let ignored = (1..=64).filter(|&signal| raw::ignore(signal) == Ok(()));
    if ignored.count() < 30 || raw::ignore(libc::SIGKILL) != Err(Errno::EINVAL) {
        return 1;
    }
    for_ever()
}

/// Processes that close a socket in the middle of a call on it, whose last close waits for half a
/// minute: that of the process, which is then killed, or of whoever has taken it for the call.
fn lingers() -> i32 {
    // It takes nothing, and lives on: a peer that is gone would end the wait.
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) else {
        return 1;
    };
    let Ok(peer) = listener.local_addr() else {
        return 1;
    };
    for _ in 0..40 {
        let child = raw::fork(|| match unsent(peer) {
            Ok(socket) => hammer(socket, peer.port()),
            Err(error) => {
                eprintln!("{error}");
                1
            }
        });
        std::thread::sleep(Duration::from_millis(25));
        let _ = raw::kill(child, libc::SIGKILL);
        if raw::reap(child) == Some(raw::Status::Exited(1)) {
            return 1;
        }
    }
    CODE
}

/// A connection with more on its way than its peer takes.
fn unsent(peer: SocketAddr) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(peer)?;
    socket.set_nonblocking(true)?;
    while socket.write(&[0; 65536]).is_ok() {}
    raw::linger(socket.as_raw_fd(), 30)?;
    Ok(socket)
}

fn hammer(socket: TcpStream, port: u16) -> i32 {
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(socket));
    let fd = file.as_raw_fd();
    std::thread::spawn(move || {
        loop {
            let _ = raw::connect(fd, port);
            let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
        }
    });
    std::thread::sleep(Duration::from_millis(2));
    // Nothing is put in its place: the other thread would change that.
    raw::close(fd);
    std::thread::sleep(Duration::from_millis(2));
    raw::exit(0)
}
