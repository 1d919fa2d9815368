//! Runs the real binary and the probe program for the scenario tests.
//!
//! Everything that is started has a timeout, after which it is killed and the test fails with what
//! it has said. The harness must never trace, and wait for nothing but what it has started here.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod arena;
pub mod kernel;
pub mod landlock;
pub mod part;
pub mod races;
pub mod schema;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The binary under test.
pub const JAIL: &str = env!("CARGO_BIN_EXE_jail");

/// How long anything may take, unless the test says otherwise. Generous: machines are slow, and
/// whatever hangs, hangs for ever.
const TIMEOUT: Duration = Duration::from_secs(180);

/// How late may come what is due, however busy the machine is with other tests. What never comes is told apart
/// by the half minute or more that a test's commands go on for.
pub const LATE: Duration = Duration::from_secs(25);

/// How long this machine may take for what takes others so long: `JAIL_TEST_SLOW` times as long, where that
/// is set, as for an emulated processor.
pub fn slow(time: Duration) -> Duration {
    let factor: Option<f64> = std::env::var("JAIL_TEST_SLOW")
        .ok()
        .and_then(|factor| factor.parse().ok())
        .filter(|factor| (1.0..=1000.0).contains(factor));
    time.mul_f64(factor.unwrap_or(1.0))
}

/// The probe program (`tests/programs/probe`), which `cargo test` builds beside the binary.
pub fn probe() -> &'static str {
    static PROBE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PROBE.get_or_init(|| example("probe"))
}

