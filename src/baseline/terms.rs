//! The tests of registers that rules are made of.

use super::When;
use crate::condition::{Op, Test};
use crate::syscalls::Width;

pub(super) const fn any_of(arg: u8, mask: u64) -> Test {
    masked(arg, mask, Op::Ne, 0)
}

pub(super) const fn none_of(arg: u8, mask: u64) -> Test {
    masked(arg, mask, Op::Eq, 0)
}

pub(super) const fn masked(arg: u8, mask: u64, op: Op, value: u64) -> Test {
    Test {
        arg,
        width: Width::Dword,
        mask: Some(mask),
        op,
        value,
    }
}

pub(super) const fn whole(arg: u8, op: Op, value: u64) -> Test {
    Test {
        arg,
        width: Width::Qword,
        mask: None,
        op,
        value,
    }
}

pub(super) const fn is(arg: u8, value: u64) -> Test {
    Test {
        arg,
        width: Width::Dword,
        mask: None,
        op: Op::Eq,
        value,
    }
}

pub(super) const EACH: When = When {
    text: "",
    any: &[&[]],
};
