//! Results as JUnit XML: a suite per file, a case per sentence. A sentence that is decided otherwise than
//! expected is a failure; a file whose sentences cannot be decided is an error.

use std::fmt::Write;

use super::{Case, Tested, Wrong};
use crate::commands::check::problem::Problem;
use crate::policy::Expect;

pub fn document(tested: &[Tested<'_>]) -> String {
    let count = |of: fn(&Tested<'_>) -> usize| tested.iter().map(of).sum::<usize>();
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let (tests, failures, errors) = (count(tests), count(failures), count(errors));
    let _ = writeln!(
        text,
        "<testsuites name=\"jail test\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">"
    );
    for tested in tested {
        suite(&mut text, tested);
    }
    text.push_str("</testsuites>\n");
    text
}

/// A file that cannot be decided counts as one case.
fn tests(tested: &Tested<'_>) -> usize {
    tested.result.as_deref().map_or(1, <[Case]>::len)
}

fn failures(tested: &Tested<'_>) -> usize {
    let cases = tested.result.as_deref().unwrap_or_default();
    cases.iter().filter(|case| case.differs.is_some()).count()
}

fn errors(tested: &Tested<'_>) -> usize {
    usize::from(tested.result.is_err())
}

fn suite(text: &mut String, tested: &Tested<'_>) {
    let file = escaped(tested.file);
    let (tests, failures, errors) = (tests(tested), failures(tested), errors(tested));
    let _ = writeln!(
        text,
        "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">"
    );
    match &tested.result {
        Ok(cases) => {
            for case in cases {
                one(text, tested, case);
            }
        }
        Err(wrong) => {
            let lines = match wrong {
                Wrong::Policy(problems) => problems
                    .iter()
                    .map(|problem| {
                        let problem = Problem::new(&tested.sources, tested.file, problem);
                        let place = problem
                            .place
                            .map(|it| format!(":{}:{}", it.line, it.column));
                        let place = place.unwrap_or_default();
                        let said = problem.lines().join("\n");
                        format!("{}{place}: {}: {said}", problem.file, problem.code)
                    })
                    .collect(),
                Wrong::Plan(message) => vec![message.clone()],
            };
            let message = "the policy cannot be used";
            let _ = writeln!(
                text,
                "    <testcase classname=\"{file}\" name=\"the policy\">\n      <error message=\"{message}\">{}</error>\n    </testcase>",
                escaped(&lines.join("\n"))
            );
        }
    }
    text.push_str("  </testsuite>\n");
}

fn one(text: &mut String, tested: &Tested<'_>, case: &Case) {
    let expect = match case.expect {
        Expect::Allow => "allow",
        Expect::Deny => "deny",
        Expect::Kill => "kill",
    };
    let _ = write!(
        text,
        "    <testcase classname=\"{file}\" name=\"{expect}: {}\" file=\"{file}\" line=\"{}\"",
        escaped(&case.sentence),
        case.line,
        file = escaped(tested.file),
    );
    let Some(differs) = &case.differs else {
        text.push_str("/>\n");
        return;
    };
    let problem = Problem::new(&tested.sources, tested.file, differs);
    let _ = writeln!(
        text,
        ">\n      <failure type=\"{}\" message=\"{}\">{}: {}</failure>\n    </testcase>",
        problem.code,
        escaped(problem.message),
        escaped(&case.place),
        escaped(&problem.lines().join("\n")),
    );
}

/// Text for XML 1.0, in an attribute or between tags. What XML cannot hold, or a terminal does not show as
/// itself, is written as Rust escapes it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push_str("&#10;");
        }
        for character in crate::report::escaped(line, usize::MAX).chars() {
            match character {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&apos;"),
                _ => out.push(character),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn no_text_is_markup_or_invalid() {
        assert_eq!(
            escaped("<a b='\"'>&\u{1}\u{ffff}]]>\nx"),
            "&lt;a b=&apos;&quot;&apos;&gt;&amp;\\u{1}\\u{ffff}]]&gt;&#10;x"
        );
    }
}
