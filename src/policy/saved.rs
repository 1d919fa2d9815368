//! What a command line says about the policy as the text of a file. It is written from the tree that the
//! parser reads, so that the file means the same as the flags.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::document::Document;
use super::layers::{Layers, with_tree};
use super::load::{Reference, reference};
use super::places::way_to;
use super::written::quoted;
use super::{Policy, Source};
use crate::sorting::sort_by_key;

impl Layers {
    /// The text of a file at `to`; names of files are relative to `dir`.
    ///
    /// # Errors
    /// A path that cannot be written as text.
    pub fn toml(&self, dir: &Path, to: &Path) -> Result<String, String> {
        let text = self.text();
        let mut document = Document::of(0, &text);
        let above = match to.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let mut names = Vec::new();
        for name in self.names() {
            names.push(quoted(&from(name, dir, above)?));
        }
        let mut out = format!("extends = [{}]\n", names.join(", "));
        with_tree(&mut document, self, |tree| file(&mut out, tree));
        Ok(out)
    }
}

/// A policy's name in a file of the directory `above`.
fn from(name: &str, dir: &Path, above: &Path) -> Result<String, String> {
    let Ok(Reference::File(path)) = reference(name, Some(dir)) else {
        return Ok(name.to_owned());
    };
    let same = |one: &Path, other: &Path| {
        let real = |path: &Path| path.canonicalize().ok();
        real(one).is_some_and(|one| Some(one) == real(other))
    };
    if same(dir, above) {
        return Ok(name.to_owned());
    }
    let path: PathBuf = std::path::absolute(path).map_err(|error| error.to_string())?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        let path = path.display();
        format!("the path {path} is not UTF-8 text, so that no file can extend it")
    })
}

/// The keys but `extends`, then the sections.
fn file(out: &mut String, tree: &DeTable<'_>) {
    let mut sections = Vec::new();
    for (key, value) in tree {
        match value.get_ref() {
            DeValue::Table(table) => sections.push((key.get_ref(), table)),
            _ if key.get_ref() == "extends" => {}
            other => _ = writeln!(out, "{} = {}", bare(key.get_ref()), inline(other)),
        }
    }
    for (name, table) in sections {
        let _ = writeln!(out, "\n[{}]", bare(name));
        // In the order of the flags.
        let mut entries: Vec<_> = table.iter().collect();
        sort_by_key(&mut entries, |(key, _)| key.span().start);
        for (key, value) in entries {
            let _ = write!(out, "{} = ", bare(key.get_ref()));
            match value.get_ref() {
                DeValue::Array(items) if matches!(name.as_ref(), "fs" | "net") => {
                    out.push_str("[\n");
                    for item in items {
                        let _ = writeln!(out, "  {},", inline(item.get_ref()));
                    }
                    out.push_str("]\n");
                }
                other => _ = writeln!(out, "{}", inline(other)),
            }
        }
    }
}

/// A value on one line.
fn inline(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| inline(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                format!("{} = {}", bare(key.get_ref()), inline(value.get_ref()))
            };
            let entries: Vec<String> = table.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A key, quoted if it must be.
fn bare(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match !key.is_empty() && key.bytes().all(plain) {
        true => key.to_owned(),
        false => quoted(key),
    }
}

impl Policy {
    /// The same, with the file that it was saved to as a file of its own, which the command cannot change.
    pub fn saved(&mut self, to: &Path, text: String) {
        self.sources.push(Source {
            name: to.to_string_lossy().into_owned(),
            preset: false,
            flags: false,
            text: text.into(),
            extends: Vec::new(),
            files: way_to(to),
        });
    }
}
