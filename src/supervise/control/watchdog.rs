//! The watchdog: a process that keeps the limits while the supervisor's thread cannot.
//!
//! The supervisor acts on files and reads memory in the command's name, and each such system call may
//! sleep in a lock that a task of the jail holds (an inode's, a directory's, an address space's). If that
//! task is SCHED_IDLE and its siblings keep its processor busy, the sleep lasts as long as they like. No
//! signal ends it, SIGKILL neither, and while the thread lives the kernel does not kill its tracees.
//!
//! The watchdog makes no such call. It looks whether the supervisor is at work and does not move; only
//! then it looks at the limits, at a pending SIGKILL and at [`StopHandle`], and kills the tree. The dead hogs
//! free the processor, the lock is released, and the supervisor goes on and reports the limit.
//!
//! It is a [`Companion`]: what it runs here must not allocate, lock, panic or use thread-local variables.

use crate::launch::{CountAt, Group};
use crate::supervise::StopHandle;
use crate::sys::bare::{number, number_after};
use crate::sys::companion::{Companion, Leaver, Task};
use crate::sys::memory::{self, IdSet};
use crate::sys::{Errno, bare, process};
use crate::trace::Tid;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The supervisor is stuck when it was at work, on the same event, at two looks that are so far apart.
const LOOK: Duration = Duration::from_millis(30);
/// How often it is looked at while it waits: where there are limits, and where only SIGKILL and the
/// caller end a jail.
const IDLE: Duration = Duration::from_millis(100);
const IDLE_UNLIMITED: Duration = Duration::from_millis(400);

/// So long after its end a time is kept by the watchdog, where the supervisor moves on.
const OVERDUE: Duration = Duration::from_millis(100);

/// What the kernel's count of a process's pages may be wrong by (percpu_counter, Linux 6.2), in bytes: a
/// limit of memory is only kept by the watchdog where the tree is past it by more.
const INEXACT: u64 = 32 << 20;

/// What a jail may use, as far as the watchdog can tell.
#[derive(Clone, Copy, Default)]
pub struct Limits<'a> {
    /// When all are asked to end, and how long they have until they are killed.
    pub wall: Option<(Instant, Duration)>,
    /// Processor time of the whole tree.
    pub cpu: Option<Duration>,
    /// Bytes of memory, where the supervisor adds them up.
    pub memory: Option<u64>,
    /// The cgroup that limits memory otherwise: the kernel kills one process of the jail, or all.
    pub group: Option<&'a Group>,
}

/// For what the watchdog has ended the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Past {
    /// It has asked all to end, for the time is up.
    Asked = 1,
    /// It has killed all, for they did not end in time.
    Wall = 2,
    /// It has killed all, for their processor time is used up.
    Cpu = 3,
    /// It has killed all, for they have too much memory.
    Memory = 4,
}

/// The watchdog's handle.
pub struct Watchdog {
    board: Arc<Board>,
    /// One for time, and one for memory: that one reads files of proc(5), whose directories a task of the
    /// jail can lock, too.
    companions: [Option<Companion>; 2],
}

/// What the supervisor and the watchdog share.
struct Board {
    /// Odd while the supervisor is at work, even while it waits. It changes with each event.
    beat: AtomicU32,
    /// The processes that live, by the ids of their first threads.
    processes: IdSet,
    /// All other threads of theirs.
    threads: IdSet,
    /// Nanoseconds of processor time of those that have ended.
    ended: AtomicU64,
    /// Whether all have been asked to end.
    asked: AtomicBool,
    /// The last [`Past`], 0 for none.
    past: AtomicU32,
    /// CLOCK_MONOTONIC.
    wall: Option<Duration>,
    grace: Duration,
    cpu: Option<Duration>,
    memory: Option<u64>,
    /// What says, all together, that the kernel has killed a process because memory is limited.
    killed: Option<[Count; 2]>,
    page: u64,
    stop_handle: Option<StopHandle>,
    /// proc_pid_stat(5) of the supervisor's thread.
    stat: CString,
}

