//! The cases: what is run, against what, and the targets.
//!
//! In every case the first variant is the work unjailed and the second the floor.

use crate::Result;
use crate::affinity::on_one_cpu;
use crate::pairs::{Rounds, inner, whole};
use crate::programs::{Programs, command, path_of_true};
use crate::table::Table;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

/// At most this times the floor: the start of `true`, fork + seize + exec.
const START: Option<f64> = Some(1.6);
/// At most this times the floor: a call that the filter always allows.
const ALLOWED: Option<f64> = Some(1.03);
/// At most this times the floor: a call that the supervisor denies.
const DENIED: Option<f64> = Some(1.35);

const START_ROUNDS: usize = 300;
const ROUNDS: usize = 40;
/// The uid and gid of nobody, for the ordinary user where this runs as root.
const NOBODY: u32 = 65534;
/// In nanoseconds, as workloads print their time.
const NANOSECOND: f64 = 1.0;
const MICROSECOND: f64 = 1e3;

/// The start of `true`, as this user and as an ordinary one.
pub fn start(programs: &Programs) -> Result<()> {
    let labels = [
        ("unjailed", None),
        ("floor: fork, seize, exec", None),
        ("jail --policy base", START),
    ];
    let rounds = start_rounds(&programs.floor, &programs.jail, START_ROUNDS)?;
    let mut table = Table::new("start and end of `true`, µs");
    table.add(&rounds, &labels);
    if nix::unistd::geteuid().is_root() {
        let count = START_ROUNDS.to_string();
        let words = [
            &programs.this,
            "start-rounds",
            &programs.floor,
            &programs.jail,
            &count,
        ];
        let mut as_nobody = command(&words);
        as_nobody.uid(NOBODY).gid(NOBODY).stdout(Stdio::piped());
        let text = String::from_utf8(as_nobody.output()?.stdout)?;
        table.title("the same as an ordinary user");
        table.add(&Rounds::parse(&text)?, &labels);
    }
    table.print();
    Ok(())
}

/// What [`start`] measures, printed for the process that has changed the user.
pub fn print_start_rounds(floor: &str, jail: &str, rounds: &str) -> Result<()> {
    print!("{}", start_rounds(floor, jail, rounds.parse()?)?);
    Ok(())
}

fn start_rounds(floor: &str, jail: &str, rounds: usize) -> Result<Rounds> {
    let path = path_of_true()?;
    let variants: [&[&str]; 3] = [
        &[path],
        &[floor, "loop", path],
        &[jail, "--policy", "base", "--", "true"],
    ];
    Rounds::interleave(rounds, variants.len(), |variant| whole(variants[variant]))
}

/// One call, by who answers it.
pub fn calls(programs: &Programs) -> Result<()> {
    let Programs {
        jail,
        floor,
        deny,
        enosys,
        ..
    } = programs;
    let getppid = Work {
        programs,
        words: ["getppid", "200000", "0"],
        unit: NANOSECOND,
    };
    let ioctl = Work {
        words: ["ioctl", "100000", "0"],
        ..getppid
    };
    let denied = Work {
        words: ["getppid", "3000", "0"],
        unit: MICROSECOND,
        ..getppid
    };
    let base: &[&str] = &[jail, "--policy", "base", "--"];
    let quiet: &[&str] = &[jail, "--quiet", "--policy", deny, "--"];
    let reported: &[&str] = &[jail, "--policy", deny, "--"];

    let mut table = Table::new("getppid, always allowed by the filter, ns");
    table.add(
        &getppid.run(&[&[], &[floor, "allow"], base])?,
        &[
            ("unjailed", None),
            ("floor: a filter of one instruction", None),
            ("jail --policy base", ALLOWED),
        ],
    );
    table.title("ioctl, judged by its registers in the filter, ns");
    table.add(
        &ioctl.run(&[&[], &[floor, "allow"], base])?,
        &[
            ("unjailed", None),
            ("floor: a filter of one instruction", None),
            ("jail --policy base", None),
        ],
    );
    table.title("getppid, answered by the filter (\"ENOSYS\"), ns");
    table.add(
        &getppid.run(&[&[], &[floor, "enosys"], &[jail, "--policy", enosys, "--"]])?,
        &[
            ("unjailed: allowed", None),
            ("floor: a filter of four instructions", None),
            ("jail", None),
        ],
    );
    table.print();

    let variants: [&[&str]; 4] = [&[], &[floor, "deny"], quiet, reported];
    let labels = |target| {
        [
            ("unjailed: allowed", None),
            ("floor: stop, read, answer", None),
            ("jail --quiet", target),
            ("jail, denials reported", target),
        ]
    };
    let mut table = Table::new("getppid, denied by the supervisor, on one CPU, µs");
    table.add(&on_one_cpu(|| denied.run(&variants))?, &labels(DENIED));
    table.title("the same, wherever the scheduler puts tracer and tracee");
    table.add(&denied.run(&variants)?, &labels(None));
    table.print();
    Ok(())
}

/// New processes and threads: a tracer is stopped for them even where all is allowed. And memory that is given
/// back, for which the supervisor is stopped only where it adds memory up.
pub fn processes(programs: &Programs) -> Result<()> {
    let cases = [
        (
            "posix_spawn, exec and wait of `true`, µs",
            ["exec", "30", "0"],
        ),
        ("fork, exit and wait, µs", ["fork", "100", "0"]),
        ("thread: create and join, µs", ["thread", "200", "0"]),
        (
            "heap: 4 MiB in pieces of 60 KiB, and back, µs",
            ["heap", "50", "0"],
        ),
        (
            "mapping: 1 MiB filled and unmapped, µs",
            ["mapping", "200", "0"],
        ),
        // The filter looks at the address of each.
        (
            "mmap and munmap of a page, not filled, µs",
            ["page", "5000", "0"],
        ),
    ];
    let jail = &programs.jail;
    let memory = &programs.memory;
    let variants: [&[&str]; 4] = [
        &[],
        &[&programs.floor, "loop"],
        &[jail, "--policy", "base", "--"],
        &["env", "JAIL_CGROUP=none", jail, "--policy", memory, "--"],
    ];
    for (title, words) in cases {
        let work = Work {
            programs,
            words,
            unit: MICROSECOND,
        };
        let mut table = Table::new(title);
        table.add(
            &work.run(&variants)?,
            &[
                ("unjailed", None),
                ("floor", None),
                ("jail --policy base", None),
                ("the same, memory limited without a cgroup", None),
            ],
        );
        table.print();
    }
    Ok(())
}

/// A workload of the probe.
#[derive(Clone, Copy)]
struct Work<'a> {
    programs: &'a Programs,
    /// What, how often, beside how many idle threads.
    words: [&'a str; 3],
    /// What the table counts in, in nanoseconds.
    unit: f64,
}

impl Work<'_> {
    /// Runs it behind each of these beginnings of a command line.
    fn run(&self, variants: &[&[&str]]) -> Result<Rounds> {
        let [work, count, idle] = self.words;
        let probe = [self.programs.this.as_str(), "probe", work, count, idle];
        let commands: Vec<Vec<&str>> = variants
            .iter()
            .map(|before| [before, &probe[..]].concat())
            .collect();
        Rounds::interleave(ROUNDS, commands.len(), |variant| {
            Ok(inner(&commands[variant])? / self.unit)
        })
    }
}
