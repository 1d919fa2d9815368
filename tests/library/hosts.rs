//! Hosts that make it hard for the library: they take its children away, fork, have no descriptors or
//! threads left, or no standard streams, or drop what they have begun.
//!
//! Each test is a host of its own: this program again, with the name of the one test.
#![allow(unsafe_code, reason = "hosts call what the library must bear")]

use crate::support::{Dir, LATE, is_root, no_process_survives, plain, rounds, token};
use jail::internal::launch::{Withheld, probe};
use jail::internal::plan::{Host, MemoryCgroup};
use jail::{Ending, Jail, Limits, Policy, Stdio};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Runs `host` in a process of its own, for which the name of the test that calls is told.
#[track_caller]
fn host(test: &str, host: impl FnOnce()) {
    let test = format!("hosts::{test}");
    const VARIABLE: &str = "JAIL_TEST_HOST";
    if std::env::var(VARIABLE).as_deref() == Ok(test.as_str()) {
        return host();
    }
    let own = std::env::current_exe().expect("this program");
    let listed = plain([&own]).args(["--exact", &test, "--list"]).output();
    listed.says_part(&format!("{test}: test"));
    plain([own])
        .args(["--exact", &test, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, &test)
        .output()
        .ends_with(0);
}

fn shell(script: &str) -> jail::Builder {
    policed("", script)
}

fn policed(more: &str, script: &str) -> jail::Builder {
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"/\"]\n{more}"
    );
    Jail::builder()
        .policy(Policy::parse(&text, "hosts.toml").expect("a policy"))
        .command(["bash", "-c", script])
}

/// What a host program has: descriptors, threads, children that have not been waited for.
fn possessions() -> (usize, usize, usize) {
    let count = |path: &str| std::fs::read_dir(path).expect("a folder").count();
    let tasks = std::fs::read_dir("/proc/self/task").expect("a folder");
    let children = tasks.flatten().map(|task| {
        let children = std::fs::read_to_string(task.path().join("children"));
        children.unwrap_or_default().split_whitespace().count()
    });
    let children = children.sum();
    (count("/proc/self/fd"), count("/proc/self/task"), children)
}

#[track_caller]
fn owns_again(before: (usize, usize, usize)) {
    let until = Instant::now() + LATE;
    while possessions() != before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(possessions(), before, "descriptors, threads, children");
}

/// A host in which another thread takes whatever a wait for any child tells, while `run` runs.
fn with_thief(run: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let taken = std::thread::scope(|scope| {
        let thief = scope.spawn(|| {
            let mut taken = 0;
            while !over.load(Ordering::Relaxed) {
                // SAFETY: a null pointer asks for no status.
                match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } {
                    1.. => taken += 1,
                    _ => std::thread::yield_now(),
                }
            }
            taken
        });
        run();
        over.store(true, Ordering::Relaxed);
        thief.join().expect("a thief")
    });
    assert!(taken > 0, "nothing was taken");
}

/// Kills a jail at some moment; it must end.
fn kill_at_some_moment(jail: &jail::Builder, round: usize) {
    let Ok(mut handle) = jail.spawn() else {
        return;
    };
    let _ = handle.wait_timeout(Duration::from_millis(20 * round as u64));
    let before = Instant::now();
    match round % 2 {
        0 => drop(handle),
        _ => {
            handle.kill();
            let _ = handle.wait();
        }
    }
    assert!(before.elapsed() < LATE, "{:?}", before.elapsed());
}

#[test]
fn a_jail_whose_stops_the_host_takes_ends_when_it_is_killed() {
    host(
        "a_jail_whose_stops_the_host_takes_ends_when_it_is_killed",
        || {
            let token = token();
            let script =
                format!("for n in 1 2 3 4; do (exec -a {token} sleep 60) & /bin/true; done; wait");
            with_thief(|| {
                for round in 0..rounds(12) {
                    // With a clock, and without.
                    let limits = ["", "[limits]\nwall = \"60s\"\n"][round / 2 % 2];
                    kill_at_some_moment(&policed(limits, &script), round);
                }
            });
            no_process_survives(&token, LATE);
        },
    );
}

