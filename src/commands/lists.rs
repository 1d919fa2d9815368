//! Lists in the text of a policy, which keeps its comments and its formatting.

use toml_edit::{Array, InlineTable, Item, Table, Value};

/// A list of a policy, or of a domain of it, which is made if it is missing.
pub fn list_of<'d>(holder: &'d mut Item, table: &str, key: &str) -> Result<&'d mut Array, String> {
    let inline = holder.is_inline_table();
    let new = || match inline {
        true => Item::Value(Value::InlineTable(InlineTable::new())),
        false => Item::Table(Table::new()),
    };
    let holder = holder
        .as_table_like_mut()
        .ok_or_else(|| format!("what has `{table}` in the policy is no table"))?;
    holder
        .entry(table)
        .or_insert_with(new)
        .as_table_like_mut()
        .ok_or_else(|| format!("`{table}` of the policy is no table"))?
        .entry(key)
        .or_insert_with(|| Item::Value(Value::Array(Array::new())))
        .as_array_mut()
        .ok_or_else(|| format!("`{key}` of [{table}] is no list"))
}

/// Adds entries at the end of a list, each on a line of its own, with the comment that belongs to it behind it.
pub fn append(array: &mut Array, entries: impl IntoIterator<Item = (Value, Option<String>)>) {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return;
    }
    // A comment behind the last entry belongs to it.
    let mut rest = String::new();
    if let Some(value) = array.len().checked_sub(1).and_then(|at| array.get_mut(at)) {
        let suffix = value.decor().suffix().and_then(|suffix| suffix.as_str());
        rest.push_str(suffix.unwrap_or_default());
        value.decor_mut().set_suffix("");
    }
    rest.push_str(array.trailing().as_str().unwrap_or_default());
    let mut behind = rest.trim_end().to_owned();
    let indent = indent(array);
    for (value, comment) in entries {
        let before = format!("{behind}\n{indent}");
        array.push_formatted(value.decorated(before, ""));
        behind = comment
            .map(|text| format!("  # {text}"))
            .unwrap_or_default();
    }
    array.set_trailing_comma(true);
    array.set_trailing(format!("{behind}\n"));
}

/// The indent of the entries of a list.
fn indent(array: &Array) -> String {
    let first = array.get(0).and_then(|value| value.decor().prefix());
    let prefix = first.and_then(|prefix| prefix.as_str()).unwrap_or_default();
    match prefix.rsplit_once('\n') {
        Some((_, indent)) if indent.chars().all(char::is_whitespace) => indent.to_owned(),
        _ => "  ".to_owned(),
    }
}
