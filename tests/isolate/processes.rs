//! Processes in a pid namespace: an init that is none of theirs, ids that mean what they mean there,
//! and ends as without.

use crate::scene::{ALL, How, Scene, tried};
use crate::support::landlock::abi;
use crate::support::{Running, no_process_survives, survivors, token};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

const PID: &str = "\"pid\"";
const LISTS: [&str; 3] = [PID, "\"pid\", \"mount\"", ALL];

#[test]
fn the_command_is_not_the_first_process_and_orphans_are_reaped() {
    // A signal that nobody handles ends what is no init.
    let script = "echo $$ $PPID; sh -c 'kill -TERM $$'; echo $?; (sh -c 'sleep 0.05 & exit') ; sleep 0.2; kill -TERM $$; echo alive";
    for list in LISTS {
        Scene::isolated(list).each(script, |ran, how| {
            let ran = ran.ends_with(128 + 15);
            assert_eq!(ran.out, "2 1\n143\n", "{how:?} {list}");
        });
    }
}

#[test]
fn no_process_of_the_host_is_seen_in_a_proc_of_its_own() {
    let script = "cd /proc; for p in [0-9]*; do cat $p/comm 2>/dev/null; done | sort | uniq -c | tr -s ' '; readlink self >/dev/null && echo self; test -d /proc/$$/fd && echo own";
    let scene = Scene::isolated("\"pid\", \"mount\"");
    scene.each(script, |ran, how| {
        let names = ran
            .out
            .lines()
            .filter(|line| !line.contains("cat") && !line.contains("sort"));
        let names: Vec<&str> = names
            .filter(|line| !line.contains("uniq") && !line.contains("tr"))
            .collect();
        assert!(
            names.iter().any(|name| name.ends_with("jail-init")),
            "{how:?}: {}",
            ran.out
        );
        assert!(
            names.iter().all(|name| name.ends_with("jail-init")
                || name.ends_with(" sh")
                || matches!(*name, "self" | "own")),
            "{how:?}: {}",
            ran.out
        );
        assert!(ran.out.ends_with("self\nown\n"), "{how:?}: {}", ran.out);
    });
}

#[test]
fn the_init_cannot_be_ended_stopped_or_limited_from_within() {
    let script = "./probe attack kill-init; ./probe attack limit-init; ./probe attack setpriority 0 1; ./probe attack sched_setaffinity 1; sleep 0.1 & wait; echo alive";
    for list in LISTS {
        Scene::isolated(list).each(script, |ran, how| {
            let ran = ran.ends_with(0);
            assert!(
                ran.out.contains("kill-init EPERM\nlimit-init EPERM\n"),
                "{how:?} {list}: {}",
                ran.out
            );
            assert!(
                ran.out.contains("sched_setaffinity EPERM"),
                "{how:?} {list}: {}",
                ran.out
            );
            assert!(ran.out.ends_with("alive\n"), "{how:?} {list}: {}", ran.out);
        });
    }
}

#[test]
fn honest_calls_about_ones_own_processes_work() {
    for list in LISTS {
        let scene = Scene::isolated(list);
        scene.each("./probe attack own-tasks", |ran, how| {
            // As without a namespace: root may profile, others may where the host lets them.
            let none = Scene::isolated("");
            let plain = none.run(how, &["./probe", "attack", "own-tasks"]).output();
            assert_eq!(ran.out, plain.out, "{how:?} {list}: {}", ran.err);
        });
        scene.each("./probe attack own-signals", |ran, how| {
            // Where the supervisor holds signals, what it cannot see is denied: as without.
            let held = how.landlock.is_some() || abi() < 6;
            let good = match held {
                false => ran.out == "own-signals done all\n",
                true => {
                    !ran.out.contains("lost")
                        && !ran.out.contains("kill")
                        && !ran.out.contains("ESRCH")
                        && ran.out.contains("done")
                }
            };
            assert!(good, "{how:?} {list}: {}", ran.out);
        });
    }
}

/// kill(0), kill(-1) and kill of the own group: this process and its child alone.
#[test]
fn signals_to_groups_and_to_everyone_stay_inside() {
    for list in LISTS {
        let scene = Scene::isolated(list);
        for (attack, both) in [("own-group 0 12", true), ("everyone 12", false)] {
            scene.each(&format!("exec ./probe attack {attack}"), |ran, how| {
                let own = u32::from(both);
                let said = format!("returned 0, self {own}, child 1\n");
                assert!(
                    ran.out.ends_with(&said),
                    "{how:?} {list} {attack}: {}",
                    ran.out
                );
            });
        }
        // A group of its own, by its number.
        scene.each("exec setsid ./probe attack own-group -1 12", |ran, how| {
            let said = "returned 0, self 1, child 1\n";
            assert!(ran.out.ends_with(said), "{how:?} {list}: {}", ran.out);
        });
    }
}

