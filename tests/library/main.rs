//! The library: jails run from a program, many at once, and take nothing of their host.

#[path = "../support/mod.rs"]
mod support;

mod end;
mod hosts;
mod peak;

use jail::internal::launch;
use jail::{Ending, Error, Event, Jail, Limits, Policy, Stdio};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Dir, LATE, no_process_survives, plain, probe, rounds, token};

/// Everything may be read and executed, so that the tests' own programs can.
fn policy(more: &str) -> Policy {
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"/\"]\n{more}"
    );
    Policy::parse(&text, "library.toml").expect("a policy")
}

fn shell(script: &str) -> jail::Builder {
    Jail::builder()
        .policy(policy(""))
        .command(["bash", "-c", script])
}

#[test]
fn a_command_has_its_streams_and_its_verdict() {
    let outcome = shell("read word; echo out $word; echo err >&2; exit 3")
        .stdin("word\n")
        .run()
        .expect("an outcome");
    assert_eq!(outcome.stdout, b"out word\n");
    assert_eq!(outcome.stderr, b"err\n");
    let verdict = &outcome.verdict;
    assert_eq!(verdict.ending, Ending::Exited);
    assert_eq!((verdict.code, verdict.exit_code), (Some(3), 3));
    let output = verdict.output.expect("counts");
    assert_eq!((output.stdout, output.stderr), (Some(9), Some(4)));
    assert!(!verdict.success());
    assert_eq!(verdict.policy.name, "library.toml");
    assert!(verdict.processes >= Some(1), "{verdict:?}");
}

/// As a judge runs an interactive problem: each reads what the other writes.
#[test]
fn two_jails_talk_to_each_other_and_hear_each_others_end() {
    for limits in [Limits::new(), Limits::new().output(1 << 20)] {
        let (questions, asks) = std::io::pipe().expect("a pipe");
        let (answers, tells) = std::io::pipe().expect("a pipe");
        // Each closes its output before its end, and waits for the other's.
        let mut asker = shell("echo 20; read answer; exec 1>&-; cat >/dev/null; exit $answer")
            .stdin(OwnedFd::from(answers))
            .stdout(OwnedFd::from(asks))
            .limits(limits.clone())
            .spawn()
            .expect("a jail");
        let mut teller = shell("read question; echo $((question + 1)); cat >/dev/null; exit 7")
            .stdin(OwnedFd::from(questions))
            .stdout(OwnedFd::from(tells))
            .limits(limits)
            .spawn()
            .expect("a jail");
        let code = |handle: &mut jail::Handle| {
            let outcome = handle.wait_timeout(LATE).expect("no failure");
            outcome.and_then(|outcome| outcome.verdict.code)
        };
        assert_eq!((code(&mut teller), code(&mut asker)), (Some(7), Some(21)));
    }
}

#[test]
fn a_large_input_arrives_and_an_unread_one_does_no_harm() {
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    let run = |script: &str| {
        let jail = shell(script).stdin(bytes.clone()).keep(1 << 23);
        jail.run().expect("an outcome")
    };
    assert!(run("cat").stdout == bytes);
    assert_eq!(run("exec 0<&-; echo none").stdout, b"none\n");
    assert_eq!(run("head -c 5 | wc -c").stdout, b"5\n");
}

#[test]
fn without_input_there_is_none_and_not_the_hosts() {
    let outcome = shell("cat; readlink /proc/self/fd/0").run();
    assert_eq!(outcome.expect("an outcome").stdout, b"/dev/null\n");
}

#[test]
fn what_is_past_the_kept_is_counted() {
    let outcome = shell("head -c 100000 /dev/zero; head -c 50 /dev/zero >&2").keep(10);
    let outcome = outcome.run().expect("an outcome");
    assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (10, 10));
    let output = outcome.verdict.output.expect("counts");
    assert_eq!((output.stdout, output.stderr), (Some(100_000), Some(50)));
    assert!(outcome.verdict.success());
}

