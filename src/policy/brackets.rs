//! Finds the bracket that a broken TOML text lacks. The TOML parser reads everything after it as part of
//! the array, and so reports an error in each line. Pure.

/// A bracket without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// Its position in bytes.
    pub at: usize,
    /// The bracket that would close it.
    pub close: char,
    /// The last line, from 0, that can belong to it.
    pub line: usize,
}

/// The innermost bracket that is still open when a table's header or another key begins, or at the end.
/// Only for a text that is not valid TOML: an array of arrays may look like a header.
pub(super) fn unclosed(text: &str) -> Option<Unclosed> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut start = 0;
    let mut last = 0;
    let mut string: Option<&str> = None;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let begins = line.trim_start();
        if string.is_none()
            && let Some((at, close)) = open.last()
            && (is_header(begins) || *close == ']' && is_key(begins))
        {
            return Some(Unclosed {
                at: *at,
                close: *close,
                line: last,
            });
        }
        if string.is_some() || !open.is_empty() || !is_header(begins) {
            let other = scan(line, start, &mut open, &mut string);
            if let Some((at, close)) = other {
                // A wrong closing bracket on its own line comes after the missing one.
                let line = if begins.starts_with([']', '}']) {
                    last
                } else {
                    number
                };
                return Some(Unclosed { at, close, line });
            }
        }
        if !begins.trim_end().is_empty() && !begins.starts_with('#') {
            last = number;
        }
        start += line.len();
    }
    open.last().map(|(at, close)| Unclosed {
        at: *at,
        close: *close,
        line: last,
    })
}

/// Follows one line. `string` is the delimiter of the multi-line string that the line begins or is in.
/// Returns the bracket that the line closes with a bracket of the other kind.
fn scan<'t>(
    line: &'t str,
    start: usize,
    open: &mut Vec<(usize, char)>,
    string: &mut Option<&'t str>,
) -> Option<(usize, char)> {
    let mut rest = line;
    if let Some(end) = *string {
        let (_, after) = rest.split_once(end)?;
        *string = None;
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        let at = start + (line.len() - rest.len());
        if let Some(end) = ["\"\"\"", "'''"].into_iter().find(|q| rest.starts_with(q)) {
            match rest.get(3..).and_then(|inner| inner.split_once(end)) {
                Some((_, after)) => rest = after,
                None => {
                    *string = Some(end);
                    return None;
                }
            }
            continue;
        }
        match c {
            '#' => return None,
            '"' | '\'' => rest = after_string(rest, c),
            '[' => open.push((at, ']')),
            '{' => open.push((at, '}')),
            ']' | '}' => match open.pop() {
                Some(other) if other.1 != c => return Some(other),
                _ => {}
            },
            _ => {}
        }
        if !matches!(c, '"' | '\'') {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    None
}

/// The text after the single-line string that `text` begins with.
fn after_string(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return text.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

const fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// `[fs]` or `[[rule]]`.
fn is_header(line: &str) -> bool {
    let inner = line.trim_start_matches('[');
    let end = inner
        .bytes()
        .position(|byte| !is_bare(byte))
        .unwrap_or(inner.len());
    inner.len() < line.len()
        && inner.starts_with(|c: char| c.is_ascii_alphabetic())
        && inner.get(end..).is_some_and(|rest| rest.starts_with(']'))
}

/// `read =`, or `"@debug" =`.
fn is_key(line: &str) -> bool {
    let rest = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => after_string(line, quote),
        _ => line.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_bare)),
    };
    rest.len() < line.len() && rest.trim_start().starts_with('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(usize, char, usize)> {
        unclosed(text).map(|found| (found.at, found.close, found.line))
    }

    #[test]
    fn the_bracket_that_is_open_where_something_else_begins_is_found() {
        fn at(text: &str) -> Option<&str> {
            found(text).and_then(|(at, ..)| text.get(at..))
        }
        assert_eq!(found("extends = [\"base\"\n[fs]\n"), Some((10, ']', 0)));
        assert_eq!(
            found("[fs]\nread = [\n  \".\",\n\nwrite = [\".\"]\n"),
            Some((12, ']', 2))
        );
        assert_eq!(
            at("a = [{ to = \"x\"\n[net]\n"),
            Some("{ to = \"x\"\n[net]\n")
        );
        assert_eq!(at("a = [\"b\""), Some("[\"b\""));
        assert_eq!(found("a = [\n{ to = 1\n]\n"), Some((6, '}', 1)));
        assert_eq!(found("a = [\"b\"}\n"), Some((4, ']', 0)));
        assert_eq!(found("[fs\nread = []\n"), Some((0, ']', 0)));
        assert_eq!(at("a = [\n\"@debug\" = 1\n"), Some("[\n\"@debug\" = 1\n"));
    }

    #[test]
    fn strings_and_comments_and_what_is_closed_have_none() {
        for text in [
            "",
            "[fs]\nread = [\"[\", '{', \"\\\"[\"] # [\n",
            "a = [\n  \"x\", # ]\n  [\"y\"],\n]\n[[rule]]\nb = { c = [1] }\n",
            "why = \"\"\"\n[fs\nread = [\n\"\"\"\n",
            "why = '''[''' \n[fs]\n",
            "socket = \"deny\n",
            "a = ]\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
