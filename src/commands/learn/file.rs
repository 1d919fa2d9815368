//! Entries into the text of a policy, which keeps its comments, its order and its formatting.

use super::evidence;
use crate::commands::lists::{self, list_of};
use crate::learn::{Entry, Section};
use std::borrow::Cow;
use std::ffi::OsString;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Value};

/// What is added to a policy.
pub struct Change<'a> {
    pub entries: &'a [Entry],
    /// Those of domains, by name.
    pub domains: &'a [(String, Vec<Entry>)],
    /// The command that was run.
    pub command: &'a [OsString],
    /// Why the run may not have shown everything.
    pub partial: Option<&'a str>,
}

/// The result of a [`Change`].
pub struct Changed<'a> {
    /// The text with the entries.
    pub text: String,
    /// Those that it did not have.
    pub added: Vec<&'a Entry>,
    /// Those of domains.
    pub in_domains: Vec<(&'a str, Vec<&'a Entry>)>,
}

/// How the comment about an incomplete run begins.
const PARTIAL: &str = "# Partial: ";

impl<'a> Change<'a> {
    /// The text with the entries. `disk`: the file as it is, which stays as it is if there is nothing to add.
    pub fn apply(&self, text: &str, disk: Option<&str>) -> Result<Changed<'a>, String> {
        let mut document = parsed(text)?;
        let added = add(document.as_item_mut(), self.entries)?;
        let mut in_domains = Vec::new();
        for (name, entries) in self.domains {
            let new = add(domain_of(&mut document, name)?, entries)?;
            in_domains.push((name.as_str(), new));
        }
        in_domains.retain(|(_, new)| !new.is_empty());
        let adds = !added.is_empty() || !in_domains.is_empty();
        let text = match disk {
            Some(disk) if !adds => disk.to_owned(),
            _ => document.to_string(),
        };
        Ok(Changed {
            text: self.marked(&text, adds),
            added,
            in_domains,
        })
    }

    /// The text with the comments above it: where it is from, and that the run failed.
    fn marked(&self, text: &str, added: bool) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        let was = lines.iter().position(|line| line.starts_with(PARTIAL));
        if let Some(was) = was {
            lines.remove(was);
        }
        let from = format!("# Learned from: {}", shown(self.command));
        let partial = self
            .partial
            .map(|why| format!("{PARTIAL}{why}, so a later part of it may need more."));
        let known = lines.iter().position(|line| *line == from);
        let learned = lines
            .iter()
            .take_while(|line| line.starts_with("# Learned from: "));
        let mut at = learned.count();
        if known.is_none() && (added || was.is_none() && partial.is_some()) {
            lines.insert(at, &from);
            at += 1;
        }
        if let Some(partial) = &partial {
            lines.insert(at, partial);
        }
        let mut text = lines.join("\n");
        text.push('\n');
        text
    }
}

/// A command in a comment: the program and how many arguments it had. The arguments may hold passwords and
/// tokens, and a policy is shared. The text has nothing that could end the comment.
fn shown(command: &[OsString]) -> String {
    const MOST: usize = 80;
    let program = command
        .first()
        .map_or_else(Cow::default, |word| word.to_string_lossy());
    let program = crate::report::escaped(&program, MOST);
    match command.len().saturating_sub(1) {
        0 => program,
        1 => format!("{program} with 1 argument"),
        count => format!("{program} with {count} arguments"),
    }
}

/// Whether an entry of a list has this text.
fn names(value: &Value, text: &str) -> bool {
    let inner = |key: &str| {
        let table = value.as_inline_table();
        table
            .and_then(|table| table.get(key))
            .is_some_and(|value| names(value, text))
    };
    let one_of = |list: &Array| list.iter().any(|value| names(value, text));
    value.as_str() == Some(text)
        || inner("path")
        || inner("to")
        || inner("on")
        || value.as_array().is_some_and(one_of)
}

/// Adds entries to the lists of a policy or a domain. Returns those that it did not have.
pub fn add<'e>(holder: &mut Item, entries: &'e [Entry]) -> Result<Vec<&'e Entry>, String> {
    let mut added = Vec::new();
    for section in Section::ALL {
        let of = |entry: &&Entry| entry.section == section;
        let mut new: Vec<&Entry> = entries.iter().filter(of).collect();
        if new.is_empty() {
            continue;
        }
        let (table, key) = section.key();
        let array = list_of(holder, table, key)?;
        new.retain(|entry| !array.iter().any(|value| names(value, &entry.text)));
        append(array, &new);
        added.extend(new);
    }
    Ok(added)
}

/// A domain of a policy.
pub fn domain_of<'d>(document: &'d mut DocumentMut, name: &str) -> Result<&'d mut Item, String> {
    let domains = document.get_mut("domain").and_then(Item::as_table_like_mut);
    let domain = domains.and_then(|domains| domains.get_mut(name));
    domain.ok_or_else(|| format!("the policy has no [domain.{name}]"))
}

/// Adds entries at the end of a list, with their evidence.
pub fn append(array: &mut Array, entries: &[&Entry]) {
    let entries = entries.iter();
    lists::append(
        array,
        entries.map(|entry| (value(entry), Some(evidence::comment(entry)))),
    );
}

/// An entry.
fn value(entry: &Entry) -> Value {
    let Some(why) = entry.why else {
        return Value::from(entry.text.as_str());
    };
    let names = match entry.section {
        Section::Connect => "to",
        Section::Listen => "on",
        Section::Read | Section::Write | Section::Exec => "path",
    };
    let mut table = InlineTable::new();
    table.insert(names, Value::from(entry.text.as_str()));
    table.insert("why", Value::from(why));
    Value::InlineTable(table)
}

