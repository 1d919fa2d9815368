//! A terminal with an interactive bash on it: types, presses keys, reads what appears.
//!
//! The bash has a session of its own; at its end everything in that session is killed.

use crate::support::{JAIL, permissive_policy, probe, slow};
use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Unlike anything that a command prints.
const PROMPT: &str = "<prompt>";

pub const CTRL_C: u8 = 3;
pub const CTRL_D: u8 = 4;
pub const CTRL_Z: u8 = 26;
pub const CTRL_BACKSLASH: u8 = 28;

pub struct Terminal {
    shell: Child,
    keyboard: Option<Arc<PtyMaster>>,
    /// The other side, for what is asked of the terminal itself.
    line: Option<File>,
    open: Arc<AtomicBool>,
    screen: Arc<Mutex<String>>,
    /// How much of the screen has been read.
    read: usize,
}

impl Terminal {
    /// A new terminal, at bash's prompt. `$JAIL` runs under the preset `permissive`, `$PROBE` is
    /// the probe.
    pub fn new() -> Self {
        Self::under(&permissive_policy())
    }

    /// The same, and `$JAIL` runs under this policy.
    pub fn under(policy: &str) -> Self {
        // Without jail, to see what these tests hold against it.
        let jail = match std::env::var_os("JAIL_TEST_PLAIN") {
            Some(_) => String::new(),
            None => format!("{JAIL} --policy {policy} --"),
        };
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let keyboard = posix_openpt(flags).expect("posix_openpt");
        grantpt(&keyboard).expect("grantpt");
        unlockpt(&keyboard).expect("unlockpt");
        let line = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(ptsname_r(&keyboard).expect("ptsname"))
            .expect("cannot open the terminal");
        let side = || Stdio::from(line.try_clone().expect("dup"));
        crate::support::heed_the_terminal();
        let shell = Command::new(probe())
            .args([
                "on-terminal",
                "bash",
                "--norc",
                "--noprofile",
                "--noediting",
                "-i",
            ])
            .envs([
                ("PS1", PROMPT),
                ("TERM", "dumb"),
                ("HISTFILE", ""),
                ("LC_ALL", "C"),
            ])
            .env("JAIL", jail)
            .env("PROBE", probe())
            .env_remove("PROMPT_COMMAND")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("cannot start the probe");
        let screen = Arc::new(Mutex::new(String::new()));
        let keyboard = Arc::new(keyboard);
        let output = Arc::clone(&keyboard);
        let onto = Arc::clone(&screen);
        // A blocking read would keep the terminal open after `close`.
        let open = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&open);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while goes_on.load(Ordering::Relaxed) {
                match (&*output).read(&mut buffer) {
                    Ok(length) => {
                        let text =
                            String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                        let mut screen = onto.lock().unwrap_or_else(PoisonError::into_inner);
                        screen.push_str(&text.replace('\r', ""));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    // EIO: nobody has the other side open any more.
                    Err(_) => return,
                }
            }
        });
        let mut terminal = Self {
            shell,
            keyboard: Some(keyboard),
            line: Some(line),
            open,
            screen,
            read: 0,
        };
        terminal.resize("rows", 24);
        terminal.resize("cols", 200);
        terminal.prompt();
        // What is typed shall not be mistaken for what is printed.
        terminal.run("stty -echo");
        terminal
    }

    /// Types text and Enter.
    pub fn enter(&mut self, text: &str) {
        self.keys(format!("{text}\n").as_bytes());
    }

    /// Presses one key.
    pub fn key(&mut self, key: u8) {
        self.keys(&[key]);
    }

    pub fn keys(&mut self, keys: &[u8]) {
        let mut keyboard: &PtyMaster = self.keyboard.as_ref().expect("the terminal is closed");
        keyboard.write_all(keys).expect("cannot type");
    }

    /// Waits for a text to appear; returns what appeared before it.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + slow(TIMEOUT);
        loop {
            let screen = self
                .screen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let new = screen.get(self.read..).unwrap_or_default();
            if let Some((before, _)) = new.split_once(text) {
                self.read += before.len() + text.len();
                return before.to_owned();
            }
            assert!(
                Instant::now() < end,
                "never saw {text:?}; the screen:\n{screen}\nthe processes: {:#?}",
                self.session()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for bash's prompt; returns what appeared before it.
    #[track_caller]
    pub fn prompt(&mut self) -> String {
        self.expect(PROMPT)
    }

    /// Types a command and waits for the next prompt; returns what the command printed.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> String {
        self.enter(command);
        self.prompt()
    }

    /// The last command's exit status as bash has it.
    #[track_caller]
    pub fn status(&mut self) -> String {
        self.run("echo $?").trim().to_owned()
    }

    /// Whether bash lists a job in such a state, soon.
    #[track_caller]
    pub fn job_becomes(&mut self, state: &str) {
        let end = Instant::now() + slow(TIMEOUT);
        loop {
            let jobs = self.run("jobs");
            if jobs.contains(state) {
                return;
            }
            assert!(Instant::now() < end, "no job became {state:?}: {jobs}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Makes the window so large, in "rows" or "cols".
    pub fn resize(&self, what: &str, size: u16) {
        let line = self.line.as_ref().expect("the terminal is closed");
        let status = Command::new("stty")
            .args([what, &size.to_string()])
            .stdin(Stdio::from(line.try_clone().expect("dup")))
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "stty cannot resize"
        );
    }

    /// Hangs up.
    pub fn close(&mut self) {
        self.open.store(false, Ordering::Relaxed);
        self.line = None;
        self.keyboard = None;
    }

    /// Waits until no process of the session but bash runs.
    #[track_caller]
    pub fn until_all_are_stopped(&self) {
        let end = Instant::now() + slow(TIMEOUT);
        loop {
            let session = self.session();
            if session.iter().all(|process| "TtZ".contains(process.state)) {
                return;
            }
            assert!(Instant::now() < end, "some still run: {session:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a process of the session has this in its command line: a key that is pressed before is
    /// for the shell, and the terminal forgets what was typed before it.
    #[track_caller]
    pub fn until_there_is(&self, word: &str) {
        let end = Instant::now() + slow(TIMEOUT);
        loop {
            let session = self.session();
            if session.iter().any(|process| process.command.contains(word)) {
                return;
            }
            assert!(Instant::now() < end, "no {word}: {session:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Continues the last job in the foreground, and waits until it runs. Bash shows the job's command, which
    /// holds `shown`, before it continues it; a key that is pressed in between is lost.
    #[track_caller]
    pub fn foreground(&mut self, shown: &str) {
        self.enter("fg");
        self.expect(shown);
        self.until_all_go_on();
    }

    /// Waits until none of them is stopped.
    #[track_caller]
    pub fn until_all_go_on(&self) {
        let end = Instant::now() + slow(TIMEOUT);
        loop {
            let session = self.session();
            if session.iter().all(|process| !"Tt".contains(process.state)) {
                return;
            }
            assert!(Instant::now() < end, "some are stopped: {session:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The processes of bash's session, without bash.
    pub fn session(&self) -> Vec<Process> {
        let shell = self.shell.id() as i32;
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return vec![];
        };
        processes
            .flatten()
            .filter_map(|process| {
                let pid: i32 = process.file_name().to_str()?.parse().ok()?;
                let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
                // State, parent, group, session.
                let mut fields = stat.rsplit_once(") ")?.1.split(' ');
                let state = fields.next()?.chars().next()?;
                let session: i32 = fields.nth(2)?.parse().ok()?;
                let arguments = std::fs::read(process.path().join("cmdline")).ok()?;
                let command = String::from_utf8_lossy(&arguments).replace('\0', " ");
                (session == shell && pid != shell).then_some(Process {
                    pid,
                    state,
                    command,
                })
            })
            .collect()
    }
}

/// A process of a terminal's session.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    state: char,
    #[allow(dead_code, reason = "shown when a test fails")]
    command: String,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Relaxed);
        // First those that it started: with bash gone, nothing would tell whose they were.
        for Process { pid, .. } in self.session() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
