//! Two hundred short commands, as an agent runs them: under the smallest tracer, in one jail around all, and each in
//! its own.

use crate::Result;
use crate::pairs::Rounds;
use crate::programs::Programs;
use crate::table::Table;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 7;
/// Two hundred commands: the four lines, fifty times.
const SCRIPT: &str = r#"
set -e
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 \
  26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50; do
  $1 grep -rn function src >/dev/null
  $1 sed -n 10,20p src/7.txt >/dev/null
  $1 git status --short >/dev/null
  $1 python3 -c 'print(sum(range(1000)))' >/dev/null
done
"#;

pub fn print(programs: &Programs) -> Result<()> {
    let place = programs.directory.join("project");
    fs::create_dir_all(place.join("src"))?;
    for file in 0..100 {
        let text = "a line of text\nfunction of a line\n".repeat(50);
        fs::write(place.join(format!("src/{file}.txt")), text)?;
    }
    let git = Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(&place)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .status();
    if !git.is_ok_and(|status| status.success()) {
        println!("NOT TRIED HERE: the session needs git\n");
        return Ok(());
    }
    let jail = [programs.jail.as_str(), "--policy", "workspace", "--"];
    let around = [&jail[..], &["sh", "-c", SCRIPT, "sh", ""]].concat();
    let each = jail.join(" ");
    let variants: [&[&str]; 4] = [
        &["sh", "-c", SCRIPT, "sh", ""],
        &[&programs.floor, "loop", "/bin/sh", "-c", SCRIPT, "sh", ""],
        &around,
        &["sh", "-c", SCRIPT, "sh", &each],
    ];
    let rounds = Rounds::interleave(ROUNDS, variants.len(), |variant| {
        let words = variants[variant];
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(&place);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let before = Instant::now();
        let status = command.status()?;
        let millis = before.elapsed().as_secs_f64() * 1e3;
        match status.success() {
            true => Ok(millis),
            false => Err(format!("a session ended with {status}").into()),
        }
    })?;
    let mut table = Table::new("200 short commands (grep, sed, git, python3), ms");
    table.add(
        &rounds,
        &[
            ("unjailed", None),
            ("floor: fork, seize, and follow all forks", None),
            ("one jail --policy workspace around all", None),
            ("each in a jail of its own", None),
        ],
    );
    table.print();
    let ratio = rounds.ratio(2, 0).median;
    let verdict = if ratio <= AROUND { "met" } else { "missed" };
    println!("around all, to unjailed: {ratio:.3}, target ≤ {AROUND} {verdict}");
    let floor = rounds.ratio(1, 0).median;
    println!("floor, to unjailed: {floor:.3}\n");
    Ok(())
}

/// At most this times the session unjailed.
const AROUND: f64 = 1.05;
