//! Attacks on what a host shares with whoever is in no namespace of its own: its listeners, its shared
//! memory, its mounts.

use super::raw::{call, call3};
use super::{Arguments, Attack, Loot};
use std::ffi::CString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

#[rustfmt::skip]
pub const ATTACKS: &[(&str, Attack)] = &[
    ("tcp",         tcp),
    ("own-tcp",     own_tcp),
    ("abstract",    abstract_socket),
    ("own-abstract", own_abstract),
    ("shm",         shared_memory),
    ("umount",      umount),
    ("remount",     remount),
    ("kill-init",   kill_init),
    ("limit-init",  limit_init),
];

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Connects to this port of the loopback address.
fn tcp(arguments: &Arguments<'_>) -> Loot {
    let address = ("127.0.0.1", arguments.number(0) as u16);
    std::net::TcpStream::connect(address)
        .map(|_| "connected".into())
        .map_err(errno)
}

/// Honest use: a listener of its own, and a connection to it.
fn own_tcp(_: &Arguments<'_>) -> Loot {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(errno)?;
    let address = listener.local_addr().map_err(errno)?;
    std::net::TcpStream::connect(address)
        .map(|_| "connected".into())
        .map_err(errno)
}

fn abstract_name(name: &str) -> Result<SocketAddr, i32> {
    SocketAddr::from_abstract_name(name).map_err(errno)
}

/// Connects to the abstract unix socket of this name.
fn abstract_socket(arguments: &Arguments<'_>) -> Loot {
    UnixStream::connect_addr(&abstract_name(arguments.word(0))?)
        .map(|_| "connected".into())
        .map_err(errno)
}

/// Honest use: an abstract socket of its own of this name, and one of a path.
fn own_abstract(arguments: &Arguments<'_>) -> Loot {
    let address = abstract_name(arguments.word(0))?;
    let _listener = UnixListener::bind_addr(&address).map_err(errno)?;
    UnixStream::connect_addr(&address).map_err(errno)?;
    let _listener = UnixListener::bind(arguments.word(1)).map_err(errno)?;
    UnixStream::connect(arguments.word(1))
        .map(|_| "connected".into())
        .map_err(errno)
}

/// Attaches the System V segment of this id.
fn shared_memory(arguments: &Arguments<'_>) -> Loot {
    call3(
        libc::SYS_shmat,
        arguments.number(0),
        0,
        libc::SHM_RDONLY as u64,
    )
    .map(|_| "attached".into())
}

/// Takes a mount away, so that what is beneath shows.
fn umount(arguments: &Arguments<'_>) -> Loot {
    let path = CString::new(arguments.word(0)).map_err(|_| libc::EINVAL)?;
    call3(
        libc::SYS_umount2,
        path.as_ptr() as u64,
        libc::MNT_DETACH as u64,
        0,
    )
    .map(|_| "unmounted".into())
}

/// Makes a mount writable.
fn remount(arguments: &Arguments<'_>) -> Loot {
    let path = CString::new(arguments.word(0)).map_err(|_| libc::EINVAL)?;
    let flags = libc::MS_REMOUNT | libc::MS_BIND;
    let path = path.as_ptr() as u64;
    call(libc::SYS_mount, [0, path, 0, flags, 0, 0]).map(|_| "remounted".into())
}

/// Every signal that could end or stop the first process of this pid namespace; says which were
/// taken.
fn kill_init(_: &Arguments<'_>) -> Loot {
    let mut sent = Vec::new();
    for signal in (1..=64).filter(|signal| *signal != libc::SIGCONT) {
        if call3(libc::SYS_kill, 1, signal as u64, 0).is_ok() {
            sent.push(signal.to_string());
        }
    }
    match sent.is_empty() {
        true => Err(libc::EPERM),
        false => Ok(sent.join(",")),
    }
}

/// No processor time for it: the kernel would end it.
fn limit_init(_: &Arguments<'_>) -> Loot {
    let limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    call(
        libc::SYS_prlimit64,
        [
            1,
            u64::from(libc::RLIMIT_CPU),
            &raw const limit as u64,
            0,
            0,
            0,
        ],
    )
    .map(|_| "limited".into())
}
