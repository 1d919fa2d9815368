//! The layout of a message on the screen: indents, the column of the brackets, wrapping, colours. It
//! takes text that is already escaped, and never writes.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

/// The column of the brackets, if the text before them is shorter.
const BRACKETS: usize = 60;
/// The indent of lines after a message's first.
const INDENT: usize = 6;
/// The indent of the continuation of a long line.
const DEEPER: usize = 10;
/// The indent of the continuation of a paragraph.
const NEXT: usize = 4;
/// A character that no message contains, because control characters are escaped.
const SPACE: &str = "\0";
/// Text is not wrapped on a narrower terminal.
const NARROWEST: usize = 40;

/// How messages are laid out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    /// With ANSI colours.
    pub color: bool,
    /// The terminal's width; `None`: lines are not wrapped.
    pub width: Option<usize>,
}

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const PLACE: Style = AnsiColor::Cyan.on_default();
const LABEL: Style = Style::new().dimmed();

impl Layout {
    /// The first line: `jail: denied WHAT      [WHERE]`.
    pub fn head(&self, out: &mut String, verb: &str, what: &str, brackets: &str) {
        let used = "jail: ".len() + verb.len() + 1;
        self.styled(out, BOLD, "jail:");
        out.push(' ');
        self.styled(out, BAD, verb);
        out.push(' ');

        let end = used + what.width();
        let place = brackets.width();
        match self.width() {
            Some(width) if end + 2 + place > width => {
                self.wrapped(out, what, used, DEEPER);
                out.push('\n');
                indent(out, INDENT);
            }
            width => {
                let column = width.map_or(BRACKETS, |width| BRACKETS.min(width - place));
                out.push_str(what);
                indent(out, column.saturating_sub(end).max(2));
            }
        }
        self.styled(out, PLACE, brackets);
        out.push('\n');
    }

    /// A further line: `      to allow: …`.
    pub fn line(&self, out: &mut String, label: &str, text: &str) {
        indent(out, INDENT);
        self.styled(out, LABEL, label);
        out.push(' ');
        self.wrapped(out, text, INDENT + label.len() + 1, DEEPER);
        out.push('\n');
    }

    /// A further line, in which quoted text is not wrapped, so that it can be copied.
    pub fn quoting(&self, out: &mut String, label: &str, text: &str) {
        let mut wrapped = String::new();
        self.line(&mut wrapped, label, &joined(text));
        out.push_str(&wrapped.replace(SPACE, " "));
    }

    /// A text of its own. What is quoted in its first line is not wrapped, nor are further lines, so that they can
    /// be copied.
    pub fn paragraph(&self, out: &mut String, text: &str) {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut wrapped = String::new();
        self.wrapped(&mut wrapped, &joined(first), 0, NEXT);
        out.push_str(&wrapped.replace(SPACE, " "));
        out.push('\n');
        for line in rest.lines() {
            out.push_str(line);
            out.push('\n');
        }
    }

    /// A further line that is not wrapped, so that it can be copied.
    pub fn verbatim(&self, out: &mut String, text: &str) {
        indent(out, INDENT);
        out.push_str(text);
        out.push('\n');
    }

    /// A message of one line: `jail: …`.
    pub fn note(&self, out: &mut String, text: &str) {
        self.styled(out, BOLD, "jail:");
        out.push(' ');
        self.wrapped(out, text, INDENT, INDENT);
        out.push('\n');
    }

    fn width(&self) -> Option<usize> {
        self.width.filter(|&width| width >= NARROWEST)
    }

    /// A text that begins at one column, and continues at another.
    fn wrapped(&self, out: &mut String, text: &str, mut column: usize, next: usize) {
        let Some(width) = self.width() else {
            out.push_str(text);
            return;
        };
        let mut first = true;
        for word in text.split(' ') {
            let length = word.width();
            if !first && column + 1 + length > width {
                out.push('\n');
                indent(out, next);
                column = next;
            } else if !first {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
            first = false;
        }
    }

    fn styled(&self, out: &mut String, style: Style, text: &str) {
        use std::fmt::Write;
        let style = if self.color { style } else { Style::new() };
        let _ = write!(out, "{style}{text}{style:#}");
    }
}

/// A text in which the spaces of what is quoted are `SPACE`.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        match character {
            ' ' if quoted => joined.push_str(SPACE),
            other => joined.push(other),
        }
    }
    joined
}