#[test]
fn streams_go_to_files_to_the_host_or_nowhere() {
    let dir = Dir::new();
    let input = dir.write("in", "from a file");
    let path = dir.file("out");
    for limits in [Limits::new(), Limits::new().output(1000)] {
        let outcome = shell("cat; echo lost >&2")
            .stdin(File::open(&input).expect("a file"))
            .stdout(File::create(&path).expect("a file"))
            .stderr(Stdio::Null)
            .limits(limits)
            .run()
            .expect("an outcome");
        assert_eq!(
            std::fs::read_to_string(&path).expect("a file"),
            "from a file"
        );
        assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty());
        assert!(outcome.verdict.success());
    }
}

#[test]
fn a_flood_of_output_ends_at_its_limit() {
    let floods = [
        "yes",
        "yes >&2",
        "yes & yes >&2; wait",
        // Who does not hear of a pipe's end.
        "trap '' PIPE; while :; do echo more and more; done",
        "exec python3 -c \"import signal, os
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
while True:
    try: os.write(1, b'x' * 4096)
    except OSError: pass\"",
        // The command has ended, and what it left goes on.
        "(setsid python3 -c \"import signal, os, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
time.sleep(0.3)
while True:
    try: os.write(1, b'x' * 4096)
    except OSError: pass\" &) ; exit 0",
    ];
    for flood in floods {
        let before = Instant::now();
        let outcome = shell(flood)
            .kill_on_exit(false)
            .limits(Limits::new().output(1 << 20).wall(Duration::from_secs(60)))
            .run()
            .expect("an outcome");
        let verdict = &outcome.verdict;
        assert_eq!(verdict.ending, Ending::Output, "{flood}: {verdict:?}");
        assert_eq!(verdict.exit_code, 124, "{flood}");
        assert!(
            before.elapsed() < LATE * 2,
            "{flood}: {:?}",
            before.elapsed()
        );
        assert!(outcome.stdout.len() + outcome.stderr.len() <= 1 << 20);
    }
}

#[test]
fn just_as_much_output_as_the_limit_says_is_allowed() {
    let limited = |bytes: usize| {
        let script = format!("head -c {bytes} /dev/zero");
        let jail = shell(&script).limits(Limits::new().output(4096));
        jail.run().expect("an outcome").verdict.ending
    };
    assert_eq!(limited(4096), Ending::Exited);
    assert_eq!(limited(4097), Ending::Output);
}

#[test]
fn a_jail_that_runs_can_be_killed_from_any_thread() {
    let token = token();
    let scripts = [
        format!("exec -a {token} sleep 60"),
        format!("trap '' TERM INT HUP; while :; do :; done; : {token}"),
        format!("kill -STOP $$; : {token}"),
        // The main process is gone.
        format!("(exec -a {token} setsid sleep 60) & exit 0"),
    ];
    for script in scripts {
        let mut handle = shell(&script).kill_on_exit(false).spawn().expect("a jail");
        assert!(handle.pid() > 1);
        let early = handle.wait_timeout(Duration::from_millis(300));
        assert!(early.expect("no failure").is_none(), "{script}");
        let before = Instant::now();
        let killer = handle.killer();
        std::thread::spawn(move || killer.kill());
        let outcome = handle.wait().expect("an outcome");
        assert!(before.elapsed() < LATE, "{script}");
        assert_eq!(outcome.verdict.ending, Ending::Killed, "{script}");
        assert_eq!(outcome.verdict.exit_code, 137);
    }
    no_process_survives(&token, LATE);
}

#[test]
fn a_handle_that_is_dropped_kills_its_jail() {
    let token = token();
    let before = Instant::now();
    let script = format!("exec -a {token} sleep 60 & exec -a {token} setsid sleep 60");
    drop(shell(&script).spawn().expect("a jail"));
    no_process_survives(&token, LATE);
    assert!(before.elapsed() < LATE);
}

#[test]
fn a_kill_after_the_end_does_nothing() {
    let mut handle = shell("exit 7").spawn().expect("a jail");
    let outcome = handle
        .wait_timeout(Duration::from_secs(30))
        .expect("no failure");
    handle.kill();
    assert_eq!(outcome.expect("an outcome").verdict.code, Some(7));
}