/// The text of a policy with places lifted from what it inherits.
pub fn lifted(text: &str, places: &[String]) -> Result<String, String> {
    if places.is_empty() {
        return Ok(text.to_owned());
    }
    let mut document = parsed(text)?;
    let array = list_of(document.as_item_mut(), "fs", "lift")?;
    let mut places: Vec<&String> = places.iter().collect();
    places.retain(|place| !array.iter().any(|value| names(value, place)));
    let entry = |place: &String| {
        let mut table = InlineTable::new();
        table.insert("path", Value::from(place.as_str()));
        table.insert("why", Value::from("the command is trusted with it"));
        (Value::InlineTable(table), None)
    };
    lists::append(array, places.into_iter().map(entry));
    Ok(document.to_string())
}

/// The text of a policy that extends these presets, too.
pub fn extended(text: &str, presets: &[&str]) -> Result<String, String> {
    let mut document = parsed(text)?;
    let item = document
        .entry("extends")
        .or_insert_with(|| Item::Value(Value::Array(Array::new())));
    let array = item.as_array_mut().ok_or("`extends` is no list")?;
    for preset in presets {
        array.push(*preset);
    }
    Ok(document.to_string())
}

pub fn parsed(text: &str) -> Result<DocumentMut, String> {
    let parsed = text.parse::<DocumentMut>();
    parsed.map_err(|error| format!("the policy cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::{Beyond, Evidence, MADE};

    fn entry(section: Section, text: &str, made: bool) -> Entry {
        let mut evidence = Evidence::default();
        evidence.add("cc");
        Entry {
            section,
            text: text.to_owned(),
            evidence,
            requests: 1,
            beyond: Beyond::Nothing,
            why: made.then_some(MADE),
        }
    }

    fn apply(text: &str, entries: &[Entry], partial: Option<&str>, disk: bool) -> String {
        let change = Change {
            entries,
            domains: &[],
            command: &["make".into(), "TOKEN=secret".into()],
            partial,
        };
        let changed = change.apply(text, disk.then_some(text));
        let text = changed.expect("a policy").text;
        text.parse::<toml::Table>().expect(&text);
        text
    }

    const HAND: &str = "# Mine.\nextends = [\"base\"]   # really\n\n[fs]\nread = [\n    \"./a\", # first\n    \"./b\" # second\n]\nwrite = [\"./c\"]\n\n[[test]]\nallow = [\"read ./a\"]\n";

    #[test]
    fn a_file_keeps_its_comments_order_and_formatting() {
        let entries = [
            entry(Section::Read, "./d", false),
            entry(Section::Write, "./out", true),
            entry(Section::Connect, "example.org:443", false),
        ];
        let text = apply(HAND, &entries, None, true);
        for line in [
            "# Mine.",
            "extends = [\"base\"]   # really",
            "    \"./a\", # first",
            "    \"./b\", # second",
            "    \"./d\",  # once by cc",
            "write = [\"./c\",",
            "  { path = \"./out\", why = \"the command makes it\" },  # once by cc",
            "connect = [",
            "allow = [\"read ./a\"]",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(
            text.starts_with("# Learned from: make with 1 argument\n"),
            "{text}"
        );
        // The same again adds nothing.
        assert_eq!(apply(&text, &entries, None, true), text);
    }

    #[test]
    fn nothing_to_add_leaves_the_file_as_it_is() {
        assert_eq!(apply(HAND, &[], None, true), HAND);
        let known = [entry(Section::Read, "./a", false)];
        assert_eq!(apply(HAND, &known, None, true), HAND);
    }

    #[test]
    fn an_incomplete_run_is_marked_until_a_complete_one() {
        let partial = apply(HAND, &[], Some("the command ended with exit code 2"), true);
        assert!(
            partial.contains("\n# Partial: the command ended with exit code 2, "),
            "{partial}"
        );
        let again = apply(
            &partial,
            &[],
            Some("the command ended with exit code 2"),
            true,
        );
        assert_eq!(again, partial);
        let whole = apply(&partial, &[], None, true);
        assert!(!whole.contains("# Partial"), "{whole}");
    }

    #[test]
    fn lifted_places_are_on_lines_of_their_own() {
        let place = |name: &str| name.to_owned();
        let once = lifted("[fs]\n", &[place("./a"), place("./b")]).expect("a policy");
        let line = |name: &str| {
            format!("  {{ path = \"{name}\", why = \"the command is trusted with it\" }},\n")
        };
        let expected = format!("[fs]\nlift = [\n{}{}]\n", line("./a"), line("./b"));
        assert_eq!(once, expected);
        let twice = lifted(&once, &[place("./b"), place("./c")]).expect("a policy");
        let expected = format!(
            "[fs]\nlift = [\n{}{}{}]\n",
            line("./a"),
            line("./b"),
            line("./c")
        );
        assert_eq!(twice, expected);
    }

    #[test]
    fn a_table_of_another_shape_is_an_error_that_names_it() {
        let entries = [entry(Section::Read, "./d", false)];
        let change = Change {
            entries: &entries,
            domains: &[],
            command: &[],
            partial: None,
        };
        let wrong = |text| change.apply(text, None).err().unwrap_or_default();
        assert!(wrong("fs = 1\n").contains("`fs`"));
        assert!(wrong("[fs]\nread = \"x\"\n").contains("`read`"));
        let inline = apply("fs = { read = [\"./a\"] }\n", &entries, None, false);
        assert!(inline.contains("./d"), "{inline}");
    }
}
