//! Pages in the 2 MiB below 2 GiB: a call that names an address below 2 GiB is denied if it could reach them, and
//! let through if it ends before 1.88 GiB. For aarch64, where Go links programs for 64 KiB. Nothing of a usual
//! program lies between: the dynamic loader and what the kernel places are far above, and a Java machine looks
//! for addresses from 2 GiB on.
//!
//! Two numbers bound where a call ends, and each is in a register: an address below [`NEAR`], and a length below
//! [`LONG`]. Their sum is below `NEAR + LONG`, which is before the pages.
//!
//! **Huge pages** (hugetlbfs): mmap and mremap round a length up to a huge page, whose size S only the kernel
//! knows, and which may be that of a descriptor. The address must be a multiple of S, and S is a power of two.
//! With S of at most 256 MiB what begins below `NEAR` ends there, or `LONG` after its beginning. With a larger S
//! the address is a multiple of 512 MiB. These four are denied.
//!
//! **The heap** of a program that is linked for a low address begins up to 1 GiB above it (randomize_va_space),
//! and may lie before the pages, behind them, or grow up to them. brk(2) fails where something is mapped, so it
//! ends before them, and allocators go on with mmap. It never lies over them: see [`super`].

use super::*;

pub(super) const END: u64 = 1 << 31;
/// Not at a multiple of 2 MiB: else the kernel might put a huge page there for a single path.
pub(super) const START: u64 = END - (1 << 21) + (1 << 16);
/// Each address from here to [`END`] is near the pages.
#[cfg(test)]
pub(super) const NEAR: u64 = 0x7000_0000;
/// Longer than what any call on memory before the pages may be.
pub(super) const LONG: u64 = 1 << 27;

pub(super) const NO_ROOM: &str = "what was judged must lie in the 2 MiB below 0x80000000, and the program itself leaves no room there";

/// The address in this argument is below [`END`].
const fn low(arg: u8) -> Test {
    upper(arg, !(END - 1), 0)
}

/// The address in this argument is from [`NEAR`] on, and below [`END`].
const fn near(arg: u8) -> Test {
    upper(arg, !0x0fff_ffff, 0x7000_0000)
}

/// The address in this argument is below [`END`], and a multiple of 512 MiB.
const fn wide(arg: u8) -> Test {
    upper(arg, !0x6000_0000, 0)
}

const fn long(arg: u8) -> Test {
    at_least(arg, LONG)
}

pub(super) static GUARDS: [(Watch, Rule); 8] = guards(
    Reaches {
        change: When {
            text: "length != 0 && addr >= 0x70000000 && addr < 0x80000000 \
                   || length >= 0x8000000 && addr < 0x80000000",
            any: &[&[near(0), given(1)], &[low(0), long(1)]],
        },
        moves: When {
            text: "new_size != 0 && old_address >= 0x70000000 && old_address < 0x80000000 \
                   || new_size != 0 && (old_size >= 0x8000000 || new_size >= 0x8000000) && old_address < 0x80000000 \
                   || (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0 && new_address != NULL \
                      && new_address < 0x80000000 && (new_address >= 0x70000000 || new_size >= 0x8000000) \
                   || (flags & MREMAP_FIXED) != 0 && new_address < 0x80000000 && new_address % 0x20000000 == 0",
            // The kernel refuses a new size of 0 first.
            any: &[
                &[near(0), given(2)],
                &[low(0), long(1), given(2)],
                &[low(0), long(2)],
                &[any_of(3, MREMAP_FIXED | MREMAP_DONTUNMAP), near(4)],
                &[any_of(3, MREMAP_FIXED), wide(4)],
                &[
                    any_of(3, MREMAP_FIXED | MREMAP_DONTUNMAP),
                    long(2),
                    low(4),
                    given(4),
                ],
            ],
        },
        map: When {
            text: "addr < 0x80000000 && (addr >= 0x70000000 \
                   || addr != NULL && (length >= 0x8000000 || addr % 0x20000000 == 0) \
                   || addr == NULL && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0)",
            any: &[
                &[near(0)],
                &[low(0), long(1), given(0)],
                &[wide(0), given(0)],
                &[wide(0), any_of(3, ANY_FIXED)],
            ],
        },
        // The length is that of the segment, which no register tells.
        attach: When {
            text: "shmaddr != NULL && shmaddr < 0x80000000",
            any: &[&[low(1), given(1)]],
        },
    },
    "the 2 MiB below 0x80000000 are the jail's: there it keeps the paths and peers that it has judged",
);
