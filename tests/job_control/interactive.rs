//! An interactive bash on a terminal, with jail as its job.

use crate::support::{no_process_survives, slow};
use crate::terminal::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, Terminal};
use std::time::Duration;

/// A command that says when it runs. It forks nothing: a shell in its fork has races of its own.
const SLEEP: &str = "$JAIL sh -c 'echo running; exec sleep 100'";

#[test]
fn ctrl_c_ends_the_command() {
    let mut terminal = Terminal::new();
    terminal.enter(SLEEP);
    terminal.expect("running");
    terminal.key(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.status(), "130");
}

#[test]
fn ctrl_c_ends_the_loop_around_the_command_too() {
    let mut terminal = Terminal::new();
    terminal.enter(&format!("while true; do {SLEEP}; echo again; done"));
    terminal.expect("running");
    terminal.key(CTRL_C);
    let after = terminal.prompt();
    assert!(!after.contains("again"), "{after}");
}

#[test]
fn ctrl_backslash_ends_the_command() {
    let mut terminal = Terminal::new();
    terminal.enter(&format!("ulimit -c 0; {SLEEP}"));
    terminal.expect("running");
    terminal.key(CTRL_BACKSLASH);
    terminal.prompt();
    assert_eq!(terminal.status(), "131");
}

#[test]
fn ctrl_z_stops_the_command_and_fg_continues_it() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL sh -c 'echo running; read line; echo got $line; exit 5'");
    terminal.expect("running");
    for _ in 0..3 {
        terminal.key(CTRL_Z);
        assert!(terminal.prompt().contains("Stopped"));
        assert!(terminal.run("jobs").contains("Stopped"));
        terminal.foreground("sh -c");
    }
    terminal.enter("hello");
    terminal.expect("got hello");
    terminal.prompt();
    assert_eq!(terminal.status(), "5");
}

#[test]
fn ctrl_z_stops_every_process_of_the_command() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL $PROBE storm fork");
    terminal.expect("ready");
    std::thread::sleep(Duration::from_millis(50));
    terminal.key(CTRL_Z);
    terminal.expect("Stopped");
    terminal.prompt();
    terminal.until_all_are_stopped();
    terminal.enter("fg");
    terminal.expect("storm");
    std::thread::sleep(Duration::from_millis(50));
    terminal.key(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.status(), "130");
}

#[test]
fn bg_continues_the_command_in_the_background() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL sh -c 'sleep 0.5 & echo running; wait; echo finished'");
    terminal.expect("running");
    terminal.key(CTRL_Z);
    assert!(terminal.prompt().contains("Stopped"));
    terminal.run("bg");
    terminal.expect("finished");
    terminal.job_becomes("Done");
}

#[test]
fn a_pipeline_stops_continues_and_ends_as_one_job() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL sh -c 'echo running; exec sleep 100' | cat");
    terminal.expect("running");
    terminal.key(CTRL_Z);
    assert!(terminal.prompt().contains("Stopped"));
    terminal.foreground("| cat");
    terminal.key(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.status(), "130");
    assert_eq!(terminal.run("jobs"), "");
}

#[test]
fn two_jails_in_one_pipeline_stop_and_end_together() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL sh -c 'echo running; exec sleep 100' | $JAIL cat");
    terminal.expect("running");
    terminal.key(CTRL_Z);
    assert!(terminal.prompt().contains("Stopped"));
    terminal.foreground("cat");
    terminal.key(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.run("jobs"), "");
    assert!(terminal.session().is_empty());
}

#[test]
fn a_command_that_ignores_the_stop_key_is_not_stopped() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL sh -c 'trap \"\" TSTP; echo running; read line; echo got $line'");
    terminal.expect("running");
    terminal.key(CTRL_Z);
    std::thread::sleep(Duration::from_millis(100));
    terminal.enter("hello");
    assert!(terminal.prompt().contains("got hello"));
}

