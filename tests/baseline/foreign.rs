//! Processes outside: their memory, descriptors, limits and scheduling are out of reach.

use crate::arena::*;
#[cfg(target_arch = "x86_64")]
use crate::support::{example, permissive, plain};

/// Who can do this without a jail.
#[derive(PartialEq)]
enum By {
    Anyone,
    /// An ordinary user may not anyway: why.
    Root(&'static str),
    /// The kernel at hand may lack it: why.
    Perhaps(&'static str),
}

struct Line<'a> {
    rule: &'a str,
    errno: &'a str,
    by: By,
    words: fn(&Victim) -> Vec<String>,
    effect: fn(&Victim, &str) -> bool,
}

/// The cell of an attack that has no effect without a jail.
fn lacking(line: &str, bare: &Run, why: &str) -> String {
    println!("NOT TRIED HERE: {line} without a jail: {why}");
    format!("{} ({why})", bare.cell())
}

impl Line<'_> {
    /// The attack on a fresh victim, without a jail and within.
    fn hold(self, line: &str) {
        let victim = Victim::new();
        let bare = How::default().run(&(self.words)(&victim));
        let done =
            bare.result().is_ok() && (self.effect)(&victim, bare.result().unwrap_or_default());
        let cell = match (done, &self.by) {
            (true, _) => bare.cell(),
            (false, By::Root(why)) if !root() => lacking(line, &bare, why),
            (false, By::Perhaps(why)) => lacking(line, &bare, why),
            (false, _) => panic!("{line}: no effect without a jail: {bare:?}"),
        };
        let victim = Victim::new();
        let how = How {
            policy: Some(ANYTHING),
            ..How::default()
        };
        let within = how.run(&(self.words)(&victim));
        row(line, &cell, &format!("{} by {}", within.cell(), self.rule));
        assert_eq!(within.result(), Err(self.errno), "{line}: {within:?}");
        assert!(
            within.err.contains(self.rule),
            "{line}: who did it? {within:?}"
        );
        assert!(
            !(self.effect)(&victim, ""),
            "{line}: it had its effect: {within:?}"
        );
    }
}

const WRITTEN: u64 = 0x6666;

#[test]
fn a_process_outside_cannot_be_traced() {
    Line {
        rule: "no-ptrace",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("ptrace", &[&victim.pid(), &victim.address()]),
        effect: |victim, _| victim.value() == WRITTEN,
    }
    .hold("ptrace a process outside");
}

#[test]
fn a_sibling_in_the_jail_cannot_be_traced() {
    Line {
        rule: "no-ptrace",
        errno: "EPERM",
        by: By::Anyone,
        words: |_| attack("ptrace-sibling", &[]),
        effect: |_, loot| loot.contains("changed"),
    }
    .hold("ptrace a sibling");
}

#[test]
fn memory_outside_cannot_be_written_by_process_vm_writev() {
    Line {
        rule: "no-foreign-memory",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("process_vm_writev", &[&victim.pid(), &victim.address()]),
        effect: |victim, _| victim.value() == WRITTEN,
    }
    .hold("process_vm_writev");
}

#[test]
fn memory_outside_cannot_be_read_by_process_vm_readv() {
    Line {
        rule: "no-foreign-memory",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("process_vm_readv", &[&victim.pid(), &victim.address()]),
        effect: |_, loot| loot == "0x1111",
    }
    .hold("process_vm_readv");
}

#[test]
fn pages_outside_cannot_be_thrown_out_by_process_madvise() {
    Line {
        rule: "no-foreign-memory",
        errno: "EPERM",
        by: By::Root("process_madvise of others needs CAP_SYS_NICE"),
        words: |victim| {
            attack(
                "process_madvise",
                &[&victim.pid(), &victim.mapping, &(1 << 20)],
            )
        },
        effect: |victim, _| victim.resident() < 512,
    }
    .hold("process_madvise");
}

#[test]
fn a_descriptor_outside_cannot_be_taken() {
    let victim = Victim::new();
    let bare = How::default().run(&attack("pidfd_getfd", &[&victim.pid()]));
    assert_eq!(victim.written(), "stolen\n", "{bare:?}");
    let victim = Victim::new();
    let within = How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(&attack("pidfd_getfd", &[&victim.pid()]));
    row("pidfd_getfd", &bare.cell(), &within.cell());
    assert_eq!(within.result(), Err("EPERM"), "{within:?}");
    assert!(within.err.contains("no-pidfd-getfd"), "{within:?}");
    assert_eq!(victim.written(), "");
}

