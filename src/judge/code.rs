//! Stable names of denials: `fs.read.default`, `syscall.rule`. Programs compare them, and
//! `docs/log.md` lists them; a code never changes its meaning.

use super::remedy::{Denied, Object};
use super::{Reason, Verdict};
use crate::baseline;
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{List, Policy};

macro_rules! codes {
    ($($variant:ident $text:literal $meaning:literal)*) => {
        /// What denied a call, as a stable name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The name.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $text),* }
            }

            /// When it is used, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning),* }
            }
        }
    };
}

codes! {
    FsReadDefault    "fs.read.default"     "No entry of `[fs]` allows reading the path."
    FsWriteDefault   "fs.write.default"    "No entry of `[fs]` allows changing the path."
    FsExecDefault    "fs.exec.default"     "No entry of `[fs]` allows executing the path."
    FsReadDeny       "fs.read.deny"        "An entry of `deny` in `[fs]` covers the path, which was to be read."
    FsWriteDeny      "fs.write.deny"       "An entry of `deny` in `[fs]` covers the path, which was to be changed."
    FsExecDeny       "fs.exec.deny"        "An entry of `deny` in `[fs]` covers the path, which was to be executed."
    FsOpenDeny       "fs.open.deny"        "An entry of `deny` in `[fs]` covers the path, which was to be opened with O_PATH, or is a socket."
    FsReadHide       "fs.read.hide"        "An entry of `hide` in `[fs]` covers the path, which was to be read."
    FsWriteHide      "fs.write.hide"       "An entry of `hide` in `[fs]` covers the path, which was to be changed."
    FsExecHide       "fs.exec.hide"        "An entry of `hide` in `[fs]` covers the path, which was to be executed."
    FsStatHide       "fs.stat.hide"        "An entry of `hide` in `[fs]` covers the path, whose metadata was to be read."
    FsOpenHide       "fs.open.hide"        "An entry of `hide` in `[fs]` covers the path, which was to be opened with O_PATH, or is a socket."
    FsWriteProtect   "fs.write.protect"    "An entry of `protect` in `[fs]` covers the path, which was to be changed."
    FsPolicyFile     "fs.policy-file"      "The path is a file of the policy itself, or would take its place."
    FsUnsearched     "fs.unsearched"       "A directory to be moved could not be searched for what an entry of `protect` covers."
    FsPathless       "fs.pathless"         "The object has no path that an entry could name: a pipe, a memfd, a removed file."
    FsChanged        "fs.changed"          "A program, or its arguments, was changed by another thread after it was judged."
    NetConnectDefault "net.connect.default" "No entry of `connect` in `[net]` covers the peer."
    NetListenDefault "net.listen.default"  "No entry of `listen` in `[net]` covers the address."
    NetConnectDeny   "net.connect.deny"    "An entry of `deny` in `[net]` covers the peer."
    NetListenDeny    "net.listen.deny"     "An entry of `deny` in `[net]` covers the address to listen on."
    NetSocketDefault "net.socket.default"  "No entry of the policy is about this kind of socket or queue, so it cannot be created."
    NetUnpinned      "net.unpinned"        "The peer could have been changed after it was judged."
    SyscallDefault   "syscall.default"     "No entry of `[syscalls]` allows the call, and no `[[rule]]`."
    SyscallEntry     "syscall.entry"       "An entry of `[syscalls]` denies the call."
    SyscallRule      "syscall.rule"        "A `[[rule]]` denies the call."
    SyscallClosed    "syscall.closed"      "The policy denies the call, and the jail denies it under every policy."
    SyscallUnknown   "syscall.unknown"     "The number is of no system call that this version of jail knows."
    SyscallForeign   "syscall.foreign"     "The program is for 32 bits; all of its calls are denied."
    Baseline         "baseline"            "A protection of the jail itself, which `entry` of `reason` names."
}

/// The code of a denial; `None`: it is not one.
pub fn code(policy: &Policy, denied: &Denied<'_>, verdict: &Verdict) -> Option<Code> {
    Some(match verdict.reason {
        // These never deny.
        Reason::Always | Reason::Metadata | Reason::Command | Reason::Terminal => return None,
        Reason::Baseline(_) => Code::Baseline,
        Reason::Rule(_) | Reason::Entry(_) | Reason::Default if is_closed(denied) => {
            Code::SyscallClosed
        }
        Reason::Rule(_) => Code::SyscallRule,
        Reason::Entry(_) => Code::SyscallEntry,
        Reason::Default => Code::SyscallDefault,
        Reason::Closed(_) => Code::NetSocketDefault,
        Reason::UnknownNumber => Code::SyscallUnknown,
        Reason::Path(index) => {
            let policy = policy.of_domain(verdict.domain);
            of_entry(policy.paths.get(index)?.list, access(denied))
        }
        Reason::PathDefault => match access(denied) {
            Access::Write => Code::FsWriteDefault,
            Access::Exec => Code::FsExecDefault,
            Access::Read | Access::Stat | Access::Handle => Code::FsReadDefault,
        },
        Reason::PolicyFile(_) => Code::FsPolicyFile,
        Reason::Unsearched(_) => Code::FsUnsearched,
        Reason::Pathless => Code::FsPathless,
        Reason::Changed => Code::FsChanged,
        Reason::Peer(_) => match way(denied) {
            Way::Connect => Code::NetConnectDeny,
            Way::Listen => Code::NetListenDeny,
        },
        Reason::PeerDefault => match way(denied) {
            Way::Connect => Code::NetConnectDefault,
            Way::Listen => Code::NetListenDefault,
        },
        Reason::Unpinned => Code::NetUnpinned,
    })
}