/// The supervisor sends kill(0) for the caller: the receiver is told the caller's id, as it knows it.
#[test]
fn a_signal_sent_in_a_processs_name_comes_from_that_process() {
    for list in LISTS {
        let scene = Scene::isolated(list);
        for how in How::all() {
            // The listener is the command; its own group is also that of jail.
            let script = "(sleep 0.2; kill -USR1 0; echo sent by $$; sleep 0.1; kill -38 2) & exec ./probe listen 10";
            let script = script.replace("$$", "$(exec sh -c 'echo $PPID')");
            let run = scene.run(how, &["bash", "-c", &format!("trap '' USR1; {script}")]);
            let Some(ran) = tried(run.output(), how) else {
                continue;
            };
            let sender = ran
                .out
                .lines()
                .find_map(|line| line.strip_prefix("signal 10 code 0 sender "));
            let said = ran
                .out
                .lines()
                .find_map(|line| line.strip_prefix("sent by "));
            assert!(
                sender.is_some() && sender == said,
                "{how:?} {list}: {}\n{}",
                ran.out,
                ran.err
            );
        }
    }
}

#[test]
fn a_command_ends_with_its_code_or_its_signal() {
    for list in LISTS {
        let scene = Scene::isolated(list);
        for (script, code) in [
            ("exit 0", 0),
            ("exit 7", 7),
            ("kill -KILL $$", 137),
            ("kill -SEGV $$", 139),
        ] {
            scene.each(script, |ran, _| drop(ran.ends_with(code)));
        }
        scene.each("exec ./nothing", |ran, _| drop(ran.ends_with(127)));
        for how in How::all() {
            if let Some(ran) = tried(scene.run(how, &["./policy.toml"]).output(), how) {
                ran.ends_with(126).complains("not executable");
            }
        }
    }
}

#[test]
fn a_daemon_is_waited_for_or_ended_as_without() {
    for list in LISTS {
        let scene = Scene::isolated(list);
        for how in How::all() {
            let name = format!("open/{}", token());
            let command = ["./probe", "daemon", &name, "150"];
            let Some(ran) = tried(scene.run(how, &command).output(), how) else {
                continue;
            };
            ran.ends_with(3);
            assert!(scene.dir.path().join(&name).exists(), "{how:?} {list}");
            let token = token();
            let name = format!("open/{token}");
            let command = ["./probe", "daemon", &name, "20000"];
            let ran = scene.with(how, &["--kill-on-exit"], &command).output();
            ran.ends_with(3);
            no_process_survives(&token, Duration::from_millis(500));
        }
    }
}

#[test]
fn no_process_survives_the_supervisors_death_or_the_inits() {
    for list in LISTS {
        let scene = Scene::isolated(list);
        for how in How::all() {
            if tried(scene.run(how, &["true"]).output(), how).is_none() {
                continue;
            }
            for kind in ["fork", "daemons"] {
                for init in [false, true] {
                    let token = token();
                    let mut run = scene.run(how, &["./probe", "storm", kind, &token]).start();
                    run.line("ready");
                    run.until("a storm", |_| survivors(&token).len() > 3);
                    match init {
                        true => {
                            let name = |pid: &i32| {
                                let comm = std::fs::read_to_string(format!("/proc/{pid}/comm"));
                                comm.is_ok_and(|comm| comm == "jail-init\n")
                            };
                            let init = survivors(&token).into_iter().find(name).expect("an init");
                            kill(Pid::from_raw(init), Signal::SIGKILL).expect("kill");
                        }
                        false => run.signal(Signal::SIGKILL),
                    }
                    run.until("its end", Running::has_ended);
                    no_process_survives(&token, Duration::from_secs(2));
                }
            }
        }
    }
}

#[test]
fn the_init_holds_nothing_open_and_may_do_nothing() {
    let scene = Scene::isolated(ALL);
    for how in How::all() {
        let token = token();
        let mut run = scene
            .run(how, &["sh", "-c", "echo ready; exec sleep 20", &token])
            .start();
        run.until("a command", |run| {
            run.out().contains("ready") || run.has_ended()
        });
        if run.has_ended() {
            tried(run.finish(), how);
            continue;
        }
        let find = || {
            survivors(&token).into_iter().find(|pid| {
                let comm = std::fs::read_to_string(format!("/proc/{pid}/comm"));
                comm.is_ok_and(|comm| comm == "jail-init\n")
            })
        };
        run.until("an init", |_| find().is_some());
        let init = find().expect("an init");
        // It gives all up once it has made the command.
        std::thread::sleep(Duration::from_millis(100));
        let status = std::fs::read_to_string(format!("/proc/{init}/status")).expect("its status");
        for line in [
            "CapPrm:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "CapBnd:\t0000000000000000",
            "NoNewPrivs:\t1",
        ] {
            assert!(status.contains(line), "{how:?}: {status}");
        }
        if crate::support::is_root() {
            let open = std::fs::read_dir(format!("/proc/{init}/fd")).expect("its descriptors");
            assert_eq!(open.count(), 0, "{how:?}");
        }
        run.signal(Signal::SIGTERM);
        run.finish().ends_with(128 + 15);
    }
}

