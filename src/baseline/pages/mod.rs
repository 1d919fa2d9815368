//! The guarded pages: low addresses of every process, where the supervisor keeps the paths and addresses that it
//! has judged. The rules here keep the command away from them. Only a plan that uses the
//! pages has these rules; nothing here decides a path.
//!
//! The pages are private, anonymous and read-only, and end at [`PAGES_END`]. No call reaches down to memory
//! below the address that it names. So a call can only touch the pages if it names an address below
//! `PAGES_END`, and registers tell that. [`lowest`] denies each such call: on x86-64 hardly anything of a program
//! lies there. On aarch64 the programs of Go do, so the pages are higher up, and [`below`] lets the calls through
//! that end before the pages. The rules hold from the first instruction of a program on. So the pages
//! can be mapped when a call first needs them, while other threads run.
//!
//! What can change a mapping or its content, by Linux 5.10 to 7.3, and why none of it reaches the pages:
//!
//! | a way | why not |
//! |---|---|
//! | munmap, mprotect, pkey_mprotect, madvise (each advice), remap_file_pages, mremap of old memory | denied below `PAGES_END` |
//! | mremap to a new place | with MREMAP_FIXED denied below `PAGES_END`, also to 0: what lies there is unmapped even if the call fails. With MREMAP_DONTUNMAP alone the address is a hint, which is denied there, too. Without both flags the kernel chooses a free place |
//! | mremap to a smaller size | unmaps from the sum of address and new size on, which wraps round to low addresses before Linux 6.17: an address or a size of 2^56 or more is denied, so there is no wrap |
//! | mmap with MAP_FIXED | denied below `PAGES_END`, also at 0: CAP_SYS_RAWIO maps below vm.mmap_min_addr. Huge pages reach further than the length says: see [`below`] |
//! | mmap with a hint, shmat with an address | denied below `PAGES_END`, except 0, which means any place. SHM_RND rounds down by less than `PAGES_END` is aligned to |
//! | brk | unmaps what lies between two ends of the heap, which the kernel keeps. The heap never lies over the pages, for they are only mapped where nothing is, and it grows into free addresses only; prctl(PR_SET_MM), which moves the ends, is denied |
//! | uselib (kernels with CONFIG_USELIB) | denied: the memory of zeros that follows a library replaces what lies there |
//! | MAP_GROWSDOWN, the stack | grow into free addresses only |
//! | mprotect with PROT_GROWSDOWN | begins at the start of a mapping that grows down, which the pages are not. No mapping of the program is taken for the pages unless /proc/PID/smaps says that it is like them |
//! | a full address space | the kernel then chooses the lowest addresses that are free: the pages are not, or cannot be mapped any more. Then the call that needs them is denied |
//! | tags in the upper bits of an address | the top byte is ignored here, as aarch64 does for munmap, mprotect, madvise and the old address of mremap, and where prctl(PR_SET_TAGGED_ADDR_CTRL) says so. arch_prctl(ARCH_ENABLE_TAGGED_ADDR) of x86-64 (Linux 6.4) is refused |
//! | map_shadow_stack | never replaces anything |
//! | mlock, mseal, mbind, move_pages, KSM, swap | keep content and protection |
//! | shmdt | detaches segments only |
//! | userfaultfd | fills pages that are missing; those that hold something are not, and UFFDIO_MOVE takes writable ones only |
//! | process_madvise, process_vm_writev, ptrace, io_uring, writes to /proc/PID/mem | denied to every jail |
//! | reads and system calls that write to memory | cannot: it is read-only |
//! | fork | copies the pages, which the child cannot touch either |
//! | execve | the new program has none, until they are mapped there |

mod below;
mod lowest;
#[cfg(test)]
mod tests;

use super::terms::{EACH, any_of, is, whole};
use super::{Answer, Rule, Watch, When};
use crate::condition::{Op, Test};
use crate::syscalls::{Arch, Errno, NATIVE, Width};

/// Where the pages end. A power of two, so that one comparison of masked bits tells whether an address is
/// below it.
pub const PAGES_END: u64 = match NATIVE {
    Arch::X86_64 => lowest::END,
    Arch::Aarch64 => below::END,
};

/// The pages begin here at least.
pub const PAGES_LEAST: u64 = match NATIVE {
    Arch::X86_64 => lowest::LEAST,
    Arch::Aarch64 => below::START,
};

/// What no task may do, so that nothing but the supervisor changes the pages.
pub(super) static GUARDS: &[(Watch, Rule)] = match NATIVE {
    Arch::X86_64 => &lowest::GUARDS,
    Arch::Aarch64 => &below::GUARDS,
};

