//! Memory: of the whole tree, whatever it is had as, by each mechanism that the host has.

use super::policy;
use crate::support::schema::fitting;
use crate::support::{
    Dir, LATE, Ran, jail, no_process_survives, plain, probe, rounds, slow, token,
};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How much is well within the limit of 64 MiB of all tests here: what a program needs for itself comes
/// in addition.
pub const MOST: usize = 40;

/// The values of `JAIL_CGROUP` by which a mechanism is chosen.
const MODES: [&str; 3] = ["v2", "v1", "none"];

fn limited(dir: &Dir) -> String {
    policy(dir, "memory = \"64MiB\"")
}

/// Whether this host has what a mode stands for.
pub fn has(mode: &str) -> bool {
    let dir = Dir::new();
    let policy = limited(&dir);
    let ran = jail(["explain", "--all", &policy])
        .env("COLUMNS", "1000")
        .env("JAIL_CGROUP", mode)
        .output();
    let row = ran.out.lines().find(|line| line.contains("limits.memory"));
    let row = row.unwrap_or_else(|| ran.fail("should have told who limits memory"));
    let has = match mode {
        "none" => row.contains("supervisor") && row.contains("no memory cgroup"),
        mode => row.contains("by a cgroup") && row.contains(mode),
    };
    if !has {
        println!("NOT TRIED HERE: memory by {mode}: this host or user cannot make such a cgroup");
    }
    has
}

pub fn modes() -> impl Iterator<Item = &'static str> {
    MODES.into_iter().filter(|mode| has(mode))
}

/// A directory of the test's own in memory; `None`: the host has no such file system.
pub struct InMemory(pub PathBuf);

impl InMemory {
    pub fn new() -> Option<InMemory> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let tmpfs = |line: &str| line.contains(" /dev/shm ") && line.contains(" - tmpfs ");
        let path = PathBuf::from("/dev/shm").join(token());
        if !mounts.lines().any(tmpfs) || std::fs::create_dir(&path).is_err() {
            println!(
                "NOT TRIED HERE: files in memory: /dev/shm is no tmpfs that may be written to"
            );
            return None;
        }
        Some(InMemory(path))
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        // The probe has locked one away.
        let _ = plain(["chmod", "-R", "u+rwx"]).args([&self.0]).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a command in a mode, under a limit of 64 MiB. A directory in memory that it names it may write to.
#[track_caller]
pub fn run_in(mode: &str, command: &[&str]) -> Ran {
    let dir = Dir::new();
    let policy = limited(&dir);
    let in_memory = |word: &&&str| word.starts_with("/dev/shm/") || **word == "/dev/zero";
    if let Some(path) = command.iter().find(in_memory) {
        let text = std::fs::read_to_string(&policy).expect("a policy");
        let text = text.replace("write = [", &format!("write = [{path:?}, "));
        dir.write("limits.toml", text);
    }
    jail(["--policy", &policy, "--"])
        .args(command)
        .cwd(dir.path())
        .env("JAIL_CGROUP", mode)
        .output()
}

#[track_caller]
pub fn is_ended(mode: &str, command: &[&str]) {
    has_ended(mode, run_in(mode, command));
}

#[track_caller]
fn has_ended(mode: &str, ran: Ran) {
    if ran.code() != Some(124) {
        ran.fail(&format!("should have ended with 124 under {mode}"));
    }
    ran.complains("more than 64MiB of memory")
        .complains("limits.toml:7 limits.memory");
}

#[test]
fn a_command_that_uses_too_much_memory_is_ended() {
    for mode in modes() {
        for _ in 0..rounds(1) {
            for (kind, size) in [
                ("private", "1024"),
                ("populated", "8192"),
                ("shared", "1024"),
                ("threads", "256"),
                ("processes", "256"),
                ("memfd", "1024"),
                ("mapped-memfd", "1024"),
                ("closed-memfd", "1024"),
                ("undumpable", "1024"),
            ] {
                let token = token();
                is_ended(mode, &[probe(), "memory", kind, size, &token]);
                no_process_survives(&token, LATE);
            }
        }
    }
}

#[test]
fn files_in_memory_count_open_or_not() {
    for mode in modes() {
        for kind in ["unlinked", "files", "locked-away"] {
            let Some(directory) = InMemory::new() else {
                return;
            };
            let path = directory.0.to_str().expect("UTF-8");
            is_ended(mode, &[probe(), "memory", kind, "512", path]);
        }
    }
}

/// With `--trace-denials` the supervisor looks at opens only to report what Landlock denies. It must still see
/// at their return which files they fill.
#[test]
fn files_count_whose_opens_are_looked_at_to_report_denials() {
    for mode in modes() {
        let Some(directory) = InMemory::new() else {
            return;
        };
        let path = directory.0.to_str().expect("UTF-8");
        let dir = Dir::new();
        let policy = limited(&dir);
        // The policy is protected: where the command could change it, opens would be judged.
        let text = std::fs::read_to_string(&policy).expect("a policy");
        let own = dir.path().to_str().expect("UTF-8");
        dir.write("limits.toml", text.replace(own, path));
        let run = |megabytes: &str| {
            jail(["--trace-denials", "--policy", &policy, "--"])
                .args([probe(), "memory", "allocated", megabytes, path])
                .cwd(dir.path())
                .env("JAIL_CGROUP", mode)
                .output()
        };
        has_ended(mode, run("256"));
        let _ = plain(["find", path, "-type", "f", "-delete"]).output();
        run(&MOST.to_string()).ends_with(0).says("done\n");
    }
}

/// The probe's System V segments stay when it is killed: they are known by their size, and removed. Another
/// test's probe may be using its own at this time: those have a creator that lives.
pub struct Segments;

impl Drop for Segments {
    fn drop(&mut self) {
        const SIZE: usize = (4 << 20) - 4096;
        let text = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if let [_, id, _, size, creator, ..] = fields.as_slice()
                && *size == SIZE.to_string()
                && !std::path::Path::new("/proc").join(creator).exists()
            {
                let _ = plain(["ipcrm", "-m", id]).output();
            }
        }
    }
}

