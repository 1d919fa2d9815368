//! The limits of domains: of the processes below each entry, which are counted together.
//!
//! A child whose parent is killed while it makes the child is told by no event, so that its entry is not known.
//! If it has the filter of a domain, it counts among all such children of the domain: these together have
//! the limit once more.

use super::Memory;
use super::memory::moments;
use super::subtree::Subtree;
use super::turn::Turns;
use crate::policy::{DomainId, DomainSet, LimitKind, Limits};
use crate::supervise::tracee::{Task, Tracees};
use crate::sys;
use crate::syscalls::Call;
use crate::trace::{Resume, Tid};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What reading clocks may take at a tick, and what adding up memory may take before what is left is done at the
/// next one.
const CLOCKS: Duration = Duration::from_millis(1);
const MEMORY: Duration = Duration::from_millis(8);
/// So many entries are counted apart at one time, and those for which memory is added up; further ones are counted
/// as children whose parent is not known.
const MOST: usize = 1024;
const MOST_ADDED_UP: usize = 16;

/// The entries that are watched.
pub struct Subtrees {
    /// The limits of each domain, by its number.
    limits: Vec<Limits>,
    /// Of each domain with limits: its children whose parent is not known.
    unknown: Vec<Option<Rc<Subtree>>>,
    watched: Vec<Watched>,
    clocks: Turns,
    /// The entry whose memory is looked at next.
    next: usize,
    /// For [`Memory::new`].
    user: u32,
    writable: Option<Vec<PathBuf>>,
    own_ipc: bool,
}

struct Watched {
    subtree: Rc<Subtree>,
    memory: Option<Memory>,
}

/// Processes that are past a limit.
pub type Past = (Rc<Subtree>, LimitKind);

impl Subtrees {
    /// `limits`: of each domain. The rest is for [`Memory::new`].
    pub fn new(
        limits: Vec<Limits>,
        user: u32,
        writable: Option<Vec<PathBuf>>,
        own_ipc: bool,
    ) -> Self {
        let mut subtrees = Self {
            unknown: Vec::new(),
            limits,
            watched: Vec::new(),
            clocks: Turns::default(),
            next: 0,
            user,
            writable,
            own_ipc,
        };
        for id in 0..subtrees.limits.len() {
            let unknown = subtrees.made(id as DomainId, None);
            subtrees.unknown.push(unknown);
        }
        subtrees
    }

    /// Whether a domain has this limit.
    pub fn any(&self, kind: LimitKind) -> bool {
        let mut limits = self.limits.iter();
        limits.any(|limits| limits.get(kind).is_some())
    }

    /// What children are below of whose parent is not known.
    pub fn unknown(&self) -> Vec<Rc<Subtree>> {
        self.unknown.iter().flatten().map(Rc::clone).collect()
    }

    /// Watches an entry of a process, or the children of a domain whose parent is not known.
    fn made(&mut self, id: DomainId, pid: Option<Tid>) -> Option<Rc<Subtree>> {
        let limits = self.limits.get(usize::from(id))?;
        if limits.is_empty() {
            return None;
        }
        let subtree = Rc::new(Subtree::new(id, pid, limits));
        let memory = subtree.memory().map(|most| {
            let writable = self.writable.as_deref();
            Memory::new(most, self.user, writable, self.own_ipc).of_part()
        });
        self.watched.push(Watched {
            subtree: Rc::clone(&subtree),
            memory,
        });
        Some(subtree)
    }

    /// A process has entered these domains.
    pub fn enters(&mut self, task: &Task, set: DomainSet) {
        for id in set.iter() {
            let Some(unknown) = self.unknown.get(usize::from(id)).cloned().flatten() else {
                continue;
            };
            self.forget();
            let adding = self.watched.iter().filter(|one| one.memory.is_some());
            let full = self.watched.len() >= MOST
                || unknown.memory().is_some()
                    && adding.count() >= MOST_ADDED_UP + self.limits.len();
            let made = match full {
                true => Some(unknown),
                false => self.made(id, Some(task.pid())),
            };
            let before = sys::clock::ran(task.pid()).unwrap_or_default();
            if let Some(subtree) = made {
                task.process().limits.enter(&subtree, before);
            }
        }
    }

