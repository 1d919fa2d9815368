//! What the supervisor keeps for a command, and the bound of each: a hostile command must not make jail
//! use memory or descriptors that no limit of the command holds. This module has no code; its test
//! drives spawns, execs and ends through all collections that have an entry for each task.
//!
//! Entries for each task are bounded by the tasks that there are at one time: `processes` of
//! `[limits]`, else RLIMIT_NPROC and `pids.max`. Each is dropped when the end of the task is told, or
//! when another thread takes its place by an execve. A collection that is added must be told of
//! [`Spawn`](super::tracee::Spawn), execs and ends by the [`Supervisor`](super::Supervisor), and must be
//! named here.
//!
//! | kept | where | bound |
//! |---|---|---|
//! | tasks, with process and program | [`tracee`](super::tracee) | one each; a name has 255 bytes at most, a chain of programs 33 names |
//! | who sent a signal | `tracee::Process` | 64 for each process |
//! | ids in the jail's namespace | `tracee::Task` | one for each task |
//! | children whose parent's event has not come | `Supervisor::held` | one for each task, for 2 ms |
//! | what address spaces share; pages of judged paths | `files::memory` | one for each task; 2 files are open for each of 200 address spaces, and of an eighth of the descriptors that this process may have |
//! | events that are ready and not answered yet | [`round`](super::round) | a stop and an end for each task |
//! | calls that are under way in another form | `files::pinned`, `net` | one for each task: registers, an address of 128 bytes, one descriptor, and that only while the last 256 are free (`net::connect::spare`) |
//! | open files that are passed on | `files::passing` | one for each task, one descriptor each, for some calls |
//! | who has confined itself by Landlock | `files` | one for each task |
//! | what a rule has judged of an execve | `files::exec` | one for each task, hashes of a fixed size; dropped at its next call |
//! | arguments and paths of one call | `files::vector`, `files::resolve` | 6 MiB, while the call is answered |
//! | which files are dynamic loaders | `files::exec` | 4,096 |
//! | names and their addresses | `net::names`, [`leases`](crate::net) | 4,096 leases, 256 addresses each; 16 questions; one look-up at a time |
//! | processes that talk to a resolver | `net::observe` | 64 sockets each, for 10 s |
//! | restarted calls with a time-out | [`waits`](super::waits) | one for each task |
//! | memory and processor time of each process | [`limits`](super::limits) | one for each process |
//! | files in memory that were opened for writing | `limits::written` | counted as memory of the command: 1,152 bytes and the path each |
//! | memfds and removed files | `limits::objects` | an eighth of the descriptors that this process may have, 1,024 at most; a further one is not made |
//! | segments of System V | `limits::segments` | as many as the kernel has (`shmmni`: 4,096) |
//! | signals from outside, passed on or shown | [`forward`](super::forward) | one of each number, and 256 for 100 ms |
//! | denials | `report::tally` | 4,096 pairs of entry and system call; 100 messages, of 4,096 bytes each |
//! | the log | `report::log` | one line |
//! | events that wait for a program | `embed::event` | 4,096, of 8 MiB together; further ones are counted |
//! | output that is captured | `embed::pump` | what the caller has allowed |

#[cfg(test)]
mod tests {
    use crate::supervise::files::Files;
    use crate::supervise::limits::{Cpu, Memory};
    use crate::supervise::tracee::Namespaces;
    use crate::supervise::tracee::{ChildState, Tracees};
    use crate::trace::Tid;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::time::Duration;

    thread_local! {
        /// The tasks that there are, each with its process, as the kernel knows them.
        static TASKS: RefCell<BTreeMap<Tid, Tid>> = const { RefCell::new(BTreeMap::new()) };
    }

    fn is_own(tid: Tid) -> bool {
        TASKS.with_borrow(|tasks| tasks.contains_key(&tid))
    }

    /// No process has such an id: /proc and kcmp(2) tell nothing of it.
    const MAIN: Tid = 1 << 30;

    /// A jail without a kernel.
    struct World {
        tracees: Tracees,
        files: Files,
        cpu: Cpu,
        memory: Memory,
        /// Spawns whose event has not been told: parent, child, flags.
        late: Vec<(Tid, Tid, u64)>,
        last: Tid,
        random: u64,
    }

    impl World {
        fn new(seed: u64) -> Self {
            TASKS.set(BTreeMap::from([(MAIN, MAIN)]));
            Self {
                tracees: Tracees::of_test(MAIN, Namespaces::default(), is_own),
                files: Files::new(Vec::new()),
                cpu: Cpu::new(Duration::MAX),
                memory: Memory::new(u64::MAX, 0, Some(&[]), false),
                late: Vec::new(),
                last: MAIN,
                random: seed,
            }
        }

