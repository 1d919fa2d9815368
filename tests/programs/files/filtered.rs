//! `files filtered ANSWER CALLS ACTION…`: a program with a seccomp filter of its own. It answers the calls
//! of these numbers (`1,2`) by `EPERM`, `kill`, `kill-thread` or `trap`, and lets all others pass.
//! Then it does one after the other, and prints what came of it: `open:PATH`, `thread:PATH` (the same in a
//! thread), `killed:PATH` (in a thread that the filter may kill), `fork` (what follows is done by a child),
//! `exec:PATH` (another program shows it), `send` (a datagram to itself, by a thread).

use crate::raw::{self, Arg};
use std::fs::File;

const SET_MODE_FILTER: i64 = 1;
const PR_SET_NO_NEW_PRIVS: i64 = 38;

/// Returns the exit code; 2 if the words are wrong.
pub fn run(answer: &str, calls: &str, actions: &[&str]) -> i32 {
    let answer = match answer {
        "EPERM" => libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        "kill" => libc::SECCOMP_RET_KILL_PROCESS,
        "kill-thread" => libc::SECCOMP_RET_KILL_THREAD,
        "trap" => libc::SECCOMP_RET_TRAP,
        _ => return 2,
    };
    let Ok(calls) = calls
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<u32>, _>>()
    else {
        return 2;
    };
    match install(answer, &calls) {
        Ok(_) => act(actions),
        Err(errno) => {
            println!("filter: {errno:?}");
            1
        }
    }
}

fn act(actions: &[&str]) -> i32 {
    let Some((action, rest)) = actions.split_first() else {
        return 0;
    };
    match action.split_once(':') {
        Some(("open", path)) => println!("open: {}", open(path)),
        Some(("thread", path)) => {
            let path = path.to_owned();
            let name = std::thread::Builder::new().spawn(move || open(&path));
            match name {
                Ok(thread) => {
                    println!("thread: {}", thread.join().unwrap_or("panicked".to_owned()))
                }
                Err(error) => println!("no thread: {error}"),
            }
        }
        Some(("killed", path)) => {
            println!(
                "thread: {}",
                open_in_lone_thread(path).unwrap_or("killed".to_owned())
            );
        }
        Some(("exec", path)) => {
            let cat = std::process::Command::new("/bin/cat").arg(path).status();
            return i32::from(!cat.is_ok_and(|status| status.success()));
        }
        None if *action == "send" => {
            let sent = std::thread::Builder::new().spawn(send);
            let sent = sent.map(|thread| thread.join().unwrap_or(Ok(0)));
            println!("send: {sent:?}");
        }
        None if *action == "fork" => {
            let status = raw::child(|| act(rest));
            return i32::from(status != 0);
        }
        _ => return 2,
    }
    act(rest)
}

fn open(path: &str) -> String {
    match File::open(path) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What a thread says of an open that may kill it. Waits until its tracer has seen its end: once the process ends,
/// a thread has ended as that did.
fn open_in_lone_thread(path: &str) -> Option<String> {
    let (sender, says) = std::sync::mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        let tid = raw::call(libc::SYS_gettid, &[]).map_err(|errno| errno.to_string());
        let _ = sender.send(tid.map(|tid| tid.to_string())).is_ok()
            && sender.send(Ok(open(&path))).is_ok();
    });
    let tid = says.recv().ok()?.ok()?.parse().ok()?;
    let own = i64::from(std::process::id());
    while raw::call(libc::SYS_tgkill, &[Arg::I(own), Arg::I(tid), Arg::I(0)]).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    says.try_recv().ok()?.ok()
}

fn send() -> Result<usize, std::io::ErrorKind> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").map_err(|error| error.kind())?;
    let own = socket.local_addr().map_err(|error| error.kind())?;
    socket.send_to(b"x", own).map_err(|error| error.kind())
}

fn install(answer: u32, calls: &[u32]) -> Result<i64, nix::errno::Errno> {
    let word = |code: u64, jumps: u64, k: u64| code | jumps << 16 | k << 32;
    // Load the number; for each call, if it is equal, the answer.
    let mut program = vec![word(0x20, 0, 0)];
    for call in calls {
        program.push(word(0x15, 1 << 8, u64::from(*call)));
        program.push(word(0x06, 0, u64::from(answer)));
    }
    program.push(word(0x06, 0, u64::from(libc::SECCOMP_RET_ALLOW)));
    let header = [program.len() as u64, program.as_ptr().addr() as u64];
    let number = |value: i64| Arg::I(value);
    raw::call(
        libc::SYS_prctl,
        &[
            number(PR_SET_NO_NEW_PRIVS),
            number(1),
            number(0),
            number(0),
            number(0),
        ],
    )?;
    let address = header.as_ptr().addr() as i64;
    raw::call(
        libc::SYS_seccomp,
        &[number(SET_MODE_FILTER), number(0), number(address)],
    )
}
