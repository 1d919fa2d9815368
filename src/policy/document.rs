//! One file's TOML: typed access to its values, their lines, and the problems found on the way.
//!
//! It knows TOML and places, but not what keys mean.

use std::ops::Range;

use toml::de::DeTable;

use super::brackets::{Unclosed, unclosed};
use super::tree::{Items, Key, Kind, Table, Tree, Value};
use super::{Code, Diagnostic, Origin};
use crate::condition::nearest;

/// The text of a file and the problems in it.
pub(super) struct Document<'t> {
    source: u16,
    text: &'t str,
    /// Where each line starts.
    lines: Vec<usize>,
    pub problems: Vec<Diagnostic>,
    /// A bracket that is never closed: the text after it cannot be parsed.
    broken: Option<usize>,
    /// The domain that is being read, for messages.
    pub domain: Option<String>,
}

impl<'t> Document<'t> {
    /// A text whose tree is known.
    pub fn of(source: u16, text: &'t str) -> Document<'t> {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Document {
            source,
            text,
            lines,
            problems: Vec::new(),
            broken: None,
            domain: None,
        }
    }

    /// The document and its tree; if it is not valid TOML, the part that could be parsed.
    pub fn new(source: u16, text: &'t str) -> (Document<'t>, Tree<'t>) {
        let mut document = Document::of(source, text);
        if let Some(tree) = Tree::plain(text) {
            return (document, tree);
        }
        let (tree, errors) = DeTable::parse_recoverable(text);
        let unclosed = match errors.is_empty() {
            true => None,
            false => unclosed(text),
        };
        document.broken = unclosed.map(|bracket| bracket.at);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            document.error(Code::Toml, span, error.message().trim_end());
        }
        if let Some(Unclosed { at, close, line }) = unclosed {
            document.problems.retain(|problem| problem.span.start < at);
            let open = text.get(at..=at).unwrap_or_default();
            document
                .error(
                    Code::Toml,
                    at..at + 1,
                    format!("this `{open}` is never closed"),
                )
                .help(format!("add `{close}` at the end of line {}", line + 1));
        }
        (document, Tree::of(tree.into_inner()))
    }

    /// Notes a problem; the caller may complete it.
    pub fn error(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Note<'_> {
        self.problems
            .push(Diagnostic::error(code, message).at(self.source, span));
        Note(self.problems.last_mut())
    }

    /// The line of a place, from 1.
    pub fn line(&self, at: usize) -> u32 {
        self.lines.partition_point(|start| *start <= at) as u32
    }

    pub fn origin(&self, span: &Range<usize>) -> Origin {
        Origin {
            source: self.source,
            line: self.line(span.start),
        }
    }

    /// The place of `range` of a string's content, given the place of the string.
    pub fn inside(
        &self,
        string: &Range<usize>,
        content: &str,
        range: &Range<usize>,
    ) -> Range<usize> {
        // If escapes make content and text differ, the place is the whole string.
        let offset = self
            .text
            .get(string.clone())
            .and_then(|raw| raw.find(content));
        match offset {
            Some(offset) if !content.is_empty() => {
                let start = string.start + offset;
                start + range.start..start + range.end
            }
            _ => string.clone(),
        }
    }

