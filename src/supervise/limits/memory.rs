//! Memory of the whole tree, added up at each tick, where no cgroup limits it.
//!
//! First roughly: what each process has resident, pages that several share counted at each, and what
//! the files in memory take. Only what is past the limit then is weighed: by each process's share of
//! its pages, so that what is shared counts once. Each step has its time, so that a large tree cannot
//! keep the supervisor from its stops: what is left is done at the next tick.

use super::descriptors::Descriptors;
use super::reading::{self, Inode};
use super::round::Round;
use super::segments::Segments;
use super::spaces::Spaces;
use super::tmpfs::{self, Mount};
use super::weighing::{Weighed, Weighing};
use crate::trace::Tid;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What reading of processes may take at a tick of 20 ms: some 30 µs each.
const TIME: Duration = Duration::from_millis(3);
/// What weighing may take at a tick.
const WEIGH: Duration = Duration::from_millis(8);
/// After something was weighed and found light, nothing is weighed for so many times as long.
const REST: u32 = 4;
/// Times of files are taken from a clock that is behind by a timer's tick at most (10 ms).
const COARSE: Duration = Duration::from_millis(20);

/// A limit of memory.
#[derive(Debug)]
pub struct Memory {
    /// In bytes.
    limit: u64,
    /// When the jail was started, by the real time.
    since: (i64, i64),
    round: Round,
    spaces: Spaces,
    /// What was last read of each process.
    resident: HashMap<Tid, reading::Memory>,
    descriptors: Descriptors,
    mounts: Vec<Mount>,
    segments: Segments,
    /// Who has ended since the last look.
    ended: HashSet<Tid>,
    weighing: Option<Weighing>,
    rest: Instant,
    most: Option<u64>,
}

impl Memory {
    /// `user`: whom the command runs as. `writable`: where it may change files; `None`: anywhere.
    pub fn new(limit: u64, user: u32, writable: Option<&[PathBuf]>) -> Self {
        let mounts = tmpfs::mounts(writable);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = now.unwrap_or_default().saturating_sub(COARSE);
        let since = (since.as_secs() as i64, since.subsec_nanos().into());
        let paths = mounts.iter().map(|mount| mount.path.clone()).collect();
        Self {
            limit,
            since,
            round: Round::default(),
            spaces: Spaces::default(),
            resident: HashMap::new(),
            descriptors: Descriptors::new(paths, since),
            mounts,
            segments: Segments::new(user),
            ended: HashSet::new(),
            weighing: None,
            rest: Instant::now(),
            most: None,
        }
    }

    /// Whether the tree has more than it may.
    pub fn is_past(&mut self, processes: &[Tid]) -> bool {
        let owners = self.spaces.once(processes);
        let resident = &mut self.resident;
        self.round.go(&owners, TIME, |pid| {
            let memory = reading::resident(pid).unwrap_or_default();
            resident.insert(pid, memory);
        });
        self.descriptors.look(processes);
        let open: HashMap<Inode, u64> = self.descriptors.found().collect();
        let pages = owners.iter().filter_map(|pid| self.resident.get(pid));
        let pages: u64 = pages.map(|memory| memory.sum()).sum();
        let nameless = open.iter().filter(|((device, _), _)| !self.has(*device));
        let nameless: u64 = nameless.map(|(_, bytes)| bytes).sum();
        let nameless = nameless.saturating_add(self.detached(processes));
        let growth: u64 = self.mounts.iter().map(Mount::growth).sum();
        let rough = pages.saturating_add(nameless).saturating_add(growth);
        if rough <= self.limit {
            self.saw(pages.saturating_add(open.values().sum()).min(rough));
            self.weighing = None;
            return false;
        }
        if let Some(sum) = self.alone(&owners) {
            self.saw(sum);
            return true;
        }
        let begin = Instant::now();
        begin >= self.rest && self.weigh(&owners, &open, nameless, begin)
    }

