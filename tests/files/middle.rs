//! Opens that the supervisor answers, while signals arrive, threads run and programs change.

use super::scene::{SUBTREES, Scene, files, run, start};
use crate::support::landlock::landlocks;
use crate::support::{probe, rounds};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// Everything in the tree, but for a pattern: each open is answered by the supervisor.
const PINNED: &str = "read = [\"@/r\", \"@/bin\"]\nwrite = [\"@/w\"]\nexec = [\"@/bin\", \"/usr\"]\ndeny = [\"@/w/**/secret-*\"]\n";

/// `files busy …` within, with each Landlock.
#[track_caller]
fn busy(words: &[&str], says: &str) {
    busy_under(PINNED, words, says);
}

#[track_caller]
fn busy_under(policy: &str, words: &[&str], says: &str) {
    for landlock in landlocks() {
        let scene = Scene::new();
        let policy = scene.policy(policy);
        scene.write("w/secret-x", "x");
        nix::unistd::mkfifo(scene.at("w/fifo").as_str(), nix::sys::stat::Mode::S_IRWXU)
            .expect("a FIFO");
        let words: Vec<String> = words.iter().map(|word| scene.text(word)).collect();
        let probe = scene.at("bin/files");
        let mut command = vec![probe.as_str(), "busy"];
        command.extend(words.iter().map(String::as_str));
        let options = ["--quiet", "--policy", &policy, "--"];
        let ran = run(scene.with(landlock, &options, &command));
        let ran = ran.ends_with(0);
        if !ran.out.starts_with(says) {
            ran.fail(&format!("should say {says:?}, Landlock {landlock:?}"));
        }
    }
}

#[test]
fn a_timer_signal_disturbs_no_open_and_none_is_lost() {
    for landlock in landlocks() {
        let scene = Scene::new();
        let policy = scene.policy(PINNED);
        scene.write("w/secret-x", "x");
        let (good, bad) = (scene.at("w/file"), scene.at("w/secret-x"));
        let probe = scene.at("bin/files");
        let options = ["--quiet", "--policy", &policy, "--"];
        let command = [probe.as_str(), "busy", "signals", &good, &bad, "1500"];
        let ran = run(scene.with(landlock, &options, &command)).ends_with(0);
        let words: Vec<&str> = ran.out.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        let (opens, alarms) = (number(2).unwrap_or(0), number(4).unwrap_or(0));
        // A timer's signals do not queue: what is pending once is one.
        assert!(opens > 1000 && alarms > 300, "{landlock:?}: {}", ran.out);
    }
}

#[test]
fn no_register_is_changed_by_a_call_that_goes_on_in_another_form() {
    let net = "[net]\nconnect = [\"127.0.0.1\"]\nlisten = [\"127.0.0.1:0\"]\n";
    let times = rounds(200).to_string();
    let words = ["registers", "@/w/file", "@/w", &times];
    busy_under(&format!("{PINNED}{net}"), &words, "ok times");
}

#[test]
fn a_fifo_that_blocks_is_interrupted_by_a_signal() {
    busy(&["fifo", "@/w/fifo", "interrupt"], "ok EINTR\n");
}

#[test]
fn a_fifo_that_blocks_goes_on_after_a_signal() {
    busy(&["fifo", "@/w/fifo", "restart"], "ok opened\n");
}

#[test]
fn eight_threads_open_at_once() {
    let times = rounds(1000).to_string();
    busy(&["threads", "@/w", "8", &times], "ok");
}

#[test]
fn programs_are_started_again_and_again() {
    let times = rounds(40).to_string();
    busy(&["spawn", "/usr/bin/true", &times], "ok");
}

#[test]
fn a_thread_becomes_another_program_while_others_open() {
    for _ in 0..rounds(3) {
        busy(&["exec-thread", "/usr/bin/echo"], "became another\n");
    }
}

#[test]
fn vforks_and_execs_are_as_without_paths_to_watch() {
    let scene = Scene::new();
    scene.copy(probe(), "bin/probe");
    let policy = scene.policy(PINNED);
    for words in [
        ["vfork", "50"].as_slice(),
        &["spawn", "20"],
        &["exec-from-thread", "4"],
    ] {
        let program = scene.at("bin/probe");
        let command = [&[program.as_str()], words].concat();
        let outside = run(scene.outside(&command));
        for landlock in landlocks() {
            let options = ["--quiet", "--policy", &policy, "--"];
            let ran = run(scene.with(landlock, &options, &command));
            if (ran.code(), &ran.out) != (outside.code(), &outside.out) {
                ran.fail(&format!(
                    "{words:?} outside: {:?} {}",
                    outside.code(),
                    outside.out
                ));
            }
        }
    }
}

#[test]
fn a_process_that_is_stopped_and_continued_opens_on() {
    for landlock in landlocks() {
        let scene = Scene::new();
        let policy = scene.policy(PINNED);
        let options = ["--quiet", "--policy", &policy, "--"];
        let probe = scene.at("bin/files");
        let script = scene.text(&format!(
            "{probe} busy open @/w/file {} & echo pid $!; wait $!; echo ended $?",
            rounds(3000)
        ));
        let mut running = start(scene.with(landlock, &options, &["/bin/sh", "-c", &script]));
        let pid: i32 = running.line("pid ").parse().expect("a process id");
        for _ in 0..20 {
            // It may have ended.
            let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
            std::thread::sleep(Duration::from_millis(10));
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
            std::thread::sleep(Duration::from_millis(5));
        }
        let ran = running.finish().ends_with(0);
        assert!(
            ran.out.contains("ok \n") && ran.out.contains("ended 0"),
            "{}",
            ran.out
        );
    }
}

#[test]
fn a_program_with_threads_resolves_beneath_a_directory() {
    let scene = Scene::new();
    let probe = files();
    let command = [probe.as_str(), "busy", "restricted", "file"];
    let mut faults = Vec::new();
    run(scene.outside(&command)).ends_with(0);
    for lists in [SUBTREES, PINNED] {
        let policy = scene.policy(lists);
        for landlock in landlocks() {
            let ran = run(scene.within(landlock, &policy, &command));
            // Where Landlock alone holds opens, no page for `open_how` is there before a program has
            // threads: it falls back as on a kernel before 5.6.
            let falls_back = lists == SUBTREES && ran.out.contains("openat2: ENOSYS");
            if ran.code() != Some(0) && !falls_back {
                faults.push(format!("Landlock {landlock:?}: {}{lists}", ran.out));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn registers_are_kept_where_only_landlock_decides_too() {
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let probe = files();
    let (good, bad) = (scene.at("w/file"), scene.at("none/file"));
    let command = [probe.as_str(), "busy", "signals", &good, &bad, "300"];
    let options = ["--quiet", "--policy", &policy, "--"];
    let ran = run(scene.with(None, &options, &command)).ends_with(0);
    assert!(ran.out.starts_with("ok "), "{}", ran.out);
}
