//! Sentences of `jail test` and `jail explain`: whether a program can read, change, execute or reach
//! something at all.
//!
//! An access needs an allowed object and an allowed call. `[fs]` and `[net]` decide the object;
//! `[syscalls]`, `[[rule]]` and the baseline decide the calls. A sentence checks both, as a run does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Judge, Reason, Ruling, Verdict};
use crate::net::{Protocol, Reach, To, Way};
use crate::paths::Access;
use crate::policy::{About, Action, Object, Peer, Who};
use crate::syscalls::{Call, parse_call};

/// The result of a sentence.
#[derive(Debug, Clone)]
pub struct Sentence {
    /// The verdict.
    pub verdict: Verdict,
    /// The call that decided; `None`: the object decided.
    pub by: Option<Call>,
    /// Denied calls, although another call makes the same access possible.
    pub beside: Vec<(Call, Verdict)>,
}

/// Alternative calls; one of them is needed.
type Step = Vec<&'static str>;

impl Judge {
    /// Decides what a sentence of a `[[test]]` describes. A policy that allows no system call is meant
    /// to be extended, and no program runs under it: its sentences only decide objects.
    pub fn about(&self, about: &About) -> Verdict {
        match about {
            About::Call(call) => self.call(call),
            About::Path(access, path) if self.is_part() => {
                self.path(*access, path.as_os_str().as_bytes())
            }
            About::Path(access, path) => self.access(*access, path).verdict,
            About::Peer(peer) if self.is_part() => peer.reach(|reach| self.endpoint(reach)),
            About::Peer(peer) => self.peer(peer).verdict,
        }
    }

    /// Whether the policy allows no system call.
    pub fn is_part(&self) -> bool {
        let allows =
            |ruling: Ruling| ruling.action == Action::Allow && ruling.reason != Reason::Always;
        !self.chains().any(|(_, chain)| {
            allows(chain.otherwise) || chain.rules.iter().any(|step| allows(step.ruling))
        })
    }

    /// Decides a program's access to a path, which must be absolute and resolved.
    pub fn access(&self, access: Access, path: &Path) -> Sentence {
        let path = path.as_os_str().as_bytes();
        let mut holds = |object: &Object| {
            let covers = |(_, pattern): &(String, crate::paths::Pattern)| pattern.covers(path);
            object.peer.is_none()
                && object.argv.is_none()
                && object.path.as_ref().is_some_and(covers)
        };
        self.through(self.path(access, path), &[ways(access)], &mut holds)
    }

    /// Decides the execution of a program with these arguments, the name of the program first, by this call.
    /// The path must be absolute and resolved.
    pub fn execution(&self, path: &Path, argv: &[Vec<u8>], call: &'static str) -> Sentence {
        let path = path.as_os_str().as_bytes();
        let mut holds = |object: &Object| {
            let covers = |(_, pattern): &(String, crate::paths::Pattern)| pattern.covers(path);
            object.peer.is_none()
                && object.path.as_ref().is_none_or(covers)
                && object.argv.as_ref().is_none_or(|words| words.matches(argv))
        };
        let object = self.path(Access::Exec, path);
        self.through(object, &[vec![call]], &mut holds)
    }

    /// Decides whether a program can reach a peer, or be reached, by a socket that it creates.
    pub fn peer(&self, peer: &Peer) -> Sentence {
        peer.reach(|reach| {
            let mut holds = |object: &Object| {
                object.path.is_none() && object.argv.is_none() && object.covers_peer(reach)
            };
            let steps = [sockets(&peer.who), reaching(reach, &peer.who)];
            self.through(self.endpoint(reach), &steps, &mut holds)
        })
    }

    /// Decides a peer by `[net]`; a unix socket's path also by `[fs]`: creating the file needs `write`
    /// but no entry of `listen`, and a path that is denied there cannot be connected to.
    pub fn endpoint(&self, reach: &Reach<'_>) -> Verdict {
        let verdict = self.reach(reach);
        let To::Path(path) = reach.to else {
            return verdict;
        };
        match reach.way {
            Way::Listen
                if verdict.action == Action::Allow || verdict.reason == Reason::PeerDefault =>
            {
                self.path(Access::Write, path)
            }
            Way::Connect => match self.path(Access::Handle, path) {
                denied if denied.action != Action::Allow => denied,
                _ => verdict,
            },
            Way::Listen => verdict,
        }
    }

