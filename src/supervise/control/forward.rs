//! Standing in for the command: signals sent to the supervisor alone reach the command.
//!
//! A terminal or `kill -PGID` signals the whole process group, so the command has had its own
//! already; passing that on would deliver it twice. Such a signal shows at the command as a
//! signal-delivery-stop with the same sender within moments (a traced process stops even for a
//! signal that it ignores; one that it blocks stays pending, and the second merges with it). Only
//! what does not show within [`GRACE`] was for this process alone.
//!
//! Without jail the command itself would lead the process group and perhaps the session. A signal of
//! the terminal that only such a leader gets is passed on, see [`Forward::missed`].

use crate::supervise::tracee::Tracees;
use crate::sys::proc::Status;
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
pub const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Starts catching signals. Returns whether a timer ends a wait that a signal came just before.
pub fn catch() -> Result<bool, Errno> {
    let ticks = signal::note_arrivals(&SIGNALS)?;
    // A message must get through from the background, too, where the terminal is set to stop
    // a process that writes from there (`stty tostop`).
    signal::set_ignored(libc::SIGTTOU, true)?;
    Ok(ticks)
}

/// Whether the terminal has sent the signal, to a whole process group. A timer is this process's own.
pub fn is_for_group(arrived: &Arrived) -> bool {
    arrived.code == libc::SI_KERNEL && arrived.signal != libc::SIGALRM
}

/// How long a signal to the whole group may take to show at the command.
const GRACE: Duration = Duration::from_millis(10);

/// How long a signal that showed at the command first is remembered.
const MEMORY: Duration = Duration::from_millis(100);

/// A command that was asked to stop may do so by itself, after it has set the terminal back: for so long
/// its stop counts as asked for.
const STOPPING: Duration = Duration::from_secs(1);

/// So many of those are remembered. A command may send itself signals that name any sender
/// (rt_sigqueueinfo(2)).
const MOST_SHOWN: usize = 256;

/// How long what the command left may take to end with it before the user is told.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long what a command leaves behind that ended by itself may take to end before the user is told.
const LEFT: Duration = Duration::from_secs(1);

/// What the loop has to do.
pub enum Next {
    /// Nothing.
    Wait,
    /// Tell the user what it waits for.
    Waiting,
    /// Tell a user who did not ask what jail waits for.
    Left,
    /// Kill what is left.
    End,
    /// The terminal asks everybody to stop.
    Stop,
}

/// A signal that was passed on to the command.
struct Passed {
    /// The original, for the siginfo that the command sees.
    arrived: Arrived,
    /// When it turned out that the command had it from its sender, too, and that this one comes after.
    told: Option<Instant>,
}

/// A signal that shows at the command.
struct Showing {
    signal: i32,
    sender: Tid,
    /// Whether a process of the jail has sent it.
    is_inside: bool,
    now: Instant,
}

/// What such a signal is.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// To be delivered as it is.
    AsItIs,
    /// Passed on: to be delivered as the original.
    Of(Arrived),
    /// Passed on although the command has had it.
    Again,
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
    /// Passed on, one for each number.
    passed: Vec<Passed>,
    /// A signal of the terminal that was passed on to the command's whole process group, and when.
    group: Option<(i32, Instant)>,
    /// Ctrl-C came from the terminal.
    interrupted: bool,
    /// The signal by which this process was last asked to stop, and when.
    asked_to_stop: Option<(i32, Instant)>,
    /// Whether a timer ends a wait that a signal came just before.
    pub ticks: bool,
    /// When to tell what the command has left behind.
    notice: Option<Instant>,
    /// When to tell a user who asked for nothing.
    left: Option<Instant>,
    /// How often the user asked what the command left behind to end.
    asked: u32,
}

/// Whether this signal is pending for the process. Nothing takes it while its only thread is stopped.
fn has_pending(pid: Tid, signal: i32) -> bool {
    let pending = Status::of(pid).and_then(|status| status.mask("ShdPnd"));
    pending.is_some_and(|mask| mask & 1 << (signal - 1) != 0)
}

/// Remembers a signal that showed, and forgets those that are too old or too many.
fn remember(shown: &mut Vec<(i32, Tid, Instant)>, signal: (i32, Tid, Instant)) {
    shown.retain(|&(.., when)| signal.2 - when < MEMORY);
    if shown.len() >= MOST_SHOWN {
        shown.remove(0);
    }
    shown.push(signal);
}