    /// Drops entries of which no process is left.
    fn forget(&mut self) {
        self.watched
            .retain(|one| one.subtree.pid().is_none() || Rc::strong_count(&one.subtree) > 1);
    }

    /// A tick: the entries whose processes are past a limit.
    pub fn past(&mut self, tracees: &Tracees) -> Vec<Past> {
        if self.limits.is_empty() {
            return Vec::new();
        }
        self.forget();
        let mut past = self.past_cpu(tracees);
        past.extend(self.past_memory(tracees));
        // A child that was made meanwhile may have been missed.
        let again = self.watched.iter().filter_map(|one| {
            let limit = one.subtree.past()?;
            Some((Rc::clone(&one.subtree), limit))
        });
        past.extend(again);
        past
    }

    fn past_cpu(&mut self, tracees: &Tracees) -> Vec<Past> {
        if !self.any(LimitKind::Cpu) {
            return Vec::new();
        }
        let limited = |task: &&Rc<Task>| {
            let process = task.process();
            let within = process.limits.within();
            task.is_leader() && within.iter().any(|one| one.subtree.cpu().is_some())
        };
        let tasks: Vec<&Rc<Task>> = tracees.all().filter(limited).collect();
        let mut pids: Vec<Tid> = tasks.iter().map(|task| task.tid()).collect();
        pids.sort_unstable();
        self.clocks.go(&pids, CLOCKS, |pid| {
            if let (Some(ran), Some(task)) = (sys::clock::ran(pid), tracees.get(pid)) {
                task.process().limits.ran.set(ran);
            }
        });
        for one in &self.watched {
            one.subtree.begin();
        }
        for task in tasks {
            let process = task.process();
            for one in process.limits.within().iter() {
                let ran = process.limits.ran.get().saturating_sub(one.before);
                one.subtree.add(ran);
            }
        }
        let past = self.watched.iter().map(|one| &one.subtree);
        let past = past.filter(|subtree| subtree.has_run_too_long());
        past.map(|subtree| (Rc::clone(subtree), LimitKind::Cpu))
            .collect()
    }

    fn past_memory(&mut self, tracees: &Tracees) -> Vec<Past> {
        let begin = Instant::now();
        let count = self.watched.len();
        let (first, mut past) = (self.next, Vec::new());
        for step in 0..count {
            let at = (first + step) % count;
            self.next = at + 1;
            let Some(Watched {
                subtree,
                memory: Some(memory),
            }) = self.watched.get_mut(at)
            else {
                continue;
            };
            let part = below(tracees, subtree);
            let processes = part.leaders();
            if !processes.is_empty() && memory.is_past(&part, &processes) {
                past.push((Rc::clone(subtree), LimitKind::Memory));
            }
            if begin.elapsed() >= MEMORY {
                break;
            }
        }
        past
    }

    /// Each sum of memory that a task counts in.
    fn sums<'a>(
        &'a mut self,
        task: &'a Task,
    ) -> impl Iterator<Item = (&'a Rc<Subtree>, &'a mut Memory)> {
        let process = task.process();
        let watched = self.watched.iter_mut();
        watched.filter_map(move |one| {
            let memory = one.memory.as_mut()?;
            let is_below = process.limits.is_below(&one.subtree);
            is_below.then_some((&one.subtree, memory))
        })
    }

    /// The memories that a task counts in.
    pub fn memories<'a>(&'a mut self, task: &'a Task) -> impl Iterator<Item = &'a mut Memory> {
        self.sums(task).map(|(_, memory)| memory)
    }

    /// The error of a call of a task that would make what cannot be counted.
    pub fn refuses(&mut self, tracees: &Tracees, task: &Task, call: &Call) -> Option<sys::Errno> {
        if self.limits.is_empty() || !Memory::may_refuse(call) {
            return None;
        }
        let mut sums = self.sums(task);
        sums.find_map(|(subtree, memory)| memory.refuses(&below(tracees, subtree), call))
    }

    /// The answer to a call of a task, with a stop at its return where that must be seen.
    pub fn calls(&mut self, task: &Task, call: &Call, how: Resume) -> Resume {
        self.memories(task)
            .fold(how, |how, memory| memory.calls(task, call, how))
    }

    /// Whether a call of a task gives much memory back that is added up here.
    pub fn releases(&mut self, task: &Task, call: &Call) -> bool {
        let counts = !self.limits.is_empty() && self.memories(task).next().is_some();
        counts && moments::releases(&task.process().limits, call)
    }

    /// A process is about to lose memory: the entries below of which there is more than may be.
    pub fn past_before(&mut self, tracees: &Tracees, task: &Task) -> Vec<Past> {
        if !self.any(LimitKind::Memory) {
            return Vec::new();
        }
        let past = self.sums(task).filter_map(|(subtree, memory)| {
            let part = below(tracees, subtree);
            let past = memory.is_past_before(&part, task.pid());
            past.then(|| (Rc::clone(subtree), LimitKind::Memory))
        });
        past.collect()
    }

    /// A task has ended. `ran`: the processor time of its process, if that has ended with it.
    pub fn gone(&mut self, task: &Task, ran: Option<Duration>) {
        for memory in self.memories(task) {
            memory.gone(task.tid());
        }
        let process = task.process();
        if task.is_leader() {
            let ran = ran.unwrap_or(process.limits.ran.get());
            for one in process.limits.within().iter() {
                one.subtree.ended(ran.saturating_sub(one.before));
            }
        }
    }
}

