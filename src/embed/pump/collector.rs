//! A thread that keeps the output of many runs: it waits for all of their pipes with one epoll(7). So a run needs
//! no thread of its own, and one that writes nothing wakes none.

use super::Written;
use super::end::End;
use super::flow::{past_streams, pipe};
use super::thread;
use super::work::{BUFFER, Work};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::unistd;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The thread, for as long as a builder may have runs.
pub struct Collector {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The reading and the writing end of a pipe: what is written into it ends the thread.
    end: (OwnedFd, OwnedFd),
    /// A fork of this program has no such thread.
    process: u32,
    /// The number of the next run.
    next: AtomicU64,
}

struct Shared {
    epoll: Arc<Epoll>,
    runs: Mutex<HashMap<u64, Arc<Run>>>,
}

/// The command's ends of its outputs.
type Far = [Option<Arc<OwnedFd>>; 2];

/// `None` once the run has ended.
type Run = Mutex<Option<Work>>;

/// What is in the event that ends the thread. In others it is four times the number of the run, and which of
/// its streams it is.
const END: u64 = u64::MAX;

impl Collector {
    /// Starts the thread.
    ///
    /// # Errors
    /// If no descriptor or thread can be created.
    pub fn new() -> io::Result<Collector> {
        let end = pipe()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let epoll = Epoll(past_streams(epoll.0)?);
        epoll.add(&end.0, EpollEvent::new(EpollFlags::EPOLLIN, END))?;
        let shared = Arc::new(Shared {
            epoll: Arc::new(epoll),
            runs: Mutex::default(),
        });
        let for_thread = Arc::clone(&shared);
        Ok(Collector {
            shared,
            thread: Some(thread::spawn(move || for_thread.serve())?),
            end,
            process: std::process::id(),
            next: AtomicU64::new(0),
        })
    }

    /// Whether this process has started it, and not one that this process is a fork of.
    pub fn is_own(&self) -> bool {
        self.process == std::process::id()
    }

    /// Takes over the streams of a run, none of which waits for a reader. `far`: the command's ends of its outputs.
    ///
    /// # Errors
    /// The streams, if they cannot be watched.
    pub fn collect(self: &Arc<Self>, work: Work, far: Far) -> Result<Collected, Box<Work>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let run = Arc::new(Mutex::new(Some(work)));
        let collected = Collected {
            collector: Arc::clone(self),
            number,
            run: Arc::clone(&run),
            _far: far,
        };
        // The thread waits for this lock if something is ready meanwhile.
        let mut locked = lock(&run);
        lock(&self.shared.runs).insert(number, Arc::clone(&run));
        let watched = locked.as_mut().map(|work| self.watch(work, number));
        if let Some(Err(_)) = watched
            && let Some(mut work) = collected.take(&mut locked)
        {
            ends(&mut work).for_each(|(end, _)| end.leave());
            return Err(Box::new(work));
        }
        drop(locked);
        Ok(collected)
    }

    fn watch(&self, work: &mut Work, number: u64) -> io::Result<()> {
        for (end, stream) in ends(work) {
            let events = match stream {
                0 => EpollFlags::EPOLLOUT,
                _ => EpollFlags::EPOLLIN,
            };
            end.watch(&self.shared.epoll, events, 4 * number + stream)?;
        }
        Ok(())
    }
}

/// The ends of its pipes, and the number of each in an event.
fn ends(work: &mut Work) -> impl Iterator<Item = (&mut End, u64)> {
    let feed = work.feed.iter_mut().filter_map(|feed| feed.to.as_mut());
    let flows = work.flows.iter_mut().zip(1..);
    let flows = flows.filter_map(|(flow, stream)| Some((flow.as_mut()?.from.as_mut()?, stream)));
    feed.map(|to| (to, 0)).chain(flows)
}

impl Drop for Collector {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if !self.is_own() {
            // In a fork another thread may have its id.
            std::mem::forget(thread);
        } else if unistd::write(&self.end.1, &[0]).is_ok() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The thread: serves what is ready until it is told to end.
    fn serve(&self) {
        let mut buffer = vec![0; BUFFER];
        let mut events = [EpollEvent::empty(); 16];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            for event in events.iter().take(ready) {
                if event.data() == END {
                    return;
                }
                self.go_on(event.data(), &mut buffer);
            }
        }
    }

    fn go_on(&self, data: u64, buffer: &mut [u8]) {
        // A run that has ended since the event is not there.
        let run = lock(&self.runs).get(&(data / 4)).cloned();
        let Some(run) = run else { return };
        if let Some(work) = &mut *lock(&run) {
            match data % 4 {
                0 => work.feed.iter_mut().for_each(|feed| feed.go_on()),
                1 => work.go_on(0, buffer),
                _ => work.go_on(1, buffer),
            }
        }
    }
}

/// A run whose streams the thread has.
pub struct Collected {
    collector: Arc<Collector>,
    number: u64,
    run: Arc<Run>,
    /// Open until the end of the jail, which is known without them: a hang-up would wake the thread.
    _far: Far,
}

impl Collected {
    /// As [`Pump::finish`](super::Pump::finish); nothing has a reader to wait for.
    pub fn finish(self) -> Written {
        let Some(mut work) = self.take(&mut lock(&self.run)) else {
            return Written::default();
        };
        // Mostly there is little or nothing.
        work.end(&mut [0; BUFFER / 16]);
        work.written()
    }

    /// Takes the streams from the thread, if it still has them.
    fn take(&self, run: &mut Option<Work>) -> Option<Work> {
        lock(&self.collector.shared.runs).remove(&self.number);
        run.take()
    }
}

/// The thread of the run was lost.
impl Drop for Collected {
    fn drop(&mut self) {
        self.take(&mut lock(&self.run));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::super::flow::Flow;
    use super::*;
    use crate::supervise::StopHandle;

    fn work() -> Work {
        let mut far = None;
        let mut flow = || Some(Flow::new(Output::Keep(10), &mut far).expect("a pipe"));
        Work {
            feed: None,
            flows: [flow(), flow()],
            left: 100,
            stop_handle: StopHandle::new(),
        }
    }

    #[test]
    fn streams_that_cannot_all_be_watched_are_given_back_and_none_is_watched() {
        let collector = Arc::new(Collector::new().expect("a thread"));
        let epoll = &collector.shared.epoll;
        let mut wrong = work();
        let second = ends(&mut wrong).nth(1).expect("a pipe").0;
        second.watch(epoll, EpollFlags::EPOLLIN, 0).expect("once");
        let mut back = collector
            .collect(wrong, [None, None])
            .err()
            .expect("the streams");
        assert!(lock(&collector.shared.runs).is_empty());
        for (end, _) in ends(&mut back) {
            end.watch(epoll, EpollFlags::EPOLLIN, 0).expect("again");
        }
    }

    #[test]
    fn a_run_that_is_lost_leaves_nothing_with_the_thread() {
        let collector = Arc::new(Collector::new().expect("a thread"));
        drop(collector.collect(work(), [None, None]).ok().expect("a run"));
        assert!(lock(&collector.shared.runs).is_empty());
    }
}
