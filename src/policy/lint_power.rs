//! Warnings of `jail check` about entries that give the command power over what runs outside of the jail:
//! files that other programs execute later, files of the kernel, the sockets of container engines, and the
//! policy itself. An entry that says `why` is intended.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::places::PathContext;
use super::{Action, Code, Diagnostic, List, NetList, PathEntry, Policy};
use crate::net::{Endpoint, Socket};

/// The preset that names what other programs execute later.
const TRIGGERS: &str = "protect-triggers";

/// How many files are looked at for another name of a policy file: the search must end.
const LOOKED_AT: usize = 20_000;

/// Sockets whose owner starts processes on the host for every client.
const ENGINES: [&str; 11] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
    "/var/lib/lxd/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/incus/unix.socket",
    "/run/libvirt/libvirt-sock",
];

/// The same of one user, beneath `$XDG_RUNTIME_DIR`.
const USER_ENGINES: [&str; 2] = ["docker.sock", "podman/podman.sock"];

/// Warnings about the main file's entries, and its file.
pub(super) fn lint(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let opens = |entry: &&PathEntry| {
        entry.list == List::Write && policy.is_own(entry.origin) && entry.why.is_none()
    };
    let opened: Vec<&PathEntry> = policy.paths.iter().filter(opens).collect();
    if !opened.is_empty() {
        let later = executed_later(policy);
        let engines = engines();
        for entry in opened {
            let found = kernel_files(policy, entry)
                .or_else(|| replaced_engine(policy, entry, &engines))
                .or_else(|| later_by(entry, &later));
            if let Some((code, message, help)) = found {
                let span = policy.span(entry.origin, &entry.text);
                let warning = Diagnostic::warning(code, message).at(entry.origin.source, span);
                warnings.push(warning.help(help));
            }
        }
    }
    engine_peers(policy, warnings);
    other_names(policy, warnings);
}

/// Code, message, help.
type Finding = (Code, String, String);

/// Whether an entry takes a path away from what `write` opens.
fn is_closed(policy: &Policy, path: &Path) -> bool {
    let closes = |entry: &PathEntry| {
        (entry.list.denies() || entry.list == List::Protect)
            && entry.covers(path.as_os_str().as_bytes())
    };
    policy.paths.iter().any(closes)
}

fn covers(entry: &PathEntry, path: &Path) -> bool {
    entry.pattern.covers(path.as_os_str().as_bytes())
}

/// What exists here and is executed by programs outside of the jail, where the policy does not close it:
/// the path, and what executes it.
fn executed_later(policy: &Policy) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    if let Ok(triggers) = Policy::preset(TRIGGERS) {
        let there = triggers.paths.iter().filter(|entry| entry.place.is_some());
        found.extend(there.map(|entry| {
            let why = entry.why.clone().unwrap_or_default();
            (entry.pattern.base().to_owned(), why)
        }));
    }
    let path = (PathContext::own().variable)("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    found.extend(programs.filter_map(|directory| {
        let directory = directory.canonicalize().ok()?;
        let own = access(&directory, AccessFlags::W_OK).is_ok();
        own.then(|| {
            (
                directory,
                "PATH names it: shells look for programs there".to_owned(),
            )
        })
    }));
    found.retain(|(path, _)| !is_closed(policy, path));
    found
}

/// An entry that lets the command change what is executed later.
fn later_by(entry: &PathEntry, later: &[(PathBuf, String)]) -> Option<Finding> {
    let base = entry.pattern.base();
    let within =
        |path: &Path| covers(entry, path) || entry.pattern.is_literal() && base.starts_with(path);
    let mut seen = HashSet::new();
    let mut found = later
        .iter()
        .filter(|(path, _)| within(path) && seen.insert(path.clone()));
    let (first, why) = found.next()?;
    let more = match found.count() {
        0 => String::new(),
        more => format!(", and {more} more such files"),
    };
    let message = format!(
        "fs.write \"{}\" lets the command change {} ({why}){more}",
        entry.text,
        first.display()
    );
    let help = format!(
        "extend \"{TRIGGERS}\", which protects such files, or protect them in [fs]; if it is intended, say `why`"
    );
    Some((Code::ExecutedLater, message, help))
}

/// An entry that opens files of the kernel. Those of the calling process itself are its own.
fn kernel_files(policy: &Policy, entry: &PathEntry) -> Option<Finding> {
    let base = entry.pattern.base();
    let open = ["/proc", "/sys"].into_iter().filter(|root| {
        let root = Path::new(root);
        !entry.own && (base.starts_with(root) || covers(entry, root)) && !is_closed(policy, root)
    });
    let open: Vec<&str> = open.collect();
    if open.is_empty() {
        return None;
    }
    let message = format!(
        "fs.write \"{}\" opens files of the kernel beneath {}: settings of the whole host, and of other processes",
        entry.text,
        open.join(" and ")
    );
    let help = "name the file that is needed, such as /proc/self/oom_score_adj; if it is intended, say `why`";
    Some((Code::KernelFiles, message, help.to_owned()))
}

/// The sockets of container engines.
fn engines() -> Vec<PathBuf> {
    let user = (PathContext::own().variable)("XDG_RUNTIME_DIR").map(PathBuf::from);
    let user = user.filter(|directory| directory.is_absolute());
    let own = user.iter().flat_map(|directory| {
        let names = USER_ENGINES.iter();
        names.map(move |name| directory.join(name))
    });
    ENGINES.iter().map(PathBuf::from).chain(own).collect()
}

