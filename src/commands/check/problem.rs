//! A problem with its place in words that machines read: lines and columns from 1, columns in characters.

use serde::Serialize;

use crate::policy::{Diagnostic, Severity, Source};

/// A problem. The fields and their order are those of `docs/lints.md`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problem<'a> {
    /// The code: `E201`.
    pub code: &'static str,
    /// The name of the code: `unknown-key`.
    pub name: &'static str,
    /// Whether the policy cannot be used.
    pub severity: Severity,
    /// What is wrong.
    pub message: &'a str,
    /// The text beside the caret.
    pub label: Option<&'a str>,
    /// The next step.
    pub help: Option<&'a str>,
    /// The file, as its path was given, or the preset.
    pub file: &'a str,
    /// Whether `file` is a preset.
    pub preset: bool,
    /// `None`: it is about the file as a whole.
    pub place: Option<Place>,
}

/// Where it is. The end is the place after the last character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line of the end.
    pub end_line: usize,
    /// The column after the last character.
    pub end_column: usize,
}

impl<'a> Problem<'a> {
    /// `file`: what was to be checked, for problems that are in no file.
    pub fn new(sources: &'a [Source], file: &'a str, problem: &'a Diagnostic) -> Problem<'a> {
        let source = problem
            .source
            .and_then(|source| sources.get(usize::from(source)));
        Problem {
            code: problem.code.id(),
            name: problem.code.name(),
            severity: problem.severity,
            message: &problem.message,
            label: problem.label.as_deref(),
            help: problem.help.as_deref(),
            file: source.map_or(file, |source| &source.name),
            preset: source.is_some_and(|source| source.preset),
            place: source
                .filter(|_| !problem.span.is_empty())
                .map(|source| Place::of(&source.text, problem.span.start, problem.span.end)),
        }
    }

    /// The message with what is beside the caret and the next step, a line each.
    pub fn lines(&self) -> Vec<String> {
        let label = self.label.map(str::to_owned);
        let help = self.help.map(|help| format!("help: {help}"));
        let parts = [Some(self.message.to_owned()), label, help];
        let lines = parts.iter().flatten().flat_map(|part| part.lines());
        lines
            .map(|line| crate::report::escaped(line, usize::MAX))
            .collect()
    }
}

impl Place {
    fn of(text: &str, start: usize, end: usize) -> Place {
        let (line, column) = position(text, start);
        let (end_line, end_column) = position(text, end.max(start));
        Place {
            line,
            column,
            end_line,
            end_column,
        }
    }
}

/// The line and the column of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(at)).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).map_or(0, |head| head.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_from_one() {
        let text = "a = 1\nä = \"日本\" # x\n";
        let at = text.find("日本").expect("there");
        let place = Place::of(text, at, at + "日本".len());
        assert_eq!(
            (place.line, place.column, place.end_line, place.end_column),
            (2, 6, 2, 8)
        );
        let end = Place::of(text, text.len(), usize::MAX);
        assert_eq!((end.line, end.column), (3, 1));
    }
}
