//! The bombs, one after the other: each ends by its own limit, in time, with nobody left and nobody else
//! harmed. `JAIL_TEST_ROUNDS=20 cargo test --test limits bombs -- --nocapture` tells how late.

use super::memory::{InMemory, has};
use super::policy;
use crate::support::{Dir, LATE, jail, no_process_survives, rounds, slow, token};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is wrong with it, and how it ends.
struct Bomb {
    name: &'static str,
    limits: &'static str,
    /// Python, which says the time when it is just before the limit: `now()`. Its arguments are a directory
    /// in memory, and a word that names its processes.
    script: &'static str,
    /// How long it may go on from its start; zero: until what it says.
    left: Duration,
    /// What jail says.
    says: &'static str,
}

const MIB: &str = "memory = \"64MiB\"";

const fn bomb(
    name: &'static str,
    limits: &'static str,
    left: u64,
    says: &'static str,
    script: &'static str,
) -> Bomb {
    Bomb {
        name,
        limits,
        script,
        left: Duration::from_millis(left),
        says,
    }
}

const BOMBS: [Bomb; 10] = [
    bomb(
        "forks",
        "processes = 32",
        0,
        "more than 32 tasks",
        "for _ in range(30): os.fork() or (time.sleep(30), os._exit(0))\n\
         now()\n\
         while True: os.fork()",
    ),
    bomb(
        "threads",
        "processes = 32",
        0,
        "more than 32 tasks",
        "start = lambda: threading.Thread(target=time.sleep, args=(30,)).start()\n\
         for _ in range(30): start()\n\
         now()\n\
         while True: start()",
    ),
    bomb(
        "memory",
        MIB,
        0,
        "more than 64MiB of memory",
        "held = [bytearray(44 << 20)]; now()\n\
         while True: held.append(bytearray(1 << 20))",
    ),
    bomb(
        "memory of many",
        MIB,
        0,
        "more than 64MiB of memory",
        "held = [bytearray(40 << 20)]; now()\n\
         while True: os.fork() or (held.append(bytearray(4 << 20)), time.sleep(30))",
    ),
    bomb(
        "files in memory",
        MIB,
        0,
        "more than 64MiB of memory",
        "for n in itertools.count():\n\
         \x20 n == 44 and now()\n\
         \x20 with open(f'{sys.argv[1]}/{n}', 'wb') as file: file.write(bytes(1 << 20))",
    ),
    bomb(
        "memfds",
        MIB,
        0,
        "more than 64MiB of memory",
        "for n in itertools.count():\n\
         \x20 n == 44 and now()\n\
         \x20 os.write(os.memfd_create('bomb'), bytes(1 << 20))",
    ),
    bomb(
        "output",
        "output = \"64KiB\"",
        0,
        "more than 64KiB",
        "now()\nwhile True: os.write(2, b'flood' * 1000)",
    ),
    bomb(
        "sleeper",
        "wall = \"500ms\"",
        500,
        "it has run for 500ms",
        "now(); time.sleep(30)",
    ),
    bomb(
        "spinner, by the clock",
        "wall = \"500ms\"\ngrace = \"100ms\"",
        600,
        "it has run for 500ms",
        "now(); signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
    ),
    bomb(
        "spinner, by its own time",
        "cpu = \"500ms\"",
        0,
        "more than 500ms of processor time",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         while time.process_time() < 0.49: pass\n\
         now()\n\
         while True: pass",
    ),
];

const HEAD: &str = "import itertools, os, signal, sys, threading, time\n\
    now = lambda: print(time.time_ns(), flush=True)\n";

/// How late its end was.
fn late(bomb: &Bomb, mode: &str, directory: &str) -> Duration {
    let (dir, token) = (Dir::new(), token());
    let file = policy(&dir, bomb.limits);
    let text = std::fs::read_to_string(&file).expect("a policy");
    let text = text.replace("write = [", &format!("write = [{directory:?}, "));
    dir.write("limits.toml", text);
    let script = format!("{HEAD}{}", bomb.script);
    let begin = SystemTime::now();
    let ran = jail(["--policy", &file, "--", "/usr/bin/python3", "-c", &script])
        .args([directory, &token])
        .cwd(dir.path())
        .env("JAIL_CGROUP", mode)
        .output();
    let end = SystemTime::now();
    if ran.code() != Some(124) {
        ran.fail(&format!(
            "{} should have ended with 124 under {mode}",
            bomb.name
        ));
    }
    no_process_survives(&token, LATE);
    // What is limited by the clock is so from its start, and may have had no time to say anything.
    let near = match (bomb.left.is_zero(), ran.out.lines().next().map(str::parse)) {
        (false, _) => begin + bomb.left,
        (true, Some(Ok(said))) => UNIX_EPOCH + Duration::from_nanos(said),
        (true, _) if slow(LATE) > LATE => {
            println!(
                "NOT TRIED HERE: {}: its program had no time to begin",
                bomb.name
            );
            end
        }
        (true, _) => ran.fail("should have said the time"),
    };
    ran.complains(bomb.says);
    end.duration_since(near).unwrap_or_default()
}

/// Each bomb, with memory limited by this mechanism.
fn each_bomb_ends_in_time(mode: &str) {
    let Some(directory) = InMemory::new() else {
        return;
    };
    if !has(mode) {
        return;
    }
    let path = directory.0.to_str().expect("UTF-8");
    let mut bystander = Bystander::new();
    for bomb in &BOMBS {
        let mut times: Vec<Duration> = (0..rounds(1))
            .map(|_| {
                let late = late(bomb, mode, path);
                for file in std::fs::read_dir(path).expect("a directory").flatten() {
                    let _ = std::fs::remove_file(file.path());
                }
                late
            })
            .collect();
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!(
            "{mode:>5} {:26} median {:4} ms, worst {:4} ms past the limit",
            bomb.name,
            median.as_millis(),
            worst.as_millis()
        );
        assert!(worst < slow(LATE), "{mode}: {}: {times:?}", bomb.name);
    }
    assert!(bystander.lives(), "another process was harmed");
}

#[test]
fn each_bomb_ends_by_its_own_limit_and_harms_no_other_process_with_cgroup_v2() {
    each_bomb_ends_in_time("v2");
}

#[test]
fn each_bomb_ends_by_its_own_limit_and_harms_no_other_process_with_cgroup_v1() {
    each_bomb_ends_in_time("v1");
}

#[test]
fn each_bomb_ends_by_its_own_limit_and_harms_no_other_process_without_a_cgroup() {
    each_bomb_ends_in_time("none");
}

/// Somebody of this user's, and none of the jail's.
struct Bystander(std::process::Child);

impl Bystander {
    fn new() -> Self {
        let mut sleep = std::process::Command::new("sleep");
        let null = std::process::Stdio::null;
        sleep
            .arg("3600")
            .stdin(null())
            .stdout(null())
            .stderr(null());
        Self(sleep.spawn().expect("sleep"))
    }

    fn lives(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