impl Forward {
    /// Starts catching signals.
    ///
    /// `hidden`: whether the command is in a pid namespace of its own.
    pub fn new(main: Tid, hidden: bool) -> Result<Self, Errno> {
        let ticks = catch()?;
        Ok(Self::of(main, hidden, ticks))
    }

    fn of(main: Tid, hidden: bool, ticks: bool) -> Self {
        Self {
            main,
            own: if hidden { 0 } else { sys::process::getpid() },
            hidden,
            pending: vec![],
            shown: vec![],
            passed: vec![],
            group: None,
            interrupted: false,
            asked_to_stop: None,
            ticks,
            notice: None,
            left: None,
            asked: 0,
        }
    }

    /// What the command is told of a sender outside.
    fn seen(&self, sender: Tid) -> Tid {
        if self.hidden { 0 } else { sender }
    }

    /// Whether Ctrl-C came from the terminal.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// The signal by which this process was lately asked to stop. No process of the jail can send it one.
    pub fn asked_to_stop(&self) -> Option<i32> {
        let (signal, when) = self.asked_to_stop?;
        (when.elapsed() < STOPPING).then_some(signal)
    }

    /// Whether there is anything to look at.
    pub fn is_due(&self) -> bool {
        signal::any() || !self.pending.is_empty() || self.notice.or(self.left).is_some()
    }

    /// The command has ended. By a signal that asks to end: so may what it leaves behind. `left`: whether it
    /// leaves anything behind.
    pub fn ended(&mut self, exit: Exit, left: bool) {
        if left {
            self.left = Some(Instant::now() + LEFT);
            signal::tick();
        }
        if matches!(exit, Exit::Signal(signal) if ENDING.contains(&signal)) {
            self.notice = Some(Instant::now() + PATIENCE);
            signal::tick();
        }
    }

    /// A signal is about to be delivered to the command. Returns whether the command has had it already,
    /// so that it is to be suppressed.
    pub fn delivered(
        &mut self,
        tracee: &Stopped,
        signal: i32,
        tracees: &Tracees,
    ) -> Result<bool, Errno> {
        if !SIGNALS.contains(&signal) {
            return Ok(false);
        }
        let Some(mut info) = tracee.siginfo()? else {
            return Ok(false);
        };
        if info.si_code != libc::SI_USER {
            return Ok(false);
        }
        let sender = sys::signal::sender(&info);
        let one = Showing {
            signal,
            sender,
            is_inside: tracees.has_sent(sender),
            now: Instant::now(),
        };
        let main = self.main;
        match self.judge(&one, || has_pending(main, signal)) {
            Shown::AsItIs => Ok(false),
            Shown::Again => Ok(true),
            Shown::Of(original) => {
                let sender = self.seen(original.sender);
                match original.code {
                    libc::SI_KERNEL => sys::signal::set_kernel(&mut info),
                    _ => sys::signal::set_sender(&mut info, sender, original.uid),
                }
                tracee.set_siginfo(&info)?;
                Ok(false)
            }
        }
    }

    /// What this signal at the command is. `is_next`: whether the command has another of its number pending.
    fn judge(&mut self, one: &Showing, is_next: impl FnOnce() -> bool) -> Shown {
        let hidden = self.hidden;
        if one.sender == self.own {
            let passed = |passed: &Passed| passed.arrived.signal == one.signal;
            if let Some(index) = self.passed.iter().position(passed) {
                let Passed { arrived, told } = self.passed.swap_remove(index);
                // Where senders are hidden, a later signal may come from another process.
                if told.is_some_and(|when| !hidden || one.now - when < MEMORY) {
                    return Shown::Again;
                }
                if told.is_none() {
                    if hidden && is_next() {
                        let told = Some(one.now);
                        self.passed.push(Passed { arrived, told });
                    }
                    return Shown::Of(arrived);
                }
            }
            // It may be anybody else outside.
            if !hidden {
                return Shown::AsItIs;
            }
        }
        // No process of the jail can reach this one: what it sends is not remembered, for it may
        // send much.
        if one.is_inside {
            return Shown::AsItIs;
        }
        let same = |arrived: &Arrived| {
            arrived.signal == one.signal && self.seen(arrived.sender) == one.sender
        };
        let passed = |passed: &Passed| passed.told.is_none() && same(&passed.arrived);
        let pending = self.pending.iter().position(|(arrived, _)| same(arrived));
        let passed = self.passed.iter().position(passed);
        if let Some(index) = pending {
            self.pending.swap_remove(index);
        } else if let Some(index) = passed {
            // Too late to be known in time. What was passed on has merged with it, unless the command was
            // in this stop already: then that one is next.
            match is_next() {
                true => self.passed[index].told = Some(one.now),
                false => _ = self.passed.swap_remove(index),
            }
        } else {
            remember(&mut self.shown, (one.signal, one.sender, one.now));
        }
        Shown::AsItIs
    }

