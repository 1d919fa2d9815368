//! Problems as a SARIF 2.1.0 log, for code scanning.

use std::io::{self, Write};

use serde::Serialize;

use super::Checked;
use super::problem::Problem;
use crate::policy::{Code, Severity};
use crate::report;

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Finding>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: &'static str,
    short_description: Message<&'static str>,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: Severity,
}

#[derive(Serialize)]
struct Message<T> {
    text: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: &'static str,
    rule_index: usize,
    level: Severity,
    message: Message<String>,
    locations: [Location; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

pub fn print(checked: &[Checked<'_>], out: &mut dyn Write) -> io::Result<()> {
    let results = checked.iter().flat_map(|file| {
        let problems = file.diagnostics.iter();
        problems.map(|problem| {
            let index = Code::ALL.iter().position(|code| *code == problem.code);
            let problem = Problem::new(&file.sources, file.file, problem);
            finding(problem, index.unwrap_or_default())
        })
    });
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "jail",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: Code::ALL.iter().map(|code| rule(*code)).collect(),
                },
            },
            column_kind: "unicodeCodePoints",
            results: results.collect(),
        }],
    };
    out.write_all(&report::line(&log))?;
    out.flush()
}

fn rule(code: Code) -> Rule {
    Rule {
        id: code.id(),
        name: code.name(),
        short_description: Message {
            text: code.summary(),
        },
        default_configuration: Configuration {
            level: code.severity(),
        },
    }
}

fn finding(problem: Problem<'_>, rule_index: usize) -> Finding {
    let region = problem.place.map(|place| Region {
        start_line: place.line,
        start_column: place.column,
        end_line: place.end_line,
        end_column: place.end_column,
    });
    Finding {
        rule_id: problem.code,
        rule_index,
        level: problem.severity,
        message: Message {
            text: problem.lines().join("\n"),
        },
        locations: [Location {
            physical_location: Physical {
                artifact_location: Artifact {
                    uri: uri(problem.file, problem.preset),
                },
                region,
            },
        }],
    }
}

/// A path as a reference of RFC 3986. A relative one stays relative, to where jail was started.
fn uri(file: &str, preset: bool) -> String {
    let start = match file.as_bytes() {
        _ if preset => "preset:",
        [b'/', ..] => "file://",
        _ => "",
    };
    let mut text = start.to_owned();
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_valid_reference() {
        assert_eq!(uri("a/b c#%?.toml", false), "a/b%20c%23%25%3F.toml");
        assert_eq!(uri("/x/é:", false), "file:///x/%C3%A9%3A");
        assert_eq!(uri("base", true), "preset:base");
    }
}
