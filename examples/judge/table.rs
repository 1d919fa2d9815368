//! The verdicts, as a table for people or as JSON for programs.

use crate::problem::Entry;
use crate::verdict::{Judged, Verdict};
use serde::Serialize;

/// What is known of a submission.
#[derive(Serialize)]
pub struct Row {
    problem: String,
    submission: String,
    language: &'static str,
    verdict: Verdict,
    /// The case that decided, and why.
    note: String,
    /// Of all cases the most.
    cpu: f64,
    wall: f64,
    memory: u64,
    cases: Vec<CaseRow>,
}

#[derive(Serialize)]
struct CaseRow {
    case: String,
    #[serde(flatten)]
    judged: Judged,
}

impl Row {
    /// Of a submission that nothing has spoken against so far.
    pub fn new(entry: &Entry) -> Self {
        let name = entry.source.file_name().unwrap_or_default();
        Self {
            problem: entry.problem.name.clone(),
            submission: name.to_string_lossy().into_owned(),
            language: entry.language.name(),
            verdict: Verdict::AC,
            note: String::new(),
            cpu: 0.0,
            wall: 0.0,
            memory: 0,
            cases: Vec::new(),
        }
    }

    /// Adds a case, in their order. The first that is not accepted decides, and is the last that counts.
    pub fn add(&mut self, case: &str, judged: Judged) {
        if self.verdict != Verdict::AC {
            return;
        }
        if judged.verdict != Verdict::AC {
            self.verdict = judged.verdict;
            self.note = match judged.note.as_str() {
                "" => case.to_owned(),
                why => format!("{case}: {why}"),
            };
        }
        self.cpu = self.cpu.max(judged.cpu);
        self.wall = self.wall.max(judged.wall);
        self.memory = self.memory.max(judged.memory);
        self.cases.push(CaseRow {
            case: case.to_owned(),
            judged,
        });
    }

    /// Whether the verdict is one on the submission.
    pub fn is_judged(&self) -> bool {
        self.verdict != Verdict::IE
    }
}

/// Prints all of them.
pub fn print(rows: &[Row], json: bool) {
    if json {
        match serde_json::to_string_pretty(rows) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("judge: {error}"),
        }
        return;
    }
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max();
    let problem = width(|row| &row.problem).unwrap_or(0).max("problem".len());
    let name = width(|row| &row.submission)
        .unwrap_or(0)
        .max("submission".len());
    println!(
        "{:problem$}  {:name$}  {:8}  {:7}  {:>7}  {:>9}  note",
        "problem", "submission", "language", "verdict", "cpu", "memory"
    );
    for row in rows {
        let memory = row.memory as f64 / f64::from(1 << 20);
        let line = format!(
            "{:problem$}  {:name$}  {:8}  {:7}  {:>6.2}s  {:>5.1} MiB  {}",
            row.problem,
            row.submission,
            row.language,
            format!("{:?}", row.verdict),
            row.cpu,
            memory,
            row.note
        );
        println!("{}", line.trim_end());
    }
}
