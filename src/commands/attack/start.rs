//! What this executable does as the command of a jail, and as the process outside that attacks aim at.

use super::given::Given;
use super::tools::{BEGAN, REACHED, STOPPED, say};
use super::{bystander, host, list};
use crate::sys;

/// The first argument of an attack. It is no subcommand for people: `--help` does not name it.
pub const INSIDE: &str = "attack-inside";

/// Set by tests, which show that attacks succeed without a jail.
pub const UNJAILED: &str = "JAIL_ATTACK_UNJAILED";

/// Does what the command line says; `None`: it says something else.
pub fn start() -> Option<u8> {
    let mut words = std::env::args_os().skip(1);
    let first = words.next()?;
    let mut text = || {
        words
            .next()
            .and_then(|word| word.into_string().ok())
            .unwrap_or_default()
    };
    match first.to_str()? {
        bystander::WORD => Some(bystander::watch(&text())),
        INSIDE => Some(attack(&text(), &text())),
        _ => None,
    }
}

fn attack(name: &str, given: &str) -> u8 {
    if !host::is_jailed() && std::env::var_os(UNJAILED).is_none() {
        eprintln!("jail: {INSIDE} only runs in a jail, where `jail attack` starts it");
        return super::super::FAILED;
    }
    let given: Given = match serde_json::from_str(given) {
        Ok(given) => given,
        Err(error) => {
            eprintln!("jail: {INSIDE}: the targets of the attack cannot be read: {error}");
            return super::super::FAILED;
        }
    };
    let Some(run) = list::run_of(name) else {
        eprintln!("jail: {INSIDE}: there is no attack `{name}`");
        return super::super::FAILED;
    };
    say(BEGAN);
    match run(&given) {
        Ok(what) => say(&format!("{REACHED}{}", what.trim_end())),
        Err(why) => say(&format!("{STOPPED}{why}")),
    }
    // Threads and destructors of an attack must not delay its end.
    sys::process::exit(0)
}