fn indent(out: &mut String, columns: usize) {
    out.extend(std::iter::repeat_n(' ', columns));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_on_one_line() {
        let layout = Layout {
            color: false,
            width: Some(40),
        };
        let mut out = String::new();
        let entry = r#""/a directory/with \" many/long and longer names""#;
        layout.quoting(
            &mut out,
            "to allow:",
            &format!("add {entry} to read in [fs]"),
        );
        assert!(out.contains(&format!("\n          {entry}\n")), "{out}");
    }

    #[test]
    fn a_paragraph_is_wrapped_in_its_first_line_alone() {
        let layout = Layout {
            color: false,
            width: Some(40),
        };
        let mut out = String::new();
        let rule = "[[rule]]\nwhen = \"a condition that is longer than the terminal\"";
        let text = format!("to allow: in a policy of your own, add\n{rule}");
        layout.paragraph(&mut out, &text);
        let expected = format!("to allow: in a policy of your own, add\n{rule}\n");
        assert_eq!(out, expected);
        out.clear();
        layout.paragraph(
            &mut out,
            "to allow: add \"/a b\" to read in [fs] of net.toml",
        );
        let expected = "to allow: add \"/a b\" to read in [fs] of\n    net.toml\n";
        assert_eq!(out, expected);
    }

    const WIDE: Layout = Layout {
        color: false,
        width: Some(100),
    };
    const FIXED: Layout = Layout {
        color: false,
        width: None,
    };

    fn head(layout: Layout, what: &str, brackets: &str) -> String {
        let mut out = String::new();
        layout.head(&mut out, "denied", what, brackets);
        out
    }

    #[test]
    fn brackets_stand_in_one_column() {
        for layout in [WIDE, FIXED] {
            let line = head(layout, "getppid()", "[base:3 getppid]");
            assert_eq!(line.find('['), Some(BRACKETS));
            let line = head(layout, &"x".repeat(60), "[base:3]");
            assert!(line.ends_with("x  [base:3]\n"), "{line}");
        }
    }

    #[test]
    fn brackets_move_left_and_then_down_where_the_terminal_is_narrow() {
        let narrow = Layout {
            color: false,
            width: Some(50),
        };
        let line = head(narrow, "getppid()", "[net.toml:3 getppid]");
        assert_eq!(line.trim_end().len(), 50);
        let line = head(narrow, "socket(AF_INET, SOCK_STREAM, 0)", "[net.toml:3]");
        assert_eq!(
            line,
            "jail: denied socket(AF_INET, SOCK_STREAM, 0)\n      [net.toml:3]\n"
        );
    }

    #[test]
    fn long_lines_are_wrapped_on_a_terminal_only() {
        let text = "word ".repeat(60);
        let mut out = String::new();
        WIDE.line(&mut out, "why:", text.trim_end());
        assert!(
            out.lines().count() > 2 && out.lines().all(|line| line.len() <= 100),
            "{out}"
        );
        assert!(
            out.lines()
                .skip(1)
                .all(|line| line.starts_with(&" ".repeat(DEEPER)))
        );
        let mut out = String::new();
        FIXED.line(&mut out, "why:", &text);
        assert_eq!(out.lines().count(), 1);
    }

    #[test]
    fn a_word_longer_than_the_terminal_is_left_whole() {
        let mut out = String::new();
        WIDE.note(&mut out, &format!("a {} b", "x".repeat(300)));
        assert_eq!(out.lines().count(), 3);
    }

    #[test]
    fn an_absurd_width_is_taken_for_none() {
        for width in 0..NARROWEST {
            let layout = Layout {
                color: false,
                width: Some(width),
            };
            assert_eq!(
                head(layout, "getppid()", "[x]"),
                head(FIXED, "getppid()", "[x]")
            );
        }
    }
}
