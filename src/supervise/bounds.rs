//! What the supervisor keeps for a command, and the bound of each: a hostile command must not make jail
//! use memory or descriptors that no limit of the command holds. This module has no code; its test
//! drives spawns, execs and ends in any order.
//!
//! Entries for each task are bounded by the tasks that there are at one time: `processes` of
//! `[limits]`, else RLIMIT_NPROC and `pids.max`. All that is kept for a task is a part of its
//! [`Task`](super::tracee::Task), its process or its address space, and is dropped with it: when the end of
//! the task is told, or when another thread takes its place by an execve. What else is kept is named here.
//!
//! | kept | where | bound |
//! |---|---|---|
//! | tasks, with process and program | [`tracee`](super::tracee) | one each; a name has 255 bytes at most, a chain of programs 33 names |
//! | the senders of signals | `tracee::Process` | 64 for each process |
//! | ids in the jail's namespace | `tracee::Task` | one for each task |
//! | children whose parent's event has not come | `Supervisor::held` | one for each task, for 2 ms |
//! | what address spaces share; pages of judged paths | `tracee::address_space`, `syscall::pin` | one for each task; 2 files are open for each of 200 address spaces, and of an eighth of the descriptors that this process may have |
//! | events that are ready and not answered yet | [`round`](super::control::round) | a stop and an end for each task |
//! | calls that are under way in another form | `syscall::pending` | one for each task: registers, an address of 128 bytes, one descriptor, and that only while the last 256 are free (`socket::connect::spare`) |
//! | open files that are passed on | `path::passing` | one for each task, one descriptor each, for some calls |
//! | tasks that confined themselves by Landlock | `syscall::path` | one for each task |
//! | what a rule has judged of an execve | `path::exec` | one for each task, hashes of a fixed size; dropped at its next call |
//! | arguments and paths of one call | `path::exec::vector`, `path::resolve` | 6 MiB, while the call is answered |
//! | which files are dynamic loaders | `path::exec` | 4,096 |
//! | names and their addresses | `dns::names`, [`leases`](crate::net) | 4,096 leases, 256 addresses each; 16 questions; one look-up at a time |
//! | processes that talk to a resolver | `dns::observe` | 64 sockets each, for 10 s |
//! | restarted calls with a time-out | [`restart`](super::syscall::restart) | one for each task |
//! | open questions, and their answers | [`asked`](super::syscall::asked) | 64; 4,096 answers that last; 16 for each task that are not used yet; dropped with the task |
//! | what is let through while a policy is learned | [`lacks`](super::syscall::lacks) | 16 MiB |
//! | memory and processor time of each process | [`limits`](super::limits) | one for each process |
//! | files in memory that were opened for writing | `memory::tmpfs` | counted as memory of the command: 1,152 bytes and the path each |
//! | memfds and removed files | `memory::objects` | an eighth of the descriptors that this process may have, 1,024 at most; a further one is not made |
//! | segments of System V | `memory::sysv_shm` | as many as the kernel has (`shmmni`: 4,096) |
//! | signals from outside, passed on or shown | [`forward`](super::control::forward) | one of each number, and 256 for 100 ms |
//! | denials | `report::tally` | 4,096 pairs of entry and system call; 100 messages, of 4,096 bytes each |
//! | the log | `report::log` | one line |
//! | events that wait for a program | `embed::event` | 4,096, of 8 MiB together; further ones are counted |
//! | output that is captured | `embed::pump` | what the caller has allowed |

#[cfg(test)]
mod tests {
    use crate::supervise::limits::Memory;
    use crate::supervise::syscall::path::Paths;
    use crate::supervise::tracee::{ChildState, Namespaces, Process, Task, Tracees};
    use crate::sys::Errno;
    use crate::sys::files::Shared;
    use crate::trace::Tid;
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::{Rc, Weak};

    /// A task as the kernel knows it.
    #[derive(Clone, Copy)]
    struct Real {
        pid: Tid,
        /// Its memory, and its working directory: those with the same number share it.
        memory: i32,
        directory: i32,
    }

