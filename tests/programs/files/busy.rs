//! `files busy KIND …`: programs that open files while something else happens. Each prints `ok` and
//! facts, or what went wrong.

use crate::machine;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Runs one; 1 if something is wrong, 2 if there is no such one.
pub fn run(words: &[&str]) -> i32 {
    let number = |text: &str| text.parse().unwrap_or(0);
    let result = match *words {
        ["signals", file, denied, millis] => signals(file, denied, number(millis)),
        ["registers", file, directory, times] => registers(file, directory, number(times)),
        ["fifo", path, restart] => fifo(path, restart == "restart"),
        ["threads", directory, count, times] => {
            threads(directory, number(count) as usize, number(times))
        }
        ["spawn", program, times] => spawn(program, number(times)),
        ["exec-thread", program] => exec_in_thread(program),
        ["restricted", path] => restricted(path),
        ["in-thread", path] => in_thread(path),
        ["reopen"] => thread::spawn(reopen)
            .join()
            .unwrap_or_else(|_| Err("panicked".to_owned())),
        ["open", directory, times] => open_many(directory, number(times)),
        _ => return 2,
    };
    match result {
        Ok(text) => {
            println!("ok {text}");
            0
        }
        Err(text) => {
            println!("wrong: {text}");
            1
        }
    }
}

type Result = std::result::Result<String, String>;

/// Reads a file in a thread.
fn in_thread(path: &str) -> Result {
    let path = path.to_owned();
    let reader = thread::spawn(move || fs::read_to_string(path));
    let read = reader.join().map_err(|_| "panicked".to_owned())?;
    read.map_err(|error| error.to_string())
}

/// Opens a pipe and a memfd again, beside another thread.
fn reopen() -> Result {
    let told = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let (mut from, mut to) = std::io::pipe().map_err(told("pipe"))?;
    let name = |fd: &dyn AsRawFd| format!("/dev/fd/{}", fd.as_raw_fd());
    let memfd = memfd_create("own", MFdFlags::empty()).map_err(|errno| errno.to_string())?;
    let mut opened = Vec::new();
    for (what, path, read, write) in [
        ("a pipe's end for reading", name(&from), true, false),
        ("a pipe's end for writing", name(&to), false, true),
        ("a memfd", name(&memfd), true, true),
        ("a memfd for reading", name(&memfd), true, false),
    ] {
        let lowest = File::open(".").map_err(told("."))?.as_raw_fd();
        let mut options = File::options();
        let file = options
            .read(read)
            .write(write)
            .open(path)
            .map_err(told(what))?;
        if file.as_raw_fd() != lowest {
            return Err(format!("{what} got {}, not {lowest}", file.as_raw_fd()));
        }
        if !fcntl(&file, FcntlArg::F_GETFD).is_ok_and(|flags| flags == libc::FD_CLOEXEC) {
            return Err(format!("{what} stays open over execve"));
        }
        let flags = fcntl(&file, FcntlArg::F_GETFL).unwrap_or(-1);
        if flags & (libc::O_NONBLOCK | libc::O_PATH) != 0 {
            return Err(format!("{what} has the flags {flags:#o}"));
        }
        opened.push(file);
    }
    let [reading, writing, both, again] = opened.as_mut_slice() else {
        return Err("not all".to_owned());
    };
    let mut buffer = [0; 2];
    writing.write_all(b"ab").map_err(told("write"))?;
    reading.read_exact(&mut buffer).map_err(told("read"))?;
    to.write_all(b"cd").map_err(told("write"))?;
    from.read_exact(&mut buffer).map_err(told("read"))?;
    both.write_all(b"ef").map_err(told("write"))?;
    again.read_exact(&mut buffer).map_err(told("read"))?;
    match &buffer {
        b"ef" => Ok("all".to_owned()),
        other => Err(format!("read {other:?}")),
    }
}

