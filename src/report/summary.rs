//! The output at the end: the counts of denials in one line, the stops in a table. It takes counts and
//! never inspects a process.

use super::cause::Cause;
use super::count::{grouped, times};
use super::denials::Lost;
use super::escape;
use super::layout::Layout;
use super::rerun;
use super::tally::Count;
use crate::policy::Policy;
use crate::supervise::Stats;
use crate::syscalls;
use std::ffi::OsString;
use std::fmt::Write;

/// How many entries the line names.
const NAMED: usize = 5;

/// The hint about a failed command if the kernel may have denied something without a report. `words`:
/// the command line that ran it.
pub fn silent(layout: &Layout, words: &[OsString]) -> String {
    let mut out = String::new();
    let text = "the command failed; denials of files and ports by Landlock were not reported";
    let cost =
        "this costs one stop of the supervisor for each file that is opened, so it is slower";
    match rerun::traced(words) {
        Some(line) => {
            let head = format!("{text}. To see them, run this again ({cost}):");
            layout.note(&mut out, &head);
            layout.verbatim(&mut out, &line);
        }
        None => {
            let head = format!("{text}: to see them, run it again with --trace-denials; {cost}");
            layout.note(&mut out, &head);
        }
    }
    out
}

/// The counts.
#[derive(Debug, Clone, Default)]
pub struct Totals<'a> {
    /// Denials, the most frequent first.
    pub counts: &'a [Count],
    /// Their number, which may be more than the sum of the counts.
    pub total: u64,
    /// Programs of a foreign ABI that were killed.
    pub foreign: u64,
    /// What killed the jail.
    pub killed: Option<Cause<'a>>,
    /// Denials that had no message.
    pub unshown: u64,
    /// Whether a log has them.
    pub logged: bool,
}

/// The line; `None` if nothing was denied.
pub fn summary(layout: &Layout, policy: &Policy, totals: &Totals<'_>) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(cause) = totals.killed {
        parts.push(format!("the policy killed the command {}", cause.short()));
    }
    if totals.total > 0 {
        parts.push(denied(policy, totals));
    }
    match totals.foreign {
        0 => {}
        1 => parts.push("a 32-bit program killed".to_owned()),
        more => parts.push(format!("32-bit programs killed {}", times(more))),
    }
    if parts.is_empty() {
        return None;
    }
    if totals.unshown > 0 {
        let unshown = grouped(totals.unshown);
        let place = match totals.logged {
            true => "the log has each",
            false => "--log FILE records each",
        };
        parts.push(format!("{unshown} without a message: {place}"));
    }
    let mut out = String::new();
    layout.note(&mut out, &parts.join("; "));
    Some(out)
}

/// `1,204 denials: socket ×1,200 [offline:12], …`
fn denied(policy: &Policy, totals: &Totals<'_>) -> String {
    let place = |count: &Count| Cause::of(policy, count.domain, count.reason).short();
    if let [count] = totals.counts {
        return format!(
            "{} denied {} {}",
            name(count.nr),
            times(totals.total),
            place(count)
        );
    }
    let noun = if totals.total == 1 {
        "denial"
    } else {
        "denials"
    };
    let mut text = format!("{} {noun}: ", grouped(totals.total));
    for (index, count) in totals.counts.iter().take(NAMED).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let times = grouped(count.times);
        let _ = write!(text, "{comma}{} ×{times} {}", name(count.nr), place(count));
    }
    match totals.counts.len().saturating_sub(NAMED) {
        0 => {}
        more => _ = write!(text, " and {more} more"),
    }
    text
}

