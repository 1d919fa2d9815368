//! How evenly tasks are served that all make calls all the time.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// `fair threads|processes TASKS MILLISECONDS PATH [IDLE]`: each task opens the path again and again, beside so many
/// threads that do nothing. Prints how often the one did that was served least, and the one that was served most.
pub fn fair(arguments: &[String]) -> i32 {
    let [kind, tasks, time, path, idle @ ..] = arguments else {
        return 2;
    };
    let idle = idle.first().and_then(|count| count.parse().ok());
    let Some(_idle) = Idle::start(idle.unwrap_or(0)) else {
        return 1;
    };
    let (Ok(tasks), Ok(time)) = (tasks.parse::<usize>(), time.parse::<u64>()) else {
        return 2;
    };
    let served = match kind.as_str() {
        "threads" => threads(tasks, time, path),
        _ => processes(tasks, time, path),
    };
    let Some(served) = served else {
        return 1;
    };
    let (least, most) = (served.iter().min(), served.iter().max());
    let sum: u64 = served.iter().sum();
    println!(
        "{} tasks {} least {} most {}",
        served.len(),
        sum,
        least.unwrap_or(&0),
        most.unwrap_or(&0)
    );
    0
}

/// Threads that do nothing until this is dropped.
struct Idle(Vec<std::thread::JoinHandle<()>>, Arc<AtomicBool>);

impl Idle {
    fn start(count: usize) -> Option<Idle> {
        let mut idle = Idle(Vec::with_capacity(count), Arc::default());
        for _ in 0..count {
            let stop = Arc::clone(&idle.1);
            let sleep = move || {
                while !stop.load(Ordering::Acquire) {
                    std::thread::park();
                }
            };
            let thread = std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn(sleep);
            idle.0.push(thread.ok()?);
        }
        Some(idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Release);
        for thread in self.0.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn threads(tasks: usize, time: u64, path: &str) -> Option<Vec<u64>> {
    let go = Arc::new(AtomicBool::new(false));
    let stop = Arc::new(AtomicBool::new(false));
    let begin = |_| {
        let served = Arc::new(AtomicU64::new(0));
        let (go, stop, path) = (Arc::clone(&go), Arc::clone(&stop), path.to_owned());
        let counted = Arc::clone(&served);
        let work = move || {
            while !go.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(5));
            }
            while !stop.load(Ordering::Acquire) && File::open(&path).is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        };
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(work);
        thread.ok().map(|thread| (thread, served))
    };
    let all: Vec<_> = (0..tasks).map(begin).collect::<Option<_>>()?;
    go.store(true, Ordering::Release);
    std::thread::sleep(Duration::from_millis(time));
    let served = all
        .iter()
        .map(|(_, served)| served.load(Ordering::Relaxed))
        .collect();
    stop.store(true, Ordering::Release);
    for (thread, _) in all {
        let _ = thread.join();
    }
    Some(served)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// `fair-worker MILLISECONDS PATH`: reads when to begin, opens the path for so long, and prints how often.
pub fn worker(arguments: &[String]) -> i32 {
    let [time, path] = arguments else {
        return 2;
    };
    let mut begin = [0; 8];
    // Unbuffered: the rest is for the other workers.
    let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned();
    let read = stdin.and_then(|stdin| File::from(stdin).read_exact(&mut begin));
    let (Ok(time), Ok(())) = (time.parse::<u64>(), read) else {
        return 2;
    };
    let begin = u64::from_ne_bytes(begin);
    std::thread::sleep(Duration::from_millis(begin.saturating_sub(now())));
    let mut served = 0u64;
    while now() < begin + time && File::open(path).is_ok() {
        served += 1;
    }
    println!("{served}");
    0
}

fn processes(tasks: usize, time: u64, path: &str) -> Option<Vec<u64>> {
    let this = std::env::current_exe().ok()?;
    let (hears, mut tells) = std::io::pipe().ok()?;
    let worker = |_| {
        Command::new(&this)
            .args(["fair-worker", &time.to_string(), path])
            .stdin(hears.try_clone().ok()?)
            .stdout(Stdio::piped())
            .spawn()
            .ok()
    };
    let workers: Option<Vec<_>> = (0..tasks).map(worker).collect();
    let workers = workers?;
    // For all of them to have read it by then.
    let begin = now() + 100 + tasks as u64;
    for _ in &workers {
        tells.write_all(&begin.to_ne_bytes()).ok()?;
    }
    let count = |worker: std::process::Child| {
        let output = worker.wait_with_output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    workers.into_iter().map(count).collect()
}
