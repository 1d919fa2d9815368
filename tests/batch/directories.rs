//! Cases with a directory of their own: each uses its own and no other, however the policy gets there.

use super::verdicts;
use crate::support::{Dir, JAIL, plain};
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// More than the policies that a batch keeps.
const COUNT: usize = 70;

#[test]
fn each_case_uses_its_own_directory_and_no_other() {
    // Of the first, only `.` depends on the directory; of the second also what is beneath; of the third nothing.
    for (text, own) in [
        ("[fs]\nread = [\".\"]\nwrite = [\".\"]\n", true),
        (
            "[fs]\nread = [\"./own\"]\nwrite = [\"./new\", \"./own\"]\n",
            true,
        ),
        ("", false),
    ] {
        let dir = Dir::new();
        let policy = dir.write("batch.toml", format!("extends = [\"base\"]\n{text}"));
        let mut cases = String::new();
        for number in 0..COUNT {
            dir.write(&format!("c{number}/own"), format!("own {number}"));
            dir.write(&format!("c{number}/new"), "");
            let before = (number + COUNT - 1) % COUNT;
            let script = format!(
                "cat own; echo x > new && echo; cat ../c{before}/own; echo x > ../c{before}/new"
            );
            let _ = writeln!(
                cases,
                r#"{{"id": {number}, "command": ["sh", "-c", "{script}"], "cwd": "c{number}"}}"#
            );
        }
        let cases = dir.write("cases.jsonl", cases);
        let words = [JAIL, "batch", "--policy", &policy, "--keep", "100", &cases];
        let ran = plain(words).cwd(dir.path()).output();
        let found = verdicts(&ran.out);
        assert_eq!(found.len(), COUNT, "{}", ran.err);
        for (id, verdict) in found {
            let expected = match own {
                true => format!("own {id}\n"),
                false => String::new(),
            };
            assert_eq!(verdict["stdout"], expected, "{text}: {verdict}");
        }
    }
}

#[test]
fn a_directory_that_is_made_anew_is_used_by_the_next_case() {
    let dir = Dir::new();
    let policy = dir.write("batch.toml", "extends = [\"base\"]\n[fs]\nread = [\".\"]\n");
    let all = "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"/\"]\n";
    let all = dir.write("all.toml", all);
    dir.write("case/text", "before");
    let anew = "mv case old; mkdir case; echo after > case/text";
    let cases = format!(
        r#"{{"id": 1, "command": ["cat", "text"], "cwd": "case"}}
{{"id": 2, "command": ["sh", "-c", "{anew}"], "policy": "{all}"}}
{{"id": 3, "command": ["cat", "text"], "cwd": "case"}}
"#
    );
    let cases = dir.write("cases.jsonl", cases);
    let words = [JAIL, "batch", "--policy", &policy, "--jobs", "1"];
    let ran = plain(words)
        .args(["--keep", "100", &cases])
        .cwd(dir.path())
        .output();
    let found = verdicts(&ran.out);
    assert_eq!(found["1"]["stdout"], "before");
    assert_eq!(found["2"]["code"], 0, "{}", found["2"]);
    assert_eq!(found["3"]["stdout"], "after\n", "{}", found["3"]);
}

/// Commands of one plan inherit that they have no capabilities, which the batch may need to enter the directory.
#[test]
fn root_may_name_a_directory_that_belongs_to_another_user() {
    if !nix::unistd::geteuid().is_root() {
        println!("NOT TRIED HERE: only root can enter it");
        return;
    }
    let dir = Dir::new();
    let mut cases = String::new();
    for number in 0..6 {
        dir.write(&format!("c{number}/file"), "");
        let own = dir.path().join(format!("c{number}"));
        std::fs::set_permissions(&own, Permissions::from_mode(0o700)).expect("chmod");
        // Every other directory is root's own.
        if number % 2 == 1 {
            std::os::unix::fs::chown(&own, Some(65534), Some(65534)).expect("chown");
        }
        let _ = writeln!(
            cases,
            r#"{{"id": {number}, "command": ["readlink", "/proc/self/cwd"], "cwd": "c{number}"}}"#
        );
    }
    let cases = dir.write("cases.jsonl", cases);
    let words = [
        JAIL,
        "batch",
        "--policy",
        "permissive",
        "--jobs",
        "1",
        "--keep",
        "100",
    ];
    let ran = plain(words).args([&cases]).cwd(dir.path()).output();
    let found = verdicts(&ran.out);
    assert_eq!(found.len(), 6, "{}", ran.err);
    for (id, verdict) in found {
        let own = dir.path().join(format!("c{id}"));
        let expected = format!("{}\n", own.display());
        assert_eq!(verdict["stdout"], expected, "{verdict}");
    }
}
