//! Policy and baseline, sorted by system call and by precedence: the judge walks this, and the plan
//! compiles it. It does not decide single calls.

use super::Reason;
use crate::baseline::{self, Answer, Baseline};
use crate::condition::Condition;
use crate::policy::{Action, Object, Origin, Policy, Target};
use crate::sorting::sort_by_key;
use crate::syscalls::{self, Syscall};

/// How the calls of one system call are decided: the first rule whose condition holds, else
/// `otherwise`; then the first rule of the baseline that the ruling is subject to.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    /// The `[[rule]]`s, strictest first.
    pub rules: &'a [Step],
    /// The ruling of the name, the groups or the default.
    pub otherwise: Ruling,
    /// The baseline, strictest first.
    pub baseline: &'a [&'static baseline::Rule],
}

/// A `[[rule]]` for one system call.
#[derive(Debug)]
pub struct Step {
    /// Over the arguments of that system call.
    pub condition: Condition,
    /// A further condition, on what is not in registers.
    pub object: Option<Object>,
    /// Its ruling if the condition holds.
    pub ruling: Ruling,
}

/// The ruling of the policy alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// What to do.
    pub action: Action,
    /// Not reported.
    pub quiet: bool,
    /// The entry that decided.
    pub reason: Reason,
}

/// The chains of all system calls, by number.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// The default's, then that of [`baseline::ALWAYS`], then one of each entry.
    rulings: Vec<Placed>,
    rules: Vec<Step>,
    baseline: Vec<&'static baseline::Rule>,
}

/// A ruling and its place.
type Placed = (Ruling, Origin);

/// Kept small: there is one for each number, and a jail reads all of them when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    level: Level,
    /// Index into the rulings.
    otherwise: u32,
    rules: Span,
    baseline: Span,
}

/// How specific `otherwise` is; a hole has no system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Hole,
    Default,
    Group,
    Name,
    Always,
}

const DEFAULT: u32 = 0;
const ALWAYS: u32 = 1;

/// The range of a row in a shared list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Extends the range by the element just pushed; those of a row are pushed consecutively.
    fn extend_to(&mut self, len: usize) {
        let end = len as u32;
        if self.start == self.end {
            self.start = end.saturating_sub(1);
        }
        self.end = end;
    }

    fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.start as usize..self.end as usize)
            .unwrap_or(&[])
    }
}

impl Table {
    pub(super) fn new(policy: &Policy, baseline: &Baseline) -> Table {
        let mut table = Table {
            rows: rows(),
            rulings: rulings(policy),
            rules: Vec::new(),
            baseline: Vec::new(),
        };
        table.place_entries(policy);
        table.place_always();
        table.place_rules(policy);
        table.place_baseline(baseline);
        table
    }

    /// Whether both have the same chains, but for what is not in registers.
    pub(super) fn compiles_as(&self, other: &Table) -> bool {
        let same = |(one, other): (&Step, &Step)| {
            one.ruling == other.ruling
                && one.object.is_some() == other.object.is_some()
                && one.condition == other.condition
        };
        self.rows == other.rows
            && self.rulings == other.rulings
            && self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(same)
            && self.baseline.len() == other.baseline.len()
            && self
                .baseline
                .iter()
                .zip(&other.baseline)
                .all(|(one, other)| std::ptr::eq(*one, *other))
    }

