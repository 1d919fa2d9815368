//! Runs the cells: once without a jail, once in each, and compares.

use super::contract::{Place, Verdict, broken, policy, verdict};
use super::table;
use super::tree::{Snapshot, prepare, snapshot};
use crate::support::landlock::lacks;
use crate::support::part::Part;
use crate::support::{Dir, Ran, Run, Running, example, is_root, jail, plain, writing_programs};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// A row of `files calls`.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    pub wants: String,
    pub access: String,
    pub other: String,
}

/// The ways to name a path.
pub const VARIANTS: &[&str] = &[
    "absolute",
    "relative",
    "dirfd",
    "symlink",
    "final",
    "proc-root",
    "proc-fd",
];

/// One call on one path. Its number is the same in every run.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub number: usize,
    pub call: &'static Call,
    pub variant: &'static str,
    pub place: Place,
}

impl Cell {
    /// The numbers of its call, variant and place.
    fn way(&self) -> [usize; 3] {
        let (places, variants) = (super::ALL.len(), VARIANTS.len());
        let row = self.number / places;
        [row / variants, row % variants, self.number % places]
    }
}

/// How a run went.
struct Outcome {
    answers: BTreeMap<usize, String>,
    before: Snapshot,
    after: Snapshot,
}

/// Panics unless every cell of these places is as promised.
#[track_caller]
pub fn hold(title: &str, landlock: Option<&str>, places: &[Place]) {
    if lacks(landlock) {
        return;
    }
    let outside = outside();
    let applicable = |cell: &&Cell| {
        outside
            .answers
            .get(&cell.number)
            .is_some_and(|a| a != "n/a")
    };
    let cells: Vec<Cell> = cells()
        .iter()
        .filter(|cell| places.contains(&cell.place))
        .filter(applicable)
        .copied()
        .collect();
    let inside = run(&cells, |root, scratch| {
        let policy = scratch.write("policy.toml", policy(root, places));
        let run = jail(["--quiet", "--policy", &policy, "--", &files(), "batch"]);
        match landlock {
            Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
            None => run,
        }
    });
    println!("{}", table::table(title, places, &inside.answers));

    let mut wrong = table::Mismatches::default();
    for cell in &cells {
        let answer = |outcome: &Outcome| outcome.answers.get(&cell.number).cloned();
        let (Some(got), Some(reference)) = (answer(&inside), answer(outside)) else {
            panic!("no answer for {cell:?}");
        };
        let verdict = verdict(cell.call, cell.place, places);
        if let Some(expected) = broken(verdict, &cell.call.name, &reference, &got) {
            wrong.add(cell, &expected, &got);
        } else if let Some(effect) = effect(cell, verdict, &inside, outside) {
            wrong.add(cell, effect, &got);
        }
    }
    wrong.none(title, cells.len());
}

/// What is wrong with what has become of a cell's paths.
fn effect(
    cell: &Cell,
    verdict: Verdict,
    inside: &Outcome,
    outside: &Outcome,
) -> Option<&'static str> {
    let before = inside.before.get(&cell.number);
    let after = inside.after.get(&cell.number);
    if verdict != Verdict::Allowed || cell.call.access != "write" {
        return (before != after).then_some("nothing changed");
    }
    let shapes = |snapshot: &Snapshot| {
        let paths = snapshot.get(&cell.number).cloned().unwrap_or_default();
        let shapes = paths.into_iter().map(|(path, state)| (path, state.shape));
        shapes.collect::<Vec<_>>()
    };
    (shapes(&inside.after) != shapes(&outside.after)).then_some("the effect that it has outside")
}

/// The run without a jail, of all cells that are asked for, with as few capabilities as a jail has.
fn outside() -> &'static Outcome {
    static OUTSIDE: OnceLock<Outcome> = OnceLock::new();
    OUTSIDE.get_or_init(|| {
        let part = Part::asked();
        let asked = |cell: &&Cell| part.has(cell.way());
        let asked: Vec<Cell> = cells().iter().filter(asked).copied().collect();
        let outside = run(&asked, |_, _| {
            if is_root() {
                let none = [
                    "--bounding-set=-all",
                    "--inh-caps=-all",
                    "--ambient-caps=-all",
                ];
                plain(["setpriv"]).args(none).args([&files(), "batch"])
            } else {
                plain([&files(), "batch"])
            }
        });
        println!("{}", table::table("no jail", super::ALL, &outside.answers));
        outside
    })
}

/// Makes the victims, lets `command` make the calls, and looks.
fn run(cells: &[Cell], command: impl FnOnce(&Path, &Dir) -> Run) -> Outcome {
    let tree = Dir::new();
    let scratch = Dir::new();
    let root = tree.path();
    let open = |path: String| File::open(path).expect("what was just written");
    let (jobs, marked) = {
        let _writing = writing_programs();
        prepare(&tree, cells)
    };
    let jobs = open(scratch.write("jobs", jobs));
    let marked = open(scratch.write("marked", marked));
    let marked = start(plain([files(), "mark".to_owned()]).stdin(marked))
        .finish()
        .ends_with(0);
    if !marked.out.is_empty() && marked.out.lines().all(|line| line == "EOPNOTSUPP") {
        println!("NOT TRIED HERE: extended attributes: this file system has none");
    } else {
        marked.says("");
    }
    let before = snapshot(root);
    let command = command(root, &scratch)
        .stdin(jobs)
        .env("FILES_LINKS", root.join("links"))
        .env("FILES_OTHER", root.join("other"));
    let ran = start(command).finish().ends_with(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    if lines.len() != cells.len() {
        fail(&ran, lines.len(), cells);
    }
    let answers = cells.iter().map(|cell| cell.number);
    Outcome {
        answers: answers.zip(lines.into_iter().map(str::to_owned)).collect(),
        before,
        after: snapshot(root),
    }
}

fn start(run: Run) -> Running {
    run.timeout(Duration::from_secs(600)).start()
}

fn fail(ran: &Ran, lines: usize, cells: &[Cell]) -> ! {
    let last = cells.get(lines);
    ran.fail(&format!(
        "{lines} answers to {} calls, the next was {last:?}",
        cells.len()
    ))
}

/// All cells of the matrix.
fn cells() -> &'static [Cell] {
    static CELLS: OnceLock<Vec<Cell>> = OnceLock::new();
    CELLS.get_or_init(|| {
        let mut cells = vec![];
        for call in calls() {
            for &variant in VARIANTS {
                for &place in super::ALL {
                    let number = cells.len();
                    cells.push(Cell {
                        number,
                        call,
                        variant,
                        place,
                    });
                }
            }
        }
        cells
    })
}

/// The number of a cell.
pub fn number(call: usize, variant: usize, place: Place) -> usize {
    let all = super::ALL;
    let place = all.iter().position(|&known| known == place);
    (call * VARIANTS.len() + variant) * all.len() + place.unwrap_or_default()
}

/// The calls that the probe knows.
pub fn calls() -> &'static [Call] {
    static CALLS: OnceLock<Vec<Call>> = OnceLock::new();
    CALLS.get_or_init(|| {
        let listed = plain([files(), "calls".to_owned()]).output().ends_with(0);
        let row = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let &[name, wants, access, other] = words.as_slice() else {
                panic!("`files calls` says {line:?}");
            };
            let [name, wants, access, other] = [name, wants, access, other].map(str::to_owned);
            Call {
                name,
                wants,
                access,
                other,
            }
        };
        listed.out.lines().map(row).collect()
    })
}

/// The probe program.
fn files() -> String {
    example("files")
}
