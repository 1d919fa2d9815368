//! Who made a denied call, and the call in words.

use super::owned;
use super::text::PathFacts;
use crate::judge::varying::Run;
use crate::paths::Access;
use crate::supervise::{Denial, Object, PeerObject};
use crate::trace::Tid;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Who made a call, and the call in words: read from the process only if it is wanted.
pub struct Witness {
    pub pid: Tid,
    pub tid: Tid,
    pub ancestry: Vec<String>,
    pub call: String,
    pub path: Option<PathFacts>,
    pub access: Option<Access>,
    pub peer: Option<PeerObject>,
    /// The path as a policy names it.
    pub own: Vec<u8>,
    /// What is known of the run, for what to change.
    pub run: Run,
}

impl Witness {
    /// What the denial tells.
    pub fn of(denial: &Denial<'_>) -> Self {
        let own = match &denial.object {
            Some(Object::Path(object)) => denial.own(&object.resolved),
            _ => Vec::new(),
        };
        let named = match &denial.object {
            Some(Object::Path(object)) => object.resolved.as_slice(),
            Some(Object::Peer(object)) => object.to.as_bytes(),
            None => &[],
        };
        let link = match &denial.object {
            Some(Object::Path(object)) => {
                Path::new(OsStr::from_bytes(&object.resolved)).is_symlink()
            }
            _ => false,
        };
        Self {
            run: Run {
                link,
                processes: numbers(named)
                    .filter(|number| denial.is_task(*number))
                    .collect(),
                ..surroundings()
            },
            own,
            pid: denial.pid(),
            tid: denial.tid,
            ancestry: owned(denial.program().ancestry()),
            call: denial.text(),
            access: match &denial.object {
                Some(Object::Path(object)) => Some(object.access),
                _ => None,
            },
            path: match &denial.object {
                Some(Object::Path(object)) => Some(PathFacts {
                    access: object.access.word(),
                    given: String::from_utf8_lossy(&object.given).into_owned(),
                    resolved: String::from_utf8_lossy(&object.resolved).into_owned(),
                }),
                _ => None,
            },
            peer: match &denial.object {
                Some(Object::Peer(object)) => Some(object.clone()),
                _ => None,
            },
        }
    }
}

/// The numbers in a text.
fn numbers(text: &[u8]) -> impl Iterator<Item = Tid> + '_ {
    let digits = text.split(|byte| !byte.is_ascii_digit());
    digits.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}

/// Where this process starts, and where its caller's temporary files go.
fn surroundings() -> Run {
    let tmpdir = std::env::var_os("TMPDIR").map(PathBuf::from);
    let tmpdir = tmpdir.filter(|path| path.is_absolute());
    Run {
        tmpdir: tmpdir.and_then(|path| path.canonicalize().ok()),
        directory: std::env::current_dir().ok(),
        ..Run::default()
    }
}
