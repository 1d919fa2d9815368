//! A BPF program without what is in it twice.
//!
//! The kernel checks and translates a filter each time that a jail starts, so fewer instructions are a faster start.
//! Two instructions are alike if they do the same and whatever may follow them is alike. A jump may lead to either
//! of them, so each jump leads to one to which others lead already, and what nothing leads to any more is left out.
//! All jumps of BPF lead forward.

use seccompiler::sock_filter;
use std::collections::HashMap;

use super::bpf::{Flow, flow};
use super::reload::skip_reloads;
use crate::paths::QuickHash;

/// How far a conditional jump can lead.
const REACH: u32 = 1 + u8::MAX as u32;

/// No instruction.
const NONE: u32 = u32::MAX;

/// The same program with fewer instructions.
pub(super) fn shrink(program: &[sock_filter]) -> Vec<sock_filter> {
    let mut program = program.to_vec();
    skip_reloads(&mut program);
    let classes = Classes::of(&program);
    let mut chosen = vec![NONE; program.len()];
    // Where the instructions stand in the shorter program, and what follows them in the longer one.
    let mut places = vec![NONE; program.len()];
    let mut reached = vec![false; program.len()];
    let mut kept: Vec<(&sock_filter, [u32; 2])> = Vec::with_capacity(program.len());
    for (at, instruction) in (0_u32..).zip(&program) {
        if at > 0 && reached.get(at as usize) != Some(&true) {
            continue;
        }
        let mut lead = |distance: u32, reach| {
            let to = at.saturating_add(1).saturating_add(distance);
            classes.best(at, to, reach, &mut chosen)
        };
        let next = match flow(instruction) {
            Flow::End => [NONE; 2],
            Flow::Next => [at + 1; 2],
            Flow::Jump(distance) => [lead(distance, NONE); 2],
            Flow::Branch(yes, no) => [lead(yes, REACH), lead(no, REACH)],
        };
        for to in next {
            if let Some(reached) = reached.get_mut(to as usize) {
                *reached = true;
            }
        }
        if let Some(place) = places.get_mut(at as usize) {
            *place = kept.len() as u32;
        }
        kept.push((instruction, next));
    }
    let shorter = (1..).zip(&kept).map(|(after, (instruction, next))| {
        let place = |to: u32| places.get(to as usize).copied().unwrap_or_default();
        // What is left out makes a distance shorter, so that it still fits.
        let [yes, no] = next.map(|to| place(to).saturating_sub(after));
        let sock_filter { code, k, .. } = **instruction;
        match flow(instruction) {
            Flow::End | Flow::Next => sock_filter {
                code,
                jt: 0,
                jf: 0,
                k,
            },
            Flow::Jump(_) => sock_filter {
                code,
                jt: 0,
                jf: 0,
                k: yes,
            },
            Flow::Branch(..) => sock_filter {
                code,
                jt: yes as u8,
                jf: no as u8,
                k,
            },
        }
    });
    shorter.collect()
}

/// Which instructions are alike.
struct Classes {
    /// The class of each instruction. An unconditional jump has that of its target.
    of: Vec<u32>,
    /// The next instruction of the same class.
    next: Vec<u32>,
}

/// What an instruction does, and the classes of what may follow it.
type Same = (u16, u32, u32, u32);

impl Classes {
    fn of(program: &[sock_filter]) -> Classes {
        let mut of = vec![NONE; program.len()];
        let mut next = vec![NONE; program.len()];
        let mut known: HashMap<Same, u32, QuickHash> = HashMap::default();
        known.reserve(program.len());
        // The first place of each class, as far as the program was read.
        let mut first: Vec<u32> = Vec::with_capacity(program.len());
        for (at, instruction) in program.iter().enumerate().rev() {
            let class = |distance: u32| {
                let to = (at + 1).saturating_add(distance as usize);
                of.get(to).copied().unwrap_or(NONE)
            };
            let (yes, no) = match flow(instruction) {
                Flow::End => (NONE, NONE),
                Flow::Next => (class(0), NONE),
                Flow::Jump(distance) => (class(distance), NONE),
                Flow::Branch(yes, no) => (class(yes), class(no)),
            };
            let class = match flow(instruction) {
                Flow::Jump(_) if yes != NONE => yes,
                _ => {
                    let same = (instruction.code, instruction.k, yes, no);
                    *known.entry(same).or_insert(first.len() as u32)
                }
            };
            let later = match first.get_mut(class as usize) {
                Some(first) => std::mem::replace(first, at as u32),
                None => {
                    first.push(at as u32);
                    NONE
                }
            };
            if let (Some(of), Some(next)) = (of.get_mut(at), next.get_mut(at)) {
                (*of, *next) = (class, later);
            }
        }
        Classes { of, next }
    }