#[test]
fn events_stream_while_it_runs_and_end_with_it() {
    let policy = policy("[syscalls]\nsetpgid = \"deny\"\n");
    let mut handle = Jail::builder()
        .policy(policy)
        .command(["python3", "-c"])
        .arg(
            "import os\ntry: os.setpgid(0, 0)\nexcept OSError: os.execvp('sleep', ['sleep', '60'])",
        )
        .all_events(true)
        .spawn()
        .expect("a jail");
    let pid = handle.pid();
    let mut events = handle.events().expect("events");
    assert!(handle.events().is_none());
    let next = |what: fn(&Event) -> bool| {
        let until = Instant::now() + Duration::from_secs(30);
        while let Ok(Some(event)) = events.next_timeout(until - Instant::now()) {
            if what(&event) {
                return event;
            }
        }
        panic!("no such event");
    };
    match next(|event| matches!(event, Event::Started { .. })) {
        Event::Started { pid: main, program } => {
            assert_eq!(main, pid);
            assert!(program.ends_with("python3"), "{program:?}");
        }
        other => panic!("{other:?}"),
    }
    match next(|event| matches!(event, Event::Denied(_))) {
        Event::Denied(denial) => {
            assert_eq!(denial.syscall.as_deref(), Some("setpgid"));
            assert_eq!(denial.reason.source.as_deref(), Some("library.toml"));
            assert_eq!(denial.reason.line, Some(7));
        }
        other => panic!("{other:?}"),
    }
    next(
        |event| matches!(event, Event::Exec { ancestry, .. } if ancestry.last().is_some_and(|name| name == "sleep")),
    );
    handle.kill();
    next(|event| matches!(event, Event::Ended { .. }));
    assert_eq!(events.next(), None);
    assert_eq!(events.lost(), 0);
    let verdict = handle.wait().expect("an outcome").verdict;
    assert_eq!(verdict.denied.total, 1);
}

#[test]
fn events_that_are_not_taken_are_counted_and_bounded() {
    let mut handle = Jail::builder()
        .policy(policy("[syscalls]\nsetpgid = \"deny\"\n"))
        .command(["python3", "-c"])
        .arg("import os\nfor n in range(6000):\n  try: os.setpgid(0, 0)\n  except OSError: pass")
        .spawn()
        .expect("a jail");
    let events = handle.events().expect("events");
    let verdict = handle.wait().expect("an outcome").verdict;
    assert_eq!(verdict.denied.total, 6000);
    let lost = events.lost();
    let kept = events.count() as u64;
    assert!(kept <= 4096 && lost > 1000, "{kept} {lost}");
    assert_eq!(kept + lost, 6001);
}

#[test]
fn what_cannot_be_run_is_an_error_that_says_why() {
    let error = |jail: jail::Builder| match jail.run() {
        Err(error) => error,
        Ok(outcome) => panic!("{outcome:?}"),
    };
    let said = error(Jail::builder().command(["true"]));
    assert!(matches!(said, Error::NoPolicy), "{said}");
    let said = error(Jail::builder().policy(policy("")));
    assert!(matches!(said, Error::NoCommand), "{said}");
    let said = error(
        Jail::builder()
            .policy(policy(""))
            .command(["no-such-program"]),
    );
    assert_eq!(said.exit_code(), 127);
    assert!(
        said.not_started() && said.to_string().contains("no-such-program"),
        "{said}"
    );
    let spawned = Jail::builder()
        .policy(policy(""))
        .command(["/etc/passwd"])
        .spawn();
    // Only execve says so.
    let said = spawned.and_then(jail::Handle::wait).expect_err("an error");
    assert_eq!(said.exit_code(), 126, "{said}");
    let nowhere = shell("true").current_dir("/no/such/place");
    let said = error(nowhere);
    assert_eq!(said.exit_code(), 125);
    assert!(said.to_string().contains("/no/such/place"), "{said}");
    let missing = policy("[process]\nstdin = \"/no/such/file\"\n");
    let said = error(Jail::builder().policy(missing).command(["true"]));
    assert!(said.to_string().contains("library.toml:7"), "{said}");
}

#[test]
fn a_builder_is_used_again_and_its_limits_replace_the_policys() {
    let policy = policy("[limits]\nwall = \"60s\"\n");
    let sleeper = Jail::builder()
        .policy(policy)
        .command(["sleep", "60"])
        .limits(
            Limits::new()
                .wall(Duration::from_millis(200))
                .grace(Duration::from_millis(100)),
        );
    for _ in 0..3 {
        let before = Instant::now();
        let verdict = sleeper.run().expect("an outcome").verdict;
        assert_eq!(verdict.ending, Ending::Time);
        assert!(before.elapsed() < LATE);
    }
}

