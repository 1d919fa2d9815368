//! Lists in the text of a policy.

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
