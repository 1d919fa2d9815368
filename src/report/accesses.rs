//! Which allowed accesses are recorded: each once for a process, so that a loop does not fill the log.

use crate::supervise::Object;
use crate::trace::Tid;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many are remembered for all processes together. Past this they are forgotten, and recorded again.
const MOST: usize = 1 << 20;

/// What is recorded already.
#[derive(Default)]
pub struct Accesses {
    of: HashMap<Tid, HashSet<u64>>,
    count: usize,
}

impl Accesses {
    /// Whether this is the first such access of a process.
    pub fn is_new(&mut self, pid: Tid, object: &Object) -> bool {
        let mut hasher = DefaultHasher::new();
        match object {
            Object::Path(path) => (path.access, &path.resolved).hash(&mut hasher),
            Object::Peer(peer) => (peer.way.word(), &peer.to, &peer.names).hash(&mut hasher),
        }
        if self.count >= MOST {
            *self = Self::default();
        }
        let new = self.of.entry(pid).or_default().insert(hasher.finish());
        self.count += usize::from(new);
        new
    }

    /// A process runs another program, or has ended.
    pub fn forget(&mut self, pid: Tid) {
        let known = self.of.remove(&pid).map_or(0, |known| known.len());
        self.count = self.count.saturating_sub(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Access;
    use crate::supervise::PathObject;

    #[test]
    fn an_access_is_new_once_for_each_process_and_program() {
        let object = |access, path: &str| {
            Object::Path(PathObject {
                access,
                given: Vec::new(),
                resolved: path.as_bytes().to_vec(),
                exists: true,
            })
        };
        let mut accesses = Accesses::default();
        let (read, write) = (object(Access::Read, "/a"), object(Access::Write, "/a"));
        assert!(
            accesses.is_new(1, &read) && accesses.is_new(1, &write) && accesses.is_new(2, &read)
        );
        assert!(!accesses.is_new(1, &read));
        accesses.forget(1);
        assert!(accesses.is_new(1, &read) && !accesses.is_new(2, &read));
        assert_eq!(accesses.count, 2);
        for number in 0..MOST + 10 {
            accesses.is_new(3, &object(Access::Read, &number.to_string()));
        }
        assert!(accesses.count <= MOST);
    }
}
