//! The command line, one file per subcommand. This module holds the options as typed; the library
//! implements what they mean.

mod ask;
mod attack;
mod batch;
mod check;
mod completions;
mod denials;
mod diff;
mod doctor;
mod explain;
mod hints;
mod learn;
mod lists;
mod logs;
mod man;
mod other_host;
mod policy_args;
mod presets;
mod quick;
mod replay;
mod report;
mod roff;
mod run;
mod schema;
mod table;
mod target;
mod test;
mod untraced;
mod usage;
mod write_policy;

pub use attack::{Rehearsed, rehearse};

use crate::policy::Policy;
use crate::sys::terminal::columns;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use policy_args::{PolicyArgs, PolicyFlags};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// The exit code if jail itself failed: bad usage, bad policy, missing ability.
const FAILED: u8 = 125;

/// All forms of the command line. The first line follows `Usage: `.
const USAGE: &str = "\
jail [--policy POLICY]... [OPTIONS] -- COMMAND [ARGUMENT]...
       jail attack [--policy POLICY]... [OPTIONS]
       jail batch [--policy POLICY]... [OPTIONS] [CASES]
       jail check [OPTIONS] FILE...
       jail test [OPTIONS] FILE...
       jail diff [OPTIONS] A [B]
       jail replay [--policy POLICY]... [OPTIONS] LOG
       jail report [OPTIONS] LOG
       jail explain [OPTIONS] POLICY [REQUEST]...
       jail learn [-o FILE] [OPTIONS] -- COMMAND [ARGUMENT]...
       jail presets [NAME]
       jail schema [NAME]
       jail completions SHELL
       jail man [PAGE]
       jail doctor [--json]";

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
    override_usage = USAGE
)]
struct Cli {
    #[command(subcommand)]
    subcommand: Option<Sub>,
    #[command(flatten)]
    run: Run,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR or TERM=dumb is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

const EXIT_CODES: &str = "Exit codes: the command's own; 128+n if signal n ended it; 124 a limit of the policy \
was exceeded; 125 jail itself failed; 126 the program cannot be executed; 127 the program was not \
found; 159 the policy killed the command.";

const DIFF_CODES: &str = "Entries for this run belong to B; without B they change A.\n\nExit codes: 0 the policies were \
compared; 1 with --forbid-widening: B allows something that A does not; 125 one of them cannot be used.";

const REPLAY_CODES: &str = "Exit codes: 0 each recorded call that was allowed would be allowed again; 1 one would be \
denied; 125 the log or the policy cannot be used.";

#[derive(Debug, Default, Args)]
struct Run {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Save the policy, with what the flags say, as this file; without a command only save it
    #[arg(long, value_name = "FILE")]
    write_policy: Option<PathBuf>,
    /// Let the command inherit this open descriptor; all others above 2 are closed
    #[arg(long = "pass-fd", value_name = "N")]
    pass_fds: Vec<i32>,
    /// Start with an empty environment
    #[arg(long)]
    env_clear: bool,
    /// Set an environment variable
    #[arg(long = "env", value_name = "K=V")]
    variables: Vec<OsString>,
    /// Run the command in this directory
    #[arg(long = "cwd", value_name = "DIR")]
    directory: Option<PathBuf>,
    /// When the command ends, kill the processes that it left running instead of waiting for them
    #[arg(long)]
    kill_on_exit: bool,
    /// Do not print denials
    #[arg(short, long)]
    quiet: bool,
    /// Write each event as one line of JSON to this file, or to the open descriptor `fd:N`
    #[arg(long, value_name = "FILE|fd:N")]
    log: Option<OsString>,
    /// Also log what is allowed: each path and peer once for a process, at the cost of one ptrace stop
    /// per call
    #[arg(long, requires = "log")]
    log_accesses: bool,
    /// Write each denial as one line of JSON, with the change that allows it, to this file, or to the
    /// open descriptor `fd:N`
    #[arg(long, value_name = "FILE|fd:N")]
    denials: Option<OsString>,
    /// Write the result of the run as one JSON document to this file, or to the open descriptor `fd:N`
    #[arg(long, value_name = "FILE|fd:N")]
    report: Option<OsString>,
    /// Also report denials by Landlock, at the cost of one ptrace stop per open; `auto`: if stderr is
    /// a terminal, or a log or denials are written
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        default_missing_value = "always",
        num_args = 0..=1,
        require_equals = true
    )]
    trace_denials: TraceDenials,
    /// Print the number of ptrace stops of each kind
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    ask: ask::AskOptions,
    /// The command and its arguments, after `--`
    #[arg(
        last = true,
        required_unless_present = "write_policy",
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

