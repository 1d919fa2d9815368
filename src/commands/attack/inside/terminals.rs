//! Terminals: what is typed into the caller's, and what others show.

use super::super::given::{Given, Tried};
use super::super::tools::{any, by};
use crate::sys::attack;
use std::fs::OpenOptions;
use std::io::Write;

/// Types a line into the controlling terminal, which is stdin.
pub fn typed(given: &Given) -> Tried {
    let line = format!("{}\n", given.token);
    let types = |upper: bool| {
        for byte in line.bytes() {
            attack::type_into(0, byte, upper).map_err(by("ioctl TIOCSTI"))?;
        }
        Ok("a line was typed".to_owned())
    };
    any(&mut [&mut || types(false), &mut || types(true)])
}

/// Writes to another terminal.
pub fn shown(given: &Given) -> Tried {
    let terminal = OpenOptions::new().write(true).open(&given.terminal);
    let mut terminal = terminal.map_err(by("open of another terminal"))?;
    terminal
        .write_all(given.token.as_bytes())
        .map_err(by("write"))?;
    Ok("another terminal was written to".to_owned())
}
