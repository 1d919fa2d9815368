//! The run of a denial, as far as advice depends on it.

use std::net::IpAddr;
use std::path::PathBuf;

/// What is known of the run that a denial belongs to.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The caller's TMPDIR, resolved.
    pub tmpdir: Option<PathBuf>,
    /// The directory that the jail starts in.
    pub directory: Option<PathBuf>,
    /// Numbers in the denied name that are process ids of the jail.
    pub processes: Vec<i32>,
    /// Whether a symbolic link itself was denied: an entry would cover its target instead.
    pub link: bool,
    /// The caller's home directory, resolved.
    pub home: Option<PathBuf>,
    /// The nameservers of /etc/resolv.conf, if the denial is about port 53.
    pub nameservers: Vec<IpAddr>,
    /// Whether file permissions deny the access to the command's user, too: to what was named, and to a change of
    /// names in its directory.
    pub refused: Refused,
}

/// What file permissions deny to a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    pub object: bool,
    pub directory: bool,
}