#[test]
fn system_v_segments_count_while_no_process_has_them_attached() {
    for mode in modes() {
        let _left = Segments;
        is_ended(mode, &[probe(), "memory", "segments", "256"]);
    }
}

#[test]
fn a_command_within_its_limit_is_not_ended() {
    let most = MOST.to_string();
    for mode in modes() {
        for _ in 0..rounds(1) {
            for kind in [
                "private",
                "shared",
                "threads",
                "copies",
                "turns",
                "memfd",
                "mapped-memfd",
                "closed-memfd",
                "segments",
            ] {
                let ran = run_in(mode, &[probe(), "memory", kind, &most]);
                if ran.code() != Some(0) {
                    ran.fail(&format!("should have been let be under {mode}"));
                }
                ran.says("done\n");
            }
        }
    }
}

#[test]
fn files_in_memory_within_the_limit_are_let_be() {
    for mode in modes() {
        for kind in ["unlinked", "files"] {
            let Some(directory) = InMemory::new() else {
                return;
            };
            let path = directory.0.to_str().expect("UTF-8");
            let most = MOST.to_string();
            run_in(mode, &[probe(), "memory", kind, &most, path])
                .ends_with(0)
                .says("done\n");
        }
    }
}

/// Who writes all the time to a directory in memory: files that others than the jail have made.
fn others_write(directory: &InMemory, done: &std::sync::atomic::AtomicBool) {
    let chunk = vec![1; 1 << 20];
    while !done.load(std::sync::atomic::Ordering::Relaxed) {
        let path = directory.0.join("others");
        for number in 0..100 {
            let file = path.with_extension(number.to_string());
            std::fs::write(file, &chunk).expect("a file");
        }
        for number in 0..100 {
            let _ = std::fs::remove_file(path.with_extension(number.to_string()));
        }
    }
}

#[test]
fn what_others_write_to_files_in_memory_is_not_the_jails() {
    let Some(directory) = InMemory::new() else {
        return;
    };
    let path = directory.0.to_str().expect("UTF-8");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| others_write(&directory, &done));
        // Whatever fails here must not keep the other one writing.
        let result = std::panic::catch_unwind(|| {
            for mode in modes() {
                for _ in 0..rounds(3) {
                    run_in(mode, &[probe(), "memory", "private", "40", path])
                        .ends_with(0)
                        .says("done\n");
                }
            }
        });
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        result.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
    });
}

