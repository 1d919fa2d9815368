//! The plan for people: a table for each section, the entries of the file itself one by one, inherited ones
//! by file, those that are enforced alike on one row.

use std::fmt::Write as _;

use anstyle::Style;

use super::row::Row;
use super::subject::Subject;
use super::{Form, On, View, brief};
use crate::commands::table::{Cell, Table};
use crate::plan::{Host, Plan, Route, What, domain_routes};
use crate::policy::{DomainId, NetEntry, OnExec, PathEntry, Policy};
use crate::sorting::sort_by_key;

/// From this width on, mechanism, reason and cost have columns of their own.
const WIDE: usize = 130;

const DOMAIN_COST: &str =
    "In a domain each open, execve and change of a name stops; outside each execve does.";

pub fn text(policy: &Policy, on: &On, plan: &Plan, view: View, form: Form) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for route in plan.routes(policy) {
        if let Some(row) = row(policy, None, &route) {
            add(&mut rows, row, form);
        }
    }
    for (id, domain) in (0..).zip(&policy.domains) {
        for route in domain_routes(domain) {
            // It decides in the main policy already.
            if shared(policy, &domain.policy, route.what) {
                continue;
            }
            if let Some(row) = row(&domain.policy, Some(id), &route) {
                add(&mut rows, row, form);
            }
        }
    }
    let source = |row: &Row| row.origin.map_or(0, |origin| origin.source);
    let by_source = |row: &Row| if form == Form::Brief { 0 } else { source(row) };
    sort_by_key(&mut rows, |row| (row.domain, row.section, by_source(row)));
    let rows = rows;
    let is_narrow = view.width.is_some_and(|width| width < WIDE);
    let mut text = match (form, is_narrow) {
        (Form::Brief, _) => brief::tables(policy, &rows, view),
        (_, true) => tables(policy, &rows, view, &[1, 3], narrow),
        (_, false) => tables(policy, &rows, view, &[1, 3, 4, 5], wide),
    };
    text.push_str(&lifts(policy, view));
    text.push_str(&left_out(policy, view, form));
    text.push_str(&domains(policy, view));
    text.push_str(&summary(plan, on, view));
    if form == Form::Brief {
        text.push_str(&brief::more(view));
    }
    text
}

/// Whether the main policy has the same entry of `[fs]` or `[net]`.
fn shared(main: &Policy, domain: &Policy, what: What) -> bool {
    match what {
        What::Path(index) => domain.paths.get(index).is_some_and(|entry| {
            let same = |other: &PathEntry| {
                (other.origin, other.list, &other.text) == (entry.origin, entry.list, &entry.text)
                    && other.lifted.len() == entry.lifted.len()
            };
            main.paths.iter().any(same)
        }),
        What::Peer(index) => domain.peers.get(index).is_some_and(|entry| {
            let same = |other: &NetEntry| {
                (other.origin, other.list, &other.text) == (entry.origin, entry.list, &entry.text)
                    && other.lifted.len() == entry.lifted.len()
            };
            main.peers.iter().any(same)
        }),
        _ => false,
    }
}

/// The domains, the programs that enter each, and what that costs.
fn domains(policy: &Policy, view: View) -> String {
    if policy.domains.is_empty() {
        return String::new();
    }
    let mut table: Table<4> = Table::new(&[1, 2, 3]);
    table.title("Domains");
    let heads = ["line", "domain", "entered by", "allows nothing of"];
    table.row(heads.map(|head| Cell::styled(head, Style::new().dimmed())));
    for domain in &policy.domains {
        let programs: Vec<String> = domain.programs.iter().map(OnExec::to_string).collect();
        table.row([
            policy.place(domain.origin).into(),
            domain.name.clone().into(),
            programs.join(", ").into(),
            domain.closed().join(", ").into(),
        ]);
    }
    let mut cost: Table<1> = Table::new(&[0]);
    cost.row([DOMAIN_COST.into()]);
    let (table, cost) = (
        table.render(view.color, view.width),
        cost.render(view.color, view.width),
    );
    format!("\n{table}\n{cost}")
}

fn row(policy: &Policy, domain: Option<DomainId>, route: &Route) -> Option<Row> {
    let Subject {
        section,
        origin,
        place,
        key,
        mut text,
        does,
    } = Subject::of(policy, route.what)?;
    if route.reach.0 != 0 && route.reach.0 < route.reach.1 {
        let _ = write!(text, " ({} of {})", route.reach.0, route.reach.1);
    }
    Some(Row {
        domain,
        section,
        origin,
        last: origin.map_or(0, |origin| origin.line),
        place,
        key,
        texts: vec![text],
        does,
        enforcer: route.enforcer.with_abi(route.abi).into_owned(),
        because: route.because.clone().into_owned(),
        cost: route.cost.text(),
    })
}

/// Adds a row, or joins it with one that differs in the entry only: of one line, or of one inherited file.
fn add(rows: &mut Vec<Row>, row: Row, form: Form) {
    let row = match form {
        Form::Brief => brief::row(row),
        _ => row,
    };
    let alike = rows.iter_mut().find(|other| {
        if form == Form::Brief {
            return brief::joins(other, &row);
        }
        let joins = match (other.origin, row.origin) {
            (Some(one), Some(next)) => one == next || one.source == next.source && next.source != 0,
            _ => false,
        };
        joins
            && other.domain == row.domain
            && (other.section, &other.key, other.does) == (row.section, &row.key, row.does)
            && (&other.enforcer, &other.because, other.cost)
                == (&row.enforcer, &row.because, row.cost)
    });
    match alike {
        Some(other) => {
            other.last = other.last.max(row.last);
            other.texts.extend(row.texts);
        }
        None => rows.push(row),
    }
}

