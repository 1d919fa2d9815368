//! The jail itself: it cannot be overruled, walked round, outlived or looked into.

use crate::arena::*;
use std::fs;

fn within(words: &[String]) -> Run {
    How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(words)
}

/// A policy with something to get past.
const NO_GETPPID: &str = "default = \"allow\"\n[syscalls]\ngetppid = \"deny\"\n";

#[test]
fn clone_cannot_create_an_untraced_child() {
    let words = attack("untraced-clone", &[]);
    let (bare, within) = (How::default().run(&words), within(&words));
    row("clone CLONE_UNTRACED", &bare.cell(), &within.cell());
    assert_eq!(bare.result(), Ok("untraced child, getppid ran"), "{bare:?}");
    assert_eq!(within.result(), Err("EPERM"), "{within:?}");
    assert!(within.err.contains("no-untraced-clone"), "{within:?}");
}

#[test]
fn clone3_is_as_if_the_kernel_had_none_and_glibc_does_without() {
    let words = attack("clone3", &[]);
    let (bare, within) = (How::default().run(&words), within(&words));
    row("clone3 CLONE_UNTRACED", &bare.cell(), &within.cell());
    assert_eq!(bare.result(), Ok("child returned 1"), "{bare:?}");
    assert_eq!(within.result(), Err("ENOSYS"), "{within:?}");
    assert!(
        within.out.contains("glibc spawn:true thread:true"),
        "{within:?}"
    );
    assert_eq!(within.err, "", "a fallback is not worth a word");
}

#[test]
fn a_listener_cannot_switch_the_supervisor_off() {
    let words = attack("listener", &[]);
    let bare = How::default().run(&words);
    // Within, the call that it would have continued is one that the policy denies.
    let within = How {
        policy: Some(NO_GETPPID),
        ..How::default()
    }
    .run(&words);
    row("seccomp NEW_LISTENER", &bare.cell(), &within.cell());
    assert!(
        bare.result()
            .is_ok_and(|loot| loot.ends_with("had it continued")),
        "{bare:?}"
    );
    assert_eq!(within.result(), Err("EPERM"), "{within:?}");
    assert!(within.err.contains("no-listener"), "{within:?}");
}

#[test]
fn a_program_may_still_confine_itself() {
    for (name, expected) in [
        ("stacked-filter", Ok("the filter answers")),
        ("threads", Ok("8 threads")),
    ] {
        let words = attack(name, &[]);
        let (bare, within) = (How::default().run(&words), within(&words));
        row(&format!("honest: {name}"), &bare.cell(), &within.cell());
        assert_eq!(
            (bare.result(), within.result()),
            (expected, expected),
            "{within:?}"
        );
        assert_eq!(within.err, "", "{within:?}");
    }
}

/// Without a jail nothing traces the program, and SECCOMP_RET_TRACE means ENOSYS. So it does in one,
/// whatever the policy says of the call, and whichever call installs the filter.
#[test]
fn a_filter_of_the_program_that_traces_answers_enosys() {
    for name in ["own-trace", "own-trace-prctl"] {
        for data in [0, 1, 0x1234, u16::MAX] {
            let words = attack(name, &[&data]);
            let bare = How::default().run(&words);
            assert_eq!(bare.result(), Err("ENOSYS"), "{bare:?}");
            for policy in [ANYTHING, NO_GETPPID] {
                let how = How {
                    policy: Some(policy),
                    ..How::default()
                };
                let within = how.run(&words);
                row(&format!("{name} {data}"), &bare.cell(), &within.cell());
                assert_eq!(within.result(), Err("ENOSYS"), "{within:?}");
            }
        }
    }
}

/// It may take the number that the jail's filter gives: then its calls are judged as ever.
#[test]
fn a_filter_of_the_program_with_the_jails_own_number_gains_nothing() {
    let words = attack("own-trace", &[&jail::internal::plan::TRACE_DATA]);
    let denied = How {
        policy: Some(NO_GETPPID),
        ..How::default()
    }
    .run(&words);
    assert_eq!(denied.result(), Err("EPERM"), "{denied:?}");
    let allowed = within(&words);
    assert!(allowed.result().is_ok(), "{allowed:?}");
}

/// The filter that traces may be older than the jail.
#[test]
fn a_filter_of_the_caller_that_traces_answers_enosys() {
    let words = attack("times", &[]);
    let before = || vec![probe(), "without".into(), "traces".into()];
    let bare = How {
        before: before(),
        ..How::default()
    }
    .run(&words);
    assert_eq!(bare.result(), Err("ENOSYS"), "{bare:?}");
    let within = How {
        policy: Some(ANYTHING),
        before: before(),
        ..How::default()
    }
    .run(&words);
    assert_eq!(within.result(), Err("ENOSYS"), "{within:?}");
}

