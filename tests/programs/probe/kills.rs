//! Processes that are killed wherever they are, and children whose parent is.

use crate::busy::busy;
use crate::raw::{self, Status};
use nix::errno::Errno;
use std::time::Duration;

/// `exec-again …`: executes itself with the same arguments, for ever.
pub fn exec_again(arguments: &[String]) -> i32 {
    let mut again = vec!["/proc/self/exe".to_owned(), "exec-again".to_owned()];
    again.extend_from_slice(arguments);
    eprintln!("exec: {}", raw::exec(&again));
    1
}

/// A name, and what the victim does until it is killed.
type Victim = (&'static str, fn() -> i32);

/// What a process may be doing when SIGKILL comes. Each never ends by itself.
#[rustfmt::skip]
const VICTIMS: [Victim; 9] = [
    ("spin",     || loop { busy(1) }),
    ("block",    || { let _ = raw::pipe().map(|(read, _)| raw::read_byte(read)); 1 }),
    ("stop",     || loop { let _ = raw::kill(std::process::id() as i32, libc::SIGSTOP); }),
    // Denied by the test's policy: a seccomp-stop each.
    ("call",     || loop { let _ = nix::unistd::getppid(); }),
    ("fork",     || loop { raw::reap(raw::fork(|| 0)); }),
    ("vfork",    || loop { raw::reap(raw::vfork(|| { std::thread::sleep(Duration::from_millis(1)); 0 })); }),
    ("threads",  || loop { let _ = std::thread::spawn(|| ()).join(); }),
    ("exec",     || exec_again(&[])),
    ("signals",  signal_itself),
];

fn signal_itself() -> i32 {
    let _ = raw::handle(libc::SIGUSR1);
    loop {
        let _ = raw::kill(std::process::id() as i32, libc::SIGUSR1);
    }
}

/// `killed-in-stops ROUNDS`: each victim is killed after ever other times, and its parent sees it.
pub fn killed_in_stops(arguments: &[String]) -> i32 {
    let rounds: u64 = arguments
        .first()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(5);
    for round in 0..rounds {
        for (index, (name, victim)) in VICTIMS.iter().enumerate() {
            let child = raw::fork(victim);
            std::thread::sleep(Duration::from_micros(
                (round * 1_370 + index as u64 * 211) % 4_000,
            ));
            require!(
                raw::kill(child, libc::SIGKILL).is_ok(),
                "{name}: gone before SIGKILL"
            );
            let status = raw::reap(child);
            require!(
                status == Some(Status::Killed(libc::SIGKILL)),
                "{name}: {status:?}"
            );
        }
    }
    0
}

/// `parent-killed ROUNDS`: children that were just born when their parent is killed run on.
pub fn parent_killed(arguments: &[String]) -> i32 {
    let rounds: u64 = arguments
        .first()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20);
    let Ok((read, write)) = raw::pipe() else {
        return 1;
    };
    for round in 0..rounds {
        let parent = raw::fork(|| {
            loop {
                raw::fork(|| i32::from(raw::write_byte(write, b'c').is_err()));
                raw::reap(-1);
            }
        });
        // From its first moments on, until some children are about.
        std::thread::sleep(Duration::from_micros(round * 173 % 3_000));
        let _ = raw::kill(parent, libc::SIGKILL);
        require!(
            raw::reap(parent) == Some(Status::Killed(9)),
            "the parent was not killed"
        );
    }
    raw::close(write);
    // Nobody is left to hold the pipe once the last orphan has ended.
    loop {
        match raw::read_byte(read) {
            Ok(Some(_)) => {}
            Ok(None) => return 0,
            Err(errno) => {
                eprintln!("read: {errno}");
                return 1;
            }
        }
    }
}

/// `pdeathsig`: PR_SET_PDEATHSIG, with a signal that is taken and with SIGKILL.
pub fn pdeathsig(_: &[String]) -> i32 {
    for (signal, expected) in [
        (nix::sys::signal::SIGUSR1, Ok(Some(b'u'))),
        (nix::sys::signal::SIGKILL, Ok(None)),
    ] {
        let (Ok((read, write)), Ok((armed, arm))) = (raw::pipe(), raw::pipe()) else {
            return 1;
        };
        let parent = raw::fork(|| {
            raw::fork(|| {
                let armed = raw::block(&[libc::SIGUSR1])
                    .and_then(|()| nix::sys::prctl::set_pdeathsig(signal))
                    .and_then(|()| raw::write_byte(arm, b'a'));
                let arrival = raw::sigwait(&[libc::SIGUSR1], Duration::from_secs(20));
                match (armed, arrival) {
                    (Ok(()), Some(_)) => i32::from(raw::write_byte(write, b'u').is_err()),
                    _ => i32::from(raw::write_byte(write, b'x').is_err()),
                }
            });
            i32::from(raw::read_byte(armed) != Ok(Some(b'a')))
        });
        raw::close(write);
        raw::close(arm);
        require!(
            raw::reap(parent) == Some(Status::Exited(0)),
            "{signal}: not armed"
        );
        let said: Result<Option<u8>, Errno> = raw::read_byte(read);
        require!(said == expected, "{signal}: the orphan said {said:?}");
    }
    0
}