#[test]
fn environment_and_directory_are_what_the_builder_says() {
    let dir = Dir::new();
    let outcome = shell("echo $ONE $TWO $HOME; pwd")
        .env("TWO", "lost")
        .env_clear()
        .env("ONE", "1")
        .current_dir(dir.path())
        .run();
    let expected = format!("1\n{}\n", dir.path().display());
    assert_eq!(outcome.expect("an outcome").stdout, expected.as_bytes());
}

#[test]
fn a_removed_variable_is_absent_whether_the_policy_or_the_builder_set_it() {
    let text = "[process]\nenv.set = { ONE = \"of the policy\" }\ntmpdir = \"fresh\"\n";
    let script = "echo ${ONE-absent} ${TWO-absent} ${THREE-absent} ${TMPDIR-absent}";
    let outcome = Jail::builder()
        .policy(policy(text))
        .command(["sh"])
        .args(["-c", script])
        .envs([("TWO", "2"), ("THREE", "3")])
        .env_remove("ONE")
        .env_remove("TWO")
        .env_remove("TMPDIR")
        .run();
    let outcome = outcome.expect("an outcome");
    assert_eq!(outcome.stdout, b"absent absent 3 absent\n", "{outcome:?}");
}

#[test]
fn an_outsider_that_was_given_the_output_does_not_delay_the_end() {
    let dir = Dir::new();
    let socket = dir.file("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let script = "import socket, sys, array
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1, 2]))])
print('given')";
    let policy = policy(&format!("[net]\nconnect = [\"unix:{socket}\"]\n"));
    let before = Instant::now();
    let outcome = Jail::builder()
        .policy(policy)
        .command(["python3", "-c", script, &socket])
        .run()
        .expect("an outcome");
    assert_eq!(outcome.stdout, b"given\n", "{outcome:?}");
    assert!(before.elapsed() < LATE);
    // They lie in the socket's queue, open, until here.
    drop(listener);
}

/// What a host program has: descriptors, threads, children.
fn possessions() -> (usize, usize, usize) {
    let count = |path: &str| std::fs::read_dir(path).expect("a folder").count();
    let tasks = std::fs::read_dir("/proc/self/task").expect("a folder");
    let children = tasks.flatten().map(|task| {
        let path = task.path().join("children");
        let children = std::fs::read_to_string(path).unwrap_or_default();
        children.split_whitespace().count()
    });
    let children = children.sum();
    (count("/proc/self/fd"), count("/proc/self/task"), children)
}

/// Of a program of its own, for what others in this one do is in the way.
#[test]
fn two_hundred_threads_and_their_host_keep_to_themselves() {
    if std::env::var_os("JAIL_TEST_CROWD").is_some() {
        return crowd();
    }
    let own = std::env::current_exe().expect("this program");
    let status = Command::new(own)
        .args([
            "--exact",
            "two_hundred_threads_and_their_host_keep_to_themselves",
            "--nocapture",
        ])
        .env("JAIL_TEST_CROWD", "1")
        .status();
    assert!(status.expect("a status").success());
}

fn crowd() {
    let (threads, each) = (200, rounds(4));
    let policy = policy("");
    let builder = || Jail::builder().policy(&policy);
    // SAFETY: takes a number, and gives back the one before.
    #[allow(unsafe_code)]
    let mask = || unsafe {
        let mask = libc_umask(0o027);
        libc_umask(mask)
    };
    let (umask, directory) = (mask(), std::env::current_dir().expect("a directory"));
    builder().command(["true"]).run().expect("a first one");
    let before = possessions();
    let jail = builder();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let jail = jail.clone();
            scope.spawn(move || {
                for round in 0..each {
                    let code = (thread + round) % 250;
                    let script = format!("umask 0; echo {code}; exit {code}");
                    let outcome = jail.clone().command(["sh", "-c", &script]).run();
                    let outcome = outcome.expect("an outcome");
                    assert_eq!(outcome.verdict.code, Some(code as i32));
                    assert_eq!(outcome.stdout, format!("{code}\n").as_bytes());
                }
            });
        }
        // Meanwhile the host has children of its own.
        for child in 0..4 {
            scope.spawn(move || {
                for _ in 0..each * 10 {
                    let script = format!("exit {child}");
                    let status = Command::new("sh").args(["-c", &script]).status();
                    assert_eq!(status.expect("a status").code(), Some(child));
                }
            });
        }
    });
    // A builder keeps what the next run can use.
    drop(jail);
    // A thread that was joined may still be listed for a moment.
    let until = Instant::now() + LATE;
    while possessions() != before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(possessions(), before, "descriptors, threads, children");
    assert_eq!(mask(), umask);
    assert_eq!(std::env::current_dir().expect("a directory"), directory);
}

