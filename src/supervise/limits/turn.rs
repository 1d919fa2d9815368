//! Each process in its turn, in no more than a given time: what a look at all of them costs must not
//! grow with their number.

use crate::trace::Tid;
use std::time::{Duration, Instant};

/// Where the last look ended.
#[derive(Debug, Default)]
pub struct Turns {
    last: Tid,
}

impl Turns {
    /// Looks at one process after the other, each once at most, from where the last look ended, until
    /// the time is over. `all` is sorted.
    pub fn go(&mut self, all: &[Tid], time: Duration, mut look: impl FnMut(Tid)) {
        let begin = Instant::now();
        let (before, after) = all.split_at(all.partition_point(|&tid| tid <= self.last));
        for &tid in after.iter().chain(before) {
            look(tid);
            self.last = tid;
            if begin.elapsed() >= time {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(round: &mut Turns, all: &[Tid], time: Duration) -> Vec<Tid> {
        let mut seen = Vec::new();
        round.go(all, time, |tid| seen.push(tid));
        seen
    }

    #[test]
    fn the_next_look_goes_on_where_the_last_has_ended() {
        let mut round = Turns::default();
        let (none, long) = (Duration::ZERO, Duration::from_secs(60));
        assert_eq!(looked(&mut round, &[3, 5, 7], none), [3]);
        assert_eq!(looked(&mut round, &[3, 5, 7], none), [5]);
        // The one that was last is gone.
        assert_eq!(looked(&mut round, &[3, 7, 9], long), [7, 9, 3]);
        assert_eq!(looked(&mut round, &[3, 7, 9], long), [7, 9, 3]);
        assert!(looked(&mut round, &[], long).is_empty());
    }
}
