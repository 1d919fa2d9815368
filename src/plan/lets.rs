//! Whether a filter lets a call through, for the calls that jail itself makes under it. The program is run as the
//! kernel runs it.

use super::bpf;
use crate::syscalls::NATIVE;
use seccompiler::sock_filter;

/// Whether the program's answer to this call is that it runs. False for a program of other instructions than those
/// that a plan's filter has.
pub fn lets_through(program: &[sock_filter], number: i64, args: [u64; 6]) -> bool {
    let word = |offset: u32| match offset {
        bpf::NR => Some(number as u32),
        bpf::ARCH => Some(NATIVE.audit_arch()),
        bpf::ARGS.. => {
            let at = (offset - bpf::ARGS) as usize;
            let arg = args.get(at / 8)?;
            Some((arg >> (at % 8 * 8)) as u32)
        }
        // The instruction pointer.
        _ => None,
    };
    let (mut at, mut loaded) = (0, 0);
    // Jumps only lead forwards, so this ends.
    while let Some(instruction) = program.get(at) {
        at += 1;
        match bpf::step(instruction, loaded) {
            bpf::Step::Load(offset) => match word(offset) {
                Some(value) => loaded = value,
                None => return false,
            },
            bpf::Step::Loaded(value) => loaded = value,
            bpf::Step::Skip(count) => at += count as usize,
            bpf::Step::Returns(answer) => return answer == bpf::Return::ALLOW,
            bpf::Step::Unknown => return false,
        }
    }
    false
}

/// The program, which also lets a call of this number through if its sixth argument is `pass`. For calls with fewer
/// arguments: the kernel ignores the others. `None`: the kernel would not take so long a program.
pub fn with_pass(program: &[sock_filter], number: i64, pass: u64) -> Option<Vec<sock_filter>> {
    let sixth = bpf::ARGS + 5 * 8;
    let conditions = [
        (bpf::NR, number as u32),
        (bpf::ARCH, NATIVE.audit_arch()),
        (sixth, pass as u32),
        (sixth + 4, (pass >> 32) as u32),
    ];
    let mut whole = Vec::with_capacity(program.len() + 2 * conditions.len() + 1);
    for (offset, value) in conditions {
        let left = 2 * conditions.len() - whole.len();
        whole.push(bpf::load(offset));
        // To the program, past what is left of this.
        whole.push(bpf::if_equal(value, 0, (left - 1) as u8));
    }
    whole.push(bpf::Return::ALLOW.instruction());
    whole.extend_from_slice(program);
    (whole.len() <= bpf::MAX_LEN).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Host, Plan, PlanOptions};
    use crate::policy::Policy;

    #[test]
    fn a_filter_is_read_as_the_kernel_reads_it() {
        let policy = Policy::preset("base").expect("a preset");
        let plan = Plan::with(&policy, &Host::newest(), PlanOptions::default()).expect("a plan");
        let lets = |number, args| lets_through(&plan.filter, number, args);
        assert!(lets(libc::SYS_getppid, [0; 6]));
        assert!(!lets(libc::SYS_ptrace, [0; 6]));
        let clone = |flags: i32| lets(libc::SYS_clone, [flags as u64, 0, 0, 0, 0, 0]);
        assert!(clone(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD));
        assert!(!clone(libc::CLONE_UNTRACED | libc::SIGCHLD));
        assert!(!lets_through(&plan.filter[..1], libc::SYS_getppid, [0; 6]));
        assert!(!lets_through(&[], libc::SYS_getppid, [0; 6]));
    }

    #[test]
    fn a_pass_is_for_one_call_and_changes_no_other() {
        let policy = Policy::preset("base").expect("a preset");
        let plan = Plan::with(&policy, &Host::newest(), PlanOptions::default()).expect("a plan");
        let number = libc::SYS_landlock_restrict_self;
        let pass = 0x0123_4567_89ab_cdef;
        let passed = with_pass(&plan.filter, number, pass).expect("a program");
        let call = |sixth| [5, 1, 0, 0, 0, sixth];
        assert!(!lets_through(&plan.filter, number, call(pass)));
        assert!(lets_through(&passed, number, call(pass)));
        for wrong in [0, pass ^ 1, pass ^ (1 << 63), pass >> 32, pass << 32] {
            assert!(!lets_through(&passed, number, call(wrong)), "{wrong:x}");
        }
        for other in 0..500 {
            let args = call(pass);
            let lets = |program| lets_through(program, other, args);
            assert!(
                other == number || lets(&passed) == lets(&plan.filter),
                "{other}"
            );
        }
        let longest = vec![bpf::Return::ALLOW.instruction(); bpf::MAX_LEN];
        assert!(with_pass(&longest, number, pass).is_none());
    }
}
