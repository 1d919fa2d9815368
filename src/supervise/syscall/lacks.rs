//! What the policy lacks, where that is learned or asked about: such an access is not denied at once.
//!
//! A call is judged as always. If it is denied by the policy's `default` alone, its path or peer is noted
//! here, and the call is judged again. So what is learned is what the policy would have denied, with all
//! its exceptions. What an entry or the baseline denies is never let through, and neither is what no entry
//! could allow. Where it is asked about, it is let through once an answer says so ([`Asked`]).

use super::asked::Asked;
use crate::judge::{Reason, Verdict};
use crate::paths::Access;
use crate::supervise::object::{Object, path_key};
use crate::supervise::tracee::Task;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

/// Bytes of all that is let through. Past this, the default denies again.
const MOST: usize = 16 << 20;
/// What an entry costs beside its bytes.
const OVERHEAD: usize = 64;

/// The accesses that are let through although the policy lacks an entry for them.
#[derive(Default)]
pub struct Lacks {
    known: HashSet<Vec<u8>>,
    /// Bytes of those that are known.
    size: usize,
    /// What the call that is being answered needs of them.
    needed: Vec<(Verdict, Object)>,
    /// The questions, where it is asked about.
    pub asked: Option<Rc<RefCell<Asked>>>,
}

/// Whether a denial is by the `default` of the main policy alone.
pub fn is_lacking(verdict: &Verdict) -> bool {
    matches!(verdict.reason, Reason::PathDefault | Reason::PeerDefault) && verdict.domain.is_none()
}

impl Lacks {
    /// Asks about what the policy lacks.
    pub fn asking() -> Self {
        Self {
            asked: Some(Rc::default()),
            ..Self::default()
        }
    }

    /// Lets an access through from now on. Whether it was not before, and the denial is one that an entry
    /// can lift.
    pub fn learn(&mut self, verdict: &Verdict, object: &Object, own: &[u8]) -> bool {
        self.needed.clear();
        // Programs try the quiet ones, and manage without them.
        if self.asked.is_some() || !is_lacking(verdict) || verdict.quiet {
            return false;
        }
        let key = object.key(own);
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
    /// `task`: the one that makes the call.
    pub fn lets(&mut self, verdict: &Verdict, object: Object, own: &[u8], task: &Task) -> bool {
        if !is_lacking(verdict) {
            return false;
        }
        if let Some(asked) = &self.asked {
            let mut asked = asked.borrow_mut();
            return asked.lets(task, verdict, &object, own);
        }
        let lets = self.known.contains(&object.key(own));
        if lets {
            self.needed.push((*verdict, object));
        }
        lets
    }

    /// Whether a program that has been loaded was let through when its execve was judged.
    /// `former`: the task that has made it.
    pub fn let_program(&self, verdict: &Verdict, path: &[u8], former: Option<&Task>) -> bool {
        if verdict.reason != Reason::PathDefault || verdict.domain.is_some() {
            return false;
        }
        match &self.asked {
            Some(asked) => asked.borrow().let_program(path, former),
            None => self.known.contains(&path_key(Access::Exec, path)),
        }
    }

    /// What the current call needed.
    pub fn take(&mut self) -> Vec<(Verdict, Object)> {
        std::mem::take(&mut self.needed)
    }
}