#[test]
fn a_file_in_memory_that_another_process_has_filled_may_be_mapped_and_added_to() {
    let Some(directory) = InMemory::new() else {
        return;
    };
    let file = directory.0.join("others");
    std::fs::write(&file, vec![1; 100 << 20]).expect("a file");
    let script = "import mmap, sys, time\n\
        file = open(sys.argv[1], 'r+b')\n\
        map = mmap.mmap(file.fileno(), 0)\n\
        total = sum(map[at] for at in range(0, len(map), 4096))\n\
        file.seek(0, 2); file.write(bytes(20 << 20)); file.flush()\n\
        time.sleep(0.5); print('done')";
    let file = file.to_str().expect("UTF-8");
    for mode in modes() {
        let command = ["/usr/bin/env", "python3", "-c", script, file];
        run_in(mode, &command).ends_with(0).says("done\n");
        let old = std::fs::File::options().write(true).open(file);
        old.and_then(|file| file.set_len(100 << 20)).expect("cut");
    }
}

#[test]
fn files_in_memory_count_under_another_name_and_not_once_they_are_removed() {
    for mode in modes() {
        let Some(directory) = InMemory::new() else {
            return;
        };
        let path = directory.0.to_str().expect("UTF-8");
        let write = "head -c 4M /dev/zero > \"$0/new\" &&";
        let bomb =
            format!("for n in {{1..200}}; do {write} mv \"$0/new\" \"$0/$n\"; done; sleep 9");
        is_ended(mode, &["bash", "-c", &bomb, path]);
        let _ = plain(["find", path, "-type", "f", "-delete"]).output();
        let removed = format!(
            "for n in {{1..40}}; do {write} mv \"$0/new\" \"$0/old\" && rm \"$0/old\"; done; echo done"
        );
        run_in(mode, &["bash", "-c", &removed, path])
            .ends_with(0)
            .says("done\n");
    }
}

#[test]
fn children_that_share_their_parents_memory_until_they_execute_count_once() {
    // The child of posix_spawn(3) waits for somebody to open the pipe before it executes.
    let script = "import os, time\n\
        os.mkfifo('pipe')\n\
        if os.fork() == 0:\n\
        \x20 time.sleep(0.5); open('pipe', 'w'); os._exit(0)\n\
        held = bytearray(40 << 20)\n\
        wait = [(os.POSIX_SPAWN_OPEN, 9, 'pipe', os.O_RDONLY, 0)]\n\
        pid = os.posix_spawn('/bin/true', ['true'], os.environ, file_actions=wait)\n\
        os.waitpid(pid, 0); print('done')";
    for mode in modes() {
        run_in(mode, &["/usr/bin/env", "python3", "-c", script])
            .ends_with(0)
            .says("done\n");
    }
}

#[test]
fn all_are_ended_where_a_child_is_killed_for_its_memory() {
    for mode in modes() {
        let token = token();
        // The shell would go on.
        let script = format!(
            "exec -a {token} sleep 30 & {} memory private 1024; sleep 30",
            probe()
        );
        let begin = Instant::now();
        is_ended(mode, &["bash", "-c", &script]);
        assert!(begin.elapsed() < slow(LATE), "{mode}");
        no_process_survives(&token, LATE);
    }
}

#[test]
fn a_signal_of_another_process_is_not_mistaken_for_the_limits() {
    for mode in modes() {
        run_in(mode, &["bash", "-c", "kill -KILL $$"]).ends_with(137);
    }
}

#[test]
fn the_report_tells_the_limit_and_what_the_tree_had() {
    for mode in modes() {
        let dir = Dir::new();
        let policy = limited(&dir);
        let file = dir.file("report.json");
        let report = |size: &str| -> serde_json::Value {
            let command = [probe(), "memory", "processes", size];
            jail(["--policy", &policy, "--report", &file, "--"])
                .args(command)
                .env("JAIL_CGROUP", mode)
                .output();
            let text = std::fs::read_to_string(&file).expect("a report");
            fitting("report", &text)
        };
        let past = report("256");
        assert_eq!(
            (&past["ending"], &past["limit"]),
            (&"memory".into(), &"memory".into()),
            "{mode}: {past:#}"
        );
        let within = report("16");
        assert_eq!(
            (&within["ending"], &within["limit"]),
            (&"exited".into(), &().into()),
            "{mode}: {within:#}"
        );
        let tree = within["memory"]["tree"].as_u64().unwrap_or_default();
        // Eight processes of 2 MiB; no kernel before Linux 5.19 tells the peak of a v2 cgroup.
        if mode == "v2" && tree == 0 {
            println!("NOT TRIED HERE: the peak of a cgroup: this kernel does not tell");
        } else {
            assert!((16 << 20..64 << 20).contains(&tree), "{mode}: {within:#}");
        }
    }
}

