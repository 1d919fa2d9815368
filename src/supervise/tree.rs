//! The tree of tasks in the jail: which process a thread belongs to, and which programs led there.
//!
//! What ptrace does not tell (a child that stops before its parent's event) is asked of /proc, and
//! only when somebody needs it. Nothing is done to anybody by an id alone: ids are used again, so
//! the kernel is asked whether it still is a tracee's.

use super::space::Space;
use crate::sys;
use crate::trace::Tid;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// A program that runs or ran in the jail, and the one that started it.
#[derive(Debug)]
pub struct Program {
    /// Its name: that of the file, or of the script.
    pub name: String,
    /// The program that this one was executed by.
    pub parent: Option<Rc<Program>>,
    depth: u32,
}

/// How long a chain of programs is remembered: one that executes itself for ever must not fill
/// the memory.
const DEPTH: u32 = 32;

impl Program {
    fn new(name: String, parent: Option<&Rc<Program>>) -> Rc<Self> {
        let parent = parent.filter(|parent| parent.depth < DEPTH).cloned();
        let depth = parent.as_ref().map_or(0, |parent| parent.depth + 1);
        Rc::new(Self {
            name,
            parent,
            depth,
        })
    }

    /// The names from the first program to this one.
    pub fn ancestry(&self) -> Vec<&str> {
        let mut names = vec![self.name.as_str()];
        let mut program = self;
        while let Some(parent) = program.parent.as_deref() {
            names.push(&parent.name);
            program = parent;
        }
        names.reverse();
        names
    }
}

struct Task {
    /// The process (thread group); `None` where nobody has told it yet.
    pid: Option<Tid>,
    program: Option<Rc<Program>>,
    /// Whether its parent's event has come.
    announced: bool,
    /// Whether it has executed a program in the jail.
    executed: bool,
}

/// What a parent's event says of a child: FORK, VFORK or CLONE of ptrace(2). Everything that is kept
/// for each task is told of a child by this value alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// The task that made it.
    pub parent: Tid,
    /// The process of that task.
    pub process: Tid,
    pub child: Tid,
    /// The clone(2) flags of the call.
    pub flags: u64,
    pub state: ChildState,
}

/// How far a child is when its parent's event is told. The event may come late: a child whose parent
/// does not report is released, and then may execute a program, or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// It runs what its parent ran, with the memory that the flags give it.
    New,
    /// It has executed a program: its memory is its own, whatever the flags say.
    Executed,
    /// It has ended, and its end was told: nothing may be kept for it, or the next task with that id
    /// inherits it.
    Gone,
}

impl Birth {
    /// Whether the child is a thread of its parent's process.
    pub fn is_thread(&self) -> bool {
        self.flags & libc::CLONE_THREAD as u64 != 0
    }
}

/// All tasks of a jail.
pub struct Tree {
    /// What ids and paths mean to the jail's own processes.
    pub space: Space,
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

impl Tree {
    pub fn new(main: Tid, space: Space) -> Self {
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
            space,
            tasks,
            sent: Vec::new(),
            is_own: sys::wait::is_own,
            most: 1,
        }
    }