/// Opens beside another process that does the same, under a timer that fires each millisecond.
fn signals(file: &str, denied: &str, millis: u64) -> Result {
    let fail = |what: &'static str| move |error| format!("{what}: {error}");
    let mut beside = Command::new(std::env::current_exe().map_err(|e| e.to_string())?)
        .args(["busy", "open", file, "100000000"])
        .spawn()
        .map_err(|error| format!("beside: {error}"))?;
    let path = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let (good, bad) = (path(file)?, path(denied)?);
    machine::heed_alarms(true).map_err(fail("sigaction"))?;
    machine::alarm(1000, 1000).map_err(fail("setitimer"))?;
    let begin = Instant::now();
    let (mut opens, mut wrong) = (0u64, Vec::new());
    let least = Duration::from_millis(millis);
    let most = least + Duration::from_secs(30);
    let enough = |opens| opens > 1000 && machine::alarms() > 300;
    while wrong.len() < 5 {
        let elapsed = begin.elapsed();
        if elapsed > most || elapsed > least && enough(opens) {
            break;
        }
        opens += 1;
        let (fd, changed) = machine::open(&good, i64::from(libc::O_RDWR), 0);
        if fd < 3 || changed {
            wrong.push(format!(
                "open {opens} returned {fd}, registers changed: {changed}"
            ));
        }
        let closed = crate::raw::call(libc::SYS_close, &[crate::raw::Arg::I(fd)]);
        if closed.is_err() {
            wrong.push(format!("close of {fd}: {closed:?}"));
        }
        let (fd, changed) = machine::open(&bad, i64::from(libc::O_RDWR), 0);
        if fd != -i64::from(libc::EACCES) || changed {
            wrong.push(format!(
                "denied open {opens} returned {fd}, registers: {changed}"
            ));
        }
    }
    machine::alarm(0, 0).map_err(fail("setitimer"))?;
    let _ = beside.kill();
    let _ = beside.wait();
    let alarms = machine::alarms();
    match wrong.is_empty() {
        true => Ok(format!("opens {opens} alarms {alarms}")),
        false => Err(wrong.join("; ")),
    }
}

/// Makes calls that go on in another form beside another thread: those that change one register and those that
/// change three, that succeed and that fail.
fn registers(file: &str, directory: &str, times: u64) -> Result {
    thread::spawn(|| thread::sleep(Duration::from_secs(100)));
    let path = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let (file, directory) = (path(file)?, path(directory)?);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let open = listener.local_addr().map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    let mut expect = |what: &str, (result, changed): (i64, bool), as_expected: fn(i64) -> bool| {
        if changed || !as_expected(result) {
            wrong.push(format!(
                "{what} returned {result}, registers changed: {changed}"
            ));
        }
        result
    };
    for _ in 0..times {
        let flags = i64::from(libc::O_RDWR);
        let opened = machine::open(&file, flags, 0);
        let fd = expect("open", opened, |fd| fd >= 3);
        let _ = crate::raw::call(libc::SYS_close, &[crate::raw::Arg::I(fd)]);
        let flags = flags | i64::from(libc::O_DIRECTORY);
        let failed = machine::open(&file, flags, 0);
        expect("open of no directory", failed, |errno| {
            errno == -i64::from(libc::ENOTDIR)
        });
        let entered = machine::chdir(&directory, 1, 2);
        expect("chdir", entered, |result| result == 0);
        let failed = machine::chdir(&file, 1, 2);
        expect("chdir to a file", failed, |errno| {
            errno == -i64::from(libc::ENOTDIR)
        });
        // Nothing listens at port 1.
        connect(open.port(), 0)?;
        connect(1, libc::ECONNREFUSED)?;
        listener.accept().map_err(|error| error.to_string())?;
    }
    match wrong.is_empty() {
        true => Ok(format!("times {times}")),
        false => Err(wrong.join("; ")),
    }
}

/// Connects to a port of this host: it returns this error, or 0.
fn connect(port: u16, errno: i32) -> std::result::Result<(), String> {
    use crate::raw::{Arg, call};
    let kind = [libc::AF_INET, libc::SOCK_STREAM, 0].map(|arg| Arg::I(arg.into()));
    let fd = call(libc::SYS_socket, &kind).map_err(|errno| errno.to_string())?;
    let mut address = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    address.extend(port.to_be_bytes());
    address.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (result, changed) = machine::connect(fd, &address);
    let _ = call(libc::SYS_close, &[Arg::I(fd)]);
    match result == -i64::from(errno) && !changed {
        true => Ok(()),
        false => Err(format!(
            "connect returned {result}, registers changed: {changed}"
        )),
    }
}

