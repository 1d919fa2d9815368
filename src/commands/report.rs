//! `jail report LOG`: a log as a page for a browser, as text, or its denials for a CI system.

use std::io::{self, Write};
use std::path::Path;

use super::logs::open;
use super::{FAILED, PageFormat, ReportLog};
use crate::page;
use crate::report::evidence::{self, Content};

/// Writes the page. `width`: that of the terminal, if stdout is one. Returns 125 if the log cannot be read or the
/// page not be written, otherwise 0.
pub(super) fn run(
    asked: &ReportLog,
    width: Option<usize>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if asked
        .output
        .as_deref()
        .is_some_and(|output| output == Path::new(&asked.log))
    {
        writeln!(
            err,
            "jail: -o {} would replace the log; name another file",
            asked.log
        )?;
        return Ok(FAILED);
    }
    let Some(journal) = open(&asked.log, err)? else {
        return Ok(FAILED);
    };
    let to_file = asked
        .output
        .as_deref()
        .filter(|output| *output != Path::new("-"));
    let usual = match (to_file, width) {
        (None, Some(_)) => PageFormat::Text,
        _ => PageFormat::Html,
    };
    let text = match asked.format.unwrap_or(usual) {
        PageFormat::Html => page::html(&journal),
        PageFormat::Github => page::github(&journal),
        PageFormat::Markdown => page::markdown(&journal),
        PageFormat::Text => page::text(&journal, width.filter(|_| to_file.is_none())),
    };
    let Some(output) = to_file else {
        out.write_all(text.as_bytes())?;
        return Ok(0);
    };
    let written = evidence::open(output, Content::Replaced)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(0),
        Err(error) => {
            writeln!(err, "jail: cannot write {}: {error}", output.display())?;
            Ok(FAILED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_the_text_and_a_pipe_the_page() {
        let path = std::env::temp_dir().join(format!("jail-report-{}", std::process::id()));
        let line = "{\"event\":\"exit\",\"time\":1.0,\"pid\":9,\"code\":0,\"signal\":null}\n";
        std::fs::write(&path, line).expect("a log");
        let printed = |format, width| {
            let asked = ReportLog {
                log: path.display().to_string(),
                output: None,
                format,
            };
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = run(&asked, width, &mut out, &mut err).expect("a report");
            assert_eq!((code, err.as_slice()), (0, &b""[..]));
            out.starts_with(b"<!DOCTYPE")
        };
        assert!(printed(None, None));
        assert!(!printed(None, Some(80)));
        assert!(printed(Some(PageFormat::Html), Some(80)));
        let _ = std::fs::remove_file(&path);
    }
}
