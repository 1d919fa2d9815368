//! Job control where streams go through jail, where jail was born with children, and of `jail batch`.

use crate::support::{Dir, JAIL, no_process_survives, token};
use crate::terminal::{CTRL_C, CTRL_Z, Terminal};
use std::time::Duration;

/// How jail is called, before and after its command.
const CALLS: [(&str, &str); 4] = [
    // Both outputs are pipes, which jail passes on to the terminal.
    ("$JAIL", ""),
    ("${JAIL% --} --report report.json --", "| cat"),
    ("${JAIL% --} --report report.json --", "2> >(cat >&2)"),
    ("${JAIL% --} --report report.json --", "2>&1 | cat"),
];

/// A terminal where output is limited; the directory is where bash is.
fn terminal() -> (Terminal, Dir) {
    let dir = Dir::new();
    let text = "default = \"allow\"\n[limits]\noutput = \"1MiB\"\n";
    let mut terminal = Terminal::under(&dir.write("policy.toml", text));
    terminal.run(&format!("cd {}", dir.path().display()));
    (terminal, dir)
}

#[test]
fn ctrl_z_stops_a_command_whose_output_goes_through_jail_and_fg_continues_it() {
    for (before, after) in CALLS {
        let (mut terminal, _dir) = terminal();
        terminal.enter(&format!(
            "{before} sh -c 'echo running; read line; echo got $line; exit 5' {after}"
        ));
        terminal.expect("running");
        for _ in 0..3 {
            terminal.key(CTRL_Z);
            assert!(terminal.prompt().contains("Stopped"), "{after}");
            terminal.until_all_are_stopped();
            terminal.foreground("sh -c");
        }
        terminal.enter("hello");
        terminal.expect("got hello");
        terminal.prompt();
        // Of a pipeline that was continued bash tells the last one's.
        match after.contains('|') {
            true => assert!(
                terminal.run("cat report.json").contains("\"code\":5"),
                "{after}"
            ),
            false => assert_eq!(terminal.status(), "5", "{after}"),
        }
    }
}

/// Where there are limits, jail stops only if it was asked to itself.
#[test]
fn ctrl_z_stops_a_command_with_limits_whichever_process_enforces_them() {
    let dir = Dir::new();
    for limits in ["wall = \"1h\"", "cpu = \"1h\"", "memory = \"1GiB\""] {
        let text = format!("default = \"allow\"\n[limits]\n{limits}\n");
        let mut terminal = Terminal::under(&dir.write("policy.toml", text));
        for trap in ["", "trap \"kill -STOP $$\" TSTP;"] {
            // A second process, and no other one.
            for beside in ["", "sleep 1000 & other=$!;"] {
                terminal.enter(&format!(
                    "$JAIL sh -c '{trap} {beside} echo running; while ! read -r line; do :; done; echo got; kill $other; exit 5'"
                ));
                terminal.expect("running");
                for _ in 0..2 {
                    terminal.key(CTRL_Z);
                    assert!(terminal.prompt().contains("Stopped"), "{limits} {trap}");
                    terminal.foreground("sh -c");
                }
                terminal.enter("hello");
                terminal.expect("got");
                terminal.prompt();
                assert_eq!(terminal.status(), "5", "{limits} {trap}");
            }
        }
        // It reads from the background.
        terminal.enter("$JAIL sh -c 'sleep 1000 & read -r line; kill $!; exit 6' &");
        terminal.prompt();
        terminal.job_becomes("Stopped");
        terminal.foreground("sh -c");
        terminal.enter("hello");
        terminal.prompt();
        assert_eq!(terminal.status(), "6", "{limits}");
    }
}

#[test]
fn ctrl_c_ends_a_command_whose_output_goes_through_jail() {
    for (before, after) in CALLS {
        let (mut terminal, _dir) = terminal();
        terminal.enter(&format!(
            "{before} sh -c 'echo running; exec sleep 100' {after}"
        ));
        terminal.expect("running");
        terminal.key(CTRL_C);
        terminal.prompt();
        let status = terminal.run("echo ${PIPESTATUS[0]}");
        assert_eq!(status.trim(), "130", "{after}");
        // One that heeds it itself.
        terminal.enter(&format!(
            "{before} sh -c \"trap 'echo trapped; exit 7' INT; echo running; while :; do sleep 0.1; done\" {after}"
        ));
        terminal.expect("running");
        terminal.key(CTRL_C);
        let shown = terminal.prompt();
        // With a pipe, whoever reads it has gone by then.
        assert!(
            after.contains('|') || shown.contains("trapped"),
            "{after}: {shown}"
        );
    }
}

#[test]
fn a_signal_reaches_the_command_where_jail_was_born_with_children() {
    let (mut terminal, _dir) = terminal();
    for after in ["", "2> >(cat >&2)"] {
        terminal.enter(&format!(
            "$JAIL sh -c \"trap 'echo trapped; exit 7' USR1; echo running; while :; do sleep 0.05; done\" {after} &"
        ));
        terminal.expect("running");
        terminal.run("kill -USR1 $!");
        terminal.enter("wait $!; echo ended $?");
        terminal.expect("ended 7");
    }
}

#[test]
fn ctrl_z_stops_jail_while_it_waits_for_a_reader_too() {
    let (mut terminal, _dir) = terminal();
    // More than the reader's pipe holds, and less than it and jail's do: the command ends at once.
    terminal.enter("$JAIL head -c 100000 /dev/zero | (sleep 2; wc -c)");
    std::thread::sleep(Duration::from_millis(500));
    terminal.key(CTRL_Z);
    // Had jail not stopped, bash would wait for it, and it for who reads.
    assert!(terminal.prompt().contains("Stopped"));
    terminal.until_all_are_stopped();
    terminal.foreground("100000");
    terminal.prompt();
    assert_eq!(terminal.status(), "0");
}

#[test]
fn a_batch_stops_and_goes_on_with_its_commands() {
    let (mut terminal, dir) = terminal();
    let token = token();
    let case = format!(
        "{{\"command\": [\"bash\", \"-c\", \"for n in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; done; : {token}\"]}}\n"
    );
    dir.write("cases.jsonl", case.repeat(8));
    for options in ["", "--output verdicts.jsonl"] {
        terminal.enter(&format!(
            "TERM=xterm {JAIL} batch --policy base --jobs 2 {options} cases.jsonl"
        ));
        terminal.until_there_is(&token);
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(150));
            terminal.key(CTRL_Z);
            assert!(terminal.prompt().contains("Stopped"));
            terminal.until_all_are_stopped();
            terminal.enter("fg");
            terminal.until_all_go_on();
        }
        let shown = terminal.prompt();
        assert_eq!(terminal.status(), "0", "{shown}");
        if options.is_empty() {
            // No bar where the verdicts themselves are shown.
            let lines: Vec<&str> = shown
                .lines()
                .filter(|line| line.contains("\"id\""))
                .collect();
            assert!(lines.iter().all(|line| line.starts_with('{')), "{shown}");
            assert!(!shown.contains("/8"), "{shown}");
        } else {
            assert!(shown.contains("/8"), "{shown}");
        }
    }
    terminal.enter(&format!(
        "TERM=xterm {JAIL} batch --policy base --jobs 2 --resume --output others.jsonl cases.jsonl"
    ));
    std::thread::sleep(Duration::from_millis(150));
    terminal.key(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.status(), "130");
    no_process_survives(&token, Duration::from_secs(5));
}
