//! What a program does with a remedy: it parses it as TOML and merges it into the policy.

use super::paste::Files;
use serde_json::Value;
use toml::Table;

/// The policy with the remedy of a denial in it; `None`: nothing can be added or removed.
#[track_caller]
pub fn apply(files: Files, denial: &Value) -> Option<Files> {
    if let Some(remedy) = denial["remedy"].as_str() {
        return Some(merge(files, remedy));
    }
    let line = denial["remove"]["line"].as_u64()?;
    let source = denial["remove"]["source"].as_str()?;
    let entry = denial["reason"]["entry"].as_str();
    Some(remove(files, source, line as usize, entry))
}

/// Merges a remedy into the main file; one that extends a preset is a file of its own.
#[track_caller]
pub fn merge(mut files: Files, remedy: &str) -> Files {
    let parse = |text: &str| -> Table { text.parse().unwrap_or_else(|e| panic!("{e}\n{text}")) };
    let main = &mut files.0.first_mut().expect("a policy").1;
    let mut table = parse(main);
    join(&mut table, parse(remedy));
    *main = toml::to_string(&table).expect("TOML");
    files
}

fn join(into: &mut Table, more: Table) {
    for (key, value) in more {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(more)) => join(into, more),
            (Some(toml::Value::Array(into)), toml::Value::Array(more)) => into.extend(more),
            (_, value) => _ = into.insert(key, value),
        }
    }
}

/// Removes the rule at a line, or the entry of a list.
#[track_caller]
fn remove(mut files: Files, source: &str, line: usize, entry: Option<&str>) -> Files {
    let name = source.rsplit('/').next().unwrap_or(source);
    let file = files.0.iter_mut().find(|(known, _)| known == name);
    let text = &mut file.unwrap_or_else(|| panic!("no file {source}")).1;
    let mut table: Table = text.parse().expect("TOML");
    let heads = || text.lines().take(line).filter(|line| line.starts_with('['));
    let head = heads().last().expect("a table");
    let place = heads().filter(|line| *line == head).count();
    // That of a domain, or the policy's own.
    let mut tables = &mut table;
    if let Some(rest) = head.trim_start_matches('[').strip_prefix("domain.") {
        let name = rest.split('.').next().expect("a domain");
        tables = tables["domain"][name].as_table_mut().expect("a domain");
    }
    if head.ends_with("rule]]") {
        tables["rule"]
            .as_array_mut()
            .expect("rules")
            .remove(place - 1);
    } else {
        let entry = entry.expect("an entry");
        let names = |value: &toml::Value| match value {
            toml::Value::Table(table) => table.values().any(|it| it.as_str() == Some(entry)),
            other => other.as_str() == Some(entry),
        };
        for (section, list) in [
            ("fs", "deny"),
            ("fs", "hide"),
            ("fs", "protect"),
            ("net", "deny"),
        ] {
            let list = tables
                .get_mut(section)
                .and_then(|section| section.get_mut(list));
            if let Some(list) = list.and_then(toml::Value::as_array_mut) {
                list.retain(|value| !names(value));
            }
        }
    }
    *text = toml::to_string(&table).expect("TOML");
    files
}
