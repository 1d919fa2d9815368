//! The files of a policy, which its copies share: a copy with other limits, or for another directory.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::Source;
use super::digest;

/// The files of a policy; the first is the one that was loaded by name.
#[derive(Debug, Clone)]
pub struct Sources(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    all: Vec<Source>,
    /// Made when it is first asked for: each run has it in its report.
    digest: OnceLock<String>,
}

impl Sources {
    /// Adds a file, for this policy alone.
    pub(super) fn push(&mut self, source: Source) {
        let mut all = self.to_vec();
        all.push(source);
        *self = Sources::from(all);
    }

    /// As [`Policy::digest`](super::Policy::digest).
    pub(super) fn digest(&self) -> &str {
        self.0.digest.get_or_init(|| digest::of(self))
    }
}

impl From<Vec<Source>> for Sources {
    fn from(all: Vec<Source>) -> Sources {
        Sources(Arc::new(Shared {
            all,
            digest: OnceLock::new(),
        }))
    }
}

impl Deref for Sources {
    type Target = [Source];

    fn deref(&self) -> &[Source] {
        &self.0.all
    }
}
