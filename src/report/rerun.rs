//! Formats a command line for pasting: quoted for a POSIX shell.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// A longer command line is not shown.
const LONGEST: usize = 8_000;

/// The option that reports what Landlock denies.
const TRACE: &str = "--trace-denials";

/// This command line with `--trace-denials` after its first word, in place of one that the user gave, and
/// otherwise unchanged. `None`: it would be too long.
pub fn traced(words: &[OsString]) -> Option<String> {
    let (program, rest) = words.split_first()?;
    let mut text = quoted(program);
    let _ = write!(text, " {TRACE}");
    let command = rest.iter().position(|word| word == "--");
    let (options, command) = rest.split_at(command.unwrap_or(rest.len()));
    // The value of an option may be the same text.
    let mut value = false;
    for word in options {
        let is_own = !value && (word == TRACE || word.as_bytes().starts_with(b"--trace-denials="));
        value = !value && takes_value(word);
        if !is_own {
            let _ = write!(text, " {}", quoted(word));
        }
    }
    for word in command {
        let _ = write!(text, " {}", quoted(word));
    }
    (text.len() <= LONGEST).then_some(text)
}

/// Whether the next word is the value of this option. Only those whose values may begin with `-` matter:
/// the command line refuses others.
fn takes_value(word: &OsStr) -> bool {
    matches!(word.as_bytes(), b"--env")
}

/// Quotes one word. Bytes that a terminal does not show as themselves are written by printf(1), since
/// POSIX shells such as dash do not know `$'\x1b'`.
fn quoted(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=,+%@^".contains(byte);
    match word.to_str() {
        Some(text) if !bytes.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        Some(text) if !text.chars().any(is_hidden) => single(text),
        _ => printed(bytes),
    }
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `"$(printf 'a\nb')"`.
fn printed(bytes: &[u8]) -> String {
    // A command substitution removes line breaks at its end, so these stand as they are.
    let end = bytes.iter().rposition(|byte| *byte != b'\n');
    let (head, breaks) = bytes.split_at(end.map_or(0, |end| end + 1));
    let mut text = String::new();
    if !head.is_empty() {
        text.push_str("\"$(printf '");
        for (index, byte) in head.iter().enumerate() {
            match byte {
                b'%' => text.push_str("%%"),
                b'\\' => text.push_str(r"\\"),
                // printf would take it for an option.
                b'-' if index == 0 => text.push_str(r"\055"),
                b'\'' => text.push_str(r"\047"),
                b' '..=b'~' => text.push(char::from(*byte)),
                // Three digits, so that a following character cannot be read as one more.
                _ => _ = write!(text, "\\{byte:03o}"),
            }
        }
        text.push_str("')\"");
    }
    if !breaks.is_empty() {
        text.push_str(&single(&"\n".repeat(breaks.len())));
    }
    text
}

/// Whether a terminal would not show the character as itself, or would reorder others.
fn is_hidden(character: char) -> bool {
    let text = character.to_string();
    super::escape::text(&text, text.len()) != text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt;
    use std::process::Command;

    fn words(all: &[&[u8]]) -> Vec<OsString> {
        let word = |bytes: &&[u8]| OsString::from_vec(bytes.to_vec());
        all.iter().map(word).collect()
    }

    /// The arguments that a shell gives to the program of a line.
    fn read(shell: &str, line: &str) -> Vec<OsString> {
        let script = format!("jail() {{ printf '%s\\0' \"$@\"; }}\n{line}");
        let output = Command::new(shell).args(["-c", &script]).output();
        let output = output.expect(shell);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{line}"
        );
        let mut read = output.stdout.split(|byte| *byte == 0);
        let read = read.by_ref().map(|word| OsString::from_vec(word.to_vec()));
        let mut read: Vec<OsString> = read.collect();
        assert_eq!(read.pop(), Some(OsString::new()), "{line}");
        read
    }

    fn survives(all: &[OsString]) {
        let text = traced(all).expect("a line");
        assert!(!text.contains('\x1b'), "{text}");
        let mut expected = vec![OsString::from(TRACE)];
        expected.extend_from_slice(&all[1..]);
        for shell in ["sh", "bash"] {
            assert_eq!(read(shell, &text), expected, "{shell}: {text}");
        }
    }

    #[test]
    fn a_shell_reads_the_words_as_they_were() {
        survives(&words(&[
            b"jail",
            b"--",
            b"sh",
            b"-c",
            b"echo \"$HOME\" 'it'; exit 1",
            b"",
            b"*",
            b"a\nb\x1b[1m",
            b"-\x1b%s%%\\n'",
            b"\n",
            b"a\n\n",
            b"\xff'\\",
            "\u{fc}\u{202e}".as_bytes(),
        ]));
    }

    #[test]
    fn another_setting_of_the_option_is_replaced_and_that_of_a_command_is_kept() {
        let line = |all: &[&[u8]]| traced(&words(all)).expect("a line");
        let given = [
            &b"jail"[..],
            b"--trace-denials=never",
            b"-p",
            b"base",
            b"--",
            b"x",
            TRACE.as_bytes(),
        ];
        assert_eq!(
            line(&given),
            "jail --trace-denials -p base -- x --trace-denials"
        );
        let value = [&b"jail"[..], b"--env", b"--trace-denials=1", b"--", b"x"];
        assert_eq!(
            line(&value),
            "jail --trace-denials --env --trace-denials=1 -- x"
        );
    }

    #[test]
    fn what_is_too_long_to_read_is_not_shown() {
        let words = ["jail".into(), "x".repeat(LONGEST).into()];
        assert_eq!(traced(&words), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_words_survive_a_shell(
            all in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(1u8..=255, 0..12),
                    "[ -~]{0,12}".prop_map(String::into_bytes),
                    "[%\\\\'\"$`!\n\t \u{e9}-]{0,6}".prop_map(String::into_bytes),
                ],
                0..6,
            )
        ) {
            let command = all.into_iter().map(OsString::from_vec);
            let start = words(&[b"jail", b"-p", b"base", b"--"]).into_iter();
            survives(&start.chain(command).collect::<Vec<OsString>>());
        }
    }
}
