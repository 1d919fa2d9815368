//! Pseudoterminals that this program makes itself, and those of others.

use crate::raw;
use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, openpty, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

fn master() -> Result<(PtyMaster, String), String> {
    let made = || -> nix::Result<(PtyMaster, String)> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname_r(&master)?;
        Ok((master, name))
    };
    made().map_err(|errno| format!("no master: {errno}"))
}

fn open(name: &str) -> Result<File, String> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true);
    let opened = options.custom_flags(libc::O_NOCTTY).open(name);
    opened.map_err(|error| format!("{name}: {error}"))
}

/// What goes in at one side comes out at the other.
fn passes(mut master: impl Read, mut slave: impl Write) -> Result<(), String> {
    let mut byte = [0];
    slave.write_all(b"x").map_err(|error| error.to_string())?;
    master
        .read_exact(&mut byte)
        .map_err(|error| error.to_string())?;
    match byte {
        [b'x'] => Ok(()),
        other => Err(format!("{other:?} came out")),
    }
}

fn by_name() -> Result<(), String> {
    let (master, name) = master()?;
    passes(master, open(&name)?)
}

/// As openpty(3) does it, which asks the master (TIOCGPTPEER).
fn by_master() -> Result<(), String> {
    let pair = openpty(None, None).map_err(|errno| format!("openpty: {errno}"))?;
    passes(File::from(pair.master), File::from(pair.slave))
}

fn said(what: &str, result: Result<(), String>) {
    match result {
        Ok(()) => println!("{what}: opened"),
        Err(error) => println!("{what}: {error}"),
    }
}

/// `ptys [NAME …]`: opens terminals of its own, and then those of others.
pub fn ptys(others: &[String]) -> i32 {
    said("by master", by_master());
    said("by name", by_name());
    // With a master of its own at hand.
    let held = master();
    for name in others {
        said("other", open(name).map(drop));
    }
    drop(held);
    0
}

/// `pty-storm ROUNDS`: several threads open terminals of their own while signals arrive; prints how many
/// descriptors are left open.
pub fn storm(arguments: &[String]) -> i32 {
    const THREADS: usize = 4;
    let rounds: usize = arguments
        .first()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50);
    let handled = raw::handle(libc::SIGUSR1);
    require!(handled.is_ok(), "cannot handle SIGUSR1: {handled:?}");
    let done = AtomicBool::new(false);
    let failed = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = kill(nix::unistd::getpid(), Signal::SIGUSR1);
                thread::sleep(Duration::from_micros(500));
            }
        });
        let work = || (0..rounds).try_for_each(|_| by_master().and_then(|()| by_name()));
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let failed = threads.into_iter().find_map(|thread| match thread.join() {
            Ok(result) => result.err(),
            Err(_) => Some("a thread panicked".to_owned()),
        });
        done.store(true, Ordering::Relaxed);
        failed
    });
    if let Some(error) = failed {
        eprintln!("{error}");
        return 1;
    }
    // That of this look is one of them.
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    println!("{} left open", open - 1);
    0
}
