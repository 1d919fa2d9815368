//! Programs at the border of a domain: some enter it while others of their process call, and some try what the
//! domain denies.

use crate::raw::{self, Status};
use std::fs::File;
use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The exit code of a program that has opened what it must not open.
const OPENED: i32 = 7;

/// How often each race is tried at least, on a machine however slow.
const FEWEST: u64 = 5;

/// `border-open FILE…`: opens files. The exit code says whether any could be opened.
pub fn open(files: &[String]) -> i32 {
    match files.iter().any(|file| File::open(file).is_ok()) {
        true => OPENED,
        false => 0,
    }
}

/// `border-read FILE…`: says of each file whether it can be read.
pub fn read(files: &[String]) -> i32 {
    for file in files {
        let mut byte = [0];
        let read = File::open(file).and_then(|mut file| file.read(&mut byte));
        match read {
            Ok(_) => println!("{file}: read"),
            Err(error) => println!("{file}: {}", error.raw_os_error().unwrap_or(0)),
        }
    }
    0
}

/// `border-parent NAME…`: the same of files of the parent in /proc.
pub fn parent(names: &[String]) -> i32 {
    let parent = raw::getppid().unwrap_or(0);
    for name in names {
        let result = File::open(format!("/proc/{parent}/{name}"));
        let errno = result.err().and_then(|error| error.raw_os_error());
        println!(
            "{name}: {}",
            errno.map_or("open".to_owned(), |errno| errno.to_string())
        );
    }
    0
}

/// `border-connect PORT`: by TCP, and a datagram by UDP.
pub fn connect(arguments: &[String]) -> i32 {
    let port: u16 = arguments
        .first()
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let tcp = TcpStream::connect(("127.0.0.1", port)).map(drop);
    let sends = |socket: UdpSocket| socket.send_to(b"x", ("127.0.0.1", port)).map(drop);
    let udp = UdpSocket::bind("127.0.0.1:0").and_then(sends);
    for (name, result) in [("tcp", tcp), ("udp", udp)] {
        let errno = result.err().and_then(|error| error.raw_os_error());
        println!(
            "{name}: {}",
            errno.map_or("ok".to_owned(), |errno| errno.to_string())
        );
    }
    0
}

/// `border-race KIND PROGRAM FILE SECONDS`: again and again, a process of several tasks executes PROGRAM, which opens
/// FILE, while its other tasks open FILE, too.
pub fn race(arguments: &[String]) -> i32 {
    let [kind, program, file, seconds] = arguments else {
        eprintln!("border-race KIND PROGRAM FILE SECONDS");
        return 2;
    };
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse().unwrap_or(1.0));
    let words = [program, "border-open", file].map(str::to_owned);
    let (mut tries, mut wins, mut odd) = (0u64, 0u64, 0u64);
    while Instant::now() < end || tries < FEWEST {
        let status = raw::reap(raw::fork(|| enter(kind, &words, file)));
        tries += 1;
        match status {
            Some(Status::Exited(0)) => {}
            Some(Status::Exited(OPENED)) => wins += 1,
            _ => odd += 1,
        }
    }
    println!("border tries {tries} wins {wins} odd {odd}");
    0
}

/// The process that enters. Its exit code is that of the program.
fn enter(kind: &str, words: &[String; 3], file: &str) -> i32 {
    let file = file.to_owned();
    let pipe = format!("{file}.fifo");
    for _ in 0..3 {
        let (file, pipe) = (file.clone(), pipe.clone());
        let waits = kind == "waiting";
        thread::spawn(move || {
            loop {
                match waits {
                    // It waits in the middle of its call.
                    true => drop(File::open(&pipe)),
                    false => drop(File::open(&file)),
                }
            }
        });
    }
    let [program, rest @ ..] = words;
    let mut command = Command::new(program);
    command.args(rest);
    let code = |status: std::io::Result<std::process::ExitStatus>| {
        status.ok().and_then(|status| status.code()).unwrap_or(1)
    };
    match kind {
        // posix_spawn: the child shares the memory until its execve, and the caller waits.
        "vfork" => code(command.status()),
        // CLONE_VM without CLONE_THREAD, and nothing waits.
        "shared" => match raw::reap(raw::sharing(words)) {
            Some(Status::Exited(code)) => code,
            _ => 1,
        },
        _ => {
            thread::sleep(Duration::from_micros(500));
            let executed = thread::spawn(move || command.exec());
            let _ = executed.join();
            1
        }
    }
}

/// `border-many DIRECTORY COUNT THREADS`: opens the files 0 to COUNT in so many threads; says how many could be read.
pub fn many(arguments: &[String]) -> i32 {
    let number = |at: usize| {
        arguments
            .get(at)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let (Some(directory), Some(count), Some(threads)) = (arguments.first(), number(1), number(2))
    else {
        return 2;
    };
    // Each thread takes the next file, so that all are busy until the last ones.
    let next = AtomicUsize::new(0);
    let share = || {
        let files = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let files = files.take_while(|file| *file < count);
        files
            .filter(|file| File::open(format!("{directory}/{file}")).is_ok())
            .count()
    };
    let read: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        let read = threads.into_iter().map(|thread| thread.join());
        read.map(Result::unwrap_or_default).sum()
    });
    println!("{read} of {count}");
    0
}
