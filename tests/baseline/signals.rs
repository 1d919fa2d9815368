//! Signals stay within the jail, whoever holds them there: Landlock's scope, or, where the host
//! lacks it, registers and the supervisor. Each line runs with all of Landlock, with ABI 5 (the
//! last without signals) and with none.

use crate::arena::*;
use crate::support::kernel::is_at_least;

const SIGNAL: i32 = 12; // SIGUSR2: jail itself would pass it on.

/// The ABI as it is, the last without a signal scope, none.
const ABIS: [Option<u32>; 3] = [None, Some(5), Some(0)];

/// Whether the kernel's Landlock holds signals. Asked of the kernel's version, for only jail makes
/// Landlock calls here.
pub fn landlock_holds_signals() -> bool {
    is_at_least(6, 12)
}

fn jailed(abi: Option<u32>, group: i32) -> How<'static> {
    How {
        policy: Some(ANYTHING),
        landlock: abi,
        group: Some(group),
        ..How::default()
    }
}

fn column(abi: Option<u32>) -> String {
    abi.map_or("Landlock as it is".into(), |abi| format!("Landlock {abi}"))
}

fn by_pid(name: &str, hidden: bool) {
    let victim = Victim::new();
    let bare = How::default().run(&attack(name, &[&victim.pid(), &SIGNAL]));
    assert!(victim.pending(SIGNAL), "{name}: {bare:?}");
    for abi in ABIS {
        let victim = Victim::new();
        let within = jailed(abi, 0).run(&attack(name, &[&victim.pid(), &SIGNAL]));
        row(
            &format!("{name}, {}", column(abi)),
            "the victim has it",
            &within.cell(),
        );
        assert!(!victim.pending(SIGNAL), "{name} {abi:?}: {within:?}");
        if !hidden {
            assert!(within.result().is_err(), "{name} {abi:?}: {within:?}");
        }
        // Asking whether it is there is a signal too.
        let within = jailed(abi, 0).run(&attack(name, &[&victim.pid(), &0]));
        if !hidden {
            assert!(within.result().is_err(), "{name} 0 {abi:?}: {within:?}");
        }
    }
}

#[test]
fn kill_does_not_reach_a_process_outside() {
    by_pid("kill", false);
}

#[test]
fn tkill_does_not_reach_a_process_outside() {
    by_pid("tkill", false);
}

#[test]
fn tgkill_does_not_reach_a_process_outside() {
    by_pid("tgkill", false);
}

#[test]
fn rt_sigqueueinfo_does_not_reach_a_process_outside() {
    by_pid("rt_sigqueueinfo", false);
}

#[test]
fn rt_tgsigqueueinfo_does_not_reach_a_process_outside() {
    by_pid("rt_tgsigqueueinfo", false);
}

#[test]
fn pidfd_send_signal_does_not_reach_a_process_outside() {
    by_pid("pidfd_send_signal", false);
}

/// An owner may be named (Landlock looks when the signal is sent); it is never told.
#[test]
fn an_owner_of_a_socket_outside_is_not_signalled() {
    for name in ["F_SETOWN", "F_SETOWN_EX", "FIOSETOWN", "SIOCSPGRP"] {
        by_pid(name, true);
    }
}

#[test]
fn an_owner_group_outside_is_not_signalled() {
    for name in ["F_SETOWN", "FIOSETOWN", "SIOCSPGRP"] {
        let victim = Victim::new();
        let bare = How::default().run(&attack(name, &[&-victim.pid(), &SIGNAL]));
        assert!(victim.pending(SIGNAL), "{name}: {bare:?}");
        for abi in ABIS {
            let victim = Victim::new();
            // Jail is in that group, so that it is not foreign altogether.
            let within = jailed(abi, victim.pid()).run(&attack(name, &[&-victim.pid(), &SIGNAL]));
            row(
                &format!("{name} of a group, {}", column(abi)),
                "the victim has it",
                &within.cell(),
            );
            assert!(!victim.pending(SIGNAL), "{name} {abi:?}: {within:?}");
        }
    }
}

#[test]
fn jail_itself_cannot_be_killed() {
    let mut parent = stage("parent", &[]);
    parent.extend(attack("kill-parent", &[]));
    let bare = How::default().run(&parent);
    assert_eq!(bare.code(), 137, "{bare:?}");
    for abi in ABIS {
        let within = jailed(abi, 0).run(&attack("kill-parent", &[]));
        row(
            &format!("kill the parent, {}", column(abi)),
            &bare.cell(),
            &within.cell(),
        );
        assert_eq!(
            (within.result(), within.code()),
            (Err("EPERM"), 1),
            "{abi:?}: {within:?}"
        );
    }
}