/// A number of a cgroup, by its path: the watchdog shares no descriptors with the supervisor.
struct Count {
    path: CString,
    word: &'static str,
    least: u64,
}

impl Count {
    fn new(at: CountAt<'_>) -> Result<Count, Errno> {
        Ok(Count {
            path: CString::new(at.path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?,
            word: at.word,
            least: at.least,
        })
    }

    fn has_happened(&self) -> bool {
        let mut buffer = [0; 1024];
        let Some(file) = bare::File::open(&self.path) else {
            return false;
        };
        let found = number_after(file.read(&mut buffer), self.word.as_bytes());
        found.is_some_and(|number| number >= self.least)
    }
}

impl Watchdog {
    /// Starts one for this thread, which is at work. `tasks`: each with its process.
    pub fn start(
        limits: Limits<'_>,
        stop_handle: Option<StopHandle>,
        asked: bool,
        tasks: &[(Tid, Tid)],
    ) -> Result<Watchdog, Errno> {
        let (pid, tid) = (process::getpid(), process::gettid());
        let stat = format!("/proc/{pid}/task/{tid}/stat");
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let board = Board {
            beat: AtomicU32::new(1),
            processes: IdSet::new()?,
            threads: IdSet::new()?,
            ended: AtomicU64::new(0),
            asked: AtomicBool::new(asked),
            past: AtomicU32::new(0),
            wall: limits.wall.map(|(end, _)| bare::now() + left(end)),
            grace: limits.wall.map_or(Duration::ZERO, |(_, grace)| grace),
            cpu: limits.cpu,
            memory: limits.memory,
            killed: limits.group.map(counts).transpose()?,
            page: memory::page_size(),
            stop_handle,
            stat: CString::new(stat).map_err(|_| Errno::EINVAL)?,
        };
        for &(tid, pid) in tasks {
            board.insert(tid, pid);
        }
        let board = Arc::new(board);
        let time = Companion::start(Arc::clone(&board))?;
        let memory = || Companion::start(Arc::new(Scales(Arc::clone(&board))));
        let memory = limits.memory.map(|_| memory()).transpose()?;
        Ok(Watchdog {
            board,
            companions: [Some(time), memory],
        })
    }

    /// The ids of its processes.
    pub fn pids(&self) -> impl Iterator<Item = Tid> {
        self.companions.iter().flatten().map(Companion::pid)
    }

    /// By these any thread can ask them to end.
    pub fn leavers(&self) -> Vec<Leaver> {
        let companions = self.companions.iter().flatten();
        companions.map(Companion::leaver).collect()
    }

    /// The supervisor waits from now on.
    pub fn waits(&self) {
        self.beats(0);
    }

    /// The supervisor is at work from now on. What has ended must have been taken out before: its id may
    /// be another process's.
    pub fn works(&self) {
        self.beats(1);
    }

    fn beats(&self, odd: u32) {
        let beat = self.board.beat.load(Ordering::Relaxed).wrapping_add(1);
        let wrong = (beat ^ odd) & 1;
        self.board
            .beat
            .store(beat.wrapping_add(wrong), Ordering::Release);
    }

    /// A task of a process of the tree will run.
    pub fn born(&self, tid: Tid, pid: Tid) {
        self.board.insert(tid, pid);
    }

    /// A thread is gone whose end is not told: its process runs another program.
    pub fn replaced(&self, tid: Tid) {
        self.board.threads.remove(tid);
    }

    /// A task has ended. `ended`: the processor time of all that have.
    pub fn gone(&self, tid: Tid, ended: Duration) {
        let nanoseconds = u64::try_from(ended.as_nanos()).unwrap_or(u64::MAX);
        self.board.ended.store(nanoseconds, Ordering::Release);
        self.board.processes.remove(tid);
        self.board.threads.remove(tid);
    }