/// A task that stops before it ends hears no SIGKILL. Such stops are made where memory is measured; the clock,
/// by whose ticks a limit of memory is looked at, is itself a child whose stops can be taken.
#[test]
fn a_jail_whose_exit_stops_the_host_takes_ends_when_it_is_killed() {
    let own = "a_jail_whose_exit_stops_the_host_takes_ends_when_it_is_killed";
    host(own, || {
        if is_root() {
            // Signals of root pass everywhere; those of a user pass to its own processes.
            become_user(65534);
        }
        let token = token();
        // Many ends, so that one of them is always under way.
        let script = format!(
            "(exec -a {token} sleep 60) & for n in 1 2 3 4; do (while :; do /bin/true; done) & done; wait"
        );
        // Where the supervisor adds up.
        let without_cgroup = Host {
            memory: MemoryCgroup::None,
            ..probe(&Withheld::default())
        };
        let limits = ["", "[limits]\nmemory = \"1GiB\"\n"];
        let jail = |round: usize, script: &str| {
            policed(limits[round / 2 % 2], script).host(without_cgroup)
        };
        with_thief(|| {
            for round in 0..rounds(12) {
                kill_at_some_moment(&jail(round, &script), round);
            }
            // The command itself ends, and its stop may be taken.
            for round in 0..rounds(20) {
                kill_at_some_moment(&jail(round, "exit 3"), round % 4);
            }
        });
        no_process_survives(&token, LATE);
    });
}

/// From now on this program is another user's.
fn become_user(user: u32) {
    // SAFETY: takes numbers.
    unsafe {
        assert_eq!(libc::setresgid(user, user, user), 0);
        assert_eq!(libc::setresuid(user, user, user), 0);
        libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
}

#[test]
fn a_child_that_the_host_forks_does_not_delay_the_end() {
    host("a_child_that_the_host_forks_does_not_delay_the_end", || {
        let handle = shell("echo one; sleep 0.3; echo two").spawn();
        let handle = handle.expect("a jail");
        // SAFETY: the child makes one system call, and is killed in it.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: takes nothing.
            unsafe { libc::sleep(30) };
            std::process::exit(0);
        }
        let before = Instant::now();
        let outcome = handle.wait().expect("an outcome");
        let took = before.elapsed();
        // SAFETY: the child's id; a null pointer asks for no status.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
        assert_eq!(outcome.stdout, b"one\ntwo\n");
        assert!(took < LATE, "{took:?}");
    });
}

/// The threads of this program that handle streams, and the processor time of them together, in ticks.
fn threads_of_streams() -> (usize, u64) {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a folder");
    let ticks = tasks.flatten().filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let number = |at: usize| rest.split(' ').nth(at)?.parse::<u64>().ok();
        name.ends_with("(jail-streams")
            .then_some(number(11)? + number(12)?)
    });
    let ticks: Vec<u64> = ticks.collect();
    (ticks.len(), ticks.iter().sum())
}

#[test]
fn one_thread_keeps_the_output_of_many_runs() {
    host("one_thread_keeps_the_output_of_many_runs", || {
        let jail = shell("cat; echo error >&2; sleep 0.5; head -c 100000 /dev/zero");
        let runs: Vec<_> = (0..12)
            .map(|run| jail.clone().stdin(run.to_string()).spawn().expect("a jail"))
            .collect();
        assert_eq!(threads_of_streams().0, 1);
        for (run, handle) in runs.into_iter().enumerate() {
            let outcome = handle.wait().expect("an outcome");
            let expected = [run.to_string().as_bytes(), &[0; 100_000]].concat();
            assert!(outcome.stdout == expected, "run {run}");
            assert_eq!(outcome.stderr, b"error\n");
            assert_eq!(outcome.verdict.ending, Ending::Exited);
        }
        // What is passed on may have to wait for its reader.
        let jail = jail.limits(Limits::new().output(1000));
        let passed = jail.clone().stdout(Stdio::Inherit).spawn();
        let limited = jail.spawn();
        drop(jail);
        assert_eq!(threads_of_streams().0, 2);
        for run in [passed, limited] {
            let outcome = run.expect("a jail").wait().expect("an outcome");
            assert_eq!(outcome.verdict.ending, Ending::Output);
        }
        assert_eq!(threads_of_streams().0, 0, "the builders are gone");
    });
}

