//! Signals that are ignored, and blocking calls.

use crate::raw::{self, waits};
use std::time::{Duration, Instant};

/// Until a call has to give up.
const TIME: Duration = Duration::from_millis(160);
/// For one that has to be interrupted.
const LONG: Duration = Duration::from_secs(20);

/// The state of a process, as in proc_pid_stat(5); `None`: it is gone.
fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.chars().next()
}

/// A child sends these signals, each after a pause and once this process waits in its call, and ends.
fn sender(signals: Vec<i32>, pause: Duration) -> i32 {
    let own = std::process::id() as i32;
    let stops = signals.contains(&libc::SIGSTOP);
    raw::fork(move || {
        loop {
            for &signal in &signals {
                std::thread::sleep(pause);
                // SIGCONT would take the place of a SIGSTOP that has not stopped it yet. Any other signal would
                // be handled before the call, which then waits for its whole time.
                let ready: &[char] = match stops && signal == libc::SIGCONT {
                    true => &['T', 't'],
                    false => &['S'],
                };
                while state(own).is_some_and(|state| !ready.contains(&state)) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if raw::kill(own, signal).is_err() {
                    return 1;
                }
            }
            if !stops {
                return 0;
            }
            // A traced process also looks stopped while its tracer is told of the SIGSTOP, and SIGCONT was too
            // early then: once more.
            std::thread::sleep(Duration::from_secs(1));
        }
    })
}

/// What a call returns, and how long it took.
fn tell(name: &str, call: waits::Waiting, time: Duration, child: i32) -> Duration {
    let begun = Instant::now();
    let result = call(time);
    let waited = begun.elapsed();
    // A socket's timeout may end a tick of the kernel's clock too early, which is 10 ms at most (HZ=100).
    let whole = waited + Duration::from_millis(10) >= time;
    println!("{name} {result:?} whole time {whole}");
    let _ = raw::kill(child, libc::SIGKILL);
    let _ = raw::reap(child);
    waited
}

/// `ignored-signals`: every call that returns EINTR by itself waits on while ignored signals come.
pub fn waits_on(_: &[String]) -> i32 {
    require!(raw::ignore(libc::SIGUSR1).is_ok(), "cannot ignore");
    let pause = Duration::from_millis(30);
    let signals = [libc::SIGUSR1, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT];
    for (name, call) in waits::CALLS {
        tell(name, call, TIME, sender(signals.to_vec(), pause));
    }
    // Signals that never end do not keep a time-out from coming.
    for (name, call) in &waits::CALLS[..3] {
        let many = vec![libc::SIGUSR1; 100];
        let waited = tell(name, *call, TIME, sender(many, pause));
        println!("{name} ends {}", waited < pause * 80);
    }
    0
}

/// `interrupting-signals`: a handler and a stop do interrupt such a call.
pub fn interrupts(_: &[String]) -> i32 {
    let pause = Duration::from_millis(40);
    require!(waits::interrupt_by(libc::SIGUSR2).is_ok(), "cannot handle");
    for (name, call) in waits::CALLS {
        tell(name, call, LONG, sender(vec![libc::SIGUSR2], pause));
        tell(
            name,
            call,
            LONG,
            sender(vec![libc::SIGWINCH, libc::SIGUSR2], pause),
        );
    }
    for (name, call) in [waits::CALLS[0], waits::CALLS[2], waits::CALLS[4]] {
        tell(
            name,
            call,
            LONG,
            sender(vec![libc::SIGSTOP, libc::SIGCONT], pause),
        );
        let both = vec![libc::SIGWINCH, libc::SIGSTOP, libc::SIGCONT];
        tell(name, call, LONG, sender(both, pause));
    }
    0
}
