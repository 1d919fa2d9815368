//! What the policy lacks, where that is learned: such an access is let through and told, not denied.
//!
//! A call is judged as always. If it is denied by the policy's `default` alone, its path or peer is noted
//! here, and the call is judged again. So what is learned is what the policy would have denied, with all
//! its exceptions. What an entry or the baseline denies is never let through, and neither is what no entry
//! could allow.

use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::supervise::object::Object;
use std::collections::HashSet;

/// Bytes of all that is let through. Past this, the default denies again.
const MOST: usize = 16 << 20;
/// What an entry costs beside its bytes.
const OVERHEAD: usize = 64;

/// The accesses that are let through although the policy lacks an entry for them.
#[derive(Debug, Default)]
pub struct Lacks {
    known: HashSet<Vec<u8>>,
    /// Bytes of those that are known.
    size: usize,
    /// What the call that is being answered needs of them.
    needed: Vec<(Verdict, Object)>,
}

impl Lacks {
    /// Lets an access through from now on. Whether it was not before, and the denial is one that an entry
    /// can lift.
    pub fn learn(&mut self, verdict: &Verdict, object: &Object, own: &[u8]) -> bool {
        self.needed.clear();
        let lacking = matches!(verdict.reason, Reason::PathDefault | Reason::PeerDefault)
            && verdict.domain.is_none();
        // Programs try these, and manage without them.
        if !lacking || verdict.quiet {
            return false;
        }
        let key = key(object, own);
        let size = key.len() + OVERHEAD;
        if self.size + size > MOST {
            return false;
        }
        let new = self.known.insert(key);
        if new {
            self.size += size;
        }
        new
    }

    /// Whether a denied access is let through. It is then noted as needed by the current call.
    pub fn lets(&mut self, verdict: &Verdict, object: Object, own: &[u8]) -> bool {
        let lacking = matches!(verdict.reason, Reason::PathDefault | Reason::PeerDefault)
            && verdict.domain.is_none();
        let lets = lacking && self.known.contains(&key(&object, own));
        if lets {
            self.needed.push((*verdict, object));
        }
        lets
    }

    /// Whether a program that has been loaded was let through when its execve was judged.
    pub fn let_program(&self, verdict: &Verdict, path: &[u8]) -> bool {
        verdict.reason == Reason::PathDefault
            && verdict.domain.is_none()
            && self.known.contains(&path_key(Access::Exec, path))
    }

    /// What the current call needed.
    pub fn take(&mut self) -> Vec<(Verdict, Object)> {
        std::mem::take(&mut self.needed)
    }
}

/// An access as bytes. `own`: its path as policies have it.
fn key(object: &Object, own: &[u8]) -> Vec<u8> {
    match object {
        Object::Path(path) => path_key(path.access, own),
        Object::Peer(peer) => format!("{:?} {}", peer.way, peer.to).into_bytes(),
    }
}

fn path_key(access: Access, path: &[u8]) -> Vec<u8> {
    [access.to_string().as_bytes(), b" ", path].concat()
}
