//! The process that made a denied call, and the call as text.

use super::owned;
use super::text::PathFacts;
use crate::judge::varying::{Refused, Run};
use crate::net::dns;
use crate::paths::Access;
use crate::policy::{DomainSet, Who};
use crate::supervise::{Answer, Denial, Object, PeerObject};
use crate::trace::Tid;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess, geteuid};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The process that made a call, and the call as text. It is read from the process only on demand.
pub struct Caller {
    pub pid: Tid,
    pub tid: Tid,
    pub ancestry: Vec<String>,
    pub domains: DomainSet,
    pub call: String,
    pub path: Option<PathFacts>,
    pub peer: Option<PeerObject>,
    /// The path as a policy names it.
    pub own: Vec<u8>,
    /// What is known of the run, for the remedy.
    pub run: Run,
    /// The answer, if a person or a program was asked.
    pub asked: Option<Answer>,
}

impl Caller {
    /// The data of the denial.
    pub fn of(denial: &Denial<'_>) -> Self {
        let own = match &denial.object {
            Some(Object::Path(object)) => denial.own(&object.resolved),
            _ => Vec::new(),
        };
        let named = match &denial.object {
            Some(Object::Path(object)) => object.resolved.as_slice(),
            Some(Object::Peer(object)) => object.to.as_bytes(),
            None => &[],
        };
        let link = match &denial.object {
            Some(Object::Path(object)) => {
                Path::new(OsStr::from_bytes(&object.resolved)).is_symlink()
            }
            _ => false,
        };
        let refused = match &denial.object {
            Some(Object::Path(object)) => {
                let path = Path::new(OsStr::from_bytes(&object.resolved));
                Refused {
                    object: is_refused(object.access, path),
                    directory: path
                        .parent()
                        .is_some_and(|above| is_refused(Access::Write, above)),
                }
            }
            _ => Refused::default(),
        };
        Self {
            run: Run {
                link,
                refused,
                processes: numbers(named)
                    .filter(|number| denial.is_task(*number))
                    .collect(),
                nameservers: match &denial.object {
                    Some(Object::Peer(PeerObject { who: Some(who), .. })) if is_dns(who) => {
                        nameservers()
                    }
                    _ => Vec::new(),
                },
                ..run_context()
            },
            own,
            asked: denial.asked,
            pid: denial.pid(),
            tid: denial.tid,
            ancestry: owned(denial.program().ancestry()),
            domains: denial.domains(),
            call: denial.text(),
            path: match &denial.object {
                Some(Object::Path(object)) => Some(PathFacts {
                    access: object.access,
                    given: String::from_utf8_lossy(&object.given).into_owned(),
                    resolved: String::from_utf8_lossy(&object.resolved).into_owned(),
                }),
                _ => None,
            },
            peer: match &denial.object {
                Some(Object::Peer(object)) => Some(object.clone()),
                _ => None,
            },
        }
    }
}

/// Whether file permissions deny an access to this user: to change what is at a path or to make it, or to read it.
pub fn is_refused(access: Access, path: &Path) -> bool {
    // `/proc/self` is another process here.
    if path.starts_with("/proc") {
        return false;
    }
    let there = |place: &Path| place.symlink_metadata().ok();
    let (found, asked) = match access {
        Access::Write => {
            let mut above = path.ancestors();
            let found = above.find_map(|place| Some((place, there(place)?)));
            (found, AccessFlags::W_OK)
        }
        Access::Read => (there(path).map(|it| (path, it)), AccessFlags::R_OK),
        _ => return false,
    };
    found.is_some_and(|(place, metadata)| {
        // Its owner may have taken the permission away after the change, as git does.
        metadata.uid() != geteuid().as_raw()
            && matches!(eaccess(place, asked), Err(Errno::EACCES | Errno::EROFS))
    })
}

/// The numbers in a text.
pub fn numbers(text: &[u8]) -> impl Iterator<Item = Tid> + '_ {
    let digits = text.split(|byte| !byte.is_ascii_digit());
    digits.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}

/// How many bytes of /etc/resolv.conf are read.
const MOST: u64 = 1 << 16;

fn is_dns(who: &Who) -> bool {
    matches!(
        who,
        Who::Inet {
            port: dns::PORT,
            ..
        }
    )
}

/// The resolvers of this host: resolv.conf(5). Opening must not block if the file is a pipe.
pub fn nameservers() -> Vec<IpAddr> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open("/etc/resolv.conf");
    let mut text = String::new();
    if let Ok(file) = file
        && file.metadata().is_ok_and(|it| it.is_file())
    {
        // A file that cannot be read names none.
        let _ = file.take(MOST).read_to_string(&mut text);
    }
    text.lines().filter_map(nameserver).collect()
}

/// The address of a line `nameserver fe80::1%eth0`.
fn nameserver(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    let is_one = words.next() == Some("nameserver");
    let address = words.next().filter(|_| is_one)?;
    address.split('%').next()?.parse().ok()
}

/// The starting directory, the caller's home directory, and the caller's directory for temporary files.
pub fn run_context() -> Run {
    let place = |variable: &str| {
        let path = std::env::var_os(variable).map(PathBuf::from);
        let path = path.filter(|path| path.is_absolute());
        path.and_then(|path| path.canonicalize().ok())
    };
    Run {
        tmpdir: place("TMPDIR"),
        home: place("HOME"),
        directory: std::env::current_dir().ok(),
        ..Run::default()
    }
}
