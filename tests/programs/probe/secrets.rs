//! What one run could leave for the next: `secrets plant` leaves all that it can, `secrets look` prints all that a
//! program can see of it.

use crate::raw;
use nix::sys::resource::{Resource, setrlimit};
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const KEY: &CStr = c"jail-test-secret";
/// An extended attribute of a directory.
const ATTRIBUTE: &CStr = c"user.secret";
/// KEY_SPEC_SESSION_KEYRING and KEY_SPEC_USER_KEYRING (keyctl(2)).
const KEYRINGS: [i32; 2] = [-3, -4];
/// Of a shared memory segment, a message queue and a set of semaphores.
const SYSTEM_V: u64 = 0x6a61_696c;
/// ioprio_set(2): this process; the idle class.
const IDLE: u64 = 3 << 13;

/// `secrets plant|look`.
pub fn secrets(arguments: &[String]) -> i32 {
    match arguments.first().map(String::as_str) {
        Some("plant") => plant(),
        Some("look") => look(),
        _ => return 2,
    }
    0
}

fn of_path(path: &OsStr) -> CString {
    CString::new(path.as_bytes()).expect("no NUL byte")
}

fn call(number: i64, args: [u64; 6]) -> i64 {
    raw::any_call(number as u64, args)
}

fn of_key() -> (u64, u64) {
    (c"user".as_ptr().addr() as u64, KEY.as_ptr().addr() as u64)
}

/// Prints what it has left.
fn plant() {
    let say = |what: &str, done: bool| println!("{what} {}", if done { "left" } else { "refused" });
    let passes = |number, args| call(number, args) >= 0;
    let (kind, key) = of_key();
    for keyring in KEYRINGS {
        let args = [kind, key, key, 1, keyring as u64, 0];
        say("key", passes(libc::SYS_add_key, args));
    }
    let make = (libc::IPC_CREAT | 0o666) as u64;
    say(
        "shared memory",
        passes(libc::SYS_shmget, [SYSTEM_V, 4096, make, 0, 0, 0]),
    );
    say(
        "queue",
        passes(libc::SYS_msgget, [SYSTEM_V, make, 0, 0, 0, 0]),
    );
    say(
        "semaphores",
        passes(libc::SYS_semget, [SYSTEM_V, 1, make, 0, 0, 0]),
    );
    if let Some(tmp) = std::env::var_os("TMPDIR") {
        say(
            "file",
            fs::write(Path::new(&tmp).join("secret"), "secret").is_ok(),
        );
        let open = Permissions::from_mode(0o777);
        say("mode", fs::set_permissions(&tmp, open).is_ok());
        let (path, name) = (of_path(&tmp), ATTRIBUTE.as_ptr().addr() as u64);
        let args = [path.as_ptr().addr() as u64, name, name, 4, 0, 0];
        let _ = call(libc::SYS_setxattr, args);
    }
    // Of the open files that the streams are.
    let flags = (libc::O_APPEND | libc::O_NONBLOCK) as u64;
    for fd in 0..3 {
        let set = [fd, libc::F_SETFL as u64, flags, 0, 0, 0];
        say("flags", passes(libc::SYS_fcntl, set));
    }
    for fd in 3..30 {
        let _ = raw::duplicate(&std::io::stdin(), fd);
    }
    say("umask", passes(libc::SYS_umask, [0, 0, 0, 0, 0, 0]));
    say("limit", setrlimit(Resource::RLIMIT_NOFILE, 33, 33).is_ok());
    say("directory", std::env::set_current_dir("/").is_ok());
    say("nice", passes(libc::SYS_setpriority, [0, 0, 7, 0, 0, 0]));
    say(
        "ioprio",
        passes(libc::SYS_ioprio_set, [1, 0, IDLE, 0, 0, 0]),
    );
    let no_random = 0x0004_0000;
    say(
        "personality",
        passes(libc::SYS_personality, [no_random, 0, 0, 0, 0, 0]),
    );
    let slack = libc::PR_SET_TIMERSLACK as u64;
    say(
        "timer slack",
        passes(libc::SYS_prctl, [slack, 12345, 0, 0, 0, 0]),
    );
    say("oom", fs::write("/proc/self/oom_score_adj", "321").is_ok());
    say("name", fs::write("/proc/self/comm", "secret").is_ok());
    say("ignored", raw::ignore(libc::SIGUSR1).is_ok());
    say("blocked", raw::block(&[libc::SIGUSR2]).is_ok());
    // A process that stays behind, in a session of its own, with all that this one has.
    let child = raw::fork(|| {
        call(libc::SYS_setsid, [0; 6]);
        std::thread::sleep(std::time::Duration::from_secs(60));
        0
    });
    say("process", child > 0);
    say("session", passes(libc::SYS_setsid, [0; 6]));
}