    /// The object's verdict, unless all calls of a step are denied: a program is told of the call first.
    fn through(
        &self,
        object: Verdict,
        steps: &[Step],
        holds: &mut dyn FnMut(&Object) -> bool,
    ) -> Sentence {
        let mut found = Sentence {
            verdict: object,
            by: None,
            beside: Vec::new(),
        };
        for step in steps {
            let decided: Vec<(Call, Verdict)> = step
                .iter()
                .filter_map(|text| parsed(text))
                .map(|call| (call, self.call_on(&call, holds)))
                .collect();
            let denied = |(_, verdict): &&(Call, Verdict)| verdict.action != Action::Allow;
            if decided.iter().any(|way| !denied(&way)) {
                found.beside.extend(decided.iter().filter(denied));
                continue;
            }
            let mildest = decided.iter().min_by_key(|(_, v)| v.action.strictness());
            if let Some((call, verdict)) = mildest {
                // The call is decided before its object is looked at, unless the object is what decides it.
                if object.action != Action::Allow && !self.is_by_registers(call, verdict) {
                    return found;
                }
                return Sentence {
                    verdict: *verdict,
                    by: Some(*call),
                    beside: Vec::new(),
                };
            }
        }
        if object.action != Action::Allow {
            found.beside.clear();
        }
        found
    }

    /// Whether the policy denies a call for its registers, and not for what `[net]` lacks or what the call names.
    fn is_by_registers(&self, call: &Call, verdict: &Verdict) -> bool {
        let deciding = |chain: &super::Chain<'_>| {
            let mut steps = chain.rules.iter();
            let step = steps.find(|step| step.ruling.reason == verdict.reason);
            step.is_some_and(|step| step.object.is_none())
        };
        match verdict.reason {
            Reason::Entry(_) => true,
            Reason::Rule(_) => self.chain(call.nr).as_ref().is_some_and(deciding),
            _ => false,
        }
    }
}

/// A call of a [`Step`]; `None`: it does not exist on this architecture, so that it does not count. `jail diff`
/// asks thousands of times for a few texts, so each is parsed once in a thread.
fn parsed(text: &'static str) -> Option<Call> {
    thread_local! {
        static KNOWN: RefCell<HashMap<&'static str, Option<Call>>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| *known.entry(text).or_insert_with(|| parse_call(text).ok()))
}

/// The calls by which programs make an access, the usual one first.
fn ways(access: Access) -> Step {
    match access {
        Access::Read => vec![
            "openat(AT_FDCWD, \"\", O_RDONLY|O_CLOEXEC)",
            "open(\"\", O_RDONLY|O_CLOEXEC)",
            "openat2(AT_FDCWD, \"\")",
        ],
        Access::Write => vec![
            "openat(AT_FDCWD, \"\", O_WRONLY|O_CREAT|O_TRUNC, 0666)",
            "open(\"\", O_WRONLY|O_CREAT|O_TRUNC, 0666)",
            "openat2(AT_FDCWD, \"\")",
        ],
        Access::Exec => vec!["execve(\"\")", "execveat(AT_FDCWD, \"\")"],
        Access::Stat => vec![
            "newfstatat(AT_FDCWD, \"\")",
            "statx(AT_FDCWD, \"\")",
            "stat(\"\")",
            "lstat(\"\")",
        ],
        Access::Handle => vec!["openat(AT_FDCWD, \"\", O_PATH)"],
    }
}

/// The calls that create a socket for it. An IPv6 socket can also reach IPv4 addresses.
fn sockets(who: &Who) -> Step {
    let Who::Inet { protocol, ip, .. } = who else {
        return vec![
            "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0)",
            "socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0)",
            "socket(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC, 0)",
        ];
    };
    let (v4, v6) = match protocol {
        Protocol::Tcp => (
            "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0)",
            "socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC, 0)",
        ),
        Protocol::Udp | Protocol::Lite => (
            "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0)",
            "socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, 0)",
        ),
        Protocol::Other => return Vec::new(),
    };
    match ip {
        Some(ip) if ip.is_ipv6() => vec![v6],
        _ => vec![v4, v6],
    }
}

/// The calls that reach it.
fn reaching(reach: &Reach<'_>, who: &Who) -> Step {
    let streams = matches!(
        who,
        Who::Inet {
            protocol: Protocol::Tcp,
            ..
        }
    );
    match (reach.way, streams) {
        (Way::Connect, true) => vec!["connect(3, \"\")"],
        (Way::Connect, false) => vec!["connect(3, \"\")", "sendto(3, \"\")", "sendmsg(3, \"\")"],
        (Way::Listen, _) => vec!["bind(3, \"\")"],
    }
}
