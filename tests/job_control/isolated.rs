//! Job control as without namespaces: keys on a terminal, and a shell with jobs of its own inside. The
//! terminal's process groups are the host's, of which a pid namespace knows nothing.

use crate::support::{Dir, jail, no_process_survives};
use crate::terminal::{CTRL_C, CTRL_D, CTRL_Z, Terminal};
use std::time::Duration;

const LISTS: [&str; 2] = ["\"pid\"", "\"pid\", \"net\", \"ipc\", \"uts\""];

/// A terminal with `$JAIL` isolated so; the directory keeps its policy. `None`, with a message, where the
/// host forbids namespaces.
fn terminal(list: &str) -> Option<(Terminal, Dir)> {
    let dir = Dir::new();
    let text = format!("default = \"allow\"\n[process]\nisolate = [{list}]\n");
    let policy = dir.write("policy.toml", text);
    let ran = jail(["--policy", &policy, "--", "true"]).output();
    if ran.code() == Some(125) && ran.err.contains("process.isolate: clone:") {
        println!("NOT TRIED HERE: {}", ran.err);
        return None;
    }
    Some((Terminal::under(&policy), dir))
}

#[test]
fn ctrl_z_stops_the_command_and_fg_continues_it() {
    for list in LISTS {
        let Some((mut terminal, _dir)) = terminal(list) else {
            return;
        };
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
}

#[test]
fn ctrl_c_ends_the_command_and_the_loop_around_it() {
    for list in LISTS {
        let Some((mut terminal, _dir)) = terminal(list) else {
            return;
        };
        terminal
            .enter("while true; do $JAIL sh -c 'echo running; exec sleep 100'; echo again; done");
        terminal.expect("running");
        terminal.key(CTRL_C);
        let after = terminal.prompt();
        assert!(!after.contains("again"), "{after}");
        assert_eq!(terminal.status(), "130");
    }
}

#[test]
fn a_shell_inside_has_jobs_of_its_own() {
    for list in LISTS {
        let Some((mut terminal, _dir)) = terminal(list) else {
            return;
        };
        terminal.enter("PS1='<inner>' $JAIL bash --norc --noprofile --noediting -i");
        terminal.expect("<inner>");
        terminal.enter("cat -u -");
        terminal.until_there_is("cat -u -");
        std::thread::sleep(Duration::from_millis(200));
        terminal.key(CTRL_Z);
        terminal.expect("Stopped");
        terminal.expect("<inner>");
        terminal.foreground("cat");
        terminal.enter("words");
        terminal.expect("words");
        terminal.key(CTRL_C);
        terminal.expect("<inner>");
        terminal.enter("sleep 987 & kill %1; wait; echo waited");
        terminal.expect("waited");
        terminal.key(CTRL_D);
        terminal.prompt();
        assert_eq!(terminal.run("echo still $((1 + 1))").trim(), "still 2");
    }
}

#[test]
fn closing_the_terminal_ends_a_command() {
    let Some((mut terminal, dir)) = terminal("\"pid\"") else {
        return;
    };
    let token = dir.path().display().to_string();
    // The child says so: a shell blocks signals while it makes one, and what comes meanwhile ends the
    // shell alone.
    terminal.enter(&format!(
        "$JAIL sh -c '(echo running; exec sleep 100); true' {token}"
    ));
    terminal.expect("running");
    terminal.close();
    no_process_survives(&token, Duration::from_secs(5));
}