    /// All have been asked to end.
    pub fn asked(&self) {
        self.board.asked.store(true, Ordering::Release);
    }

    /// For what it has ended the tree.
    pub fn past(&self) -> Option<Past> {
        match self.board.past.load(Ordering::Acquire) {
            1 => Some(Past::Asked),
            2 => Some(Past::Wall),
            3 => Some(Past::Cpu),
            4 => Some(Past::Memory),
            _ => None,
        }
    }

    /// No process of the tree is left: asks it to end, which a later wait tells.
    pub fn stop(&self) {
        for companion in self.companions.iter().flatten() {
            companion.leave();
        }
    }
}

impl Task for Board {
    const NAME: &CStr = c"jail-watchdog";

    fn run(&self, leave: &AtomicU32) {
        let stat = bare::File::open(&self.stat);
        self.look(leave, |beat, stuck| {
            if stuck || self.is_overdue() {
                self.act(beat, stat.as_ref());
            }
        });
    }
}

/// What looks at memory.
struct Scales(Arc<Board>);

impl Task for Scales {
    const NAME: &CStr = c"jail-watchdog";

    fn run(&self, leave: &AtomicU32) {
        let Scales(board) = self;
        let mut first = (0, (0, 0));
        board.look(leave, |beat, stuck| {
            if !stuck {
                return;
            }
            let now = board.anonymous();
            if first.0 != beat {
                first = (beat, now);
            }
            board.weigh(beat, first.1, now);
        });
    }
}

impl Board {
    fn insert(&self, tid: Tid, pid: Tid) {
        match tid == pid {
            true => self.processes.insert(tid),
            false => self.threads.insert(tid),
        }
    }

    /// Whether the kernel has killed a process because the limit of memory was met.
    fn is_out_of_memory(&self) -> bool {
        let killed = self.killed.as_ref();
        killed.is_some_and(|counts| counts.iter().all(Count::has_happened))
    }

    /// Calls `act` at each look that finds the supervisor at work, with its beat and whether it is stuck.
    fn look(&self, leave: &AtomicU32, mut act: impl FnMut(u32, bool)) {
        let limited = self.wall.is_some()
            || self.cpu.is_some()
            || self.memory.is_some()
            || self.killed.is_some();
        let idle = if limited { IDLE } else { IDLE_UNLIMITED };
        let mut seen = 0;
        let mut pause = LOOK;
        loop {
            bare::wait_for_change(leave, 0, pause);
            if leave.load(Ordering::Acquire) != 0 {
                return;
            }
            let beat = self.beat.load(Ordering::Acquire);
            let works = beat & 1 == 1;
            if works {
                act(beat, beat == seen);
            }
            pause = match works || beat != seen {
                true => LOOK,
                false => pause.saturating_mul(2).min(idle),
            };
            seen = beat;
        }
    }

    /// Anonymous memory in bytes, as the kernel counts it for each process: the most that one has, and what
    /// all have together, where what two share counts twice.
    fn anonymous(&self) -> (u64, u64) {
        let all = self.processes.iter().filter_map(anonymous_pages);
        let bytes = all.map(|pages| pages.saturating_mul(self.page));
        bytes.fold((0, 0), |(most, sum), bytes| {
            (most.max(bytes), sum.saturating_add(bytes))
        })
    }

    /// Kills the tree if it certainly has too much. `first`: what was there when the supervisor was first
    /// seen stuck, `now`: what is there. What has come since is no copy of what two share, for no process
    /// is made meanwhile.
    fn weigh(&self, beat: u32, first: (u64, u64), now: (u64, u64)) {
        let Some(limit) = self.memory else { return };
        let limit = limit.saturating_add(INEXACT);
        let grown = now.1.saturating_sub(first.1);
        if now.0 > limit || first.0.saturating_add(grown) > limit {
            self.past.store(Past::Memory as u32, Ordering::Release);
            self.kill(beat, libc::SIGKILL);
        }
    }

