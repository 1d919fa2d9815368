//! The end of a jail, as a host hears of it, and its output as it comes.

use super::{Dir, policy, shell, support};
use jail::{Ending, Jail, Limits, Stdio};
use nix::errno::Errno;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use support::{LATE, no_process_survives, token};

/// poll(2), which nix has no wrapper of here: whether a descriptor is readable.
fn is_readable(fd: &impl AsRawFd, time: Duration) -> bool {
    #[repr(C)]
    struct Poll {
        fd: i32,
        events: i16,
        revents: i16,
    }
    #[allow(unsafe_code)]
    unsafe extern "C" {
        fn poll(fds: *mut Poll, count: u64, timeout: i32) -> i32;
    }
    let mut one = Poll {
        fd: fd.as_raw_fd(),
        events: 1,
        revents: 0,
    };
    // SAFETY: one valid entry, of which the kernel writes `revents`.
    #[allow(unsafe_code)]
    let ready = unsafe { poll(&mut one, 1, time.as_millis() as i32) };
    assert!(ready >= 0, "{}", Errno::last());
    ready == 1
}

#[test]
fn the_end_of_a_jail_can_be_polled() {
    let mut handle = shell("sleep 0.3; exit 7").spawn().expect("a jail");
    assert!(!is_readable(&handle, Duration::from_millis(50)));
    assert!(handle.try_wait().expect("no failure").is_none());
    assert!(is_readable(&handle, LATE));
    let outcome = handle.try_wait().expect("no failure");
    assert_eq!(outcome.expect("an outcome").verdict.code, Some(7));
    // It stays so, and is closed in what the host executes.
    assert!(is_readable(&handle, Duration::ZERO) && is_readable(&handle, Duration::ZERO));
    let flags = nix::fcntl::fcntl(handle.as_fd(), nix::fcntl::FcntlArg::F_GETFD);
    assert_eq!(flags, Ok(1));
}

#[test]
fn callbacks_hear_of_the_end_once_and_find_the_outcome() {
    let (told, heard) = mpsc::channel();
    let handle = shell("sleep 0.2; exit 5").spawn().expect("a jail");
    let slot = Arc::new(Mutex::new(None));
    for number in 0..2 {
        let (told, slot) = (told.clone(), Arc::clone(&slot));
        handle.on_end(move || {
            let mut slot = slot.lock().expect("a handle");
            let handle: &mut Option<jail::Handle> = &mut slot;
            // The first takes the outcome, and drops the handle on the jail's own thread.
            let outcome = handle.take().map(|mut it| it.try_wait());
            let code = outcome.map(|it| it.expect("no failure").expect("an outcome").verdict.code);
            told.send((number, code)).expect("a listener");
        });
    }
    handle.on_end(|| panic!("of one callback; the others are called all the same"));
    *slot.lock().expect("no panic") = Some(handle);
    assert_eq!(heard.recv_timeout(LATE), Ok((0, Some(Some(5)))));
    assert_eq!(heard.recv_timeout(LATE), Ok((1, None)));
    // One that comes late is called at once.
    let mut late = shell("exit 0").spawn().expect("a jail");
    assert!(late.wait_timeout(LATE).expect("no failure").is_some());
    late.on_end(move || told.send((2, None)).expect("a listener"));
    assert_eq!(heard.try_recv(), Ok((2, None)));
}

#[test]
fn a_guard_that_is_dropped_kills_and_waits() {
    let token = token();
    let script = format!("trap '' TERM; exec -a {token} sleep 60 & exec -a {token} sleep 60");
    let handle = shell(&script).spawn().expect("a jail");
    let guard = handle.kill_on_drop();
    let waiter = std::thread::spawn(move || handle.wait());
    std::thread::sleep(Duration::from_millis(100));
    assert!(!support::survivors(&token).is_empty());
    drop(guard);
    // At once: not soon.
    assert_eq!(support::survivors(&token), Vec::<i32>::new());
    let outcome = waiter.join().expect("a thread").expect("an outcome");
    assert_eq!(outcome.verdict.ending, Ending::Killed);
    no_process_survives(&token, LATE);
}

