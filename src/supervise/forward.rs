//! Standing in for the command: signals sent to the supervisor alone reach the command.
//!
//! A terminal or `kill -PGID` signals the whole process group, so the command has had its own
//! already; passing that on would deliver it twice. Such a signal shows at the command as a
//! signal-delivery-stop with the same sender within moments (a traced process stops even for a
//! signal that it ignores; one that it blocks stays pending, and the second merges with it). Only
//! what does not show within [`GRACE`] was for this process alone.

use super::tree::Tree;
use crate::sys::signal::{self, Arrived};
use crate::sys::{self, Errno};
use crate::trace::{Exit, Stopped, Tid};
use std::time::{Duration, Instant};

/// What a caller may send to a command to steer it.
const SIGNALS: [i32; 12] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGABRT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGWINCH,
];

/// Those that ask to end.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// How long a signal to the whole group may take to show at the command.
const GRACE: Duration = Duration::from_millis(10);

/// How long a signal that showed at the command first is remembered.
const MEMORY: Duration = Duration::from_millis(100);

/// How long what the command left may take to end with it before the user is told.
const PATIENCE: Duration = Duration::from_millis(300);

/// What the loop has to do.
pub enum Next {
    /// Nothing.
    Wait,
    /// Tell the user what it waits for.
    Waiting,
    /// Kill what is left.
    End,
    /// The terminal asks everybody to stop.
    Stop,
}

pub struct Forward {
    main: Tid,
    /// What the command is told of this process as a sender.
    own: Tid,
    /// Whether it is told nothing of anybody outside: all are 0 to it (pid_namespaces(7)).
    hidden: bool,
    /// Arrived here; passed on at that time unless it shows at the command.
    pending: Vec<(Arrived, Instant)>,
    /// Showed at the command: signal, sender, when.
    shown: Vec<(i32, Tid, Instant)>,
    /// Passed on: the original, for the siginfo that the command sees.
    passed: Vec<Arrived>,
    /// Ctrl-C came from the terminal.
    interrupted: bool,
    /// When to tell what the command has left behind.
    notice: Option<Instant>,
    /// How often the user asked what the command left behind to end.
    asked: u32,
}

impl Forward {
    /// Starts catching signals.
    ///
    /// `hidden`: whether the command is in a pid namespace of its own.
    pub fn new(main: Tid, hidden: bool) -> Result<Self, Errno> {
        signal::note_arrivals(&SIGNALS)?;
        // A message must get through from the background, too, where the terminal is set to stop
        // whoever writes from there (`stty tostop`).
        signal::set_ignored(libc::SIGTTOU, true)?;
        let own = if hidden { 0 } else { sys::process::getpid() };
        Ok(Self {
            main,
            own,
            hidden,
            pending: vec![],
            shown: vec![],
            passed: vec![],
            interrupted: false,
            notice: None,
            asked: 0,
        })
    }

    /// What the command is told of a sender outside.
    fn seen(&self, sender: Tid) -> Tid {
        if self.hidden { 0 } else { sender }
    }

    /// Whether Ctrl-C came from the terminal.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Whether there is anything to look at.
    pub fn is_due(&self) -> bool {
        signal::any() || !self.pending.is_empty() || self.notice.is_some()
    }

    /// The command has ended, by a signal that asks to end: so may what it leaves behind.
    pub fn ended(&mut self, exit: Exit) {
        if matches!(exit, Exit::Signal(signal) if ENDING.contains(&signal)) {
            self.notice = Some(Instant::now() + PATIENCE);
            signal::tick();
        }
    }

    /// A signal is about to be delivered to the command.
    pub fn delivered(&mut self, tracee: &Stopped, signal: i32, tree: &Tree) -> Result<(), Errno> {
        if !SIGNALS.contains(&signal) {
            return Ok(());
        }
        let Some(mut info) = tracee.siginfo()? else {
            return Ok(());
        };
        if info.si_code != libc::SI_USER {
            return Ok(());
        }
        let sender = sys::signal::sender(&info);
        if sender == self.own {
            if let Some(index) = self
                .passed
                .iter()
                .position(|passed| passed.signal == signal)
            {
                let original = self.passed.swap_remove(index);
                let sender = self.seen(original.sender);
                sys::signal::set_sender(&mut info, sender, original.uid);
                tracee.set_siginfo(&info)?;
                return Ok(());
            }
            // It may be anybody else outside.
            if !self.hidden {
                return Ok(());
            }
        }
        // No process of the jail can reach this one: what it sends is not remembered, for it may
        // send much.
        if tree.has_sent(sender) {
            return Ok(());
        }
        let now = Instant::now();
        let same = |(arrived, _): &(Arrived, Instant)| {
            arrived.signal == signal && self.seen(arrived.sender) == sender
        };
        // Too late to be known in time: it was passed on meanwhile, and that one merged with this.
        let merged =
            |passed: &Arrived| passed.signal == signal && self.seen(passed.sender) == sender;
        if let Some(index) = self.pending.iter().position(same) {
            self.pending.swap_remove(index);
        } else if let Some(index) = self.passed.iter().position(merged) {
            self.passed.swap_remove(index);
        } else {
            self.shown.retain(|&(.., when)| now - when < MEMORY);
            self.shown.push((signal, sender, now));
        }
        Ok(())
    }

    /// Takes what has arrived, passes on what is due. `main` is `None` once the command has ended.
    pub fn pass_on(&mut self, main: Option<Tid>, tree: &Tree) -> Next {
        let mut next = Next::Wait;
        let now = Instant::now();
        while let Some(arrived) = signal::take() {
            if main.is_none() {
                next = self.ask(arrived, tree, next);
                continue;
            }
            // From the terminal: the whole foreground group has it. A timer is this process's own.
            if arrived.code == libc::SI_KERNEL && arrived.signal != libc::SIGALRM {
                self.interrupted |= arrived.signal == libc::SIGINT;
                if arrived.signal == libc::SIGTSTP {
                    next = Next::Stop;
                }
                continue;
            }
            let shown = |&(signal, sender, when): &(i32, Tid, Instant)| {
                signal == arrived.signal
                    && sender == self.seen(arrived.sender)
                    && now - when < MEMORY
            };
            match self.shown.iter().position(shown) {
                Some(index) => _ = self.shown.swap_remove(index),
                None => self.pending.push((arrived, now + GRACE)),
            }
        }
        let due: Vec<Arrived> = self
            .pending
            .extract_if(.., |(_, when)| *when <= now)
            .map(|(arrived, _)| arrived)
            .collect();
        for arrived in due {
            if main.is_some() {
                self.passed.retain(|passed| passed.signal != arrived.signal);
                self.passed.push(arrived);
                let _ = sys::process::kill(self.main, arrived.signal);
            }
        }
        if self.notice.is_some_and(|when| when <= now) {
            self.notice = None;
            self.asked += 1;
            next = Next::Waiting;
        }
        if self.pending.is_empty() && self.notice.is_none() {
            signal::rest();
        }
        next
    }

    /// The command has ended, but not what it left: the first request goes to all of it, the
    /// second ends it.
    fn ask(&mut self, arrived: Arrived, tree: &Tree, next: Next) -> Next {
        if !ENDING.contains(&arrived.signal) {
            return next;
        }
        self.asked += 1;
        self.notice = None;
        if self.asked > 1 {
            return Next::End;
        }
        if arrived.code != libc::SI_KERNEL {
            tree.kill(arrived.signal);
        }
        Next::Waiting
    }
}