/// Prints a line for each thing.
/// How many threads of the process that started this one can be sent a signal, and of how many the memory or the
/// environment can be opened.
fn reached() -> [usize; 2] {
    let parent = std::os::unix::process::parent_id();
    let threads = parent..std::process::id().max(parent + 500);
    let hears = |thread: &u32| {
        let args = [parent.into(), (*thread).into(), 0, 0, 0, 0];
        call(libc::SYS_tgkill, args) == 0
    };
    let opens = |thread: &u32| {
        let of = |file| fs::File::open(format!("/proc/{parent}/task/{thread}/{file}")).is_ok();
        of("mem") || of("environ")
    };
    [
        threads.clone().filter(hears).count(),
        threads.filter(opens).count(),
    ]
}

fn look() {
    const NAMES: [&str; 20] = [
        "Name",
        "Umask",
        "Groups",
        "SigPnd",
        "ShdPnd",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Seccomp_filters",
        "Cpus_allowed",
        "Mems_allowed",
        "Threads",
        "NSsid",
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        let name = line.split(':').next().unwrap_or_default();
        if NAMES.contains(&name) {
            println!("{line}");
        }
    }
    let reached = reached();
    println!("threads of jail that a signal or a look reaches: {reached:?}");
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    // Process group, session, terminal; priority, nice; exit signal, real-time priority, scheduling policy.
    for field in [3, 4, 5, 16, 17, 36, 38, 39] {
        println!("stat {field} {:?}", fields.get(field));
    }
    for file in ["limits", "oom_score_adj", "personality"] {
        println!(
            "{file} {:?}",
            fs::read_to_string(format!("/proc/self/{file}")).ok()
        );
    }
    println!("directory {:?}", std::env::current_dir().ok());
    let mut variables: Vec<_> = std::env::vars_os().collect();
    variables.sort();
    // Each run has a directory of its own.
    let tmp = std::env::var_os("TMPDIR");
    variables.retain(|(_, value)| Some(value) != tmp.as_ref());
    println!("environment {variables:?}");
    for fd in 0..100 {
        let flags = call(libc::SYS_fcntl, [fd, libc::F_GETFL as u64, 0, 0, 0, 0]);
        if flags >= 0 {
            println!("descriptor {fd} {flags:#o}");
        }
    }
    println!("ioprio {}", call(libc::SYS_ioprio_get, [1, 0, 0, 0, 0, 0]));
    println!(
        "personality {}",
        call(libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0])
    );
    for option in [
        libc::PR_GET_TIMERSLACK,
        libc::PR_GET_DUMPABLE,
        libc::PR_GET_KEEPCAPS,
        libc::PR_GET_SECUREBITS,
    ] {
        println!(
            "prctl {option} {}",
            call(libc::SYS_prctl, [option as u64, 0, 0, 0, 0, 0])
        );
    }
    let (kind, key) = of_key();
    for keyring in KEYRINGS {
        let args = [libc::KEYCTL_SEARCH.into(), keyring as u64, kind, key, 0, 0];
        println!("key {}", call(libc::SYS_keyctl, args) >= 0);
    }
    println!(
        "shared memory {}",
        call(libc::SYS_shmget, [SYSTEM_V, 0, 0, 0, 0, 0]) >= 0
    );
    println!(
        "queue {}",
        call(libc::SYS_msgget, [SYSTEM_V, 0, 0, 0, 0, 0]) >= 0
    );
    println!(
        "semaphores {}",
        call(libc::SYS_semget, [SYSTEM_V, 0, 0, 0, 0, 0]) >= 0
    );
    if let Some(tmp) = std::env::var_os("TMPDIR") {
        let files = fs::read_dir(&tmp).map(|files| files.flatten().count());
        println!("files {:?}", files.ok());
        let mode = fs::metadata(&tmp).map(|found| found.permissions().mode());
        println!("mode {:?}", mode.ok());
        let (path, name) = (of_path(&tmp), ATTRIBUTE.as_ptr().addr() as u64);
        let args = [path.as_ptr().addr() as u64, name, 0, 0, 0, 0];
        println!("attribute {}", call(libc::SYS_getxattr, args));
    }
    println!("stdin {}", std::io::stdin().as_raw_fd());
}
