//! The supervisor sleeps in a lock that a task of the jail holds and does not release: limits and SIGKILL
//! end the tree all the same, in time.
//!
//! A task takes a lock with the lowest priority, its siblings keep its processor busy, and another one
//! makes calls that the supervisor acts on. `JAIL_TEST_ROUNDS=20 cargo test --test limits stuck --
//! --nocapture --test-threads=1` tells how late each verdict is, with more siblings and in every mode.

use super::memory::modes;
use super::policy;
use crate::support::schema::fitting;
use crate::support::{Dir, LATE, Run, jail, no_process_survives, plain, rounds, slow, token};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How it goes: the lock, the priority of its holder, how many siblings.
#[derive(Clone, Copy)]
struct Attack(&'static str, &'static str, u32);

/// Python. Its arguments: an [`Attack`], a directory where it may write, a word that names its processes.
const SCRIPT: &str = r"
import ctypes, os, signal, sys, threading, time
lock, priority, hogs, place = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
libc, size = ctypes.CDLL(None), ctypes.c_size_t
signal.signal(signal.SIGTERM, signal.SIG_IGN)
processor = {max(os.sched_getaffinity(0))}
name, many = place + '/file', place + '/many'

def yields():
    os.sched_setaffinity(0, processor)
    if priority == 'idle': os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else: os.nice(19)

def child(run):
    os.fork() or (run(), os._exit(0))

def spin():
    os.sched_setaffinity(0, processor)
    while True: pass

def inode():
    fd, parts = os.open(name, os.O_RDWR), [bytes(1 << 16)] * 1000
    yields()
    while True: os.pwritev(fd, parts, 0)

def directory():
    fd, buffer = os.open(many, os.O_RDONLY), ctypes.create_string_buffer(1 << 21)
    yields()
    while True:
        libc.getdents64(fd, buffer, size(1 << 21))
        os.lseek(fd, 0, 0)

def grow():
    time.sleep(0.5)
    # By no call at which the supervisor would have to look at memory first: this process would wait for it.
    part, whole = size(8 << 20), size(480 << 20)
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, whole, 3, 0x22, -1, 0)
    print('grows', time.time_ns(), flush=True)
    for n in range(60):
        libc.memset(ctypes.c_void_p(at + n * (8 << 20)), 1, part)
        if n == 20: print('full', time.time_ns(), flush=True)
        time.sleep(0.002)
    time.sleep(60)

def memory():
    length = size(48 << 20)
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, length, 3, 0x22, -1, 0)
    at = ctypes.c_void_p(at)
    libc.madvise(at, length, 15)
    libc.memset(at, 1, length)
    def hold():
        yields()
        while True:
            libc.mprotect(at, length, 1)
            libc.mprotect(at, length, 3)
    threading.Thread(target=hold, daemon=True).start()

def act():
    if lock == 'directory':
        os.mkdir(many + '/new')
        os.rmdir(many + '/new')
    else: os.chmod(name, 0o600)

open(name, 'w').close()
if lock == 'memory': memory()
else: child({'inode': inode, 'directory': directory}[lock])
time.sleep(0.1)
for _ in range(hogs): child(spin)
if 'grow' in sys.argv: child(grow)
print('holds', flush=True)
time.sleep(0.2)
while True: act()
";

/// Runs it under these limits.
fn run(attack: Attack, limits: &str, dir: &Dir, token: &str) -> Run {
    let Attack(lock, priority, hogs) = attack;
    let file = policy(dir, limits);
    let text = std::fs::read_to_string(&file).expect("a policy");
    // A pattern makes the supervisor perform what names a path.
    let text = text.replace("[limits]", "deny = [\"**/.env\"]\n[limits]");
    let file = dir.write("limits.toml", text);
    if lock == "directory" {
        for n in 0..20_000 {
            dir.write(&format!("many/{n:0200}"), "");
        }
    }
    let (hogs, place, report) = (hogs.to_string(), dir.path(), dir.file("report"));
    jail(["--report", &report, "--policy", &file, "--"])
        .args(["/usr/bin/python3", "-c", SCRIPT, lock, priority, &hogs])
        .args([place])
        .args([token])
        .cwd(place)
}

/// How much later than its limit and its grace the tree ended.
fn late_by_the_clock(attack: Attack, mode: &str, more: &str) -> Duration {
    const WALL: Duration = Duration::from_millis(1300);
    const GRACE: Duration = Duration::from_millis(100);
    let (dir, token) = (Dir::new(), token());
    let limits = format!("wall = \"1300ms\"\ngrace = \"100ms\"\n{more}");
    let run = run(attack, &limits, &dir, &token).env("JAIL_CGROUP", mode);
    let begin = Instant::now();
    let ran = run.output();
    let took = begin.elapsed();
    let ran = ran.ends_with(124);
    ran.complains("limits.wall");
    no_process_survives(&token, LATE);
    took.saturating_sub(WALL + GRACE)
}

/// How much more processor time than its limit the tree has used.
fn late_by_its_own_time(attack: Attack, mode: &str, more: &str) -> Duration {
    const CPU: Duration = Duration::from_secs(1);
    let (dir, token) = (Dir::new(), token());
    let limits = format!("cpu = \"1s\"\n{more}");
    let run = run(attack, &limits, &dir, &token).env("JAIL_CGROUP", mode);
    let ran = run.output().ends_with(124);
    ran.complains("limits.cpu");
    no_process_survives(&token, LATE);
    let report = std::fs::read_to_string(dir.file("report")).expect("a report");
    let report = fitting("report", &report);
    let used = |what: &str| report["cpu"][what].as_f64().expect("a number");
    Duration::from_secs_f64(used("user") + used("system")).saturating_sub(CPU)
}

