//! What a program cannot tell: registers, results and restarted calls are as without a jail.

#[cfg(target_arch = "x86_64")]
use crate::support::permissive;
use crate::support::{Dir, JAIL, jail, plain, probe, same_inside};

/// getppid on x86-64: takes nothing, cannot fail by itself.
#[cfg(target_arch = "x86_64")]
const GETPPID: &str = "110";

#[test]
#[cfg(target_arch = "x86_64")]
fn a_denied_call_changes_no_register_but_its_result() {
    let dir = Dir::new();
    for (action, result) in [
        ("deny", "result -1\n"),
        ("ENOSYS", "result -38\n"),
        ("EACCES", "result -13\n"),
    ] {
        let policy = format!("default = \"allow\"\n[syscalls]\ngetppid = \"{action}\"\n");
        let policy = dir.write("p.toml", policy);
        jail([
            "--quiet",
            "--policy",
            &policy,
            "--",
            probe(),
            "registers",
            GETPPID,
        ])
        .output()
        .ends_with(0)
        .says(result);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn an_allowed_call_changes_no_register_but_its_result() {
    plain([probe(), "registers", GETPPID]).output().ends_with(0);
    permissive([probe(), "registers", GETPPID])
        .output()
        .ends_with(0);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_call_that_does_not_exist_is_enosys_and_changes_no_register() {
    for number in ["400", "1000", "4294967295"] {
        same_inside(&[probe(), "registers", number])
            .ends_with(0)
            .says("result -38\n");
    }
}

#[test]
fn every_kind_of_task_is_under_the_policy() {
    const TASKS: [&str; 8] = [
        "first thread",
        "another thread",
        "forked",
        "thread of a forked one",
        "vforked",
        "spawned",
        "orphan",
        "executed by a thread",
    ];
    let all = |end: &str| -> String { TASKS.map(|task| format!("{task}: {end}\n")).concat() };
    let dir = Dir::new();
    let policy = dir.write(
        "p.toml",
        "default = \"allow\"\n[syscalls]\ngetppid = \"EXDEV\"\n",
    );
    plain([probe(), "births"])
        .output()
        .ends_with(0)
        .says(&all("done"));
    let ran = jail(["--policy", &policy, "--", probe(), "births"])
        .output()
        .ends_with(0);
    // A task that nobody traces would get ENOSYS, or its answer.
    ran.says(&all("EXDEV"));
}

#[test]
fn a_shell_script_with_pipes_traps_and_background_jobs_runs_as_outside() {
    let script = "
        trap 'echo usr1' USR1
        (sleep 0.1; kill -USR1 $$) &
        wait
        wait
        echo a b c | tr ' ' '\\n' | sort -r | (read first; echo $first; cat)
        (exit 5); echo $?
        sh -c 'kill -15 $$'; echo $?
        trap 'echo bye' EXIT
        exit 6";
    same_inside(&["sh", "-c", script]).ends_with(6);
}

#[test]
fn a_pipe_whose_reader_has_gone_ends_its_writer() {
    let inner = "yes | head -n 2; echo ${PIPESTATUS[@]}";
    same_inside(&["bash", "-c", inner]).says("y\ny\n141 0\n");
    let outer = format!("{JAIL} --policy permissive -- yes | head -n 1; echo ${{PIPESTATUS[@]}}");
    plain(["bash", "-c", &outer]).output().says("y\n141 0\n");
}

#[test]
fn a_timer_and_its_alarm_work() {
    same_inside(&["timeout", "0.2", "sleep", "10"]).ends_with(124);
    same_inside(&["timeout", "-s", "KILL", "0.2", "sleep", "10"]);
}

/// How often the probe says this of its calls, also of those that this kernel does not have.
#[cfg(target_arch = "x86_64")]
fn said_of_calls(out: &str, words: &str) -> usize {
    // Since Linux 5.11.
    let missing = out.matches("epoll_pwait2 Err(ENOSYS)").count();
    if missing > 0 {
        println!("NOT TRIED HERE: epoll_pwait2: this kernel does not have it");
    }
    out.matches(words).count() + missing
}

#[test]
#[cfg(target_arch = "x86_64")]
fn an_ignored_signal_does_not_end_a_blocking_call() {
    let ran = same_inside(&[probe(), "ignored-signals"]).ends_with(0);
    let whole = said_of_calls(&ran.out, "whole time true");
    assert_eq!(whole, 12, "{}", ran.out);
    assert_eq!(ran.out.matches("ends true").count(), 3, "{}", ran.out);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_supervised_blocking_call_goes_on_after_an_ignored_signal_too() {
    let dir = Dir::new();
    let policy = dir.write(
        "p.toml",
        "extends = [\"permissive\"]\n[net]\ndeny = [\"192.0.2.1:9\"]\n",
    );
    let outside = plain([probe(), "ignored-signals"]).output().ends_with(0);
    jail(["--policy", &policy, "--", probe(), "ignored-signals"])
        .output()
        .ends_with(0)
        .says(&outside.out);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_handler_or_a_stop_interrupts_a_blocking_call_as_outside() {
    let ran = same_inside(&[probe(), "interrupting-signals"]).ends_with(0);
    let interrupted = said_of_calls(&ran.out, "EINTR");
    assert_eq!(interrupted, 24, "{}", ran.out);
}
