//! A program for the scenario tests to run inside and outside of a jail: `probe NAME ARGUMENT…`.
//!
//! Exit code 0: all was as ptrace(2), signal(7) and wait(2) promise; 1: it was not, and stderr
//! says what. It must never rely on being jailed, so that a test can compare both.

#[macro_use]
mod require;

mod attacks;
mod births;
mod border;
#[path = "../busy.rs"]
mod busy;
mod calls;
mod children;
mod fair;
mod hidden;
mod ignored;
mod inherited;
mod kernel;
mod kills;
mod meddles;
mod memory;
mod peaks;
mod prove;
mod ptys;
mod raw;
mod registers;
mod secrets;
mod sentences;
mod signals;
mod stops;
mod storms;
mod terminal;
mod usage;
mod without;

/// Takes the arguments after its name, returns the exit code.
type Probe = fn(&[String]) -> i32;

#[rustfmt::skip]
const PROBES: &[(&str, Probe)] = &[
    ("arguments",        inherited::arguments),
    ("attack",           attacks::attack),
    ("births",           births::births),
    ("binds",            inherited::binds),
    ("blocking",         inherited::blocking),
    ("bomb",             storms::bomb),
    ("border-connect",   border::connect),
    ("border-many",      border::many),
    ("border-open",      border::open),
    ("border-parent",    border::parent),
    ("border-race",      border::race),
    ("border-read",      border::read),
    ("calls",            calls::calls),
    ("daemon",           children::daemon),
    ("descriptors",      inherited::descriptors),
    ("exec-again",       kills::exec_again),
    ("exec-fails",       children::exec_fails),
    ("exec-from-thread", children::exec_from_thread),
    ("exit",             children::exit),
    ("fair",             fair::fair),
    ("fair-worker",      fair::worker),
    ("fork-exit",        children::fork_exit),
    ("fill",             usage::fill),
    ("giving-up",        inherited::giving_up),
    ("group-signal",     signals::group_signal),
    ("holding-key",      inherited::holding_key),
    ("ids",              terminal::ids),
    ("killed-in-stops",  kills::killed_in_stops),
    ("leader-exits",     children::leader_exits),
    ("leaking",          inherited::leaking),
    ("listen",           signals::listen),
    ("lowered",          inherited::lowered),
    ("meddles",          meddles::meddles),
    ("memory",           memory::memory),
    ("on-terminal",      terminal::on_terminal),
    ("peak",             peaks::peak),
    ("prove",            prove::prove),
    ("pty-storm",        ptys::storm),
    ("ptys",             ptys::ptys),
    ("parent-killed",    kills::parent_killed),
    ("pdeathsig",        kills::pdeathsig),
    ("reads-key",        inherited::reads_key),
    ("reap",             children::reap),
    ("registers",        registers::registers),
    ("secrets",          secrets::secrets),
    ("securebits",       inherited::securebits),
    ("sentences",        sentences::sentences),
    ("signals",          signals::signals),
    ("sigwait",          signals::sigwait),
    ("spawn",            children::spawn),
    ("joins",            usage::joins),
    ("ignored-signals",  ignored::waits_on),
    ("interrupting-signals", ignored::interrupts),
    ("spin",             usage::spin),
    ("stage",            attacks::stage),
    ("stop-in-calls",    stops::stop_in_calls),
    ("stop-itself",      stops::stop_itself),
    ("stop-threads",     stops::stop_threads),
    ("storm",            storms::storm),
    ("threads",          children::threads),
    ("vfork",            children::vfork),
    ("waitid",           children::waitid),
    ("winch",            terminal::winch),
    ("without",          without::without),
];

fn main() {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let Some((name, rest)) = arguments.split_first() else {
        eprintln!("usage: probe NAME [ARGUMENT]...");
        std::process::exit(2);
    };
    match PROBES.iter().find(|(known, _)| known == name) {
        Some((_, probe)) => std::process::exit(probe(rest)),
        None => {
            eprintln!("probe: no probe {name:?}");
            std::process::exit(2);
        }
    }
}
