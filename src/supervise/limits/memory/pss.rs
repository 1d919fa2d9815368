//! Adding up the shares of many processes, which takes a while, in which they change: of a page that
//! two have, one ends between both looks, the first was seen to have a half and the second all of it.
//! So what is too much is added up a second time, and the less of both counts: what has ended or was
//! given back is nothing then. A page that others have got meanwhile is theirs in part: more are looked at
//! then than before.

use crate::trace::Tid;
use std::time::{Duration, Instant};

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summed {
    /// There is more to look at.
    Unfinished,
    /// All together are no more than is enough: so much.
    Light(u64),
    /// They are more: so much at least.
    Heavy(u64),
}

/// Processes that are being weighed.
#[derive(Debug)]
pub struct PssSum {
    order: Vec<Tid>,
    weights: Vec<u64>,
    /// How many of the second look are done, in the second look.
    again: Option<usize>,
    since: Instant,
    took: Duration,
}

impl PssSum {
    /// Of these, and of none that are made later.
    pub fn new(order: Vec<Tid>) -> Self {
        Self {
            order,
            weights: Vec::new(),
            again: None,
            since: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// When the first step began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// What all steps took.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Goes on for so long. The heaviest should come first: what is more than `enough` is known by few.
    pub fn go(&mut self, enough: u64, time: Duration, mut weigh: impl FnMut(Tid) -> u64) -> Summed {
        let begin = Instant::now();
        let mut result = Summed::Unfinished;
        while result == Summed::Unfinished {
            result = self.step(enough, &mut weigh);
            if begin.elapsed() >= time {
                break;
            }
        }
        self.took += begin.elapsed();
        result
    }

    fn step(&mut self, enough: u64, weigh: &mut impl FnMut(Tid) -> u64) -> Summed {
        let known = self.weights.len();
        let again = self.again.filter(|done| *done < known);
        if let Some(done) = again
            && let (Some(&pid), Some(weight)) = (self.order.get(done), self.weights.get_mut(done))
        {
            *weight = weigh(pid).min(*weight);
            self.again = Some(done + 1);
            return Summed::Unfinished;
        }
        let sum = self.weights.iter().copied().fold(0, u64::saturating_add);
        match (sum > enough, self.again, self.order.get(known)) {
            (true, None, _) => self.again = Some(0),
            (true, Some(_), _) => return Summed::Heavy(sum),
            (false, _, None) => return Summed::Light(sum),
            (false, again, Some(&pid)) => {
                self.weights.push(weigh(pid));
                self.again = again.map(|done| done + 1);
            }
        }
        Summed::Unfinished
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
        let mut light = PssSum::new(vec![3, 2, 1]);
        assert_eq!(light.go(6, LONG, &mut weigh), Summed::Light(6));
        let mut heavy = PssSum::new(vec![3, 2, 1]);
        assert_eq!(heavy.go(4, LONG, &mut weigh), Summed::Heavy(5));
        assert_eq!(looks, 3 + 2 * 2);
        assert_eq!(PssSum::new(vec![]).go(0, LONG, |_| 1), Summed::Light(0));
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
        assert_eq!(PssSum::new(vec![1, 2]).go(9, LONG, weigh), Summed::Light(8));
    }

    #[test]
    fn what_others_have_got_of_the_first_counts_at_those() {
        let mut looks = 0;
        // A third one begins to share the 12 of both.
        let weigh = |_| {
            looks += 1;
            if looks <= 2 { 6 } else { 4 }
        };
        assert_eq!(
            PssSum::new(vec![1, 2, 3]).go(10, LONG, weigh),
            Summed::Heavy(12)
        );
    }

    #[test]
    fn it_goes_on_where_its_time_was_over() {
        let mut pss_sum = PssSum::new(vec![1, 2, 3]);
        let mut steps = 1;
        while pss_sum.go(5, Duration::ZERO, |pid| pid as u64) == Summed::Unfinished {
            steps += 1;
        }
        // Three, the turn, three again, and the sum.
        assert_eq!(steps, 8);
    }
}
