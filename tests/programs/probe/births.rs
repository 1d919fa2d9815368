//! One call from every kind of task that there is, for a test to see that none is left out.

use crate::raw::{self, Status};
use std::process::Command;

/// `births [self]`: prints how getppid ends in the first thread, in another, in a forked, a vforked
/// and a spawned process, in a thread of a forked one, in an orphan, and after an exec from a
/// thread; with `self`, in the first thread only.
pub fn births(arguments: &[String]) -> i32 {
    if let Some(name) = arguments.first() {
        say(name);
        return 0;
    }
    let Ok(this) = std::env::current_exe() else {
        return 1;
    };
    let this = this.to_string_lossy().into_owned();
    say("first thread");
    // One after the other, so that the lines come in this order.
    let _ = std::thread::spawn(|| say("another thread")).join();
    let forked = || {
        say("forked");
        let _ = std::thread::spawn(|| say("thread of a forked one")).join();
        0
    };
    let vforked = || {
        say("vforked");
        0
    };
    for status in [raw::reap(raw::fork(forked)), raw::reap(raw::vfork(vforked))] {
        require!(status == Some(Status::Exited(0)), "{status:?}");
    }
    let spawned = Command::new(&this).args(["births", "spawned"]).status();
    require!(spawned.is_ok_and(|status| status.success()), "cannot spawn");
    let Ok((said, say_so)) = raw::pipe() else {
        return 1;
    };
    raw::reap(raw::fork(|| {
        raw::fork(|| {
            say("orphan");
            i32::from(raw::write_byte(say_so, b's').is_err())
        });
        0
    }));
    let _ = raw::read_byte(said);
    let _ = std::thread::spawn(move || {
        let program = [this.as_str(), "births", "executed by a thread"].map(str::to_owned);
        eprintln!("exec: {}", raw::exec(&program));
    })
    .join();
    1
}

fn say(who: &str) {
    let errno = raw::getppid().err();
    println!(
        "{who}: {}",
        errno.map_or("done".to_owned(), |errno| format!("{errno:?}"))
    );
}
