//! How a variant names the victim: a descriptor of a directory and a path.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::fmt;
use std::os::fd::IntoRawFd;

/// What a call answers.
#[derive(Debug)]
pub enum Answer {
    /// It succeeded.
    Ok,
    /// It failed.
    Failed(Errno),
    /// There is no such variant of it.
    NotApplicable,
    /// What has to be there before could not be had.
    Unprepared(&'static str, Errno),
}

impl From<Errno> for Answer {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Ok => write!(f, "ok"),
            Self::Failed(errno) => write!(f, "{errno:?}"),
            Self::NotApplicable => write!(f, "n/a"),
            Self::Unprepared(what, errno) => write!(f, "{what}:{errno:?}"),
        }
    }
}

/// The two paths of a call.
pub struct Job {
    /// The victim's directory, or AT_FDCWD.
    pub at: i64,
    /// The victim, relative to `at`.
    pub path: CString,
    /// Another name beside the victim.
    pub beside: CString,
    /// The second path.
    pub other: CString,
}

/// Prepares the variant; `None` if there is no such one.
pub fn name(
    variant: &str,
    directory: &str,
    name: &str,
    has_dirfd: bool,
    follows: bool,
) -> Option<Result<Job, Answer>> {
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let links = || std::env::var("FILES_LINKS").unwrap_or_default();
    let mut at = i64::from(libc::AT_FDCWD);
    let named = match variant {
        "absolute" => Ok(format!("{directory}/{name}")),
        "relative" => match nix::unistd::chdir(directory) {
            Ok(()) => Ok(name.to_owned()),
            Err(errno) => Err(Answer::Unprepared("chdir", errno)),
        },
        "dirfd" if !has_dirfd => Err(Answer::NotApplicable),
        "dirfd" => pinned(directory).map(|descriptor| {
            at = descriptor;
            name.to_owned()
        }),
        "symlink" => Ok(format!("{}/{}/{name}", links(), last(directory))),
        "final" if !follows => Err(Answer::NotApplicable),
        "final" => Ok(format!("{}/{}", links(), last(name))),
        "proc-root" => Ok(format!("/proc/self/root{directory}/{name}")),
        "proc-fd" => {
            pinned(directory).map(|descriptor| format!("/proc/self/fd/{descriptor}/{name}"))
        }
        _ => return None,
    };
    let other = std::env::var("FILES_OTHER").unwrap_or_default();
    Some(named.map(|path| Job {
        at,
        beside: text(format!("{path}.new")),
        path: text(path),
        other: text(format!("{other}/{}", last(name))),
    }))
}

/// The directory, opened with O_PATH.
fn pinned(directory: &str) -> Result<i64, Answer> {
    match open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()) {
        Ok(descriptor) => Ok(i64::from(descriptor.into_raw_fd())),
        Err(errno) => Err(Answer::Unprepared("open", errno)),
    }
}

/// For the kernel.
pub fn text(path: String) -> CString {
    CString::new(path).expect("a path without NUL")
}
