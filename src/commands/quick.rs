//! The command line of most starts, read without building all that `--help` says about it.
//!
//! clap first makes the options of every subcommand, which takes a tenth of the time that a jail takes to start. This
//! reader knows the frequent options of a run. What it does not know, and every mistake, is clap's.

use super::Run;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What these words say; `None`: clap must read them.
pub(super) fn read(words: impl IntoIterator<Item = OsString>) -> Option<Run> {
    let mut words = words.into_iter();
    let mut run = Run::default();
    loop {
        let word = words.next()?;
        if word == "--" {
            break;
        }
        if let Some(flag) = flag(&mut run, word.to_str()?) {
            if std::mem::replace(flag, true) {
                return None;
            }
            continue;
        }
        let bytes = word.as_bytes();
        let (name, value) = match bytes.iter().position(|&byte| byte == b'=') {
            Some(at) => (&bytes[..at], OsStr::from_bytes(&bytes[at + 1..]).to_owned()),
            None => (bytes, words.next()?),
        };
        // clap asks more of these.
        if value.is_empty() || value.as_bytes().starts_with(b"-") {
            return None;
        }
        set(&mut run, name, value)?;
    }
    run.command = words.collect();
    (!run.command.is_empty()).then_some(run)
}

/// The option without a value that has this name.
fn flag<'a>(run: &'a mut Run, name: &str) -> Option<&'a mut bool> {
    match name {
        "--env-clear" => Some(&mut run.env_clear),
        "--kill-on-exit" => Some(&mut run.kill_on_exit),
        "-q" | "--quiet" => Some(&mut run.quiet),
        "--stats" => Some(&mut run.stats),
        _ => None,
    }
}

/// Sets the option with a value that has this name.
fn set(run: &mut Run, name: &[u8], value: OsString) -> Option<()> {
    match name {
        b"--env" => run.variables.push(value),
        b"--cwd" => optional(&mut run.directory, value.into())?,
        b"--log" => optional(&mut run.log, value)?,
        b"--report" => optional(&mut run.report, value)?,
        name => run.policy.set(name, value)?,
    }
    Some(())
}

fn optional<T>(option: &mut Option<T>, value: T) -> Option<()> {
    match option.replace(value) {
        Some(_) => None,
        None => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::{ColorChoice, Parser as _};
    use proptest::prelude::*;
    use proptest::sample::select;

    const WORDS: [&str; 35] = [
        "--policy",
        "--policy=base",
        "-p",
        "-pbase",
        "-p=base",
        "base",
        "-q",
        "--quiet",
        "-qp",
        "--stats",
        "--stats=1",
        "--kill-on-exit",
        "--env-clear",
        "--env",
        "--env=A=b",
        "A=b",
        "--cwd",
        "--cwd=/tmp",
        "/tmp",
        "--log",
        "log",
        "--report=r.json",
        "--allow-read",
        "--allow-read=/a",
        "--allow-write=.",
        "--allow-exec",
        "--allow-net=a:1",
        "--deny",
        "--set",
        "--set=default=allow",
        "--color=always",
        "",
        "check",
        "-x",
        "--",
    ];

    /// What clap makes of it, if it is a run without a choice of colours.
    fn clap(words: &[&str]) -> Option<Run> {
        let cli = Cli::try_parse_from(["jail"].iter().chain(words)).ok()?;
        (cli.subcommand.is_none() && cli.color == ColorChoice::Auto).then_some(cli.run)
    }

    fn quick(words: &[&str]) -> Option<Run> {
        read(words.iter().map(OsString::from))
    }

    #[test]
    fn frequent_command_lines_need_no_clap() {
        for words in [
            &["--policy", "base", "--", "true"][..],
            &[
                "-p",
                "workspace",
                "--quiet",
                "--allow-read=/srv",
                "--set",
                "limits.wall=10s",
                "--",
                "make",
                "-j2",
            ],
            &[
                "--policy=a.toml",
                "--policy",
                "b",
                "--cwd",
                "/",
                "--env",
                "A=b",
                "--report",
                "r",
                "--",
                "sh",
                "--",
            ],
        ] {
            let quick = quick(words).unwrap_or_else(|| panic!("{words:?}"));
            assert_eq!(
                format!("{quick:?}"),
                format!("{:?}", clap(words).expect("valid"))
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_clap_reads(mut words in prop::collection::vec(select(&WORDS[..]), 0..6), end: bool) {
            if end {
                words.extend(["--", "true", "-q"]);
            }
            if let Some(run) = quick(&words) {
                prop_assert_eq!(Some(format!("{run:?}")), clap(&words).map(|run| format!("{run:?}")));
            }
        }
    }
}