#[test]
fn descriptors_outside_cannot_be_compared() {
    Line {
        rule: "no-kcmp",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("kcmp", &[&victim.pid()]),
        effect: |_, loot| loot == "0=2:true 0=1:false",
    }
    .hold("kcmp");
}

#[test]
fn a_namespace_outside_cannot_be_joined() {
    let Some(victim) = Victim::in_namespace() else {
        println!("NOT TRIED HERE: setns: no user namespace can be made");
        return row("setns", "no user namespaces on this host", "not run");
    };
    let bare = How::default().run(&attack("setns", &[&victim.pid()]));
    assert_eq!(
        bare.result(),
        Ok(victim.namespace("uts").as_str()),
        "{bare:?}"
    );
    let within = How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(&attack("setns", &[&victim.pid()]));
    row("setns", "is in the victim's namespace", &within.cell());
    assert_eq!(within.result(), Err("EPERM"), "{within:?}");
    assert!(within.err.contains("no-setns"), "{within:?}");
}

#[test]
fn limits_outside_cannot_be_set() {
    Line {
        rule: "no-foreign-limits",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("prlimit64", &[&victim.pid()]),
        effect: |victim, _| victim.line("limits", "Max open files") == "64 64 files",
    }
    .hold("prlimit64");
}

#[test]
fn priorities_outside_cannot_be_set_by_process() {
    Line {
        rule: "no-foreign-priority",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("setpriority", &[&0, &victim.pid()]),
        effect: |victim, _| victim.stat(19) == own_nice() + 3,
    }
    .hold("setpriority of a process");
}

#[test]
fn priorities_outside_cannot_be_set_by_group() {
    Line {
        rule: "no-foreign-priority",
        errno: "EPERM",
        by: By::Anyone,
        // Its group is its own.
        words: |victim| attack("setpriority", &[&1, &victim.pid()]),
        effect: |victim, _| victim.stat(19) == own_nice() + 3,
    }
    .hold("setpriority of a group");
}

/// In a pid namespace of its own, so that there is one victim, whatever fails.
#[test]
fn priorities_cannot_be_set_by_user() {
    let alone = || stage("alone", &[]);
    for (line, who) in [
        ("the own user", 0),
        ("this user", nix::unistd::getuid().as_raw()),
    ] {
        let words = attack("setpriority", &[&2, &who]);
        let bare = How {
            before: alone(),
            ..How::default()
        }
        .run(&words);
        let Some(victim) = bare.victim() else {
            println!("NOT TRIED HERE: PRIO_USER: no pid namespace can be made");
            return row(
                "setpriority of a user",
                "not run: would reach the whole machine",
                "not run",
            );
        };
        assert_eq!(
            victim,
            format!("pending false nice {}", own_nice() + 3),
            "{bare:?}"
        );
        let within = How {
            policy: Some(ANYTHING),
            before: alone(),
            ..How::default()
        }
        .run(&words);
        row(
            &format!("setpriority of {line}"),
            &bare.cell(),
            &within.cell(),
        );
        assert_eq!(within.result(), Err("EPERM"), "{line}: {within:?}");
        let spared = format!("pending false nice {}", own_nice());
        assert_eq!(within.victim(), Some(spared.as_str()), "{line}: {within:?}");
    }
}

#[test]
fn the_priority_of_jails_own_group_cannot_be_set() {
    let words = attack("setpriority", &[&1, &0]);
    let run = |policy| {
        let mate = Victim::new();
        let run = How {
            policy,
            group: Some(mate.pid()),
            ..How::default()
        }
        .run(&words);
        (run, mate.stat(19))
    };
    let (bare, nice) = run(None);
    assert_eq!(nice, own_nice() + 3, "{bare:?}");
    let (within, nice) = run(Some(ANYTHING));
    row(
        "setpriority of jail's own group",
        &bare.cell(),
        &within.cell(),
    );
    assert_eq!(within.result(), Err("EPERM"), "{within:?}");
    assert_eq!(nice, own_nice(), "{within:?}");
}

