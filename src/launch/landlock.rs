//! The Landlock ruleset of a plan: created before the fork, enforced by the child. A rule for a path
//! applies to the file that the path leads to, so a child with mounts of its own adds the rules for
//! paths itself.
//!
//! | ABI | Linux | adds | without it |
//! |---|---|---|---|
//! | 1 | 5.13 | files: execute, read, write, make, remove | the supervisor judges all paths |
//! | 2 | 5.19 | REFER: rename and link between directories | every such rename is denied, so the supervisor makes them |
//! | 3 | 6.2 | TRUNCATE | the supervisor sees truncate(2), and opens that truncate and do not write |
//! | 4 | 6.7 | TCP ports | the supervisor alone judges connect and bind |
//! | 5 | 6.10 | IOCTL_DEV | not used: a program that may open a device may also control it |
//! | 6 | 6.12 | scopes: signals, abstract sockets | the supervisor judges signals, and alone judges abstract sockets |
//! | 7 | 6.15 | control of the audit log | denials before the execve, and those of domains within, are logged |
//! | 8 | 7.0 | TSYNC: all threads at once | not used: the child that restricts itself has one thread |
//! | 9 | 7.1 | RESOLVE_UNIX: unix sockets outside of the domain, by path | the supervisor judges each message that names a unix socket |
//! | 10 | 7.2 | UDP ports; quiet rules | the supervisor judges each message; quiet rules are not used, because the whole domain is quiet |
//! | 11 | 7.3 | NO_NEW_PRIVS with the domain | not used: the child sets it before |
//!
//! Errata (LANDLOCK_CREATE_RULESET_ERRATA) lower no ABI, because nothing that a plan rests on is weaker
//! where they are not fixed:
//!
//! | erratum | without the fix | in a plan |
//! |---|---|---|
//! | 1 (ABI 4) | ports of TCP also apply to MPTCP, SMC and SCTP | the filter closes these wherever ports are handled |
//! | 2 (ABI 6) | a scope of signals also applies to other threads of the process | all threads are in the jail's domain |
//! | 3 (ABI 1) | a file in a directory that was moved out of a bind mount has the rights of the hierarchy beneath the mount alone | a rename gains nothing: where trees have different rights, the supervisor makes it |

use super::kept::{Object, Objects, Taken};
use super::{Handed, LaunchError};
use crate::plan::{Domain, Files, Net, Rights};
use crate::sys::files::open_without_links;
use crate::sys::{self, Errno, process};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A ruleset, and the rules that the child must still add because paths lead elsewhere there.
pub struct Floor {
    pub ruleset: OwnedFd,
    pub beneath: Vec<Beneath>,
    /// Whether the domain is kept out of the audit log.
    pub quiet: bool,
}

/// A rule for a path: the rights if it is a directory, and if it is not.
pub struct Beneath {
    pub path: CString,
    pub directory: u64,
    pub file: u64,
}

/// The ruleset of a jail's domain; `None` if it has none.
pub fn ruleset(domain: Domain, files: &Files, net: &Net) -> Result<Option<OwnedFd>, LaunchError> {
    let none = Taken::default();
    Ok(floor(domain, files, net, &[], (false, &none))?.map(|floor| floor.ruleset))
}

/// As above, and grants the files that were handed over; `later`: the child adds the rules for paths. `kept`: what
/// is known of what paths lead to.
pub fn floor(
    domain: Domain,
    files: &Files,
    net: &Net,
    handed: &[Handed],
    (later, kept): (bool, &dyn Objects),
) -> Result<Option<Floor>, LaunchError> {
    let abi = ABI::from(i32::try_from(files.abi()).unwrap_or(i32::MAX));
    let refers = AccessFs::from_all(abi).contains(AccessFs::Refer);
    let mut handled = access(files.handled, abi);
    if net.unix.is_some() {
        handled |= AccessFs::ResolveUnix;
    }
    // Once files are restricted at all, REFER is denied unless it is granted (landlock(7)).
    if refers && (domain == Domain::Plain || !handled.is_empty()) {
        handled |= AccessFs::Refer;
    }
    let mut scoped = BitFlags::EMPTY;
    if domain == Domain::Signals {
        scoped |= Scope::Signal;
    }
    if net.scoped {
        scoped |= Scope::AbstractUnixSocket;
    }
    let ports = ports(net).iter().any(|(_, ports)| ports.is_some());
    if handled.is_empty() && scoped.is_empty() && !ports {
        return Ok(None);
    }
    let ruleset =
        create(net, handled, scoped).map_err(|error| LaunchError::Ruleset(describe(&error)))?;
    let Some(mut ruleset) = ruleset else {
        return Ok(None);
    };
    past_streams(&mut ruleset)?;
    let mut beneath = Vec::new();
    for rule in rules(files, net, abi, handled) {
        match later {
            true => beneath.extend(rule.for_the_child()),
            false => grant(ruleset.as_fd(), &rule, kept)?,
        }
    }
    for file in handed {
        grant_handed(ruleset.as_fd(), file, handled, abi);
    }
    Ok(Some(Floor {
        ruleset,
        beneath,
        quiet: files.abi() >= sys::landlock::QUIET_ABI,
    }))
}

