//! Domains in the text of a policy.

use super::file::{add, append, domain_of, parsed};
use crate::learn::Entry;
use crate::policy::{Domain, OnExec};
use toml_edit::{Array, InlineTable, Item, Table, Value};

/// What a domain is proposed to allow.
pub struct Lists {
    /// `None`: as the main policy.
    pub write: Option<Vec<Entry>>,
    /// `connect` and `listen`; `None`: as the main policy.
    pub peers: Option<[Vec<Entry>; 2]>,
}

/// The text of a policy with a domain of these programs. `lists`: `None` means that it restricts nothing.
pub fn with_domain(text: &str, domain: &Domain, lists: Option<&Lists>) -> Result<String, String> {
    let mut document = parsed(text)?;
    let item = document.entry("domain").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let domains = item
        .as_table_like_mut()
        .ok_or("`domain` of the policy is no table")?;
    let mut table = Table::new();
    let mut programs = Array::new();
    for program in &domain.programs {
        programs.push(entered_by(program)?);
    }
    table.insert("on-exec", Item::Value(Value::Array(programs)));
    if let Some(lists) = lists {
        let guard = Array::from_iter(["protect-credentials"]);
        table.insert("extends", Item::Value(Value::Array(guard)));
        let section = |of: &[(&str, &Vec<Entry>)]| {
            let mut section = Table::new();
            for (key, entries) in of {
                let mut array = Array::new();
                append(&mut array, &entries.iter().collect::<Vec<_>>());
                section.insert(key, Item::Value(Value::Array(array)));
            }
            Item::Table(section)
        };
        if let Some(write) = &lists.write {
            table.insert("fs", section(&[("write", write)]));
        }
        if let Some([connect, listen]) = &lists.peers {
            let peers = section(&[("connect", connect), ("listen", listen)]);
            table.insert("net", peers);
        }
    }
    domains.insert(&domain.name, Item::Table(table));
    Ok(document.to_string())
}

/// An entry of `on-exec`.
fn entered_by(program: &OnExec) -> Result<Value, String> {
    // A variable that is set here may be missing elsewhere.
    let optional = program.text.starts_with('$');
    if program.argv.is_none() && !optional {
        return Ok(Value::from(program.text.as_str()));
    }
    let mut table = InlineTable::new();
    table.insert("path", Value::from(program.text.as_str()));
    if let Some(argv) = &program.argv {
        let argv = argv.to_string().parse::<Value>();
        table.insert("argv", argv.map_err(|error| error.to_string())?);
    }
    if optional {
        table.insert("optional", Value::from(true));
    }
    Ok(Value::InlineTable(table))
}

/// The text of a policy with these entries in a domain of it.
pub fn with_entries(text: &str, domain: &str, entries: &[Entry]) -> Result<String, String> {
    let mut document = parsed(text)?;
    add(domain_of(&mut document, domain)?, entries)?;
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::{Beyond, Evidence, Section};

    fn entries() -> [Entry; 2] {
        let mut evidence = Evidence::default();
        evidence.add("cc");
        [(Section::Write, "./out"), (Section::Listen, "127.0.0.1:0")].map(|(section, text)| Entry {
            section,
            text: text.to_owned(),
            evidence: evidence.clone(),
            requests: 1,
            beyond: Beyond::Nothing,
            why: None,
        })
    }

    #[test]
    fn a_domain_gets_entries_in_whatever_form_it_is_written() {
        let write = "write = [\"./a\",\n  \"./out\",  # once by cc\n]";
        let listen = "listen = [\n  \"127.0.0.1:0\",  # once by cc\n]";
        for (text, expected) in [
            (
                "[domain.b] # mine\non-exec = [\"/x\"]\n[domain.b.fs]\nwrite = [\"./a\"]\n",
                format!(
                    "[domain.b] # mine\non-exec = [\"/x\"]\n[domain.b.fs]\n{write}\n\n[domain.b.net]\n{listen}\n"
                ),
            ),
            (
                "[domain.b]\non-exec = [\"/x\"]\nfs = { write = [\"./a\"] }\n",
                format!(
                    "[domain.b]\non-exec = [\"/x\"]\nfs = {{ {write} }}\n\n[domain.b.net]\n{listen}\n"
                ),
            ),
            (
                "domain = { b = { on-exec = [\"/x\"], fs = { write = [\"./a\"] } } }\n",
                format!(
                    "domain = {{ b = {{ on-exec = [\"/x\"], fs = {{ {write} }} , net = {{ {listen} }} }} }}\n"
                ),
            ),
        ] {
            let with = with_entries(text, "b", &entries()).expect(text);
            assert_eq!(with, expected);
            // The same again adds nothing.
            assert_eq!(with_entries(&with, "b", &entries()).expect(text), with);
        }
    }

    #[test]
    fn a_domain_of_another_shape_is_an_error_that_names_it() {
        for (text, name) in [
            ("[domain.c]\n", "[domain.b]"),
            ("domain = 1\n", "[domain.b]"),
            ("domain = { b = 1 }\n", "`fs`"),
            ("[domain.b]\nfs = 1\n", "`fs`"),
            ("[domain.b.fs]\nwrite = 1\n", "`write`"),
        ] {
            let error = with_entries(text, "b", &entries()).expect_err(text);
            assert!(error.contains(name), "{error}");
        }
    }
}
