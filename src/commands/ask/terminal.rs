//! Questions at a terminal: a thread shows one after the other, and reads a key for each.
//!
//! While a question is shown the supervisor holds the command's tasks (`Asker::holds`), so that none of them reads
//! the key or writes over the question. The terminal is set back before they go on.

use super::{Front, Given, Question};
use crate::report;
use crate::supervise::Answer;
use crate::sys::proc::Status;
use crate::sys::terminal::{Mode, foreground_of, set_foreground_of};
use crate::sys::{self, bare, signal};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the thread looks whether a question is still to be answered.
const LOOK: u16 = 20;
/// Milliseconds between two bytes that belong together.
const TOGETHER: u16 = 20;
/// How long the thread waits until all tasks are held: one that waits for its vfork child cannot be, and reads
/// nothing.
const HELD: Duration = Duration::from_millis(300);
/// How long a question that Ctrl-Z has hidden stays hidden, if the command does not stop.
const HIDDEN: Duration = Duration::from_secs(1);
/// Pauses between the signals that wake the supervisor.
const KNOCKS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// A terminal at which a person answers.
pub struct Terminal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Whether the command has the same terminal.
    is_shared: bool,
    /// Since when Ctrl-Z hides the questions, and how often SIGCONT had come then.
    hidden: Option<(Instant, u32)>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Shown>,
    /// The question that is on the terminal.
    current: Option<u64>,
    /// The one on the terminal is to go, without an answer.
    cancelled: bool,
    /// The signal for which it is to go.
    signal: i32,
    hidden: bool,
    /// The command's tasks are held.
    held: bool,
    given: Vec<Given>,
    gone: Option<String>,
    ended: bool,
    /// The supervisor has not looked since this changed.
    unseen: bool,
}

