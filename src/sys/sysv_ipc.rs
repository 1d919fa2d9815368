//! What there is of System V semaphores and message queues in the caller's IPC namespace: semctl(2), msgctl(2).
//!
//! /proc/sysvipc tells the same, but before Linux 5.15 the kernel begins at the first one again for each line that it
//! writes (sysvipc_find_ipc of ipc/util.c): 12,000 queues take seconds there.

use super::{Errno, check};
use std::mem::MaybeUninit;

/// As SEM_STAT_ANY of semctl(2), since Linux 4.17.
const MSG_STAT_ANY: libc::c_int = 13;

/// A set of semaphores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    pub id: i64,
    /// The user that has made it.
    pub maker: u32,
    pub semaphores: u64,
}

/// A message queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    pub id: i64,
    /// The user that has made it.
    pub maker: u32,
    pub messages: u64,
    /// The contents of all its messages, in bytes.
    pub bytes: u64,
}

/// All sets; none if the kernel has no System V IPC.
pub fn sets() -> impl Iterator<Item = Set> {
    let mut info = MaybeUninit::<libc::seminfo>::uninit();
    // SAFETY: SEM_INFO fills in a `seminfo`, and keeps no pointer to it.
    let last = check(unsafe { libc::semctl(0, 0, libc::SEM_INFO, info.as_mut_ptr()) });
    indices(last).filter_map(|index| {
        let mut found = MaybeUninit::<libc::semid_ds>::uninit();
        // SAFETY: SEM_STAT_ANY fills in a `semid_ds`, and keeps no pointer to it.
        let id = check(unsafe { libc::semctl(index, 0, libc::SEM_STAT_ANY, found.as_mut_ptr()) });
        let id = id.ok()?;
        // SAFETY: the call has succeeded, so that it is filled in.
        let found = unsafe { found.assume_init() };
        Some(Set {
            id,
            maker: found.sem_perm.cuid,
            semaphores: found.sem_nsems,
        })
    })
}

/// All queues; none if the kernel has no System V IPC.
pub fn queues() -> impl Iterator<Item = Queue> {
    // The kernel writes a `msginfo`, which is smaller than what msgctl(3) declares.
    let mut info = MaybeUninit::<libc::msqid_ds>::uninit();
    // SAFETY: MSG_INFO fills in a `msginfo`, for which there is room, and keeps no pointer to it.
    let last = check(unsafe { libc::msgctl(0, libc::MSG_INFO, info.as_mut_ptr()) });
    indices(last).filter_map(|index| {
        let mut found = MaybeUninit::<libc::msqid_ds>::uninit();
        // SAFETY: MSG_STAT_ANY fills in a `msqid_ds`, and keeps no pointer to it.
        let id = check(unsafe { libc::msgctl(index, MSG_STAT_ANY, found.as_mut_ptr()) }).ok()?;
        // SAFETY: the call has succeeded, so that it is filled in.
        let found = unsafe { found.assume_init() };
        Some(Queue {
            id,
            maker: found.msg_perm.cuid,
            messages: found.msg_qnum,
            bytes: found.__msg_cbytes,
        })
    })
}

/// The indices up to the highest one in use. The kernel takes a new one of the first 1.5 times as many as there are
/// (ipc_idr_alloc of ipc/util.c).
fn indices(last: Result<i64, Errno>) -> std::ops::RangeInclusive<libc::c_int> {
    0..=last.map_or(-1, |last| last as libc::c_int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_and_a_queue_are_found_with_their_contents() {
        let message = [1_u8; 108];
        // SAFETY: numbers only, but for a message of a type and 100 bytes.
        let (set, queue) = unsafe {
            let set = libc::semget(libc::IPC_PRIVATE, 7, 0);
            let queue = libc::msgget(libc::IPC_PRIVATE, 0o600);
            assert_eq!(libc::msgsnd(queue, message.as_ptr().cast(), 100, 0), 0);
            (set, queue)
        };
        let found_set = sets().find(|found| found.id == i64::from(set));
        let found_queue = queues().find(|found| found.id == i64::from(queue));
        // SAFETY: these commands read and write no structure.
        unsafe {
            libc::semctl(set, 0, libc::IPC_RMID);
            libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut());
        }
        // SAFETY: takes nothing.
        let maker = unsafe { libc::geteuid() };
        let (id, semaphores) = (i64::from(set), 7);
        let expected = Set {
            id,
            maker,
            semaphores,
        };
        assert_eq!(found_set, Some(expected));
        let expected = Queue {
            id: i64::from(queue),
            maker,
            messages: 1,
            bytes: 100,
        };
        assert_eq!(found_queue, Some(expected));
        assert_eq!(sets().find(|found| found.id == i64::from(set)), None);
        assert_eq!(queues().find(|found| found.id == i64::from(queue)), None);
    }
}