    pub(super) fn chain(&self, nr: u32) -> Option<Chain<'_>> {
        let row = self.rows.get(nr as usize)?;
        if row.level == Level::Hole {
            return None;
        }
        Some(Chain {
            rules: row.rules.of(&self.rules),
            otherwise: self.rulings.get(row.otherwise as usize)?.0,
            baseline: row.baseline.of(&self.baseline),
        })
    }

    pub(super) fn chains(&self) -> impl Iterator<Item = (u32, Chain<'_>)> {
        (0..self.rows.len() as u32).filter_map(|nr| Some((nr, self.chain(nr)?)))
    }

    /// `[syscalls]`: a name takes precedence over a group, and among equals the strictest decides.
    fn place_entries(&mut self, policy: &Policy) {
        for (ruling, entry) in (ALWAYS + 1..).zip(&policy.syscalls) {
            match entry.target {
                Target::Syscall(syscall) => self.offer(syscall, Level::Name, ruling),
                Target::Group(group) => {
                    for syscall in group.set.iter() {
                        self.offer(syscall, Level::Group, ruling);
                    }
                }
                Target::Foreign => {}
            }
        }
    }

    fn place_always(&mut self) {
        for name in baseline::ALWAYS {
            if let Some(syscall) = syscalls::by_name(name) {
                self.offer(syscall, Level::Always, ALWAYS);
            }
        }
    }

    fn offer(&mut self, syscall: &Syscall, level: Level, ruling: u32) {
        let row = syscall
            .number()
            .and_then(|nr| self.rows.get_mut(nr as usize));
        let Some(row) = row else { return };
        let strictness = |index: u32| self.rulings.get(index as usize).map(strictness);
        let stricter = || strictness(ruling) < strictness(row.otherwise);
        if level > row.level || (level == row.level && stricter()) {
            row.level = level;
            row.otherwise = ruling;
        }
    }

    /// `[[rule]]`s, each system call's strictest first: the first that holds decides.
    fn place_rules(&mut self, policy: &Policy) {
        let mut found: Vec<(u32, Placed, &Condition, Option<&Object>)> = Vec::new();
        for (index, rule) in policy.rules.iter().enumerate() {
            let ruling = Ruling {
                action: rule.action,
                quiet: rule.quiet,
                reason: Reason::Rule(index),
            };
            for (syscall, condition) in &rule.conditions {
                if let Some(nr) = syscall.number() {
                    found.push((nr, (ruling, rule.origin), condition, rule.object.as_ref()));
                }
            }
        }
        sort_by_key(&mut found, |(nr, placed, ..)| (*nr, strictness(placed)));
        self.rules.reserve_exact(found.len());
        for (nr, (ruling, _), condition, object) in found {
            let Some(row) = self.rows.get_mut(nr as usize) else {
                continue;
            };
            if row.level == Level::Always {
                continue;
            }
            self.rules.push(Step {
                condition: condition.clone(),
                object: object.cloned(),
                ruling,
            });
            row.rules.extend_to(self.rules.len());
        }
    }

    fn place_baseline(&mut self, baseline: &Baseline) {
        let mut found: Vec<(u32, u8, &'static baseline::Rule)> = Vec::with_capacity(64);
        for rule in baseline.rules() {
            for name in rule.syscalls {
                if let Some(nr) = syscalls::by_name(name).and_then(Syscall::number) {
                    found.push((nr, rank(rule.answer), rule));
                }
            }
        }
        sort_by_key(&mut found, |(nr, rank, _)| (*nr, *rank));
        self.baseline.reserve_exact(found.len());
        for (nr, _, rule) in found {
            let Some(row) = self.rows.get_mut(nr as usize) else {
                continue;
            };
            self.baseline.push(rule);
            row.baseline.extend_to(self.baseline.len());
        }
    }
}

/// One row per number, including holes.
fn rows() -> Vec<Row> {
    let hole = Row {
        level: Level::Hole,
        otherwise: DEFAULT,
        rules: Span::default(),
        baseline: Span::default(),
    };
    let numbers = || syscalls::all().iter().filter_map(Syscall::number);
    let mut rows = vec![hole; numbers().max().map_or(0, |last| last as usize + 1)];
    for nr in numbers() {
        if let Some(row) = rows.get_mut(nr as usize) {
            row.level = Level::Default;
        }
    }
    rows
}

/// The rulings of a policy's default, names and groups, in the order of [`Table::rulings`].
fn rulings(policy: &Policy) -> Vec<Placed> {
    let ruling = |action, quiet, reason| Ruling {
        action,
        quiet,
        reason,
    };
    let default = policy.default;
    let fixed = [
        ruling(policy.default_of_calls(), false, Reason::Default),
        ruling(Action::Allow, false, Reason::Always),
    ];
    let fixed = fixed.into_iter().map(|ruling| (ruling, default.origin));
    let mut rulings = Vec::with_capacity(policy.syscalls.len() + 2);
    rulings.extend(fixed);
    rulings.extend(policy.syscalls.iter().enumerate().map(|(index, entry)| {
        let ruling = ruling(entry.action, entry.quiet, Reason::Entry(index));
        (ruling, entry.origin)
    }));
    rulings
}

/// Smaller is stricter. Kill, then deny, then allow; a reported denial before a silent one, then
/// by number and by place, so that the order of entries changes nothing.
fn strictness((ruling, origin): &Placed) -> (u8, i32, Origin) {
    let (rank, errno) = match (ruling.action, ruling.quiet) {
        (Action::Kill, _) => (0, 0),
        (Action::Deny(errno), false) => (1, errno.number()),
        (Action::Deny(errno), true) => (2, errno.number()),
        (Action::Allow, _) => (3, 0),
    };
    (rank, errno, *origin)
}

fn rank(answer: Answer) -> u8 {
    match answer {
        Answer::Deny(_) => 0,
        Answer::Quiet(_) => 1,
        Answer::Close(_) => 2,
        Answer::Check(_) => 3,
    }
}
