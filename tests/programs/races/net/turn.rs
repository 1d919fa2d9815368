//! What turns good into bad and back, while a call is made.

use crate::raw::{self, Text};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Makes it bad (or good).
pub type Turn = Box<dyn Fn(bool) + Send>;

/// Turns until it is dropped.
pub struct Turning {
    /// Whether it runs, and whether it is to end.
    control: &'static [AtomicU8],
    process: Option<i32>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Turning {
    /// By a thread, or by a process that has only its memory in common with this one.
    pub fn start(turn: Turn, process: bool) -> Self {
        let control = raw::map(2, true);
        let run = move || {
            control[0].store(1, Ordering::Release);
            while control[1].load(Ordering::Relaxed) == 0 {
                for _ in 0..16 {
                    turn(true);
                    turn(false);
                }
            }
        };
        let mut turning = Self {
            control,
            process: None,
            thread: None,
        };
        if process {
            turning.process = Some(raw::fork(|| {
                raw::die_with_parent();
                run();
                0
            }));
        } else {
            turning.thread = Some(std::thread::spawn(run));
        }
        let end = Instant::now() + Duration::from_secs(5);
        while control[0].load(Ordering::Acquire) == 0 {
            assert!(Instant::now() < end, "the turning never starts");
            std::thread::sleep(Duration::from_micros(100));
        }
        turning
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        self.control[1].store(1, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(process) = self.process.take() {
            raw::end(process);
        }
    }
}

/// A descriptor of one socket, then of the other.
pub fn swap(number: i32, [good, bad]: [i32; 2]) -> Turn {
    Box::new(move |to_bad| {
        let _ = raw::dup_over(if to_bad { bad } else { good }, number);
    })
}

/// Two names change places.
pub fn exchange(one: Text, other: Text) -> Turn {
    Box::new(move |_| {
        let here = libc::AT_FDCWD;
        let _ = raw::rename_at(here, one, here, other, libc::RENAME_EXCHANGE);
    })
}

/// A symbolic link is replaced by ever new ones.
pub fn dance(link: Text, next: Text, targets: [Text; 2]) -> Turn {
    Box::new(move |to_bad| {
        let here = libc::AT_FDCWD;
        let _ = raw::symlink_at(targets[usize::from(to_bad)], here, next);
        let _ = raw::rename_at(here, next, here, link, 0);
    })
}

/// The working directory.
pub fn change_directory(directories: [Text; 2]) -> Turn {
    Box::new(move |to_bad| {
        let _ = raw::change_directory(directories[usize::from(to_bad)]);
    })
}