/// The group of jail, or the caller's pipeline: who is in the jail is reached, nobody else.
#[test]
fn a_signal_to_the_own_group_reaches_the_jails_members_alone() {
    for (name, target) in [("kill(0)", 0), ("kill(-own group)", -1)] {
        let words = attack("own-group", &[&target, &SIGNAL]);
        let (mate, other) = (Victim::new(), Victim::new());
        let bare = How {
            group: Some(mate.pid()),
            ..How::default()
        }
        .run(&words);
        assert_eq!(bare.result(), Ok("returned 0, self 1, child 1"), "{bare:?}");
        assert!(mate.pending(SIGNAL) && !other.pending(SIGNAL), "{bare:?}");
        for abi in ABIS {
            let mate = Victim::new();
            let second = Victim::in_group(mate.pid());
            let within = jailed(abi, mate.pid()).run(&words);
            row(
                &format!("{name}, {}", column(abi)),
                &format!("{}, others of the group too", bare.cell()),
                &within.cell(),
            );
            assert_eq!(
                within.result(),
                Ok("returned 0, self 1, child 1"),
                "{name} {abi:?}: {within:?}"
            );
            assert!(
                !mate.pending(SIGNAL) && !second.pending(SIGNAL),
                "{name} {abi:?}: {within:?}"
            );
            assert_eq!(within.code(), 0, "{within:?}");
        }
    }
}

/// In a pid namespace of its own, so that "everyone" is the jail and one victim, whatever fails.
#[test]
fn a_signal_to_everyone_reaches_the_jails_members_alone() {
    let words = attack("everyone", &[&SIGNAL]);
    let alone = || stage("alone", &[]);
    let bare = How {
        before: alone(),
        ..How::default()
    }
    .run(&words);
    let Some(victim) = bare.victim() else {
        println!("NOT TRIED HERE: kill(-1): no pid namespace can be made");
        return row(
            "kill(-1)",
            "not run: would reach the whole machine",
            "not run",
        );
    };
    assert!(victim.starts_with("pending true"), "{bare:?}");
    for abi in ABIS {
        let how = How {
            before: alone(),
            ..jailed(abi, 0)
        };
        let within = how.run(&words);
        row(
            &format!("kill(-1), {}", column(abi)),
            &format!("{}, victim too", bare.cell()),
            &within.cell(),
        );
        assert_eq!(
            within.result(),
            Ok("returned 0, self 0, child 1"),
            "{abi:?}: {within:?}"
        );
        let spared = within
            .victim()
            .is_some_and(|victim| victim.starts_with("pending false"));
        assert!(spared, "{abi:?}: {within:?}");
    }
}

#[test]
fn a_group_outside_cannot_be_signalled() {
    let victim = Victim::new();
    let bare = How::default().run(&attack("kill", &[&-victim.pid(), &SIGNAL]));
    assert!(victim.pending(SIGNAL), "{bare:?}");
    for abi in ABIS {
        let victim = Victim::new();
        let within = jailed(abi, 0).run(&attack("kill", &[&-victim.pid(), &SIGNAL]));
        row(
            &format!("kill(-group outside), {}", column(abi)),
            "the victim has it",
            &within.cell(),
        );
        assert!(within.result().is_err(), "{abi:?}: {within:?}");
        assert!(!victim.pending(SIGNAL), "{abi:?}: {within:?}");
    }
}

#[test]
fn signals_within_the_jail_arrive() {
    let words = attack("own-signals", &[]);
    let bare = How::default().run(&words);
    assert_eq!(bare.result(), Ok("all"), "{bare:?}");
    for abi in ABIS {
        let within = jailed(abi, 0).run(&words);
        row(
            &format!("honest: own signals, {}", column(abi)),
            "all",
            &within.cell(),
        );
        if abi.is_none() && landlock_holds_signals() {
            assert_eq!(within.result(), Ok("all"), "{within:?}");
        } else {
            // What takes its target from memory, and cannot be looked at, is the price.
            let price =
                "pidfd_send_signal=ENOSYS F_SETOWN_EX=EPERM FIOSETOWN=EPERM SIOCSPGRP=EPERM";
            assert_eq!(within.result(), Ok(price), "{abi:?}: {within:?}");
        }
    }
}
