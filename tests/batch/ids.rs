//! What a case is known by, and what is no case.

use super::{Dir, JAIL, batch, fitting, plain, verdicts};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// By line: the id, how it ended, and the error.
fn by_line(out: &str) -> BTreeMap<u64, (String, String, String)> {
    let of = |line: &str| {
        let verdict = fitting("batch", line);
        let text = |key: &str| verdict[key].as_str().unwrap_or_default().to_owned();
        let line = verdict["line"].as_u64().expect("a line");
        let fields = (verdict["id"].to_string(), text("ending"), text("error"));
        (line, fields)
    };
    out.lines().map(of).collect()
}

const ODD: &str = r#"["x", ["true"]]
{"id": 4, "command": ["true"]}
{"command": ["true"]}
{"command": ["true"]}
{"id":"4","command":["true"]}
{"id":4.0,"command":["true"]}
{"command":["true"],"command":["false"]}
{"id":true,"command":["true"]}
{"id":1e3,"command":["true"]}
{"id":1000.0,"command":["true"]}
{"command": ["true"]}
{"id": 11, "command": ["true"]}
"#;

#[test]
fn an_array_is_no_case_and_a_case_without_an_id_is_run_whatever_ids_others_have() {
    let dir = Dir::new();
    let ran = batch(&dir, ODD, &["--jobs", "1"]);
    assert_eq!(ran.code(), Some(1), "{}", ran.err);
    let found = by_line(&ran.out);
    let expected = [
        (1, "null", "not-started", "an array where an object"),
        (2, "4", "exited", ""),
        (3, "3", "exited", ""),
        (4, "null", "exited", ""),
        (5, "\"4\"", "exited", ""),
        (
            6,
            "null",
            "not-started",
            "the id 4.0 is also the id of line 2",
        ),
        (7, "7", "not-started", "duplicate field"),
        (
            8,
            "null",
            "not-started",
            "`id` must be a string or a number",
        ),
        (9, "1000.0", "exited", ""),
        (10, "null", "not-started", "also the id of line 9"),
        (11, "null", "exited", ""),
        (12, "11", "exited", ""),
    ];
    assert_eq!(found.len(), expected.len());
    for (line, id, ending, error) in expected {
        let (is, ended, said) = &found[&line];
        assert_eq!(
            (is.as_str(), ended.as_str()),
            (id, ending),
            "{line}: {said}"
        );
        assert!(said.contains(error), "{line}: {said}");
    }
}

#[test]
fn cases_of_a_pipe_that_has_a_name_are_all_run() {
    let script = format!(
        "{JAIL} batch --policy base --jobs 2 <(printf '%s\\n' '{{\"command\":[\"true\"]}}' '{{\"command\":[\"true\"]}}')"
    );
    let ran = plain(["bash", "-c", &script]).output();
    let found = verdicts(&ran.out);
    ran.ends_with(0);
    assert_eq!(found.len(), 2);
}

#[test]
fn what_is_kept_may_be_base64_and_is_exact_then() {
    let dir = Dir::new();
    let cases = r#"{"id": "bytes", "command": ["printf", "\\377\\000\\n"]}
{"id": "err", "command": ["sh", "-c", "printf '\\201' >&2"]}
"#;
    let ran = batch(&dir, cases, &["--keep", "100", "--base64"]);
    let found = verdicts(&ran.out);
    ran.ends_with(0);
    let (bytes, err) = (&found["\"bytes\""], &found["\"err\""]);
    assert_eq!(bytes["stdout_base64"], "/wAK");
    assert_eq!(err["stderr_base64"], "gQ==");
    assert!(bytes.get("stdout").is_none() && err.get("stderr").is_none());
}

/// Cases that are refused take no time, and each needs its id to be known all the same.
#[test]
fn a_case_takes_little_memory_once_it_has_its_verdict() {
    let dir = Dir::new();
    let count = 60_000;
    for (id, most) in [("\"case-number-", 48), ("", 8)] {
        let mut cases = String::new();
        for n in 0..count {
            let quote = if id.is_empty() { "" } else { "\"" };
            let _ = writeln!(cases, "{{\"id\":{id}{n}{quote}}}");
        }
        let path = dir.write("cases.jsonl", cases);
        let script = format!("exec {JAIL} batch --policy base --jobs 1 {path}");
        let mut running = plain(["bash", "-c", &script]).start();
        let resident = |pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let status = status.unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse::<u64>().ok())
        };
        let lines = |out: &str| out.bytes().filter(|&byte| byte == b'\n').count();
        let mut early = None;
        running.until("a tenth", |it| {
            early = resident(it.pid()).or(early);
            lines(&it.out()) >= count / 10
        });
        let (mut late, mut seen) = (early, 0);
        running.until("the end", |it| {
            late = resident(it.pid()).or(late);
            seen += 1;
            std::thread::sleep(std::time::Duration::from_millis(50));
            it.has_ended()
        });
        let ran = running.finish();
        assert_eq!(lines(&ran.out), count, "{}", ran.err);
        let grown = late.expect("a look").saturating_sub(early.expect("a look")) * 1024;
        let each = grown / (count as u64 * 9 / 10);
        println!("{each} bytes a case with ids {id:?}, {seen} looks");
        assert!(each <= most, "{each} bytes a case with ids {id:?}");
    }
}
