//! Warnings of `jail check` about TOML that is valid and says nothing: an empty file, sections without a
//! key, lists without an item.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Action, Code, Diagnostic, Policy};

/// Sections, and their lists: an empty one has no effect. Not here is what means something when it is empty,
/// such as `caps` and `env.pass`.
const LISTS: [(&str, &[&str]); 8] = [
    (
        "fs",
        &["read", "write", "exec", "deny", "hide", "protect", "lift"],
    ),
    ("net", &["connect", "listen", "deny", "lift"]),
    ("syscalls", &[]),
    ("limits", &[]),
    ("process", &["isolate"]),
    ("test", &["allow", "deny", "kill"]),
    ("rule", &[]),
    ("extends", &[]),
];

/// Whether a policy file says nothing, so that everything is denied.
pub(super) fn is_empty(policy: &Policy) -> bool {
    let Some(main) = policy.sources.first() else {
        return false;
    };
    let (tree, errors) = DeTable::parse_recoverable(&main.text);
    let says = |(key, value): (&str, &DeValue<'_>)| match (key, value) {
        ("description" | "default", _) => false,
        (_, value) => !is_vain(value),
    };
    errors.is_empty()
        && !main.preset
        && policy.sources.len() == 1
        && policy.default.action != Action::Allow
        && !tree
            .get_ref()
            .iter()
            .any(|(key, value)| says((key.get_ref(), value.get_ref())))
}

/// Whether a value has nothing in it.
fn is_vain(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(table) => table.iter().all(|(_, value)| is_vain(value.get_ref())),
        DeValue::Array(items) => items.iter().all(|item| is_vain(item.get_ref())),
        _ => false,
    }
}

/// Warnings about the main file.
pub(super) fn lint(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let Some(main) = policy.sources.first().filter(|main| !main.preset) else {
        return;
    };
    if is_empty(policy) {
        let help = format!(
            "{}; `default = \"allow\"` allows what nothing denies",
            super::extend_base(policy)
        );
        let message = "this policy is empty, so it denies everything: no program can start";
        let warning = Diagnostic::warning(Code::Empty, message).at(0, 0..0);
        warnings.push(warning.help(help));
        return;
    }
    let (tree, _) = DeTable::parse_recoverable(&main.text);
    for (key, value) in tree.get_ref() {
        let name: &str = key.get_ref();
        let lists = LISTS.iter().find(|(section, _)| *section == name);
        let Some((_, lists)) = lists else { continue };
        let head = || key.span();
        match value.get_ref() {
            DeValue::Table(table) => vain_table(name, table, lists, head(), warnings),
            DeValue::Array(items) if items.is_empty() => {
                warnings.push(vain(format!("`{name}` is an empty list"), head()));
            }
            DeValue::Array(items) => {
                for item in items {
                    if let DeValue::Table(table) = item.get_ref() {
                        vain_table(name, table, lists, item.span(), warnings);
                    }
                }
            }
            _ => {}
        }
    }
}

fn vain_table(
    name: &str,
    table: &DeTable<'_>,
    lists: &[&str],
    span: Range<usize>,
    warnings: &mut Vec<Diagnostic>,
) {
    if table.is_empty() {
        warnings.push(vain(format!("[{name}] is empty"), span));
        return;
    }
    for (key, value) in table {
        let list: &str = key.get_ref();
        let empty = matches!(value.get_ref(), DeValue::Array(items) if items.is_empty());
        if empty && lists.contains(&list) {
            warnings.push(vain(
                format!("`{list}` of [{name}] is an empty list"),
                key.span(),
            ));
        }
    }
}

fn vain(what: String, span: Range<usize>) -> Diagnostic {
    let help = "remove it, or fill it in: what nothing names gets the default";
    Diagnostic::warning(Code::SaysNothing, format!("{what}: it says nothing"))
        .at(0, span)
        .help(help)
}
