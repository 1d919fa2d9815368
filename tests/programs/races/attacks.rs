//! The table of attacks, and their loop.

use crate::act::{Act, Try};
use crate::cases;
use crate::flip::Flip;
use crate::lazy;
use crate::naive::{Denied, supervise};
use crate::net;
use crate::place::{Place, set_up};
use crate::protect;
use crate::replace::{Score, Trick, replace};
use crate::role::{self, Role};
use crate::seconds::time;
use crate::tamper::tamper;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// No attack tries more often.
const MOST_TRIES: u64 = 200_000;

/// An attack goes on until it has tried as often: for five times as long if need be, and for at least
/// [`LEAST_TIME`].
const LEAST_TRIES: u64 = 1_001;
const LEAST_TIME: Duration = Duration::from_secs(5);

/// How long an attack goes on where it is not told.
const DEFAULT_TIME: Duration = Duration::from_secs(20);

#[rustfmt::skip]
const ATTACKS: &[(&str, Flip, Act)] = &[
    ("thread-flips-path",          Flip::Thread,       Act::Open),
    ("process-flips-path",         Flip::Process,      Act::Open),
    ("fork-in-the-middle",         Flip::Forks,        Act::Open),
    ("clone-vm-flips-path",        Flip::CloneVm,      Act::Open),
    ("mem-file-flips-path",        Flip::MemFile,      Act::Open),
    ("vm-write-flips-path",        Flip::VmWrite,      Act::Open),
    ("file-page-flips-path",       Flip::FilePage,     Act::Open),
    ("page-remapped",              Flip::Remap,        Act::Open),
    ("aio-flips-path",             Flip::Aio,          Act::Open),
    ("directory-swapped",          Flip::Directory,    Act::Open),
    ("relative-directory-swapped", Flip::Relative,     Act::Open),
    ("dot-dot-swapped",            Flip::Above,        Act::Open),
    ("symlink-dance",              Flip::Symlink,      Act::Open),
    ("cwd-swapped",                Flip::Cwd,          Act::Open),
    ("proc-cwd-swapped",           Flip::ProcCwd,      Act::Open),
    ("dirfd-swapped",              Flip::Dirfd,        Act::Open),
    ("fd-flipped",                 Flip::ProcFd,       Act::Open),
    ("fd-of-file-flipped",         Flip::ProcFdFile,   Act::Open),
    ("path-descriptor-flipped",    Flip::Thread,       Act::OpenPath),
    ("open-how-flipped",           Flip::How,          Act::OpenHow),
    ("open-how-process-flipped",   Flip::SharedHow,    Act::OpenHow),
    ("reopened-memfd-flipped",     Flip::ProcFdMemfd,  Act::Reopen),
    ("reopened-stdin-flipped",     Flip::ProcFdStdin,  Act::Reopen),

    ("exec-flipped",               Flip::SharedThread, Act::Fork),
    ("exec-vfork-flipped",         Flip::Thread,       Act::Vfork),
    ("exec-symlink-dance",         Flip::Symlink,      Act::Fork),
    ("exec-cwd-swapped",           Flip::Cwd,          Act::Vfork),
    ("exec-dirfd-swapped",         Flip::Dirfd,        Act::Vfork),

    ("create-flipped",             Flip::Thread,       Act::Create),
    ("mkdir-flipped",              Flip::Thread,       Act::Mkdir),
    ("mkfifo-flipped",             Flip::Thread,       Act::Mkfifo),
    ("symlink-flipped",            Flip::Thread,       Act::Symlink),
    ("link-to-flipped",            Flip::Thread,       Act::LinkTo),
    ("link-from-flipped",          Flip::Thread,       Act::LinkFrom),
    ("rename-to-flipped",          Flip::Thread,       Act::RenameTo),
    ("rename-from-flipped",        Flip::Thread,       Act::RenameFrom),
    ("exchange-flipped",           Flip::Thread,       Act::Exchange),
    ("unlink-flipped",             Flip::Thread,       Act::Unlink),
    ("rmdir-flipped",              Flip::Thread,       Act::Rmdir),
    ("truncate-flipped",           Flip::Thread,       Act::Truncate),
    ("chmod-flipped",              Flip::Thread,       Act::Chmod),
    ("chown-flipped",              Flip::Thread,       Act::Chown),
    ("touch-flipped",              Flip::Thread,       Act::Touch),
    ("setxattr-flipped",           Flip::Thread,       Act::SetAttribute),

    ("create-directory-swapped",   Flip::Directory,    Act::Create),
    ("create-dirfd-swapped",       Flip::Dirfd,        Act::Create),
    ("mkdir-cwd-swapped",          Flip::Cwd,          Act::Mkdir),
    ("link-from-cwd-swapped",      Flip::Cwd,          Act::LinkFrom),
    ("rename-to-directory-swapped", Flip::Directory,   Act::RenameTo),
    ("rename-from-dirfd-swapped",  Flip::Dirfd,        Act::RenameFrom),
    ("unlink-directory-swapped",   Flip::Directory,    Act::Unlink),
    ("unlink-process-flips-path",  Flip::Process,      Act::Unlink),
    ("bind-directory-swapped",     Flip::Directory,    Act::Bind),
    ("bind-cwd-swapped",           Flip::Cwd,          Act::Bind),
    ("bind-symlink-dance",         Flip::Symlink,      Act::Bind),
    ("truncate-symlink-dance",     Flip::Symlink,      Act::Truncate),
    ("chmod-directory-swapped",    Flip::Directory,    Act::Chmod),
    ("chmod-dirfd-swapped",        Flip::Dirfd,        Act::Chmod),
    ("touch-fd-flipped",           Flip::ProcFd,       Act::Touch),
];

