//! The built-in policies: valid, without warnings, tested, and true to their promises.

use std::path::Path;

use jail::internal::judge::{Judge, Verdict};
use jail::internal::plan::{Host, Plan};
use jail::internal::policy::{Action, Expect, Policy, lint, presets, render};
use jail::internal::syscalls::{self, parse_call};

fn preset(name: &str) -> Policy {
    Policy::preset(name).unwrap_or_else(|problems| panic!("{problems}"))
}

fn judge(name: &str) -> Judge {
    judge_of(&preset(name))
}

fn judge_of(policy: &Policy) -> Judge {
    let plan = Plan::new(policy, &Host::newest());
    plan.unwrap_or_else(|error| panic!("{error}")).judge
}

fn decide(judge: &Judge, sentence: &str) -> Verdict {
    judge.call(&parse_call(sentence).unwrap_or_else(|error| panic!("{sentence}: {error}")))
}

#[test]
fn every_policy_file_is_embedded_under_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("a readable folder")
        .map(|file| {
            file.expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    files.sort();
    let embedded: Vec<String> = presets()
        .iter()
        .map(|preset| format!("{}.toml", preset.name))
        .collect();
    assert_eq!(files, embedded);
}

#[test]
fn every_preset_begins_with_its_promise() {
    for built_in in presets() {
        assert!(
            built_in.text.starts_with("description = \""),
            "{}",
            built_in.name
        );
        let promise = preset(built_in.name).description.expect("a description");
        assert!(
            promise.ends_with('.') && !promise.contains(". "),
            "{}: {promise}",
            built_in.name
        );
    }
}

#[test]
fn no_preset_has_a_warning() {
    for built_in in presets() {
        let policy = preset(built_in.name);
        let warnings = lint(&policy);
        assert!(
            warnings.is_empty(),
            "{}",
            render(&policy.sources, &warnings, false)
        );
    }
}

#[test]
fn the_tests_of_every_preset_hold_and_cover_both_ways() {
    for built_in in presets() {
        let policy = preset(built_in.name);
        let plan = Plan::new(&policy, &Host::newest()).expect("a plan");
        for test in &policy.tests {
            let judge = &plan.within_named(&policy, test.domain.as_deref()).judge;
            let expect = match judge.about(&test.about).action {
                Action::Allow => Expect::Allow,
                Action::Deny(_) => Expect::Deny,
                Action::Kill => Expect::Kill,
            };
            assert_eq!(
                expect,
                test.expect,
                "{}: {}",
                policy.place(test.origin),
                test.sentence
            );
        }
        for expect in [Expect::Allow, Expect::Deny] {
            let covered = policy.tests.iter().any(|test| test.expect == expect);
            assert!(
                covered,
                "{} tests nothing that it must {expect:?}",
                built_in.name
            );
        }
    }
}

#[test]
fn tests_stand_last_in_a_preset() {
    // What extends a preset, and what runs one, reads it up to the first of them.
    for built_in in presets() {
        let tests = built_in.text.find("\n[[test]]").expect("tests");
        let headers: Vec<&str> = built_in.text[tests..]
            .lines()
            .filter(|line| line.starts_with('['))
            .collect();
        assert!(
            headers.iter().all(|header| *header == "[[test]]"),
            "{}: {headers:?}",
            built_in.name
        );
    }
}

#[test]
fn offline_opens_no_family_but_unix_and_what_lists_the_interfaces() {
    let judge = judge("offline");
    for family in 0..=50 {
        for call in ["socket", "socketpair"] {
            for kind in [1, 2, 3, 5, 0o2000001] {
                // Protocol 0 of family 16 is NETLINK_ROUTE; socketpair(2) makes none of it.
                let verdict = decide(&judge, &format!("{call}({family}, {kind}, 0)"));
                let expected = if family == 1 || family == 16 {
                    Action::Allow
                } else {
                    Action::Deny(syscalls::Errno::EPERM)
                };
                assert_eq!(
                    (verdict.action, verdict.quiet),
                    (expected, false),
                    "{call} of family {family}"
                );
            }
        }
    }
    for protocol in 1..32 {
        let verdict = decide(&judge, &format!("socket(AF_NETLINK, 3, {protocol})"));
        assert!(matches!(verdict.action, Action::Deny(_)), "{protocol}");
    }
}

#[test]
fn a_denied_socket_is_reported_whatever_is_in_the_upper_half() {
    let judge = judge("offline");
    let mut call = parse_call("socket(AF_INET, SOCK_STREAM, 0)").expect("a call");
    call.args[0] |= 0xffff_ffff_0000_0000;
    assert!(matches!(judge.call(&call).action, Action::Deny(_)));
    call.args[0] = 0xdead_beef_0000_0001;
    assert_eq!(judge.call(&call).action, Action::Allow);
}

#[test]
fn what_programs_probe_for_is_denied_without_a_report() {
    for name in ["base", "offline", "compute"] {
        let judge = judge(name);
        for sentence in [
            "clone3()",
            "io_uring_setup(8)",
            "listns()",
            "keyctl(0)",
            "open_tree()",
            "uselib()",
        ] {
            let verdict = decide(&judge, sentence);
            let expected = (Action::Deny(syscalls::Errno::ENOSYS), true);
            assert_eq!(
                (verdict.action, verdict.quiet),
                expected,
                "{name}: {sentence}"
            );
        }
    }
}

#[test]
fn base_opens_what_programs_use_and_nothing_that_administers_the_machine() {
    let judge = judge("base");
    let allowed = |name: &str| decide(&judge, &format!("{name}()")).action == Action::Allow;
    for group in [
        "@basic-io",
        "@file-system",
        "@io-event",
        "@signal",
        "@sync",
        "@timer",
        "@memlock",
        "@sandbox",
    ] {
        let members = syscalls::group(group).expect("a group").set;
        for syscall in members
            .iter()
            .filter(|syscall| syscall.number().is_some() && syscall.name != "open_tree")
        {
            assert!(allowed(syscall.name), "{} of {group}", syscall.name);
        }
    }
    for group in [
        "@clock", "@debug", "@keyring", "@module", "@mount", "@raw-io", "@reboot", "@swap",
    ] {
        let members = syscalls::group(group).expect("a group").set;
        for syscall in members.iter().filter(|syscall| syscall.number().is_some()) {
            assert!(!allowed(syscall.name), "{} of {group}", syscall.name);
        }
    }
}

#[test]
fn compute_starts_no_program_and_leaves_nothing_behind() {
    let judge = judge("compute");
    for name in [
        "execve", "execveat", "shmat", "shmget", "msgget", "msgsnd", "semget", "semop", "mq_open",
        "socket",
    ] {
        let verdict = decide(&judge, &format!("{name}()"));
        assert!(
            matches!(verdict.action, Action::Deny(_)) && !verdict.quiet,
            "{name}"
        );
    }
    for name in [
        "fork",
        "vfork",
        "clone",
        "pipe",
        "pipe2",
        "memfd_create",
        "futex",
        "mmap",
        "wait4",
    ] {
        assert_eq!(
            decide(&judge, &format!("{name}()")).action,
            Action::Allow,
            "{name}"
        );
    }
}

#[test]
fn permissive_denies_nothing_that_an_ordinary_user_may_call() {
    let judge = judge("permissive");
    let denied: Vec<&str> = syscalls::all()
        .iter()
        .filter(|syscall| syscall.number().is_some())
        .filter(|syscall| decide(&judge, &format!("{}()", syscall.name)).action != Action::Allow)
        .map(|syscall| syscall.name)
        .collect();
    // The baseline's, what needs privileges anyway, and what has a `why` in the preset.
    let expected = "acct add_key bpf clock_settime clone3 delete_module finit_module fsconfig fsmount fsopen fspick \
        init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl \
        lookup_dcookie mount mount_setattr move_mount nfsservctl open_by_handle_at open_tree_attr perf_event_open \
        pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev ptrace reboot request_key \
        setdomainname sethostname setns settimeofday swapoff swapon syslog umount2 userfaultfd vhangup";
    assert_eq!(
        denied.join(" "),
        expected.split_whitespace().collect::<Vec<_>>().join(" ")
    );
}