    /// Its string; otherwise notes that a string was expected.
    pub fn string<'v>(&mut self, key: &str, value: Value<'v>) -> Option<&'v str> {
        match value.kind() {
            Kind::String(text) => Some(text),
            other => {
                self.wrong_type(key, "a string", other, value.span());
                None
            }
        }
    }

    pub fn boolean(&mut self, key: &str, value: Value<'_>) -> Option<bool> {
        match value.kind() {
            Kind::Boolean(value) => Some(value),
            other => {
                self.wrong_type(key, "true or false", other, value.span());
                None
            }
        }
    }

    pub fn table<'v>(&mut self, key: &str, expected: &str, value: Value<'v>) -> Option<Table<'v>> {
        match value.kind() {
            Kind::Table(table) => Some(table),
            other => {
                self.wrong_type(key, expected, other, value.span());
                None
            }
        }
    }

    pub fn list<'v>(&mut self, key: &str, expected: &str, value: Value<'v>) -> Option<Items<'v>> {
        match value.kind() {
            Kind::List(items) => Some(items),
            other => {
                self.wrong_type(key, expected, other, value.span());
                None
            }
        }
    }

    /// The strings of a string or a list of strings, with their places.
    pub fn strings<'v>(&mut self, key: &str, value: Value<'v>) -> Vec<(&'v str, Range<usize>)> {
        match value.kind() {
            Kind::String(text) => vec![(text, value.span())],
            Kind::List(items) => items
                .filter_map(|item| Some((self.string(key, item)?, item.span())))
                .collect(),
            other => {
                self.wrong_type(key, "a string or an array of strings", other, value.span());
                Vec::new()
            }
        }
    }

    /// The items of a list; a string or a table counts as a list of one. Notes any other value as a
    /// problem.
    pub fn items<'v>(&mut self, key: &str, expected: &str, value: Value<'v>) -> Items<'v> {
        match value.kind() {
            Kind::List(items) => items,
            Kind::String(_) | Kind::Table(_) => value.alone(),
            other => {
                self.wrong_type(key, expected, other, value.span());
                value.no_items()
            }
        }
    }

    pub fn wrong_type(&mut self, key: &str, expected: &str, found: Kind<'_>, span: Range<usize>) {
        let found = match found {
            Kind::String(_) => "a string",
            Kind::Integer(_) => "an integer",
            Kind::Float => "a float",
            Kind::Boolean(_) => "a boolean",
            Kind::Datetime => "a date",
            Kind::List(_) => "an array",
            Kind::Table(_) => "a table",
        };
        self.error(Code::WrongType, span, format!("`{key}` must be {expected}"))
            .label(format!("this is {found}"));
    }

    /// Notes a key that is unknown in this place: `a policy`, `[fs]`, `an entry of fs.deny`.
    pub fn unknown_key(&mut self, key: Key<'_>, place: &str, known: &[&str]) -> Note<'_> {
        let name = key.name();
        let place = self.in_domain(place);
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys here are {}", known.join(", ")),
        };
        self.error(
            Code::UnknownKey,
            key.span(),
            format!("unknown key `{name}` in {place}"),
        )
        .help(help)
    }

    /// The name of a place, with the domain to which it belongs: `[domain.NAME.fs]`.
    fn in_domain(&self, place: &str) -> String {
        let Some(domain) = &self.domain else {
            return place.to_owned();
        };
        match (place.rfind('['), place.rsplit_once(' ')) {
            (Some(at), _) => {
                let (head, section) = place.split_at(at + 1);
                format!("{head}domain.{domain}.{section}")
            }
            (None, Some((head, list))) if list.contains('.') => {
                format!("{head} domain.{domain}.{list}")
            }
            _ => place.to_owned(),
        }
    }

    /// Whether this place cannot be parsed, because a bracket before it is never closed.
    pub fn is_broken(&self, at: usize) -> bool {
        self.broken.is_some_and(|broken| at > broken)
    }

    /// Drops problems that only follow from TOML that could not be parsed.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.retain(|problem| !self.is_broken(problem.span.start));
        self.problems = problems;
        let broken: Vec<u32> = self
            .problems
            .iter()
            .filter(|problem| problem.code == Code::Toml)
            .map(|problem| self.line(problem.span.start))
            .collect();
        if !broken.is_empty() {
            let problems = std::mem::take(&mut self.problems);
            self.problems = problems
                .into_iter()
                .filter(|problem| {
                    let follows = problem.code == Code::MissingKey
                        || broken.contains(&self.line(problem.span.start));
                    problem.code == Code::Toml || !follows
                })
                .collect();
        }
        self.problems
    }
}

/// A problem that was just noted.
pub(super) struct Note<'d>(Option<&'d mut Diagnostic>);

impl Note<'_> {
    /// The text beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(diagnostic) = &mut self.0 {
            diagnostic.label = Some(label.into());
        }
        self
    }

    /// Sets the next step; replaces an earlier one.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(diagnostic) = &mut self.0 {
            diagnostic.help = Some(help.into());
        }
        self
    }
}
