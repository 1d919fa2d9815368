//! What the rules of each place deny; those of both are tested on each architecture.

use super::*;

type Guards = [(Watch, Rule); 8];

fn denied_by(guards: &Guards, name: &str, args: [u64; 6]) -> bool {
    let mut rules = guards.iter().map(|(_, rule)| rule);
    rules.any(|rule| rule.syscalls.contains(&name) && rule.applies(&args))
}

mod lowest {
    use super::super::lowest::{END, GUARDS};
    use super::*;

    fn denied(name: &str, args: [u64; 6]) -> bool {
        denied_by(&GUARDS, name, args)
    }

    #[test]
    fn an_address_is_low_up_to_the_end_and_with_any_tag() {
        for address in [1, 0x10000, END - 1, 7 << 57 | 0x10000, 0xff << 56] {
            assert!(denied("munmap", [address, 1, 0, 0, 0, 0]), "{address:#x}");
            assert!(denied("mmap", [address, 1, 0, 2, 0, 0]), "{address:#x}");
            assert!(denied("shmat", [0, address, 0, 0, 0, 0]), "{address:#x}");
        }
        for address in [END, 1 << 32, 1 << 47, 1 << 55, 7 << 57 | END] {
            assert!(!denied("munmap", [address, 1, 0, 0, 0, 0]), "{address:#x}");
            assert!(!denied("mmap", [address, 1, 0, 0x10, 0, 0]), "{address:#x}");
            assert!(!denied("shmat", [0, address, 0, 0, 0, 0]), "{address:#x}");
        }
    }

    #[test]
    fn zero_is_an_address_only_where_the_kernel_takes_it_for_one() {
        assert!(denied("munmap", [0, 1, 0, 0, 0, 0]));
        // Probes whether the kernel knows an advice.
        assert!(!denied("madvise", [0, 0, 4, 0, 0, 0]));
        assert!(!denied("mmap", [0, 1, 0, 0x22, 0, 0]));
        for fixed in [MAP_FIXED, MAP_FIXED_NOREPLACE] {
            assert!(denied("mmap", [0, 1, 0, 0x22 | fixed, 0, 0]));
        }
        let far = 1 << 40;
        assert!(!denied("mremap", [far, 1, 1, 1, 0, 0]));
        assert!(denied("mremap", [0, 1, 1, 0, 0, 0]) && !denied("mremap", [0; 6]));
        assert!(denied("mremap", [far, 1, 1, 1 | MREMAP_FIXED, 0, 0]));
        assert!(!denied("mremap", [far, 1, 1, 1 | MREMAP_FIXED, far, 0]));
        let anywhere = 1 | MREMAP_DONTUNMAP;
        assert!(!denied("mremap", [far, 1, 1, anywhere, 0, 0]));
        assert!(denied("mremap", [far, 1, 1, anywhere, 0x10000, 0]));
        assert!(!denied("mremap", [far, 1, 1, 1, 0x10000, 0]));
        assert!(!denied("shmat", [0; 6]));
    }

    #[test]
    fn no_address_and_size_of_mremap_add_up_to_a_low_address() {
        for address in [END, 1 << 47, (1 << 56) - 4096, 1 << 56, !4095] {
            for end in [0x10000, END - 4096] {
                let size = u64::wrapping_sub(end, address);
                let old_size = size.wrapping_add(4096);
                let args = [address, old_size, size, 0, 0, 0];
                assert!(denied("mremap", args), "{address:#x} {size:#x}");
            }
        }
        assert!(!denied("mremap", [1 << 47, 1 << 46, 1 << 45, 0, 0, 0]));
    }

    #[test]
    fn an_upper_half_that_the_kernel_does_not_read_changes_nothing() {
        let dirty = 0xdead_beef_0000_0000;
        assert!(denied("prctl", [dirty | PR_SET_MM, 0, 0, 0, 0, 0]));
        let tags = dirty | ARCH_ENABLE_TAGGED_ADDR;
        assert!(denied("arch_prctl", [tags, 0, 0, 0, 0, 0]));
        assert!(!denied("prctl", [dirty | 4, 0, 0, 0, 0, 0]));
    }
}

mod below {
    use super::super::below::{END, GUARDS, LONG, NEAR, START};
    use super::*;

    const TAGS: [u64; 3] = [0, 7 << 57, 0xff << 56];
    const FIXED: [u64; 2] = [MAP_FIXED, MAP_FIXED_NOREPLACE];
    const PAGE: u64 = 4096;

    fn denied(name: &str, args: [u64; 6]) -> bool {
        denied_by(&GUARDS, name, args)
    }

