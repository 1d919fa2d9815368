//! `jail presets`: lists the built-in policies with their descriptions, or prints one.

use std::io::{self, Write};

use crate::policy::{Policy, presets};

/// Prints the list, or the text of the preset with that name. Returns 1 if there is none, otherwise 0.
pub fn run(
    name: Option<&str>,
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let Some(name) = name else {
        list(out)?;
        return Ok(0);
    };
    if let Some(preset) = presets().iter().find(|preset| preset.name == name) {
        out.write_all(preset.text.as_bytes())?;
        return Ok(0);
    }
    if let Err(problems) = Policy::preset(name) {
        writeln!(err, "{}", problems.render(color))?;
    }
    Ok(1)
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    let width = presets()
        .iter()
        .map(|preset| preset.name.len())
        .max()
        .unwrap_or(0);
    for preset in presets() {
        let promise = Policy::preset(preset.name)
            .ok()
            .and_then(|policy| policy.description);
        writeln!(
            out,
            "{:width$}  {}",
            preset.name,
            promise.unwrap_or_default()
        )?;
    }
    Ok(())
}
