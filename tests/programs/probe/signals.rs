//! Signals: that each arrives, once, in order, with the siginfo that its sender gave it.

use crate::raw::{self, Arrival, Status};
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// Real-time signals used here, SIGRTMIN+3 and on (glibc keeps the first two for itself).
const REAL_TIME: [i32; 4] = [37, 40, 50, 64];

/// What tells `listen` and `sigwait` to end: nobody passes it on.
const END: i32 = 38;

/// How long many signals may take: a minute, or `JAIL_TEST_SLOW` minutes.
fn patience() -> Duration {
    let factor = std::env::var("JAIL_TEST_SLOW").ok();
    let factor: u64 = factor.and_then(|it| it.parse().ok()).unwrap_or(1);
    Duration::from_secs(60 * factor.clamp(1, 100))
}

/// `signals COUNT`: a child sends so many: a fifth of them standard ones, each when the last was
/// taken, the rest queued with values.
pub fn signals(arguments: &[String]) -> i32 {
    let count: usize = arguments
        .first()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1000);
    let own = std::process::id() as i32;
    for signal in REAL_TIME.into_iter().chain([libc::SIGUSR1]) {
        let handled = raw::handle(signal);
        require!(handled.is_ok(), "cannot handle {signal}: {handled:?}");
    }
    let Ok((taken, take)) = raw::pipe() else {
        return 1;
    };
    let sender = raw::fork(|| {
        for value in 0..count {
            let sent = match value % 5 {
                4 => raw::kill(own, libc::SIGUSR1)
                    .and_then(|()| raw::read_byte(taken))
                    .map(drop),
                i => queue(own, REAL_TIME[i], value),
            };
            if let Err(errno) = sent {
                eprintln!("cannot send: {errno}");
                return 1;
            }
        }
        0
    });
    let mut seen: Vec<Arrival> = Vec::with_capacity(count);
    let end = Instant::now() + patience();
    while seen.len() < count && Instant::now() < end {
        let news = raw::recorded(seen.len());
        if news.is_empty() {
            std::thread::sleep(Duration::from_micros(200));
        }
        for arrival in &news {
            if arrival.signal == libc::SIGUSR1 {
                require!(raw::write_byte(take, b't').is_ok(), "cannot answer");
            }
        }
        seen.extend(news);
    }
    if seen.len() < count {
        // It may wait for an answer.
        let _ = raw::kill(sender, libc::SIGKILL);
    }
    let status = raw::reap(sender);
    require!(seen.len() == count, "{} signals of {count}", seen.len());
    require!(
        status == Some(Status::Exited(0)),
        "the sender ended with {status:?}"
    );
    for arrival in &seen {
        let code = if arrival.signal == libc::SIGUSR1 {
            libc::SI_USER
        } else {
            libc::SI_QUEUE
        };
        require!(
            (arrival.code, arrival.sender) == (code, sender),
            "not from {sender}: {arrival:?}"
        );
    }
    for (index, signal) in REAL_TIME.into_iter().enumerate() {
        let values = seen
            .iter()
            .filter(|arrival| arrival.signal == signal)
            .map(|arrival| arrival.value);
        let expected = (index..count).step_by(5);
        require!(
            values.eq(expected),
            "signal {signal}: values lost or out of order"
        );
    }
    0
}

/// sigqueue(3), waiting while the receiver's queue is full.
fn queue(pid: i32, signal: i32, value: usize) -> Result<(), Errno> {
    loop {
        match raw::sigqueue(pid, signal, value) {
            Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_micros(500)),
            result => return result,
        }
    }
}

fn numbers(arguments: &[String]) -> Vec<i32> {
    arguments
        .iter()
        .filter_map(|signal| signal.parse().ok())
        .collect()
}

fn say_ready() {
    println!("ready {}", std::process::id());
}

fn say(arrival: Arrival) {
    println!(
        "signal {} code {} sender {}",
        arrival.signal, arrival.code, arrival.sender
    );
}

/// `listen SIGNAL …`: handles these signals (numbers) and prints each, until END comes.
pub fn listen(arguments: &[String]) -> i32 {
    for signal in numbers(arguments).into_iter().chain([END]) {
        let handled = raw::handle(signal);
        require!(handled.is_ok(), "cannot handle {signal}: {handled:?}");
    }
    say_ready();
    let mut seen = 0;
    loop {
        for arrival in raw::recorded(seen) {
            if arrival.signal == END {
                return 0;
            }
            say(arrival);
            seen += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `sigwait SIGNAL …`: the same with signals that are blocked and taken by sigwaitinfo.
pub fn sigwait(arguments: &[String]) -> i32 {
    let mut signals = numbers(arguments);
    signals.push(END);
    require!(raw::block(&signals).is_ok(), "cannot block {signals:?}");
    say_ready();
    while let Some(arrival) = raw::sigwait(&signals, Duration::from_secs(60)) {
        if arrival.signal == END {
            return 0;
        }
        say(arrival);
    }
    1
}

/// `group-signal`: kill(0) reaches the caller and its child in the group, once each, from the
/// caller.
pub fn group_signal(_: &[String]) -> i32 {
    let own = std::process::id() as i32;
    require!(raw::handle(libc::SIGUSR1).is_ok(), "cannot handle SIGUSR1");
    let Ok((ready, tell)) = raw::pipe() else {
        return 1;
    };
    let await_one = move || {
        let end = Instant::now() + Duration::from_secs(10);
        while raw::recorded(0).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Long enough for a second one.
        std::thread::sleep(Duration::from_millis(50));
        let seen = raw::recorded(0);
        let expected = Arrival {
            signal: libc::SIGUSR1,
            code: libc::SI_USER,
            sender: own,
            value: 0,
        };
        let right = matches!(seen.as_slice(), [one] if Arrival { value: 0, ..*one } == expected);
        if !right {
            eprintln!("{}: not once from {own}: {seen:?}", std::process::id());
        }
        i32::from(!right)
    };
    let child = raw::fork(|| {
        let _ = raw::write_byte(tell, b'r');
        await_one()
    });
    let _ = raw::read_byte(ready);
    let sent = raw::kill(0, libc::SIGUSR1);
    require!(sent.is_ok(), "kill(0): {sent:?}");
    let wrong = await_one();
    let status = raw::reap(child);
    require!(status == Some(Status::Exited(0)), "the child: {status:?}");
    wrong
}
