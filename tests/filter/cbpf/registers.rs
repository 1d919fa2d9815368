//! Register values around every boundary that a policy and the baseline know.

#![allow(dead_code)]

use jail::internal::baseline::{Baseline, Watch};
use jail::internal::condition::Condition;
use jail::internal::policy::Policy;

/// A small generator of numbers, the same in every run.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn throw(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn pick(&mut self, from: &[u64]) -> u64 {
        from[(self.throw() % from.len() as u64) as usize]
    }
}

/// Values of interest, for each argument.
#[derive(Debug, Clone)]
pub struct Values {
    of: [Vec<u64>; 6],
    /// Which arguments something is compared with.
    compared: [bool; 6],
}

impl Default for Values {
    fn default() -> Values {
        const ALWAYS: [u64; 8] = [
            0,
            1,
            u64::MAX,
            0xffff_ffff,
            1 << 31,
            (1 << 31) - 1,
            1 << 63,
            (1 << 63) - 1,
        ];
        Values {
            of: std::array::from_fn(|_| ALWAYS.to_vec()),
            compared: [false; 6],
        }
    }
}

impl Values {
    /// A value that something compares an argument with, and what surrounds it.
    pub fn add(&mut self, arg: u8, value: u64, mask: Option<u64>) {
        let near = [value, value.wrapping_sub(1), value.wrapping_add(1)];
        self.compared[usize::from(arg)] = true;
        let list = &mut self.of[usize::from(arg)];
        for value in near {
            let dirty = value & 0xffff_ffff | 0xdead_beef_0000_0000;
            list.extend([
                value,
                dirty,
                value as u32 as i32 as i64 as u64,
                value ^ 1 << 63,
            ]);
        }
        if let Some(mask) = mask {
            list.extend([mask, !mask, value | !mask, value | 0xffff_ffff_0000_0000]);
            let bits = (0..64).filter(|bit| mask >> bit & 1 == 1);
            list.extend(bits.map(|bit| value ^ 1 << bit));
        }
        list.sort_unstable();
        list.dedup();
    }

    /// Every value that a condition compares with.
    pub fn add_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Compare(c) => self.add(c.arg, c.value, c.mask),
            Condition::Not(inner) => self.add_condition(inner),
            Condition::All(inner) | Condition::Any(inner) => {
                inner
                    .iter()
                    .for_each(|condition| self.add_condition(condition));
            }
        }
    }

    /// For the calls of one name under a policy and the baseline of any host.
    pub fn of(policy: &Policy, name: &str) -> Values {
        let mut values = Values::default();
        for rule in &policy.rules {
            for (about, condition) in &rule.conditions {
                if about.name == name {
                    values.add_condition(condition);
                }
            }
        }
        for rule in Baseline::new(0)
            .rules()
            .chain(Watch::all_rules())
            .filter(|rule| rule.syscalls.contains(&name))
        {
            for test in rule.when.any.iter().copied().flatten() {
                values.add(test.arg, test.value, test.mask);
            }
        }
        values
    }

    /// Calls: each value of each argument that matters at least twice, the others by chance, and
    /// `more` by chance alone. A few where nothing matters.
    pub fn calls(&self, dice: &mut Dice, more: usize) -> Vec<[u64; 6]> {
        let mut calls = Vec::new();
        for (arg, values) in self
            .of
            .iter()
            .enumerate()
            .filter(|(arg, _)| self.compared[*arg])
        {
            for value in values {
                let mut call = self.by_chance(dice);
                call[arg] = *value;
                calls.push(call);
                // The same with all else zero: what most conditions ask of the other arguments.
                let mut call = [0; 6];
                call[arg] = *value;
                calls.push(call);
            }
        }
        let more = if calls.is_empty() { 3 } else { more };
        calls.extend((0..more).map(|_| self.by_chance(dice)));
        calls
    }

    fn by_chance(&self, dice: &mut Dice) -> [u64; 6] {
        std::array::from_fn(|arg| dice.pick(&self.of[arg]))
    }
}