#[test]
fn pipes_that_a_fork_of_the_host_has_keep_no_thread_busy() {
    host(
        "pipes_that_a_fork_of_the_host_has_keep_no_thread_busy",
        || {
            let jail =
                shell("sleep 0.3; head -c 200000 > /dev/null; sleep 0.3").stdin(vec![0; 200_000]);
            let first = jail.clone().spawn().expect("a jail");
            // SAFETY: the child makes one system call, and is killed in it.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: takes nothing.
                unsafe { libc::sleep(30) };
                std::process::exit(0);
            }
            // Its input has been written, and the fork has both ends of the pipe.
            first.wait().expect("an outcome");
            let before = threads_of_streams();
            assert_eq!(before.0, 1);
            std::thread::sleep(Duration::from_secs(1));
            let after = threads_of_streams();
            assert_eq!(jail.run().expect("an outcome").verdict.code, Some(0));
            // SAFETY: the child's id; a null pointer asks for no status.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
            assert!(
                after.1 - before.1 < 20,
                "{} ticks in a second",
                after.1 - before.1
            );
        },
    );
}

#[test]
fn a_host_without_standard_streams_runs_jails() {
    host("a_host_without_standard_streams_runs_jails", || {
        // SAFETY: takes numbers.
        let saved = unsafe { libc::fcntl(2, libc::F_DUPFD_CLOEXEC, 10) };
        for fd in 0..3 {
            // SAFETY: as above; nothing is printed while they are closed.
            unsafe { libc::close(fd) };
        }
        let run = || {
            let captured = shell("cat; echo err >&2").stdin("in").run();
            let limited = shell("cat; echo err >&2")
                .stdin("in")
                .limits(Limits::new().output(100))
                .run();
            let none = shell("cat; echo out; exit 3")
                .stdout(Stdio::Null)
                .stderr(Stdio::Null)
                .run();
            let inherited = shell("echo out; exit 4").stdout(Stdio::Inherit).run();
            (captured, limited, none, inherited)
        };
        let results = std::panic::catch_unwind(run);
        for fd in 0..3 {
            // SAFETY: takes numbers.
            unsafe { libc::dup2(saved, fd) };
        }
        let (captured, limited, none, inherited) = results.expect("no panic");
        for outcome in [captured, limited] {
            let outcome = outcome.expect("an outcome");
            assert_eq!(
                (&*outcome.stdout, &*outcome.stderr),
                (&b"in"[..], &b"err\n"[..])
            );
        }
        assert_eq!(none.expect("an outcome").verdict.code, Some(3));
        assert_eq!(inherited.expect("an outcome").verdict.code, Some(4));
    });
}

/// Sets a soft limit, runs, and sets it back.
fn under(resource: libc::__rlimit_resource_t, most: u64, run: impl FnOnce()) {
    let mut before = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a structure that is valid for writing, then one for reading.
    unsafe {
        libc::getrlimit(resource, &mut before);
        let limit = libc::rlimit {
            rlim_cur: most,
            ..before
        };
        assert_eq!(libc::setrlimit(resource, &limit), 0);
        run();
        libc::setrlimit(resource, &before);
    }
}

#[test]
fn without_room_for_descriptors_it_is_an_error_and_nothing_is_left() {
    host(
        "without_room_for_descriptors_it_is_an_error_and_nothing_is_left",
        || {
            let jail = |more: &str| policed(more, "cat; exit 3").stdin("x");
            let jails = [
                jail(""),
                jail("[limits]\nwall = \"60s\"\noutput = \"1KiB\"\n"),
                // No pipe.
                jail("")
                    .stdin(jail::Stdin::Null)
                    .stdout(Stdio::Null)
                    .stderr(Stdio::Null),
            ];
            for jail in jails {
                jail.run().expect("an outcome");
                let before = possessions();
                let (mut failed, mut succeeded) = (0, 0);
                for most in 3..40 {
                    under(libc::RLIMIT_NOFILE, most, || match jail.run() {
                        Ok(outcome) => {
                            assert_eq!(outcome.verdict.code, Some(3), "{outcome:?}");
                            succeeded += 1;
                        }
                        Err(_) => failed += 1,
                    });
                    owns_again(before);
                }
                assert!(failed > 0 && succeeded > 2, "{failed} {succeeded}");
            }
        },
    );
}

#[test]
fn without_room_for_processes_it_is_an_error_and_nothing_is_left() {
    host(
        "without_room_for_processes_it_is_an_error_and_nothing_is_left",
        || {
            if is_root() {
                // Nothing limits root's. A user who has nothing else running.
                become_user(700_000 + std::process::id());
            } else {
                println!(
                    "NOT TRIED HERE: the exact number; other processes of this user count, too"
                );
            }
            let jail = policed("[limits]\nwall = \"60s\"\n", "exit 3").stdin("x");
            let outcome = jail.run().expect("an outcome");
            assert_eq!(outcome.verdict.code, Some(3), "{outcome:?}");
            let before = possessions();
            let mut ends = Vec::new();
            for most in 1..12 {
                under(libc::RLIMIT_NPROC, most, || {
                    let before = Instant::now();
                    let result = jail.run();
                    assert!(before.elapsed() < LATE, "{most}: {result:?}");
                    ends.push(result.is_ok());
                });
                owns_again(before);
            }
            assert!(ends.contains(&false), "{ends:?}");
            assert!(!is_root() || ends.contains(&true), "{ends:?}");
        },
    );
}

