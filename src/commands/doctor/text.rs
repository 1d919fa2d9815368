//! The findings for people: the answer, what was found, who enforces what, and the gaps.

use super::WIDTH;
use super::findings::{Cgroup, Findings, Kernel, Landlock, Namespace, Probed, Terminal};
use super::gaps::Gap;
use super::rules::Row;
use crate::commands::explain::View;
use crate::commands::table::{Cell, Table};
use crate::plan::MemoryCgroup;
use crate::report::escaped;
use anstyle::{AnsiColor, Style};

/// The longest cell. Paths, names and variables come from outside.
const LONGEST: usize = 2000;

/// All of it.
pub fn text(findings: &Findings, rules: &[Row], gaps: &[Gap], view: View) -> String {
    let parts = [
        answer(findings, view),
        facts(findings, view),
        enforced(rules, view),
        missing(gaps, view),
    ];
    parts.join("\n")
}

fn rendered<const N: usize>(table: &Table<N>, view: View) -> String {
    table.render(view.color, Some(view.width.unwrap_or(WIDTH)))
}

fn plain(text: &str) -> Cell {
    escaped(text, LONGEST).into()
}

fn head(text: &str) -> Cell {
    Cell::styled(text, Style::new().dimmed())
}

fn answer(findings: &Findings, view: View) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (text, color) = match (&findings.reason, &findings.unsupervised) {
        (Some(reason), _) => (
            format!("jail {version} cannot run here: {reason}"),
            AnsiColor::Red,
        ),
        (None, Some(reason)) => (
            format!("jail {version} can run here only without a supervisor: {reason}"),
            AnsiColor::Yellow,
        ),
        (None, None) => (format!("jail {version} can run here."), AnsiColor::Green),
    };
    let cell = Cell::styled(escaped(&text, LONGEST), color.on_default().bold());
    let mut table: Table<1> = Table::new(&[0]);
    table.row([cell]);
    rendered(&table, view)
}

fn facts(findings: &Findings, view: View) -> String {
    let Kernel {
        release,
        architecture,
        ..
    } = &findings.kernel;
    let user = match findings.user {
        0 => "0 (root)".to_owned(),
        user => user.to_string(),
    };
    let mut rows = vec![
        ("kernel", format!("Linux {release}, {architecture}")),
        ("user", user),
        ("Landlock", landlock(&findings.landlock)),
        ("seccomp", seccomp(findings)),
        ("ptrace", ptrace(findings)),
        ("namespaces", namespaces(findings.namespaces.as_deref())),
        ("cgroup", cgroup(&findings.cgroup)),
        (
            "mmap_min_addr",
            findings
                .mmap_min_addr
                .map_or("unknown".to_owned(), |address| address.to_string()),
        ),
        ("calls", calls(&findings.calls)),
        ("terminal", terminal(&findings.terminal)),
    ];
    if let [_, ..] = findings.names.programs {
        let programs = findings.names.programs.join(" and ");
        rows.push(("names", format!("looked up by {programs}")));
    }
    if !findings.environment.is_empty() {
        let set = findings.environment.iter();
        let set: Vec<String> = set
            .map(|variable| format!("{}={}", variable.name, variable.value))
            .collect();
        rows.push(("environment", set.join(" ")));
    }
    let mut table: Table<2> = Table::new(&[1]);
    for (name, text) in rows {
        table.row([head(name), plain(&text)]);
    }
    rendered(&table, view)
}

fn landlock(found: &Landlock) -> String {
    let Landlock {
        abi,
        used,
        errno,
        errata,
    } = found;
    if *abi == 0 {
        return match errno {
            Some(errno) => format!("none ({errno:?})"),
            None => "none".to_owned(),
        };
    }
    let errata = match errata.as_deref() {
        None => "errata not told by this kernel".to_owned(),
        Some([]) => "no erratum fixed".to_owned(),
        Some(fixed) => {
            let fixed: Vec<String> = fixed.iter().map(u32::to_string).collect();
            format!("errata fixed: {}", fixed.join(", "))
        }
    };
    let used = match used < abi {
        true => format!("; used as ABI {used} (JAIL_LANDLOCK_ABI)"),
        false => String::new(),
    };
    format!("ABI {abi}{used}; {errata}")
}

fn seccomp(findings: &Findings) -> String {
    let actions = match &findings.seccomp.actions {
        Some(actions) => actions.join(" "),
        None => "cannot be used".to_owned(),
    };
    match findings.seccomp.filtered {
        true => format!("{actions}; this process is under a filter itself"),
        false => actions,
    }
}

