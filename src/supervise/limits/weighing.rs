//! Adding up the shares of many processes, which takes a while, in which they change: of a page that
//! two have, one ends between both looks, the first was seen to have a half and the second all of it; or
//! one gives memory back, and the other one takes as much. So what is too much is looked at again, and
//! once more, at later ticks, and the least counts: what has ended or was given back is nothing then.

use crate::trace::Tid;
use std::time::{Duration, Instant};

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighed {
    /// There is more to look at.
    Unfinished,
    /// All together are no more than is enough: so much.
    Light(u64),
    /// They are more: so much at least.
    Heavy(u64),
}

/// So many looks there are at what is too much.
const LOOKS: u32 = 3;

/// Processes that are being weighed.
#[derive(Debug)]
pub struct Weighing {
    order: Vec<Tid>,
    weights: Vec<u64>,
    /// How many are done in this look.
    done: usize,
    /// How many looks are done.
    looks: u32,
    took: Duration,
}

impl Weighing {
    /// Of these, and of none that are made later.
    pub fn new(order: Vec<Tid>) -> Self {
        Self {
            order,
            weights: Vec::new(),
            done: 0,
            looks: 0,
            took: Duration::ZERO,
        }
    }

    /// What all steps took.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Goes on for so long, and no further than to the end of a look. The heaviest should come first: what
    /// is more than `enough` is known by few.
    pub fn go(
        &mut self,
        enough: u64,
        time: Duration,
        mut weigh: impl FnMut(Tid) -> u64,
    ) -> Weighed {
        let begin = Instant::now();
        let mut is_over = false;
        while !is_over && let Some(&pid) = self.order.get(self.done) {
            let now = weigh(pid);
            match self.weights.get_mut(self.done) {
                Some(weight) => *weight = now.min(*weight),
                None => self.weights.push(now),
            }
            self.done += 1;
            if self.looks == 0 && self.sum() > enough {
                self.order.truncate(self.done);
            }
            is_over = begin.elapsed() >= time;
        }
        self.took += begin.elapsed();
        if self.done < self.order.len() {
            return Weighed::Unfinished;
        }
        (self.done, self.looks) = (0, self.looks + 1);
        match self.sum() {
            light if light <= enough => Weighed::Light(light),
            heavy if self.looks >= LOOKS => Weighed::Heavy(heavy),
            _ => Weighed::Unfinished,
        }
    }

    fn sum(&self) -> u64 {
        self.weights.iter().copied().fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn weighed(
        mut weighing: Weighing,
        enough: u64,
        time: Duration,
        mut weigh: impl FnMut(Tid) -> u64,
    ) -> (Weighed, u32) {
        let mut ticks = 1;
        loop {
            match weighing.go(enough, time, &mut weigh) {
                Weighed::Unfinished => ticks += 1,
                other => return (other, ticks),
            }
        }
    }

    #[test]
    fn who_is_light_is_looked_at_once_and_who_is_heavy_at_three_ticks() {
        let mut looks = 0;
        let mut weigh = |pid: Tid| {
            looks += 1;
            pid as u64
        };
        let light = weighed(Weighing::new(vec![3, 2, 1]), 6, LONG, &mut weigh);
        assert_eq!(light, (Weighed::Light(6), 1));
        let heavy = weighed(Weighing::new(vec![3, 2, 1]), 4, LONG, &mut weigh);
        assert_eq!(heavy, (Weighed::Heavy(5), 3));
        assert_eq!(looks, 3 + 2 * 3);
        let none = weighed(Weighing::new(vec![]), 0, LONG, |_| 1);
        assert_eq!(none, (Weighed::Light(0), 1));
    }

    #[test]
    fn a_page_of_one_that_ends_between_two_looks_counts_once() {
        let mut looks = 0;
        // Both share 8: the first is seen with its half, ends, and the second has all of it.
        let weigh = |pid: Tid| {
            looks += 1;
            match (pid, looks) {
                (1, 1) => 4,
                (1, _) => 0,
                _ => 8,
            }
        };
        let both = weighed(Weighing::new(vec![1, 2]), 9, LONG, weigh);
        assert_eq!(both, (Weighed::Light(8), 2));
    }

    #[test]
    fn it_goes_on_where_its_time_was_over() {
        let all = Weighing::new(vec![1, 2, 3]);
        let (found, ticks) = weighed(all, 5, Duration::ZERO, |pid| pid as u64);
        assert_eq!((found, ticks), (Weighed::Heavy(6), 9));
    }
}
