//! Who made a denied call, and the call in words.

use super::owned;
use super::text::PathFacts;
use crate::paths::Access;
use crate::supervise::{Denial, Object, PeerObject};
use crate::trace::Tid;

/// Who made a call, and the call in words: read from the process only if it is wanted.
pub struct Witness {
    pub pid: Tid,
    pub tid: Tid,
    pub ancestry: Vec<String>,
    pub call: String,
    pub path: Option<PathFacts>,
    pub access: Option<Access>,
    pub peer: Option<PeerObject>,
}

impl Witness {
    /// What the denial tells.
    pub fn of(denial: &Denial<'_>) -> Self {
        Self {
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
