//! Processes that multiply without end, for others to kill. Each ends by itself after a while,
//! should nobody do so.

use crate::raw;
use std::time::{Duration, Instant};

const END: Duration = Duration::from_secs(20);

/// What a worker does again and again.
fn work(kind: &str) -> Option<fn()> {
    Some(match kind {
        "fork" => || {
            raw::reap(raw::fork(|| {
                raw::fork(|| 0);
                0
            }));
        },
        "vfork" => || {
            raw::reap(raw::vfork_exit(0));
            raw::reap(raw::vfork(|| 0));
        },
        "threads" => || {
            let _ = std::thread::spawn(|| ()).join();
        },
        "daemons" => || {
            raw::reap(raw::fork(|| {
                let _ = nix::unistd::setsid();
                raw::fork(|| {
                    std::thread::sleep(Duration::from_millis(5));
                    0
                });
                0
            }));
        },
        _ => return None,
    })
}

/// `storm KIND TOKEN`: eight workers; the token marks them for whoever looks for survivors.
pub fn storm(arguments: &[String]) -> i32 {
    let Some(work) = arguments.first().and_then(|kind| work(kind)) else {
        return 2;
    };
    let end = Instant::now() + END;
    println!("ready");
    let workers: Vec<i32> = (0..8)
        .map(|_| {
            raw::fork(|| {
                while Instant::now() < end {
                    work();
                }
                0
            })
        })
        .collect();
    for worker in workers {
        raw::reap(worker);
    }
    0
}

/// `bomb DEPTH TOKEN`: each process makes another two, so deep; then one of them calls getppid,
/// which the test's policy kills for.
pub fn bomb(arguments: &[String]) -> i32 {
    let depth: u32 = arguments
        .first()
        .and_then(|depth| depth.parse().ok())
        .unwrap_or(5);
    let end = Instant::now() + END;
    let first = raw::fork(|| explode(depth, end));
    std::thread::sleep(Duration::from_millis(100));
    let _ = nix::unistd::getppid();
    eprintln!("getppid did not kill");
    raw::reap(first);
    1
}

fn explode(depth: u32, end: Instant) -> i32 {
    if depth > 0 {
        raw::fork(|| explode(depth - 1, end));
        raw::fork(|| explode(depth - 1, end));
    }
    while Instant::now() < end {
        raw::reap(raw::fork(|| 0));
    }
    0
}