/// A program of `tests/programs/` or of `examples/`: `cargo test` builds both as examples of the package.
pub fn example(name: &str) -> String {
    let path = Path::new(JAIL).with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --examples`",
        path.display()
    );
    path.to_str()
        .expect("the target directory's path is no UTF-8")
        .to_owned()
}

/// Held for writing while a test writes a program, and for reading while one starts a command: the child of a
/// fork holds the descriptor until it executes, and executing the new program would fail with ETXTBSY.
static PROGRAMS: RwLock<()> = RwLock::new(());

/// While this is held, programs may be written, and [`Run`] starts nothing.
pub fn writing_programs() -> RwLockWriteGuard<'static, ()> {
    PROGRAMS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Held while a test starts a command itself, without [`Run`].
pub fn starting() -> RwLockReadGuard<'static, ()> {
    PROGRAMS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Copies a program. cp(1) writes it, so that no child of this process can hold the descriptor.
pub fn copy(from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) {
    let words = [
        OsStr::new("cp"),
        OsStr::new("--"),
        from.as_ref(),
        to.as_ref(),
    ];
    plain(words).output().ends_with(0);
}

/// How often a stress test repeats its work: `default`, or what `JAIL_TEST_ROUNDS` says.
pub fn rounds(default: usize) -> usize {
    std::env::var("JAIL_TEST_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(default)
}

/// Gives SIGINT, SIGQUIT and SIGHUP their default disposition, which every program started here inherits.
/// The tests may have been started in the background of a script, which ignores the first two, or by
/// nohup(1), which ignores the last.
pub fn heed_the_terminal() {
    use nix::sys::signal::{SigHandler, signal};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for number in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
            // SAFETY: the default disposition runs no code of this process.
            #[allow(unsafe_code)]
            unsafe { signal(number, SigHandler::SigDfl) }.expect("signal(2)");
        }
    });
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A word that occurs nowhere else, also in no other such word, to recognise processes by.
pub fn token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "jail-test-{}-{}x",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A directory of the test's own, removed at its end.
pub struct Dir(PathBuf);

impl Dir {
    /// A new empty one.
    pub fn new() -> Self {
        let path = loop {
            let path = std::env::temp_dir().join(token());
            match std::fs::create_dir(&path) {
                Ok(()) => break path,
                // Left behind by a run that was killed, of a process with the same id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot create a directory for the test: {error}"),
            }
        };
        Self(
            path.canonicalize()
                .expect("the test's directory has no path"),
        )
    }

    /// Its absolute path, free of symbolic links.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it, as text.
    pub fn file(&self, name: &str) -> String {
        self.0
            .join(name)
            .to_str()
            .expect("the test's directory is no UTF-8")
            .to_owned()
    }

    /// Writes a file, and the directories that it lies in; returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("cannot create a directory");
        }
        std::fs::write(&path, content).expect("cannot write a file");
        self.file(name)
    }

    /// Writes an executable file.
    pub fn program(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let _writing = writing_programs();
        let path = self.write(name, content);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("cannot make a file executable");
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command that is about to run: stdin is empty, the process group is its own.
pub struct Run {
    command: Command,
    timeout: Duration,
}

/// `jail` with these arguments.
pub fn jail<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    let mut run = plain([JAIL]);
    run.command.args(arguments);
    run
}

/// The policy of [`permissive`]: another one by `JAIL_TEST_POLICY`, such as one that extends the preset
/// and isolates the command.
pub fn permissive_policy() -> String {
    std::env::var("JAIL_TEST_POLICY").unwrap_or_else(|_| "permissive".to_owned())
}

/// The command under the preset `permissive`.
pub fn permissive<S: AsRef<OsStr>>(command: impl IntoIterator<Item = S>) -> Run {
    let mut run = jail(["--policy", &permissive_policy(), "--"]);
    run.command.args(command);
    run
}

/// Whether there is such a program in PATH; if not, the test says that it does not try it.
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let executable = |path: PathBuf| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let there = std::env::split_paths(&path).any(|directory| executable(directory.join(program)));
    if !there {
        println!("NOT TRIED HERE: there is no {program}");
    }
    there
}

/// The command without a jail.
pub fn plain<S: AsRef<OsStr>>(command: impl IntoIterator<Item = S>) -> Run {
    let mut words = command.into_iter();
    let program = words.next().expect("a command has a name");
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).process_group(0);
    Run {
        command,
        timeout: TIMEOUT,
    }
}

impl Run {
    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts with an empty environment.
    pub fn env_clear(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Starts in this directory.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Starts with this as stdin.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// May take so long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs to the end.
    #[track_caller]
    pub fn output(self) -> Ran {
        self.start().finish()
    }

    /// Runs beside the test.
    #[track_caller]
    pub fn start(mut self) -> Running {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let what = format!("{:?}", self.command);
        heed_the_terminal();
        // It returns once the child has executed the command.
        let started = {
            let _starting = starting();
            self.command.spawn()
        };
        let mut child = match started {
            Ok(child) => child,
            Err(error) => panic!("cannot start {what}: {error}"),
        };
        let out = Collector::new(child.stdout.take().expect("stdout is a pipe"));
        let err = Collector::new(child.stderr.take().expect("stderr is a pipe"));
        Running {
            what,
            child,
            status: None,
            out,
            err,
            end: Instant::now() + slow(self.timeout),
        }
    }
}

/// Collects what a program writes, in a thread of its own.
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: thread::JoinHandle<()>,
}

impl Collector {
    fn new(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                lock(&into).extend_from_slice(buffer.get(..length).unwrap_or_default());
            }
        });
        Self { bytes, thread }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that runs beside the test. Dropped, it is killed.
pub struct Running {
    what: String,
    child: Child,
    status: Option<ExitStatus>,
    out: Collector,
    err: Collector,
    end: Instant,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends it a signal, and nobody else.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Sends its whole process group a signal.
    pub fn signal_group(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(-self.pid()), signal);
    }

    /// What it has written to stdout so far.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// What it has written to stderr so far.
    pub fn err(&self) -> String {
        self.err.text()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self
                .child
                .try_wait()
                .expect("cannot wait for the test's own child");
        }
        self.status.is_some()
    }

    /// Waits until `condition` holds.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        while !condition(self) {
            if Instant::now() >= self.end {
                self.fail(&format!("never: {what}"));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it has written a line to stdout that begins so; returns the rest of that line.
    #[track_caller]
    pub fn line(&mut self, start: &str) -> String {
        let mut found = None;
        self.until(&format!("a line {start:?}"), |running| {
            let out = running.out();
            found = out
                .split_inclusive('\n')
                .find_map(|line| line.strip_prefix(start)?.strip_suffix('\n'))
                .map(|rest| rest.trim().to_owned());
            if found.is_none() && running.has_ended() && out == running.out() {
                running.fail(&format!("ended without a line {start:?}"));
            }
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// Waits for its end, and for that of whoever else holds its output.
    #[track_caller]
    pub fn finish(mut self) -> Ran {
        self.until("its end", Self::has_ended);
        self.until(
            "the end of its output, which somebody else holds",
            |running| running.out.thread.is_finished() && running.err.thread.is_finished(),
        );
        let status = self.status.unwrap_or_default();
        Ran {
            what: self.what.clone(),
            status,
            out: self.out(),
            err: self.err(),
        }
    }

    #[track_caller]
    fn fail(&mut self, why: &str) -> ! {
        self.kill();
        panic!(
            "{}\n{why}\nstdout:\n{}\nstderr:\n{}",
            self.what,
            self.out(),
            self.err()
        );
    }

    fn kill(&mut self) {
        if !self.has_ended() {
            // Not yet waited for, so the number is still its own.
            self.signal_group(Signal::SIGKILL);
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a command ran.
pub struct Ran {
    what: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

impl Ran {
    /// Its exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Panics unless it ended with this code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        if self.code() != Some(code) {
            self.fail(&format!("should have ended with {code}"));
        }
        self
    }

    /// Panics unless stdout is exactly this.
    #[track_caller]
    pub fn says(self, out: &str) -> Self {
        if self.out != out {
            self.fail(&format!("should have written {out:?}"));
        }
        self
    }

    /// Panics unless stdout holds this.
    #[track_caller]
    pub fn says_part(self, part: &str) -> Self {
        if !self.out.contains(part) {
            self.fail(&format!("should have written {part:?}"));
        }
        self
    }

    /// Panics unless stderr holds this.
    #[track_caller]
    pub fn complains(self, message: &str) -> Self {
        if !self.err.contains(message) {
            self.fail(&format!("should have complained {message:?}"));
        }
        self
    }

    /// Panics with all that is known of it.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        panic!(
            "{}\n{why}\nended: {:?}, signal {:?}\nstdout:\n{}\nstderr:\n{}",
            self.what,
            self.code(),
            self.status.signal(),
            self.out,
            self.err
        );
    }
}

/// Runs the command without a jail and under `permissive`, and panics unless both end with the
/// same code, where 128+n stands for signal n, and write the same.
#[track_caller]
pub fn same_inside<S: AsRef<OsStr> + Clone>(command: &[S]) -> Ran {
    let outside = plain(command).output();
    let inside = permissive(command).output();
    // A shell makes no difference between both either.
    let code = |ran: &Ran| {
        ran.code()
            .or(ran.status.signal().map(|signal| 128 + signal))
    };
    let facts = |ran: &Ran| (code(ran), ran.out.clone(), ran.err.clone());
    if facts(&outside) != facts(&inside) {
        inside.fail(&format!(
            "should be as outside: {:?}\nstdout:\n{}\nstderr:\n{}",
            outside.status, outside.out, outside.err
        ));
    }
    inside
}

/// Whether this is jail's own process that keeps the limits: it goes on while jail is stopped.
pub fn is_watchdog(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "jail-watchdog\n")
}

/// The processes whose arguments hold this token.
pub fn survivors(token: &str) -> Vec<i32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return vec![];
    };
    processes
        .flatten()
        .filter_map(|process| {
            let pid: i32 = process.file_name().to_str()?.parse().ok()?;
            let arguments = std::fs::read(process.path().join("cmdline")).ok()?;
            String::from_utf8_lossy(&arguments)
                .contains(token)
                .then_some(pid)
        })
        .collect()
}

/// Panics, and kills them, unless all processes with this token are gone soon.
#[track_caller]
pub fn no_process_survives(token: &str, within: Duration) {
    let end = Instant::now() + slow(within);
    loop {
        let left = survivors(token);
        if left.is_empty() {
            return;
        }
        if Instant::now() >= end {
            let told: Vec<String> = left.iter().map(|pid| told(*pid)).collect();
            for &pid in &left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            panic!("survivors of {token}: {}", told.join("; "));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// What a process is, and what it waits for.
fn told(pid: i32) -> String {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        text.trim_end().to_owned()
    };
    let stat = read("stat");
    let (state, parent) = match stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ')) {
        Some(mut fields) => (fields.next(), fields.next()),
        None => (None, None),
    };
    let (name, waits) = (read("comm"), read("wchan"));
    format!("{pid} {name} {state:?} of {parent:?} in {waits}")
}