/// If the caller has closed its streams, a new descriptor takes one of their numbers, and the command's
/// streams would replace it.
pub fn past_streams(fd: &mut OwnedFd) -> Result<(), LaunchError> {
    if fd.as_raw_fd() <= 2 {
        let other = process::duplicate(fd.as_raw_fd()).ok_or_else(Errno::last);
        *fd = other.map_err(LaunchError::system("fcntl(F_DUPFD_CLOEXEC)"))?;
    }
    Ok(())
}

/// The rights for ports, each with the only ports that have it; `None`: the right is not handled.
fn ports(net: &Net) -> [(AccessNet, &Option<Vec<u16>>); 4] {
    [
        (AccessNet::ConnectTcp, &net.connect_ports),
        (AccessNet::BindTcp, &net.bind_ports),
        (AccessNet::ConnectSendUdp, &net.connect_udp),
        (AccessNet::BindUdp, &net.bind_udp),
    ]
}

fn create(
    net: &Net,
    handled: BitFlags<AccessFs>,
    scoped: BitFlags<Scope>,
) -> Result<Option<OwnedFd>, RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if !handled.is_empty() {
        ruleset = ruleset.handle_access(handled)?;
    }
    if !scoped.is_empty() {
        ruleset = ruleset.scope(scoped)?;
    }
    let ports = ports(net);
    for (access, ports) in ports {
        if ports.is_some() {
            ruleset = ruleset.handle_access(access)?;
        }
    }
    let mut created = ruleset.create()?;
    for (access, ports) in ports {
        for port in ports.iter().flatten() {
            created = created.add_rule(NetPort::new(*port, access))?;
        }
    }
    Ok(created.into())
}

/// A rule for a path, and its rights if that is a directory, and if it is not.
struct Rule<'a> {
    path: &'a Path,
    directory: u64,
    file: u64,
}

impl Rule<'_> {
    /// A string with a NUL byte is not a path, and grants nothing.
    fn path(&self) -> Option<CString> {
        CString::new(self.path.as_os_str().as_bytes()).ok()
    }

    fn for_the_child(&self) -> Option<Beneath> {
        Some(Beneath {
            path: self.path()?,
            directory: self.directory,
            file: self.file,
        })
    }
}

/// The rules for paths.
fn rules<'a>(
    files: &'a Files,
    net: &'a Net,
    abi: ABI,
    handled: BitFlags<AccessFs>,
) -> impl Iterator<Item = Rule<'a>> {
    let named = files.grants.iter();
    let named = named.map(move |(path, rights)| (path.as_path(), access(*rights, abi) & handled));
    let refers = handled.contains(AccessFs::Refer) && !files.handled.write;
    let everywhere = refers.then_some((Path::new("/"), AccessFs::Refer.into()));
    let sockets = net.unix.iter().flatten();
    let sockets = sockets.map(|path| (path.as_path(), AccessFs::ResolveUnix.into()));
    let of_files = AccessFs::from_file(abi);
    let all = named.chain(everywhere).chain(sockets);
    all.map(move |(path, access): (&Path, BitFlags<AccessFs>)| Rule {
        path,
        directory: access.bits(),
        file: (access & of_files).bits(),
    })
}

/// Grants what a path of a plan leads to. A file that has gone since the policy was read grants nothing.
/// Neither does a symbolic link: the path has none, as links were resolved when the policy was read, so this
/// one was put there since, perhaps by a command of this policy.
fn grant(ruleset: BorrowedFd<'_>, rule: &Rule<'_>, kept: &dyn Objects) -> Result<(), LaunchError> {
    let (directory, file) = (rule.directory, rule.file);
    let granted = match kept.at(rule.path) {
        Some(Object::Open(object, true)) => {
            sys::landlock::grant_opened(ruleset, object, directory, file)
        }
        Some(Object::Open(..)) if file == 0 => Ok(()),
        Some(Object::Open(object, false)) => sys::landlock::grant_object(ruleset, object, file),
        Some(Object::Opened(object)) => {
            sys::landlock::grant_opened(ruleset, object, directory, file)
        }
        None => match rule.path().map(|path| open_without_links(&path)) {
            Some(Ok(object)) => {
                sys::landlock::grant_opened(ruleset, object.as_fd(), directory, file)
            }
            _ => Ok(()),
        },
    };
    granted.map_err(LaunchError::system("landlock_add_rule"))
}

