//! The guarded pages: the lowest addresses of every process, where the supervisor keeps the paths and
//! addresses that it has judged. The rules here keep the command away from them. Only a plan that uses the
//! pages has these rules; nothing here decides a path.
//!
//! The pages are private, anonymous and read-only, and end at [`PAGES_END`]. No call reaches down to memory
//! below the address that it names. So a call can only touch the pages if it names an address below
//! `PAGES_END`, and registers tell that. The rules hold from the first instruction of a program on. So the pages
//! can be mapped when a call first needs them, while other threads run.
//!
//! What can change a mapping or its content, by Linux 5.10 to 7.3, and why none of it reaches the pages:
//!
//! | a way | why not |
//! |---|---|
//! | munmap, mprotect, pkey_mprotect, madvise (each advice), remap_file_pages, mremap of old memory | denied below `PAGES_END` |
//! | mremap to a new place | with MREMAP_FIXED denied below `PAGES_END`, also to 0: what lies there is unmapped even if the call fails. With MREMAP_DONTUNMAP alone the address is a hint, which is denied there, too. Without both flags the kernel chooses a free place |
//! | mremap to a smaller size | unmaps from the sum of address and new size on, which wraps round to low addresses before Linux 6.17: an address or a size of 2^56 or more is denied, so there is no wrap |
//! | mmap with MAP_FIXED | denied below `PAGES_END`, also at 0: CAP_SYS_RAWIO maps below vm.mmap_min_addr |
//! | mmap with a hint, shmat with an address | denied below `PAGES_END`, except 0, which means any place. SHM_RND rounds down by less than `PAGES_END` is aligned to |
//! | brk | unmaps what lies between two ends of the heap, which the kernel keeps. The heap never lies over the pages, for they are only mapped where nothing is; prctl(PR_SET_MM), which moves the ends, is denied |
//! | uselib (kernels with CONFIG_USELIB) | denied: the memory of zeros that follows a library replaces what lies there |
//! | MAP_GROWSDOWN, the stack | grow into free addresses only |
//! | mprotect with PROT_GROWSDOWN | begins at the start of a mapping that grows down, which the pages are not. No mapping of the program is taken for the pages unless /proc/PID/smaps says that it is like them |
//! | a full address space | the kernel then chooses the lowest addresses that are free: the pages are not, or cannot be mapped any more. Then the call that needs them is denied |
//! | tags in the upper bits of an address | the top byte is ignored here, as aarch64 does. arch_prctl(ARCH_ENABLE_TAGGED_ADDR) of x86-64 (Linux 6.4) is refused |
//! | map_shadow_stack | never replaces anything |
//! | mlock, mseal, mbind, move_pages, KSM, swap | keep content and protection |
//! | shmdt | detaches segments only |
//! | userfaultfd | fills pages that are missing; those that hold something are not, and UFFDIO_MOVE takes writable ones only |
//! | process_madvise, process_vm_writev, ptrace, io_uring, writes to /proc/PID/mem | denied to every jail |
//! | reads and system calls that write to memory | cannot: it is read-only |
//! | fork | copies the pages, which the child cannot touch either |
//! | execve | the new program has none, until they are mapped there |

use super::terms::{EACH, any_of, is, whole};
use super::{Answer, Rule, Watch, When};
use crate::condition::{Op, Test};
use crate::syscalls::{Errno, Width};

/// Where the pages end. A power of two, so that one comparison of masked bits tells whether an address is
/// below it. Programs that are linked for fixed addresses begin here (lld, mold) or above (GNU ld).
pub const PAGES_END: u64 = 1 << 21;

/// The bits of an address without its top byte, in which tags may be.
const ADDRESS: u64 = 0x00ff_ffff_ffff_ffff;
/// The top byte.
const TOP: u64 = !ADDRESS;

// asm-generic/mman-common.h, linux/mman.h
const MAP_FIXED: u64 = libc::MAP_FIXED as u64;
const MAP_FIXED_NOREPLACE: u64 = libc::MAP_FIXED_NOREPLACE as u64;
const MREMAP_FIXED: u64 = libc::MREMAP_FIXED as u64;
// linux/mman.h, Linux 5.7
const MREMAP_DONTUNMAP: u64 = 4;
// linux/prctl.h, asm/prctl.h of x86
const PR_SET_MM: u64 = 35;
const ARCH_ENABLE_TAGGED_ADDR: u64 = 0x4002;

/// The address in this argument is below [`PAGES_END`].
const fn low(arg: u8) -> Test {
    Test {
        arg,
        width: Width::Qword,
        mask: Some(ADDRESS & !(PAGES_END - 1)),
        op: Op::Eq,
        value: 0,
    }
}

/// This argument is not 0.
const fn given(arg: u8) -> Test {
    whole(arg, Op::Ne, 0)
}