/// A question as text.
struct Shown {
    id: u64,
    text: String,
    /// What is said before the entry is written; `None`: there is no entry, or no file for it.
    entry: Option<String>,
    until: Option<Instant>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal {
    /// Shows questions there. `is_shared`: it is the command's terminal, too. `file`: the policy's.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(terminal: File, is_shared: bool) -> io::Result<Terminal> {
        signal::unblock(&[signal::KNOCK])?;
        let shared = Arc::new(Shared::default());
        let own = Prompter {
            terminal,
            is_shared,
            shared: Arc::clone(&shared),
            supervisor: (sys::process::getpid(), sys::process::gettid()),
        };
        // No handler of this program must run in the thread, and SIGTTOU must not stop this process.
        let mask = signal::block_all()?;
        let thread = thread::Builder::new()
            .name("jail-asks".to_owned())
            .spawn(move || own.run());
        signal::set_mask(&mask)?;
        Ok(Terminal {
            shared,
            thread: Some(thread?),
            is_shared,
            hidden: None,
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        // It sets the terminal back.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Front for Terminal {
    fn put(&mut self, question: &Question<'_>) -> bool {
        let shown = Shown {
            id: question.id,
            text: text(question),
            entry: question.entry(),
            until: question.timeout.map(|timeout| Instant::now() + timeout),
        };
        self.shared.state().waiting.push_back(shown);
        self.shared.changed.notify_all();
        true
    }

    fn withdraw(&mut self, id: u64) {
        let mut state = self.shared.state();
        state.waiting.retain(|shown| shown.id != id);
        state.cancelled |= state.current == Some(id);
    }

    fn answers(&mut self, answers: &mut Vec<Given>) -> Result<(), String> {
        let mut state = self.shared.state();
        if let Some((since, continued)) = self.hidden
            && (since.elapsed() > HIDDEN || signal::arrivals(libc::SIGCONT) != continued)
        {
            self.hidden = None;
            state.hidden = false;
            self.shared.changed.notify_all();
        }
        answers.append(&mut state.given);
        state.gone.take().map_or(Ok(()), Err)
    }

    fn holds(&mut self) -> bool {
        let mut state = self.shared.state();
        state.unseen = false;
        let waits = !state.waiting.is_empty() && !state.hidden && state.gone.is_none();
        let holds = self.is_shared && (state.current.is_some() || waits);
        state.held &= holds;
        holds
    }

    fn held(&mut self) {
        self.shared.state().held = true;
        self.shared.changed.notify_all();
    }

    fn hide(&mut self) {
        self.hidden = Some((Instant::now(), signal::arrivals(libc::SIGCONT)));
        let mut state = self.shared.state();
        state.hidden = true;
        state.cancelled = state.current.is_some();
        state.signal = libc::SIGTSTP;
    }

    fn interrupt(&mut self, signal: i32) {
        let mut state = self.shared.state();
        state.waiting.clear();
        state.cancelled = state.current.is_some();
        state.signal = signal;
    }
}

/// The question, in lines.
fn text(question: &Question<'_>) -> String {
    let denial = question.denial;
    let line = |text: &str| report::escaped(text, 300);
    let programs = line(&denial.ancestry.join(" → "));
    let mut lines = vec![
        format!("jail: allow it to {}?", line(&denial.request())),
        format!("      asked by {programs} (pid {})", denial.pid),
        format!("      call: {}", line(&denial.call)),
        "      why: nothing in the policy allows it, and nothing denies it".to_owned(),
    ];
    lines.extend(
        denial
            .advice
            .as_deref()
            .map(|advice| format!("      {}", line(advice))),
    );
    lines.push("      allow: o once, r for this run, a always (adds it to the policy)".to_owned());
    lines.push("      deny: d once, n for this run, k kill the command".to_owned());
    format!("\r\n{}\n      key: ", lines.join("\n"))
}

/// What became of a question on the terminal.
enum Prompted {
    Answer(Answer),
    /// It is not to be answered any more, for this signal (0: none).
    Cancelled(i32),
    /// jail is not in the foreground.
    Background,
}

/// The thread.
struct Prompter {
    terminal: File,
    is_shared: bool,
    shared: Arc<Shared>,
    supervisor: (i32, i32),
}

impl Prompter {
    fn run(self) {
        while let Some(shown) = self.next() {
            self.wait_for_hold();
            let prompted = self.prompt(&shown);
            let mut state = self.shared.state();
            state.current = None;
            state.cancelled = false;
            match prompted {
                Ok(Prompted::Answer(answer)) => state.given.push(Given::Answer(shown.id, answer)),
                Ok(Prompted::Cancelled(_)) if state.hidden => state.waiting.push_front(shown),
                Ok(Prompted::Cancelled(_)) => {}
                Ok(Prompted::Background) => state.given.push(Given::Malformed(
                    Some(shown.id),
                    "jail is not in the foreground of its terminal".to_owned(),
                )),
                Err(error) => state.gone = Some(format!("the terminal cannot be used: {error}")),
            }
            state.unseen = true;
            drop(state);
            self.knock();
        }
    }

    /// The next question, once there is one.
    fn next(&self) -> Option<Shown> {
        let mut state = self.shared.state();
        loop {
            if state.ended {
                return None;
            }
            if !state.hidden
                && let Some(shown) = state.waiting.pop_front()
            {
                state.current = Some(shown.id);
                state.cancelled = false;
                state.signal = 0;
                return Some(shown);
            }
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No task is to read the key.
    fn wait_for_hold(&self) {
        let state = self.shared.state();
        let waits = |state: &mut State| self.is_shared && !(state.held || state.ended);
        let waited = self.shared.changed.wait_timeout_while(state, HELD, waits);
        drop(waited);
    }

    /// Wakes the supervisor until it has looked. A signal that comes just before its wait would be missed.
    fn knock(&self) {
        let [mut pause, longest] = KNOCKS;
        let (pid, tid) = self.supervisor;
        loop {
            let state = self.shared.state();
            if !state.unseen || state.ended {
                return;
            }
            drop(state);
            bare::signal_thread(pid, tid, signal::KNOCK);
            thread::sleep(pause);
            pause = (pause * 2).min(longest);
        }
    }

    /// Shows a question until there is an answer, with the terminal to itself.
    fn prompt(&self, shown: &Shown) -> io::Result<Prompted> {
        let own = sys::process::getpgid(0)?;
        let before = match self.is_shared {
            true => foreground_of(&self.terminal),
            false => None,
        };
        let taken = match before {
            Some(group) if group == own => None,
            Some(group) if self.is_of_command(group) => Some(group),
            None if !self.is_shared => None,
            Some(_) | None => return Ok(Prompted::Background),
        };
        let mode = Mode::of(&self.terminal)?;
        if taken.is_some() {
            set_foreground_of(&self.terminal, own)?;
        }
        let result = mode
            .of_keys()
            .set(&self.terminal, true)
            .map_err(io::Error::from)
            .and_then(|()| self.asked(shown));
        mode.set(&self.terminal, false)?;
        if let Some(group) = taken {
            set_foreground_of(&self.terminal, group)?;
            // The terminal has sent it to this process's group.
            if let Ok(Prompted::Cancelled(signal @ 1..)) = result {
                let _ = sys::process::kill(-group, signal);
            }
        }
        // A program that draws the whole screen draws it again.
        if let (Some(group), false) = (before, mode.is_of_lines()) {
            let _ = sys::process::kill(-group, libc::SIGWINCH);
        }
        result
    }

    /// Whether this process group is one of the command's.
    fn is_of_command(&self, group: i32) -> bool {
        let leader = Status::of(group);
        let tracer: Option<i32> = leader.and_then(|leader| leader.number("TracerPid"));
        tracer.is_some_and(|tracer| tracer == self.supervisor.0 || tracer == self.supervisor.1)
    }

    fn asked(&self, shown: &Shown) -> io::Result<Prompted> {
        self.write(&shown.text)?;
        loop {
            let Some(key) = self.key(shown)? else {
                return self.unanswered(shown);
            };
            let (answer, word) = match key {
                b'o' => (Answer::Once, "allowed once"),
                b'r' => (Answer::Run, "allowed for this run"),
                b'a' => match &shown.entry {
                    Some(entry) => {
                        self.write(&format!("{entry}\n      write it? y or n: "))?;
                        match self.key(shown)? {
                            Some(b'y') => (Answer::Always, "written, allowed"),
                            Some(_) => {
                                self.write("no\n      key: ")?;
                                continue;
                            }
                            None => return self.unanswered(shown),
                        }
                    }
                    None => (Answer::Always, "allowed"),
                },
                b'd' => (Answer::Deny, "denied once"),
                b'n' => (Answer::DenyRun, "denied for this run"),
                b'k' => (Answer::Kill, "killed"),
                _ => {
                    self.write("\x07")?;
                    continue;
                }
            };
            self.write(&format!("{word}\n"))?;
            return Ok(Prompted::Answer(answer));
        }
    }

    /// There is no key: the time is up, or the question is to go.
    fn unanswered(&self, shown: &Shown) -> io::Result<Prompted> {
        self.write("no answer\n")?;
        let state = self.shared.state();
        let late = shown.until.is_some_and(|until| until <= Instant::now());
        Ok(match state.cancelled || state.ended || !late {
            true => Prompted::Cancelled(state.signal),
            false => Prompted::Answer(Answer::TimedOut),
        })
    }

    /// The next key; `None`: the question needs no answer any more. Several bytes together are no key: an arrow, what
    /// was pasted, or what the terminal says to a query of the command.
    fn key(&self, shown: &Shown) -> io::Result<Option<u8>> {
        let mut bytes = [0; 64];
        loop {
            let state = self.shared.state();
            let late = shown.until.is_some_and(|until| until <= Instant::now());
            if state.cancelled || state.ended || late {
                return Ok(None);
            }
            drop(state);
            if !self.has_bytes(LOOK) {
                continue;
            }
            match (&self.terminal).read(&mut bytes) {
                Ok(1) if !self.skip()? => return Ok(bytes.first().copied()),
                Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof)),
                Ok(_) => {
                    self.skip()?;
                    self.write("\x07")?;
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads all that belongs to the bytes before, however it was divided. Whether there was any.
    fn skip(&self) -> io::Result<bool> {
        let mut bytes = [0; 64];
        let mut any = false;
        while !self.shared.state().ended && self.has_bytes(TOGETHER) {
            match (&self.terminal).read(&mut bytes) {
                Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof)),
                Ok(_) => any = true,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(any)
    }

    /// Whether there is something to read, or will be within so many milliseconds.
    fn has_bytes(&self, within: u16) -> bool {
        let mut fds = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(within));
        let mut events = fds.iter().filter_map(PollFd::revents);
        events.any(|events| !events.is_empty())
    }

    /// The terminal may be one that takes nothing now (Ctrl-S).
    fn write(&self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match (&self.terminal).write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.shared.state().ended {
                        return Err(error);
                    }
                    let mut fds = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLOUT)];
                    let _ = poll(&mut fds, PollTimeout::from(LOOK));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
