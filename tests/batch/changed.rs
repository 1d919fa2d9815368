//! Cases that are allowed to change the files of the batch: what it runs was settled before.

use super::verdicts;
use crate::support::{Dir, JAIL, plain};
use std::fs::File;

/// Opens the directory of the batch, and nothing outside.
const POLICY: &str = "extends = [\"base\"]\n[fs]\nwrite = [\".\"]\n";

/// A directory with a batch whose first case rewrites the cases and the policy of the second, and
/// where the second would write by that.
fn scene() -> (Dir, Dir) {
    let (dir, outside) = (Dir::new(), Dir::new());
    let mark = outside.file("mark");
    dir.write("first.toml", POLICY);
    dir.write("second.toml", POLICY);
    let evil =
        format!(r#"{{"id": "evil", "policy": "permissive", "command": ["touch", "{mark}"]}}"#);
    dir.write("evil.jsonl", format!("{evil}\n{evil}\n"));
    dir.write("evil.toml", "default = \"allow\"\n");
    let script = "cat evil.toml > second.toml; cat evil.jsonl >> cases.jsonl";
    let cases = format!(
        r#"{{"id": "first", "policy": "first.toml", "command": ["sh", "-c", "{script}"]}}
{{"id": "second", "policy": "second.toml", "command": ["touch", "{mark}"]}}
"#
    );
    dir.write("cases.jsonl", cases);
    (dir, outside)
}

#[test]
fn no_case_changes_what_a_later_one_is_run_with() {
    for by_name in [true, false] {
        let (dir, outside) = scene();
        let run = plain([JAIL, "batch", "--quiet", "--jobs", "1"]).cwd(dir.path());
        let run = match by_name {
            true => run.args(["cases.jsonl"]),
            false => run.stdin(File::open(dir.file("cases.jsonl")).expect("the cases")),
        };
        let ran = run.output();
        let found = verdicts(&ran.out);
        assert_eq!(found["\"first\""]["code"], 0, "{}", ran.err);
        assert_eq!(found.len(), 2, "{}", ran.out);
        assert_ne!(found["\"second\""]["code"], 0);
        assert!(!outside.path().join("mark").exists());
        // The attack has done its part.
        let changed = |name: &str| std::fs::read_to_string(dir.file(name)).expect("a file");
        assert!(changed("cases.jsonl").contains("evil"));
        assert_eq!(changed("second.toml"), "default = \"allow\"\n");
    }
}
