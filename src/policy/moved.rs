//! A policy for another starting directory, without loading it again: a judge has a directory for each case.

use std::path::Path;

use super::files::List;
use super::led;
use super::places::{PathContext, locate};
use super::{PathEntry, Policy};

/// Which paths of a policy begin in the jail's starting directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relative {
    /// None: the policy is the same for every directory.
    Nothing,
    /// Only the directory itself, in so many places.
    Start(usize),
    /// Also paths beneath it or beside it, which may lead elsewhere in another directory.
    More,
}

/// The entry for the starting directory.
const START: &str = ".";

impl Policy {
    /// The same policy for another starting directory. `None`: it must be loaded for that directory, because more
    /// than `.` in `[fs]` depends on it, or because it cannot be used there.
    pub fn moved(&self, to: &Path) -> Option<Policy> {
        let Relative::Start(count) = self.relative else {
            return None;
        };
        let is_start = |entry: &&PathEntry| entry.text == START;
        let lifts = !self.lifts.is_empty() || self.paths.iter().any(|it| !it.lifted.is_empty());
        if lifts || !self.domains.is_empty() || self.paths.iter().filter(is_start).count() != count
        {
            return None;
        }
        let start = locate(START, &PathContext::at(to)).ok()?;
        if start.own || start.place.is_none() {
            return None;
        }
        let mut looked = start.clone();
        looked.look();
        let mut moved = self.clone();
        for entry in moved.paths.iter_mut().filter(|entry| entry.text == START) {
            let found = match entry.list {
                List::Read | List::Exec => &start,
                List::Write | List::Deny | List::Hide | List::Protect => &looked,
            };
            entry.pattern = found.pattern.clone();
            entry.place = found.place;
            entry.links.clone_from(&found.links);
            entry.own = found.own;
        }
        led::elsewhere(&moved).is_empty().then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::fs;

    /// Everything of a policy that a plan depends on.
    fn shown(policy: &Policy) -> String {
        let mut text = String::new();
        for entry in &policy.paths {
            let _ = writeln!(text, "{entry:?}");
        }
        text + &format!("{:?}", policy.peers)
    }

    fn loaded(text: &str, at: &Path) -> Policy {
        let around = PathContext::at(at);
        Policy::load_text_in(text, "x", Path::new("/nowhere/x.toml"), around).expect(text)
    }

    #[test]
    fn a_moved_policy_is_the_one_that_would_be_loaded_there() {
        let scratch = std::env::temp_dir().join(format!("jail-moved-{}", std::process::id()));
        for name in ["a", "b/c"] {
            fs::create_dir_all(scratch.join(name)).expect("a directory");
        }
        std::os::unix::fs::symlink("b/c", scratch.join("link")).expect("a link");
        let text = "extends = [\"base\"]\n[fs]\nread = [\".\", \"/usr/.\"]\nwrite = [\".\"]\n\
                    exec = [{ path = \".\" }]\ndeny = [\"/etc/x\"]";
        for more in ["", "\n[process]\ntmpdir = \"fresh\""] {
            let text = format!("{text}{more}");
            let first = loaded(&text, &scratch.join("a"));
            assert_eq!(first.relative, Relative::Start(3));
            for name in ["b/c", "link", "a"] {
                let place = scratch.join(name);
                let moved = first.moved(&place).expect(name);
                assert_eq!(shown(&moved), shown(&loaded(&text, &place)), "{name}");
                assert_eq!(moved.tmpdir, first.tmpdir);
            }
            assert!(first.moved(&scratch.join("none")).is_none());
            assert!(first.moved(Path::new("/proc/self")).is_none());
        }
        fs::remove_dir_all(scratch).expect("removed");
    }

    #[test]
    fn what_depends_on_more_than_the_directory_itself_is_not_moved() {
        let here = std::env::temp_dir();
        let relative = |text: &str| {
            let policy = loaded(text, &here);
            (policy.relative, policy.moved(&here).is_some())
        };
        let (nothing, start) = (Relative::Nothing, Relative::Start(1));
        assert_eq!(relative("[fs]\nread = [\"/usr\"]"), (nothing, false));
        assert_eq!(relative("[fs]\nread = [\".\"]"), (start, true));
        for more in ["./x", "x", "..", "*.c", "./", "x/y"] {
            let text = format!("[fs]\nread = [\".\", \"{more}\"]");
            assert_eq!(relative(&text), (Relative::More, false), "{more}");
        }
        let (socket, cwd) = ("[net]\nconnect = [\"unix:.\"]", "[process]\ncwd = \"x\"");
        assert_eq!(relative(socket), (start, false));
        assert_eq!(relative(cwd), (Relative::More, false));
    }
}