#[test]
fn a_command_that_handles_the_interrupt_key_goes_on() {
    let mut terminal = Terminal::new();
    // 2 is SIGINT, 38 ends the probe; a signal of the terminal has the code 128 (SI_KERNEL).
    terminal.enter("$JAIL $PROBE listen 2");
    let ready = terminal.expect("ready ");
    let pid = terminal.expect("\n");
    for _ in 0..3 {
        terminal.key(CTRL_C);
        terminal.expect("signal 2 code 128 sender 0");
    }
    std::thread::sleep(Duration::from_millis(100));
    let status = std::process::Command::new("kill")
        .args(["-38", pid.trim()])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{ready}");
    let after = terminal.prompt();
    assert!(!after.contains("signal 2"), "told more than once: {after}");
    assert_eq!(terminal.status(), "0");
}

#[test]
fn reading_the_terminal_from_the_background_stops_the_command() {
    let mut terminal = Terminal::new();
    terminal.run("$JAIL cat &");
    terminal.job_becomes("Stopped");
    terminal.foreground("cat");
    terminal.enter("hello");
    terminal.expect("hello");
    terminal.key(CTRL_D);
    terminal.prompt();
    assert_eq!(terminal.status(), "0");
}

#[test]
fn writing_to_the_terminal_from_the_background_stops_the_command_if_so_set() {
    let mut terminal = Terminal::new();
    terminal.run("stty tostop");
    terminal.run("$JAIL sh -c 'echo hel''lo' &");
    terminal.job_becomes("Stopped");
    terminal.enter("fg");
    terminal.expect("hello");
    terminal.prompt();
    assert_eq!(terminal.status(), "0");
}

#[test]
fn a_command_learns_of_the_windows_new_size() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL $PROBE winch");
    terminal.expect("window 24 200");
    terminal.resize("rows", 30);
    terminal.expect("window 30 200");
    terminal.resize("cols", 100);
    terminal.expect("window 30 100");
    terminal.prompt();
    assert_eq!(terminal.status(), "0");
}

#[test]
fn a_command_owns_the_terminal_and_its_settings() {
    let mut terminal = Terminal::new();
    let before = terminal.run("stty -a");
    assert_eq!(terminal.run("$JAIL stty -a"), before);
    terminal.run("$JAIL stty susp ^B");
    assert!(terminal.run("stty -a").contains("susp = ^B"));
    terminal.run("$JAIL stty susp ^Z");
    assert_eq!(terminal.run("stty -a"), before);
    assert_eq!(terminal.run("$JAIL tty"), terminal.run("tty"));
}

#[test]
fn a_stopped_command_keeps_its_terminal_settings_apart() {
    let mut terminal = Terminal::new();
    let before = terminal.run("stty -a");
    terminal.enter("$JAIL sh -c 'stty -icanon; echo running; exec sleep 100'");
    terminal.expect("running");
    terminal.key(CTRL_Z);
    assert!(terminal.prompt().contains("Stopped"));
    // bash takes its own settings back, as it does for any stopped job.
    assert_eq!(terminal.run("stty -a"), before);
    terminal.run("kill -KILL %1; wait %1 2>/dev/null");
}

#[test]
fn an_interactive_bash_in_the_jail_has_job_control_of_its_own() {
    let mut terminal = Terminal::new();
    terminal.run("$JAIL bash --norc --noprofile --noediting -i");
    terminal.enter("sh -c 'echo running; exec sleep 100'");
    terminal.expect("running");
    terminal.key(CTRL_Z);
    assert!(terminal.prompt().contains("Stopped"));
    assert!(terminal.run("jobs").contains("Stopped"));
    terminal.foreground("sh -c");
    terminal.key(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.status(), "130");
    terminal.run("exit 9");
    assert_eq!(terminal.status(), "9");
    assert!(terminal.run("jobs").is_empty());
}