#[test]
fn a_reader_that_has_gone_does_not_kill_a_host_that_heeds_sigpipe() {
    host(
        "a_reader_that_has_gone_does_not_kill_a_host_that_heeds_sigpipe",
        || {
            // SAFETY: the default disposition runs no code.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let outcome = shell("head -c 5 >/dev/null; echo lost; echo lost")
                .stdin(vec![b'x'; 3_000_000])
                .stdout(OwnedFd::from(writer))
                .limits(Limits::new().output(1000))
                .run()
                .expect("an outcome");
            // The jail hears of it, as of its own reader's end.
            assert_eq!(outcome.verdict.ending, Ending::Signalled);
        },
    );
}

#[test]
fn a_handle_is_dropped_even_if_the_jails_output_is_not_read() {
    host(
        "a_handle_is_dropped_even_if_the_jails_output_is_not_read",
        || {
            let (mut reader, writer) = std::io::pipe().expect("a pipe");
            let file = Arc::new(OwnedFd::from(writer));
            let mut filler = std::fs::File::from(file.try_clone().expect("a descriptor"));
            filler.write_all(&vec![b'x'; 65536]).expect("written");
            let before = possessions();
            for kills in [false, true] {
                let mut handle = shell("echo lost; exit 3")
                    .stdout(Stdio::File(Arc::clone(&file)))
                    .limits(Limits::new().output(1000))
                    .spawn()
                    .expect("a jail");
                let early = handle.wait_timeout(Duration::from_millis(500));
                assert!(
                    early.expect("no failure").is_none(),
                    "it waits for its reader"
                );
                let begin = Instant::now();
                match kills {
                    false => drop(handle),
                    true => {
                        handle.kill();
                        let outcome = handle.wait().expect("an outcome");
                        assert_eq!(outcome.verdict.code, Some(3));
                    }
                }
                assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
                owns_again(before);
            }
            let mut one = [0];
            reader.read_exact(&mut one).expect("a byte");
        },
    );
}

#[test]
fn an_outsider_that_writes_for_ever_neither_delays_the_end_nor_fills_the_memory() {
    host(
        "an_outsider_that_writes_for_ever_neither_delays_the_end_nor_fills_the_memory",
        || {
            let dir = Dir::new();
            let socket = dir.file("socket");
            let listener = UnixListener::bind(&socket).expect("a socket");
            let outsider = Command::new("python3")
                .args([
                    "-c",
                    "import socket, os, signal
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
s = socket.socket(fileno=0)
c = s.accept()[0]
fd = socket.recv_fds(c, 1, 1)[1][0]
c.send(b'x')
while True: os.write(fd, b'y' * 65536)",
                ])
                .stdin(OwnedFd::from(listener))
                .spawn();
            let mut outsider = outsider.expect("python3");
            let script = "import socket, sys, fcntl
fcntl.fcntl(1, 1031, 1 << 20)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
socket.send_fds(s, [b'x'], [1])
s.recv(1)";
            let jail = policed(&format!("[net]\nconnect = [\"unix:{socket}\"]\n"), "");
            let before = Instant::now();
            let outcome = jail
                .command(["python3", "-c", script, &socket])
                .keep(100)
                .run()
                .expect("an outcome");
            assert!(before.elapsed() < LATE);
            assert_eq!(outcome.verdict.code, Some(0), "{outcome:?}");
            assert!(outcome.stdout.len() <= 100);
            // It hears that nobody reads.
            let until = Instant::now() + LATE;
            while outsider.try_wait().expect("a status").is_none() {
                assert!(Instant::now() < until, "it writes on");
                std::thread::sleep(Duration::from_millis(10));
            }
        },
    );
}

