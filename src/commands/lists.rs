//! Lists in the text of a policy.

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

/// A list of a policy, which is made if it is missing.
pub fn list_of<'d>(
    document: &'d mut DocumentMut,
    table: &str,
    key: &str,
) -> Result<&'d mut Array, String> {
    let item = document
        .entry(table)
        .or_insert_with(|| Item::Table(Table::new()));
    let table_like: &mut dyn TableLike = item
        .as_table_like_mut()
        .ok_or_else(|| format!("`{table}` of the policy is no table"))?;
    table_like
        .entry(key)
        .or_insert_with(|| Item::Value(Value::Array(Array::new())))
        .as_array_mut()
        .ok_or_else(|| format!("`{key}` of [{table}] is no list"))
}
