//! `--denials FILE` or `--denials fd:N`.

use super::Run;
use super::target::{descriptor, not_open, passed};
use crate::report::evidence::{self, Content};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Opens the file, and returns its name in messages.
///
/// # Errors
/// Why it cannot be used, as a message.
pub(super) fn open(run: &Run, target: &OsStr) -> Result<(File, String), String> {
    let name = target.to_string_lossy().into_owned();
    if let Some(fd) = passed(run, Some(target)) {
        return Err(format!(
            "--pass-fd {fd} would give the denials to the command, which could then forge them"
        ));
    }
    if matches!(target.as_bytes(), b"fd:0" | b"fd:1" | b"fd:2") {
        return Err(format!(
            "--denials {name}: the command also has this descriptor and could forge denials; \
             open another one, as in `3>denials.jsonl`"
        ));
    }
    let same = |other: Option<&OsStr>| other == Some(target);
    if same(run.log.as_deref())
        || same(run.report.as_deref())
        || run
            .policy
            .named()
            .iter()
            .any(|policy| same(Some(OsStr::new(policy))))
    {
        return Err(format!(
            "--denials {name} would replace the log, the report or the policy of that name; name another file"
        ));
    }
    match descriptor(target) {
        Some(Some(file)) => Ok((file, name)),
        Some(None) => Err(not_open("--denials", target, "denials.jsonl")),
        None => match evidence::open(Path::new(target), Content::ReplacedByALog) {
            Ok(file) => Ok((file, name)),
            Err(error) => Err(format!("--denials {name}: cannot write it: {error}")),
        },
    }
}