/// Attacks that need a place or a policy of their own, or in which nothing allowed ever passes:
/// they are not listed.
#[rustfmt::skip]
const UNLISTED: &[(&str, Flip, Act)] = &[
    ("dead-directory-flips-path",  Flip::DeadProcess,  Act::Open),
    ("cwd-swapped-by-program",     Flip::CwdOfProgram, Act::Open),
    ("fd-of-other-flipped",        Flip::OtherFd,      Act::Open),
    ("memfd-of-other-reopened",    Flip::OtherMemfd,   Act::Reopen),
    ("interpreter-symlink-dance",  Flip::Symlink,      Act::Interpret),
    ("bind-proc-cwd-swapped",      Flip::ProcCwd,      Act::Bind),
    ("enter-flipped",              Flip::Here,         Act::Enter),
    ("visit-directory-swapped",    Flip::Directory,    Act::Visit),
];

/// Races for the memory of a jail, which a supervisor without such memory cannot lose.
const TRICKS: &[(&str, Trick)] = &[
    ("region-replaced", Trick::Replace),
    ("region-kept-from-children", Trick::KeepFromChildren),
];

/// Does what the arguments say.
pub fn main() -> ExitCode {
    if let Some(code) = cases::said() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => list(),
        ["setup", directory] => set_up(Path::new(directory)),
        ["naive", name, good, bad] => return naive(name, good, bad, DEFAULT_TIME),
        ["naive", name, good, bad, seconds] => return naive(name, good, bad, time(seconds)),
        ["net", ref words @ ..] => return net::run(words),
        ["lazy", ref words @ ..] => {
            return lazy::run(words).unwrap_or(ExitCode::from(2));
        }
        ["protect", ref words @ ..] => {
            return protect::run(words).unwrap_or(ExitCode::from(2));
        }
        ["case", ref words @ ..] => {
            return cases::run(words).unwrap_or(ExitCode::from(2));
        }
        ["flip", name, good, bad] => {
            role::take(Role::Flips);
            return attack(name, good, bad, Duration::ZERO, false);
        }
        ["act", name, good, bad, seconds] => {
            role::take(Role::Acts);
            return attack(name, good, bad, time(seconds), false);
        }
        [name, good, bad] => return attack(name, good, bad, DEFAULT_TIME, false),
        [name, good, bad, seconds] => return attack(name, good, bad, time(seconds), false),
        _ => {
            eprintln!("races [naive] ATTACK GOOD BAD [SECONDS] | setup DIRECTORY | list");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Each attack with the part of the tree that it needs.
fn list() {
    for (name, flip, act) in ATTACKS {
        let part = match act {
            _ if *flip == Flip::Above => "above",
            Act::OpenHow | Act::Reopen => "readonly",
            act if act.executes() => "programs",
            act if act.changes() => "changes",
            _ => "files",
        };
        println!("{name} {part}");
    }
    println!("tamper memory");
    for (name, _) in TRICKS {
        println!("{name} memory");
    }
}

fn naive(name: &str, good: &str, bad: &str, time: Duration) -> ExitCode {
    let bad_path = Path::new(bad);
    let denied = if good == bad {
        Denied::Writing(bad_path.to_path_buf())
    } else {
        let directory = bad_path.parent().expect("BAD lies in a directory");
        Denied::Directory(directory.to_path_buf())
    };
    let code = supervise(&denied, || {
        let code = attack(name, good, bad, time, true);
        i32::from(code != ExitCode::SUCCESS)
    });
    ExitCode::from(code as u8)
}

/// Tries until the time is over, or until the first win.
fn attack(name: &str, good: &str, bad: &str, enough: Duration, until_won: bool) -> ExitCode {
    if name == "tamper" {
        let (tries, wins) = tamper(until_won, good).unwrap_or_default();
        println!("tamper tries {tries} wins {wins} passed {tries}");
        return ExitCode::SUCCESS;
    }
    if let Some((name, trick)) = TRICKS.iter().find(|row| row.0 == name) {
        let score = replace(*trick, &Place::new(good, bad), enough);
        let Score {
            tries,
            replaced,
            wins,
        } = score;
        println!("{name} tries {tries} wins {wins} passed {tries} replaced {replaced}");
        return ExitCode::SUCCESS;
    }
    let Some((name, flip, act)) = ATTACKS.iter().chain(UNLISTED).find(|row| row.0 == name) else {
        eprintln!("races: no attack {name:?}");
        return ExitCode::from(2);
    };
    let mut place = Place::new(good, bad);
    if let Some(leaf) = act.leaf() {
        place = place.named(leaf);
    }
    let Some(on) = flip.start(&place) else {
        println!("{name} tries 0 wins 0 passed 0 unavailable");
        return ExitCode::SUCCESS;
    };
    let acting = act.at(place);
    let start = Instant::now();
    let latest = LEAST_TIME.max(5 * enough);
    let (mut tries, mut wins, mut passed) = (0, 0, 0);
    while tries < MOST_TRIES {
        let time = start.elapsed();
        if time >= enough && (tries >= LEAST_TRIES || time >= latest) {
            break;
        }
        match on.during(tries, || acting.attempt(&on, tries)) {
            Try::Denied => {}
            Try::Passed => passed += 1,
            Try::Won => wins += 1,
        }
        tries += 1;
        if wins > 0 && (until_won || act.changes()) {
            break;
        }
    }
    drop(on);
    println!("{name} tries {tries} wins {wins} passed {passed}");
    ExitCode::SUCCESS
}