/// Of a program of its own: which cgroups are to be had is said by a variable.
#[test]
fn sixteen_threads_at_once_have_a_limit_of_memory_each() {
    if std::env::var_os("JAIL_TEST_CROWD").is_some() {
        return limited_crowd();
    }
    let own = std::env::current_exe().expect("this program");
    for mode in ["v2", "v1", "none"] {
        // Where there is none of these, the supervisor adds up.
        let mut child = Command::new(&own)
            .args([
                "--exact",
                "sixteen_threads_at_once_have_a_limit_of_memory_each",
            ])
            .envs([("JAIL_TEST_CROWD", "1"), ("JAIL_CGROUP", mode)])
            .spawn()
            .expect("this program");
        let name = format!("jail-{}-*", child.id());
        assert!(child.wait().expect("a status").success(), "{mode}");
        plain(["find", "/sys/fs/cgroup", "-name", &name])
            .output()
            .says("");
    }
}

fn limited_crowd() {
    let policy = policy("");
    let limits = Limits::new()
        .memory(64 << 20)
        .cpu(Duration::from_millis(500));
    let host = launch::probe(&launch::Withheld::from_environment());
    let jail = Jail::builder().policy(policy).limits(limits).host(host);
    let kinds: [(&[&str], Ending, Option<i32>); 4] = [
        (&["memory", "private", "40"], Ending::Exited, Some(0)),
        (&["memory", "private", "512"], Ending::Memory, None),
        (&["memory", "copies", "20"], Ending::Exited, Some(0)),
        (&["spin", "5000", "waits"], Ending::Time, None),
    ];
    std::thread::scope(|scope| {
        for (arguments, ending, code) in (0..4).flat_map(|_| &kinds) {
            let command = [probe()].into_iter().chain(arguments.iter().copied());
            let jail = jail.clone().command(command);
            scope.spawn(move || {
                for _ in 0..rounds(2) {
                    let verdict = jail.clone().run().expect("an outcome").verdict;
                    assert_eq!(
                        (&verdict.ending, verdict.code),
                        (ending, *code),
                        "{verdict:?}"
                    );
                }
            });
        }
    });
}

#[allow(unsafe_code)]
unsafe extern "C" {
    #[link_name = "umask"]
    fn libc_umask(mask: u32) -> u32;
}

/// What is kept between runs must not be what the paths led to before.
#[test]
fn a_directory_that_is_made_anew_is_granted_anew() {
    let dir = Dir::new();
    let file = dir.write("data/file", "one");
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [{:?}]\nexec = [\"/usr/bin\"]\n",
        dir.path().join("data")
    );
    let policy = Policy::parse(&text, "anew.toml").expect("a policy");
    let jail = Jail::builder().policy(policy).command(["cat", &file]);
    let read = || jail.run().expect("an outcome");
    assert_eq!(read().stdout, b"one");
    assert_eq!(read().stdout, b"one");
    std::fs::rename(dir.path().join("data"), dir.path().join("old")).expect("a rename");
    let outcome = read();
    assert!(!outcome.verdict.success(), "{outcome:?}");
    dir.write("data/file", "two");
    assert_eq!(read().stdout, b"two");
    // What it was before is nothing that the policy names.
    let old = dir.file("old/file");
    let outcome = jail.clone().command(["cat", &old]).run();
    assert_eq!(outcome.expect("an outcome").verdict.code, Some(1));
}