/// Whether a place is meant by an entry: it is named, or it exists.
fn is_meant(base: &Path, socket: &Path) -> bool {
    base == socket || fs::symlink_metadata(socket).is_ok()
}

/// An entry of `write` with which the command could put its own socket in the place of an engine's.
fn replaced_engine(policy: &Policy, entry: &PathEntry, engines: &[PathBuf]) -> Option<Finding> {
    let socket = engines.iter().find(|socket| {
        covers(entry, socket)
            && is_meant(entry.pattern.base(), socket)
            && !is_closed(policy, socket)
    })?;
    let message = format!(
        "fs.write \"{}\" lets the command change {}, the socket of a container engine",
        entry.text,
        socket.display()
    );
    Some((Code::ContainerSocket, message, ENGINE_HELP.to_owned()))
}

const ENGINE_HELP: &str = "an engine starts containers that see all of the host: extend \"protect-credentials\", which denies such sockets; if it is intended, say `why`";

/// Entries of `connect` that reach a container engine.
fn engine_peers(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let reaches = |endpoint: &Endpoint, socket: &Path| match endpoint {
        Endpoint::Unix(Socket::Any) => is_meant(Path::new("/"), socket),
        Endpoint::Unix(Socket::Path(pattern)) => {
            pattern.covers(socket.as_os_str().as_bytes()) && is_meant(pattern.base(), socket)
        }
        _ => false,
    };
    let denied = |socket: &Path| {
        let denies = |endpoint: &Endpoint| match endpoint {
            Endpoint::Unix(Socket::Any) => true,
            Endpoint::Unix(Socket::Path(pattern)) => pattern.covers(socket.as_os_str().as_bytes()),
            _ => false,
        };
        let mut entries = policy.peers.iter();
        entries.any(|entry| entry.closes() && denies(&entry.endpoint)) || is_denied(policy, socket)
    };
    let own = policy.peers.iter().filter(|entry| {
        entry.list == NetList::Connect && policy.is_own(entry.origin) && entry.why.is_none()
    });
    for entry in own {
        let engines = engines();
        let reached = engines
            .iter()
            .find(|socket| reaches(&entry.endpoint, socket) && !denied(socket));
        let Some(socket) = reached else { continue };
        let message = format!(
            "net.connect \"{}\" lets the command use {}, the socket of a container engine",
            entry.text,
            socket.display()
        );
        let span = policy.span(entry.origin, &entry.text);
        let warning = Diagnostic::warning(Code::ContainerSocket, message);
        warnings.push(warning.at(entry.origin.source, span).help(ENGINE_HELP));
    }
}

/// What `deny` and `hide` cover cannot be connected to.
fn is_denied(policy: &Policy, path: &Path) -> bool {
    let mut entries = policy.paths.iter();
    entries.any(|entry| entry.list.denies() && entry.covers(path.as_os_str().as_bytes()))
}

/// Policy files that have another name where the command may write. Jail protects the name by which it
/// was given.
fn other_names(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let mut left = LOOKED_AT;
    for (index, source) in policy.sources.iter().enumerate() {
        let Some(file) = source.files.last() else {
            continue;
        };
        let Ok(metadata) = fs::metadata(file) else {
            continue;
        };
        if metadata.nlink() < 2 {
            continue;
        }
        let identity = (metadata.dev(), metadata.ino());
        let Some(other) = named_again(policy, file, identity, &mut left) else {
            continue;
        };
        let message = format!(
            "the command can change {} through its other name {}",
            file.display(),
            other.display()
        );
        let source = u16::try_from(index).unwrap_or_default();
        warnings.push(
            Diagnostic::warning(Code::OwnPolicy, message)
                .at(source, 0..0)
                .help("both names are hard links of one file: remove one, or make it a copy"),
        );
    }
}

/// Another name of a file, where the policy lets the command write. It is looked for beside the file first, because
/// so much may lie elsewhere that not all of it is looked at.
fn named_again(
    policy: &Policy,
    file: &Path,
    identity: (u64, u64),
    left: &mut usize,
) -> Option<PathBuf> {
    let writes = policy
        .paths
        .iter()
        .filter(|entry| entry.list == List::Write);
    let (near, far): (Vec<_>, Vec<_>) =
        writes.partition(|entry| entry.covers(file.as_os_str().as_bytes()));
    let beside = !near.is_empty() || policy.default.action == Action::Allow;
    // The last one is looked at first.
    let entries = far.into_iter().chain(near);
    let mut todo: Vec<PathBuf> = entries
        .map(|entry| entry.pattern.base().to_owned())
        .collect();
    todo.extend(file.parent().filter(|_| beside).map(Path::to_owned));
    while let Some(directory) = todo.pop() {
        let Ok(found) = fs::read_dir(&directory) else {
            continue;
        };
        for item in found.flatten() {
            *left = left.checked_sub(1)?;
            let path = item.path();
            let Ok(metadata) = item.metadata() else {
                continue;
            };
            let same = (metadata.dev(), metadata.ino()) == identity;
            if same && path != file && !is_closed(policy, &path) {
                return Some(path);
            }
            if metadata.is_dir() {
                todo.push(path);
            }
        }
    }
    None
}
