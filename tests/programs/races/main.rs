//! Hostile programs that race against whoever checks their calls.
//!
//! `races ATTACK GOOD BAD [SECONDS]` names GOOD again and again while something turns the name
//! into BAD, and prints `ATTACK tries N wins M passed K`: a win has read, executed or changed BAD,
//! what passed has done so with GOOD. It makes what it needs in its working directory.
//! `races flip ATTACK …` and `races act ATTACK …` are its two halves, for two jails.
//! `races naive …` is the same under a supervisor that checks and then lets go on, until the first
//! win. `races setup DIRECTORY` makes a tree to race in, `races list` says which attack needs what
//! of it. `races case …` are attacks of their own kind, `races lazy …` those on memory that the
//! kernel discards, `races protect …` those on what may be read and not changed, `races net …` those for
//! peers. It must never rely on being jailed.

mod act;
#[path = "../busy.rs"]
mod busy;
mod cases;
mod flip;
mod lazy;
mod naive;
mod net;
#[path = "../old.rs"]
mod old;
mod place;
mod protect;
mod raw;
mod replace;
mod role;
mod seconds;
mod tamper;

mod attacks;

fn main() -> std::process::ExitCode {
    attacks::main()
}
