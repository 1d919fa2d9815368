//! Problems as annotations of GitHub Actions: `::error file=…,line=…,col=…,title=…::message`, as "Workflow
//! commands for GitHub Actions" describes them.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Checked;
use super::problem::Problem;

pub fn print(checked: &[Checked<'_>], out: &mut dyn Write) -> io::Result<()> {
    for file in checked {
        for problem in &file.diagnostics {
            let problem = Problem::new(&file.sources, file.file, problem);
            writeln!(out, "{}", annotation(&problem))?;
        }
    }
    out.flush()
}

fn annotation(problem: &Problem<'_>) -> String {
    let mut text = format!("::{} file={}", problem.severity, property(problem.file));
    if let Some(place) = problem.place {
        let _ = write!(text, ",line={},col={}", place.line, place.column);
        let _ = write!(text, ",endLine={}", place.end_line);
        // GitHub refuses an end column where the lines differ.
        if place.line == place.end_line {
            let _ = write!(text, ",endColumn={}", place.end_column);
        }
    }
    let title = format!("{} {}", problem.code, problem.name);
    let _ = write!(text, ",title={}", property(&title));
    let _ = write!(text, "::{}", data(&problem.lines().join("\n")));
    text
}

/// The text of a message.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_to_github_is_escaped() {
        let problem = Problem {
            code: "E201",
            name: "unknown-key",
            severity: "error",
            message: "100% wrong: a, b\r\n\u{1b}[31m",
            label: None,
            help: Some("write\nless"),
            file: "a,b:c%\n.toml",
            preset: false,
            place: None,
        };
        assert_eq!(
            annotation(&problem),
            "::error file=a%2Cb%3Ac%25%0A.toml,title=E201 unknown-key::100%25 wrong: a, b%0A\\u{1b}[31m%0Ahelp: write%0Aless"
        );
    }
}
