//! Races at the border of a domain: a task enters it while other tasks of its process call, or share its memory.

use crate::support::races::{alone, score, seconds, timeout};
use crate::support::{Dir, Ran, copy, jail, plain, probe};

/// A thread executes while its siblings open files; the same while they wait in a call that was pinned; a child of
/// posix_spawn; a child that shares the memory and is no thread.
const KINDS: [&str; 4] = ["thread", "waiting", "vfork", "shared"];

struct Border {
    dir: Dir,
}

impl Border {
    fn new() -> Self {
        let dir = Dir::new();
        dir.write("secret", "x");
        copy(probe(), dir.file("program"));
        plain(["mkfifo", &dir.file("secret.fifo")])
            .output()
            .ends_with(0);
        Self { dir }
    }

    fn words(&self, kind: &str) -> Vec<String> {
        let fixed = [probe(), "border-race", kind].map(str::to_owned);
        let files = ["program", "secret"].map(|name| self.dir.file(name));
        let mut words: Vec<String> = fixed.into_iter().chain(files).collect();
        words.push(seconds().to_string());
        words
    }

    fn jailed(&self, kind: &str, main: &str) -> Ran {
        let (program, secret) = (self.dir.file("program"), self.dir.file("secret"));
        let text = format!(
            "default = \"allow\"\n{main}\n[domain.build]\non-exec = [\"{program}\"]\nfs = {{ deny = [\"{secret}\"] }}\n"
        );
        let policy = self.dir.write("border.toml", text);
        jail(["--quiet", "--kill-on-exit", "--policy", &policy, "--"])
            .args(self.words(kind))
            .timeout(2 * timeout(seconds()))
            .output()
    }
}

#[test]
fn no_task_enters_a_domain_and_keeps_what_it_could_do_before() {
    let _alone = alone();
    let border = Border::new();
    for kind in KINDS {
        let naive = plain(border.words(kind))
            .timeout(timeout(seconds()))
            .output()
            .ends_with(0);
        assert!(
            score(&naive, "wins") > 0,
            "{kind}: the program opens nothing without a jail"
        );
        // Where the supervisor sees nothing but execve outside, and where it sees each open.
        for main in ["", "[fs]\ndeny = [\"/nowhere/at/all\"]"] {
            let ran = border.jailed(kind, main).ends_with(0);
            assert_eq!(score(&ran, "wins"), 0, "{kind} {main}: {}", ran.err);
            assert_eq!(score(&ran, "odd"), 0, "{kind} {main}: {}", ran.err);
            println!("{kind} {main:?}: {}", ran.out.trim_end());
        }
    }
}
