//! JSON on one line, with all characters escaped that could control a terminal, because logs are shown
//! on terminals, too.

use super::escape;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// Appends a value and the end of its line.
pub fn line(out: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Harmless))?;
    out.push(b'\n');
    Ok(())
}

struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|character| !escape::is_plain(character)) {
            let (plain, hostile) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut hostile = hostile.chars();
            for unit in hostile.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = hostile.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}