    thread_local! {
        static TASKS: RefCell<BTreeMap<Tid, Real>> = const { RefCell::new(BTreeMap::new()) };
    }

    fn real(tid: Tid) -> Option<Real> {
        TASKS.with_borrow(|tasks| tasks.get(&tid).copied())
    }

    fn is_own(tid: Tid) -> bool {
        real(tid).is_some()
    }

    /// kcmp(2).
    fn shares(one: Tid, other: Tid, what: Shared) -> Result<bool, Errno> {
        let (Some(one), Some(other)) = (real(one), real(other)) else {
            return Err(Errno::ESRCH);
        };
        Ok(match what {
            Shared::Memory => one.memory == other.memory,
            Shared::Directory => one.directory == other.directory,
            Shared::Descriptors => false,
        })
    }

    /// No process has such an id: /proc tells nothing of it.
    const MAIN: Tid = 1 << 30;

    /// A jail without a kernel.
    struct World {
        tracees: Tracees,
        paths: Paths,
        memory: Memory,
        /// Spawns whose event has not been told: parent, child, flags.
        late: Vec<(Tid, Tid, u64)>,
        last: Tid,
        /// All that there ever were.
        tasks: Vec<(Tid, Weak<Task>)>,
        processes: Vec<Weak<Process>>,
        random: std::vec::IntoIter<u16>,
    }

    impl World {
        fn new(random: Vec<u16>) -> Self {
            let main = Real {
                pid: MAIN,
                memory: MAIN,
                directory: MAIN,
            };
            TASKS.set(BTreeMap::from([(MAIN, main)]));
            let tracees = Tracees::of_test(MAIN, Namespaces::default(), is_own);
            Self {
                tracees: tracees.that_share(shares),
                paths: Paths::new(Vec::new(), false),
                memory: Memory::new(u64::MAX, 0, Some(&[]), false),
                late: Vec::new(),
                last: MAIN,
                tasks: Vec::new(),
                processes: Vec::new(),
                random: random.into_iter(),
            }
        }

        fn below(&mut self, most: usize) -> usize {
            usize::from(self.random.next().unwrap_or_default()) % most.max(1)
        }

        fn any(&mut self) -> Option<(Tid, Real)> {
            let all = TASKS.with_borrow(|tasks| tasks.clone());
            let at = self.below(all.len());
            all.into_iter().nth(at)
        }

        fn threads(pid: Tid) -> Vec<Tid> {
            TASKS.with_borrow(|tasks| {
                let of = tasks.iter().filter(|(_, real)| real.pid == pid);
                of.map(|(tid, _)| *tid).collect()
            })
        }

        /// A task makes another one; its event is told now, or late.
        fn spawn(&mut self) {
            // A task whose event is under way makes none.
            let late: Vec<Tid> = self.late.iter().map(|(parent, ..)| *parent).collect();
            let Some((parent, before)) = self.any().filter(|(tid, _)| !late.contains(tid)) else {
                return;
            };
            let shared = (libc::CLONE_VM | libc::CLONE_FS) as u64;
            let thread = shared | libc::CLONE_THREAD as u64;
            let vfork = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
            let choice = self.below(4);
            let flags = [0, vfork, shared, thread][choice];
            self.last += 1;
            let child = self.last;
            let of = |flag: i32, value: i32| match flags & flag as u64 {
                0 => child,
                _ => value,
            };
            let real = Real {
                pid: of(libc::CLONE_THREAD, before.pid),
                memory: of(libc::CLONE_VM, before.memory),
                directory: of(libc::CLONE_FS, before.directory),
            };
            TASKS.with_borrow_mut(|tasks| tasks.insert(child, real));
            self.late.push((parent, child, flags));
            match self.below(2) {
                0 => self.told(self.late.len() - 1),
                // Released before its parent's event.
                _ => {
                    let task = self.tracees.adopt(child);
                    self.tracees.belongs(&task, real.pid);
                }
            }
        }

