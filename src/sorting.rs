//! Stable sorting in little code.
//!
//! The library's own is compiled anew for each type and each key that is sorted, to 9 KB each time: half a megabyte
//! of a release. Here places are sorted, by one function for all; only what moves the items is compiled for each
//! type. That is slower for many items, and policies and reports have few.

use std::cmp::Ordering;

/// As `slice::sort_by`.
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut from = order(
        items.len(),
        &mut |one, other| match (items.get(one), items.get(other)) {
            (Some(one), Some(other)) => compare(one, other),
            _ => Ordering::Equal,
        },
    );
    // Each item moves to its place, round by round until the place is met from which a round began.
    for start in 0..from.len() {
        let mut place = start;
        while let Some(next) = from.get_mut(place)
            && *next != place
        {
            let next = std::mem::replace(next, place);
            if next != start {
                items.swap(place, next);
            }
            place = next;
        }
    }
}

/// As `slice::sort_by_key`.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], mut key: impl FnMut(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

/// For each place of the sorted list the place of its item in the unsorted one.
fn order(len: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|one, other| compare(*one, *other));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn items_are_sorted_as_by_the_library(
            items in proptest::collection::vec((0_u8..20, any::<u16>()), 0..200),
        ) {
            let (mut ours, mut expected) = (items.clone(), items);
            // Items with the same key keep their order.
            sort_by_key(&mut ours, |item| item.0);
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, expected);
        }
    }

    #[test]
    fn a_comparison_may_be_any() {
        let mut words = ["c", "a", "b"].map(str::to_owned);
        sort_by(&mut words, |one, other| other.cmp(one));
        assert_eq!(words, ["c", "b", "a"]);
        sort_by(&mut Vec::<String>::new(), Ord::cmp);
    }
}
