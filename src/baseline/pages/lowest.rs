//! Pages at the lowest addresses that a program may map, up to 2 MiB: each call that names one of these addresses
//! is denied. For architectures where nothing of an ordinary program lies there.

use super::*;

/// Programs that are linked for fixed addresses begin here (lld, mold) or above (GNU ld).
pub(super) const END: u64 = 1 << 21;
/// Security modules may refuse lower addresses whatever vm.mmap_min_addr says (CONFIG_LSM_MMAP_MIN_ADDR).
pub(super) const LEAST: u64 = 1 << 16;

pub(super) const NO_ROOM: &str = "what was judged must lie below 2 MiB, and the program itself, or vm.mmap_min_addr, leaves no room there";

/// The address in this argument is below [`END`].
const fn low(arg: u8) -> Test {
    upper(arg, !(END - 1), 0)
}

pub(super) static GUARDS: [(Watch, Rule); 8] = guards(
    Reaches {
        change: When {
            text: "addr < 0x200000 && length != 0",
            any: &[&[low(0), given(1)]],
        },
        moves: When {
            text: "new_size != 0 && old_address < 0x200000 || (flags & MREMAP_FIXED) != 0 && new_address < 0x200000 \
                   || (flags & MREMAP_DONTUNMAP) != 0 && new_address != NULL && new_address < 0x200000",
            // The kernel refuses a new size of 0 first.
            any: &[
                &[low(0), given(2)],
                &[any_of(3, MREMAP_FIXED), low(4)],
                &[any_of(3, MREMAP_DONTUNMAP), low(4), given(4)],
            ],
        },
        map: When {
            text: "addr < 0x200000 && (addr != NULL || (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0)",
            any: &[&[low(0), given(0)], &[low(0), any_of(3, ANY_FIXED)]],
        },
        attach: When {
            text: "shmaddr != NULL && shmaddr < 0x200000",
            any: &[&[low(1), given(1)]],
        },
    },
    "addresses below 2 MiB are the jail's: there it keeps the paths and peers that it has judged",
);
