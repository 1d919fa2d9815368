//! One case of a batch: parses a line of JSON.

use crate::policy::Limits;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The fields of a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// The id of its verdict; see [`Named`].
    #[serde(default)]
    pub id: Option<Value>,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// A preset or a file, instead of `--policy`.
    #[serde(default)]
    pub policy: Option<String>,
    /// The working directory.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// Environment variables to set.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its stdin, as text.
    #[serde(default)]
    pub stdin: Option<String>,
    /// The file for its stdin.
    #[serde(default)]
    pub stdin_file: Option<PathBuf>,
    /// The file for its stdout.
    #[serde(default)]
    pub stdout_file: Option<PathBuf>,
    /// The file for its stderr.
    #[serde(default)]
    pub stderr_file: Option<PathBuf>,
    /// Limits, each replacing the policy's.
    #[serde(default)]
    pub limits: BTreeMap<String, Value>,
}

/// A case's own policy, and the directory that the case names.
pub type Policy = (String, Option<PathBuf>);

/// The policy that a line names, if it names one.
pub fn policy(line: &[u8]) -> Option<Policy> {
    #[derive(Deserialize)]
    struct Fields {
        policy: Option<String>,
        cwd: Option<PathBuf>,
    }
    let fields: Fields = object(line).ok()?;
    Some((fields.policy?, fields.cwd))
}

/// How the verdict of a line is identified, even if the line has other errors.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// By its `id`.
    Id(Value),
    /// By the number of its line: it has no `id`.
    Line,
    /// It is not an object, or its `id` is invalid.
    Wrong,
}

impl Named {
    /// Reads it from a line.
    pub fn read(line: &[u8]) -> Named {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            id: Option<Value>,
        }
        match object(line) {
            Ok(Fields { id: None }) => Named::Line,
            Ok(Fields { id: Some(id) }) if id.is_string() || id.is_number() => Named::Id(id),
            _ => Named::Wrong,
        }
    }
}

/// Parses a JSON object. serde alone would also accept an array, as the object's values in order.
///
/// # Errors
/// If it is not such an object.
pub fn object<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(serde::de::Error::custom(
            "an array where an object is expected, such as {\"command\": [\"true\"]}",
        ));
    }
    serde_json::from_slice(text)
}

impl Case {
    /// Parses a line.
    ///
    /// # Errors
    /// A message about what is wrong.
    pub fn read(line: &[u8]) -> Result<Case, String> {
        let line = std::str::from_utf8(line).map_err(|error| {
            format!(
                "it is not UTF-8 text from byte {} on",
                error.valid_up_to() + 1
            )
        })?;
        let case: Case = object(line.as_bytes()).map_err(|error| {
            // There is only one line, and the caller knows its number.
            let text = error.to_string();
            let place = format!(" at line 1 column {}", error.column());
            match text.strip_suffix(&place) {
                Some(what) => format!("{what} (column {})", error.column()),
                None => text,
            }
        })?;
        match &case.id {
            None | Some(Value::String(_) | Value::Number(_)) => {}
            Some(other) => return Err(format!("`id` must be a string or a number, not {other}")),
        }
        if case.command.is_empty() {
            return Err("`command` is empty; write [\"program\", \"argument\"]".to_owned());
        }
        if case.stdin.is_some() && case.stdin_file.is_some() {
            return Err("`stdin` and `stdin-file` cannot both be given".to_owned());
        }
        let mut names = case.env.keys();
        if let Some(name) = names.find(|name| name.is_empty() || name.contains('=')) {
            return Err(format!(
                "`env`: {name:?} is not a variable name; write {{\"NAME\": \"value\"}}"
            ));
        }
        Ok(case)
    }

    /// Its limits.
    ///
    /// # Errors
    /// A message about what is wrong.
    pub fn limits(&self) -> Result<Limits, String> {
        let mut limits = Limits::new();
        for (key, value) in &self.limits {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                other => {
                    return Err(format!(
                        "`limits.{key}` must be a string or a number, not {other}"
                    ));
                }
            };
            limits
                .set(key, &text)
                .map_err(|message| format!("`limits`: {message}"))?;
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::LimitKind;

    #[test]
    fn a_line_is_read_and_a_wrong_one_says_what_is_wrong() {
        let case = Case::read(
            br#"{"id": 7, "command": ["true"], "limits": {"wall": "2s", "processes": 3}}"#,
        );
        let case = case.expect("a case");
        assert_eq!(case.command, ["true"]);
        let limits = case.limits().expect("limits");
        assert_eq!(limits.number(LimitKind::Processes), Some(3));
        for (line, message) in [
            (
                "{\"command\": [\"true\"]",
                "EOF while parsing an object (column 20)",
            ),
            ("{}", "missing field `command` (column 2)"),
            ("{\"command\": []}", "`command` is empty"),
            ("{\"command\": \"true\"}", "expected a sequence"),
            (
                "{\"command\": [\"true\"], \"comand\": 1}",
                "unknown field `comand`",
            ),
            ("[\"x\", [\"true\"]]", "an array where an object"),
            (" [\"x\", [\"true\"]]", "an array where an object"),
            (
                "{\"command\": [\"true\"], \"id\": []}",
                "`id` must be a string or a number",
            ),
            (
                "{\"command\": [\"true\"], \"stdin\": \"\", \"stdin-file\": \"x\"}",
                "cannot both be given",
            ),
            (
                "{\"command\": [\"true\"], \"env\": {\"A=B\": \"\"}}",
                "`env`: \"A=B\" is not a variable name",
            ),
        ] {
            let said = Case::read(line.as_bytes()).expect_err("an error");
            assert!(said.contains(message), "{said}");
        }
        for (limits, message) in [
            ("{\"wal\": \"2s\"}", "did you mean `wall`?"),
            ("{\"wall\": \"2\"}", "has no unit"),
            ("{\"processes\": 0}", "at least 1"),
            ("{\"wall\": null}", "a string or a number"),
        ] {
            let line = format!("{{\"command\": [\"true\"], \"limits\": {limits}}}");
            let said = Case::read(line.as_bytes()).expect("a case").limits();
            let said = said.expect_err("an error");
            assert!(said.contains(message), "{said}");
        }
    }
}