#[test]
fn a_command_that_may_write_to_cgroups_is_in_none() {
    let dir = Dir::new();
    let open = "default = \"allow\"\n[limits]\nmemory = \"64MiB\"\n";
    let denied =
        "default = \"allow\"\n[fs]\ndeny = [\"/sys/fs/cgroup\"]\n[limits]\nmemory = \"64MiB\"\n";
    let row = |text: &str, mode: &str| {
        let policy = dir.write("policy.toml", text);
        let ran = jail(["explain", "--all", &policy])
            .env("COLUMNS", "1000")
            .env("JAIL_CGROUP", mode)
            .output();
        let mut lines = ran.out.lines();
        let row = lines.find(|line| line.contains("limits.memory"));
        row.unwrap_or_default().to_owned()
    };
    for mode in modes().filter(|&mode| mode != "none") {
        let open = row(open, mode);
        assert!(open.contains("may write to /sys/fs/cgroup"), "{open}");
        let denied = row(denied, mode);
        assert!(denied.contains("by a cgroup"), "{denied}");
    }
}

#[test]
fn no_cgroup_is_left_behind() {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let paths = own.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let mounts = [
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/unified",
    ];
    let places: Vec<PathBuf> = paths
        .flat_map(|path| mounts.map(|mount| PathBuf::from(format!("{mount}{path}"))))
        .flat_map(|path| [Some(path.clone()), path.parent().map(PathBuf::from)])
        .flatten()
        .collect();
    for mode in modes().filter(|&mode| mode != "none") {
        let dir = Dir::new();
        let policy = limited(&dir);
        let run = |command: &[&str]| {
            jail(["--policy", &policy, "--"])
                .args(command)
                .env("JAIL_CGROUP", mode)
                .start()
        };
        let left = |pid: i32| {
            let name = format!("jail-{pid}-0");
            places.iter().any(|place| place.join(&name).exists())
        };
        let mut running = run(&["sh", "-c", "echo ready; exec sleep 30"]);
        running.line("ready");
        let pid = running.pid();
        assert!(left(pid), "{mode}: none is made");
        running.signal(nix::sys::signal::Signal::SIGTERM);
        running.finish();
        assert!(!left(pid), "{mode}: it is left behind");
        for command in [
            &["true"] as &[&str],
            &["/nonexistent"],
            &[probe(), "memory", "private", "512"],
        ] {
            let running = run(command);
            let pid = running.pid();
            running.finish();
            assert!(!left(pid), "{mode}: {command:?}: it is left behind");
        }
        // Of one that is killed the next one takes it away.
        let mut killed = run(&["sh", "-c", "echo ready; exec sleep 30"]);
        killed.line("ready");
        let pid = killed.pid();
        killed.signal(nix::sys::signal::Signal::SIGKILL);
        drop(killed);
        let mut tries = 0..50;
        while left(pid) && tries.next().is_some() {
            std::thread::sleep(Duration::from_millis(20));
            run(&["true"]).finish().ends_with(0);
        }
        assert!(!left(pid), "{mode}: what was killed has left it behind");
    }
}

#[test]
fn many_jails_at_once_have_their_own() {
    for mode in modes() {
        let runs: Vec<_> = (0..6)
            .map(|number| {
                let size = if number % 2 == 0 { "40" } else { "512" };
                let dir = Dir::new();
                let policy = limited(&dir);
                let run = jail([
                    "--policy",
                    &policy,
                    "--",
                    probe(),
                    "memory",
                    "private",
                    size,
                ])
                .env("JAIL_CGROUP", mode)
                .start();
                (number, run, dir)
            })
            .collect();
        for (number, run, _dir) in runs {
            run.finish()
                .ends_with(if number % 2 == 0 { 0 } else { 124 });
        }
    }
}