#[test]
fn a_handle_may_be_dropped_or_killed_at_any_moment_from_many_threads() {
    host(
        "a_handle_may_be_dropped_or_killed_at_any_moment_from_many_threads",
        || {
            let token = token();
            shell("true").run().expect("a first one");
            let before = possessions();
            let script = format!(
                "(exec -a {token} setsid sleep 60) & (exec -a {token} sleep 60) & kill -STOP $$"
            );
            let jails = [
                shell(&script),
                shell(&script).kill_on_exit(false),
                shell(&format!("(exec -a {token} sleep 60) & exit 0")).kill_on_exit(false),
                shell("exit 0").limits(Limits::new().wall(LATE)),
                policed("", "").command([
                    "python3",
                    "-c",
                    "import threading, os
threading.Thread(target=lambda: os.execv('/bin/sleep', ['sleep', '60'])).start()",
                ]),
                policed("", "").command([
                    "python3",
                    "-c",
                    "import os
os.posix_spawn('/bin/sleep', ['sleep', '60'], {})
os.posix_spawn('/no/such', ['no'], {})",
                ]),
            ];
            for round in 0..rounds(72) as u64 {
                let jail = &jails[round as usize % jails.len()];
                let handle = jail.spawn().expect("a jail");
                std::thread::sleep(Duration::from_micros(round * 733 % 40_000));
                let begin = Instant::now();
                if round % 4 == 0 {
                    drop(handle);
                } else {
                    let barrier = Barrier::new(8);
                    std::thread::scope(|scope| {
                        for _ in 0..8 {
                            let (killer, barrier) = (handle.killer(), &barrier);
                            scope.spawn(move || {
                                barrier.wait();
                                killer.kill();
                            });
                        }
                    });
                    let outcome = handle.wait().expect("an outcome");
                    let ending = outcome.verdict.ending;
                    assert!(
                        matches!(ending, Ending::Killed | Ending::Exited),
                        "{ending:?}"
                    );
                }
                assert!(begin.elapsed() < LATE, "{round}: {:?}", begin.elapsed());
            }
            drop(jails);
            owns_again(before);
            no_process_survives(&token, LATE);
        },
    );
}

#[test]
fn a_host_that_ignores_sigchld_has_its_verdicts() {
    host("a_host_that_ignores_sigchld_has_its_verdicts", || {
        // SAFETY: to ignore runs no code.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        let before = possessions();
        for code in 0..5 {
            let outcome = shell(&format!("/bin/true; exit {code}")).run();
            assert_eq!(outcome.expect("an outcome").verdict.code, Some(code));
        }
        owns_again(before);
    });
}