    /// Whether a limit of time should have been seen by the supervisor some while ago. It moves on, and each
    /// event takes it long.
    fn is_overdue(&self) -> bool {
        let end = self
            .wall
            .map(|wall| match self.asked.load(Ordering::Acquire) {
                true => wall.saturating_add(self.grace),
                false => wall,
            });
        let late = |end: Duration| bare::now() >= end.saturating_add(OVERDUE);
        let used = |cpu: Duration| self.ran() >= cpu.saturating_add(OVERDUE);
        end.is_some_and(late) || self.cpu.is_some_and(used)
    }

    /// The supervisor is stuck, or too slow.
    fn act(&self, beat: u32, stat: Option<&bare::File>) {
        let requested = self
            .stop_handle
            .as_ref()
            .is_some_and(|stop_handle| stop_handle.requested().is_some());
        if requested || stat.is_some_and(is_killed) {
            return self.kill(beat, libc::SIGKILL);
        }
        let now = bare::now();
        if let Some(wall) = self.wall.filter(|wall| now >= *wall) {
            if !self.asked.swap(true, Ordering::AcqRel) {
                self.past.store(Past::Asked as u32, Ordering::Release);
                self.kill(beat, libc::SIGTERM);
                // What is stopped must be continued to hear it.
                self.kill(beat, libc::SIGCONT);
            }
            if now >= wall.saturating_add(self.grace) {
                self.past.store(Past::Wall as u32, Ordering::Release);
                return self.kill(beat, libc::SIGKILL);
            }
        }
        if let Some(cpu) = self.cpu
            && self.ran() > cpu
        {
            self.past.store(Past::Cpu as u32, Ordering::Release);
            return self.kill(beat, libc::SIGKILL);
        }
        if self.is_out_of_memory() {
            self.past.store(Past::Memory as u32, Ordering::Release);
            self.kill(beat, libc::SIGKILL);
        }
    }

    /// The processor time of the tree.
    fn ran(&self) -> Duration {
        let ended = Duration::from_nanos(self.ended.load(Ordering::Acquire));
        let living = self.processes.iter().filter_map(bare::ran);
        living.fold(ended, Duration::saturating_add)
    }

    /// Sends a signal to every process, as long as the supervisor is at work on the same event: it has waited
    /// for none of them then, so that no id is another process's. If it goes on meanwhile, it does the rest
    /// itself, or the next look does.
    ///
    /// A task must run to end. One of the lowest priority that may run on a single processor could be kept
    /// from that by whatever else runs there, so it may run on all of them.
    fn kill(&self, beat: u32, signal: i32) {
        let is_stuck = || self.beat.load(Ordering::Acquire) == beat;
        for pid in self.processes.iter().take_while(|_| is_stuck()) {
            bare::kill(pid, signal);
        }
        if signal == libc::SIGKILL {
            let tasks = self.processes.iter().chain(self.threads.iter());
            tasks
                .take_while(|_| is_stuck())
                .for_each(bare::run_anywhere);
        }
    }
}

fn counts(group: &Group) -> Result<[Count; 2], Errno> {
    let [met, killed] = group.counts();
    Ok([Count::new(met)?, Count::new(killed)?])
}

/// The pages of a process that are no file's (proc_pid_statm(5): resident without shared).
fn anonymous_pages(pid: Tid) -> Option<u64> {
    let mut path = [0; 32];
    let file = bare::File::open(statm(pid, &mut path)?)?;
    let mut buffer = [0; 128];
    let mut fields = file.read(&mut buffer).split(|&byte| byte == b' ');
    let (resident, shared) = (fields.nth(1)?, fields.next()?);
    Some(number(resident).saturating_sub(number(shared)))
}

/// `/proc/PID/statm`, written into a buffer: nothing may be allocated.
fn statm(pid: Tid, path: &mut [u8; 32]) -> Option<&CStr> {
    let mut digits = [0; 10];
    let mut left = u32::try_from(pid).ok()?;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add((left % 10) as u8);
        left /= 10;
    }
    let digits = digits.iter().skip_while(|&&digit| digit == b'0');
    let whole = b"/proc/".iter().chain(digits).chain(b"/statm\0");
    for (to, from) in path.iter_mut().zip(whole) {
        *to = *from;
    }
    CStr::from_bytes_until_nul(path).ok()
}

