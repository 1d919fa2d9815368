//! The BPF program: one, not a stack, with a binary search over system call numbers, which ends in a few
//! comparisons.
//!
//! Up to a leaf it only uses what the kernel's cache of always-allowed calls can evaluate
//! (`seccomp_is_const_allow`, Linux 5.11): loads of `nr` and `arch`, jumps on constants, returns. An
//! always-allowed call then costs nothing more. This file makes no decisions itself.

use seccompiler::sock_filter;

use super::PlanError;
use super::block::{Block, By};
use super::bpf::{self, Return};
use super::shrink::shrink;
use crate::judge::Judge;
use crate::sorting::sort_by_key;
use crate::syscalls::{self, Errno, arch};

/// The program of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The instructions, as the kernel takes them.
    pub program: Vec<sock_filter>,
    /// How each known number is answered, ascending.
    pub leaves: Vec<(u32, Leaf)>,
}

/// How the calls of one number are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// All alike.
    Plain(Return),
    /// Depends on their registers: an index into the list of distinct blocks.
    Conditional(usize),
}

/// The numbers from `first` to before the next interval's, all with this answer.
struct Interval {
    first: u32,
    /// Whether it is one number.
    single: bool,
    leaf: Leaf,
}

/// How many numbers are compared one after the other at the end of a search.
const COMPARED: usize = 4;

/// A leaf's jump that must be linked to its block.
struct Link {
    at: usize,
    block: usize,
}

impl Filter {
    /// Compiles what a judge decides. `rewrites`, `waits`: the supervisor makes tracees run calls of its
    /// own, which the filter must not answer by itself. `enters`: a task may install the filter of a domain.
    pub fn new(
        judge: &Judge,
        rewrites: bool,
        waits: bool,
        enters: bool,
    ) -> Result<Filter, PlanError> {
        let mut traced = numbers(&STARTS_PROGRAMS);
        if enters {
            traced.extend(numbers(&ENTERING));
        }
        if rewrites {
            traced.extend(numbers(&REWRITTEN));
        }
        if waits {
            traced.extend(numbers(&WAITING));
        }
        let by = |nr| match traced.contains(&nr) {
            true => By::SupervisorAlways,
            false => By::Supervisor,
        };
        Filter::answered(judge, by, None)
    }

    /// The same without a supervisor. `start`: the descriptor that may be executed, whatever is denied.
    pub fn unsupervised(judge: &Judge, start: Option<u32>) -> Result<Filter, PlanError> {
        Filter::answered(judge, |_| By::Filter, start)
    }

    fn answered(
        judge: &Judge,
        by: impl Fn(u32) -> By,
        start: Option<u32>,
    ) -> Result<Filter, PlanError> {
        let execveat = syscalls::by_name("execveat").and_then(syscalls::Syscall::number);
        let mut blocks: Vec<Vec<sock_filter>> = Vec::with_capacity(32);
        let mut leaves = Vec::with_capacity(syscalls::COUNT);
        for (nr, chain) in judge.chains() {
            let block = Block::new(&chain, by(nr)).map_err(PlanError::Condition)?;
            let block = match start.filter(|_| Some(nr) == execveat) {
                Some(descriptor) => block.or_executes(descriptor),
                None => block,
            };
            let leaf = match block {
                Block::Plain(answer) => Leaf::Plain(answer),
                Block::Conditional(code) => {
                    let known = blocks.iter().position(|known| *known == code);
                    Leaf::Conditional(known.unwrap_or_else(|| {
                        blocks.push(code);
                        blocks.len() - 1
                    }))
                }
            };
            leaves.push((nr, leaf));
        }

        let unknown = Return::errno(Errno::ENOSYS);
        let mut program = Vec::with_capacity(512);
        program.extend([
            bpf::load(bpf::ARCH),
            bpf::if_equal(arch::NATIVE.audit_arch(), 1, 0),
            unknown.instruction(),
            bpf::load(bpf::NR),
        ]);
        let mut links = Vec::with_capacity(blocks.len());
        search(&intervals(&leaves, unknown), &mut program, &mut links);

        let mut starts = Vec::with_capacity(blocks.len());
        for code in &blocks {
            starts.push(program.len());
            program.extend_from_slice(code);
        }
        for Link { at, block } in links {
            if let (Some(start), Some(placeholder)) = (starts.get(block), program.get_mut(at)) {
                *placeholder = bpf::jump((start - at - 1) as u32);
            }
        }
        let program = shrink(&program);
        if program.len() > bpf::MAX_LEN {
            return Err(too_long(program.len(), &leaves, &blocks));
        }
        Ok(Filter { program, leaves })
    }
}

