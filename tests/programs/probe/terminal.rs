//! Sessions, process groups and the terminal.

use crate::raw;
use std::time::Duration;

/// `ids`: prints pid, parent, process group, session, and the terminal's foreground group.
pub fn ids(_: &[String]) -> i32 {
    let foreground = nix::unistd::tcgetpgrp(std::io::stdin()).map_or(-1, nix::unistd::Pid::as_raw);
    println!(
        "{} {} {} {} {foreground}",
        nix::unistd::getpid(),
        nix::unistd::getppid(),
        nix::unistd::getpgrp(),
        nix::unistd::getsid(None).map_or(-1, nix::unistd::Pid::as_raw),
    );
    0
}

/// `on-terminal PROGRAM …`: runs it in a session of its own with the terminal on stdin.
pub fn on_terminal(arguments: &[String]) -> i32 {
    require!(nix::unistd::setsid().is_ok(), "setsid failed");
    if let Err(errno) = raw::take_terminal() {
        eprintln!("TIOCSCTTY: {errno}");
        return 1;
    }
    eprintln!("{arguments:?}: {}", raw::exec(arguments));
    1
}

/// `winch`: prints the window's size now and after each SIGWINCH, three times in all.
pub fn winch(_: &[String]) -> i32 {
    let handled = raw::handle(libc::SIGWINCH);
    require!(handled.is_ok(), "cannot handle SIGWINCH: {handled:?}");
    for seen in 0..3 {
        while raw::recorded(0).len() < seen {
            std::thread::sleep(Duration::from_millis(1));
        }
        match raw::window() {
            Ok((rows, columns)) => println!("window {rows} {columns}"),
            Err(errno) => {
                eprintln!("TIOCGWINSZ: {errno}");
                return 1;
            }
        }
    }
    0
}