#[test]
fn an_interactive_bash_in_the_jail_can_be_suspended() {
    let mut terminal = Terminal::new();
    terminal.run("$JAIL bash --norc --noprofile --noediting -i");
    terminal.enter("suspend");
    terminal.expect("Stopped");
    terminal.prompt();
    terminal.enter("fg");
    terminal.prompt();
    terminal.run("exit 9");
    assert_eq!(terminal.status(), "9");
}

#[test]
fn bashs_kill_reaches_a_job_once() {
    let mut terminal = Terminal::new();
    terminal.run("$JAIL $PROBE listen 10 15 &");
    terminal.expect("ready ");
    let pid = terminal.expect("\n");
    let shell = terminal.run("echo $$");
    for (name, number) in [("USR1", 10), ("TERM", 15), ("USR1", 10)] {
        // Before or after bash's prompt.
        let before = terminal.run(&format!("kill -{name} %1"));
        let told = format!("signal {number} code 0 sender {}\n", shell.trim());
        if !before.contains(&told) {
            terminal.expect(&told);
        }
    }
    std::thread::sleep(Duration::from_millis(100));
    let after = terminal.run(&format!("kill -38 {}; wait %1; echo ended $?", pid.trim()));
    assert!(!after.contains("signal "), "told more than once: {after}");
    assert!(after.contains("ended 0"), "{after}");
}

#[test]
fn hanging_up_ends_the_command() {
    let mut terminal = Terminal::new();
    let token = crate::support::token();
    terminal.enter(&format!("$JAIL $PROBE listen 10 {token}"));
    terminal.expect("ready");
    terminal.close();
    no_process_survives(&token, Duration::from_secs(10));
}

#[test]
fn hanging_up_ends_the_command_where_jail_leads_the_session() {
    let mut terminal = Terminal::new();
    let token = crate::support::token();
    // The kernel signals the session's leader alone, which is jail here.
    terminal.enter(&format!("exec $JAIL $PROBE listen 10 {token}"));
    terminal.expect("ready");
    terminal.close();
    no_process_survives(&token, Duration::from_secs(5));
}

#[test]
fn ctrl_c_reaches_a_command_that_has_made_a_group_of_its_own() {
    let mut terminal = Terminal::new();
    // `timeout` calls setpgid(2), which changes nothing for a job's first process without jail.
    terminal.enter("$JAIL timeout 60 sh -c 'echo running; exec sleep 60'");
    terminal.expect("running");
    terminal.key(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.status(), "130");
}

#[test]
fn ctrl_z_stops_a_command_that_has_made_a_group_of_its_own() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL timeout 60 sh -c 'echo running; read line; echo got $line'");
    terminal.expect("running");
    terminal.key(CTRL_Z);
    assert!(terminal.prompt().contains("Stopped"));
    terminal.foreground("timeout 60");
    terminal.enter("hello");
    terminal.expect("got hello");
    terminal.prompt();
    assert_eq!(terminal.status(), "0");
}

#[test]
fn a_command_that_has_made_a_group_of_its_own_reads_the_terminal() {
    let mut terminal = Terminal::new();
    terminal.enter("$JAIL timeout 60 sh -c 'echo running; read line; echo got $line; exit 3'");
    terminal.expect("running");
    terminal.enter("hello");
    terminal.expect("got hello");
    terminal.prompt();
    assert_eq!(terminal.status(), "3");
}

#[test]
fn nohup_keeps_the_command_when_the_terminal_hangs_up() {
    let dir = crate::support::Dir::new();
    let (running, done) = (dir.file("running"), dir.file("done"));
    let mut terminal = Terminal::new();
    let script = format!("echo yes > {running}; sleep 0.5; echo yes > {done}");
    terminal.run(&format!("nohup $JAIL sh -c '{script}' >/dev/null 2>&1 &"));
    let says_yes = |path: &str| {
        let end = std::time::Instant::now() + slow(Duration::from_secs(20));
        while std::fs::read_to_string(path).unwrap_or_default() != "yes\n" {
            assert!(std::time::Instant::now() < end, "nothing in {path}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    says_yes(&running);
    terminal.close();
    says_yes(&done);
}