/// The tasks below an entry.
fn below(tracees: &Tracees, subtree: &Rc<Subtree>) -> Tracees {
    tracees.only(|task| task.process().limits.is_below(subtree))
}

/// A task has made another one: the entry below of which there are more tasks than may be.
pub fn crowded(tracees: &Tracees, task: &Task) -> Option<Rc<Subtree>> {
    let process = task.process();
    let within = process.limits.within();
    let subtrees = within.iter().map(|one| &one.subtree);
    let crowded = |subtree: &&Rc<Subtree>| {
        let Some(most) = subtree.tasks() else {
            return false;
        };
        if tracees.len() as u64 <= most {
            return false;
        }
        let part = below(tracees, subtree);
        part.len() as u64 > most && part.living() as u64 > most
    };
    subtrees.into_iter().find(crowded).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Origin, Policy};
    use crate::supervise::tracee::{Namespaces, Parentless};

    /// No process has such an id: /proc and clocks tell nothing of it, so that an adopted one may be in any domain.
    const MAIN: Tid = 1 << 26;

    fn limits(text: &str) -> Vec<Limits> {
        let text = format!(
            "default = \"allow\"\n[domain.a]\non-exec = [\"/a\"]\nlimits = {{ {text} }}\n\
             [domain.b]\non-exec = [\"/b\"]\n"
        );
        let policy = Policy::parse(&text, "a.toml").expect("a policy");
        let domains = policy.domains.iter();
        domains.map(|domain| domain.policy.limits.clone()).collect()
    }

    fn watch(text: &str) -> (Tracees, Subtrees) {
        let subtrees = Subtrees::new(limits(text), 0, Some(Vec::new()), false);
        let mut tracees = Tracees::of_test(MAIN, Namespaces::default(), |_| true);
        tracees.parentless = Parentless::new(subtrees.unknown());
        (tracees, subtrees)
    }

    fn spawned(tracees: &mut Tracees, parent: Tid, child: Tid) -> Rc<Task> {
        let parent = tracees.at(parent);
        tracees.spawned(&parent, child, 0);
        tracees.at(child)
    }

    /// How many tasks count below each entry of a task.
    fn counts(tracees: &Tracees, task: &Task) -> Vec<(Option<Tid>, usize)> {
        let process = task.process();
        let within = process.limits.within();
        let subtrees = within.iter().map(|one| &one.subtree);
        let count = |subtree| below(tracees, subtree).len();
        subtrees
            .map(|subtree| (subtree.pid(), count(subtree)))
            .collect()
    }

    #[test]
    fn what_an_entry_makes_counts_below_it_and_nothing_else_does() {
        let (mut tracees, mut subtrees) = watch("processes = 2");
        let (one, other) = (
            spawned(&mut tracees, MAIN, MAIN + 1),
            spawned(&mut tracees, MAIN, MAIN + 2),
        );
        subtrees.enters(&one, DomainSet::of_bits(3));
        subtrees.enters(&other, DomainSet::of_bits(3));
        // The second domain has no limits.
        assert_eq!(one.process().limits.within().len(), 1);
        for child in 3..6 {
            spawned(&mut tracees, MAIN, MAIN + child);
        }
        spawned(&mut tracees, MAIN + 1, MAIN + 6);
        let last = spawned(&mut tracees, MAIN + 6, MAIN + 7);
        assert_eq!(counts(&tracees, &last), [(Some(MAIN + 1), 3)]);
        assert_eq!(counts(&tracees, &other), [(Some(MAIN + 2), 1)]);
        // Another program of the same process.
        let executed = tracees.executed(MAIN + 7, MAIN + 7).task;
        assert_eq!(counts(&tracees, &executed), [(Some(MAIN + 1), 3)]);
        tracees.gone(MAIN + 6);
        assert_eq!(counts(&tracees, &one), [(Some(MAIN + 1), 2)]);
        // Nothing is known to live here.
        assert!(crowded(&tracees, &one).is_none());
    }

    #[test]
    fn a_child_whose_parent_is_not_known_counts_with_its_like_until_it_is() {
        let (mut tracees, mut subtrees) = watch("processes = 1");
        let one = spawned(&mut tracees, MAIN, MAIN + 1);
        subtrees.enters(&one, DomainSet::one(0));
        let lost = tracees.adopt(MAIN + 2);
        assert_eq!(counts(&tracees, &lost), [(None, 1)]);
        let child = spawned(&mut tracees, MAIN + 2, MAIN + 3);
        assert_eq!(counts(&tracees, &child), [(None, 2)]);
        // Entries of its domain were past a limit: its parent was killed with one of them.
        let subtree = Rc::clone(&one.process().limits.within()[0].subtree);
        tracees.parentless.is_past(&subtree);
        let last = tracees.adopt(MAIN + 9);
        assert_eq!(counts(&tracees, &last), [(None, 3), (Some(MAIN + 1), 2)]);
        // Its parent's event comes late.
        tracees.spawned(&one, MAIN + 2, 0);
        let found = tracees.at(MAIN + 2);
        assert_eq!(counts(&tracees, &found), [(Some(MAIN + 1), 3)]);
    }

    #[test]
    fn the_time_of_those_that_have_ended_counts_and_that_before_the_entry_does_not() {
        let (mut tracees, mut subtrees) = watch("cpu = \"1s\"");
        let task = spawned(&mut tracees, MAIN, MAIN + 1);
        subtrees.enters(&task, DomainSet::one(0));
        let child = spawned(&mut tracees, MAIN + 1, MAIN + 2);
        child.process().limits.ran.set(Duration::from_millis(600));
        assert!(subtrees.past(&tracees).is_empty());
        subtrees.gone(&child, Some(Duration::from_millis(700)));
        tracees.gone(MAIN + 2);
        task.process().limits.ran.set(Duration::from_millis(200));
        assert!(subtrees.past(&tracees).is_empty());
        task.process().limits.ran.set(Duration::from_millis(400));
        let past = subtrees.past(&tracees);
        assert!(matches!(&past[..], [(_, LimitKind::Cpu)]));
        assert!(past[0].0.is_past_now(LimitKind::Cpu));
        // What is left of it is found at each tick, and told once.
        assert!(!subtrees.past(&tracees)[0].0.is_past_now(LimitKind::Cpu));
        assert!(child.process().limits.is_past());
    }

    #[test]
    fn an_entry_of_which_nothing_is_left_is_forgotten_and_there_is_a_bound() {
        let (mut tracees, mut subtrees) = watch("processes = 9");
        for child in 1..=MOST as Tid + 5 {
            let task = spawned(&mut tracees, MAIN, MAIN + child);
            subtrees.enters(&task, DomainSet::one(0));
            assert_eq!(task.process().limits.within().len(), 1);
        }
        assert_eq!(subtrees.watched.len(), MOST);
        for child in 1..=MOST as Tid + 5 {
            tracees.gone(MAIN + child);
        }
        let _ = subtrees.past(&tracees);
        assert_eq!(subtrees.watched.len(), 1);
        let origin = Origin { source: 0, line: 4 };
        assert_eq!(
            subtrees.limits[0].said(LimitKind::Processes),
            Some((origin, "9"))
        );
    }
}