    /// Where a jump at `at` leads that led to `to` and can lead so far: to the place that was chosen last for this
    /// class, or to the last one that it reaches, which the most jumps after it reach, too.
    fn best(&self, at: u32, to: u32, reach: u32, chosen: &mut [u32]) -> u32 {
        let class = self.of.get(to as usize).copied().unwrap_or(NONE);
        let Some(chosen) = chosen.get_mut(class as usize) else {
            return to;
        };
        let is_near = |place: u32| place != NONE && place > at && place - at <= reach;
        if !is_near(*chosen) {
            let mut best = to;
            while let Some(next) = self.next.get(best as usize).copied()
                && is_near(next)
            {
                best = next;
            }
            *chosen = best;
        }
        *chosen
    }
}

#[cfg(test)]
mod tests {
    use super::super::bpf::{self, Return};
    use super::*;
    use crate::syscalls::Errno;
    use proptest::prelude::*;

    /// What a program returns for a call. Its instructions are loads of words, `&`, jumps and returns.
    fn run(program: &[sock_filter], words: &[u32; 4]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let instruction = &program[at];
            let distance = match flow(instruction) {
                Flow::End => return instruction.k,
                Flow::Jump(distance) => distance,
                Flow::Branch(yes, no) if instruction.code == bpf::if_equal(0, 0, 0).code => {
                    [no, yes][usize::from(value == instruction.k)]
                }
                Flow::Branch(yes, no) => [no, yes][usize::from(value >= instruction.k)],
                Flow::Next if instruction.code == bpf::and(0).code => {
                    value &= instruction.k;
                    0
                }
                Flow::Next => {
                    value = words[instruction.k as usize / 4];
                    0
                }
            };
            at += 1 + distance as usize;
        }
    }

    /// An instruction whose jumps stay within `left` instructions after it.
    fn instruction((kind, k, yes, no): (u8, u8, u16, u16), left: usize) -> sock_filter {
        let within = |distance: u16| (usize::from(distance) % left.max(1)).min(255) as u8;
        match (kind, left) {
            (_, 0) | (0, _) => {
                Return::errno([Errno::EPERM, Errno::ENOENT, Errno::ESRCH][usize::from(k % 3)])
                    .instruction()
            }
            (1, _) => bpf::load(4 * u32::from(k % 4)),
            (2, _) => bpf::and(u32::from(k % 4)),
            (3, _) => bpf::jump(u32::from(yes) % left as u32),
            (4, _) => bpf::if_at_least(u32::from(k % 4), within(yes), within(no)),
            _ => bpf::if_equal(u32::from(k % 4), within(yes), within(no)),
        }
    }

    proptest! {
        #[test]
        fn a_shorter_program_returns_the_same(
            parts in proptest::collection::vec((0u8..8, any::<u8>(), any::<u16>(), any::<u16>()), 1..700),
            calls in proptest::collection::vec(any::<[u32; 4]>(), 20),
        ) {
            let len = parts.len();
            let parts = parts.into_iter().enumerate();
            let program: Vec<sock_filter> =
                parts.map(|(at, part)| instruction(part, len - at - 1)).collect();
            let shorter = shrink(&program);
            prop_assert!(shorter.len() <= program.len());
            for words in calls {
                let words = words.map(|word| word % 5);
                prop_assert_eq!(run(&program, &words), run(&shorter, &words));
            }
        }
    }

    #[test]
    fn what_is_alike_is_there_once() {
        let deny = || Return::TRACE.instruction();
        let allow = || Return::ALLOW.instruction();
        let program = [
            bpf::load(0),
            bpf::if_equal(1, 0, 1),
            deny(),
            bpf::if_equal(2, 0, 1),
            deny(),
            bpf::load(4),
            bpf::if_equal(3, 0, 1),
            deny(),
            allow(),
        ];
        let shorter = [
            bpf::load(0),
            bpf::if_equal(1, 3, 0),
            bpf::if_equal(2, 2, 0),
            bpf::load(4),
            bpf::if_equal(3, 0, 1),
            deny(),
            allow(),
        ];
        assert_eq!(shrink(&program), shorter);
        assert_eq!(shrink(&shorter), shorter);
    }

    #[test]
    fn a_place_too_far_for_a_jump_is_kept_twice() {
        let deny = || Return::TRACE.instruction();
        let allow = || Return::ALLOW.instruction();
        let mut program = vec![bpf::load(0), bpf::if_equal(1, 0, 1), deny()];
        for number in 2..300 {
            program.extend([bpf::and(number), bpf::if_equal(number, 0, 1), allow()]);
        }
        program.extend([bpf::if_equal(1, 0, 1), deny(), allow()]);
        let shorter = shrink(&program);
        assert!(shorter.len() < program.len());
        for word in [0, 1, 2, 299] {
            let words = [word; 4];
            assert_eq!(run(&program, &words), run(&shorter, &words), "{word}");
        }
    }
}
