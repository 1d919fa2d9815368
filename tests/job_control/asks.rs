//! `--ask`: a person answers at the command's own terminal, by a key.

use crate::support::{Dir, JAIL, installed, plain};
use crate::terminal::{CTRL_C, CTRL_D, CTRL_Z, Terminal};

/// A terminal where `$JAIL` asks, and a file that the policy leaves open.
fn asking() -> (Dir, Terminal) {
    let dir = Dir::new();
    dir.write("open", "content-of-it\n");
    let policy = dir.write(
        "policy.toml",
        "extends = [\"base\"]\n[fs]\nread = [\"/usr\", \"/etc\"]\nexec = [\"/usr\", \"/bin\"]\n",
    );
    let mut terminal = Terminal::under(&format!("{policy} --ask"));
    terminal.run(&format!("cd {}", dir.path().display()));
    (dir, terminal)
}

#[test]
fn each_key_is_an_answer() {
    let (dir, mut terminal) = asking();
    let twice = "$JAIL sh -c 'cat open; cat open'";
    for (keys, contents, denials) in [
        (&b"oo"[..], 2, 0),
        (b"do", 1, 1),
        (b"r", 2, 0),
        (b"n", 0, 2),
    ] {
        terminal.enter(twice);
        let mut shown = String::new();
        for key in keys {
            shown += &terminal.expect("key: ");
            terminal.key(*key);
        }
        shown += &terminal.prompt();
        assert!(
            shown.contains("allow it to read") && shown.contains("sh → cat"),
            "{shown}"
        );
        let count = |text: &str| shown.matches(text).count();
        assert_eq!(count("content-of-it"), contents, "{shown}");
        assert_eq!(count("Permission denied"), denials, "{shown}");
    }
    terminal.enter(twice);
    terminal.expect("key: ");
    terminal.key(b'k');
    terminal.prompt();
    assert_eq!(terminal.status(), "159");
    // The entry is shown, and written only then.
    terminal.enter(twice);
    let file = || std::fs::read_to_string(dir.file("policy.toml")).expect("a policy");
    let before = file();
    terminal.expect("key: ");
    terminal.key(b'a');
    terminal.expect("write it? y or n: ");
    terminal.key(b'n');
    terminal.expect("key: ");
    assert_eq!(file(), before);
    terminal.key(b'a');
    assert!(terminal.expect("write it? y or n: ").contains("/open\""));
    terminal.key(b'y');
    assert_eq!(terminal.prompt().matches("content-of-it").count(), 2);
    assert!(file().contains("/open\""), "{}", file());
    assert!(!terminal.run(twice).contains("allow it to"));
}

#[test]
fn a_program_that_reads_the_terminal_does_not_get_the_key() {
    let (_dir, mut terminal) = asking();
    let mode = terminal.run("stty -a");
    terminal.enter("$JAIL sh -c 'exec 3<&0; cat <&3 & echo reading; sleep 0.3; cat open; wait'");
    terminal.expect("reading");
    terminal.expect("key: ");
    // None of these is an answer.
    for key in [b'x', b'\n', 27] {
        terminal.key(key);
        terminal.expect("\u{7}");
    }
    terminal.key(b'o');
    terminal.expect("content-of-it");
    terminal.enter("typed later");
    assert!(!terminal.expect("typed later").contains('x'));
    terminal.key(CTRL_D);
    terminal.prompt();
    assert_eq!(terminal.status(), "0");
    assert_eq!(terminal.run("stty -a"), mode);
}

#[test]
fn what_is_pasted_is_no_answer_however_long_it_is() {
    let (_dir, mut terminal) = asking();
    terminal.enter("$JAIL cat open");
    terminal.expect("key: ");
    // The reads of a prompt are of some bytes each: the last one must not be taken for a key.
    for length in [2, 64, 65, 129, 513] {
        terminal.keys(&vec![b'o'; length]);
        terminal.expect("\u{7}");
    }
    terminal.key(b'd');
    assert!(!terminal.prompt().contains("content-of-it"));
}

#[test]
fn ctrl_c_at_a_question_denies_and_interrupts_the_command() {
    let (_dir, mut terminal) = asking();
    let mode = terminal.run("stty -a");
    terminal.enter("$JAIL sh -c 'cat open; echo went on'");
    terminal.expect("key: ");
    terminal.key(CTRL_C);
    let after = terminal.prompt();
    assert!(
        !after.contains("content-of-it") && !after.contains("went on"),
        "{after}"
    );
    assert_eq!(terminal.status(), "130");
    assert_eq!(terminal.run("stty -a"), mode);
}

#[test]
fn ctrl_z_at_a_question_stops_the_command_and_it_is_asked_again() {
    let (_dir, mut terminal) = asking();
    terminal.enter("$JAIL cat open");
    terminal.expect("key: ");
    terminal.key(CTRL_Z);
    assert!(terminal.prompt().contains("Stopped"));
    terminal.enter("fg");
    terminal.expect("key: ");
    terminal.key(b'o');
    assert!(terminal.prompt().contains("content-of-it"));
}

#[test]
fn a_question_over_the_screen_of_vim_is_answered_and_the_screen_drawn_again() {
    if !installed("vim") {
        return;
    }
    let (_dir, mut terminal) = asking();
    terminal.enter("TERM=xterm $JAIL vim -u NONE -i NONE -n -N");
    // Its screen is drawn.
    terminal.expect("VIM - Vi IMproved");
    terminal.enter(":e open");
    // It lists the directory first: the entry for that covers the file.
    terminal.expect("key: ");
    terminal.resize("cols", 100);
    terminal.key(b'r');
    terminal.expect("allowed for this run");
    // The screen is drawn again.
    terminal.expect("\u{1b}[");
    terminal.expect("content-of-it");
    terminal.enter(":q!");
    terminal.prompt();
    assert_eq!(terminal.status(), "0");
}

#[test]
fn without_a_terminal_it_is_denied_and_that_is_said_once() {
    let (dir, _) = asking();
    let policy = dir.file("policy.toml");
    let words = [
        "setsid",
        "-w",
        JAIL,
        "--policy",
        &policy,
        "--ask",
        "--",
        "sh",
        "-c",
        "cat open; cat open",
    ];
    let ran = plain(words).cwd(dir.path()).output();
    assert_eq!(
        ran.err.matches("there is no terminal to ask at").count(),
        1,
        "{}",
        ran.err
    );
    assert_eq!(ran.err.matches("cat: open").count(), 2, "{}", ran.err);
    plain([
        JAIL,
        "--policy",
        &policy,
        "--ask-tty",
        "/dev/null",
        "--",
        "true",
    ])
    .output()
    .ends_with(125)
    .complains("it is no terminal");
}