/// Whether SIGKILL is pending for a thread, of which this is the stat file. It is for every thread of a
/// process that is being killed, or that exits, until the thread has ended.
fn is_killed(stat: &bare::File) -> bool {
    let mut buffer = [0; 1024];
    is_kill_pending(stat.read(&mut buffer))
}

/// proc_pid_stat(5): field 31 is the set of pending signals, in decimal. The name before may hold any
/// character.
fn is_kill_pending(stat: &[u8]) -> bool {
    const SIGKILL: u64 = 1 << (libc::SIGKILL - 1);
    let name = stat.iter().rposition(|&byte| byte == b')');
    let fields = name.and_then(|end| stat.get(end..)).unwrap_or_default();
    let mut fields = fields.split(|&byte| byte == b' ');
    // The end of field 2 comes first.
    let pending = fields.nth(31 - 2).unwrap_or_default();
    number(pending) & SIGKILL != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_kill_is_seen_whatever_the_name() {
        let line = |name: &str, pending| {
            let before = "R 1 ".to_owned() + &"7 ".repeat(26);
            format!("12 ({name}) {before}{pending} 256 256 256 0\n").into_bytes()
        };
        assert!(is_kill_pending(&line("jail", 256)));
        assert!(is_kill_pending(&line("a) b (c", 256 + 2)));
        assert!(!is_kill_pending(&line("jail", 0)));
        assert!(!is_kill_pending(&line("jail", 255)));
        assert!(!is_kill_pending(b""));
        let own = std::fs::read("/proc/thread-self/stat").expect("proc(5)");
        assert!(!is_kill_pending(&own));
    }

    #[test]
    fn the_pages_of_a_process_are_counted() {
        let before = anonymous_pages(std::process::id() as Tid).expect("this process");
        let bytes = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = anonymous_pages(std::process::id() as Tid).expect("this process");
        assert!((after - before) * memory::page_size() > 32 << 20);
        assert!(bytes.iter().all(|&byte| byte == 1));
        let mut path = [0; 32];
        let name = statm(Tid::MAX, &mut path).expect("a path");
        assert_eq!(name.to_str(), Ok("/proc/2147483647/statm"));
        assert_eq!(anonymous_pages(Tid::MAX), None);
    }

    #[test]
    fn a_beat_is_odd_at_work_and_changes_each_time() {
        let dog = Watchdog::start(Limits::default(), None, false, &[]).expect("a process");
        let beat = || dog.board.beat.load(Ordering::Acquire);
        let mut last = beat();
        for _ in 0..2 {
            dog.works();
            assert!(beat() & 1 == 1 && beat() != last);
            last = beat();
        }
        dog.waits();
        assert!(beat() & 1 == 0);
    }

    #[test]
    fn who_does_not_move_has_its_tree_killed_when_the_time_is_up() {
        let sleeps = || std::process::Command::new("sleep").arg("60").spawn();
        let mut child = sleeps().expect("a child");
        let limits = Limits {
            wall: Some((Instant::now(), Duration::ZERO)),
            ..Limits::default()
        };
        let dog = Watchdog::start(
            limits,
            None,
            true,
            &[(child.id() as Tid, child.id() as Tid)],
        )
        .expect("a process");
        let status = child.wait().expect("its end");
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(signal, Some(libc::SIGKILL));
        assert_eq!(dog.past(), Some(Past::Wall));
    }
}
