//! Problems as they lie in directories:
//!
//! ```text
//! PROBLEM/judge.toml           its limits, if they are not the usual ones
//! PROBLEM/cases/NAME/in        what a solution reads
//! PROBLEM/cases/NAME/expected  what it shall write
//! PROBLEM/submissions/…        solutions, where none are named
//! ```

use crate::language::Language;
use crate::limits;
use jail::Limits;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A problem, with all its cases in memory: no jail needs to see them.
pub struct Problem {
    pub name: String,
    pub limits: Limits,
    pub cases: Vec<Case>,
}

/// A test case.
pub struct Case {
    pub name: String,
    pub input: Vec<u8>,
    pub expected: Vec<u8>,
}

/// A submission for a problem.
pub struct Entry {
    pub problem: Arc<Problem>,
    pub source: PathBuf,
    pub language: Language,
}

/// All submissions, those of each problem in order. `named` are files or directories of them.
pub fn entries(dir: &Path, named: &[PathBuf]) -> Result<Vec<Entry>, String> {
    let problems = match dir.join("cases").is_dir() {
        true => vec![dir.to_owned()],
        false => children(dir)?
            .into_iter()
            .filter(|path| path.join("cases").is_dir())
            .collect(),
    };
    match problems.len() {
        0 => return Err(format!("{} holds no problem: no NAME/cases", dir.display())),
        1 => {}
        _ if named.is_empty() => {}
        _ => return Err("submissions are for one problem: name its directory".to_owned()),
    }
    let mut entries = Vec::new();
    for dir in problems {
        let problem = Arc::new(read(&dir)?);
        let own = [dir.join("submissions")];
        for place in if named.is_empty() { &own[..] } else { named } {
            for source in sources(place)? {
                let language = Language::of(&source)
                    .ok_or_else(|| format!("{}: no language has this ending", source.display()))?;
                let problem = Arc::clone(&problem);
                entries.push(Entry {
                    problem,
                    source,
                    language,
                });
            }
        }
    }
    Ok(entries)
}

fn read(dir: &Path) -> Result<Problem, String> {
    let mut cases = Vec::new();
    for path in children(&dir.join("cases"))? {
        let file = |name| {
            let path = path.join(name);
            std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        cases.push(Case {
            name: name(&path),
            input: file("in")?,
            expected: file("expected")?,
        });
    }
    Ok(Problem {
        name: name(dir),
        limits: limits::of(dir)?,
        cases,
    })
}

fn sources(place: &Path) -> Result<Vec<PathBuf>, String> {
    if place.is_dir() {
        children(place)
    } else {
        Ok(vec![place.to_owned()])
    }
}

/// What lies in a directory, in order.
fn children(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error| format!("cannot read {}: {error}", dir.display());
    let entries = std::fs::read_dir(dir).map_err(unreadable)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    name.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