        fn below(&mut self, most: usize) -> usize {
            // Numerical Recipes' linear congruential generator.
            let (a, c) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
            self.random = self.random.wrapping_mul(a).wrapping_add(c);
            (self.random >> 33) as usize % most.max(1)
        }

        fn any(&mut self) -> Option<(Tid, Tid)> {
            let all = TASKS.with_borrow(|tasks| tasks.clone());
            let at = self.below(all.len());
            all.into_iter().nth(at)
        }

        fn threads(pid: Tid) -> Vec<Tid> {
            TASKS.with_borrow(|tasks| {
                let of = tasks.iter().filter(|(_, process)| **process == pid);
                of.map(|(tid, _)| *tid).collect()
            })
        }

        /// A task makes another one; its event is told now, or late.
        fn spawn(&mut self) {
            // A task whose event is under way makes none.
            let late: Vec<Tid> = self.late.iter().map(|(parent, ..)| *parent).collect();
            let Some((parent, pid)) = self.any().filter(|(tid, _)| !late.contains(tid)) else {
                return;
            };
            let shared = (libc::CLONE_VM | libc::CLONE_FS) as u64;
            let thread = shared | libc::CLONE_THREAD as u64;
            let vfork = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
            let choice = self.below(4);
            let flags = [0, vfork, shared, thread][choice];
            self.last += 1;
            let child = self.last;
            let process = if flags == thread { pid } else { child };
            TASKS.with_borrow_mut(|tasks| tasks.insert(child, process));
            self.late.push((parent, child, flags));
            match self.below(2) {
                0 => self.told(self.late.len() - 1),
                // Released before its parent's event.
                _ => {
                    self.memory.adopted(child);
                    let task = self.tracees.adopt(child);
                    self.tracees.belongs(&task, process);
                }
            }
        }

        /// A parent's event is told.
        fn told(&mut self, at: usize) {
            let (parent, child, flags) = self.late.swap_remove(at);
            let parent = self.tracees.at(parent);
            let spawn = self.tracees.spawned(&parent, child, flags);
            if !spawn.is_thread() {
                self.memory.spawned(&spawn);
            }
            if spawn.state == ChildState::Gone {
                self.nothing_of(child);
            }
        }

        fn exec(&mut self) {
            let Some((former, pid)) = self.any() else {
                return;
            };
            // All other threads end; that of the first is not told.
            for tid in Self::threads(pid) {
                if tid != former && tid != pid {
                    self.gone(tid);
                }
            }
            self.late
                .retain(|(parent, ..)| *parent != former && *parent != pid);
            TASKS.with_borrow_mut(|tasks| {
                tasks.remove(&former);
                tasks.insert(pid, pid);
            });
            self.tracees.executed(pid, former);
            self.memory.executed(pid, former);
            if former != pid {
                self.nothing_of(former);
            }
        }

        /// The end of a task is told.
        fn gone(&mut self, tid: Tid) {
            TASKS.with_borrow_mut(|tasks| tasks.remove(&tid));
            // The event of a parent that is gone is never told.
            self.late.retain(|(parent, ..)| *parent != tid);
            self.tracees.gone(tid);
            self.cpu.gone(tid);
            self.memory.gone(tid);
            self.nothing_of(tid);
        }

        fn nothing_of(&self, tid: Tid) {
            assert!(!self.tracees.knows(tid), "tracees keep {tid}");
            assert!(!self.cpu.keeps(tid), "cpu keeps {tid}");
            assert!(!self.memory.keeps(tid), "memory keeps {tid}");
        }

        /// A task has everything kept for it that can be.
        fn fill(&mut self) {
            if let Some((tid, pid)) = self.any() {
                self.tracees.at(tid).files.fill(&self.files);
                self.tracees.at(tid).net.fill();
                self.tracees.at(tid).process().net.fill();
                self.tracees.at(tid).waits.fill();
                self.memory.fill(tid);
                if tid == pid {
                    self.cpu.fill(tid);
                }
                self.tracees.sent(pid, libc::SIGTERM, tid);
            }
        }

        fn step(&mut self) {
            match self.below(8) {
                0..3 => self.spawn(),
                3 => self.exec(),
                4 => self.fill(),
                5 if !self.late.is_empty() => {
                    let at = self.below(self.late.len());
                    self.told(at);
                }
                _ => {
                    if let Some((tid, pid)) = self.any().filter(|(tid, _)| *tid != MAIN)
                        && (tid != pid || Self::threads(pid).len() == 1)
                    {
                        self.gone(tid);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_kept_for_a_task_that_is_gone_in_whatever_order_events_come() {
        for seed in 0..200 {
            let mut world = World::new(seed);
            (0..300).for_each(|_| world.step());
            while let Some((tid, _)) = world.any() {
                world.gone(tid);
            }
            for tid in MAIN..=world.last {
                world.nothing_of(tid);
            }
        }
    }
}