    /// One where these are tracees.
    #[cfg(test)]
    pub fn of_test(main: Tid, space: Space, is_own: fn(Tid) -> bool) -> Self {
        Self {
            is_own,
            ..Self::new(main, space)
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
        self.knows(tid) || self.sent.iter().any(|(to, ..)| *to == tid) || self.space.keeps(tid)
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

    /// The most tasks that there were at one time, as their births and ends were told.
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
    pub fn spawned(&mut self, parent: Tid, child: Tid, flags: u64) -> Birth {
        let before = self.tasks.remove(&child).filter(|task| !task.announced);
        let executed = before.as_ref().is_some_and(|task| task.executed);
        let birth = Birth {
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
        if birth.state == ChildState::Gone {
            return birth;
        }
        let program = self
            .tasks
            .get(&parent)
            .and_then(|parent| parent.program.clone());
        let pid = if birth.is_thread() {
            birth.process
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
        birth
    }

    /// The process `pid` runs a new program, in the thread that was `former` until now.
    pub fn executed(&mut self, pid: Tid, former: Tid) -> Rc<Program> {
        if former != pid {
            self.space.gone(former);
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
        self.sent.push((pid, signal, self.space.inside(sender)));
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
        self.space.gone(tid);
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

    /// As [`Tree::pid`], and nothing is remembered.
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
        match self.space.hides_ids() {
            // Nobody outside has an id there (pid_namespaces(7)).
            true => sender != 0,
            false => self.has(sender),
        }
    }

    /// The task of that number in the jail's `/proc`.
    pub fn of_number(&self, number: Tid) -> Option<Tid> {
        if !self.space.has_own_proc() {
            return Some(number);
        }
        let mut tasks = self.tasks.keys().copied();
        tasks.find(|&tid| self.space.inside(tid) == number)
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

    /// Whether this is the first thread of a process of the tree.
    pub fn is_process(&self, tid: Tid) -> bool {
        self.tasks
            .get(&tid)
            .is_some_and(|task| task.pid == Some(tid))
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

    /// Every process, as `name (pid N)`.
    pub fn summary(&mut self) -> Vec<String> {
        let processes = self.processes();
        processes
            .into_iter()
            .map(|pid| format!("{} (pid {pid})", self.program(pid).name))
            .collect()
    }
}

/// The thread group of a task, which must be in a stop or it may be gone.
fn process_of(tid: Tid) -> Option<Tid> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    id(&status, "Tgid:")
}

/// Whether a task has begun to end, or has ended: PF_EXITING among the flags of proc_pid_stat(5), which
/// the kernel sets before anybody can know of the end (do_exit).
fn is_ending(tid: Tid) -> bool {
    is_ending_by(std::fs::read_to_string(format!("/proc/{tid}/stat")))
}

/// The same, by what was read. A task that cannot be looked at, because this process has no descriptor
/// left for instance, is not taken to be ending: it counts.
fn is_ending_by(stat: std::io::Result<String>) -> bool {
    const PF_EXITING: u32 = 4;
    let stat = match stat {
        Ok(stat) => stat,
        Err(error) => {
            return error.kind() == std::io::ErrorKind::NotFound
                || error.raw_os_error() == Some(libc::ESRCH);
        }
    };
    // The name before may hold anything; after it come state, ppid, pgrp, session, tty, tpgid, flags.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let flags = fields.and_then(|fields| fields.split(' ').nth(6)?.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
}

/// A field of /proc/PID/status that holds an id.
fn id(status: &str, field: &str) -> Option<Tid> {
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    value.trim().parse().ok()
}

/// What a person calls the program: the script's name where a script runs (`comm`, which the
/// kernel takes from the file name and cuts to 15 bytes), else the file's.
fn program_name(pid: Tid) -> String {
    let comm = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = String::from_utf8_lossy(comm.trim_ascii_end()).into_owned();
    if comm.len() < 15 {
        return comm;
    }
    match std::fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(path) => match path.file_name().map(|name| name.to_string_lossy()) {
            Some(name) if name.starts_with(&comm) => name.into_owned(),
            _ => comm,
        },
        Err(_) => comm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORK: u64 = libc::SIGCHLD as u64;
    const THREAD: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;

    /// A tree where these are tracees.
    fn tree(is_own: fn(Tid) -> bool) -> Tree {
        Tree {
            is_own,
            ..Tree::new(1, Space::default())
        }
    }

    #[test]
    fn a_child_that_is_gone_before_its_parents_event_leaves_nothing_behind() {
        let mut tree = tree(|tid| tid != 7);
        tree.gone(7);
        let birth = tree.spawned(1, 7, FORK);
        assert_eq!(birth.state, ChildState::Gone);
        assert!(!tree.knows(7));
        assert!(!tree.has(7));
    }

    #[test]
    fn an_id_that_is_no_tracees_any_more_is_nobodys() {
        let mut tree = tree(|_| true);
        let birth = tree.spawned(1, 7, FORK);
        assert_eq!(birth.state, ChildState::New);
        assert!(tree.has(7));
        tree.is_own = |tid| tid != 7;
        assert!(!tree.has(7));
        assert_eq!(tree.processes(), BTreeSet::from([1]));
    }

    #[test]
    fn the_group_of_a_caller_that_is_gone_is_not_everyone() {
        use crate::baseline::Check;
        use crate::supervise::target::Found;
        // The signal 0 is sent to nobody, and tells who it would reach: here this process.
        let own = std::process::id() as Tid;
        let mut tree = Tree {
            is_own: |_| true,
            ..Tree::new(own, Space::default())
        };
        let call = crate::syscalls::Call {
            nr: 0,
            args: [0; 6],
        };
        let found = tree.check(Tid::MAX, Check::Signal, &call);
        let gone = -i64::from(libc::ESRCH);
        assert!(matches!(found, Found::Done(value) if value == gone));
    }

    #[test]
    fn a_number_that_is_no_signal_is_not_remembered() {
        use crate::baseline::Check;
        use crate::supervise::target::Found;
        let own = std::process::id() as Tid;
        let mut tree = Tree {
            is_own: |_| true,
            ..Tree::new(own, Space::default())
        };
        for number in [65, 1000, -1, i32::MIN, i32::MAX] {
            let group = -i64::from(nix::unistd::getpgrp().as_raw());
            let call = crate::syscalls::Call {
                nr: 0,
                args: [group as u64, number as u32 as u64, 0, 0, 0, 0],
            };
            let found = tree.check(own, Check::Signal, &call);
            let invalid = -i64::from(libc::EINVAL);
            assert!(matches!(found, Found::Done(value) if value == invalid));
            assert!(tree.sent.is_empty(), "{number}");
        }
    }

    #[test]
    fn what_runs_is_not_ending_and_what_is_gone_is() {
        assert!(!is_ending(std::process::id() as Tid));
        assert!(is_ending(Tid::MAX));
    }

    #[test]
    fn a_task_that_cannot_be_looked_at_counts_as_living() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EACCES] {
            assert!(!is_ending_by(Err(std::io::Error::from_raw_os_error(errno))));
        }
        assert!(is_ending_by(Err(std::io::Error::from_raw_os_error(
            libc::ESRCH
        ))));
        assert!(!is_ending_by(Ok(String::new())));
    }

    #[test]
    fn a_program_that_was_executed_before_the_parents_event_stays() {
        let mut tree = tree(|_| true);
        tree.adopt(7);
        let program = tree.executed(7, 7);
        let birth = tree.spawned(1, 7, FORK);
        assert_eq!(birth.state, ChildState::Executed);
        assert!(Rc::ptr_eq(&tree.program(7), &program));
    }

    #[test]
    fn a_program_that_a_thread_executed_before_the_parents_event_stays() {
        let mut tree = tree(|_| true);
        tree.adopt(7);
        tree.spawned(7, 8, THREAD);
        let program = tree.executed(7, 8);
        let birth = tree.spawned(1, 7, FORK);
        assert_eq!(birth.state, ChildState::Executed);
        assert!(Rc::ptr_eq(&tree.program(7), &program));
    }

    #[test]
    fn an_exec_from_a_thread_takes_the_leaders_place() {
        let mut tree = tree(|_| true);
        tree.spawned(1, 8, THREAD);
        assert_eq!(tree.pid(8), 1);
        tree.executed(1, 8);
        assert!(!tree.tasks.contains_key(&8));
        assert_eq!(tree.processes(), BTreeSet::from([1]));
    }

    #[test]
    fn a_chain_of_programs_is_not_remembered_for_ever() {
        let mut program = Program::new("0".into(), None);
        for i in 1..1000 {
            program = Program::new(i.to_string(), Some(&program));
            assert!(program.ancestry().len() <= DEPTH as usize + 1);
        }
    }
}