#[test]
fn what_a_command_does_to_its_pipes_harms_no_other_process() {
    host(
        "what_a_command_does_to_its_pipes_harms_no_other_process",
        || {
            let run = |script: &str| {
                let jail = shell("").command(["python3", "-c", script]);
                let before = Instant::now();
                let outcome = jail
                    .limits(Limits::new().output(1 << 22).wall(Duration::from_secs(30)))
                    .keep(1 << 22)
                    .run()
                    .expect("an outcome");
                assert!(before.elapsed() < LATE, "{script}");
                outcome
            };
            // A pipe of another size, written to its last byte before the end.
            let outcome = run("import os, fcntl
fcntl.fcntl(1, 1031, 1 << 20)
os.write(1, b'x' * (1 << 20))");
            assert_eq!(outcome.stdout.len(), 1 << 20);
            // Many small writes, one a page of the pipe.
            let outcome = run("import os, fcntl
for n in range(5000): os.write(1, b'x'); os.write(2, b'y')");
            assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (5000, 5000));
            // Non-blocking, with signals.
            let outcome = run("import os, fcntl, signal
signal.signal(signal.SIGIO, lambda *_: None)
fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
try: fcntl.fcntl(1, fcntl.F_SETOWN, os.getpid())
except OSError: pass
done = 0
while done < 1000000:
    try: done += os.write(1, b'x' * (1000000 - done))
    except BlockingIOError: pass");
            assert_eq!(outcome.stdout.len(), 1_000_000);
            // Reads its own output, which then has no other reader.
            let outcome = run("import os
fd = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)
os.write(1, b'one')
try: os.read(fd, 100)
except BlockingIOError: pass
os.close(1)
os.open('/proc/self/fd/2', os.O_WRONLY)
os.write(1, b'two')");
            assert_eq!(outcome.verdict.code, Some(0), "{outcome:?}");
            assert_eq!(outcome.stderr, b"two");
            // Pages that are lent, not copied.
            let outcome = run("import os
r, w = os.pipe()
os.write(w, b'z' * 4096)
os.splice(r, 1, 4096)");
            assert_eq!(outcome.stdout, [b'z'; 4096]);
        },
    );
}

#[test]
fn a_pipe_is_left_as_it_was() {
    host("a_pipe_is_left_as_it_was", || {
        let (_reader, writer) = std::io::pipe().expect("a pipe");
        let fd = writer.as_raw_fd();
        let jail = shell("echo x").stdout(OwnedFd::from(writer));
        jail.clone()
            .limits(Limits::new().output(10))
            .run()
            .expect("an outcome");
        // SAFETY: takes numbers.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        assert_eq!(flags & libc::O_NONBLOCK, 0);
    });
}

#[test]
fn a_jail_of_another_user_or_in_a_namespace_of_its_own_is_killed_as_any_other() {
    host(
        "a_jail_of_another_user_or_in_a_namespace_of_its_own_is_killed_as_any_other",
        || {
            let token = token();
            let scripts = [
                format!("exec -a {token} sleep 60"),
                format!("kill -STOP $$; : {token}"),
                format!("(exec -a {token} setsid sleep 60) & exit 0"),
                format!("(exec -a {token} sleep 60) & (kill -STOP $BASHPID; : {token}) & exit 0"),
            ];
            let mut settings = vec![
                "[process]\nisolate = [\"pid\"]\n",
                "[limits]\nwall = \"60s\"\n",
                "[limits]\nwall = \"60s\"\ncpu = \"50s\"\nmemory = \"1GiB\"\nprocesses = 50\n",
            ];
            if is_root() {
                settings.push("[process]\nuser = \"65534:65534\"\n");
                settings.push("[process]\nuser = \"65534:65534\"\n[limits]\nwall = \"60s\"\n");
            } else {
                println!("NOT TRIED HERE: another user, whom only root can become");
            }
            for more in settings {
                for script in &scripts {
                    for wait in [0, 1, 300] {
                        let jail = policed(more, script).kill_on_exit(false);
                        let handle = match jail.spawn() {
                            Ok(handle) => handle,
                            Err(error) if more.contains("isolate") => {
                                println!("NOT TRIED HERE: {error}");
                                continue;
                            }
                            Err(error) => panic!("{more}: {error}"),
                        };
                        std::thread::sleep(Duration::from_millis(wait));
                        let before = Instant::now();
                        handle.kill();
                        let outcome = handle.wait().expect("an outcome");
                        let took = before.elapsed();
                        assert!(took < LATE, "{more} {script}: {took:?}");
                        assert_eq!(outcome.verdict.ending, Ending::Killed, "{more} {script}");
                    }
                }
                no_process_survives(&token, LATE);
            }
        },
    );
}

#[test]
fn a_host_that_panics_or_ends_leaves_no_process() {
    let token = token();
    for how in ["panic", "exit", "abort"] {
        const VARIABLE: &str = "JAIL_TEST_END";
        if let Ok(how) = std::env::var(VARIABLE) {
            let (token, how) = how.split_once(' ').expect("two words");
            let script = format!("(exec -a {token} setsid sleep 60) & exec -a {token} sleep 60");
            let handle = shell(&script).spawn().expect("a jail");
            std::thread::sleep(Duration::from_millis(200));
            match how {
                "panic" => {
                    let thread = std::thread::spawn(move || {
                        let _handle = handle;
                        panic!("a host that panics");
                    });
                    assert!(thread.join().is_err());
                    no_process_survives(token, LATE);
                }
                "exit" => std::process::exit(3),
                _ => std::process::abort(),
            }
            return;
        }
        let own = std::env::current_exe().expect("this program");
        plain([own])
            .args([
                "--exact",
                "hosts::a_host_that_panics_or_ends_leaves_no_process",
                "--nocapture",
            ])
            .env(VARIABLE, format!("{token} {how}"))
            .output();
        no_process_survives(&token, LATE);
    }
}

#[test]
fn a_command_that_does_not_fit_into_its_memory_takes_nothing_of_its_hosts() {
    host(
        "a_command_that_does_not_fit_into_its_memory_takes_nothing_of_its_hosts",
        || {
            // What is to be spared keeps that, too.
            let own = "/proc/self/oom_score_adj";
            let spared = std::fs::write(own, "-1000").is_ok();
            if !spared {
                println!(
                    "NOT TRIED HERE: a host that the kernel must not kill, which only root can be"
                );
            }
            // Nobody writes to a cgroup: so one may limit the memory, where this host has them.
            let policy = Policy::parse("extends = [\"base\"]\n", "memory.toml");
            let policy = policy.expect("a policy");
            let words = vec!["x".repeat(100_000); 15];
            for memory in [1 << 12, 1 << 16, 1 << 20] {
                let command = ["bash", "-c", ":"].map(str::to_owned).into_iter();
                let result = Jail::builder()
                    .policy(&policy)
                    .command(command.chain(words.clone()))
                    .limits(Limits::new().memory(memory))
                    .run();
                if let Ok(outcome) = result {
                    let ending = outcome.verdict.ending;
                    assert!(
                        matches!(ending, Ending::Memory | Ending::Exited),
                        "{ending:?}"
                    );
                }
                let adjusted = std::fs::read_to_string(own).expect("a number");
                assert!(!spared || adjusted.trim() == "-1000", "{adjusted}");
            }
        },
    );
}

#[test]
fn two_thousand_jails_leave_nothing_with_their_host() {
    host("two_thousand_jails_leave_nothing_with_their_host", || {
        let memory = || {
            let status = std::fs::read_to_string("/proc/self/status").expect("a status");
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let number = line.and_then(|line| line.split_whitespace().next());
            number
                .and_then(|number| number.parse::<u64>().ok())
                .expect("a number")
        };
        let policy = Policy::preset("base").expect("a preset");
        let jail = Jail::builder().policy(policy);
        let run = |n: usize| {
            let jail = jail.clone();
            match n % 4 {
                0 => _ = jail.command(["true"]).run().expect("an outcome"),
                1 => {
                    _ = jail
                        .command(["no-such-program"])
                        .run()
                        .expect_err("an error")
                }
                2 => drop(jail.command(["sleep", "60"]).spawn().expect("a jail")),
                _ => {
                    let mut handle = jail.command(["cat"]).stdin("x").spawn().expect("a jail");
                    let _ = handle.events();
                    assert_eq!(handle.wait().expect("an outcome").stdout, b"x");
                }
            }
        };
        (0..200).for_each(run);
        let before = (possessions(), memory());
        (0..rounds(1800)).for_each(run);
        owns_again(before.0);
        let after = memory();
        assert!(
            after < before.1 + 2048,
            "resident, in KiB: {} {after}",
            before.1
        );
    });
}

#[test]
fn a_host_whose_handlers_interrupt_every_wait_has_its_verdicts() {
    host(
        "a_host_whose_handlers_interrupt_every_wait_has_its_verdicts",
        || {
            static CHILDREN: AtomicU32 = AtomicU32::new(0);
            extern "C" fn nothing(_: i32) {}
            extern "C" fn count(_: i32) {
                CHILDREN.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: a zeroed sigaction is valid: no flags, so no SA_RESTART; the handlers are
            // async-signal-safe.
            unsafe {
                for (signal, handler) in [
                    (libc::SIGUSR1, nothing as extern "C" fn(i32)),
                    (libc::SIGCHLD, count),
                ] {
                    let mut action: libc::sigaction = std::mem::zeroed();
                    action.sa_sigaction = handler as *const () as usize;
                    assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
                }
            }
            // So that the supervisor holds the files.
            let supervised = Host {
                landlock_abi: 0,
                ..probe(&Withheld::default())
            };
            let dir = Dir::new();
            let fifo = dir.file("fifo");
            nix::unistd::mkfifo(fifo.as_str(), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        for task in std::fs::read_dir("/proc/self/task")
                            .expect("tasks")
                            .flatten()
                        {
                            let tid = task.file_name().to_str().and_then(|tid| tid.parse().ok());
                            // SAFETY: takes numbers.
                            unsafe {
                                libc::syscall(
                                    libc::SYS_tgkill,
                                    libc::getpid(),
                                    tid.unwrap_or(0),
                                    libc::SIGUSR1,
                                )
                            };
                        }
                        std::thread::sleep(Duration::from_micros(100));
                    }
                });
                let scripts = [
                    "for n in 1 2 3; do echo $n > file; cat file; mv file other; rm other; done; exit 3",
                    "(sleep 0.05; echo late > fifo) & cat fifo; wait; exit 3",
                    "for n in 1 2 3 4 5; do /bin/true & done; wait; exit 3",
                ];
                let token = token();
                for round in 0..rounds(45) {
                    let jail = shell(scripts[round % 3])
                        .current_dir(dir.path())
                        .host(supervised)
                        .stdin("x");
                    let outcome = match round % 2 {
                        0 => jail.run(),
                        _ => jail.limits(Limits::new().wall(LATE * 6)).run(),
                    };
                    let outcome = outcome.expect("an outcome");
                    let verdict = &outcome.verdict;
                    assert_eq!(verdict.code, Some(3), "{outcome:?}");
                    let script = format!("(exec -a {token} sleep 60) & exit 0");
                    let jail = shell(&script).kill_on_exit(round % 2 == 0).spawn();
                    let handle = jail.expect("a jail");
                    handle.kill();
                    handle.wait().expect("an outcome");
                }
                over.store(true, Ordering::Relaxed);
                no_process_survives(&token, LATE);
            });
            // A stop tells its tracer's process as an end does (ptrace(2)).
            assert!(CHILDREN.load(Ordering::Relaxed) > 0);
        },
    );
}