/// Grants a file that was handed over: this inode, under any name. If the kernel accepts no rule for it,
/// it stays denied.
fn grant_handed(ruleset: BorrowedFd<'_>, file: &Handed, handled: BitFlags<AccessFs>, abi: ABI) {
    let mut granted = BitFlags::EMPTY;
    if file.read {
        granted |= AccessFs::ReadFile;
    }
    if file.write {
        // A descriptor for writing can also truncate: ftruncate(2).
        granted |= AccessFs::WriteFile | AccessFs::Truncate;
    }
    let granted = granted & handled & AccessFs::from_all(abi);
    if !granted.is_empty() {
        let _ = sys::landlock::grant_object(ruleset, file.object(), granted.bits());
    }
}

/// Rights as Landlock's access flags, as far as the ABI has them.
fn access(rights: Rights, abi: ABI) -> BitFlags<AccessFs> {
    let mut access = BitFlags::EMPTY;
    if rights.read {
        access |= make_bitflags!(AccessFs::{ReadFile | ReadDir});
    }
    if rights.write {
        access |= make_bitflags!(AccessFs::{
            WriteFile | Truncate | RemoveDir | RemoveFile | MakeChar | MakeDir | MakeReg | MakeSock
            | MakeFifo | MakeBlock | MakeSym | Refer
        });
    }
    if rights.exec {
        // The kernel opens an executed file for reading.
        access |= AccessFs::Execute | AccessFs::ReadFile;
    }
    access & AccessFs::from_all(abi)
}

fn describe(error: &RulesetError) -> String {
    let errno = Errno::last();
    format!("{error} (last error: {})", errno.desc())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of constants is that of the newest kernel headers (`tests/compat/headers`).
    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        let list = include_str!("../../tests/filter/table/linux.txt");
        let number = |name: &str| {
            let start = format!("constant LANDLOCK_{name} 0x");
            let digits = list.lines().find_map(|line| line.strip_prefix(&start));
            u64::from_str_radix(digits.expect("listed"), 16).expect("a number")
        };
        for (name, ours) in [
            ("ACCESS_FS_READ_FILE", AccessFs::ReadFile as u64),
            ("ACCESS_FS_REFER", AccessFs::Refer as u64),
            ("ACCESS_FS_RESOLVE_UNIX", AccessFs::ResolveUnix as u64),
            ("ACCESS_NET_BIND_TCP", AccessNet::BindTcp as u64),
            ("ACCESS_NET_CONNECT_TCP", AccessNet::ConnectTcp as u64),
            ("ACCESS_NET_BIND_UDP", AccessNet::BindUdp as u64),
            (
                "ACCESS_NET_CONNECT_SEND_UDP",
                AccessNet::ConnectSendUdp as u64,
            ),
            (
                "SCOPE_ABSTRACT_UNIX_SOCKET",
                Scope::AbstractUnixSocket as u64,
            ),
            ("SCOPE_SIGNAL", Scope::Signal as u64),
            (
                "RESTRICT_SELF_LOG_SAME_EXEC_OFF",
                sys::landlock::LOG_SAME_EXEC_OFF.into(),
            ),
            (
                "RESTRICT_SELF_LOG_SUBDOMAINS_OFF",
                sys::landlock::LOG_SUBDOMAINS_OFF.into(),
            ),
        ] {
            assert_eq!(ours, number(name), "{name}");
        }
    }

    #[test]
    fn each_abi_adds_what_it_has() {
        let all = Rights {
            read: true,
            write: true,
            exec: true,
        };
        let lacks = |abi, right| !access(all, abi).contains(right);
        assert!(access(all, ABI::Unsupported).is_empty());
        assert!(lacks(ABI::V1, AccessFs::Refer) && !lacks(ABI::V2, AccessFs::Refer));
        assert!(lacks(ABI::V2, AccessFs::Truncate) && !lacks(ABI::V3, AccessFs::Truncate));
        assert!(lacks(ABI::V7, AccessFs::IoctlDev));
        assert_eq!(access(all, ABI::V3), access(all, ABI::V7));
        // Rights for sockets are handled only where a plan says so.
        assert_eq!(access(all, ABI::V3), access(all, ABI::from(11)));
    }
}