#[test]
fn io_priorities_outside_cannot_be_set() {
    Line {
        rule: "no-foreign-ioprio",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("ioprio_set", &[&1, &victim.pid()]),
        effect: |victim, _| victim.ioprio() == (3 << 13).to_string(),
    }
    .hold("ioprio_set of a process");
    Line {
        rule: "no-foreign-ioprio",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("ioprio_set", &[&2, &victim.pid()]),
        effect: |victim, _| victim.ioprio() == (3 << 13).to_string(),
    }
    .hold("ioprio_set of a group");
}

#[test]
fn a_process_outside_cannot_be_bound_to_a_processor() {
    Line {
        rule: "no-foreign-scheduling",
        errno: "EPERM",
        by: By::Perhaps("one processor: nothing to bind to"),
        words: |victim| attack("sched_setaffinity", &[&victim.pid()]),
        effect: |victim, _| {
            let several = std::thread::available_parallelism().is_ok_and(|all| all.get() > 1);
            several && victim.line("status", "Cpus_allowed_list:") == "0"
        },
    }
    .hold("sched_setaffinity");
}

#[test]
fn a_process_outside_cannot_be_scheduled_anew() {
    Line {
        rule: "no-foreign-scheduling",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("sched_setscheduler", &[&victim.pid()]),
        effect: |victim, _| victim.stat(41) == 5,
    }
    .hold("sched_setscheduler");
    Line {
        rule: "no-foreign-scheduling",
        errno: "EPERM",
        by: By::Anyone,
        words: |victim| attack("sched_setattr", &[&victim.pid()]),
        effect: |victim, _| victim.stat(41) == 3,
    }
    .hold("sched_setattr");
    Line {
        rule: "no-foreign-scheduling",
        errno: "EPERM",
        // Priority 0 is all that an ordinary process can be given, and what it has.
        by: By::Anyone,
        words: |victim| attack("sched_setparam", &[&victim.pid(), &0]),
        effect: |_, loot| loot == "priority 0",
    }
    .hold("sched_setparam");
}

#[test]
fn pages_outside_cannot_be_moved_or_looked_up() {
    Line {
        rule: "no-foreign-pages",
        errno: "EPERM",
        by: By::Perhaps("this kernel has no NUMA"),
        words: |victim| attack("move_pages", &[&victim.pid(), &victim.address()]),
        effect: |_, loot| loot.starts_with("node "),
    }
    .hold("move_pages");
    Line {
        rule: "no-foreign-pages",
        errno: "EPERM",
        by: By::Perhaps("a second node is needed"),
        words: |victim| attack("migrate_pages", &[&victim.pid()]),
        effect: |_, loot| loot.ends_with("left"),
    }
    .hold("migrate_pages");
}

#[test]
fn a_process_outside_cannot_be_profiled() {
    Line {
        rule: "no-foreign-profiling",
        errno: "EPERM",
        by: By::Perhaps("this host forbids perf events"),
        words: |victim| attack("perf_event_open", &[&victim.pid(), &-1]),
        effect: |_, loot| loot.starts_with("ran "),
    }
    .hold("perf_event_open of a process");
}

#[test]
fn the_system_cannot_be_profiled() {
    Line {
        rule: "no-system-profiling",
        errno: "EPERM",
        by: By::Root("profiling a processor needs CAP_PERFMON"),
        words: |_| attack("perf_event_open", &[&-1, &0]),
        effect: |_, loot| loot.starts_with("ran "),
    }
    .hold("perf_event_open of a processor");
}

#[test]
fn a_process_outside_cannot_be_given_a_core_cookie() {
    Line {
        rule: "no-core-scheduling",
        errno: "EPERM",
        by: By::Perhaps("this kernel has no core scheduling"),
        words: |victim| attack("core-scheduling", &[&victim.pid()]),
        effect: |_, loot| loot == "cookie given",
    }
    .hold("prctl PR_SCHED_CORE");
}

#[test]
fn tasks_of_the_jail_are_scheduled_limited_and_profiled_as_ever() {
    let words = attack("own-tasks", &[]);
    let bare = How::default().run(&words);
    let within = How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(&words);
    row(
        "honest: own pid, child, thread",
        &bare.cell(),
        &within.cell(),
    );
    // Debian's kernels ask for a capability there, which a jail takes from root.
    let paranoid =
        std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let paranoid: i32 = paranoid.trim().parse().unwrap_or_default();
    let expected = if root() && paranoid > 2 {
        println!("NOT TRIED HERE: perf_event_open: perf_event_paranoid is {paranoid}");
        Ok(
            "perf_event_open(self)=EACCES perf_event_open(child)=EACCES perf_event_open(thread)=EACCES",
        )
    } else {
        bare.result()
    };
    assert_eq!(within.result(), expected, "{within:?}");
    assert!(!within.err.contains("denied"), "{within:?}");
}