fn ptrace(findings: &Findings) -> String {
    let yama = match findings.ptrace.yama {
        Some(scope) => format!("Yama's ptrace_scope is {scope}"),
        None => "no Yama".to_owned(),
    };
    let not = findings.reason.as_ref().or(findings.unsupervised.as_ref());
    match (&findings.ptrace.tracer, not) {
        (Some(tracer), _) => format!(
            "this process is traced by {} (pid {}); {yama}",
            tracer.name, tracer.pid
        ),
        (None, None) => format!("works; {yama}"),
        (None, Some(_)) => yama,
    }
}

fn namespaces(found: Option<&[Namespace]>) -> String {
    let Some(found) = found else {
        return "not tried".to_owned();
    };
    let words = |closed: bool| -> Vec<&str> {
        let named = found.iter().filter(|word| word.reason.is_some() == closed);
        named.map(|namespace| namespace.word).collect()
    };
    match (words(false), words(true)) {
        (open, closed) if closed.is_empty() => open.join(" "),
        (open, closed) if open.is_empty() => format!("none of {}", closed.join(" ")),
        (open, closed) => format!("{}; not: {}", open.join(" "), closed.join(" ")),
    }
}

fn cgroup(found: &Cgroup) -> String {
    let memory = match found.memory {
        MemoryCgroup::None => "none can limit memory",
        MemoryCgroup::V1 => "version 1 can limit memory",
        MemoryCgroup::V2 => "version 2 can limit memory",
        MemoryCgroup::V2Alone => "version 2 can limit memory, if jail may leave its own cgroup",
    };
    let version = match found.memory {
        MemoryCgroup::None => None,
        MemoryCgroup::V1 => Some(1),
        MemoryCgroup::V2 | MemoryCgroup::V2Alone => Some(2),
    };
    let mut hierarchies = found.hierarchies.iter();
    match hierarchies.find(|found| Some(found.version) == version) {
        Some(found) => format!("{memory}: {}", found.own),
        None => memory.to_owned(),
    }
}

fn calls(found: &[Probed]) -> String {
    let there = found.iter().filter(|call| call.errno.is_none());
    let there: Vec<&str> = there.map(|call| call.name).collect();
    let missing = found.iter().filter_map(|call| {
        let errno = call.errno?;
        Some(format!("{} ({errno:?})", call.name))
    });
    let missing: Vec<String> = missing.collect();
    match missing.is_empty() {
        true => there.join(" "),
        false => format!("missing: {}; there: {}", missing.join(" "), there.join(" ")),
    }
}

fn terminal(found: &Terminal) -> String {
    let streams = [
        ("stdin", found.stdin),
        ("stdout", found.stdout),
        ("stderr", found.stderr),
    ];
    let are = |wanted: bool| -> Vec<&str> {
        let named = streams.iter().filter(|(_, is)| *is == wanted);
        named.map(|(name, _)| *name).collect()
    };
    let mut text = match are(true).is_empty() {
        true => "none of stdin, stdout, stderr".to_owned(),
        false => are(true).join(" "),
    };
    if let Some(columns) = found.columns {
        text += &format!(", {columns} columns");
    }
    if let Some(term) = &found.term {
        text += &format!(", TERM={term}");
    }
    if found.no_color {
        text += ", NO_COLOR";
    }
    if !found.stderr {
        text += "; denials by Landlock are reported with --log or --trace-denials only";
    }
    text
}

fn enforced(rules: &[Row], view: View) -> String {
    let mut table: Table<3> = Table::new(&[1, 2]);
    table.row([head("rules"), head("enforced by"), head("cost")]);
    for row in rules {
        table.row([row.rules.into(), row.enforcer.into(), row.cost.into()]);
    }
    rendered(&table, view)
}

fn missing(gaps: &[Gap], view: View) -> String {
    let mut table: Table<2> = Table::new(&[1]);
    if gaps.is_empty() {
        table.row([head("gaps"), "none".into()]);
    }
    for gap in gaps {
        let bold = Style::new().bold();
        table.row([head("gap"), Cell::styled(escaped(&gap.gap, LONGEST), bold)]);
        for (place, cost) in gap.costs.iter().enumerate() {
            let label = if place == 0 { "costs" } else { "" };
            table.row([head(label), plain(cost)]);
        }
        table.row([head("to close"), plain(&gap.close)]);
    }
    rendered(&table, view)
}
