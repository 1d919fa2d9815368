//! The constants by name: a hash table that is filled in at compile time.

use super::sets::ALL;

/// The number of constants, counting a name once for each set that contains it.
const ENTRIES: usize = {
    let (mut set, mut entries) = (0, 0);
    while set < ALL.len() {
        entries += ALL[set].constants.len();
        set += 1;
    }
    entries
};

/// Four times as many slots as entries, so that few collide.
const PLACES: usize = (ENTRIES * 4).next_power_of_two();

/// For each slot, the set of its constant and the position in that set, or `VACANT`; a constant is in
/// the slot of its hash or in the next free one.
static INDEX: [(u8, u16); PLACES] = fill();
const VACANT: (u8, u16) = (u8::MAX, 0);

/// The value of a C constant: `AF_INET` is 2. A negative one is sign-extended, as `AT_FDCWD` is `-100i64
/// as u64`. The values are x86-64's, which aarch64 shares except for a few `O_*` flags.
pub fn constant(name: &str) -> Option<u64> {
    let mut place = hash(name.as_bytes()) % PLACES;
    loop {
        let (set, position) = INDEX[place];
        if (set, position) == VACANT {
            return None;
        }
        let (found, value) = &ALL[usize::from(set)].constants[usize::from(position)];
        if found.as_bytes() == name.as_bytes() {
            return Some(*value);
        }
        place = (place + 1) % PLACES;
    }
}

/// Every constant, set by set. A set that several arguments use comes up once.
pub fn constants() -> impl Iterator<Item = (&'static str, u64)> {
    INDEX
        .iter()
        .filter(|entry| **entry != VACANT)
        .map(|(set, position)| &ALL[usize::from(*set)].constants[usize::from(*position)])
        .map(|(name, value)| (name.as_str(), *value))
}

const fn fill() -> [(u8, u16); PLACES] {
    assert!(ALL.len() < u8::MAX as usize);
    let mut index = [VACANT; PLACES];
    let mut set = 0;
    while set < ALL.len() {
        let constants = ALL[set].constants;
        let mut position = 0;
        while position < constants.len() {
            let name = &constants[position].0;
            let mut place = hash(name.as_bytes()) % PLACES;
            let mut known = false;
            while index[place].0 != VACANT.0 {
                let (other_set, other) = index[place];
                let (other_name, value) = &ALL[other_set as usize].constants[other as usize];
                if same(other_name.as_bytes(), name.as_bytes()) {
                    assert!(*value == constants[position].1, "one name, two values");
                    known = true;
                    break;
                }
                place = (place + 1) % PLACES;
            }
            if !known {
                index[place] = (set as u8, position as u16);
            }
            position += 1;
        }
        set += 1;
    }
    index
}

/// FNV-1a.
const fn hash(bytes: &[u8]) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ hash >> 15) as usize
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::sets;
    use super::*;

    #[test]
    fn a_constant_has_its_value() {
        assert_eq!(constant("AF_INET"), Some(2));
        assert_eq!(constant("TIOCSTI"), Some(0x5412));
        assert_eq!(constant("AT_FDCWD"), Some(-100_i64 as u64));
        assert_eq!(constant("PR_SET_PTRACER_ANY"), Some(u64::MAX));
        assert_eq!(constant("NULL"), Some(0));
        assert_eq!(constant("AF_INTE"), None);
        assert_eq!(constant(""), None);
    }

    #[test]
    fn every_constant_of_every_set_is_found() {
        for set in ALL {
            for (name, value) in set.constants {
                assert_eq!(constant(name), Some(*value), "{name} of {}", set.name);
            }
        }
    }

    #[test]
    fn constants_come_up_once() {
        let mut names: Vec<_> = constants().map(|(name, _)| name).collect();
        let count = names.len();
        assert!(count > 1900, "{count}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn sets_have_names_of_their_own() {
        let mut names: Vec<_> = ALL.iter().map(|set| set.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn clone_exits_with_every_signal() {
        assert_eq!(
            &sets::CLONE.constants[..sets::SIGNALS.constants.len()],
            sets::SIGNALS.constants
        );
    }
}