#[test]
fn memory_outside_cannot_be_written_through_proc_where_landlock_has_a_domain() {
    let victim = Victim::new();
    let words = |victim: &Victim| attack("proc-mem", &[&victim.pid(), &victim.address()]);
    let bare = How::default().run(&words(&victim));
    assert_eq!(victim.value(), WRITTEN, "{bare:?}");
    let victim = Victim::new();
    let within = How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(&words(&victim));
    row(
        "write to /proc/PID/mem outside",
        &bare.cell(),
        &within.cell(),
    );
    if signals::landlock_holds_signals() || root() {
        assert!(within.result().is_err(), "{within:?}");
        assert_ne!(victim.value(), WRITTEN);
    } else {
        println!("NOT TRIED HERE: /proc/PID/mem without [fs]: this kernel has no Landlock scopes");
    }
}

use crate::signals;

/// As the kernel does, which looks at the other arguments before it looks at the process.
#[test]
#[cfg(target_arch = "x86_64")]
fn wrong_arguments_are_told_before_the_process_is_refused() {
    let rows = |pid: i32| -> Vec<(String, &str)> {
        let scheduler = |rest: &str| format!("{} {pid} {rest}", libc::SYS_sched_setscheduler);
        let call = |number: i64, rest: &str| format!("{number} {pid} {rest}");
        vec![
            (scheduler("77 words:0"), "EINVAL"),
            (scheduler("-1 words:0"), "EINVAL"),
            (scheduler("0 words:1"), "EINVAL"),
            (scheduler("1 words:0"), "EINVAL"),
            (scheduler("1 words:100"), "EINVAL"),
            (scheduler("0 null"), "EINVAL"),
            (scheduler("0 bad"), "EFAULT"),
            (scheduler("-1 bad"), "EINVAL"),
            (call(libc::SYS_sched_setparam, "null"), "EINVAL"),
            (call(libc::SYS_sched_setparam, "bad"), "EFAULT"),
            (call(libc::SYS_sched_setaffinity, "8 bad"), "EFAULT"),
            (call(libc::SYS_sched_setattr, "null 0"), "EINVAL"),
            (call(libc::SYS_sched_setattr, "bad 0"), "EFAULT"),
            (call(libc::SYS_sched_setattr, "words:7 0"), "E2BIG"),
            (call(libc::SYS_prlimit64, "7 bad null"), "EFAULT"),
            (format!("{} 1 {pid} 4", libc::SYS_ioprio_set), "EINVAL"),
            (format!("{} 1 {pid} 40960", libc::SYS_ioprio_set), "EINVAL"),
            (call(libc::SYS_kill, "65"), "EINVAL"),
            (call(libc::SYS_tkill, "65"), "EINVAL"),
            (call(libc::SYS_tgkill, &format!("{pid} 65")), "EINVAL"),
        ]
    };
    let victim = Victim::new();
    let rows = rows(victim.pid());
    let program = example("files");
    let steps = rows.iter().map(|(step, _)| step.as_str());
    let command: Vec<&str> = [&*program, "steps"].into_iter().chain(steps).collect();
    let expected: String = rows.iter().map(|(_, errno)| format!("{errno}\n")).collect();
    plain(&command).output().ends_with(0).says(&expected);
    for landlock in [None, Some("0")] {
        let mut run = permissive(&command);
        if let Some(abi) = landlock {
            run = run.env("JAIL_LANDLOCK_ABI", abi);
        }
        let ran = run.output().ends_with(0);
        assert_eq!(ran.out, expected, "{landlock:?} {command:?}");
        assert!(!ran.err.contains("denied"), "{}", ran.err);
    }
    // What is right but for the process is denied as ever.
    let right = format!(
        "{} {} 5 words:0",
        libc::SYS_sched_setscheduler,
        victim.pid()
    );
    permissive([&*program, "steps", &right])
        .output()
        .says("EPERM\n")
        .complains("no-foreign-scheduling");
}
