//! What runs the works: nothing, jail, and the other programs that this machine has. All open the same for
//! the works: everything may be read and executed, the directory of the work written, and its own listener
//! reached.

use crate::programs::{Programs, command};
use std::process::Stdio;

pub struct Peer {
    pub name: &'static str,
    /// What it keeps the command from, in the setting that is measured.
    pub enforces: &'static str,
    /// What stands before the command.
    before: Vec<String>,
}

impl Peer {
    pub fn words(&self) -> Vec<&str> {
        self.before.iter().map(String::as_str).collect()
    }

    /// The setting, without this machine's directories.
    pub fn setting(&self, programs: &Programs) -> String {
        let text = self.before.join(" ");
        let work = programs.work.to_string_lossy();
        let text = text.replace(&*work, "WORK");
        text.replace(&*programs.directory.to_string_lossy(), "DIR")
    }
}

/// A peer before it is known whether this machine has it.
struct Known {
    name: &'static str,
    enforces: &'static str,
    /// Words; `WORK` and `DIR` stand for the directories.
    before: &'static str,
}

const KNOWN: [Known; 8] = [
    Known {
        name: "unjailed",
        enforces: "nothing",
        before: "",
    },
    Known {
        name: "jail, base",
        enforces: "files by path, peers by address, calls by their arguments, signals to others; tells each denial \
                   and its line",
        before: "DIR/jail --quiet --policy DIR/base.toml --",
    },
    Known {
        name: "jail, workspace",
        enforces: "the same, and patterns: no credentials, no files that other programs execute later",
        before: "DIR/jail --quiet --policy DIR/workspace.toml --",
    },
    Known {
        name: "bubblewrap",
        enforces: "files by mounts, no network but an own loopback, own process ids; no filter of calls is given, \
                   denials are not told",
        before: "bwrap --ro-bind / / --dev /dev --proc /proc --bind WORK WORK --unshare-all --die-with-parent --",
    },
    Known {
        name: "firejail",
        enforces: "files by mounts, no network but an own loopback, a list of forbidden calls; is setuid root, \
                   denials are not told",
        before: "firejail --quiet --noprofile --read-only=/ --read-write=WORK --net=none --caps.drop=all \
                 --nonewprivs --seccomp --",
    },
    Known {
        name: "proot",
        enforces: "no boundary: it translates paths, by ptrace at each call that has one, and a command can leave them",
        before: "proot -b WORK",
    },
    Known {
        name: "strace --seccomp-bpf",
        enforces: "nothing: it prints opens, connects and execve, by ptrace",
        before: "strace -f --seccomp-bpf -o /dev/null -e trace=openat,connect,execve --",
    },
    Known {
        name: "setpriv, Landlock",
        enforces: "files by subtree; no network rules, no filter of calls, denials are not told",
        before: "setpriv --no-new-privs --landlock-access fs --landlock-rule path-beneath:read-file,read-dir,execute:/ \
                 --landlock-rule path-beneath:write-file,make-reg,make-dir,remove-file,remove-dir,truncate,refer:WORK \
                 --landlock-rule path-beneath:write-file:/dev/null --",
    },
];

/// What runs here, and a line for each of the others that says why not.
pub fn find(programs: &Programs) -> (Vec<Peer>, Vec<String>) {
    let (mut found, mut absent) = (vec![], vec![]);
    for known in KNOWN {
        let word = |word: &str| {
            let word = word.replace("WORK", &programs.work.to_string_lossy());
            word.replace("DIR", &programs.directory.to_string_lossy())
        };
        let peer = Peer {
            name: known.name,
            enforces: known.enforces,
            before: known.before.split_whitespace().map(word).collect(),
        };
        match why_not(&peer) {
            None => {
                println!("{:<22}{}", peer.name, peer.setting(programs));
                found.push(peer);
            }
            Some(why) => {
                println!("{:<22}{why}", peer.name);
                absent.push(format!("{} ({why})", peer.name));
            }
        }
    }
    println!();
    (found, absent)
}

/// Why `true` does not run under it.
fn why_not(peer: &Peer) -> Option<String> {
    let mut run = command(&[&peer.words()[..], &["true"]].concat());
    let output = match run.stderr(Stdio::piped()).output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some("not installed".into());
        }
        Err(error) => return Some(error.to_string()),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let first = text.lines().find(|line| !line.trim().is_empty());
    Some(first.map_or_else(
        || output.status.to_string(),
        |line| format!("does not run here: {}", line.trim()),
    ))
}