/// Whether the jail denies the system call under every policy.
pub(super) fn is_closed(denied: &Denied<'_>) -> bool {
    let syscall = denied.call.and_then(|call| call.syscall());
    syscall.is_some_and(|syscall| baseline::closed(syscall.name).is_some())
}

/// The code of an entry of `[fs]` that denies.
fn of_entry(list: List, access: Access) -> Code {
    match (list, access) {
        (List::Protect, _) => Code::FsWriteProtect,
        (List::Hide, Access::Read) => Code::FsReadHide,
        (List::Hide, Access::Write) => Code::FsWriteHide,
        (List::Hide, Access::Exec) => Code::FsExecHide,
        (List::Hide, Access::Stat) => Code::FsStatHide,
        (List::Hide, Access::Handle) => Code::FsOpenHide,
        (_, Access::Read) => Code::FsReadDeny,
        (_, Access::Write) => Code::FsWriteDeny,
        (_, Access::Exec) => Code::FsExecDeny,
        (_, Access::Stat | Access::Handle) => Code::FsOpenDeny,
    }
}

fn access(denied: &Denied<'_>) -> Access {
    match denied.object {
        Object::Path(access, _) => access,
        Object::Nothing | Object::Peer(..) => Access::Handle,
    }
}

/// A rename that would give a denied socket another name is about connecting to it.
fn way(denied: &Denied<'_>) -> Way {
    match denied.object {
        Object::Peer(way, ..) => way,
        Object::Nothing | Object::Path(..) => Way::Connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{Baseline, Watch};
    use crate::judge::remedy::{Standing, remedy};
    use crate::judge::varying::Run;
    use crate::policy::{Action, Who};
    use crate::syscalls::{Errno, parse_call};

    const POLICY: &str = "[fs]\ndeny = [\"/d\"]\nhide = [\"/h\"]\nprotect = [\"/p\"]\n\
        [net]\ndeny = [\"192.0.2.1\", { on = \"192.0.2.2\" }]\n[syscalls]\nmkdir = \"deny\"\n\
        [[rule]]\nsyscall = \"mkdir\"\nwhen = \"mode == 1\"\naction = \"deny\"\n";

    /// Each reason that denies, with each object that it may be about.
    fn denials(policy: &Policy) -> Vec<(Reason, Option<Access>, Option<Way>)> {
        use Access::{Exec, Handle, Read, Stat, Write};
        let path = |list| policy.paths.iter().position(|entry| entry.list == list);
        let path = |list| Reason::Path(path(list).expect("an entry"));
        let protection = Baseline::newest().rules().next().expect("a protection");
        let closed = Watch::all_rules().find(|rule| rule.id == "no-tcp");
        let mut found = vec![
            (Reason::Baseline(protection), None, None),
            (Reason::Rule(0), None, None),
            (Reason::Entry(0), None, None),
            (Reason::Default, None, None),
            (Reason::UnknownNumber, None, None),
            (Reason::Closed(closed.expect("no-tcp")), None, None),
            (Reason::Unpinned, None, Some(Way::Connect)),
            (Reason::PolicyFile(0), Some(Write), None),
            (Reason::Unsearched(0), Some(Write), None),
            (Reason::Pathless, Some(Exec), None),
            (Reason::Changed, Some(Exec), None),
            (path(List::Protect), Some(Write), None),
        ];
        for access in [Read, Write, Exec, Stat, Handle] {
            found.push((Reason::PathDefault, Some(access), None));
            found.push((path(List::Deny), Some(access), None));
            found.push((path(List::Hide), Some(access), None));
        }
        for way in [Way::Connect, Way::Listen] {
            found.push((Reason::Peer(0), None, Some(way)));
            found.push((Reason::PeerDefault, None, Some(way)));
        }
        found
    }

    #[test]
    fn each_code_is_used_by_a_denial_and_has_a_row_in_the_manual() {
        let policy = Policy::parse(POLICY, "net.toml").expect("a policy");
        let who = Who::Abstract(b"x".to_vec());
        let calls = ["mkdir(\"x\")", "ptrace(PTRACE_ATTACH, 1)"];
        // Of programs of a foreign ABI the report tells without a judgement.
        let mut seen = vec![Code::SyscallForeign];
        for (reason, access, way) in denials(&policy) {
            let object = match (access, way) {
                (Some(access), _) => Object::Path(access, b"/x"),
                (None, Some(way)) => Object::Peer(way, Some(&who), &[]),
                (None, None) => Object::Nothing,
            };
            let verdict = Verdict {
                action: Action::Deny(Errno::EACCES),
                quiet: false,
                reason,
                check: None,
                domain: None,
            };
            for text in calls {
                let call = parse_call(text).expect(text);
                let denied = Denied {
                    call: Some(&call),
                    object,
                    run: &Run::default(),
                };
                let code = code(&policy, &denied, &verdict).expect("a code");
                seen.push(code);
                let remedy = remedy(&policy, &denied, &verdict).expect("a remedy");
                let tries = remedy.patch.is_some() || remedy.remove.is_some();
                assert!(remedy.standing == Standing::Askable || !tries, "{remedy:?}");
                if [Code::Baseline, Code::SyscallClosed].contains(&code) {
                    assert_eq!(remedy.standing, Standing::Final, "{remedy:?}");
                }
            }
        }
        let manual = include_str!("../../docs/log.md");
        for code in Code::ALL {
            assert!(seen.contains(code), "{}", code.name());
            let row = format!("| `{}` | {} |", code.name(), code.meaning());
            assert!(manual.contains(&row), "{row}");
        }
    }
}
