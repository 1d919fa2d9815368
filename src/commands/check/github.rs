//! Problems as annotations of GitHub Actions.

use std::io::{self, Write};

use super::Checked;
use super::problem::Problem;
use crate::policy::Severity;
use crate::report::Annotation;

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
    let mut properties = vec![("file", problem.file.to_owned())];
    if let Some(place) = problem.place {
        properties.push(("line", place.line.to_string()));
        properties.push(("col", place.column.to_string()));
        properties.push(("endLine", place.end_line.to_string()));
        // GitHub refuses an end column where the lines differ.
        if place.line == place.end_line {
            properties.push(("endColumn", place.end_column.to_string()));
        }
    }
    properties.push(("title", format!("{} {}", problem.code, problem.name)));
    Annotation {
        level: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        properties: &properties,
        message: &problem.lines().join("\n"),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_to_github_is_escaped() {
        let problem = Problem {
            code: "E201",
            name: "unknown-key",
            severity: Severity::Error,
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
