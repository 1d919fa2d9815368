//! Formats a command line for pasting: quoted for a shell.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// A longer command line is not shown.
const LONGEST: usize = 2_000;

/// This command line with an option after its first word, quoted for a POSIX shell. `None`: it would be
/// too long.
pub fn with(words: &[OsString], option: &str) -> Option<String> {
    let (program, rest) = words.split_first()?;
    let mut text = quoted(program);
    let _ = write!(text, " {option}");
    for word in rest {
        let _ = write!(text, " {}", quoted(word));
    }
    (text.len() <= LONGEST).then_some(text)
}

/// Quotes one word. Unprintable bytes are written in the syntax of bash, zsh and POSIX.1-2024:
/// `$'\x1b'`.
fn quoted(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=,+%@^".contains(byte);
    match word.to_str() {
        Some(text) if !bytes.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        Some(text) if !text.chars().any(is_hidden) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => {
            let mut text = "$'".to_owned();
            for byte in bytes {
                match byte {
                    b'\'' | b'\\' => text.extend(['\\', char::from(*byte)]),
                    b' '..=b'~' => text.push(char::from(*byte)),
                    // Three digits, so that a following character cannot be read as one more.
                    _ => _ = write!(text, "\\{byte:03o}"),
                }
            }
            text + "'"
        }
    }
}

/// Whether a terminal would not show the character as itself, or would reorder others.
fn is_hidden(character: char) -> bool {
    let text = character.to_string();
    super::escape::text(&text, text.len()) != text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_shell_reads_the_words_as_they_were() {
        let words: Vec<OsString> = [
            &b"jail"[..],
            b"--",
            b"sh",
            b"-c",
            b"echo \"$HOME\" 'it'; exit 1",
            b"",
            b"*",
            b"a\nb\x1b[1m",
            b"\xff'\\",
            "ü".as_bytes(),
        ]
        .map(|bytes| OsString::from_vec(bytes.to_vec()))
        .to_vec();
        let text = with(&words, "--trace-denials").expect("a line");
        assert!(!text.contains(['\n', '\x1b']), "{text}");
        // bash, because the sh of some systems does not support $'…'.
        let script = format!("jail() {{ printf '%s\\0' \"$@\"; }}; {text}");
        let mut shell = std::process::Command::new("bash");
        let shell = shell.args(["-c", &script]).output().expect("bash");
        let mut expected = vec![OsString::from("--trace-denials")];
        expected.extend_from_slice(&words[1..]);
        let read: Vec<OsString> = shell.stdout[..shell.stdout.len() - 1]
            .split(|byte| *byte == 0)
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect();
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn what_is_too_long_to_read_is_not_shown() {
        let words = ["jail".into(), "x".repeat(LONGEST).into()];
        assert_eq!(with(&words, "--quiet"), None);
    }
}