/// The message that further denials are only counted: those of one entry and call, or all.
pub fn muted(layout: &Layout, of: Option<(u32, Cause<'_>)>, logged: bool) -> String {
    let text = match of {
        Some((nr, cause)) => {
            let of = format!("{} {}", name(nr), cause.short());
            format!("some further denials of {of} are only counted")
        }
        None => {
            "further denials are only counted, but for the first of each entry of [fs] and [net]"
                .to_owned()
        }
    };
    let log = if logged {
        ""
    } else {
        "; --log FILE records each"
    };
    let mut out = String::new();
    layout.note(&mut out, &format!("{text}{log}"));
    out
}

/// The message about events that are missing in the log.
pub fn lost(layout: &Layout, log: &str, events: u64, error: &std::io::Error) -> String {
    let (plural, verb) = if events == 1 {
        ("", "is")
    } else {
        ("s", "are")
    };
    let mut out = String::new();
    let (log, events) = (escape::text(log, 200), grouped(events));
    layout.note(
        &mut out,
        &format!("{events} event{plural} {verb} missing in the log {log}: {error}"),
    );
    out
}

/// The message that the file of denials cannot be written.
pub fn unlisted(layout: &Layout, file: &str, error: &std::io::Error) -> String {
    let mut out = String::new();
    let file = escape::text(file, 200);
    let text = format!("cannot write the denials to {file}: {error}; some are missing there");
    layout.note(&mut out, &text);
    out
}

/// The message about denials that are missing in their file.
pub fn unread(layout: &Layout, file: &str, lost: &Lost<'_>) -> String {
    let why = match lost.error {
        Some(error) => error.to_string(),
        None => "it was not read in time, or there were more than 100,000".to_owned(),
    };
    let (plural, verb) = match lost.lines {
        1 => ("", "is"),
        _ => ("s", "are"),
    };
    let mut out = String::new();
    let (file, lines) = (escape::text(file, 200), grouped(lost.lines));
    layout.note(
        &mut out,
        &format!("{lines} denial{plural} {verb} missing in {file}: {why}"),
    );
    out
}

/// The table of `--stats`.
pub fn stats(stats: &Stats) -> String {
    let other = stats.seccomp + stats.returns + stats.other;
    let allowed = stats.seccomp.saturating_sub(stats.denied);
    let rows = [
        ("exec", stats.exec),
        ("fork, vfork, clone", stats.spawn),
        ("new tasks, continued tasks", stats.attach),
        ("exit (not stopped at)", 0),
        ("signals", stats.signal),
        ("group-stops", stats.group),
        ("calls judged", stats.seccomp),
        ("  allowed", allowed),
        ("  denied or killed", stats.denied),
        ("  of them for paths", stats.paths),
        ("  of them for peers", stats.peers),
        ("returns of such calls", stats.returns),
        ("anything else", stats.other),
    ];
    let mut out = String::from("jail: stops by kind\n");
    let width = rows
        .iter()
        .map(|(_, count)| grouped(*count).len())
        .max()
        .unwrap_or(0);
    for (what, count) in rows {
        let _ = writeln!(out, "      {what:<28}{:>width$}", grouped(count));
    }
    let _ = writeln!(
        out,
        "jail: stops other than fork, exec, exit and signals: {}",
        grouped(other)
    );
    out
}

/// The name of a system call by its number.
fn name(nr: u32) -> String {
    match syscalls::by_number(nr) {
        Some(syscall) => syscall.name.to_owned(),
        None => format!("syscall_{nr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{call, golden, policy};
    use super::*;
    use crate::judge::Reason;

    const PLAIN: Layout = Layout {
        color: false,
        width: None,
    };

    fn count(name: &str, reason: Reason, times: u64) -> Count {
        Count {
            nr: call(name, &[]).nr,
            reason,
            domain: None,
            times,
        }
    }

    fn line(counts: &[Count], unshown: u64) -> String {
        let total = counts.iter().map(|count| count.times).sum();
        let totals = Totals {
            counts,
            total,
            unshown,
            logged: unshown == 1,
            ..Totals::default()
        };
        summary(&PLAIN, &policy(), &totals).unwrap_or_default()
    }

    #[test]
    fn nothing_denied_is_nothing_said() {
        assert_eq!(summary(&PLAIN, &policy(), &Totals::default()), None);
    }

    #[test]
    fn one_many_and_too_many_denials_are_one_line_each() {
        let socket = count("socket", Reason::Entry(0), 1);
        let sockets = count("socket", Reason::Entry(0), 1200);
        let ioctl = count("ioctl", Reason::Rule(0), 3);
        let default = count("mount", Reason::Default, 1);
        let many: Vec<Count> = (0..20)
            .map(|nr| Count {
                nr,
                reason: Reason::Default,
                domain: None,
                times: 2,
            })
            .collect();
        let two_entries = [sockets, count("socket", Reason::Default, 1)];
        let text = [
            line(&[socket], 0),
            line(&[count("mount", Reason::Default, 2)], 1),
            line(&[sockets, ioctl, default], 1199),
            line(&two_entries, 0),
            line(&many, 20),
        ];
        golden("summary.txt", &text.concat());
    }

    #[test]
    fn a_kill_comes_first_in_the_line() {
        let policy = policy();
        let killed = Some(Cause::new(&policy, Reason::Rule(0)));
        let counts = [count("socket", Reason::Entry(0), 2)];
        let alone = Totals {
            killed,
            ..Totals::default()
        };
        let after = Totals {
            killed,
            counts: &counts,
            total: 2,
            foreign: 1,
            ..Totals::default()
        };
        let text = [alone, after].map(|totals| summary(&PLAIN, &policy, &totals));
        golden(
            "summary-killed.txt",
            &text.map(Option::unwrap_or_default).concat(),
        );
    }

    #[test]
    fn the_end_of_the_messages_is_said() {
        let policy = policy();
        let of = (call("ioctl", &[]).nr, Cause::new(&policy, Reason::Rule(0)));
        let text = [muted(&PLAIN, Some(of), true), muted(&PLAIN, None, false)];
        golden("muted.txt", &text.concat());
    }

    #[test]
    fn the_table_of_stops_is_aligned() {
        let counted = Stats {
            seccomp: 1204,
            denied: 1200,
            paths: 3,
            peers: 4,
            refused: 0,
            returns: 2,
            spawn: 12,
            attach: 13,
            exec: 3,
            signal: 1_234_567,
            group: 0,
            other: 1,
        };
        golden("stats.txt", &stats(&counted));
    }
}
