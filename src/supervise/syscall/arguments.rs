//! Calls on a task outside of the jail whose other arguments are wrong: the kernel tells that before it
//! asks whether the caller may reach the task, and so does the supervisor. The call is refused either
//! way. What depends on the task is not asked.

use crate::sys::memory;
use crate::syscalls::{Call, Errno, Op};
use crate::trace::Tid;

/// SCHED_RESET_ON_FORK of sched(7).
const RESET_ON_FORK: u32 = 0x4000_0000;
/// MAX_RT_PRIO of linux/sched/prio.h.
const HIGHEST_PRIORITY: i32 = 99;
/// `struct rlimit64`.
const LIMIT: usize = 16;
/// SCHED_ATTR_SIZE_VER0 and the most that sched_copy_attr of kernel/sched/syscalls.c takes.
const ATTRIBUTES: std::ops::RangeInclusive<u32> = 48..=4096;

/// The error of such a call, `None` if its arguments are right.
pub fn wrong(tid: Tid, call: &Call) -> Option<Errno> {
    let [_, second, third, ..] = call.args;
    match call.op() {
        Op::SchedSetscheduler => wrong_policy(tid, second as u32, third),
        Op::SchedSetparam => priority(tid, second).err(),
        Op::SchedSetaffinity => {
            let length = (second as u32 as usize).min(size_of::<u64>());
            read::<{ size_of::<u64>() }>(tid, third, length).err()
        }
        Op::SchedSetattr => wrong_attributes(tid, second, third as u32),
        Op::Prlimit64 if third != 0 => read::<LIMIT>(tid, third, LIMIT).err(),
        Op::IoprioSet => wrong_io_priority(third as u32),
        Op::Kill | Op::Tkill => wrong_signal(second),
        Op::Tgkill => wrong_signal(third),
        _ => None,
    }
}

/// _sched_setscheduler and do_sched_setscheduler of kernel/sched/syscalls.c.
fn wrong_policy(tid: Tid, policy: u32, param: u64) -> Option<Errno> {
    if (policy as i32) < 0 {
        return Some(Errno::EINVAL);
    }
    let priority = match priority(tid, param) {
        Ok(priority) => priority,
        Err(errno) => return Some(errno),
    };
    let right = match (policy & !RESET_ON_FORK) as i32 {
        libc::SCHED_FIFO | libc::SCHED_RR => (1..=HIGHEST_PRIORITY).contains(&priority),
        libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE => priority == 0,
        // SCHED_EXT (Linux 6.12): whether the kernel has it is not known here.
        7 => true,
        _ => false,
    };
    (!right).then_some(Errno::EINVAL)
}

/// The `struct sched_param` of a call: a priority.
fn priority(tid: Tid, param: u64) -> Result<i32, Errno> {
    match param {
        0 => Err(Errno::EINVAL),
        _ => read::<4>(tid, param, 4).map(i32::from_ne_bytes),
    }
}

/// sched_copy_attr of kernel/sched/syscalls.c, as far as the size and the policy.
fn wrong_attributes(tid: Tid, attributes: u64, flags: u32) -> Option<Errno> {
    if attributes == 0 || flags != 0 {
        return Some(Errno::EINVAL);
    }
    let [a, b, c, d, policy @ ..] = match read::<8>(tid, attributes, 8) {
        Ok(bytes) => bytes,
        Err(errno) => return Some(errno),
    };
    match u32::from_ne_bytes([a, b, c, d]) {
        size if size != 0 && !ATTRIBUTES.contains(&size) => Some(Errno::E2BIG),
        _ => (i32::from_ne_bytes(policy) < 0).then_some(Errno::EINVAL),
    }
}

/// ioprio_check_cap of block/ioprio.c: a class and a level.
fn wrong_io_priority(value: u32) -> Option<Errno> {
    const NONE: u32 = 0;
    const REAL_TIME: u32 = 1;
    const BEST_EFFORT: u32 = 2;
    const IDLE: u32 = 3;
    // The level is the lowest three bits; those between are hints (Linux 6.5).
    let (class, data) = (value >> 13, value & 0x1fff);
    let right = match class {
        NONE => data == 0,
        REAL_TIME | BEST_EFFORT | IDLE => true,
        _ => false,
    };
    (!right).then_some(Errno::EINVAL)
}

/// valid_signal of linux/signal.h.
fn wrong_signal(number: u64) -> Option<Errno> {
    const HIGHEST: u64 = 64;
    (number & 0xffff_ffff > HIGHEST).then_some(Errno::EINVAL)
}

/// The first `length` of these bytes.
fn read<const N: usize>(tid: Tid, address: u64, length: usize) -> Result<[u8; N], Errno> {
    let mut bytes = [0; N];
    let part = bytes.get_mut(..length).unwrap_or_default();
    memory::read_all(tid, address, part).map_err(|_| Errno::EFAULT)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_memory_is_told_by_its_numbers() {
        assert_eq!(wrong_signal(65), Some(Errno::EINVAL));
        assert_eq!(wrong_signal(u64::MAX), Some(Errno::EINVAL));
        assert_eq!(wrong_signal(0xdead_beef_0000_000f), None);
        assert_eq!(wrong_io_priority(2 << 13 | 4), None);
        assert_eq!(wrong_io_priority(4), Some(Errno::EINVAL));
        assert_eq!(wrong_io_priority(4 << 13), Some(Errno::EINVAL));
    }

    #[test]
    fn a_policy_and_its_priority_must_fit() {
        let own = std::process::id() as Tid;
        let with = |policy, priority: i32| {
            wrong_policy(own, policy, std::ptr::from_ref(&priority).addr() as u64)
        };
        let (other, fifo) = (libc::SCHED_OTHER as u32, libc::SCHED_FIFO as u32);
        assert_eq!(with(other, 0), None);
        assert_eq!(with(other | RESET_ON_FORK, 0), None);
        assert_eq!(with(fifo, 1), None);
        for (policy, priority) in [(other, 1), (fifo, 0), (fifo, 100), (77, 0), (u32::MAX, 0)] {
            assert_eq!(
                with(policy, priority),
                Some(Errno::EINVAL),
                "{policy} {priority}"
            );
        }
        assert_eq!(wrong_policy(own, other, 0), Some(Errno::EINVAL));
        assert_eq!(wrong_policy(own, other, 1), Some(Errno::EFAULT));
        assert_eq!(wrong_policy(own, u32::MAX, 1), Some(Errno::EINVAL));
    }
}
