//! The tasks of the jail: which process a thread belongs to, and which programs led there.
//!
//! What ptrace does not tell (a child that stops before its parent's event) is asked of /proc, and
//! only when the answer is needed. No id alone leads to an action: ids are used again, so
//! the kernel is asked whether it still is a tracee's.

mod address_space;
mod domains;
pub mod held;
mod namespaces;
mod parentless;
mod process;
mod spawn;
mod task;

pub use namespaces::{INIT, Namespaces};
pub use parentless::Parentless;
pub use process::{Process, Program};
pub use spawn::{ChildState, Spawn};
pub use task::Task;

use crate::sys;
use crate::sys::files::share;
use crate::sys::proc::Status;
use crate::trace::Tid;
use address_space::{Member, Shares};
use namespaces::id_within;
use process::{process_of, program_name};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use task::is_ending;

/// All tasks of a jail: the one map by thread id. What is known of a thread lies in its [`Task`], what
/// its threads share in their [`Process`].
///
/// A task begins by its parent's event ([`Tracees::spawned`]), or by a stop that comes before it
/// ([`Tracees::adopt`]); it changes by an execve ([`Tracees::executed`]) and ends by
/// [`Tracees::gone`]. Nothing else adds or removes one, and what is kept for a task is dropped with it.
pub struct Tracees {
    /// What ids and paths mean to the jail's own processes.
    pub namespaces: Namespaces,
    tasks: HashMap<Tid, Rc<Task>>,
    /// Whether an id is that of a tracee of this thread.
    is_own: fn(Tid) -> bool,
    shares: Shares,
    /// The most tasks that there were at one time.
    most: usize,
    /// What adopted tasks are below of.
    pub parentless: Parentless,
}

/// An execve that has happened.
pub struct Executed {
    /// The task from now on: nothing is known of it but what survives an execve.
    pub task: Rc<Task>,
    /// The task that made the call, as it was until now.
    pub former: Option<Rc<Task>>,
    /// The program that runs from now on.
    pub program: Rc<Program>,
}

impl Tracees {
    pub fn new(main: Tid, namespaces: Namespaces) -> Self {
        let task = Task::new(main, Process::of(main), Member::new());
        task.announced.set(true);
        Self {
            namespaces,
            tasks: HashMap::from([(main, Rc::new(task))]),
            is_own: sys::wait::is_own,
            shares: share,
            most: 1,
            parentless: Parentless::default(),
        }
    }

