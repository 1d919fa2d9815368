//! Waits that a supervisor would share if it made a call for the command.

use super::super::given::{Given, Tried};
use super::super::tools::{STOPPED, by, say};
use crate::sys::attack;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One thread waits in an open, and others go on with calls that are judged. That they went on is what this
/// says at its end; a supervisor that waits keeps it from that.
fn while_waiting(
    given: &Given,
    wait: impl FnOnce() -> Result<(), String> + Send,
    what: &str,
) -> Tried {
    let (waits, over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let waiter = || {
            waits.store(true, Ordering::Relaxed);
            let result = wait();
            over.store(true, Ordering::Relaxed);
            result
        };
        let started = std::thread::Builder::new().spawn_scoped(scope, waiter);
        let waiter = started.map_err(by("clone of a thread"))?;
        while !waits.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(30));
        for _ in 0..20 {
            let _ = File::open(&given.allowed);
            let _ = given.public.metadata();
            let _ = fs::create_dir(given.work.join("never/made"));
        }
        if over.load(Ordering::Relaxed) {
            return match waiter.join() {
                Ok(Err(why)) => Err(why),
                _ => Err(format!("{what} did not wait")),
            };
        }
        // The waiting thread ends with the process.
        say(&format!("{STOPPED}the others went on while {what} waited"));
        crate::sys::process::exit(0)
    })
}

/// An open of a FIFO that nothing writes to.
pub fn fifo(given: &Given) -> Tried {
    let path = given.work.join("fifo");
    let open = || {
        OpenOptions::new()
            .read(true)
            .open(&path)
            .map(drop)
            .map_err(by("open of a FIFO"))
    };
    while_waiting(given, open, "an open of a FIFO")
}

/// An open of a file that another descriptor has leased.
pub fn lease(given: &Given) -> Tried {
    let path = given.work.join("leased");
    hold(&path)?;
    let open = || {
        File::open(&path)
            .map(drop)
            .map_err(by("open of a leased file"))
    };
    while_waiting(given, open, "an open of a leased file")
}

/// Takes a lease in a child, which ignores that it is to be broken.
fn hold(path: &Path) -> Result<(), String> {
    use crate::sys::process::{Fork, exit, fork};
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(by("open in the working directory"))?;
    let (mine, other) = std::io::pipe().map_err(by("pipe"))?;
    match fork().map_err(by("fork"))? {
        Fork::Child => {
            drop(mine);
            let _ = crate::sys::signal::set_ignored(libc::SIGIO, true);
            let leased = attack::lease(file.as_fd());
            let byte = [leased.map_or_else(|errno| errno as u8, |()| 0)];
            let _ = std::io::Write::write_all(&mut &other, &byte);
            drop(other);
            std::thread::sleep(Duration::from_secs(3));
            exit(0)
        }
        Fork::Parent(_) => {
            drop((file, other));
            let mut byte = [0];
            let _ = std::io::Read::read(&mut &mine, &mut byte);
            match byte {
                [0] => Ok(()),
                [errno] => Err(by("fcntl F_SETLEASE")(crate::sys::Errno::from_raw(
                    errno.into(),
                ))),
            }
        }
    }
}
