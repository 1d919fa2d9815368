//! The ids of a batch's cases: finds duplicates in little memory.
//!
//! A batch may have millions of cases. Numbers are kept as ranges, so that a sequence takes no memory.
//! For other ids a 64-bit hash is kept, with random keys for each run: among a million different ids,
//! two have the same hash in one of thirty million batches.

use serde_json::Value;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher;

/// Integers that a floating-point number holds exactly: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A set of numbers, as ranges.
#[derive(Debug, Default)]
pub struct Numbers {
    /// The first and the last number of each range. No two touch.
    ranges: BTreeMap<u64, u64>,
}

impl Numbers {
    /// Whether the set contains it.
    pub fn contains(&self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back();
        before.is_some_and(|(_, &last)| number <= last)
    }

    /// Adds it; false if the set already contains it.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let before = self.ranges.range(..number).next_back();
        let first = match before {
            Some((&first, &last)) if last.checked_add(1) == Some(number) => first,
            _ => number,
        };
        let after = number.checked_add(1);
        let last = after.and_then(|after| self.ranges.remove(&after));
        self.ranges.insert(first, last.unwrap_or(number));
        true
    }
}

/// A set of ids.
#[derive(Debug, Default)]
pub struct Ids {
    numbers: Numbers,
    hashes: HashSet<u64>,
    keys: RandomState,
}

impl Ids {
    /// Whether the set contains it.
    pub fn contains(&self, id: &Value) -> bool {
        match number(id) {
            Some(number) => self.numbers.contains(number),
            None => self.hashes.contains(&self.hash(id)),
        }
    }

    /// Adds it; false if the set already contains it.
    pub fn insert(&mut self, id: &Value) -> bool {
        match number(id) {
            Some(number) => self.numbers.insert(number),
            None => self.hashes.insert(self.hash(id)),
        }
    }

    fn hash(&self, id: &Value) -> u64 {
        self.keys.hash_one(id.to_string())
    }
}

/// The value of an id that is a non-negative integer: 4, 4.0 and 4e0 are the same id, because JSON
/// readers treat them as the same number.
pub fn number(id: &Value) -> Option<u64> {
    let whole = |float: &f64| float.fract() == 0.0 && (0.0..EXACT).contains(float);
    id.as_u64()
        .or_else(|| id.as_f64().filter(whole).map(|float| float as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sequence_of_numbers_is_one_range_in_whatever_order() {
        let mut numbers = Numbers::default();
        for number in [5, 3, 4, 0, u64::MAX, 1, 2, u64::MAX - 1] {
            assert!(numbers.insert(number), "{number}");
            assert!(!numbers.insert(number), "{number}");
        }
        let ranges: Vec<_> = numbers.ranges.iter().map(|(&a, &b)| (a, b)).collect();
        assert_eq!(ranges, [(0, 5), (u64::MAX - 1, u64::MAX)]);
        assert!(!numbers.contains(6) && !numbers.contains(u64::MAX - 2));
    }

    #[test]
    fn the_same_number_is_the_same_id_and_a_text_is_another() {
        let mut ids = Ids::default();
        let all = [
            json!(4),
            json!("4"),
            json!(-4),
            json!(4.5),
            json!(1e300),
            json!(""),
            json!(u64::MAX),
        ];
        for id in &all {
            assert!(ids.insert(id), "{id}");
        }
        for id in all.iter().chain([&json!(4.0)]) {
            assert!(ids.contains(id) && !ids.insert(id), "{id}");
        }
        for id in [json!(0), json!(-4.5), json!("four")] {
            assert!(!ids.contains(&id), "{id}");
        }
    }
}
