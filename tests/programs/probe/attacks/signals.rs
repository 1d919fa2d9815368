//! Attacks by signals: every way in which a process can have one sent to another.

use super::raw::{self, COUNTED, DIRTY, at, call, call3};
use super::{Arguments, Attack, Loot};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[rustfmt::skip]
pub const ATTACKS: &[(&str, Attack)] = &[
    ("kill",              kill),
    ("tkill",             tkill),
    ("tgkill",            tgkill),
    ("rt_sigqueueinfo",   rt_sigqueueinfo),
    ("rt_tgsigqueueinfo", rt_tgsigqueueinfo),
    ("pidfd_send_signal", pidfd_send_signal),
    ("own-group",         own_group),
    ("everyone",          everyone),
    ("F_SETOWN",          owner),
    ("F_SETOWN_EX",       owner_ex),
    ("FIOSETOWN",         owner_fio),
    ("SIOCSPGRP",         owner_sioc),
    ("kill-parent",       kill_parent),
    ("own-signals",       own_signals),
];

/// Target (0, -1 and below as kill takes them), signal.
fn kill(arguments: &Arguments<'_>) -> Loot {
    let target = u64::from(arguments.pid(0) as u32);
    call3(
        libc::SYS_kill,
        DIRTY | target,
        DIRTY | arguments.number(1),
        0,
    )
    .map(|_| "sent".into())
}

fn tkill(arguments: &Arguments<'_>) -> Loot {
    call3(
        libc::SYS_tkill,
        DIRTY | arguments.number(0),
        arguments.number(1),
        0,
    )
    .map(|_| "sent".into())
}

fn tgkill(arguments: &Arguments<'_>) -> Loot {
    let target = DIRTY | arguments.number(0);
    call3(libc::SYS_tgkill, target, target, arguments.number(1)).map(|_| "sent".into())
}

/// A siginfo with SI_QUEUE: one that a process may send to another.
fn info(signal: u64) -> [u64; 16] {
    const SI_QUEUE: u64 = -1i32 as u32 as u64;
    let mut info = [0; 16];
    info[0] = signal;
    info[1] = SI_QUEUE;
    info[2] = u64::from(std::process::id());
    info
}

fn rt_sigqueueinfo(arguments: &Arguments<'_>) -> Loot {
    let info = info(arguments.number(1));
    call3(
        libc::SYS_rt_sigqueueinfo,
        DIRTY | arguments.number(0),
        arguments.number(1),
        at(&info),
    )
    .map(|_| "sent".into())
}

fn rt_tgsigqueueinfo(arguments: &Arguments<'_>) -> Loot {
    let (target, info) = (DIRTY | arguments.number(0), info(arguments.number(1)));
    call(
        libc::SYS_rt_tgsigqueueinfo,
        [target, target, arguments.number(1), at(&info), 0, 0],
    )
    .map(|_| "sent".into())
}

fn pidfd_send_signal(arguments: &Arguments<'_>) -> Loot {
    let pidfd = call3(libc::SYS_pidfd_open, arguments.number(0), 0, 0)?;
    call(
        libc::SYS_pidfd_send_signal,
        [DIRTY | pidfd, arguments.number(1), 0, 0, 0, 0],
    )
    .map(|_| "sent".into())
}

/// Waits until the handler has run `times` times.
fn counted(times: u32) -> u32 {
    let end = Instant::now() + Duration::from_secs(2);
    while COUNTED.load(Ordering::SeqCst) < times && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    COUNTED.load(Ordering::SeqCst)
}

/// Target 0, or minus the own group; signal: a child in the same group and this process get it.
fn own_group(arguments: &Arguments<'_>) -> Loot {
    let target = match arguments.pid(0) {
        0 => DIRTY,
        _ => DIRTY | u64::from((-nix::unistd::getpgrp().as_raw()) as u32),
    };
    reach(target, arguments.number(1))
}

/// kill(-1): a child gets it, this process does not.
fn everyone(arguments: &Arguments<'_>) -> Loot {
    reach(DIRTY | 0xffff_ffff, arguments.number(0))
}

fn reach(target: u64, signal: u64) -> Loot {
    raw::count(signal as i32);
    let ready = raw::map(4096, -1, 0)?;
    let child = raw::clone(libc::SIGCHLD as u64, || {
        raw::poke(ready, 1);
        counted(1) as i32
    })?;
    while raw::peek(ready) == 0 {
        std::thread::yield_now();
    }
    let sent = call3(libc::SYS_kill, target, signal, 0);
    let own = COUNTED.load(Ordering::SeqCst);
    let childs = raw::exit_code(child)?;
    sent.map(|value| format!("returned {value}, self {own}, child {childs}"))
}

