//! The caller's terminal: nothing can be typed into it.

use crate::arena::*;
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{self, SetArg};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::time::Duration;

/// What can be read from a terminal after the attack ran on it.
fn typed(policy: Option<&str>) -> (Run, String) {
    let OpenptyResult {
        master: _master,
        slave,
    } = openpty(None, None).expect("a pty");
    let path = nix::unistd::ttyname(slave.as_fd())
        .expect("its name")
        .display()
        .to_string();
    let mut raw = termios::tcgetattr(&slave).expect("its settings");
    termios::cfmakeraw(&mut raw);
    // A read returns what is there, or nothing.
    raw.control_chars[nix::libc::VMIN] = 0;
    raw.control_chars[nix::libc::VTIME] = 0;
    termios::tcsetattr(&slave, SetArg::TCSANOW, &raw).expect("its settings");
    let how = How {
        policy,
        before: stage("terminal", &[&path]),
        ..How::default()
    };
    let run = how.run(&attack("terminal-input", &[]));
    // It passes a work queue of the kernel on its way.
    std::thread::sleep(Duration::from_millis(50));
    let mut text = [0; 64];
    let count = std::fs::File::from(slave).read(&mut text).unwrap_or(0);
    (run, String::from_utf8_lossy(&text[..count]).into_owned())
}

#[test]
fn nothing_can_be_typed_into_the_callers_terminal() {
    let (bare, text) = typed(None);
    let cell = if text == "id\n" {
        "typed \"id\\n\"".to_owned()
    } else {
        println!("NOT TRIED HERE: TIOCSTI without a jail: dev.tty.legacy_tiocsti is 0");
        assert!(!root(), "{bare:?}");
        format!("{} (dev.tty.legacy_tiocsti is 0)", bare.cell())
    };
    let (within, text) = typed(Some(ANYTHING));
    row("TIOCSTI, upper half dirty", &cell, &within.cell());
    assert_eq!(within.result(), Err("EPERM"), "{within:?}");
    assert!(within.err.contains("no-terminal-input"), "{within:?}");
    assert_eq!(text, "");
}

/// Pasting itself needs a real console and would type into it; what is shown is that the harmless
/// sister request (which console is in front?) gets an answer without a jail.
#[test]
fn a_console_cannot_be_asked_to_paste() {
    let words = attack("terminal-linux", &[&"/dev/tty0"]);
    let bare = How::default().run(&words);
    let cell = match bare.result() {
        Ok(_) => bare.cell(),
        Err(errno) => {
            println!("NOT TRIED HERE: TIOCLINUX without a jail: no virtual console: {errno}");
            format!("{errno} (no virtual console for this user)")
        }
    };
    // Any terminal will do within: the request is denied before it reaches one.
    let path = if bare.result().is_ok() {
        "/dev/tty0"
    } else {
        "/dev/null"
    };
    let within = How {
        policy: Some(ANYTHING),
        ..How::default()
    }
    .run(&attack("terminal-linux", &[&path]));
    row("TIOCLINUX, upper half dirty", &cell, &within.cell());
    assert_eq!(within.result(), Err("EPERM"), "{within:?}");
    assert!(within.err.contains("no-terminal-input"), "{within:?}");
}
