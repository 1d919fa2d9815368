//! From a submission to a program that is ready to run, in a directory of its own.

use crate::case;
use crate::problem::Entry;
use crate::verdict::{Judged, Verdict};
use jail::{Ending, Limits, Policy};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A program, its directory, and the policy that it runs under.
pub struct Program {
    pub command: Vec<String>,
    pub policy: Policy,
    pub place: Place,
}

/// Copies the source into a new directory, and compiles it there under the compiler's policy.
///
/// # Errors
/// The verdict where there is nothing to run: CE, or IE if the judge itself failed.
pub fn compile(entry: &Entry, policies: &Path) -> Result<Program, Judged> {
    let failed = |why: String| Judged::only(Verdict::IE, why);
    let place = Place::new().map_err(|error| failed(format!("no directory for it: {error}")))?;
    let ending = entry
        .source
        .extension()
        .unwrap_or_default()
        .to_string_lossy();
    fs::copy(&entry.source, place.path().join(format!("source.{ending}")))
        .map_err(|error| failed(format!("cannot read {}: {error}", entry.source.display())))?;

    let policy = |name: &str| {
        let file = policies.join(format!("{name}.toml"));
        case::policy(&file, place.path()).map_err(|problems| failed(problems.to_string()))
    };

    if let Some(compiler) = entry.language.compiler() {
        let compiler: Vec<String> = compiler.iter().map(|&word| word.to_owned()).collect();
        let (policy, limits) = (policy("compiler")?, Limits::new());
        let ran = case::run_case(&policy, &limits, &compiler, place.path(), b"")
            .map_err(|error| failed(error.to_string()))?;
        let ended = (ran.verdict.ending, ran.verdict.code);
        if ended != (Ending::Exited, Some(0)) {
            let errors = String::from_utf8_lossy(&ran.stderr);
            return Err(Judged::only(Verdict::CE, first_error(&errors, ended.0)));
        }
    }
    Ok(Program {
        command: entry.language.command().map_err(failed)?,
        policy: policy(entry.language.name())?,
        place,
    })
}

/// The line of the compiler's output that says most, or how the compiler ended.
fn first_error(output: &str, ending: Ending) -> String {
    match output.lines().find(|line| line.contains("error")) {
        Some(line) => line.trim().to_owned(),
        None => format!("the compiler ended: {ending:?}"),
    }
}

/// A directory that is removed when nobody needs it any more.
pub struct Place(PathBuf);

impl Place {
    fn new() -> std::io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("judge-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                // Left behind by a judge that was killed, of a process with the same id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return made.and_then(|()| path.canonicalize()).map(Self),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