fn too_long(instructions: usize, leaves: &[(u32, Leaf)], blocks: &[Vec<sock_filter>]) -> PlanError {
    let cost = |(nr, leaf): &(u32, Leaf)| match leaf {
        Leaf::Plain(_) => None,
        Leaf::Conditional(block) => {
            Some((syscalls::by_number(*nr)?.name, blocks.get(*block)?.len()))
        }
    };
    let mut costliest: Vec<(&'static str, usize)> = leaves.iter().filter_map(cost).collect();
    sort_by_key(&mut costliest, |(name, len)| {
        (std::cmp::Reverse(*len), *name)
    });
    costliest.truncate(3);
    PlanError::TooLong {
        instructions,
        costliest,
    }
}

/// A jail starts its program by one of these calls, so even a silent denial goes to the supervisor,
/// which can tell the first exec from later ones.
const STARTS_PROGRAMS: [&str; 2] = ["execve", "execveat"];

/// The calls that the supervisor makes a tracee run. The filter is evaluated for them again: another
/// RET_TRACE causes no second stop, but any other answer except "allow" applies (seccomp(2)).
const REWRITTEN: [&str; 2] = ["mmap", "openat2"];

/// The same to enter a domain: a task maps the pages and installs the filter of the domain.
const ENTERING: [&str; 2] = ["mmap", "seccomp"];

/// The same for sockets: calls to wait, to send what was judged, and to map pages for that.
const WAITING: [&str; 6] = [
    "sendto",
    "sendmsg",
    "recvfrom",
    "poll",
    "sched_yield",
    "mmap",
];

fn numbers(names: &[&str]) -> Vec<u32> {
    let number = |name: &&str| syscalls::by_name(name)?.number();
    names.iter().filter_map(number).collect()
}

/// The whole range of numbers; neighbours with the same answer are merged. Holes, and numbers past the
/// last one (x32's are 0x40000000 and up), are unknown.
fn intervals(leaves: &[(u32, Leaf)], unknown: Return) -> Vec<Interval> {
    let mut intervals: Vec<Interval> = Vec::with_capacity(256);
    let mut push = |first: u32, leaf: Leaf| match intervals.last_mut() {
        Some(last) if last.leaf == leaf => {}
        last => {
            if let Some(last) = last {
                last.single = first - last.first == 1;
            }
            intervals.push(Interval {
                first,
                single: false,
                leaf,
            });
        }
    };
    let mut next = 0;
    for (nr, leaf) in leaves {
        if *nr != next {
            push(next, Leaf::Plain(unknown));
        }
        push(*nr, *leaf);
        next = nr.saturating_add(1);
    }
    push(next, Leaf::Plain(unknown));
    intervals
}

/// The most common answer of these intervals, if all others are for single numbers, and few.
fn but_for_few(intervals: &[Interval]) -> Option<Leaf> {
    if intervals.len() > 2 * COMPARED + 1 {
        return None;
    }
    let count = |leaf| intervals.iter().filter(|other| other.leaf == leaf).count();
    let main = match intervals.iter().find(|interval| !interval.single) {
        Some(wide) => wide.leaf,
        None => intervals
            .iter()
            .map(|it| it.leaf)
            .max_by_key(|leaf| count(*leaf))?,
    };
    let mut others = intervals.iter().filter(|interval| interval.leaf != main);
    (others.clone().count() <= COMPARED && others.all(|interval| interval.single)).then_some(main)
}

/// Compares with the single numbers, then answers as for all others. The answers of the single numbers follow, each
/// once: most numbers that are not allowed lie alone among allowed ones.
fn compare(
    intervals: &[Interval],
    main: Leaf,
    program: &mut Vec<sock_filter>,
    links: &mut Vec<Link>,
) {
    let start = program.len();
    let others = || intervals.iter().filter(|interval| interval.leaf != main);
    let mut answers: Vec<Leaf> = Vec::with_capacity(COMPARED);
    for other in others() {
        if !answers.contains(&other.leaf) {
            answers.push(other.leaf);
        }
    }
    let after = others().count() + 1;
    for (at, other) in others().enumerate() {
        let answer = answers.iter().position(|answer| *answer == other.leaf);
        // At most nine instructions.
        let distance = after + answer.unwrap_or_default() - at - 1;
        program.push(bpf::if_equal(other.first, distance as u8, 0));
    }
    leaf(main, program, links);
    for answer in answers {
        leaf(answer, program, links);
    }
    debug_assert!(program.len() - start <= 2 * COMPARED + 1);
}

/// A binary search: at each node the lower half follows directly, the upper half is jumped to.
fn search(intervals: &[Interval], program: &mut Vec<sock_filter>, links: &mut Vec<Link>) {
    if let Some(main) = but_for_few(intervals) {
        return compare(intervals, main, program, links);
    }
    let (lower, upper) = intervals.split_at(intervals.len() / 2);
    let Some(pivot) = upper.first() else {
        // There is no interval: no call is known, so no call is allowed.
        return program.push(Return::errno(Errno::ENOSYS).instruction());
    };
    let node = program.len();
    program.push(bpf::jump(0));
    search(lower, program, links);
    match u8::try_from(program.len() - node - 1) {
        Ok(distance) => {
            if let Some(placeholder) = program.get_mut(node) {
                *placeholder = bpf::if_at_least(pivot.first, distance, 0);
            }
        }
        // Too far for a conditional jump, so it goes over an unconditional one.
        Err(_) => {
            program.insert(node, bpf::if_at_least(pivot.first, 0, 1));
            let distance = program.len() - node - 2;
            if let Some(placeholder) = program.get_mut(node + 1) {
                *placeholder = bpf::jump(distance as u32);
            }
            for link in links.iter_mut().filter(|link| link.at >= node) {
                link.at += 1;
            }
        }
    }
    search(upper, program, links);
}

fn leaf(leaf: Leaf, program: &mut Vec<sock_filter>, links: &mut Vec<Link>) {
    match leaf {
        Leaf::Plain(answer) => program.push(answer.instruction()),
        Leaf::Conditional(block) => {
            links.push(Link {
                at: program.len(),
                block,
            });
            program.push(bpf::jump(0));
        }
    }
}