    /// Addresses and lengths round each border.
    fn numbers() -> Vec<u64> {
        let borders = [
            0,
            0x10000,
            1 << 27,
            1 << 28,
            1 << 29,
            1 << 30,
            3 << 29,
            NEAR,
            START,
            END,
            1 << 32,
            1 << 47,
        ];
        let around = |border: u64| [border.saturating_sub(PAGE), border, border + PAGE];
        let mut numbers: Vec<u64> = borders.into_iter().flat_map(around).collect();
        numbers.extend(borders.iter().map(|border| START.abs_diff(*border)));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Whether what begins there and is so long touches the pages.
    fn reaches(address: u64, length: u64) -> bool {
        length != 0 && address < END && address + length > START
    }

    fn each(mut check: impl FnMut(u64, u64, u64)) {
        for address in numbers() {
            for length in numbers() {
                TAGS.iter().for_each(|tag| check(address, length, *tag));
            }
        }
    }

    #[test]
    fn what_reaches_the_pages_is_denied_with_any_tag() {
        each(|address, length, tag| {
            let at = address | tag;
            let any = [at, length, 0, 0, 0, 0];
            let moved = [1 << 40, length, length, MREMAP_FIXED | 1, at, 0];
            let dontunmap = [1 << 40, length, length, MREMAP_DONTUNMAP | 1, at, 0];
            let shrunk = [at, length, PAGE, 0, 0, 0];
            let grown = [at, PAGE, length, 0, 0, 0];
            if reaches(address, length) {
                for name in [
                    "munmap",
                    "mprotect",
                    "pkey_mprotect",
                    "madvise",
                    "remap_file_pages",
                ] {
                    assert!(denied(name, any), "{name} {any:#x?}");
                }
                for args in [moved, shrunk, grown] {
                    assert!(denied("mremap", args), "{args:#x?}");
                }
                assert!(
                    denied("mremap", dontunmap) || address == 0,
                    "{dontunmap:#x?}"
                );
                for fixed in FIXED {
                    let args = [at, length, 0, 0x22 | fixed, 0, 0];
                    assert!(denied("mmap", args), "{args:#x?}");
                }
                assert!(denied("mmap", [at, length, 0, 0x22, 0, 0]) || at == 0);
            }
            assert!(
                denied("shmat", [0, at, 0, 0, 0, 0]) || address == 0 && tag == 0 || address >= END
            );
        });
    }

    #[test]
    fn huge_pages_of_any_size_reach_no_page() {
        each(|address, length, tag| {
            for size in (12..40).map(|bits| 1_u64 << bits) {
                let rounded = length.next_multiple_of(size);
                if address % size == 0 && reaches(address, rounded) {
                    let at = address | tag;
                    for fixed in FIXED {
                        let args = [at, length, 0, 0x22 | fixed, 0, 0];
                        assert!(denied("mmap", args), "{size:#x} {args:#x?}");
                    }
                    let args = [1 << 40, length, length, MREMAP_FIXED | 1, at, 0];
                    assert!(denied("mremap", args), "{size:#x} {args:#x?}");
                    let args = [at, length, length + PAGE, 0, 0, 0];
                    let grown = (length + PAGE).next_multiple_of(size);
                    let grows = grown > rounded && size < 1 << 29;
                    assert!(
                        !grows || !reaches(address, grown) || denied("mremap", args),
                        "{size:#x} {args:#x?}"
                    );
                }
            }
        });
    }

    #[test]
    fn what_a_program_of_go_has_is_its_own() {
        for address in [0x10000, 0x40_0000, 0x1234_5000, NEAR - PAGE] {
            for length in [PAGE, 1 << 20, LONG - PAGE] {
                let free = |name: &str, args| assert!(!denied(name, args), "{name} {args:#x?}");
                free("munmap", [address, length, 0, 0, 0, 0]);
                free("mprotect", [address, length, 1, 0, 0, 0]);
                free("madvise", [address, length, 4, 0, 0, 0]);
                free("mmap", [address, length, 3, 0x22, 0, 0]);
                free("mmap", [address, length, 3, 0x22 | MAP_FIXED, 0, 0]);
                free(
                    "mremap",
                    [address, length, length, MREMAP_FIXED | 1, address, 0],
                );
            }
        }
    }

    #[test]
    fn above_the_pages_and_without_an_address_all_is_free() {
        for address in [END, 1 << 32, 0x40_0000_0000, 1 << 47] {
            for length in [0, PAGE, 1 << 33] {
                assert!(!denied("munmap", [address, length, 0, 0, 0, 0]));
                assert!(!denied(
                    "mmap",
                    [address, length, 0, 0x22 | MAP_FIXED, 0, 0]
                ));
                assert!(!denied("mremap", [address, length, length, 1, 0, 0]));
                assert!(!denied("shmat", [0, address, 0, 0, 0, 0]));
            }
        }
        assert!(!denied("mmap", [0, 1 << 33, 0, 0x22, 0, 0]));
        assert!(!denied("madvise", [0, 0, 4, 0, 0, 0]));
        assert!(!denied("shmat", [0; 6]));
        assert!(
            denied("mremap", [END, 1 << 56, 1 << 56, 0, 0, 0]),
            "the sum wraps round"
        );
    }
}