/// This argument is 2^56 or more: no address or size is, but with a tag.
const fn huge(arg: u8) -> Test {
    Test {
        arg,
        width: Width::Qword,
        mask: Some(TOP),
        op: Op::Ne,
        value: 0,
    }
}

const fn guard(
    id: &'static str,
    syscalls: &'static [&'static str],
    when: When,
    attack: &'static str,
) -> (Watch, Rule) {
    let rule = Rule {
        id,
        syscalls,
        when,
        answer: Answer::Deny(Errno::EPERM),
        reason: "addresses below 2 MiB are the jail's: there it keeps the paths and peers that it has judged",
        attack,
    };
    (Watch::PINS, rule)
}

/// What no task may do, so that nothing but the supervisor changes the pages.
#[rustfmt::skip]
pub(super) static GUARDS: &[(Watch, Rule)] = &[
    guard("no-low-changes", &["munmap", "mprotect", "pkey_mprotect", "madvise", "remap_file_pages"],
        When { text: "addr < 0x200000 && length != 0", any: &[&[low(0), given(1)]] },
        "a path is replaced, or its page discarded, between check and use"),
    guard("no-low-moves", &["mremap"],
        When {
            text: "new_size != 0 && old_address < 0x200000 || (flags & MREMAP_FIXED) != 0 && new_address < 0x200000 \
                   || (flags & MREMAP_DONTUNMAP) != 0 && new_address != NULL && new_address < 0x200000",
            // The kernel refuses a new size of 0 first.
            any: &[&[low(0), given(2)], &[any_of(3, MREMAP_FIXED), low(4)],
                   &[any_of(3, MREMAP_DONTUNMAP), low(4), given(4)]],
        },
        "a page is moved away, or another one is moved over it"),
    guard("no-wrapped-sizes", &["mremap"],
        When {
            text: "old_address >= 0x100000000000000 || new_size >= 0x100000000000000",
            any: &[&[huge(0)], &[huge(2)]],
        },
        "what is cut off begins at the sum of both, which wraps round to a page"),
    guard("no-low-mappings", &["mmap"],
        When {
            text: "addr < 0x200000 && (addr != NULL || (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0)",
            any: &[&[low(0), given(0)], &[low(0), any_of(3, MAP_FIXED | MAP_FIXED_NOREPLACE)]],
        },
        "other memory is mapped over a page"),
    guard("no-low-segments", &["shmat"],
        When { text: "shmaddr != NULL && shmaddr < 0x200000", any: &[&[low(1), given(1)]] },
        "SHM_REMAP puts memory that others share over a page"),
    guard("no-low-libraries", &["uselib"],
        EACH,
        "a library with much memory of zeros, which replaces a page"),
    guard("no-memory-layout", &["prctl"],
        When { text: "option == PR_SET_MM", any: &[&[is(0, PR_SET_MM)]] },
        "PR_SET_MM_MAP puts the heap's bounds round a page, and brk unmaps it"),
    // arch_prctl(2), Linux 6.4: a processor without this feature answers so.
    (Watch::PINS, Rule {
        id: "no-address-tags",
        syscalls: &["arch_prctl"],
        when: When { text: "option == ARCH_ENABLE_TAGGED_ADDR", any: &[&[is(0, ARCH_ENABLE_TAGGED_ADDR)]] },
        answer: Answer::Quiet(Errno::ENODEV),
        reason: "the kernel would take addresses for low ones that do not look so in registers",
        attack: "munmap of a page by a tagged address",
    }),
];

/// The denial of a call for which the pages are needed and cannot be had.
pub static NO_PAGES: Rule = Rule {
    id: "no-pages",
    syscalls: &[],
    when: EACH,
    answer: Answer::Deny(Errno::EACCES),
    reason: "what was judged must lie below 2 MiB, and the program itself, or vm.mmap_min_addr, leaves no room there",
    attack: "the program's own memory is there, where it could change what was judged",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(name: &str, args: [u64; 6]) -> bool {
        let mut rules = GUARDS.iter().map(|(_, rule)| rule);
        rules.any(|rule| rule.syscalls.contains(&name) && rule.applies(&args))
    }

    #[test]
    fn an_address_is_low_up_to_the_end_and_with_any_tag() {
        for address in [1, 0x10000, PAGES_END - 1, 7 << 57 | 0x10000, 0xff << 56] {
            assert!(denied("munmap", [address, 1, 0, 0, 0, 0]), "{address:#x}");
            assert!(denied("mmap", [address, 1, 0, 2, 0, 0]), "{address:#x}");
            assert!(denied("shmat", [0, address, 0, 0, 0, 0]), "{address:#x}");
        }
        for address in [PAGES_END, 1 << 32, 1 << 47, 1 << 55, 7 << 57 | PAGES_END] {
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
        for address in [PAGES_END, 1 << 47, (1 << 56) - 4096, 1 << 56, !4095] {
            for end in [0x10000, PAGES_END - 4096] {
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