/// The supervisor maps pages by a call in the task's name, which a filter of the task's own may answer
/// without making it. What was judged is kept in such pages.
#[test]
fn a_filter_of_the_program_that_answers_for_mmap_leaves_no_page_open() {
    let judged_by_path = "default = \"allow\"\n[fs]\ndeny = [\"**/.denied\"]\n";
    let within = |number: libc::c_long, executes: i32| {
        How {
            policy: Some(judged_by_path),
            ..How::default()
        }
        .run(&attack("own-seal", &[&number, &executes]))
    };
    // A child has a copy of the pages that were mapped before the filter stood.
    let answers = within(libc::SYS_mmap, 0);
    row("own filter for mmap", "-", &answers.cell());
    assert_eq!(answers.result(), Ok("all is closed"), "{answers:?}");
    let answers = within(libc::SYS_mmap, 1);
    row("own filter for mmap, and exec", "-", &answers.cell());
    // Its loader cannot load a library.
    assert_eq!(answers.result(), Err(""), "{answers:?}");
    assert!([127, 139].contains(&answers.code()), "{answers:?}");
    // A filter that answers for another call changes nothing.
    for number in [libc::SYS_getppid, libc::SYS_mseal] {
        let honest = within(number, 0);
        assert_eq!(honest.result(), Ok("all is closed"), "{honest:?}");
    }
}

#[test]
fn a_filter_of_the_program_that_kills_ends_the_program() {
    let words = attack("own-kill", &[]);
    let bare = How::default().run(&words);
    let within = within(&words);
    row("honest: own RET_KILL", &bare.cell(), &within.cell());
    assert_eq!((bare.code(), within.code()), (159, 159), "{within:?}");
}