    /// A signal is about to be delivered to another process than the command: one that was passed on
    /// to the whole group looks as the terminal's own does.
    pub fn delivered_beside(&mut self, tracee: &Stopped, signal: i32) -> Result<(), Errno> {
        if !self
            .group
            .is_some_and(|(passed, when)| passed == signal && when.elapsed() < MEMORY)
        {
            return Ok(());
        }
        if let Some(mut info) = tracee.siginfo()?
            && info.si_code == libc::SI_USER
            && sys::signal::sender(&info) == self.own
        {
            sys::signal::set_kernel(&mut info);
            tracee.set_siginfo(&info)?;
        }
        Ok(())
    }

    /// What a signal of the terminal has missed, as kill(2) names it: the command, or its process
    /// group as a negative number.
    ///
    /// The terminal signals the foreground process group, and when it hangs up only the leader of the
    /// session, with SIGHUP and SIGCONT (tty_signal_session_leader in drivers/tty/tty_jobctrl.c). As
    /// long as this process leads the group, the command would do so without jail; it would also get
    /// the signal if it has made a group of its own since, which changes nothing for a leader.
    fn missed(&self, signal: i32) -> Option<Tid> {
        let own = sys::process::getpid();
        let group = sys::process::getpgid(self.main).ok()?;
        let leads = |id: Result<Tid, Errno>| id == Ok(own);
        match signal {
            libc::SIGHUP | libc::SIGCONT if leads(sys::process::getsid(0)) => Some(self.main),
            _ if group == own || !leads(sys::process::getpgid(0)) => None,
            // A group that the command has made: no process outside is a member unless it joins.
            _ if group == self.main => Some(-group),
            _ => Some(self.main),
        }
    }

    /// Answers a SIGTTIN or SIGTTOU by which the terminal would stop a process of the command's group.
    ///
    /// Without jail the command would lead the foreground group, and making a group of its own would
    /// change nothing. So the terminal is given to that group, and the call is restarted. Returns
    /// whether the signal is to be suppressed.
    pub fn lend_terminal(&self, tracee: &Stopped, signal: i32) -> Result<bool, Errno> {
        if !matches!(signal, libc::SIGTTIN | libc::SIGTTOU)
            || tracee
                .siginfo()?
                .is_none_or(|info| info.si_code != libc::SI_KERNEL)
        {
            return Ok(false);
        }
        let own = sys::process::getpid();
        let group = Ok(self.main);
        if sys::process::getpgid(0) != Ok(own)
            || sys::process::getpgid(self.main) != group
            || sys::process::getpgid(tracee.tid()) != group
        {
            return Ok(false);
        }
        if sys::terminal::foreground() == Some(own) {
            sys::terminal::set_foreground(self.main);
        }
        Ok(sys::terminal::foreground() == Some(self.main))
    }

