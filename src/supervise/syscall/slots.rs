//! The slots of the guarded pages (see `pin`): which part of them each call that is under way uses.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// Bytes of a slot before it is filled: `struct open_how` or a socket address, then one path or two.
pub const SLOT: u64 = 16384;
/// What a slot does not need is given back in units of so many bytes: most paths fit in one.
const UNIT: u64 = 512;

/// The slots of mapped pages.
#[derive(Debug)]
pub struct Slots {
    place: Range<u64>,
    /// How many calls use each unit, up to the last that was ever used. More than one do only where it was
    /// not known that these are the pages of other slots, too.
    users: RefCell<Vec<u16>>,
    /// The slots that these are, which was not known at first.
    same: RefCell<Option<Rc<Slots>>>,
}

impl Slots {
    pub fn new(place: Range<u64>) -> Rc<Self> {
        Rc::new(Self {
            place,
            users: RefCell::default(),
            same: RefCell::default(),
        })
    }

    fn count(&self) -> usize {
        ((self.place.end - self.place.start) / UNIT) as usize
    }

    /// A free slot, by its address.
    pub fn take(&self) -> Option<u64> {
        if let Some(same) = self.same.borrow().as_ref() {
            return same.take();
        }
        const UNITS: usize = (SLOT / UNIT) as usize;
        let mut users = self.users.borrow_mut();
        let mut free = 0;
        let last = (0..self.count()).find(|unit| {
            free = match users.get(*unit) {
                Some(1..) => 0,
                _ => free + 1,
            };
            free == UNITS
        })?;
        let first = last + 1 - UNITS;
        if users.len() <= last {
            users.resize(last + 1, 0);
        }
        users[first..=last].fill(1);
        Some(self.place.start + first as u64 * UNIT)
    }

    pub fn are_half_free(&self) -> bool {
        if let Some(same) = self.same.borrow().as_ref() {
            return same.are_half_free();
        }
        let users = self.users.borrow();
        let used = users.iter().filter(|users| **users > 0).count();
        used * 2 < self.count()
    }

    /// A slot is used no longer.
    pub fn give_back(&self, address: u64, length: u64) {
        if let Some(same) = self.same.borrow().as_ref() {
            return same.give_back(address, length);
        }
        let first = (address.saturating_sub(self.place.start) / UNIT) as usize;
        let units = length.div_ceil(UNIT) as usize;
        let mut users = self.users.borrow_mut();
        for users in users.iter_mut().skip(first).take(units) {
            *users = users.saturating_sub(1);
        }
    }

    /// Gives back what a slot has beyond its first bytes; returns how long it is now.
    pub fn trim(&self, address: u64, length: u64, used: u64) -> u64 {
        let kept = used.next_multiple_of(UNIT).min(length);
        self.give_back(address + kept, length - kept);
        kept
    }

    /// These are the slots of the same pages as `others`, which was not known: from now on they are one.
    pub fn join(self: &Rc<Self>, others: &Rc<Self>) {
        let (own, others) = (self.last(), others.last());
        if Rc::ptr_eq(&own, &others) {
            return;
        }
        let used = own.users.take();
        let mut users = others.users.borrow_mut();
        if users.len() < used.len() {
            users.resize(used.len(), 0);
        }
        for (users, used) in users.iter_mut().zip(used) {
            *users = users.saturating_add(used);
        }
        own.same.replace(Some(Rc::clone(&others)));
    }

    /// Those that these are, as far as is known.
    fn last(self: &Rc<Self>) -> Rc<Self> {
        match self.same.borrow().as_ref() {
            Some(same) => same.last(),
            None => Rc::clone(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Range<u64> = 0x1_0000..0x20_0000;

    #[test]
    fn thousands_of_calls_can_wait_with_short_paths() {
        let slots = Slots::new(PLACE);
        let taken: Vec<(u64, u64)> = std::iter::from_fn(|| {
            let address = slots.take()?;
            Some((address, slots.trim(address, SLOT, 300)))
        })
        .collect();
        assert!(taken.len() > 3_900, "{}", taken.len());
        let apart = |pair: &[(u64, u64)]| pair[0].0 + pair[0].1 <= pair[1].0;
        assert!(taken.windows(2).all(apart));
        assert!(!slots.are_half_free());
        for (address, length) in taken {
            slots.give_back(address, length);
        }
        assert!(slots.are_half_free());
        assert!(slots.users.borrow().iter().all(|users| *users == 0));
    }

    #[test]
    fn a_slot_keeps_what_it_has_written() {
        for (used, kept) in [
            (0, 0),
            (1, UNIT),
            (UNIT, UNIT),
            (UNIT + 1, 2 * UNIT),
            (SLOT, SLOT),
        ] {
            let slots = Slots::new(PLACE);
            let address = slots.take().expect("a slot");
            assert_eq!(slots.trim(address, SLOT, used), kept);
            assert_eq!(slots.take(), Some(address + kept));
        }
    }

    #[test]
    fn slots_that_are_joined_twice_are_one() {
        let (one, other) = (Slots::new(PLACE), Slots::new(PLACE));
        let first = one.take().expect("a slot");
        one.join(&other);
        other.join(&one);
        one.join(&other);
        assert_eq!(other.take(), Some(first + SLOT));
        one.give_back(first, SLOT);
        assert_eq!(one.take(), Some(first));
    }
}