/// The kernel kills all that share the memory of what it kills: the host, too, where a child of its
/// memory is in the jail's cgroup.
#[test]
fn arguments_past_the_limit_of_memory_do_not_end_the_host() {
    host(
        "arguments_past_the_limit_of_memory_do_not_end_the_host",
        || {
            // What may be written does not hold the cgroup.
            let jail = |memory: &str| {
                let text = format!(
                    "extends = [\"base\"]\n[fs]\nread = [\"/usr\"]\nexec = [\"/usr\"]\n\
                     [limits]\nmemory = {memory:?}\n"
                );
                Jail::builder().policy(Policy::parse(&text, "hosts.toml").expect("a policy"))
            };
            let long = std::iter::repeat_n("x".repeat(100_000), 20);
            let command = ["true".to_owned()].into_iter().chain(long);
            for _ in 0..2 {
                let outcome = jail("1MiB").command(command.clone()).run();
                let outcome = outcome.expect("an outcome");
                let tree = outcome
                    .verdict
                    .memory
                    .as_ref()
                    .and_then(|memory| memory.tree);
                if tree.is_none() {
                    println!("NOT TRIED HERE: no cgroup can be made");
                }
                let outcome = jail("64MiB").command(command.clone()).run();
                assert_eq!(outcome.expect("an outcome").verdict.code, Some(0));
            }
        },
    );
}