fn wide(row: &Row) -> [Cell; 6] {
    [
        row.place().into(),
        row.entry().into(),
        row.does.cell(),
        row.enforcer.clone().into(),
        row.because.clone().into(),
        row.cost.into(),
    ]
}

fn narrow(row: &Row) -> [Cell; 4] {
    let how = format!("{}: {}; {}", row.enforcer, row.because, row.cost);
    let how = match row.cost {
        "none" => format!("{}: {}; no cost", row.enforcer, row.because),
        _ => how,
    };
    [
        row.lines().into(),
        row.entry().into(),
        row.does.cell(),
        how.into(),
    ]
}

/// A table for each section and file, since their columns differ in width.
fn tables<const N: usize>(
    policy: &Policy,
    rows: &[Row],
    view: View,
    wrapped: &'static [usize],
    cells: fn(&Row) -> [Cell; N],
) -> String {
    let heads: [&str; N] = std::array::from_fn(|column| {
        let heads: &[&str] = match N {
            4 => &["line", "entry", "action", "enforced by, and cost"],
            _ => &["line", "entry", "action", "enforced by", "because", "cost"],
        };
        heads.get(column).copied().unwrap_or_default()
    });
    let alike = rows.chunk_by(|one, next| title(policy, one) == title(policy, next));
    let tables = alike.filter_map(|rows| {
        let mut table: Table<N> = Table::new(wrapped);
        table.title(title(policy, rows.first()?));
        table.row(heads.map(|head| Cell::styled(head, Style::new().dimmed())));
        for row in rows {
            table.row(cells(row));
        }
        Some(table.render(view.color, view.width))
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// The section of a row, and the file that it is in.
fn title(policy: &Policy, row: &Row) -> String {
    let section = match row
        .domain
        .and_then(|id| policy.domains.get(usize::from(id)))
    {
        Some(domain) => format!("[domain.{}]: {}", domain.name, row.section.title()),
        None => row.section.title().to_owned(),
    };
    let Some(origin) = row.origin else {
        return section;
    };
    let source = policy.sources.get(usize::from(origin.source));
    let name = source.map_or("?", |source| &source.name);
    match origin.source {
        0 => format!("{section} in {name}"),
        _ => format!("{section}, inherited from {name}"),
    }
}

/// The lifted entries.
fn lifts(policy: &Policy, view: View) -> String {
    let mut table: Table<4> = Table::new(&[1, 2, 3]);
    let mut any = false;
    for lift in &policy.lifts {
        for entry in &lift.lifted {
            if !any {
                table.title("Lifted");
                let heads = ["line", "entry", "of", "because"];
                table.row(heads.map(|head| Cell::styled(head, Style::new().dimmed())));
                any = true;
            }
            let at = policy.place(entry.origin);
            table.row([
                policy.place(lift.origin).into(),
                format!("{} \"{}\"", lift.key(), lift.text).into(),
                format!("{} \"{}\" at {at}", entry.key, entry.text).into(),
                lift.why.clone().into(),
            ]);
        }
    }
    match any {
        true => format!("\n{}", table.render(view.color, view.width)),
        false => String::new(),
    }
}

/// Optional entries that were left out; one line for those with the same text and source.
fn left_out(policy: &Policy, view: View, form: Form) -> String {
    let mut lines: Vec<(&PathEntry, Vec<String>)> = Vec::new();
    for entry in &policy.left_out {
        let same = |line: &&mut (&PathEntry, Vec<String>)| {
            line.0.text == entry.text && line.0.origin.source == entry.origin.source
        };
        match lines.iter_mut().find(same) {
            Some((_, keys)) => keys.push(entry.key()),
            None => lines.push((entry, vec![entry.key()])),
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut table: Table<2> = Table::new(&[1]);
    table.title("Left out, since nothing is there now (`optional`)");
    if form == Form::Brief {
        let texts: Vec<String> = lines
            .iter()
            .map(|(it, _)| format!("{:?}", it.text))
            .collect();
        table.row(["".into(), brief::listed("", &texts).into()]);
        return format!("\n{}", table.render(view.color, view.width));
    }
    for (entry, keys) in lines {
        let text = format!("{} {:?}", keys.join(", "), entry.text);
        table.row([policy.place(entry.origin).into(), text.into()]);
    }
    format!("\n{}", table.render(view.color, view.width))
}

fn summary(plan: &Plan, on: &On, view: View) -> String {
    let summary = plan.summary();
    let host = match &on.name {
        Some(name) => format!("{}, {}", name, host_text(&on.host)),
        None => host_text(&on.host),
    };
    let text = format!(
        "{} instructions, on {host}. Of the system calls {} are always allowed, {} are decided by their \
         registers, {} fail and {} stop for the supervisor.",
        summary.instructions,
        summary.allowed,
        summary.conditional,
        summary.failing,
        summary.stopped,
    );
    let mut table: Table<1> = Table::new(&[0]);
    table.row([text.into()]);
    format!("\n{}", table.render(view.color, view.width))
}

fn host_text(host: &Host) -> String {
    let (major, minor) = host.kernel;
    match host.landlock_abi {
        0 => format!("Linux {major}.{minor} without Landlock"),
        abi => format!("Linux {major}.{minor} with Landlock {abi}"),
    }
}
