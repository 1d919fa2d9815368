//! The tasks of the jail: which process a thread belongs to, and which programs led there.
//!
//! What ptrace does not tell (a child that stops before its parent's event) is asked of /proc, and
//! only when the answer is needed. No id alone leads to an action: ids are used again, so
//! the kernel is asked whether it still is a tracee's.

mod namespaces;
mod process;
mod task;

pub use namespaces::{INIT, Namespaces};
pub use process::Program;
pub use task::{ChildState, Spawn};

use crate::sys;
use crate::trace::Tid;
use process::{id, process_of, program_name};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use task::{Task, is_ending};

/// All tasks of a jail.
pub struct Tracees {
    /// What ids and paths mean to the jail's own processes.
    pub namespaces: Namespaces,
    tasks: HashMap<Tid, Task>,
    /// Signals sent by the supervisor on behalf of a process of the jail, which the receiver shall
    /// see as the sender: receiver, signal, the sender's id to the jail. No more than 64 for each
    /// process: a second one of the same number takes the place of the first.
    sent: Vec<(Tid, i32, Tid)>,
    /// Whether an id is a tracee's, and so nobody else's.
    is_own: fn(Tid) -> bool,
    /// The most tasks that there were at one time.
    most: usize,
}

impl Tracees {
    pub fn new(main: Tid, namespaces: Namespaces) -> Self {
        let tasks = HashMap::from([(
            main,
            Task {
                pid: Some(main),
                program: None,
                announced: true,
                executed: false,
            },
        )]);
        Self {
            namespaces,
            tasks,
            sent: Vec::new(),
            is_own: sys::wait::is_own,
            most: 1,
        }
    }

    /// One where these are tracees.
    #[cfg(test)]
    pub fn of_test(main: Tid, namespaces: Namespaces, is_own: fn(Tid) -> bool) -> Self {
        Self {
            is_own,
            ..Self::new(main, namespaces)
        }
    }