#[test]
fn a_ring_cannot_be_made() {
    let words = attack("io_uring", &[]);
    let (bare, within) = (How::default().run(&words), within(&words));
    let cell = match bare.result() {
        Ok(_) => {
            assert!(bare.out.starts_with("ring\n"), "{bare:?}");
            bare.cell()
        }
        Err(errno) => {
            println!("NOT TRIED HERE: io_uring without a jail: {errno}");
            format!("{errno} (forbidden on this host)")
        }
    };
    row("io_uring", &cell, &within.cell());
    assert_eq!(within.result(), Err("ENOSYS"), "{within:?}");
    assert_eq!(within.err, "", "a probe for a ring is not worth a word");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_i386_gate_does_not_lead_past_a_denial() {
    let words = attack("i386", &[]);
    // Without a jail, but under a filter that looks at numbers alone.
    let bare = How {
        before: stage("deny-getppid", &[]),
        ..How::default()
    }
    .run(&words);
    let cell = match bare.result() {
        Ok(_) => format!("{}, past a filter that denies getppid", bare.cell()),
        Err(_) => {
            println!("NOT TRIED HERE: int 0x80: this kernel has no IA32 emulation");
            format!("{} (no IA32 emulation)", bare.cell())
        }
    };
    let plain = How {
        before: stage("deny-getppid", &[]),
        ..How::default()
    }
    .run(&attack("getppid", &[]));
    assert_eq!(plain.result(), Err("EPERM"), "{plain:?}");
    let within = How {
        policy: Some(NO_GETPPID),
        ..How::default()
    }
    .run(&words);
    row("getppid by int 0x80", &cell, &within.cell());
    assert!(bare.result().is_ok() || bare.code() != 0);
    assert!(within.result().is_err(), "{within:?}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x32_numbers_do_not_lead_past_a_denial() {
    let words = attack("x32", &[]);
    let bare = How {
        before: stage("deny-getppid", &[]),
        ..How::default()
    }
    .run(&words);
    let within = How {
        policy: Some(NO_GETPPID),
        ..How::default()
    }
    .run(&words);
    let cell = match bare.result() {
        Ok(_) => bare.cell(),
        Err(errno) => format!("{errno} (this kernel has no x32)"),
    };
    row("getppid by its x32 number", &cell, &within.cell());
    assert_eq!(within.result(), Err("ENOSYS"), "{within:?}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_vsyscall_page_does_not_lead_past_a_denial() {
    let words = attack("vsyscall", &[]);
    let bare = How::default().run(&words);
    let policy = "default = \"allow\"\n[syscalls]\ngettimeofday = \"deny\"\n";
    let within = How {
        policy: Some(policy),
        ..How::default()
    }
    .run(&words);
    let cell = match bare.result() {
        Ok(_) => bare.cell(),
        Err(errno) => format!("{errno} (no vsyscall page)"),
    };
    row("gettimeofday by the vsyscall page", &cell, &within.cell());
    if bare.result().is_ok() {
        assert_eq!(within.result(), Err("EPERM"), "{within:?}");
        let allowed = self::within(&words);
        assert!(allowed.result().is_ok(), "{allowed:?}");
    }
}

/// As an old kernel answers, so that programs fall back.
#[test]
fn unknown_numbers_do_not_exist() {
    for number in [336 + 1, 423, 473, 999, 0x3fff_ffff, -1] {
        let words = attack("number", &[&number]);
        let (bare, within) = (How::default().run(&words), within(&words));
        row(
            &format!("call number {number}"),
            &bare.cell(),
            &within.cell(),
        );
        assert_eq!(within.result(), Err("ENOSYS"), "{number}: {within:?}");
        assert_eq!(within.err, "", "{within:?}");
    }
}

#[test]
fn nothing_outlives_the_supervisor() {
    let words = attack("survivors", &[]);
    let run = |before: Vec<String>, policy: Option<&str>| -> (usize, usize) {
        let scratch = Scratch::new();
        let how = How {
            policy,
            before,
            ..How::default()
        };
        let out = scratch.path("out");
        let mut command = how.command(&scratch, &words);
        command.stdout(fs::File::create(&out).expect("out"));
        command.stderr(fs::File::create(scratch.path("err")).expect("err"));
        let mut child = command.spawn().expect("it starts");
        let pids = || -> Vec<i32> {
            let text = fs::read_to_string(&out).unwrap_or_default();
            let line = text
                .lines()
                .find(|line| line.starts_with("pids "))
                .unwrap_or_default();
            line.split(' ')
                .skip(1)
                .filter_map(|word| word.parse().ok())
                .collect()
        };
        assert!(eventually(
            || fs::read_to_string(&out).is_ok_and(|text| text.ends_with('\n'))
        ));
        let pids = pids();
        child.kill().expect("kill");
        let _ = child.wait();
        if policy.is_some() {
            eventually(|| !pids.iter().any(|&pid| lives(pid)));
        }
        let left = pids.iter().filter(|&&pid| lives(pid)).count();
        for &pid in &pids {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
        }
        (pids.len(), left)
    };
    let (made, left) = run(stage("parent", &[]), None);
    let (made_within, left_within) = run(Vec::new(), Some(ANYTHING));
    row(
        "SIGKILL to whoever started it",
        &format!("{left} of {made} live on"),
        &format!("{left_within} of {made_within} live on"),
    );
    assert_eq!((made, left), (7, 7));
    assert_eq!((made_within, left_within), (3, 0));
}

#[test]
fn a_rule_that_kills_ends_the_whole_tree() {
    let words = attack("getppid-in-tree", &[]);
    let bare = How::default().run(&words);
    assert!(bare.result().is_ok(), "{bare:?}");
    let policy = "default = \"allow\"\n[syscalls]\ngetppid = \"kill\"\n";
    let within = How {
        policy: Some(policy),
        ..How::default()
    }
    .run(&words);
    let pids: Vec<i32> = within
        .out
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let left = pids.iter().filter(|&&pid| lives(pid)).count();
    row(
        "a call with the action kill",
        "runs",
        &format!("exit code {}, {left} left", within.code()),
    );
    assert_eq!((within.code(), pids.len(), left), (159, 3, 0), "{within:?}");
}

/// What ptrace and /proc give away of the parent.
#[test]
fn the_supervisor_cannot_be_looked_into() {
    let words = attack("look-at-parent", &[]);
    let bare = How {
        before: stage("parent", &[]),
        ..How::default()
    }
    .run(&words);
    let seen = bare.result().unwrap_or_default();
    for name in ["mem", "maps", "fd", "environ", "exe", "root"] {
        assert!(seen.split(',').any(|open| open == name), "{name}: {bare:?}");
    }
    for abi in [None, Some(0)] {
        let within = How {
            policy: Some(ANYTHING),
            landlock: abi,
            ..How::default()
        }
        .run(&words);
        row("/proc of the parent", seen, &within.cell());
        let open = within.result().unwrap_or_default();
        // What is left to root without capabilities goes by the owner of the file alone: the
        // numbers of descriptors, and a few settings; a matter of paths.
        for name in [
            "mem", "maps", "environ", "exe", "root", "syscall", "ns", "fd/0",
        ] {
            assert!(
                !open.split(',').any(|open| open == name),
                "{name}: {within:?}"
            );
        }
    }
}

#[test]
fn descriptors_are_not_inherited() {
    let scratch = Scratch::new();
    let leak = |name| {
        let path = scratch.write(name, "");
        (path.clone(), stage("leak", &[&path]))
    };
    let words = attack("descriptors", &[]);
    let (path, before) = leak("bare");
    let bare = How {
        before,
        ..How::default()
    }
    .run(&words);
    assert_eq!(
        fs::read_to_string(path).expect("the file"),
        "leaked\n",
        "{bare:?}"
    );
    let (path, before) = leak("within");
    let within = How {
        policy: Some(ANYTHING),
        before,
        ..How::default()
    }
    .run(&words);
    row(
        "a descriptor that the caller left open",
        &bare.cell(),
        &within.cell(),
    );
    assert_eq!(within.result(), Err("EBADF"), "{within:?}");
    assert_eq!(fs::read_to_string(path).expect("the file"), "");
}