/// The denial of a call for which the pages are needed and cannot be had.
pub static NO_PAGES: Rule = Rule {
    id: "no-pages",
    syscalls: &[],
    when: EACH,
    answer: Answer::Deny(Errno::EACCES),
    reason: match NATIVE {
        Arch::X86_64 => lowest::NO_ROOM,
        Arch::Aarch64 => below::NO_ROOM,
    },
    attack: "the program's own memory is there, where it could change what was judged",
};

/// The bits of an address without its top byte, in which tags may be.
const ADDRESS: u64 = 0x00ff_ffff_ffff_ffff;

// asm-generic/mman-common.h, linux/mman.h
const MAP_FIXED: u64 = libc::MAP_FIXED as u64;
const MAP_FIXED_NOREPLACE: u64 = libc::MAP_FIXED_NOREPLACE as u64;
const ANY_FIXED: u64 = MAP_FIXED | MAP_FIXED_NOREPLACE;
const MREMAP_FIXED: u64 = libc::MREMAP_FIXED as u64;
// linux/mman.h, Linux 5.7
const MREMAP_DONTUNMAP: u64 = 4;
// linux/prctl.h, asm/prctl.h of x86
const PR_SET_MM: u64 = 35;
const ARCH_ENABLE_TAGGED_ADDR: u64 = 0x4002;

/// The upper bits of the address in this argument, but for the tag, are these.
const fn upper(arg: u8, mask: u64, value: u64) -> Test {
    Test {
        arg,
        width: Width::Qword,
        mask: Some(ADDRESS & mask),
        op: Op::Eq,
        value,
    }
}

/// This argument is not 0.
const fn given(arg: u8) -> Test {
    whole(arg, Op::Ne, 0)
}

/// This argument is this power of two or more.
const fn at_least(arg: u8, power: u64) -> Test {
    Test {
        arg,
        width: Width::Qword,
        mask: Some(!(power - 1)),
        op: Op::Ne,
        value: 0,
    }
}

/// This argument is 2^56 or more: no address or size is, but with a tag.
const fn huge(arg: u8) -> Test {
    at_least(arg, ADDRESS + 1)
}

const WRAPPED: When = When {
    text: "old_address >= 0x100000000000000 || new_size >= 0x100000000000000",
    any: &[&[huge(0)], &[huge(2)]],
};
const LAYOUT: When = When {
    text: "option == PR_SET_MM",
    any: &[&[is(0, PR_SET_MM)]],
};
const TAGS: When = When {
    text: "option == ARCH_ENABLE_TAGGED_ADDR",
    any: &[&[is(0, ARCH_ENABLE_TAGGED_ADDR)]],
};

/// When calls of each kind could touch the pages.
struct Reaches {
    /// Those of an address and a length.
    change: When,
    /// mremap.
    moves: When,
    /// mmap.
    map: When,
    /// shmat.
    attach: When,
}

#[rustfmt::skip]
/// The rules for pages of which users are told this.
const fn guards(reaches: Reaches, reason: &'static str) -> [(Watch, Rule); 8] {
    let Reaches { change, moves, map, attach } = reaches;
    let guard = Guard { reason };
    [
        guard.on("no-low-changes", &["munmap", "mprotect", "pkey_mprotect", "madvise", "remap_file_pages"], change,
            "a path is replaced, or its page discarded, between check and use"),
        guard.on("no-low-moves", &["mremap"], moves,
            "a page is moved away, or another one is moved over it"),
        guard.on("no-wrapped-sizes", &["mremap"],
            WRAPPED,
            "what is cut off begins at the sum of both, which wraps round to a page"),
        guard.on("no-low-mappings", &["mmap"], map,
            "other memory is mapped over a page"),
        guard.on("no-low-segments", &["shmat"], attach,
            "SHM_REMAP puts memory that others share over a page"),
        guard.on("no-low-libraries", &["uselib"], EACH,
            "a library with much memory of zeros, which replaces a page"),
        guard.on("no-memory-layout", &["prctl"],
            LAYOUT,
            "PR_SET_MM_MAP puts the heap's bounds round a page, and brk unmaps it"),
        // arch_prctl(2), Linux 6.4: a processor without this feature answers so.
        (Watch::PINS, Rule {
            id: "no-address-tags",
            syscalls: &["arch_prctl"],
            when: TAGS,
            answer: Answer::Quiet(Errno::ENODEV),
            reason: "the kernel would take addresses for low ones that do not look so in registers",
            attack: "munmap of a page by a tagged address",
        }),
    ]
}

/// What the rules have in common.
struct Guard {
    reason: &'static str,
}

impl Guard {
    const fn on(
        &self,
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
            reason: self.reason,
            attack,
        };
        (Watch::PINS, rule)
    }
}