        /// A parent's event is told.
        fn told(&mut self, at: usize) {
            let (parent, child, flags) = self.late.swap_remove(at);
            let parent = self.tracees.at(parent);
            let spawn = self.tracees.spawned(&parent, child, flags);
            assert_eq!(spawn.state == ChildState::Gone, !is_own(child));
        }

        fn exec(&mut self) {
            let Some((former, Real { pid, .. })) = self.any() else {
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
            self.last += 1;
            let memory = self.last;
            TASKS.with_borrow_mut(|tasks| {
                let before = tasks.remove(&former);
                let directory = before.map_or(memory, |before| before.directory);
                let real = Real {
                    pid,
                    memory,
                    directory,
                };
                tasks.insert(pid, real);
            });
            let before = self
                .tracees
                .get(former)
                .map(|task| task.paths.is_confined());
            let executed = self.tracees.executed(pid, former);
            assert_eq!(Some(executed.task.paths.is_confined()), before);
            assert!(
                executed.task.pending.borrow().is_none() && !executed.task.restart.is_pending()
            );
        }

        /// The end of a task is told.
        fn gone(&mut self, tid: Tid) {
            TASKS.with_borrow_mut(|tasks| tasks.remove(&tid));
            // The event of a parent that is gone is never told.
            self.late.retain(|(parent, ..)| *parent != tid);
            self.tracees.gone(tid);
        }

        /// A task has everything kept for it that can be.
        fn fill(&mut self) {
            if let Some((tid, Real { pid, .. })) = self.any() {
                let task = self.tracees.at(tid);
                task.paths.fill(self.paths.judged_of_test());
                task.sockets.fill();
                task.process().sockets.fill();
                task.restart.fill();
                self.memory.fill(&task);
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
                    if let Some((tid, Real { pid, .. })) =
                        self.any().filter(|(tid, _)| *tid != MAIN)
                        && (tid != pid || Self::threads(pid).len() == 1)
                    {
                        self.gone(tid);
                    }
                }
            }
            for task in self.tracees.all() {
                let known = |(_, known): &(Tid, Weak<Task>)| known.ptr_eq(&Rc::downgrade(task));
                if !self.tasks.iter().any(known) {
                    self.tasks.push((task.tid(), Rc::downgrade(task)));
                    self.processes.push(Rc::downgrade(&task.process()));
                }
            }
            self.holds();
        }

        /// What must be true after each event.
        fn holds(&self) {
            let all = TASKS.with_borrow(|tasks| tasks.clone());
            assert_eq!(self.tracees.len(), all.len());
            for (tid, real) in &all {
                let task = self.tracees.get(*tid).expect("a task");
                assert_eq!((task.tid(), task.pid()), (*tid, real.pid));
                let leader = self.tracees.get(real.pid).expect("the first thread");
                assert!(Rc::ptr_eq(&task.process(), &leader.process()), "{tid}");
                let mut others = all.iter().filter(|(other, _)| *other != tid);
                let shared = others.clone().any(|(_, other)| other.memory == real.memory);
                assert_eq!(task.space().is_shared(), shared, "{tid}");
                let directory = others
                    .any(|(_, other)| other.pid != real.pid && other.directory == real.directory);
                assert!(!task.space().is_alone() || !shared && !directory, "{tid}");
            }
            // Nothing is left of the others.
            for (tid, task) in &self.tasks {
                if let Some(task) = task.upgrade() {
                    let known = self.tracees.get(*tid);
                    assert!(known.is_some_and(|known| Rc::ptr_eq(known, &task)), "{tid}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_is_kept_for_a_task_that_is_gone_in_whatever_order_events_come(
            random in proptest::collection::vec(any::<u16>(), 0..600),
        ) {
            let mut world = World::new(random);
            while world.random.len() > 0 {
                world.step();
            }
            while let Some((tid, _)) = world.any() {
                world.gone(tid);
            }
            world.holds();
            prop_assert_eq!(world.tracees.len(), 0);
            prop_assert!(world.processes.iter().all(|process| process.upgrade().is_none()));
            prop_assert_eq!(world.memory.making(), 0);
        }
    }
}