/// What one run was handed, the next one was not, though the policy's ruleset is kept between them.
#[test]
fn a_file_that_was_handed_over_is_opened_again_by_its_own_run_alone() {
    let dir = Dir::new();
    let (one, other) = (dir.write("one", "one"), dir.write("other", "other"));
    let text = "extends = [\"base\"]\n[fs]\nread = [\"/usr\"]\nexec = [\"/usr/bin\"]\n";
    let policy = Policy::parse(text, "handed.toml").expect("a policy");
    let jail = Jail::builder().policy(policy);
    let read = |stdin: Option<&str>, path: &str| {
        let mut jail = jail.clone().command(["cat", path]);
        if let Some(stdin) = stdin {
            jail = jail.stdin(File::open(stdin).expect("a file of the test"));
        }
        let outcome = jail.run().expect("an outcome");
        outcome.stdout
    };
    for _ in 0..2 {
        assert_eq!(read(None, &one), b"");
        assert_eq!(read(Some(&one), "/dev/stdin"), b"one");
        assert_eq!(read(Some(&one), &other), b"");
        assert_eq!(read(Some(&other), "/dev/stdin"), b"other");
        assert_eq!(read(Some(&other), &one), b"");
    }
    let passed = File::open(&one).expect("a file of the test");
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&passed));
    let outcome = jail.clone().command(["cat", &path]).pass(passed).run();
    assert_eq!(outcome.expect("an outcome").stdout, b"one");
}

/// What a policy's paths lead to was found when it was loaded: a link that a command has put there since
/// leads nowhere.
#[test]
fn a_link_in_place_of_what_is_granted_grants_nothing() {
    let dir = Dir::new();
    let [work, other] = ["work", "other"].map(|name| dir.path().join(name));
    let program = dir.program("other/bin/program", "#!/bin/sh\nexit 7\n");
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"/usr\", {other:?}]\n\
         exec = [\"/usr/bin\", {:?}]\nwrite = [{work:?}]\n",
        work.join("deep/bin"),
    );
    for swap in [
        "rm -r deep/bin && ln -s ../../other/bin deep/bin",
        "rm -r deep && ln -s ../other deep",
    ] {
        let _ = std::fs::remove_dir_all(&work);
        let own = dir.program("work/deep/bin/program", "#!/bin/sh\nexit 5\n");
        let policy = Policy::parse(&text, "link.toml").expect("a policy");
        let jail = || Jail::builder().policy(&policy).current_dir(&work);
        let code = |jail: jail::Builder, script: &str| {
            let run = jail.command(["bash", "-c", script]).run();
            run.expect("an outcome").verdict.code
        };
        let kept = jail();
        assert_eq!(code(kept.clone(), &own), Some(5));
        assert_eq!(code(kept.clone(), swap), Some(0));
        for jail in [kept, jail()] {
            assert_eq!(code(jail, &program), Some(126), "{swap}");
        }
    }
}

#[test]
fn a_policy_under_which_nothing_starts_is_an_error_that_says_what_to_extend() {
    for text in ["", "[net]\nconnect = [\"127.0.0.1:80\"]\n"] {
        let policy = Policy::parse(text, "library.toml").expect("a policy");
        let jail = Jail::builder().policy(policy).command(["true"]);
        for error in [
            jail.run().expect_err("nothing can start"),
            jail.spawn().expect_err("nothing can start"),
        ] {
            assert!(matches!(error, Error::NothingStarts(_)), "{error:?}");
            assert!(error.not_started());
            assert_eq!(error.exit_code(), 125);
            let text = error.to_string();
            assert!(
                text.contains("add extends = [\"base\"] to library.toml"),
                "{text}"
            );
        }
    }
}

/// Checked by the compiler.
#[test]
fn what_a_host_holds_can_be_sent_to_other_threads() {
    fn send<T: Send + 'static>() {}
    fn send_and_sync<T: Send + Sync + 'static>() {}
    send_and_sync::<Policy>();
    send_and_sync::<Limits>();
    send_and_sync::<jail::Problems>();
    send_and_sync::<jail::Builder>();
    send_and_sync::<jail::Killer>();
    send_and_sync::<jail::KillOnDrop>();
    send_and_sync::<jail::Outcome>();
    send_and_sync::<jail::Verdict>();
    send_and_sync::<Event>();
    send_and_sync::<Error>();
    send_and_sync::<Stdio>();
    send_and_sync::<jail::Stdin>();
    // One thread waits, and one listens.
    send::<jail::Handle>();
    send::<jail::Events>();
}
