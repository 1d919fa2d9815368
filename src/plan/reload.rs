//! A BPF program that does not load what it has loaded.
//!
//! Each test of an argument begins with a load. Where a jump leads to one that would load what every way to the jump
//! has loaded last, it leads past it, so that many loads are left out of the program by `shrink`: the kernel
//! translates less at each start, and a call that its cache does not know runs through less.

use seccompiler::sock_filter;

use super::bpf::{Flow, flow, load};

/// What is loaded when an instruction is reached.
#[derive(Clone, Copy, PartialEq)]
enum Loaded {
    /// The word at this offset.
    Word(u32),
    /// Something else, or different words by different ways.
    Other,
}

/// Lets each jump lead past the loads that it makes superfluous. All jumps of BPF lead forward.
pub(super) fn skip_reloads(program: &mut [sock_filter]) {
    let mut reached = vec![None; program.len()];
    if let Some(first) = reached.first_mut() {
        *first = Some(Loaded::Other);
    }
    for at in 0..program.len() {
        let (Some(Some(loaded)), Some(instruction)) = (reached.get(at), program.get(at)) else {
            continue;
        };
        let loaded = *loaded;
        let mut follow = |distance: u32, reach| {
            let distance = past_loads(program, at + 1, distance, reach, loaded);
            join(&mut reached, at + 1 + distance as usize, loaded);
            distance
        };
        let leads = match flow(instruction) {
            Flow::End => continue,
            Flow::Next => {
                let loaded = word(instruction).map_or(Loaded::Other, Loaded::Word);
                join(&mut reached, at + 1, loaded);
                continue;
            }
            Flow::Jump(distance) => Flow::Jump(follow(distance, u32::MAX)),
            Flow::Branch(yes, no) => {
                let reach = u32::from(u8::MAX);
                Flow::Branch(follow(yes, reach), follow(no, reach))
            }
        };
        match (leads, program.get_mut(at)) {
            (Flow::Jump(distance), Some(jump)) => jump.k = distance,
            (Flow::Branch(yes, no), Some(branch)) => {
                (branch.jt, branch.jf) = (yes as u8, no as u8);
            }
            _ => {}
        }
    }
}

/// The offset of what an instruction loads.
fn word(instruction: &sock_filter) -> Option<u32> {
    (instruction.code == load(0).code).then_some(instruction.k)
}

/// The distance from `from` of what follows loads of what is loaded, as far as a jump can lead.
fn past_loads(
    program: &[sock_filter],
    from: usize,
    mut distance: u32,
    reach: u32,
    loaded: Loaded,
) -> u32 {
    while distance < reach
        && let Some(next) = program.get(from + distance as usize)
        && word(next).map(Loaded::Word) == Some(loaded)
    {
        distance += 1;
    }
    distance
}

/// An instruction is reached with this loaded, too.
fn join(reached: &mut [Option<Loaded>], at: usize, loaded: Loaded) {
    if let Some(known) = reached.get_mut(at) {
        *known = match *known {
            None => Some(loaded),
            Some(other) if other == loaded => Some(loaded),
            Some(_) => Some(Loaded::Other),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::bpf::{self, Return};
    use super::super::shrink::shrink;
    use super::*;

    #[test]
    fn a_word_is_loaded_once_for_a_list_of_values() {
        let deny = || Return::TRACE.instruction();
        let allow = || Return::ALLOW.instruction();
        let program = [
            bpf::load(16),
            bpf::if_equal(1, 0, 1),
            deny(),
            bpf::load(16),
            bpf::if_equal(2, 0, 1),
            deny(),
            allow(),
        ];
        let shorter = [
            bpf::load(16),
            bpf::if_equal(1, 1, 0),
            bpf::if_equal(2, 0, 1),
            deny(),
            allow(),
        ];
        assert_eq!(shrink(&program), shorter);
    }

    #[test]
    fn a_word_is_loaded_again_where_something_else_may_be_loaded() {
        let deny = || Return::TRACE.instruction();
        let allow = || Return::ALLOW.instruction();
        let begins: [&[sock_filter]; 3] = [
            &[bpf::load(16), bpf::load(24)],
            &[bpf::load(16), bpf::and(1)],
            // By one of two ways.
            &[bpf::load(16), bpf::if_equal(1, 0, 1), bpf::load(24)],
        ];
        for begin in begins {
            let mut program = begin.to_vec();
            program.extend([bpf::if_equal(2, 0, 1), deny(), bpf::load(16)]);
            program.extend([bpf::if_equal(3, 0, 1), deny(), allow()]);
            let as_it_was = program.clone();
            skip_reloads(&mut program);
            assert_eq!(program, as_it_was);
        }
    }

    #[test]
    fn a_jump_that_cannot_lead_farther_stays() {
        let mut program = vec![bpf::load(16), bpf::if_equal(1, 0, u8::MAX)];
        program.resize(2 + usize::from(u8::MAX), bpf::and(1));
        program.extend([bpf::load(16), Return::ALLOW.instruction()]);
        let as_it_was = program.clone();
        skip_reloads(&mut program);
        assert_eq!(program, as_it_was);
    }
}