/// When denials by Landlock are reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TraceDenials {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
struct Batch {
    /// File of cases, one JSON object per line; stdin if absent or `-`
    #[arg(value_name = "CASES")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Number of cases to run in parallel; by default one per processor
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Write the verdicts to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Skip cases that already have a verdict in the output, and retry those that could not be run
    #[arg(long)]
    resume: bool,
    /// Keep up to this many bytes of stdout and of stderr in each verdict
    #[arg(long, value_name = "BYTES")]
    keep: Option<usize>,
    /// Write the kept output in base64, as `stdout_base64` and `stderr_base64`
    #[arg(long, requires = "keep")]
    base64: bool,
    /// Do not show progress on a terminal
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct Diff {
    /// The first policy: a built-in one or a TOML file
    #[arg(value_name = "A")]
    before: String,
    /// The second policy; without it, the first one with the entries of the flags
    #[arg(value_name = "B")]
    after: Option<String>,
    #[command(flatten)]
    flags: PolicyFlags,
    /// Exit with 1 if the second policy allows anything that the first does not
    #[arg(long)]
    forbid_widening: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Replay {
    /// A log of `jail --log`; stdin if it is `-`
    #[arg(value_name = "LOG")]
    log: String,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReportLog {
    /// A log of `jail --log`; stdin if it is `-`
    #[arg(value_name = "LOG")]
    log: String,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A page for a browser, text for a terminal, or the denials for a CI system: annotations of GitHub
    /// Actions, a summary in Markdown. If absent: text on a terminal, otherwise the page
    #[arg(long, value_name = "FORMAT")]
    format: Option<PageFormat>,
}

/// The forms of a report of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PageFormat {
    Html,
    Text,
    Github,
    Markdown,
}

const ATTACK_CODES: &str = "The attacks run under the policy in a temporary directory, and aim at files, sockets, \
terminals and a process that are made for them.\n\nExit codes: 0 no attack escaped; 1 one did; 125 the policy \
cannot be used, or no attack can start under it.";

#[derive(Debug, Subcommand)]
enum Sub {
    /// Try a list of escapes under a policy, and print what came of each
    #[command(after_help = ATTACK_CODES)]
    Attack(attack::Options),
    /// Run many commands, each in its own jail, and print one verdict per line
    Batch(Batch),
    /// Check policy files and print every problem
    #[command(after_help = "Exit codes: 1 if a policy has an error, or with --strict a warning.")]
    Check {
        #[command(flatten)]
        options: check::Options,
        /// Policy files or presets
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// Check the [[test]]s of policy files without running anything
    #[command(
        after_help = "Exit codes: 1 if a sentence is decided otherwise, or a policy cannot be used."
    )]
    Test {
        #[command(flatten)]
        options: test::Options,
        /// Policy files or presets
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// Show what one policy allows that another does not, and the reverse
    #[command(after_help = DIFF_CODES)]
    Diff(Diff),
    /// Decide a recorded run under another policy without running anything
    #[command(after_help = REPLAY_CODES)]
    Replay(Replay),
    /// Show a log as a page for a browser, or as text
    #[command(
        after_help = "Exit codes: 125 if the log cannot be read, or the page cannot be written."
    )]
    Report(ReportLog),
    /// Show what enforces each entry of a policy, or how requests are decided
    #[command(
        after_help = "Exit codes: 1 if the policy cannot be used, or a request is malformed."
    )]
    Explain {
        #[command(flatten)]
        options: explain::Options,
        /// A built-in policy or a TOML file
        policy: String,
        /// What to decide: 'read ~/.ssh', 'write ./x', 'exec /usr/bin/git push', 'connect 1.2.3.4:443',
        /// 'listen 127.0.0.1:80', or a call such as 'socket(AF_INET, SOCK_DGRAM, 0)'
        #[arg(value_name = "REQUEST")]
        requests: Vec<String>,
        #[command(flatten)]
        flags: PolicyFlags,
    },
    /// Run a command, record what its policy lacks, and write that into a policy
    #[command(
        after_help = "Exit codes: the command's own; 125 if jail itself failed. Then no policy is written."
    )]
    Learn(learn::Learn),
    /// List the built-in policies, or print one
    Presets {
        /// The preset to print
        name: Option<String>,
    },
    /// Print the JSON Schema of policy files, for editors, or of what jail writes
    Schema {
        /// What the schema is of
        #[arg(default_value = "policy")]
        name: schema::Name,
    },
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: completions::Shell,
    },
    /// Print a manual page as roff: jail(1), that of a subcommand, or jail-policy(5)
    Man {
        /// A subcommand, or `policy` for the policy language
        page: Option<String>,
        /// Write every page into this directory, as jail.1, jail-SUBCOMMAND.1 and jail-policy.5
        #[arg(long, value_name = "DIRECTORY", conflicts_with = "page")]
        to: Option<PathBuf>,
    },
    /// Show what this host gives jail, what is missing, what that costs, and how to close the gap
    Doctor {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Parses the command line and does what it says.
pub fn main() -> u8 {
    if let Some(code) = attack::start() {
        return code;
    }
    let quick = quick::read(std::env::args_os().skip(1)).map(|run| Cli {
        subcommand: None,
        run,
        color: ColorChoice::Auto,
    });
    let cli = match quick.map_or_else(Cli::try_parse, Ok) {
        Ok(cli) => cli,
        Err(error) => {
            let words: Vec<String> = std::env::args_os()
                .skip(1)
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            if let Some(mut command) = usage::help(&words) {
                let _ = command.print_help();
                return 0;
            }
            let _ = error.print();
            if let Some(tip) = usage::tip(&error, &words) {
                let _ = writeln!(io::stderr(), "\n  tip: {tip}");
            }
            return if error.use_stderr() { FAILED } else { 0 };
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
    match cli.subcommand {
        None => run::run(cli.run, err),
        Some(sub) => written(subcommand(sub, err, out)),
    }
}

/// Runs a subcommand: its exit code is 0, or 1 if something was wrong.
fn subcommand(sub: Sub, err: bool, out: bool) -> io::Result<u8> {
    // Not locked, because a batch writes from many threads.
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let here = Path::new(".");
    let view = explain::View {
        color: out,
        width: columns(&stdout),
    };
    match sub {
        Sub::Attack(options) => attack::run(&options, err, view, &mut stdout, &mut stderr),
        Sub::Batch(batch) => Ok(batch::run(&batch, err)),
        Sub::Learn(learn) => Ok(learn::run(&learn, err)),
        Sub::Check { options, files } => {
            check::run(&files, &options, here, err, &mut stdout, &mut stderr)
        }
        Sub::Test { options, files } => {
            test::run(&files, &options, here, err, &mut stdout, &mut stderr)
        }
        Sub::Diff(ref diff) => diff::run(diff, here, err, view, &mut stdout, &mut stderr),
        Sub::Replay(ref asked) => replay::run(asked, here, err, view, &mut stdout, &mut stderr),
        Sub::Report(ref asked) => report::run(asked, view.width, &mut stdout, &mut stderr),
        Sub::Presets { name } => presets::run(name.as_deref(), err, &mut stdout, &mut stderr),
        Sub::Schema { name } => schema::run(name, &mut stdout),
        Sub::Completions { shell } => completions::run(shell, &mut stdout),
        Sub::Man { to: Some(to), .. } => man::write(&to, &mut stderr),
        Sub::Man { page, to: None } => man::run(page.as_deref(), &mut stdout, &mut stderr),
        Sub::Doctor { json } => doctor::run(json, view, &mut stdout),
        Sub::Explain {
            options,
            policy,
            requests,
            flags,
        } => {
            let Some(layers) = flags.layers_or_message(vec![policy], &mut stderr)? else {
                return Ok(FAILED);
            };
            let policy = match Policy::of(&layers, here) {
                Ok(policy) => policy,
                Err(problems) => {
                    writeln!(stderr, "{}", problems.render(err))?;
                    return Ok(1);
                }
            };
            let view = explain::View {
                color: out,
                width: Some(width(&stdout)),
            };
            let (out, err) = (&mut stdout, &mut stderr);
            explain::run(&policy, &options, &requests, view, out, err)
        }
    }
}

/// How wide a table may be: the terminal's width, otherwise `COLUMNS`, otherwise 80.
fn width(stdout: &io::Stdout) -> usize {
    let given = || {
        let text = std::env::var("COLUMNS").ok()?;
        text.parse().ok().filter(|columns| *columns > 0)
    };
    columns(stdout).or_else(given).unwrap_or(80)
}

/// The exit code of a subcommand whose output may not have been writable.
fn written(result: io::Result<u8>) -> u8 {
    match result {
        Ok(code) => code,
        // The reader has closed the pipe: `jail explain base | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "jail: cannot write the output: {error}");
            FAILED
        }
    }
}
