//! `tmpdir = "fresh"` of `[process]`: each run has a temporary directory of its own. When a policy is
//! loaded, its path is not known yet, so a placeholder is used, which every run replaces.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Action, List, PathContext, PathEntry, Place, Policy};
use crate::net::{Endpoint, Socket};
use crate::paths::Pattern;

/// The variables that name the directory for temporary files.
pub const VARIABLES: [&str; 3] = ["TMPDIR", "TMP", "TEMP"];

/// Where the directory is created if the caller has no TMPDIR.
const USUAL: &str = "/tmp";

/// The placeholder for the directory: beneath the caller's TMPDIR, at the same depth as that of a run.
pub(super) fn place(around: &PathContext) -> PathBuf {
    let caller: Option<OsString> = (around.variable)(VARIABLES[0]);
    let named = caller.map(PathBuf::from);
    let named = named.filter(|path| path.is_absolute() && path.is_dir());
    let base = named.unwrap_or_else(|| PathBuf::from(USUAL));
    base.canonicalize().unwrap_or(base).join("jail-tmpdir/run")
}

/// Opens the directory in a policy that has one.
pub(super) fn grant(policy: &mut Policy, around: &PathContext) {
    let Some(setting) = &policy.process.tmpdir else {
        return;
    };
    let place = around
        .tmpdir
        .get()
        .cloned()
        .unwrap_or_else(|| place(around));
    let Ok(pattern) = Pattern::literal(&place) else {
        return;
    };
    let base = place
        .ancestors()
        .nth(2)
        .and_then(|base| base.metadata().ok());
    let entry = |list| PathEntry {
        list,
        text: "$TMPDIR".to_owned(),
        pattern: pattern.clone(),
        lifted: Vec::new(),
        place: Some(Place {
            directory: true,
            file: false,
            device: base.as_ref().map_or(0, |base| base.dev()),
            linked: false,
        }),
        links: Vec::new(),
        own: false,
        optional: false,
        action: Action::Allow,
        why: Some("a directory of the run's own".to_owned()),
        origin: setting.origin,
    };
    let entries = [entry(List::Write), entry(List::Exec)];
    policy.paths.extend(entries);
    policy.tmpdir = Some(place);
}

impl Policy {
    /// The context of this process, in which TMPDIR is what it is for the policy.
    pub fn context(&self) -> PathContext {
        let own = PathContext::own();
        match &self.tmpdir {
            Some(place) => own.with_tmpdir(place.clone()),
            None => own,
        }
    }

    /// The policy of a run with this temporary directory.
    pub fn settle_tmpdir(&mut self, to: &Path) {
        let Some(from) = self.tmpdir.replace(to.to_owned()) else {
            return;
        };
        let endpoint = |endpoint: &mut Endpoint| {
            if let Endpoint::Unix(Socket::Path(pattern)) = endpoint {
                pattern.rebase(&from, to);
            }
        };
        for entry in &mut self.paths {
            entry.pattern.rebase(&from, to);
            for lifted in &mut entry.lifted {
                lifted.rebase(&from, to);
            }
        }
        for entry in &mut self.peers {
            endpoint(&mut entry.endpoint);
            for (lifted, _) in &mut entry.lifted {
                endpoint(lifted);
            }
        }
        for object in self
            .rules
            .iter_mut()
            .filter_map(|rule| rule.object.as_mut())
        {
            if let Some((_, pattern)) = &mut object.path {
                pattern.rebase(&from, to);
            }
            if let Some((_, peer)) = &mut object.peer {
                endpoint(peer);
            }
        }
        for domain in &mut self.domains {
            for program in &mut domain.programs {
                program.pattern.rebase(&from, to);
            }
            domain.policy.tmpdir = Some(from.clone());
            domain.policy.settle_tmpdir(to);
        }
        let process = &mut self.process;
        for path in [&mut process.directory, &mut process.stdin]
            .into_iter()
            .flatten()
        {
            if let Ok(rest) = path.value.strip_prefix(&from) {
                path.value = to.join(rest);
            }
        }
        let (Some(from), Some(to)) = (from.to_str(), to.to_str()) else {
            return;
        };
        for value in process.set.values_mut() {
            value.value = value.value.replace(from, to);
        }
    }
}
