//! `jail completions SHELL`: prints a script that completes jail's command line, from the arguments that clap
//! parses.

use super::Cli;
use clap::{CommandFactory as _, ValueEnum};
use std::io::{self, Write};

/// A shell for which there are completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub fn run(shell: Shell, out: &mut dyn Write) -> io::Result<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    // Into a buffer, because clap_complete panics if it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "jail", &mut text);
    out.write_all(&text)?;
    out.flush()?;
    Ok(0)
}
