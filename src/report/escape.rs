//! Escapes text of the jailed program for a terminal. All text from a jail must pass through here before
//! it reaches a terminal or a line of a report: no control character, no escape sequence, no line break,
//! nothing invisible or reordering, and never more than a bounded length.

use std::fmt::Write;

/// At most `limit` characters of a text; characters that are not plain are escaped as in Rust.
pub fn text(text: &str, limit: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(limit));
    push(&mut safe, text, limit);
    safe
}

/// A name: unquoted if it is unambiguous, otherwise quoted.
pub fn name(name: &str, limit: usize) -> String {
    if !name.is_empty() && name.chars().take(limit).all(is_unambiguous) {
        return text(name, limit);
    }
    let mut safe = String::from('"');
    let mut left = limit;
    for character in name.chars() {
        if left == 0 {
            safe.push('…');
            break;
        }
        match character {
            '"' | '\\' => safe.extend(['\\', character]),
            _ => push_character(&mut safe, character),
        }
        left -= 1;
    }
    safe.push('"');
    safe
}

fn push(safe: &mut String, text: &str, limit: usize) {
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            safe.push('…');
            return;
        }
        push_character(safe, character);
    }
}

fn push_character(safe: &mut String, character: char) {
    match is_plain(character) {
        true => safe.push(character),
        false => _ = write!(safe, "{}", character.escape_debug()),
    }
}

/// Whether a terminal shows the character as itself, in its own place: neither a control or format
/// character, nor one that joins those before it.
pub fn is_plain(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // Escapes unprintable characters and combining marks: see its documentation.
        _ => !character.is_ascii() && character.escape_debug().len() == 1,
    }
}

/// A report uses spaces, brackets and arrows as separators.
fn is_unambiguous(character: char) -> bool {
    character.is_alphanumeric() || "._+-@:/,~#%=".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        for ordinary in [
            "openat(AT_FDCWD, \"/tmp/a b\\n\", O_RDONLY)",
            "naïve",
            "日本",
        ] {
            assert_eq!(text(ordinary, 100), ordinary);
        }
        for ordinary in [
            "python3.12",
            "c++",
            "x86_64-linux-gnu-gcc-13",
            "kworker/0:1",
            "naïve",
        ] {
            assert_eq!(name(ordinary, 100), ordinary);
        }
    }

    #[test]
    fn no_control_character_passes() {
        let controls = (0..=0x1f).chain(0x7f..=0x9f).filter_map(char::from_u32);
        // Line separators, zero width, bidirectional overrides, byte order mark.
        let others = [
            '\u{2028}', '\u{2029}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}',
        ];
        for hostile in controls.chain(others) {
            for safe in [
                text(&format!("a{hostile}b"), 10),
                name(&format!("a{hostile}b"), 10),
            ] {
                assert!(!safe.contains(hostile), "{safe:?}");
                assert!(safe.contains('\\'), "{safe:?}");
            }
        }
    }

    #[test]
    fn marks_cannot_pile_up_on_a_character() {
        assert_eq!(text("a\u{301}\u{301}", 10), "a\\u{301}\\u{301}");
    }

    #[test]
    fn what_could_be_taken_for_the_report_itself_is_quoted() {
        assert_eq!(name("sh → su (pid 1)", 100), "\"sh → su (pid 1)\"");
        assert_eq!(name("a\"b\\", 100), "\"a\\\"b\\\\\"");
        assert_eq!(name("", 100), "\"\"");
        assert_eq!(
            name("x\njail: all is well", 100),
            "\"x\\njail: all is well\""
        );
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(text(&"x".repeat(1_000_000), 5), "xxxxx…");
        assert_eq!(name(&"\x1b".repeat(1_000_000), 2), "\"\\u{1b}\\u{1b}…\"");
        assert_eq!(name(&"x".repeat(100), 3), "xxx…");
        assert_eq!(text("xxxxx", 5), "xxxxx");
    }
}
