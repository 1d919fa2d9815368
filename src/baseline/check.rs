//! The target of a call, which the supervisor looks up in its process tree.
//!
//! Reads registers only; this file does not know which processes are in the jail.

/// How to read the target of a call out of its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// The argument is the id of one process or thread, 0 for the caller.
    Task {
        /// Index of the argument.
        arg: u8,
    },
    /// The first two arguments are `which` and `who` of setpriority(2) or ioprio_set(2).
    Who {
        /// The value of `which` that names a process; the next is a group, then a user.
        process: u32,
    },
    /// The first argument is the `pid` of kill(2).
    Signal,
    /// The third argument is the owner of `F_SETOWN`: a process, or a group if negative.
    Owner,
    /// The paths that the call names, or the file of its descriptor.
    Paths,
    /// The peer that the call names, or the address of its socket.
    Peers,
    /// The file that the call opens, which may use memory.
    Filling,
    /// The paths that the call names, only to report what Landlock denies.
    Look,
    /// The socket that the call creates, only to record it.
    Socket,
    /// The seccomp filter that the call installs: its own RET_TRACE stops arrive here, too.
    OwnFilter,
}

/// The target of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The caller itself, no process, or numbers that the kernel refuses: harmless.
    Harmless,
    /// One process or thread.
    Task(i32),
    /// A process group.
    Group(i32),
    /// The process group of the caller.
    OwnGroup,
    /// The processes of a user; 0 is the caller's.
    User(u32),
    /// Every process that the caller may reach.
    Everyone,
}

impl Check {
    /// The target of the call with these registers. All of these are 32-bit arguments.
    pub fn target(self, args: &[u64; 6]) -> Target {
        let int = |arg: u8| {
            args.get(usize::from(arg))
                .map_or(0, |value| *value as u32 as i32)
        };
        match self {
            Check::Task { arg } => match int(arg) {
                id @ 1.. => Target::Task(id),
                _ => Target::Harmless,
            },
            Check::Who { process } => {
                let (which, who) = (int(0) as u32, int(1));
                match (which.wrapping_sub(process), who) {
                    (0, 1..) => Target::Task(who),
                    (1, 0) => Target::OwnGroup,
                    (1, 1..) => Target::Group(who),
                    (2, _) => Target::User(who as u32),
                    _ => Target::Harmless,
                }
            }
            Check::Signal => match int(0) {
                id @ 1.. => Target::Task(id),
                0 => Target::OwnGroup,
                -1 => Target::Everyone,
                i32::MIN => Target::Harmless,
                group => Target::Group(-group),
            },
            Check::Paths
            | Check::Peers
            | Check::Look
            | Check::Filling
            | Check::Socket
            | Check::OwnFilter => Target::Harmless,
            Check::Owner => match int(2) {
                id @ 1.. => Target::Task(id),
                0 | i32::MIN => Target::Harmless,
                group => Target::Group(-group),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kill_reads_zero_minus_one_and_negative_ids_as_groups() {
        let target = |pid: i64| Check::Signal.target(&[pid as u64, 15, 0, 0, 0, 0]);
        assert_eq!(target(7), Target::Task(7));
        assert_eq!(target(0), Target::OwnGroup);
        assert_eq!(target(-1), Target::Everyone);
        assert_eq!(target(-7), Target::Group(7));
        assert_eq!(target(i64::from(i32::MIN)), Target::Harmless);
    }

    #[test]
    fn the_upper_half_of_a_register_does_not_change_the_target() {
        let dirty = 0xdead_beef_0000_0000;
        assert_eq!(
            Check::Signal.target(&[dirty | 7, 0, 0, 0, 0, 0]),
            Target::Task(7)
        );
        assert_eq!(
            Check::Signal.target(&[dirty, 0, 0, 0, 0, 0]),
            Target::OwnGroup
        );
        assert_eq!(
            Check::Signal.target(&[0xffff_ffff, 0, 0, 0, 0, 0]),
            Target::Everyone
        );
        assert_eq!(
            Check::Task { arg: 1 }.target(&[0, dirty | 9, 0, 0, 0, 0]),
            Target::Task(9)
        );
    }

    #[test]
    fn setpriority_and_ioprio_set_number_their_classes_differently() {
        let prio = Check::Who { process: 0 };
        let ioprio = Check::Who { process: 1 };
        assert_eq!(prio.target(&[0, 7, 0, 0, 0, 0]), Target::Task(7));
        assert_eq!(prio.target(&[1, 0, 0, 0, 0, 0]), Target::OwnGroup);
        assert_eq!(prio.target(&[2, 1000, 0, 0, 0, 0]), Target::User(1000));
        assert_eq!(ioprio.target(&[1, 7, 0, 0, 0, 0]), Target::Task(7));
        assert_eq!(ioprio.target(&[2, 7, 0, 0, 0, 0]), Target::Group(7));
        assert_eq!(ioprio.target(&[0, 7, 0, 0, 0, 0]), Target::Harmless);
    }

    #[test]
    fn an_owner_below_zero_is_a_group() {
        let target = |owner: i64| Check::Owner.target(&[3, 8, owner as u64, 0, 0, 0]);
        assert_eq!(target(7), Target::Task(7));
        assert_eq!(target(0), Target::Harmless);
        assert_eq!(target(-1), Target::Group(1));
    }
}