    /// What System V segments take that the tree has made, and that nobody has attached.
    fn detached(&mut self, processes: &[Tid]) -> u64 {
        let ended = std::mem::take(&mut self.ended);
        let is_own = |pid: Tid| ended.contains(&pid) || processes.binary_search(&pid).is_ok();
        self.segments.detached(is_own)
    }

    /// What one process has that is too much by itself: no page of its anonymous memory is there twice,
    /// so that nothing must be weighed.
    fn alone(&self, owners: &[Tid]) -> Option<u64> {
        let heavy = |pid: &&Tid| {
            let memory = self.resident.get(*pid);
            memory.is_some_and(|memory| memory.anonymous > self.limit)
        };
        // It may have given it back since it was read.
        let now = |pid: &Tid| reading::resident(*pid).map(|memory| memory.anonymous);
        let mut heavy = owners.iter().filter(heavy).take(1).filter_map(now);
        heavy.find(|&anonymous| anonymous > self.limit)
    }

    /// Weighs what is roughly too much.
    fn weigh(
        &mut self,
        owners: &[Tid],
        open: &HashMap<Inode, u64>,
        nameless: u64,
        begin: Instant,
    ) -> bool {
        let mut counted: HashSet<Inode> = open.keys().copied().collect();
        counted.retain(|(device, _)| !self.has(*device));
        let mut files = nameless;
        for mount in &self.mounts {
            let growth = mount.growth();
            if growth == 0 {
                continue;
            }
            match mount.files(self.since, open) {
                Some(found) => {
                    files += found.values().sum::<u64>().min(growth);
                    counted.extend(found.into_keys());
                }
                None => files += growth,
            }
        }
        if files > self.limit {
            self.saw(files);
            return true;
        }
        let resident = &self.resident;
        let mut weighing = self.weighing.take().unwrap_or_else(|| {
            let most = |pid: &Tid| std::cmp::Reverse(resident.get(pid).map(|memory| memory.sum()));
            let mut order = owners.to_vec();
            order.sort_by_key(most);
            Weighing::new(order)
        });
        let weigh = |pid| share(pid, &counted);
        match weighing.go(self.limit - files, WEIGH, weigh) {
            Weighed::Unfinished => self.weighing = Some(weighing),
            Weighed::Light(pages) => {
                self.saw(pages + files);
                self.rest = Instant::now() + (weighing.took() + begin.elapsed()) * REST;
            }
            Weighed::Heavy(pages) => {
                self.saw(pages + files);
                return true;
            }
        }
        false
    }

    /// Whether this is the device of a tmpfs where the command may write.
    fn has(&self, device: u64) -> bool {
        self.mounts.iter().any(|mount| mount.device == device)
    }

    fn saw(&mut self, sum: u64) {
        self.most = self.most.max(Some(sum));
    }

    /// The most that was seen, in bytes.
    pub fn most(&self) -> Option<u64> {
        self.most
    }

    /// A process was made, by a call with these clone(2) flags.
    pub fn spawned(&mut self, parent: Tid, child: Tid, flags: u64) {
        self.spaces.spawned(parent, child, flags);
    }

    /// A process runs another program: all that it had is gone.
    pub fn executed(&mut self, pid: Tid) {
        self.spaces.left(pid);
        self.resident.remove(&pid);
    }

    /// A task has ended.
    pub fn gone(&mut self, tid: Tid) {
        self.executed(tid);
        self.descriptors.gone(tid);
        self.ended.insert(tid);
    }
}

/// A process's share of its pages, without those of files that are counted already. Of one that nobody
/// may look at (a program that may not be read) all that it has resident.
fn share(pid: Tid, counted: &HashSet<Inode>) -> u64 {
    match reading::share(pid) {
        Some(memory) if memory.shared > 0 && !counted.is_empty() => {
            let twice = reading::mapped(pid, |inode| counted.contains(&inode));
            memory.sum() - twice.min(memory.shared)
        }
        Some(memory) => memory.sum(),
        None => reading::resident(pid).unwrap_or_default().sum(),
    }
}
