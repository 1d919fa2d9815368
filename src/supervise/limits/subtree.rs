//! The processes below one entry of a domain: the process that entered and all that it makes. What they may use
//! together, and what those that have ended used.

use crate::policy::{DomainId, LimitKind, Limits};
use crate::trace::Tid;
use std::cell::Cell;
use std::time::Duration;

/// One entry of a domain that has limits.
#[derive(Debug)]
pub struct Subtree {
    domain: DomainId,
    /// The process that entered; `None`: it is that of children whose parent is not known.
    pid: Option<Tid>,
    tasks: Option<u64>,
    cpu: Option<Duration>,
    memory: Option<u64>,
    /// The processor time of those that have ended.
    ended: Cell<Duration>,
    /// The sum of all at the last look.
    sum: Cell<Duration>,
    past: Cell<Option<LimitKind>>,
}

/// That a process is below an entry.
#[derive(Debug, Clone)]
pub struct Within {
    /// The entry.
    pub subtree: std::rc::Rc<Subtree>,
    /// The processor time that the process had used before.
    pub before: Duration,
}

impl Subtree {
    /// Below the entry of a process into a domain with these limits.
    pub fn new(domain: DomainId, pid: Option<Tid>, limits: &Limits) -> Self {
        Self {
            domain,
            pid,
            tasks: limits.number(LimitKind::Processes),
            cpu: limits.time(LimitKind::Cpu),
            memory: limits.number(LimitKind::Memory),
            ended: Cell::default(),
            sum: Cell::default(),
            past: Cell::default(),
        }
    }

    pub fn domain(&self) -> DomainId {
        self.domain
    }

    pub fn pid(&self) -> Option<Tid> {
        self.pid
    }

    /// The most tasks.
    pub fn tasks(&self) -> Option<u64> {
        self.tasks
    }

    /// The most processor time.
    pub fn cpu(&self) -> Option<Duration> {
        self.cpu
    }

    /// The most memory, in bytes.
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// The limit for which its processes are killed.
    pub fn past(&self) -> Option<LimitKind> {
        self.past.get()
    }

    /// Its processes are past this limit; `false`: they were past one before.
    pub fn is_past_now(&self, limit: LimitKind) -> bool {
        let first = self.past.get().is_none();
        if first {
            self.past.set(Some(limit));
        }
        first
    }

    /// A process has ended that used so much below the entry.
    pub fn ended(&self, ran: Duration) {
        self.ended.set(self.ended.get().saturating_add(ran));
    }

    /// A look at all living ones begins.
    pub fn begin(&self) {
        self.sum.set(self.ended.get());
    }

    /// A living one has used so much.
    pub fn add(&self, ran: Duration) {
        self.sum.set(self.sum.get().saturating_add(ran));
    }

    /// The look has ended: whether all together used too much.
    pub fn has_run_too_long(&self) -> bool {
        self.cpu.is_some_and(|cpu| self.sum.get() > cpu)
    }
}
