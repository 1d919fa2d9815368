//! Filter, judge and reference side by side, over every number and every boundary.

#![allow(dead_code)]

use jail::internal::baseline::Watch;
use jail::internal::judge::Reason;
use jail::internal::plan::{Host, MemoryCgroup, Plan, ProcElsewhere};
use jail::internal::policy::{Action, Policy, Rule};
use jail::internal::syscalls::{Call, Errno};

use super::reference::{self, Expected, Sayings};
use super::registers::{Dice, Values};
use super::{AARCH64, Answer, Data, I386, NATIVE, X86_64, always_allowed, check, run};

/// Hosts that differ in what they need.
pub const HOSTS: [Host; 2] = [
    Host {
        landlock_abi: 7,
        kernel: (6, 18),
        memory: MemoryCgroup::None,
        namespaces: true,
        memory_files: true,
        proc_elsewhere: ProcElsewhere::NOWHERE,
    },
    Host {
        landlock_abi: 0,
        kernel: (5, 4),
        memory: MemoryCgroup::None,
        namespaces: true,
        memory_files: true,
        proc_elsewhere: ProcElsewhere::NOWHERE,
    },
];

/// Numbers past those of any table, x32's, and the extremes.
const STRANGE: [u32; 9] = [
    511,
    512,
    547,
    1000,
    0x3fff_ffff,
    0x4000_0000,
    0x4000_003b,
    0x8000_0000,
    u32::MAX,
];

/// Panics where the filter, the judge and the reference do not agree on a policy.
///
/// `said` tells the reference what the policy says of a call.
pub fn assert_agreement(
    policy: &Policy,
    host: &Host,
    calls: usize,
    said: impl Fn(&str, &[u64; 6]) -> Sayings,
) {
    let plan = Plan::new(policy, host).unwrap();
    check(&plan.filter).unwrap();
    let landlock = host.landlock_abi >= 6;
    let watch = plan.files.watch.and(plan.net.watch);
    let mut own: Vec<&str> = Vec::new();
    if plan.files.rewrites() {
        own.extend(["mmap", "openat2"]);
    }
    if plan.net.watch != Watch::NONE {
        own.extend([
            "sendto",
            "sendmsg",
            "recvfrom",
            "poll",
            "sched_yield",
            "mmap",
        ]);
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for nr in (0..=500)
        .chain(STRANGE)
        .chain((0..=500).map(|nr| nr | 0x4000_0000))
    {
        let name = reference::name(nr);
        let values = name.map_or(Values::default(), |name| Values::of(policy, name));
        let mut cacheable = true;
        for args in values.calls(&mut dice, calls) {
            let sayings = name.map_or(Sayings::default(), |name| said(name, &args));
            let expected = reference::decide(
                name,
                &args,
                &sayings,
                policy.default.action,
                landlock,
                watch,
            );
            cacheable &= expected.action == Action::Allow && !expected.check;

            let call = Call { nr, args };
            let verdict = plan.judge.call(&call);
            let judged = Expected {
                action: verdict.action,
                quiet: verdict.quiet,
                check: verdict.check.is_some(),
            };
            assert_eq!(judged, expected, "judge and reference: {call} {args:x?}");
            let (answer, _) = run(&plan.filter, &Data::native(nr, args));
            // What the baseline refuses silently, the supervisor does not call.
            let own = match verdict.reason {
                Reason::Baseline(_) => &[][..],
                _ => &own,
            };
            assert_eq!(
                answer,
                needed(name, expected, own),
                "filter: {call} {args:x?}"
            );
        }
        // Every register that matters was tried. The cache must hold only what none of them can
        // change, and all of that, but for conditions which nobody sees that they always hold.
        let cached = always_allowed(&plan.filter, nr);
        let about = |rule: &&Rule| rule.conditions.iter().any(|(on, _)| Some(on.name) == name);
        let mut rules = policy.rules.iter().filter(about);
        let unruled = Sayings {
            rules: Vec::new(),
            ..name.map_or(Sayings::default(), |name| said(name, &[0; 6]))
        };
        let default = policy.default.action;
        let otherwise = reference::decide(name, &[0; 6], &unruled, default, landlock, watch);
        let plain =
            otherwise.action == Action::Allow && rules.all(|rule| rule.action == Action::Allow);
        assert!(cacheable || !cached, "cached: {nr} {name:?}");
        assert!(cached || !(cacheable && plain), "not cached: {nr} {name:?}");
    }
    for arch in [X86_64, I386, AARCH64, 0, u32::MAX]
        .into_iter()
        .filter(|arch| *arch != NATIVE)
    {
        for nr in (0..=500).chain(STRANGE) {
            let (answer, _) = run(
                &plan.filter,
                &Data {
                    nr,
                    arch,
                    args: [0; 6],
                },
            );
            assert_eq!(
                answer,
                Answer::Errno(Errno::ENOSYS.number()),
                "arch {arch:#x} {nr}"
            );
        }
    }
}

/// What the filter must answer so that everything is enforced and nothing stops needlessly.
fn needed(name: Option<&str>, expected: Expected, own: &[&str]) -> Answer {
    // The jail's own exec must reach the supervisor, and the calls that the supervisor makes in a
    // tracee's name must not be answered without it, even where they are denied silently.
    let traced = match name {
        Some("execve" | "execveat") => true,
        Some(name) => own.contains(&name),
        None => false,
    };
    match expected.action {
        Action::Allow if !expected.check => Answer::Allow,
        Action::Deny(errno) if expected.quiet && !traced => Answer::Errno(errno.number()),
        _ => Answer::Trace,
    }
}