    /// Some of the tasks, to be looked at: of their namespaces and their parents nothing is known.
    pub fn only(&self, which: impl Fn(&Task) -> bool) -> Self {
        let tasks = self.tasks.iter().filter(|(_, task)| which(task));
        let tasks: HashMap<Tid, Rc<Task>> =
            tasks.map(|(tid, task)| (*tid, Rc::clone(task))).collect();
        Self {
            namespaces: Namespaces::default(),
            most: tasks.len(),
            tasks,
            is_own: self.is_own,
            shares: self.shares,
            parentless: Parentless::default(),
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

    /// The same, of which the kernel tells by this what they share.
    #[cfg(test)]
    pub fn that_share(self, shares: Shares) -> Self {
        Self { shares, ..self }
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// How many tasks there are without those that are ending: a task that has waited for a thread goes on
    /// before its end is told here.
    pub fn living(&self) -> usize {
        self.tasks.keys().filter(|tid| !is_ending(**tid)).count()
    }

    /// The most tasks that there were at one time, as their spawns and ends were told.
    pub fn most(&self) -> usize {
        self.most
    }

    fn insert(&mut self, task: Rc<Task>) {
        self.tasks.insert(task.tid(), task);
        self.most = self.most.max(self.tasks.len());
    }

    /// Whether the task has been announced or seen.
    pub fn knows(&self, tid: Tid) -> bool {
        self.tasks.contains_key(&tid)
    }

    /// A task that is known.
    pub fn get(&self, tid: Tid) -> Option<&Rc<Task>> {
        self.tasks.get(&tid)
    }

    /// The task that has stopped. One that no event has told of is adopted.
    pub fn at(&mut self, tid: Tid) -> Rc<Task> {
        let task = match self.tasks.get(&tid) {
            Some(task) => Rc::clone(task),
            None => {
                let task = self.adopt(tid);
                task.space().entangle();
                task
            }
        };
        // What could not be read is asked again.
        if task.process().known_pid().is_none()
            && let Some(pid) = process_of(tid)
        {
            self.belongs(&task, pid);
        }
        task
    }

    /// A task runs whose parent's event has not come, and may never: /proc says whose it is, or
    /// was before its parent was killed.
    pub fn adopt(&mut self, tid: Tid) -> Rc<Task> {
        if let Some(known) = self.tasks.get(&tid) {
            return Rc::clone(known);
        }
        let status = Status::of(tid).unwrap_or_default();
        let others = self.tasks.values().map(|task| (task.tid(), task.space()));
        let space = Member::ask(tid, others, self.shares);
        let task = Rc::new(Task::new(tid, Rc::default(), space));
        task.process().domains.assume();
        if let Some(pid) = status.number("Tgid") {
            self.belongs(&task, pid);
            // A process runs its parent's program until it executes another one.
            if pid == tid
                && let Some(parent) = status.number("PPid").and_then(|parent| self.get(parent))
            {
                task.process().inherit(&parent.process());
                task.process().made_by(parent.pid());
                // It may be the parent of its parent.
                task.process().domains.assume();
            }
        }
        // A thread is below what its process is below of.
        if task.process().known_pid().is_none_or(|pid| pid == tid) {
            let orphan = task.process().parent().is_none();
            self.parentless.adopt(&task.process(), &status, orphan);
        }
        if self.tasks.values().any(|task| task.paths.is_confined()) {
            task.paths.may_be_confined();
        }
        self.insert(Rc::clone(&task));
        task
    }

    /// It is known now which process a task belongs to.
    pub fn belongs(&self, task: &Task, pid: Tid) {
        match self.process(pid) {
            Some(process) if pid != task.tid() => task.join(process),
            _ => task.process().set_pid(pid),
        }
    }

    /// The process of that id.
    fn process(&self, pid: Tid) -> Option<Rc<Process>> {
        let leads = |task: &&Rc<Task>| task.process().known_pid() == Some(pid);
        let leader = self.tasks.get(&pid).filter(leads);
        let task = leader.or_else(|| self.tasks.values().find(leads));
        task.map(|task| task.process())
    }

    /// The parent's event: `child` was made by a call with these clone(2) flags. Tells how far it is.
    pub fn spawned(&mut self, parent: &Rc<Task>, child: Tid, flags: u64) -> Spawn {
        let before = self
            .tasks
            .remove(&child)
            .filter(|task| !task.announced.get());
        let executed = before.as_ref().is_some_and(|task| task.executed.get());
        let spawn = Spawn {
            parent: parent.tid(),
            process: parent.pid(),
            child,
            flags,
            state: match ((self.is_own)(child), executed) {
                (false, _) => ChildState::Gone,
                (true, true) => ChildState::Executed,
                (true, false) => ChildState::New,
            },
        };
        // Also with a child that is gone: it may have passed on what it shared to children of its own.
        parent.space().spawned(&spawn);
        if spawn.state == ChildState::Gone {
            return spawn;
        }
        let task = match before {
            // It has run: its memory is known by what the kernel said then, or by its execve. Its own
            // children may share it by now.
            Some(task) => {
                task.space().spawned(&spawn);
                match (spawn.state, spawn.flags & libc::CLONE_VM as u64) {
                    (ChildState::New, 0) => task.space().is_apart(),
                    (ChildState::New, _) => task.space().is_also(parent.space()),
                    _ => {}
                }
                task
            }
            None => {
                let space = parent.space().child(&spawn);
                Rc::new(Task::new(child, Rc::default(), space))
            }
        };
        if spawn.is_thread() {
            task.join(parent.process());
        } else {
            let process = task.process();
            match process.known_pid() {
                None => process.set_pid(child),
                Some(pid) if pid == child => {}
                Some(_) => task.join(Process::of(child)),
            }
            // It may have executed another program before.
            task.process().inherit(&parent.process());
            task.process().made_by(parent.pid());
        }
        task.paths.inherit(&parent.paths);
        task.domains.inherit(&parent.domains);
        task.announced.set(true);
        self.insert(task);
        spawn
    }

    /// The process `pid` runs a new program, in the thread that was `former` until now. The end of the
    /// first thread, whose id that thread takes, is never told.
    pub fn executed(&mut self, pid: Tid, former: Tid) -> Executed {
        self.executed_as(pid, former, program_name(pid))
    }

    /// The same, where the program's name is known.
    pub fn executed_as(&mut self, pid: Tid, former: Tid, name: String) -> Executed {
        let caller = self.tasks.remove(&former);
        let leader = self.tasks.remove(&pid);
        let process = caller.as_ref().map(|task| task.process());
        let before = process.as_ref().and_then(|process| process.known_program());
        let program = Program::new(name, before.as_ref());
        let space = Member::executed(caller.as_ref().map(|task| task.space()));
        let process = Process::executed(pid, process.as_deref(), &program);
        let task = Task::new(pid, process, space);
        // The event that is still to come is that of the process, not of the thread that took its place.
        let first = leader.as_ref().or(caller.as_ref());
        task.announced
            .set(first.is_some_and(|task| task.announced.get()));
        task.inside.set(
            first
                .filter(|task| task.tid() == pid)
                .and_then(|task| task.inside.get()),
        );
        task.executed.set(true);
        // A Landlock domain is a thread's own, and survives.
        if let Some(caller) = &caller {
            task.paths.inherit(&caller.paths);
            // So do its filters.
            task.domains.inherit(&caller.domains);
        }
        let task = Rc::new(task);
        self.tasks.insert(pid, Rc::clone(&task));
        Executed {
            task,
            former: caller,
            program,
        }
    }

    /// `sender` has the supervisor send `pid` a signal.
    pub fn sent(&self, pid: Tid, signal: i32, sender: Tid) {
        if let Some(process) = self.process(pid) {
            process.sent(signal, self.inside(sender));
        }
    }

    /// A task is gone, and what was kept for it. Returns its process.
    pub fn gone(&mut self, tid: Tid) -> Tid {
        self.tasks.remove(&tid).map_or(tid, |task| task.pid())
    }

    /// The id of a task in the jail's namespace. 0 where that cannot be told.
    pub fn inside(&self, tid: Tid) -> Tid {
        if !self.namespaces.hides_ids() {
            return tid;
        }
        let task = self.tasks.get(&tid);
        if let Some(known) = task.and_then(|task| task.inside.get()) {
            return known;
        }
        let inside = id_within(tid);
        if let Some(task) = task {
            task.inside.set(inside);
        }
        inside.unwrap_or(0)
    }

    /// The number of a task in the jail's `/proc`.
    pub fn number(&self, tid: Tid) -> Tid {
        match self.namespaces.has_own_proc() {
            true => self.inside(tid),
            false => tid,
        }
    }

    /// Whether this is a task of the jail: a thread, or a process that has threads left (its end is
    /// told after theirs).
    pub fn has(&self, id: Tid) -> bool {
        self.knows(id) && (self.is_own)(id)
    }

    /// Whether a signal with this sender in its siginfo is from within the jail.
    pub fn has_sent(&self, sender: Tid) -> bool {
        match self.namespaces.hides_ids() {
            // No process outside has an id there (pid_namespaces(7)).
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
        tasks.find(|&tid| self.inside(tid) == number)
    }

    /// A path as policies have it: the part of `/proc` that is this task's own is `/proc/self`.
    pub fn own(&self, task: &Task, path: &[u8]) -> Vec<u8> {
        let own = format!("/proc/{}", self.number(task.pid()));
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
        let status = Status::of(pid).unwrap_or_default();
        let state = status.field("State").unwrap_or_default();
        state.starts_with('Z') && status.number("PPid").is_some_and(|parent| self.has(parent))
    }

    /// Every process of the jail.
    pub fn processes(&self) -> BTreeSet<Tid> {
        let mut processes: BTreeSet<Tid> = self.tasks.values().map(|task| task.pid()).collect();
        processes.retain(|&pid| (self.is_own)(pid));
        processes
    }

    /// The tasks of a process.
    pub fn threads(&self, pid: Tid) -> impl Iterator<Item = &Rc<Task>> {
        let tasks = self.tasks.values();
        tasks.filter(move |task| task.process().known_pid() == Some(pid))
    }

    /// Every process, ended or not, whose end has not been told: its id is still its own.
    pub fn leaders(&self) -> Vec<Tid> {
        let leaders = self.tasks.values().filter(|task| task.is_leader());
        let mut leaders: Vec<Tid> = leaders.map(|task| task.tid()).collect();
        leaders.sort_unstable();
        leaders
    }

    /// Every task.
    pub fn all(&self) -> impl Iterator<Item = &Rc<Task>> {
        self.tasks.values()
    }

    /// Every task, with its process where that is known, else with itself.
    pub fn tasks(&self) -> Vec<(Tid, Tid)> {
        let tasks = self.tasks.values();
        tasks.map(|task| (task.tid(), task.pid())).collect()
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

    /// Kills some of the tasks, each with its process. A process whose end is not told yet has an id of its own.
    pub fn kill_part(&self, which: impl Fn(&Task) -> bool) {
        let part = self.only(which);
        part.kill(libc::SIGKILL);
        part.run_anywhere();
    }

    /// Lets every task run on all processors: what is killed must run to end, and one of the lowest
    /// priority could be kept from that by whatever else runs on the only processor that it may use.
    pub fn run_anywhere(&self) {
        for &tid in self.tasks.keys().filter(|tid| (self.is_own)(**tid)) {
            sys::bare::run_anywhere(tid);
        }
    }

    /// Every process, as `name (pid N)`.
    pub fn summary(&self) -> Vec<String> {
        let processes = self.processes().into_iter();
        processes
            .map(|pid| {
                let task = self.tasks.get(&pid);
                let program = task.map(|task| task.program());
                let name = program.map_or_else(|| program_name(pid), |it| it.name.clone());
                format!("{name} (pid {pid})")
            })
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
        let parent = tracees.at(1);
        let spawn = tracees.spawned(&parent, 7, FORK);
        assert_eq!(spawn.state, ChildState::Gone);
        assert!(!tracees.knows(7));
        assert!(!tracees.has(7));
    }

    #[test]
    fn an_id_that_is_no_tracees_any_more_is_nobodys() {
        let mut tracees = tracees(|_| true);
        let parent = tracees.at(1);
        let spawn = tracees.spawned(&parent, 7, FORK);
        assert_eq!(spawn.state, ChildState::New);
        assert!(tracees.has(7));
        tracees.is_own = |tid| tid != 7;
        assert!(!tracees.has(7));
        assert_eq!(tracees.processes(), BTreeSet::from([1]));
    }

    #[test]
    fn the_group_of_a_caller_that_is_gone_is_not_everyone() {
        use crate::baseline::Check;
        use crate::supervise::syscall::target::Checked;
        // The signal 0 is not delivered; the result tells what it would reach: here this process.
        let own = std::process::id() as Tid;
        let mut tracees = Tracees {
            is_own: |_| true,
            ..Tracees::new(own, Namespaces::default())
        };
        let call = crate::syscalls::Call {
            nr: 0,
            args: [0; 6],
        };
        let caller = tracees.adopt(Tid::MAX);
        let found = tracees.check(&caller, Check::Signal, &call);
        let gone = -i64::from(libc::ESRCH);
        assert!(matches!(found, Checked::Done(value) if value == gone));
    }

    #[test]
    fn a_number_that_is_no_signal_is_not_remembered() {
        use crate::baseline::Check;
        use crate::supervise::syscall::target::Checked;
        let own = std::process::id() as Tid;
        let mut tracees = Tracees {
            is_own: |_| true,
            ..Tracees::new(own, Namespaces::default())
        };
        let task = tracees.at(own);
        for number in [65, 1000, -1, i32::MIN, i32::MAX] {
            let group = -i64::from(nix::unistd::getpgrp().as_raw());
            let call = crate::syscalls::Call {
                nr: 0,
                args: [group as u64, number as u32 as u64, 0, 0, 0, 0],
            };
            let found = tracees.check(&task, Check::Signal, &call);
            let invalid = -i64::from(libc::EINVAL);
            assert!(matches!(found, Checked::Done(value) if value == invalid));
            assert!(task.process().remembered() == 0, "{number}");
        }
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_stays() {
        let mut tracees = tracees(|_| true);
        tracees.adopt(7);
        let program = tracees.executed(7, 7).program;
        let parent = tracees.at(1);
        let spawn = tracees.spawned(&parent, 7, FORK);
        assert_eq!(spawn.state, ChildState::Executed);
        assert!(Rc::ptr_eq(&tracees.at(7).program(), &program));
    }

    #[test]
    fn a_program_that_a_thread_executed_before_the_parents_event_stays() {
        let mut tracees = tracees(|_| true);
        tracees.adopt(7);
        let parent = tracees.at(7);
        tracees.spawned(&parent, 8, THREAD);
        let program = tracees.executed(7, 8).program;
        let parent = tracees.at(1);
        let spawn = tracees.spawned(&parent, 7, FORK);
        assert_eq!(spawn.state, ChildState::Executed);
        assert!(Rc::ptr_eq(&tracees.at(7).program(), &program));
    }

    #[test]
    fn an_exec_from_a_thread_takes_the_leaders_place() {
        let mut tracees = tracees(|_| true);
        let parent = tracees.at(1);
        tracees.spawned(&parent, 8, THREAD);
        assert_eq!(tracees.at(8).pid(), 1);
        tracees.executed(1, 8);
        assert!(!tracees.knows(8));
        assert_eq!(tracees.processes(), BTreeSet::from([1]));
    }
}