#[test]
fn output_is_read_as_it_comes_with_a_limit_and_without() {
    for limits in [Limits::new(), Limits::new().output(1 << 20)] {
        let (input, go) = std::io::pipe().expect("a pipe");
        let mut handle = shell("echo one; read go; echo two; echo error >&2; exit 3")
            .stdin(OwnedFd::from(input))
            .stdout(Stdio::Piped)
            .stderr(Stdio::Piped)
            .limits(limits)
            .spawn()
            .expect("a jail");
        let mut lines = BufReader::new(handle.stdout().expect("a reader"));
        let mut errors = handle.stderr().expect("a reader");
        assert!(handle.stdout().is_none());
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        assert_eq!(line, "one\n");
        // It waits for this: the line came while it ran.
        (&go).write_all(b"go\n").expect("a reader");
        let (mut rest, mut error) = (String::new(), String::new());
        lines.read_to_string(&mut rest).expect("the rest");
        errors.read_to_string(&mut error).expect("the errors");
        assert_eq!((rest.as_str(), error.as_str()), ("two\n", "error\n"));
        let outcome = handle.wait().expect("an outcome");
        assert_eq!(outcome.verdict.code, Some(3));
        assert!(outcome.stdout.is_empty());
    }
}

#[test]
fn a_reader_that_is_not_taken_holds_up_no_end_and_run_captures() {
    for limits in [Limits::new(), Limits::new().output(1 << 30)] {
        let flood = || {
            shell("trap '' PIPE; head -c 3000000 /dev/zero; exit 4")
                .stdout(Stdio::Piped)
                .keep(1 << 23)
                .limits(limits.clone())
        };
        let before = Instant::now();
        let outcome = flood().spawn().expect("a jail").wait();
        assert_eq!(outcome.expect("an outcome").verdict.code, Some(4));
        drop(flood().spawn().expect("a jail"));
        assert!(before.elapsed() < LATE);
        let outcome = flood().run().expect("an outcome");
        assert_eq!(outcome.stdout.len(), 3_000_000);
    }
}

/// Of a program of its own: it is not dumpable from then on.
#[test]
fn a_host_that_is_not_dumpable_hears_why_it_cannot_trace() {
    const NAME: &str = "end::a_host_that_is_not_dumpable_hears_why_it_cannot_trace";
    if std::env::var_os("JAIL_TEST_UNDUMPABLE").is_some() {
        nix::sys::prctl::set_dumpable(false).expect("prctl");
        let jail = Jail::builder().policy(policy("")).command(["true"]);
        let said = jail.spawn().map(jail::Handle::wait);
        println!("said: {}", said.expect_err("an error"));
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let dir = Dir::new();
    let copy = dir.file("host");
    support::copy(own, &copy);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("permissions");
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = match support::is_root() {
        true => Command::new("setpriv"),
        false => Command::new(&copy),
    };
    if support::is_root() {
        command.args(user).arg(&copy);
    }
    let out = command
        .args(["--exact", NAME, "--nocapture"])
        .env("JAIL_TEST_UNDUMPABLE", "1")
        .output()
        .expect("this program");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("PR_SET_DUMPABLE"), "{said}");
}

/// Page faults of this thread that took no I/O: proc_pid_stat(5).
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("stat");
    let (_, fields) = stat.rsplit_once(") ").expect("fields");
    let faults = fields.split(' ').nth(7);
    faults
        .and_then(|faults| faults.parse().ok())
        .expect("a number")
}

#[test]
fn a_limit_of_time_does_not_copy_the_memory_of_the_host() {
    const PAGE: usize = 4096;
    const PAGES: usize = 16 << 10;
    let mut memory = vec![1u8; PAGES * PAGE];
    let mut copied = || {
        let mut handle = shell("echo begun; sleep 0.3")
            .limits(Limits::new().wall(Duration::from_secs(60)))
            .stdout(Stdio::Piped)
            .spawn()
            .expect("a jail");
        let mut line = String::new();
        let out = handle.stdout().expect("a pipe");
        let read = BufReader::new(out).read_line(&mut line);
        assert!(read.is_ok() && line == "begun\n", "{read:?} {line}");
        let before = faults();
        for byte in memory.iter_mut().step_by(PAGE) {
            *byte = byte.wrapping_add(1);
        }
        let copied = faults() - before;
        handle.wait().expect("an outcome");
        copied
    };
    // A test beside this one may make a copy, too.
    let least = (0..3).map(|_| copied()).min();
    assert!(
        least < Some(PAGES as u64 / 8),
        "{least:?} of {PAGES} pages were copied"
    );
}