    /// As if /proc had said whose thread a task is.
    #[cfg(test)]
    pub fn learn(&mut self, tid: Tid, pid: Tid) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.pid = Some(pid);
        }
    }

    /// Whether anything is kept for a task.
    #[cfg(test)]
    pub fn keeps(&self, tid: Tid) -> bool {
        self.knows(tid) || self.sent.iter().any(|(to, ..)| *to == tid) || self.namespaces.keeps(tid)
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// How many tasks there are without those that are ending: whoever has waited for a thread goes on
    /// before its end is told here.
    pub fn living(&self) -> usize {
        self.tasks.keys().filter(|tid| !is_ending(**tid)).count()
    }

    /// The most tasks that there were at one time, as their spawns and ends were told.
    pub fn most(&self) -> usize {
        self.most
    }

    fn insert(&mut self, tid: Tid, task: Task) {
        self.tasks.insert(tid, task);
        self.most = self.most.max(self.tasks.len());
    }

    /// Whether the task has been announced or seen.
    pub fn knows(&self, tid: Tid) -> bool {
        self.tasks.contains_key(&tid)
    }

    /// A task runs whose parent's event has not come, and may never: /proc says whose it is, or
    /// was before its parent was killed.
    pub fn adopt(&mut self, tid: Tid) {
        if self.knows(tid) {
            return;
        }
        let status = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
        let pid = id(&status, "Tgid:");
        // A thread belongs to the program of its process, another task to its parent's.
        let kin = if pid == Some(tid) {
            id(&status, "PPid:")
        } else {
            pid
        };
        let program = kin.and_then(|kin| self.tasks.get(&kin)?.program.clone());
        let task = Task {
            pid,
            program,
            announced: false,
            executed: false,
        };
        self.insert(tid, task);
    }

    /// The parent's event: `child` was made by a call with these clone(2) flags. Tells how far it is.
    pub fn spawned(&mut self, parent: Tid, child: Tid, flags: u64) -> Spawn {
        let before = self.tasks.remove(&child).filter(|task| !task.announced);
        let executed = before.as_ref().is_some_and(|task| task.executed);
        let spawn = Spawn {
            parent,
            process: self.pid(parent),
            child,
            flags,
            state: match ((self.is_own)(child), executed) {
                (false, _) => ChildState::Gone,
                (true, true) => ChildState::Executed,
                (true, false) => ChildState::New,
            },
        };
        if spawn.state == ChildState::Gone {
            return spawn;
        }
        let program = self
            .tasks
            .get(&parent)
            .and_then(|parent| parent.program.clone());
        let pid = if spawn.is_thread() {
            spawn.process
        } else {
            child
        };
        let task = Task {
            pid: Some(pid),
            // It may have executed another program before.
            program: before.and_then(|task| task.program).or(program),
            announced: true,
            executed,
        };
        self.insert(child, task);
        spawn
    }

    /// The process `pid` runs a new program, in the thread that was `former` until now.
    pub fn executed(&mut self, pid: Tid, former: Tid) -> Rc<Program> {
        if former != pid {
            self.namespaces.gone(former);
        }
        let task = self.tasks.remove(&former);
        // The event that is still to come is that of the process, not of the thread that took its place.
        let leader = self.tasks.get(&pid).or(task.as_ref());
        let announced = leader.is_some_and(|task| task.announced);
        let before = task.and_then(|task| task.program);
        let program = Program::new(program_name(pid), before.as_ref());
        let task = Task {
            pid: Some(pid),
            program: Some(Rc::clone(&program)),
            announced,
            executed: true,
        };
        self.tasks.insert(pid, task);
        program
    }

    /// `sender` has the supervisor send `pid` a signal.
    pub fn sent(&mut self, pid: Tid, signal: i32, sender: Tid) {
        // A second one merges with the first while that is pending.
        self.sent
            .retain(|&(to, what, _)| (to, what) != (pid, signal));
        self.sent
            .push((pid, signal, self.namespaces.inside(sender)));
    }

    /// Who had the supervisor send the signal that is about to be delivered to `pid`, if it is one
    /// of those: its id to the jail.
    pub fn sender(&mut self, pid: Tid, signal: i32) -> Option<Tid> {
        let index = self
            .sent
            .iter()
            .position(|&(to, what, _)| (to, what) == (pid, signal))?;
        Some(self.sent.swap_remove(index).2)
    }

    /// A task is gone; returns its process.
    pub fn gone(&mut self, tid: Tid) -> Tid {
        self.sent.retain(|&(to, ..)| to != tid);
        self.namespaces.gone(tid);
        let task = self.tasks.remove(&tid);
        task.and_then(|task| task.pid).unwrap_or(tid)
    }

    /// The process that a task belongs to.
    pub fn pid(&mut self, tid: Tid) -> Tid {
        match self.tasks.get_mut(&tid) {
            Some(Task { pid: Some(pid), .. }) => *pid,
            task => {
                let pid = process_of(tid);
                if let Some(task) = task {
                    // What could not be read is asked again.
                    task.pid = pid;
                }
                pid.unwrap_or(tid)
            }
        }
    }

    /// As [`Tracees::pid`], and nothing is remembered.
    pub fn pid_of(&self, tid: Tid) -> Tid {
        let known = self.tasks.get(&tid).and_then(|task| task.pid);
        known.or_else(|| process_of(tid)).unwrap_or(tid)
    }

    /// The program that a task runs.
    pub fn program(&mut self, tid: Tid) -> Rc<Program> {
        if let Some(Task {
            program: Some(program),
            ..
        }) = self.tasks.get(&tid)
        {
            return Rc::clone(program);
        }
        let program = Program::new(program_name(tid), None);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.program = Some(Rc::clone(&program));
        }
        program
    }

    /// Whether this is a task of the jail: a thread, or a process that has threads left (its end is
    /// told after theirs).
    pub fn has(&self, id: Tid) -> bool {
        self.knows(id) && (self.is_own)(id)
    }

    /// Whether a signal with this sender in its siginfo is from within the jail.
    pub fn has_sent(&self, sender: Tid) -> bool {
        match self.namespaces.hides_ids() {
            // Nobody outside has an id there (pid_namespaces(7)).
            true => sender != 0,
            false => self.has(sender),
        }
    }

    /// The task of that number in the jail's `/proc`.
    pub fn of_number(&self, number: Tid) -> Option<Tid> {
        if !self.namespaces.has_own_proc() {
            return Some(number);
        }
        let mut tasks = self.tasks.keys().copied();
        tasks.find(|&tid| self.namespaces.inside(tid) == number)
    }

    /// A path as policies have it: the part of `/proc` that is this task's own is `/proc/self`.
    pub fn own(&self, tid: Tid, path: &[u8]) -> Vec<u8> {
        let own = format!("/proc/{}", self.namespaces.number(self.pid_of(tid)));
        match path.strip_prefix(own.as_bytes()) {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                [b"/proc/self", rest].concat()
            }
            _ => path.to_vec(),
        }
    }

    /// Whether this is a process of the jail that has ended, and whose parent in the jail has not
    /// yet waited for it: it can be signalled, to no effect.
    pub fn is_zombie(&self, pid: Tid) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:\tZ"))
            && id(&status, "PPid:").is_some_and(|parent| self.has(parent))
    }

    /// Every process of the jail.
    pub fn processes(&self) -> BTreeSet<Tid> {
        let tasks = self.tasks.iter();
        let mut processes: BTreeSet<Tid> =
            tasks.map(|(&tid, task)| task.pid.unwrap_or(tid)).collect();
        processes.retain(|&pid| (self.is_own)(pid));
        processes
    }

    /// The tasks of a process.
    pub fn threads(&self, pid: Tid) -> impl Iterator<Item = Tid> {
        let tasks = self.tasks.iter();
        tasks.filter_map(move |(tid, task)| (task.pid == Some(pid)).then_some(*tid))
    }

    /// Every process, ended or not, whose end has not been told: its id is still its own.
    pub fn leaders(&self) -> Vec<Tid> {
        let tasks = self.tasks.iter();
        let leaders = tasks.filter(|(tid, task)| task.pid == Some(**tid));
        let mut leaders: Vec<Tid> = leaders.map(|(&tid, _)| tid).collect();
        leaders.sort_unstable();
        leaders
    }

    /// Every task, with its process where that is known, else with itself.
    pub fn tasks(&self) -> Vec<(Tid, Tid)> {
        let tasks = self.tasks.iter();
        tasks
            .map(|(&tid, task)| (tid, task.pid.unwrap_or(tid)))
            .collect()
    }

    /// Whether there is one process at most.
    pub fn is_alone(&self) -> bool {
        self.processes().len() <= 1
    }

    /// Sends a signal to every process. One that is gone meanwhile does not matter.
    pub fn kill(&self, signal: i32) {
        for pid in self.processes() {
            let _ = sys::process::kill(pid, signal);
        }
    }

    /// Lets every task run on all processors: what is killed must run to end, and one of the lowest
    /// priority could be kept from that by whatever else runs on the only processor that it may use.
    pub fn run_anywhere(&self) {
        for (&tid, _) in self.tasks.iter().filter(|(tid, _)| (self.is_own)(**tid)) {
            sys::bare::run_anywhere(tid);
        }
    }

    /// Every process, as `name (pid N)`.
    pub fn summary(&mut self) -> Vec<String> {
        let processes = self.processes();
        processes
            .into_iter()
            .map(|pid| format!("{} (pid {pid})", self.program(pid).name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORK: u64 = libc::SIGCHLD as u64;
    const THREAD: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;

    /// A tree where these are tracees.
    fn tracees(is_own: fn(Tid) -> bool) -> Tracees {
        Tracees {
            is_own,
            ..Tracees::new(1, Namespaces::default())
        }
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_leaves_nothing_behind() {
        let mut tracees = tracees(|tid| tid != 7);
        tracees.gone(7);
        let spawn = tracees.spawned(1, 7, FORK);
        assert_eq!(spawn.state, ChildState::Gone);
        assert!(!tracees.knows(7));
        assert!(!tracees.has(7));
    }

    #[test]
    fn an_id_that_is_no_tracees_any_more_is_nobodys() {
        let mut tracees = tracees(|_| true);
        let spawn = tracees.spawned(1, 7, FORK);
        assert_eq!(spawn.state, ChildState::New);
        assert!(tracees.has(7));
        tracees.is_own = |tid| tid != 7;
        assert!(!tracees.has(7));
        assert_eq!(tracees.processes(), BTreeSet::from([1]));
    }

    #[test]
    fn the_group_of_a_caller_that_is_gone_is_not_everyone() {
        use crate::baseline::Check;
        use crate::supervise::target::Found;
        // The signal 0 is sent to nobody, and tells who it would reach: here this process.
        let own = std::process::id() as Tid;
        let mut tracees = Tracees {
            is_own: |_| true,
            ..Tracees::new(own, Namespaces::default())
        };
        let call = crate::syscalls::Call {
            nr: 0,
            args: [0; 6],
        };
        let found = tracees.check(Tid::MAX, Check::Signal, &call);
        let gone = -i64::from(libc::ESRCH);
        assert!(matches!(found, Found::Done(value) if value == gone));
    }

    #[test]
    fn a_number_that_is_no_signal_is_not_remembered() {
        use crate::baseline::Check;
        use crate::supervise::target::Found;
        let own = std::process::id() as Tid;
        let mut tracees = Tracees {
            is_own: |_| true,
            ..Tracees::new(own, Namespaces::default())
        };
        for number in [65, 1000, -1, i32::MIN, i32::MAX] {
            let group = -i64::from(nix::unistd::getpgrp().as_raw());
            let call = crate::syscalls::Call {
                nr: 0,
                args: [group as u64, number as u32 as u64, 0, 0, 0, 0],
            };
            let found = tracees.check(own, Check::Signal, &call);
            let invalid = -i64::from(libc::EINVAL);
            assert!(matches!(found, Found::Done(value) if value == invalid));
            assert!(tracees.sent.is_empty(), "{number}");
        }
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_stays() {
        let mut tracees = tracees(|_| true);
        tracees.adopt(7);
        let program = tracees.executed(7, 7);
        let spawn = tracees.spawned(1, 7, FORK);
        assert_eq!(spawn.state, ChildState::Executed);
        assert!(Rc::ptr_eq(&tracees.program(7), &program));
    }

    #[test]
    fn a_program_that_a_thread_executed_before_the_parents_event_stays() {
        let mut tracees = tracees(|_| true);
        tracees.adopt(7);
        tracees.spawned(7, 8, THREAD);
        let program = tracees.executed(7, 8);
        let spawn = tracees.spawned(1, 7, FORK);
        assert_eq!(spawn.state, ChildState::Executed);
        assert!(Rc::ptr_eq(&tracees.program(7), &program));
    }

    #[test]
    fn an_exec_from_a_thread_takes_the_leaders_place() {
        let mut tracees = tracees(|_| true);
        tracees.spawned(1, 8, THREAD);
        assert_eq!(tracees.pid(8), 1);
        tracees.executed(1, 8);
        assert!(!tracees.tasks.contains_key(&8));
        assert_eq!(tracees.processes(), BTreeSet::from([1]));
    }
}
