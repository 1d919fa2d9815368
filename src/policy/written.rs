//! How a policy writes what a call has named: the text of an entry that covers it and as little else as
//! possible. Characters with a meaning in patterns are escaped, and what the language cannot express is
//! left out.

use super::Who;
use super::places::escape;
use crate::net::Protocol;
use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

/// The maximum number of path components in a pattern.
const MOST_PARTS: usize = 63;

/// A text as a TOML string. Control characters, and characters that a terminal does not show as
/// themselves, are escaped.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            // As for messages: characters that are not printable, or that combine with the character
            // before them.
            _ if !c.is_ascii() && c.escape_debug().len() == 1 => out.push(c),
            _ if u32::from(c) <= 0xffff => _ = write!(out, "\\u{:04X}", u32::from(c)),
            _ => _ = write!(out, "\\U{:08X}", u32::from(c)),
        }
    }
    out.push('"');
    out
}

/// An absolute path as an entry of `[fs]`. Bytes of a name that are not UTF-8 are written as [`NO_TEXT`]. A path too
/// deep for a pattern is the nearest directory above that can be written.
pub fn path(path: &[u8]) -> String {
    let mut text = String::new();
    let parts = path.split(|byte| *byte == b'/');
    for part in parts.filter(|part| !part.is_empty()).take(MOST_PARTS) {
        text.push('/');
        text.push_str(&lossy(part));
    }
    match text.is_empty() {
        true => "/".to_owned(),
        false => text,
    }
}

/// A text with the special characters of patterns escaped.
pub fn literal(text: &str) -> String {
    escape(text).replace('$', "\\$")
}

/// An abstract name as the pattern of one. What is not UTF-8 text is written as [`NO_TEXT`].
pub fn abstract_name(name: &[u8]) -> String {
    lossy(name)
}

/// Stands for one byte that is no printable ASCII. A `*` would cover other names: that of `.\xff` every one that
/// begins with a point.
const NO_TEXT: &str = "[! -~]";

/// A name as a pattern, with [`NO_TEXT`] for each byte that is not UTF-8.
fn lossy(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(&literal(chunk.valid()));
        text.push_str(&NO_TEXT.repeat(chunk.invalid().len()));
    }
    text
}

/// An endpoint as an entry of `[net]`; `None`: no entry can cover it.
pub fn endpoint(who: &Who) -> Option<String> {
    Some(match who {
        Who::Inet {
            protocol: Protocol::Lite | Protocol::Other,
            ..
        } => return None,
        Who::Inet {
            protocol,
            ip,
            name,
            port,
            ..
        } => {
            let scheme = match protocol {
                Protocol::Udp => Protocol::Udp.scheme(),
                _ => "",
            };
            match (ip, name) {
                (Some(IpAddr::V6(ip)), _) => format!("{scheme}[{ip}]:{port}"),
                (Some(ip), _) => format!("{scheme}{ip}:{port}"),
                (None, Some(name)) => format!("{scheme}{name}:{port}"),
                (None, None) => format!("{scheme}*:{port}"),
            }
        }
        Who::Path(place) => format!("unix:{}", path(place.as_os_str().as_bytes())),
        // A name that the kernel chooses. An empty pattern is not valid.
        Who::Abstract(name) if name.is_empty() => "unix:@*".to_owned(),
        Who::Abstract(name) => format!("unix:@{}", abstract_name(name)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{PathContext, locate};
    use super::*;
    use crate::net::{Endpoint, Parsed, Reach, To, Way};
    use proptest::prelude::*;

    /// Names of every kind that may stand in a path.
    const ODD: &[&[u8]] = &[
        b"[slug]",
        b"{a,b}",
        b"*",
        b"**",
        b"a**b",
        b"?",
        b"$id.tsx",
        b"${HOME}",
        b"$HOME",
        b"~",
        b"!x",
        b"a\\b",
        b"\\",
        b"\\$",
        b"\"",
        b"'",
        b"a b",
        b"\n",
        b"\t\x1b[2J\x7f",
        b"...",
        b"#x",
        "é\u{301}\u{202e}\u{e0001}日".as_bytes(),
    ];

    /// The entry, as a policy is read.
    fn covers(text: &str, path: &[u8]) -> bool {
        let toml = format!("x = {}", quoted(text));
        let table: toml::Table = toml.parse().expect(&toml);
        let read = table["x"].as_str().expect("a text");
        assert_eq!(read, text);
        let located = locate(read, &PathContext::own());
        located.expect(text).pattern.covers(path)
    }

    #[test]
    fn an_entry_covers_the_path_that_it_was_written_for_and_no_neighbour() {
        for name in ODD {
            let whole = [b"/nowhere/", *name, b"/page"].concat();
            let text = path(&whole);
            assert!(covers(&text, &whole), "{text}");
            assert!(!covers(&text, b"/nowhere/x/page"), "{text}");
            assert!(!covers(&text, b"/nowhere/a/page"), "{text}");
        }
    }

    #[test]
    fn what_is_no_text_covers_no_name_that_is() {
        assert_eq!(path(b"/a/\xff/b"), "/a/[! -~]/b");
        assert_eq!(path(b"/a/no\xff\xfetext/b"), "/a/no[! -~][! -~]text/b");
        for name in [
            &b"\xff"[..],
            b".\xff",
            b"*\xff",
            b"\xff*",
            b"a\xff\xffb",
            b".config\xff",
            b"!\xff",
        ] {
            let whole = [b"/a/", name].concat();
            let text = path(&whole);
            assert!(covers(&text, &whole), "{text}");
            for other in [
                ".config", ".bashrc", "x", "a", "ab", "axxb", ".configs", "*x", "x*", "!x", ".~",
            ] {
                let other = ["/a/", other].concat();
                assert!(!covers(&text, other.as_bytes()), "{text} {other}");
            }
        }
        let deep = b"/x".repeat(100);
        assert!(covers(&path(&deep), &deep));
    }

    #[test]
    fn an_abstract_name_covers_itself() {
        let mut names = ODD.to_vec();
        names.extend([b"/tmp/x".as_slice(), b"a\0b", b"a\xff\xfeb", b"\xff"]);
        for name in names {
            let text = endpoint(&Who::Abstract(name.to_vec())).expect("an entry");
            let Ok(Parsed::Endpoint(endpoint)) = Endpoint::parse(&text, false) else {
                panic!("{text:?}");
            };
            let reach = |name| Reach {
                way: Way::Connect,
                to: To::Abstract(name),
            };
            assert!(endpoint.covers(&reach(name), false), "{text:?}");
            assert!(!endpoint.covers(&reach(b"other"), false), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_covered_by_its_entry(name in proptest::collection::vec(1u8..=255, 1..20)) {
            let name: Vec<u8> = name.into_iter().filter(|byte| *byte != b'/').collect();
            prop_assume!(!matches!(name.as_slice(), b"" | b"." | b".."));
            let whole = [b"/nowhere/", name.as_slice()].concat();
            prop_assert!(covers(&path(&whole), &whole));
        }
    }
}
