//! `jail diff A B`: what the second policy allows that the first does not, and the reverse. It runs nothing.

use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::explain::View;
use super::table::{Cell, Table};
use super::{Diff, FAILED};
use crate::diff::{Change, Comparison, Difference, Effect, Side, compare};
use crate::policy::{Action, Layers, Policy};
use crate::report::{escaped, line};

/// The maximum number of characters of a request or reason on a terminal.
const TEXT: usize = 400;
/// How many groups of requests of one kind the text shows.
const SHOWN: usize = 40;

/// Compares two policies. Returns 1 if the second allows more and that is forbidden, 125 if one of them cannot
/// be used, otherwise 0.
pub(super) fn run(
    diff: &Diff,
    dir: &Path,
    color: bool,
    view: View,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let Some([(before, one), (after, other)]) = sides(diff, err)? else {
        return Ok(FAILED);
    };
    let names = Names {
        before: &before,
        after: &after,
    };
    let mut policies = Vec::new();
    for (name, layers) in [(&before, &one), (&after, &other)] {
        match Policy::of(layers, dir) {
            Ok(policy) => policies.push(policy),
            Err(problems) => {
                writeln!(err, "{}", problems.render(color))?;
                writeln!(
                    err,
                    "jail: the policy {name} cannot be used; nothing was compared"
                )?;
                return Ok(FAILED);
            }
        }
    }
    let mut sides = Vec::new();
    for (name, policy) in [&before, &after].into_iter().zip(&policies) {
        match Side::new(policy) {
            Ok(side) => sides.push(side),
            Err(error) => {
                writeln!(err, "jail: {name}: cannot make a plan: {error}")?;
                return Ok(FAILED);
            }
        }
    }
    let [one, other] = sides.as_slice() else {
        return Ok(FAILED);
    };
    let found = compare(one, other);
    match diff.json {
        true => out.write_all(&line(&Document::new(&names, &found)))?,
        false => out.write_all(text(&names, &found, view).as_bytes())?,
    }
    Ok(u8::from(diff.forbid_widening && found.widens()))
}

/// The policies as messages name them.
struct Names<'a> {
    before: &'a str,
    after: &'a str,
}

/// Both policies with their names; an error is printed, and `None` returned.
fn sides(diff: &Diff, err: &mut dyn Write) -> io::Result<Option<[(String, Layers); 2]>> {
    if diff.after.is_none() && diff.flags.is_empty() {
        writeln!(
            err,
            "jail: name a second policy, or give entries of it, such as --allow-read PATH; nothing was compared"
        )?;
        return Ok(None);
    }
    let before = Layers::one(&diff.before);
    let after = diff.after.as_ref().unwrap_or(&diff.before);
    let after = diff.flags.layers_or_message(vec![after.clone()], err)?;
    Ok(after.map(|after| [(before.name(), before), (after.name(), after)]))
}

/// The comparison for people.
fn text(names: &Names<'_>, found: &Comparison, view: View) -> String {
    let (before, after) = (escaped(names.before, TEXT), escaped(names.after, TEXT));
    let mut table = Table::new(&[1]);
    lists(&mut table, "", found, [&before, &after]);
    for within in &found.domains {
        let head = format!("in the domain {}: ", within.domain);
        lists(&mut table, &head, &within.found, [&before, &after]);
    }
    if !found.lifts.is_empty() {
        table.title(format!("{after} lifts, {before} does not"));
        for lift in &found.lifts {
            table.row(["lift".into(), escaped(lift, TEXT).into()]);
        }
    }
    if !found.settings.is_empty() {
        table.title("settings");
        for change in &found.settings {
            table.row([change.key.as_str().into(), setting(change).into()]);
        }
    }
    let mut text = table.render(view.color, view.width);
    if found.is_empty() {
        text.push_str("no difference was found\n");
    }
    if found.is_bounded() {
        text.push_str(
            "there are more combinations than were asked: further differences are possible\n",
        );
    }
    text
}

/// The differences, `head` before each title.
fn lists(table: &mut Table<2>, head: &str, found: &Comparison, names: [&str; 2]) {
    let [before, after] = names;
    let lists = [
        (format!("{after} allows, {before} does not"), &found.allowed),
        (format!("{before} allows, {after} does not"), &found.denied),
        ("both deny, with another answer".to_owned(), &found.answers),
    ];
    for (title, list) in lists {
        if list.is_empty() {
            continue;
        }
        table.title(format!("{head}{title}"));
        for difference in list.iter().take(SHOWN) {
            add(table, difference, names);
        }
        if list.len() > SHOWN {
            let more = format!("and {} more kinds; --json has all", list.len() - SHOWN);
            table.line(more.into());
        }
    }
}

