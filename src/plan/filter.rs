//! The BPF program: one, not a stack, with a binary search over system call numbers.
//!
//! Everything up to a leaf is what the kernel's cache of always-allowed calls can follow
//! (`seccomp_is_const_allow`, Linux 5.11): loads of `nr` and `arch`, jumps on constants, returns.
//! Such a call costs nothing more from its second time on. It decides nothing by itself.

use seccompiler::sock_filter;

use super::PlanError;
use super::block::Block;
use super::bpf::{self, Return};
use crate::judge::Judge;
use crate::syscalls::{self, Errno, arch};

/// The program of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The instructions, as the kernel takes them.
    pub program: Vec<sock_filter>,
    /// How each known number is answered, ascending.
    pub blocks: Vec<(u32, Block)>,
}

/// Numbers from `first` up to the next interval's, answered alike.
struct Interval {
    first: u32,
    leaf: Leaf,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Leaf {
    Return(Return),
    /// An index into the list of distinct conditional blocks.
    Block(usize),
}

/// The jump of a leaf that has to be pointed at its block.
struct Link {
    at: usize,
    block: usize,
}

impl Filter {
    /// Compiles what a judge decides.
    pub fn new(judge: &Judge) -> Result<Filter, PlanError> {
        let mut blocks = Vec::with_capacity(syscalls::COUNT);
        for (nr, chain) in judge.chains() {
            blocks.push((
                nr,
                Block::new(&chain, starts_programs(nr)).map_err(PlanError::Condition)?,
            ));
        }

        let unknown = Return::errno(Errno::ENOSYS);
        let mut program = vec![
            bpf::load(bpf::ARCH),
            bpf::if_equal(arch::NATIVE.audit_arch(), 1, 0),
            unknown.instruction(),
            bpf::load(bpf::NR),
        ];
        let (intervals, distinct) = intervals(&blocks, unknown);
        let mut links = Vec::new();
        search(&intervals, &mut program, &mut links);

        let mut starts = Vec::with_capacity(distinct.len());
        for code in &distinct {
            starts.push(program.len());
            program.extend_from_slice(code);
        }
        for Link { at, block } in links {
            if let (Some(start), Some(placeholder)) = (starts.get(block), program.get_mut(at)) {
                *placeholder = bpf::jump((start - at - 1) as u32);
            }
        }
        let filter = Filter { program, blocks };
        if filter.program.len() > bpf::MAX_LEN {
            return Err(filter.too_long());
        }
        Ok(filter)
    }

    fn too_long(&self) -> PlanError {
        let mut costly: Vec<(&'static str, usize)> = self
            .blocks
            .iter()
            .filter_map(|(nr, block)| Some((syscalls::by_number(*nr)?.name, block.len())))
            .collect();
        costly.sort_by_key(|(name, len)| (std::cmp::Reverse(*len), *name));
        costly.truncate(3);
        PlanError::TooLong {
            instructions: self.program.len(),
            costliest: costly,
        }
    }
}

/// Whether a number is execve's or execveat's. A jail starts its program by one of them, so even a
/// silent denial of it goes to the supervisor, which knows the first from the rest.
fn starts_programs(nr: u32) -> bool {
    syscalls::by_number(nr).is_some_and(|syscall| matches!(syscall.name, "execve" | "execveat"))
}

/// The whole range of numbers, with neighbours that are answered alike merged. Holes and what lies
/// past the last number (x32's are 0x40000000 and up) are unknown.
fn intervals(blocks: &[(u32, Block)], unknown: Return) -> (Vec<Interval>, Vec<&[sock_filter]>) {
    let mut distinct: Vec<&[sock_filter]> = Vec::new();
    let mut intervals: Vec<Interval> = Vec::with_capacity(blocks.len());
    let mut push = |first: u32, leaf: Leaf| {
        if intervals.last().is_none_or(|last| last.leaf != leaf) {
            intervals.push(Interval { first, leaf });
        }
    };
    let mut next = 0;
    for (nr, block) in blocks {
        if *nr != next {
            push(next, Leaf::Return(unknown));
        }
        next = nr.saturating_add(1);
        push(
            *nr,
            match block {
                Block::Plain(answer) => Leaf::Return(*answer),
                Block::Conditional(code) => Leaf::Block(
                    distinct
                        .iter()
                        .position(|known| known == code)
                        .unwrap_or_else(|| {
                            distinct.push(code);
                            distinct.len() - 1
                        }),
                ),
            },
        );
    }
    push(next, Leaf::Return(unknown));
    (intervals, distinct)
}

/// A binary search: at each node the lower half follows directly, the upper half is jumped to.
fn search(intervals: &[Interval], program: &mut Vec<sock_filter>, links: &mut Vec<Link>) {
    let (lower, upper) = intervals.split_at(intervals.len() / 2);
    let (Some(pivot), false) = (upper.first(), lower.is_empty()) else {
        return leaf(intervals, program, links);
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
        // Too far for a conditional jump: over an unconditional one.
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

fn leaf(intervals: &[Interval], program: &mut Vec<sock_filter>, links: &mut Vec<Link>) {
    match intervals.first().map(|interval| interval.leaf) {
        Some(Leaf::Return(answer)) => program.push(answer.instruction()),
        Some(Leaf::Block(block)) => {
            links.push(Link {
                at: program.len(),
                block,
            });
            program.push(bpf::jump(0));
        }
        // Of no interval at all: nothing is known, so nothing runs.
        None => program.push(Return::errno(Errno::ENOSYS).instruction()),
    }
}