/// Opens a FIFO that nobody writes to, and is interrupted; with `restart`, until somebody does.
fn fifo(path: &str, restart: bool) -> Result {
    let text = CString::new(path).map_err(|error| error.to_string())?;
    machine::heed_alarms(restart).map_err(|error| error.to_string())?;
    let writer = restart.then(|| {
        let path = path.to_owned();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(400));
            fs::OpenOptions::new().write(true).open(path).map(drop)
        })
    });
    // Not the only task, so that the supervisor must keep the path from changing.
    thread::spawn(|| thread::sleep(Duration::from_secs(100)));
    machine::alarm(100_000, if restart { 50_000 } else { 0 }).map_err(|error| error.to_string())?;
    let (result, changed) = machine::open(&text, 0, 0);
    machine::alarm(0, 0).map_err(|error| error.to_string())?;
    let alarms = machine::alarms();
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    if changed {
        return Err("registers changed".to_owned());
    }
    let said = match result {
        0.. => "opened".to_owned(),
        errno => format!("{:?}", Errno::from_raw(-errno as i32)),
    };
    match alarms {
        0 => Err(format!("{said} without a signal")),
        _ => Ok(said),
    }
}

/// Each thread writes and reads files of its own.
fn threads(directory: &str, count: usize, times: u64) -> Result {
    let work = |number: usize| {
        let path = Path::new(directory).join(format!("of-{number}"));
        move || {
            for round in 0..times {
                let content = format!("{number} {round}");
                fs::write(&path, &content).map_err(|error| format!("write {content}: {error}"))?;
                let mut found = String::new();
                File::open(&path)
                    .and_then(|mut file| file.read_to_string(&mut found))
                    .map_err(|error| format!("read {content}: {error}"))?;
                if found != content {
                    return Err(format!("{content:?} became {found:?}"));
                }
            }
            Ok(())
        }
    };
    let started: Vec<_> = (0..count)
        .map(|number| thread::spawn(work(number)))
        .collect();
    for thread in started {
        thread
            .join()
            .map_err(|_| "a thread panicked".to_owned())??;
    }
    Ok(String::new())
}

/// Starts a program again and again, from two threads.
fn spawn(program: &str, times: u64) -> Result {
    let work = || {
        let program = program.to_owned();
        move || {
            for round in 0..times {
                let status = Command::new(&program).status();
                match status {
                    Ok(status) if status.success() => {}
                    other => return Err(format!("round {round}: {other:?}")),
                }
            }
            Ok(())
        }
    };
    let started = [thread::spawn(work()), thread::spawn(work())];
    for thread in started {
        thread
            .join()
            .map_err(|_| "a thread panicked".to_owned())??;
    }
    Ok(String::new())
}

/// Becomes another program in a thread, while others open.
fn exec_in_thread(program: &str) -> Result {
    use std::os::unix::process::CommandExt;
    for _ in 0..3 {
        thread::spawn(|| {
            loop {
                drop(File::open("/etc/passwd"));
            }
        });
    }
    let program = std::ffi::OsStr::from_bytes(program.as_bytes()).to_owned();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        Command::new(program)
            .arg("became another")
            .exec()
            .to_string()
    });
    Err(thread
        .join()
        .unwrap_or_else(|_| "a thread panicked".to_owned()))
}

/// openat2(2), with which libraries resolve beneath a directory, in a program with threads.
fn restricted(path: &str) -> Result {
    use crate::raw::Arg;
    const RESOLVE_BENEATH: u64 = 8;
    thread::spawn(|| thread::sleep(Duration::from_secs(100)));
    let how: Vec<u8> = [0, 0, RESOLVE_BENEATH]
        .into_iter()
        .flat_map(u64::to_ne_bytes)
        .collect();
    let path = CString::new(path).map_err(|error| error.to_string())?;
    let here = Arg::I(i64::from(libc::AT_FDCWD));
    let arguments = [here, Arg::P(&path), Arg::B(&how), Arg::I(24)];
    match crate::raw::call(libc::SYS_openat2, &arguments) {
        Ok(_) => Ok("opened".to_owned()),
        Err(errno) => Err(format!("openat2: {errno:?}")),
    }
}

/// Opens a file, or each file of a directory, again and again.
fn open_many(path: &str, times: u64) -> Result {
    for round in 0..times {
        File::open(path).map_err(|error| format!("round {round}: {error}"))?;
    }
    Ok(String::new())
}