    /// Takes what has arrived, passes on what is due. `main` is `None` once the command has ended.
    pub fn pass_on(&mut self, main: Option<Tid>, tracees: &Tracees) -> Next {
        let mut next = Next::Wait;
        let now = Instant::now();
        while let Some(arrived) = signal::take() {
            if main.is_none() {
                next = self.ask(arrived, tracees, next);
                continue;
            }
            if matches!(arrived.signal, libc::SIGTSTP | libc::SIGTTIN) {
                self.asked_to_stop = Some((arrived.signal, now));
                next = Next::Stop;
            }
            if is_for_group(&arrived) {
                self.interrupted |= arrived.signal == libc::SIGINT;
                if let Some(target) = self.missed(arrived.signal) {
                    self.group = (target < 0).then_some((arrived.signal, now));
                    self.send(arrived, target);
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
                let own_group = arrived.signal == libc::SIGCONT
                    && sys::process::getpgid(self.main) == Ok(self.main);
                // A shell continues a job's whole group, and the terminal has stopped all of it.
                self.send(arrived, if own_group { -self.main } else { self.main });
            }
        }
        if self.notice.is_some_and(|when| when <= now) {
            self.notice = None;
            self.left = None;
            self.asked += 1;
            next = Next::Waiting;
        } else if self.left.is_some_and(|when| when <= now) {
            self.left = None;
            next = match next {
                Next::Wait => Next::Left,
                other => other,
            };
        }
        if self.pending.is_empty() && self.notice.or(self.left).is_none() {
            signal::rest();
        }
        next
    }

    /// Sends the command, or its group, a signal that arrived here.
    fn send(&mut self, arrived: Arrived, target: Tid) {
        self.passed
            .retain(|passed| passed.arrived.signal != arrived.signal);
        self.passed.push(Passed {
            arrived,
            told: None,
        });
        let _ = sys::process::kill(target, arrived.signal);
    }

    /// The command has ended, but not what it left: the first request goes to all of it, the
    /// second ends it.
    fn ask(&mut self, arrived: Arrived, tracees: &Tracees, next: Next) -> Next {
        if !ENDING.contains(&arrived.signal) {
            return next;
        }
        self.asked += 1;
        self.notice = None;
        self.left = None;
        if self.asked > 1 {
            return Next::End;
        }
        if arrived.code != libc::SI_KERNEL {
            tracees.kill(arrived.signal);
        }
        Next::Waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: Tid = 50;
    const JAIL: Tid = 60;
    const GROUP: Arrived = Arrived {
        signal: libc::SIGUSR1,
        code: libc::SI_USER,
        sender: CALLER,
        uid: 0,
    };

    /// A command that jail has passed the signal on to.
    fn passed_on(hidden: bool) -> Forward {
        Forward {
            own: if hidden { 0 } else { JAIL },
            passed: vec![Passed {
                arrived: GROUP,
                told: None,
            }],
            ..Forward::of(70, hidden, true)
        }
    }

    fn show(forward: &mut Forward, sender: Tid, is_next: bool) -> Shown {
        let one = Showing {
            signal: GROUP.signal,
            sender,
            is_inside: false,
            now: Instant::now(),
        };
        forward.judge(&one, || is_next)
    }

    #[test]
    fn a_signal_that_was_passed_on_looks_as_its_sender_has_sent_it() {
        for hidden in [false, true] {
            let mut forward = passed_on(hidden);
            let own = forward.own;
            assert_eq!(show(&mut forward, own, false), Shown::Of(GROUP));
            assert_eq!(show(&mut forward, own, false), Shown::AsItIs, "{hidden}");
        }
    }

    #[test]
    fn a_signal_to_the_group_that_was_passed_on_while_it_was_being_delivered_is_told_once() {
        let mut forward = passed_on(false);
        assert_eq!(show(&mut forward, CALLER, true), Shown::AsItIs);
        assert_eq!(show(&mut forward, JAIL, false), Shown::Again);
        assert_eq!(show(&mut forward, JAIL, false), Shown::AsItIs);

        let mut forward = passed_on(true);
        assert_eq!(show(&mut forward, 0, true), Shown::Of(GROUP));
        assert_eq!(show(&mut forward, 0, false), Shown::Again);
        assert_eq!(show(&mut forward, 0, false), Shown::AsItIs);
    }

    #[test]
    fn a_signal_that_was_passed_on_and_merged_hides_no_later_one() {
        let mut forward = passed_on(false);
        assert_eq!(show(&mut forward, CALLER, false), Shown::AsItIs);
        assert!(forward.passed.is_empty() && forward.shown.is_empty());
        assert_eq!(show(&mut forward, CALLER, false), Shown::AsItIs);
        assert_eq!(forward.shown.len(), 1);

        // The next to the whole group comes before the one that was passed on.
        let mut forward = passed_on(false);
        show(&mut forward, CALLER, true);
        assert_eq!(show(&mut forward, CALLER, true), Shown::AsItIs);
        assert_eq!(forward.shown.len(), 1, "jail must know of it");
        assert_eq!(show(&mut forward, JAIL, false), Shown::Again);
    }

    #[test]
    fn signals_that_showed_are_remembered_in_a_bounded_number() {
        let mut shown = Vec::new();
        let now = Instant::now();
        (0..10_000).for_each(|sender| remember(&mut shown, (libc::SIGHUP, sender, now)));
        assert_eq!(shown.len(), MOST_SHOWN);
        assert_eq!(shown.last().map(|last| last.1), Some(9_999));
        remember(&mut shown, (libc::SIGHUP, 1, now + MEMORY));
        assert_eq!(shown.len(), 1);
    }
}