/// Two ends of a socket; `aim` sets who is told when something can be read from the first.
fn sigio(signal: u64, aim: impl FnOnce(u64) -> Result<u64, i32>) -> Loot {
    let (near, far) = UnixStream::pair().map_err(|_| libc::EIO)?;
    let fd = near.as_raw_fd() as u64;
    aim(fd)?;
    // The default is SIGIO, which carries no siginfo; any other may be chosen.
    call3(libc::SYS_fcntl, fd, 10, signal)?;
    call3(
        libc::SYS_fcntl,
        fd,
        libc::F_SETFL as u64,
        libc::O_ASYNC as u64,
    )?;
    call3(libc::SYS_write, far.as_raw_fd() as u64, at(b"x"), 1)?;
    Ok("aimed".into())
}

fn owner(arguments: &Arguments<'_>) -> Loot {
    let (cmd, target) = (DIRTY | libc::F_SETOWN as u64, arguments.number(0));
    sigio(arguments.number(1), |fd| {
        call3(libc::SYS_fcntl, fd, cmd, target)
    })
}

fn owner_ex(arguments: &Arguments<'_>) -> Loot {
    const F_SETOWN_EX: u64 = 15;
    // struct f_owner_ex: F_OWNER_PID, pid.
    let owner = [1i32, arguments.pid(0)];
    sigio(arguments.number(1), |fd| {
        call3(libc::SYS_fcntl, fd, DIRTY | F_SETOWN_EX, at(&owner))
    })
}

fn owner_fio(arguments: &Arguments<'_>) -> Loot {
    const FIOSETOWN: u64 = 0x8901;
    let owner = arguments.pid(0);
    sigio(arguments.number(1), |fd| {
        call3(libc::SYS_ioctl, fd, DIRTY | FIOSETOWN, at(&owner))
    })
}

fn owner_sioc(arguments: &Arguments<'_>) -> Loot {
    const SIOCSPGRP: u64 = 0x8902;
    let owner = arguments.pid(0);
    sigio(arguments.number(1), |fd| {
        call3(libc::SYS_ioctl, fd, DIRTY | SIOCSPGRP, at(&owner))
    })
}

/// SIGKILL to whoever started this process.
fn kill_parent(_: &Arguments<'_>) -> Loot {
    let parent = u64::from(std::os::unix::process::parent_id());
    call3(libc::SYS_kill, DIRTY | parent, libc::SIGKILL as u64, 0).map(|_| "sent".into())
}

/// Honest use: the same calls within this process and its children.
fn own_signals(_: &Arguments<'_>) -> Loot {
    const SIGNAL: u64 = libc::SIGUSR2 as u64;
    raw::count(libc::SIGUSR2);
    let own = std::process::id().to_string();
    let words = [own.clone(), SIGNAL.to_string()];
    let here = Arguments(&words);
    let tries: [(&str, Attack); 10] = [
        ("kill", kill),
        ("tkill", tkill),
        ("tgkill", tgkill),
        ("rt_sigqueueinfo", rt_sigqueueinfo),
        ("rt_tgsigqueueinfo", rt_tgsigqueueinfo),
        ("pidfd_send_signal", pidfd_send_signal),
        ("F_SETOWN", owner),
        ("F_SETOWN_EX", owner_ex),
        ("FIOSETOWN", owner_fio),
        ("SIOCSPGRP", owner_sioc),
    ];
    let mut report = Vec::new();
    for (name, attack) in tries {
        let before = COUNTED.load(Ordering::SeqCst);
        match attack(&here) {
            Ok(_) if counted(before + 1) > before => {}
            Ok(_) => report.push(format!("{name}=lost")),
            Err(errno) => report.push(format!("{name}={:?}", nix::errno::Errno::from_raw(errno))),
        }
    }
    let child = raw::clone(libc::SIGCHLD as u64, || {
        std::thread::sleep(Duration::from_secs(20));
        0
    })?;
    for (name, result) in [
        (
            "probe of a child",
            call3(libc::SYS_kill, child as u64, 0, 0),
        ),
        (
            "probe of self",
            call3(libc::SYS_kill, u64::from(std::process::id()), 0, 0),
        ),
        ("probe of the own group", call3(libc::SYS_kill, 0, 0, 0)),
        (
            "kill of a child",
            call3(libc::SYS_kill, child as u64, libc::SIGTERM as u64, 0),
        ),
    ] {
        if let Err(errno) = result {
            report.push(format!("{name}={errno}"));
        }
    }
    if raw::exit_code(child)? != 128 + libc::SIGTERM {
        report.push("the child lives".into());
    }
    if call3(libc::SYS_kill, 0x7fff_fff0, 0, 0) != Err(libc::ESRCH) {
        report.push("nobody is not ESRCH".into());
    }
    Ok(if report.is_empty() {
        "all".into()
    } else {
        report.join(" ")
    })
}