/// How long after SIGKILL for jail the tree is gone: its last process closes the output.
fn late_by_kill(attack: Attack, mode: &str, more: &str) -> Duration {
    let (dir, token) = (Dir::new(), token());
    let run = run(attack, more, &dir, &token).env("JAIL_CGROUP", mode);
    let mut running = run.start();
    running.line("holds");
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    running.signal(Signal::SIGKILL);
    running.finish();
    let took = begin.elapsed();
    no_process_survives(&token, LATE);
    took
}

/// How much later the tree ended than it had more memory than its limit.
fn late_by_memory(attack: Attack, mode: &str, _: &str) -> Duration {
    let (dir, token) = (Dir::new(), token());
    let limits = "wall = \"60s\"\nmemory = \"128MiB\"";
    let run = run(attack, limits, &dir, &token).env("JAIL_CGROUP", mode);
    let ran = run.args(["grow"]).output();
    let end = SystemTime::now().duration_since(UNIX_EPOCH);
    let ran = ran.ends_with(124);
    // Where a cgroup limits it, it never has so much: what it takes to grow counts as well.
    let said = |word| ran.out.lines().find_map(|line| line.strip_prefix(word));
    let full = said("full ").or_else(|| said("grows "));
    let full = full.and_then(|time| time.parse().ok());
    let full = full.map(Duration::from_nanos);
    ran.complains("limits.memory");
    no_process_survives(&token, LATE);
    let end = end.expect("a time after 1970");
    full.map_or(Duration::ZERO, |full| end.saturating_sub(full))
}

type Late = fn(Attack, &str, &str) -> Duration;

/// Each attack, as often as is asked for.
#[track_caller]
fn is_in_time(what: &str, late: Late, attacks: &[Attack]) {
    // Memory is added up only where it is limited, and where no cgroup does it.
    let modes = match rounds(1) {
        1 => vec!["none"],
        _ => modes().collect(),
    };
    is_in_time_in(what, late, attacks, &modes);
}

#[track_caller]
fn is_in_time_in(what: &str, late: Late, attacks: &[Attack], modes: &[&str]) {
    let all = rounds(1);
    for mode in modes {
        let more = if all > 1 { "memory = \"1GiB\"" } else { "" };
        for attack in every(attacks, all > 1) {
            let times = (0..all).map(|_| late(attack, mode, more));
            let mut times: Vec<Duration> = times.collect();
            times.sort();
            let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
            let Attack(lock, priority, hogs) = attack;
            println!(
                "{what}, {mode:>4}, {lock:9} held at {priority}, {hogs:2} siblings: median {:4} ms, worst {:4} ms late",
                median.as_millis(),
                worst.as_millis()
            );
            // Without a watchdog the lock is held for minutes, and memory is not limited before the wall time.
            assert!(worst < slow(LATE), "{what}, {mode}, {lock}: {times:?}");
        }
    }
}

/// These, or all that there are.
fn every(attacks: &[Attack], all: bool) -> Vec<Attack> {
    if !all {
        return attacks.to_vec();
    }
    let mut every = Vec::new();
    for lock in ["inode", "directory", "memory"] {
        for priority in ["idle", "19"] {
            every.extend([4, 20, 60].map(|hogs| Attack(lock, priority, hogs)));
        }
    }
    every
}

#[test]
fn wall_time_is_kept_while_the_supervisor_sleeps_in_a_lock() {
    let attacks = [Attack("inode", "idle", 20), Attack("memory", "19", 20)];
    is_in_time("wall", late_by_the_clock, &attacks);
}

/// Other processes, of another jail for instance, keep the processor of the attack busy. One more is free.
#[test]
fn wall_time_is_kept_where_others_keep_the_processor_busy() {
    const SPIN: &str = r"
import os, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
for _ in range(2): os.fork()
print('spins', flush=True)
end = time.monotonic() + 60
while time.monotonic() < end: pass
";
    let hogs = plain(["/usr/bin/python3", "-c", SPIN]);
    let mut hogs = hogs.start();
    hogs.line("spins");
    let attacks = [Attack("inode", "idle", 4), Attack("memory", "idle", 4)];
    is_in_time("busy", late_by_the_clock, &attacks);
    hogs.signal_group(Signal::SIGKILL);
}

#[test]
fn processor_time_is_kept_while_the_supervisor_sleeps_in_a_lock() {
    let attacks = [Attack("inode", "19", 20)];
    is_in_time("cpu", late_by_its_own_time, &attacks);
}

#[test]
fn a_kill_of_jail_ends_the_tree_while_the_supervisor_sleeps_in_a_lock() {
    let attacks = [Attack("directory", "idle", 4)];
    is_in_time("kill", late_by_kill, &attacks);
}

#[test]
fn memory_is_limited_while_the_supervisor_sleeps_in_a_lock() {
    let attacks = [Attack("inode", "idle", 20)];
    // Where a cgroup limits it, the kernel ends one process only.
    let modes: Vec<&str> = modes().collect();
    is_in_time_in("memory", late_by_memory, &attacks, &modes);
}