#[test]
fn threads_stop_and_continue_as_their_proc_of_their_own_shows() {
    let scene = Scene::isolated("\"pid\", \"mount\"");
    for how in How::all() {
        let run = scene.run(how, &["./probe", "stop-threads", "0", "4"]);
        if let Some(ran) = tried(run.output(), how) {
            ran.ends_with(0);
        }
    }
}

#[test]
fn a_signal_to_jail_reaches_the_command_once_and_from_an_unknown_sender() {
    for list in LISTS {
        let scene = Scene::isolated(list);
        for how in How::all() {
            let token = token();
            let mut run = scene
                .run(how, &["./probe", "listen", "15", "10", &token])
                .start();
            run.until("a command", |run| {
                run.out().contains("ready") || run.has_ended()
            });
            if run.has_ended() {
                tried(run.finish(), how);
                continue;
            }
            let mut expected = String::from("ready 2\n");
            run.signal(Signal::SIGTERM);
            expected += "signal 15 code 0 sender 0\n";
            run.until("the signal", |run| run.out() == expected);
            std::thread::sleep(Duration::from_millis(60));
            run.signal_group(Signal::SIGUSR1);
            expected += "signal 10 code 0 sender 0\n";
            run.until("the signal", |run| run.out() == expected);
            std::thread::sleep(Duration::from_millis(60));
            assert_eq!(run.out(), expected, "{how:?} {list}");
        }
    }
}

#[test]
fn the_wall_limit_ends_all() {
    let scene = Scene::new(
        "default = \"allow\"\n[limits]\nwall = \"200ms\"\ngrace = \"100ms\"\n[process]\nisolate = [\"pid\", \"mount\"]\n",
    );
    for how in How::all() {
        let token = token();
        let command = ["sh", "-c", "trap '' TERM; sleep 20 & sleep 20", &token];
        if let Some(ran) = tried(scene.run(how, &command).output(), how) {
            ran.ends_with(124);
            no_process_survives(&token, Duration::from_secs(1));
        }
    }
}

/// A rule that is broken is told with the id by which the host knows the process.
#[test]
fn messages_have_the_hosts_ids() {
    let scene = Scene::new(
        "default = \"allow\"\n[syscalls]\numask = \"deny\"\n[process]\nisolate = [\"pid\", \"mount\"]\n",
    );
    for how in How::all() {
        let command = ["sh", "-c", "umask 022; echo $$"];
        let Some(ran) = tried(scene.run(how, &command).output(), how) else {
            continue;
        };
        let pid = ran
            .err
            .split("pid ")
            .nth(1)
            .and_then(|rest| rest.split(')').next());
        let pid: i32 = pid.and_then(|pid| pid.parse().ok()).unwrap_or_default();
        assert!(
            pid > 2 && ran.out == "2\n",
            "{how:?}: {}\n{}",
            ran.out,
            ran.err
        );
    }
}

#[test]
fn the_init_is_counted_nowhere() {
    let command = ["sh", "-c", "sh -c 'exit 3' & sh -c 'exit 4'; wait; exit 5"];
    let mut counts = Vec::new();
    for list in ["", PID, ALL] {
        let scene = Scene::isolated(list);
        for how in How::all() {
            let run = scene.with(how, &["--report", "open/report"], &command);
            let Some(ran) = tried(run.output(), how) else {
                continue;
            };
            ran.ends_with(5);
            let report = scene.dir.path().join("open/report");
            let text = std::fs::read_to_string(&report).expect("a report");
            let count = |key: &str| {
                let value = text.split(&format!("\"{key}\":")).nth(1).expect("a count");
                let value = value.split([',', '}']).next().unwrap_or_default();
                value.trim().to_owned()
            };
            counts.push((count("processes"), count("total")));
            std::fs::remove_file(&report).expect("rm");
        }
    }
    assert!(counts.iter().all(|other| *other == counts[0]), "{counts:?}");
}

/// A program that may be run and not read.
#[test]
fn a_program_that_may_not_be_read_runs_in_mounts_of_its_own() {
    let scene = Scene::isolated("\"pid\", \"mount\"");
    for how in How::all() {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        let probe = scene.dir.path().join("probe");
        std::fs::set_permissions(probe, mode).expect("chmod");
        let ran = scene.run(how, &["./probe", "exit", "7"]).output();
        if let Some(ran) = tried(ran, how) {
            ran.ends_with(7);
        }
    }
}
