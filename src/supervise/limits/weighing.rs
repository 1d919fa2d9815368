//! Adding up the shares of many processes, which takes a while, in which they change: of a page that
//! two have, one ends between both looks, the first was seen to have a half and the second all of it.
//! So what is too much is added up a second time, and the less of both counts: what has ended or was
//! given back is nothing then.

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

/// Processes that are being weighed.
#[derive(Debug)]
pub struct Weighing {
    order: Vec<Tid>,
    weights: Vec<u64>,
    /// How many of the second look are done, in the second look.
    again: Option<usize>,
    took: Duration,
}

impl Weighing {
    /// Of these, and of none that are made later.
    pub fn new(order: Vec<Tid>) -> Self {
        Self {
            order,
            weights: Vec::new(),
            again: None,
            took: Duration::ZERO,
        }
    }

    /// What all steps took.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Goes on for so long. The heaviest should come first: what is more than `enough` is known by few.
    pub fn go(
        &mut self,
        enough: u64,
        time: Duration,
        mut weigh: impl FnMut(Tid) -> u64,
    ) -> Weighed {
        let begin = Instant::now();
        let mut result = Weighed::Unfinished;
        while result == Weighed::Unfinished {
            result = self.step(enough, &mut weigh);
            if begin.elapsed() >= time {
                break;
            }
        }
        self.took += begin.elapsed();
        result
    }

    fn step(&mut self, enough: u64, weigh: &mut impl FnMut(Tid) -> u64) -> Weighed {
        let sum = |weights: &[u64]| {
            weights
                .iter()
                .fold(0, |sum: u64, it| sum.saturating_add(*it))
        };
        let done = self.again.unwrap_or(self.weights.len());
        match (self.order.get(done), self.again) {
            (Some(&pid), None) => {
                self.weights.push(weigh(pid));
                if sum(&self.weights) > enough {
                    self.order.truncate(self.weights.len());
                    self.again = Some(0);
                }
                Weighed::Unfinished
            }
            (Some(&pid), Some(done)) => {
                let now = weigh(pid);
                if let Some(weight) = self.weights.get_mut(done) {
                    *weight = now.min(*weight);
                }
                self.again = Some(done + 1);
                Weighed::Unfinished
            }
            (None, _) => match sum(&self.weights) {
                heavy if heavy > enough => Weighed::Heavy(heavy),
                light => Weighed::Light(light),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn who_is_light_is_looked_at_once_and_who_is_heavy_twice() {
        let mut looks = 0;
        let mut weigh = |pid: Tid| {
            looks += 1;
            pid as u64
        };
        let mut light = Weighing::new(vec![3, 2, 1]);
        assert_eq!(light.go(6, LONG, &mut weigh), Weighed::Light(6));
        let mut heavy = Weighing::new(vec![3, 2, 1]);
        assert_eq!(heavy.go(4, LONG, &mut weigh), Weighed::Heavy(5));
        assert_eq!(looks, 3 + 2 * 2);
        assert_eq!(Weighing::new(vec![]).go(0, LONG, |_| 1), Weighed::Light(0));
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
        assert_eq!(
            Weighing::new(vec![1, 2]).go(9, LONG, weigh),
            Weighed::Light(8)
        );
    }

    #[test]
    fn it_goes_on_where_its_time_was_over() {
        let mut weighing = Weighing::new(vec![1, 2, 3]);
        let mut steps = 1;
        while weighing.go(5, Duration::ZERO, |pid| pid as u64) == Weighed::Unfinished {
            steps += 1;
        }
        // Three, three again, and the sum.
        assert_eq!(steps, 7);
    }
}