/// One difference: the example, and what decides it on each side.
fn add(table: &mut Table<2>, difference: &Difference, names: [&str; 2]) {
    let more = match difference.count {
        1 => String::new(),
        count => format!("  (and {} like it)", count - 1),
    };
    let example = escaped(&difference.example.to_string(), TEXT);
    table.line(Cell::styled(
        format!("{example}{more}"),
        Style::new().bold(),
    ));
    for (name, (action, reason)) in names
        .into_iter()
        .zip([&difference.before, &difference.after])
    {
        let color = match action {
            Action::Allow => AnsiColor::Green,
            Action::Deny(_) | Action::Kill => AnsiColor::Red,
        };
        let word = match action {
            Action::Allow => "allowed".to_owned(),
            Action::Deny(errno) => format!("denied with {errno}"),
            Action::Kill => "killed".to_owned(),
        };
        table.row([
            Cell::styled(
                format!("  {word}"),
                Style::new().fg_color(Some(color.into())),
            ),
            format!("by {name}: {}", escaped(reason, TEXT)).into(),
        ]);
    }
}

fn setting(change: &Change) -> String {
    let value = |value: &Option<String>| match value {
        Some(text) => escaped(text, TEXT),
        None => "none".to_owned(),
    };
    let effect = match change.effect {
        Effect::Wider => " (allows more)",
        Effect::Narrower => " (allows less)",
        Effect::Other => "",
    };
    format!(
        "{} → {}{effect}",
        value(&change.before),
        value(&change.after)
    )
}

/// The comparison as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// The version of the format.
    version: u32,
    /// The first policy.
    before: &'a str,
    /// The second policy.
    after: &'a str,
    /// Whether the second allows anything that the first does not.
    widens: bool,
    /// What only the second allows.
    allowed: Vec<Item<'a>>,
    /// What only the first allows.
    denied: Vec<Item<'a>>,
    /// What both refuse in different ways.
    answers: Vec<Item<'a>>,
    /// The inherited entries that only the second lifts.
    lifts: &'a [String],
    /// The settings that differ.
    settings: Vec<Setting<'a>>,
    /// What differs for programs in a domain alone.
    domains: Vec<Domain<'a>>,
    /// How many requests both policies were asked.
    asked: usize,
    /// Whether there were more combinations than are asked.
    bounded: bool,
}

/// What differs for programs in a domain alone.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Domain<'a> {
    /// Its name.
    domain: &'a str,
    /// What only the second policy allows in it.
    allowed: Vec<Item<'a>>,
    /// What only the first allows in it.
    denied: Vec<Item<'a>>,
    /// What both refuse in different ways.
    answers: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Item<'a> {
    /// One of the requests.
    example: String,
    /// How many requests there are of this kind.
    count: usize,
    /// How the first policy decides.
    before: Decision<'a>,
    /// How the second policy decides.
    after: Decision<'a>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Decision<'a> {
    /// `allow`, `deny`, `kill` or an errno.
    action: String,
    /// What decides.
    reason: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Setting<'a> {
    /// Its key in the policy.
    key: &'a str,
    /// Its value in the first policy; `None`: it has none.
    before: Option<&'a str>,
    /// Its value in the second policy; `None`: it has none.
    after: Option<&'a str>,
    /// What the change means for the command.
    effect: Effect,
}

impl<'a> Document<'a> {
    fn new(names: &Names<'a>, found: &'a Comparison) -> Self {
        let decision = |(action, reason): &'a (Action, String)| Decision {
            action: action.to_string(),
            reason,
        };
        let items = |list: &'a [Difference]| {
            let item = |difference: &'a Difference| Item {
                example: difference.example.to_string(),
                count: difference.count,
                before: decision(&difference.before),
                after: decision(&difference.after),
            };
            list.iter().map(item).collect()
        };
        let domains = found.domains.iter().map(|within| Domain {
            domain: &within.domain,
            allowed: items(&within.found.allowed),
            denied: items(&within.found.denied),
            answers: items(&within.found.answers),
        });
        let asked = found.domains.iter().map(|within| within.found.asked);
        let settings = found.settings.iter().map(|change| Setting {
            key: &change.key,
            before: change.before.as_deref(),
            after: change.after.as_deref(),
            effect: change.effect,
        });
        Document {
            version: 1,
            before: names.before,
            after: names.after,
            widens: found.widens(),
            allowed: items(&found.allowed),
            denied: items(&found.denied),
            answers: items(&found.answers),
            lifts: &found.lifts,
            settings: settings.collect(),
            domains: domains.collect(),
            asked: found.asked + asked.sum::<usize>(),
            bounded: found.is_bounded(),
        }
    }
}
