//! One open and close, by what is opened and who else is in the jail.

use crate::Result;
use crate::affinity::on_one_cpu;
use crate::pairs::{Rounds, inner};
use crate::programs::{Programs, command};
use crate::stats;
use crate::table::{self, Compare, Line};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// At most this times the floor's one stop: an open that is judged and goes on as it is, of a file where
/// only root may rename, or of one that is not there.
const AS_IT_IS: Option<f64> = Some(1.6);
/// At most this times the floor's one stop: an open whose path is pinned.
const PINNED: Option<f64> = Some(2.2);

const ROUNDS: usize = 30;
const OPENS: u32 = 1000;
const MICROSECOND: f64 = 1e3;

/// A system's file, deep enough to be like the many that programs open.
const SYSTEM: [&str; 2] = ["/usr/include/stdio.h", "/etc/passwd"];

struct Case {
    title: &'static str,
    company: &'static str,
    found: &'static str,
    path: PathBuf,
    target: Option<f64>,
}

/// Every case, on one CPU and wherever the scheduler likes.
pub fn print(programs: &Programs) -> Result<()> {
    programs.policies(&[])?;
    println!(
        "open and close, µs each; what is added to the unjailed time as a ratio to what the floor adds\n"
    );
    for case in &cases(programs)? {
        let lines = lines(programs, case)?;
        let title = |place| format!("{}, {}, {place}", case.title, case.company);
        let rounds = on_one_cpu(|| measure(programs, case))?;
        table::print(&title("one CPU"), &rounds, Compare::Added, &lines);
        let lines = lines.map(|line| Line::new(line.label, None));
        let rounds = measure(programs, case)?;
        table::print(&title("any CPU"), &rounds, Compare::Added, &lines);
    }
    Ok(())
}

fn cases(programs: &Programs) -> Result<Vec<Case>> {
    let folder = Path::new("src").join("module");
    for tree in [&programs.work, &programs.fixed] {
        fs::create_dir_all(tree.join(&folder))?;
        fs::write(tree.join(&folder).join("file.c"), "int x;\n")?;
    }
    let file = |tree: &Path| tree.join(&folder).join("file.c");
    let missing = |tree: &Path| tree.join(&folder).join("missing.c");
    let system = SYSTEM.iter().map(PathBuf::from).find(|path| path.exists());
    let case = |title, company, found, path, target| Case {
        title,
        company,
        found,
        path,
        target,
    };
    // Both lie beneath a directory in which others than root may rename.
    let (work, fixed) = (&programs.work, &programs.fixed);
    Ok(vec![
        case(
            "file, read-only tree",
            "alone",
            "found",
            file(fixed),
            PINNED,
        ),
        case("file, writable tree", "alone", "found", file(work), PINNED),
        case(
            "no such file, writable tree",
            "alone",
            "missing",
            missing(work),
            AS_IT_IS,
        ),
        case("file, writable tree", "beside", "found", file(work), PINNED),
        case(
            "no such file, writable tree",
            "beside",
            "missing",
            missing(work),
            PINNED,
        ),
        case(
            "file, read-only tree",
            "beside",
            "found",
            file(fixed),
            PINNED,
        ),
        case(
            "no such file, read-only tree",
            "beside",
            "missing",
            missing(fixed),
            AS_IT_IS,
        ),
        case(
            "file of the system",
            "beside",
            "found",
            system.ok_or("no file of the system")?,
            AS_IT_IS,
        ),
    ])
}

impl Programs {
    /// What stands before the workload.
    fn variants(&self) -> [Vec<&str>; 5] {
        let jail = |policy| vec![&self.jail, "--quiet", "--stats", "--policy", policy, "--"];
        [
            vec![],
            vec![&self.floor, "stop"],
            vec![&self.floor, "pin"],
            jail(&self.subtrees),
            jail(&self.pattern),
        ]
    }

    fn words<'a>(
        &'a self,
        before: &[&'a str],
        case: &'a Case,
        count: &'a str,
    ) -> Result<Vec<&'a str>> {
        let path = case.path.to_str().ok_or("a path that is no text")?;
        let probe = [&self.this, "probe", case.company, case.found, path, count];
        Ok([before, &probe].concat())
    }
}

fn measure(programs: &Programs, case: &Case) -> Result<Rounds> {
    let variants = programs.variants();
    let count = OPENS.to_string();
    Rounds::interleave(ROUNDS, variants.len(), |variant| {
        Ok(inner(&programs.words(&variants[variant], case, &count)?)? / MICROSECOND)
    })
}

/// The lines, with jail's stops for each open: those of many opens, less those of none.
fn lines(programs: &Programs, case: &Case) -> Result<[Line; 5]> {
    let variants = programs.variants();
    let stops = |variant: usize, count: u32| {
        let count = count.to_string();
        let words = programs.words(&variants[variant], case, &count)?;
        let output = command(&words).stderr(Stdio::piped()).output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let stops = stats::for_paths(&text);
        stops.ok_or_else(|| Box::<dyn Error>::from(format!("{}: {text}", words.join(" "))))
    };
    let mut lines = [
        Line::new("unjailed", None),
        Line::new("floor: stop, read, continue", None),
        Line::new("floor with a second stop, after the call", None),
        Line::new("jail, subtrees", None),
        Line::new("jail, a denied pattern", case.target),
    ];
    for variant in [3, 4] {
        let (many, none) = (stops(variant, OPENS)?, stops(variant, 0)?);
        let each = |kind: usize| (many[kind] - none[kind]) / f64::from(OPENS);
        let (stops, returns) = (each(0), each(1));
        lines[variant].remark = format!("stops an open: {stops:.2}, and after it: {returns:.2}");
    }
    Ok(lines)
}