/// What sleeps for its children's sake is not in its fork, and whose memory it was is somebody else's
/// there.
#[test]
fn a_fork_of_the_host_runs_jails_of_its_own() {
    host("a_fork_of_the_host_runs_jails_of_its_own", || {
        let jail = shell("exit 3");
        let code = |jail: &jail::Builder| jail.run().expect("an outcome").verdict.code;
        assert_eq!(code(&jail), Some(3));
        // SAFETY: no other thread of this program holds a lock: the run above is over.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child > 0 {
            let mut status = 0;
            // SAFETY: a number that is valid for writing.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0);
            assert_eq!(code(&jail), Some(3));
            return;
        }
        // What hangs is ended.
        // SAFETY: takes a number.
        unsafe { libc::alarm(60) };
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| assert_eq!(code(&jail), Some(3)));
                }
            });
        }
        drop(jail);
        for _ in 0..20 {
            assert_eq!(code(&shell("exit 3")), Some(3));
        }
        std::process::exit(0);
    });
}

/// Until its execve a command has the memory of its host: that is not what its limit is about.
#[test]
fn a_large_hosts_memory_does_not_count_as_its_commands() {
    let own = "a_large_hosts_memory_does_not_count_as_its_commands";
    host(own, || {
        let large = vec![1u8; 200 << 20];
        let more = "[process]\nnice = 19\n[limits]\nmemory = \"100MiB\"\n";
        // Without a cgroup the supervisor adds up the memory.
        let host = Host {
            memory: MemoryCgroup::None,
            ..probe(&Withheld::default())
        };
        let jail = policed(more, "exit 3").host(host);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // The command is late: it waits for its turn on a processor.
            for _ in 0..4 * std::thread::available_parallelism().map_or(1, |all| all.get()) {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let outcomes: Vec<_> = (0..3).map(|_| jail.run()).collect();
            over.store(true, Ordering::Relaxed);
            for outcome in outcomes {
                let verdict = outcome.expect("an outcome").verdict;
                assert_eq!(verdict.code, Some(3), "{verdict:?}");
            }
        });
        drop(large);
    });
}

/// The variables that take abilities away are for the binary: a host program may have any environment.
#[test]
fn the_environment_of_a_host_takes_no_ability_away() {
    host("the_environment_of_a_host_takes_no_ability_away", || {
        // SAFETY: no other thread reads the environment.
        unsafe { std::env::set_var("JAIL_NAMESPACES", "none") };
        let run = policed("[process]\nisolate = [\"uts\"]\n", "exit 3").run();
        let said = run.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(!said.contains("JAIL_NAMESPACES"), "{said}");
    });
}
