//! The command line, one file a subcommand. The words as typed live here; what they mean is the
//! library's.

mod batch;
mod check;
mod explain;
mod hints;
mod presets;
mod run;
mod table;
mod test;
mod usage;

use crate::launch::{self, Withheld};
use crate::policy::Policy;
use crate::sys::terminal::columns;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code where jail itself failed: bad usage, bad policy, missing ability.
const FAILED: u8 = 125;

/// Run an untrusted command under a policy.
#[derive(Debug, Parser)]
#[command(
    name = "jail",
    version,
    about = "Run an untrusted command under a policy",
    after_help = EXIT_CODES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    override_usage = "jail --policy POLICY [OPTIONS] -- COMMAND [ARGUMENT]...\n       jail batch [--policy POLICY] [OPTIONS] [CASES]\n       jail check [--strict] FILE...\n       jail test FILE...\n       jail explain POLICY [CALL]\n       jail presets [NAME]"
)]
struct Cli {
    #[command(subcommand)]
    subcommand: Option<Sub>,
    #[command(flatten)]
    run: Run,
    /// Colours: on a terminal only, always, or never (NO_COLOR and TERM=dumb are respected)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

const EXIT_CODES: &str = "Exit codes: the command's own; 128+n when signal n ended it; 125 jail itself failed; \
126 found but not runnable; 127 not found; 124 past a limit of the policy; 159 killed by the policy.";

#[derive(Debug, Args)]
struct Run {
    /// A built-in policy (see `jail presets`) or a TOML file
    #[arg(short, long, required = true, value_name = "POLICY")]
    policy: Option<String>,
    /// Pass this open descriptor on; all others past 2 are closed
    #[arg(long = "pass-fd", value_name = "N")]
    pass_fds: Vec<i32>,
    /// Start with an empty environment
    #[arg(long)]
    env_clear: bool,
    /// Set a variable of the environment
    #[arg(long = "env", value_name = "K=V")]
    variables: Vec<OsString>,
    /// Run the command in this directory
    #[arg(long = "cwd", value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Kill what the command leaves running when it ends, instead of waiting for it
    #[arg(long)]
    kill_on_exit: bool,
    /// Say nothing about denials
    #[arg(short, long)]
    quiet: bool,
    /// Write every event as a JSON line to this file, or to the open descriptor `fd:N`
    #[arg(long, value_name = "FILE|fd:N")]
    log: Option<OsString>,
    /// Write how it ended as one JSON document to this file, or to the open descriptor `fd:N`
    #[arg(long, value_name = "FILE|fd:N")]
    report: Option<OsString>,
    /// Report what Landlock denies, too, at the cost of one stop per open; `auto`: if stderr is a
    /// terminal or a log is written
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        default_missing_value = "always",
        num_args = 0..=1,
        require_equals = true
    )]
    trace_denials: TraceDenials,
    /// Print how many stops there were, and of which kind
    #[arg(long)]
    stats: bool,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// When the denials of Landlock are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TraceDenials {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
struct Batch {
    /// Cases, one JSON object a line; stdin where it is missing or `-`
    #[arg(value_name = "CASES")]
    cases: Option<PathBuf>,
    /// The policy of the cases that have none of their own
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<String>,
    /// How many run at the same time; as many as there are processors otherwise
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Write the verdicts to this file, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Skip cases that have a verdict in the output already; those that could not be run are tried again
    #[arg(long)]
    resume: bool,
    /// Keep so many bytes of stdout and of stderr in each verdict
    #[arg(long, value_name = "BYTES")]
    keep: Option<usize>,
    /// Write what is kept in base64, as `stdout_base64` and `stderr_base64`
    #[arg(long, requires = "keep")]
    base64: bool,
    /// No progress on a terminal
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Run many commands, each in a jail of its own, and print a verdict a line
    Batch(Batch),
    /// Check policy files and print every problem
    Check {
        /// Fail on warnings, and on what this host cannot enforce soundly
        #[arg(long)]
        strict: bool,
        /// Policy files or presets
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// Decide the [[test]]s of policy files without running anything
    Test {
        /// Policy files or presets
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// Print who enforces each entry of a policy, or decide one call or path
    Explain {
        /// A built-in policy or a TOML file
        policy: String,
        /// A call, such as 'socket(AF_INET, SOCK_DGRAM, 0)', or a path: 'read ~/.ssh'
        call: Option<String>,
    },
    /// List the built-in policies, or print one
    Presets {
        /// The one to print
        name: Option<String>,
    },
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let words: Vec<String> = std::env::args_os()
                .skip(1)
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            if let Some(mut command) = usage::help(&words) {
                let _ = command.print_help();
                return ExitCode::SUCCESS;
            }
            let _ = error.print();
            if let Some(tip) = usage::tip(&error, &words) {
                let _ = writeln!(io::stderr(), "\n  tip: {tip}");
            }
            return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
        }
    };
    let color = |terminal: bool| match cli.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            terminal
                && usage::shows_colors()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    };
    let err = color(std::io::stderr().is_terminal());
    let out = color(std::io::stdout().is_terminal());
    let code = match cli.subcommand {
        None => run::run(cli.run, err),
        Some(sub) => written(subcommand(sub, err, out)),
    };
    ExitCode::from(code)
}

/// A subcommand: its exit code is 0, or 1 where something was wrong.
fn subcommand(sub: Sub, err: bool, out: bool) -> io::Result<u8> {
    // Not locked: a batch writes from many threads.
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let here = Path::new(".");
    match sub {
        Sub::Batch(batch) => Ok(batch::run(&batch, err)),
        Sub::Check { strict, files } => {
            let host = strict.then(|| launch::probe(&Withheld::from_environment()));
            check::run(&files, here, host.as_ref(), err, &mut stdout, &mut stderr)
        }
        Sub::Test { files } => test::run(&files, here, err, &mut stdout, &mut stderr),
        Sub::Presets { name } => presets::run(name.as_deref(), err, &mut stdout, &mut stderr),
        Sub::Explain { policy, call } => {
            let policy = match Policy::load(&policy, here) {
                Ok(policy) => policy,
                Err(problems) => {
                    writeln!(stderr, "{}", problems.render(err))?;
                    return Ok(1);
                }
            };
            let view = explain::View {
                color: out,
                width: columns(&stdout),
            };
            match explain::run(
                &policy,
                &launch::probe_for(&policy, &Withheld::from_environment()),
                call.as_deref(),
                view,
                &mut stdout,
            ) {
                Ok(()) => Ok(0),
                Err(explain::ExplainError::Output(error)) => Err(error),
                Err(error) => {
                    writeln!(stderr, "jail: {error}")?;
                    Ok(1)
                }
            }
        }
    }
}

/// The exit code of a subcommand whose output may not have been writable.
fn written(result: io::Result<u8>) -> u8 {
    match result {
        Ok(code) => code,
        // The reader has seen enough: `jail explain base | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "jail: cannot write the output: {error}");
            FAILED
        }
    }
}
