//! One problem of a policy, and how problems are shown. Other files find them.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::{Code, Source};

/// Whether a problem makes the policy unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// The policy works, but something in it is likely a mistake.
    Warning,
}

/// A problem: what is wrong, where, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Its severity.
    pub severity: Severity,
    /// The kind of problem.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// Index of the source; `None` if there is no file to point into.
    pub source: Option<u16>,
    /// Byte range within the source's text.
    pub span: Range<usize>,
    /// The text beside the caret.
    pub label: Option<String>,
    /// The next step, for example the nearest known name.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            source: None,
            span: 0..0,
            label: None,
            help: None,
        }
    }

    pub(crate) fn warning(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, message)
        }
    }

    pub(crate) fn at(mut self, source: u16, span: Range<usize>) -> Diagnostic {
        self.source = Some(source);
        self.span = span;
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}

/// All problems of a policy, with the texts of its files.
///
/// `Display` shows them without colour.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problems {
    /// The files, for names and carets.
    #[doc(hidden)]
    pub sources: Vec<Source>,
    /// Sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Problems {
    /// Renders them for people: each with its file, line and caret.
    pub fn render(&self, color: bool) -> String {
        render(&self.sources, &self.diagnostics, color)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// Renders diagnostics for people: each with its file, line and caret, separated by empty lines.
pub fn render(sources: &[Source], diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let rendered: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| render_one(sources, diagnostic, &renderer))
        .collect();
    rendered.join("\n\n")
}

fn render_one(sources: &[Source], diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.id());
    let help = diagnostic.help.as_deref();
    let source = diagnostic
        .source
        .and_then(|source| sources.get(usize::from(source)));
    let Some(source) = source else {
        // Rendered one by one: a combined report would put an empty margin between them.
        let title = renderer.render(&[Group::with_title(title)]);
        return match help {
            Some(help) => {
                let help = Group::with_title(Level::HELP.secondary_title(help));
                format!("{title}\n{}", renderer.render(&[help]))
            }
            None => title,
        };
    };
    let span = within(&source.text, &diagnostic.span);
    let caret = AnnotationKind::Primary
        .span(span)
        .label(diagnostic.label.as_deref());
    let snippet = Snippet::source(source.text.as_ref())
        .path(source.name.as_str())
        .annotation(caret);
    let mut group = title.element(snippet);
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}

/// The range clamped to the text and to whole characters.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    start..end
}
