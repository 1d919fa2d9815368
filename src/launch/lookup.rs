//! Finding the program as a shell does: by `PATH` unless the name has a slash.

use super::{Command, LaunchError};
use crate::policy::{DomainSet, Policy, interpreted};
use nix::unistd::{AccessFlags, access};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// What execvp(3) searches where `PATH` is not set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program that was looked up.
#[derive(Debug, Clone)]
pub struct Found {
    /// The path to execute, absolute or relative to the command's working directory.
    path: PathBuf,
    /// The same without symbolic links. `None`: it leads nowhere.
    resolved: Option<PathBuf>,
}

impl Command {
    /// Looks up the program, for all questions that follow. The command must not be changed any more. If there
    /// is no such program, starting it fails with the reason.
    pub fn look_up(&mut self) {
        self.found = look_up(self).ok();
    }
}

fn look_up(command: &Command) -> Result<Found, LaunchError> {
    let path = search(command)?;
    let resolved = in_directory(command, &path).canonicalize().ok();
    Ok(Found { path, resolved })
}

/// The path to execute, and the same resolved.
pub(super) fn find(command: &Command) -> Result<(PathBuf, Option<PathBuf>), LaunchError> {
    let found = match &command.found {
        Some(found) => found.clone(),
        None => look_up(command)?,
    };
    Ok((found.path, found.resolved))
}

/// Searches the program in `PATH`.
fn search(command: &Command) -> Result<PathBuf, LaunchError> {
    let Some(name) = command.arguments.first() else {
        return Err(LaunchError::NoCommand);
    };
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = command.environment.iter().find(|(key, _)| key == "PATH");
    let path = path.map_or(OsStr::new(DEFAULT_PATH), |(_, value)| value);
    let mut unusable = None;
    if !name.is_empty() {
        for directory in std::env::split_paths(path) {
            // An empty entry is the working directory (POSIX, "Environment Variables").
            let candidate = match directory.as_os_str().is_empty() {
                true => Path::new(".").join(name),
                false => directory.join(name),
            };
            match usable(&in_directory(command, &candidate)) {
                Some(true) => return Ok(candidate),
                Some(false) => _ = unusable.get_or_insert(candidate),
                None => {}
            }
        }
    }
    match unusable {
        Some(path) => Err(LaunchError::NotExecutable { path }),
        None => Err(LaunchError::NotFound { name: name.clone() }),
    }
}

/// The command's program, resolved, for the plan. `None` if there is none; starting then fails with the
/// reason.
pub fn program(command: &Command) -> Option<PathBuf> {
    find(command).ok()?.1
}

/// The domains that the command itself enters: by its program, as written and resolved, and its arguments; and by
/// what interprets it, if it is a script.
pub fn domains(command: &Command, policy: &Policy) -> DomainSet {
    let Ok((mut path, Some(_))) = find(command) else {
        return DomainSet::NONE;
    };
    let mut set = DomainSet::NONE;
    if policy.domains.is_empty() {
        return set;
    }
    let words = command.arguments.iter();
    let mut words: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).collect();
    for _ in 0..=CHAIN {
        let written = in_directory(command, &path);
        let resolved = written.canonicalize().unwrap_or_default();
        let plain = plain(&written);
        let names = [&resolved, &plain].map(|path| path.as_os_str().as_bytes());
        set = set.and(policy.entered(&names, Some(&words)));
        let (interpreter, argument) = match script_line(&resolved) {
            Some(line) => line,
            // The launcher has a shell run it.
            None if is_text(&resolved) => (PathBuf::from("/bin/sh"), None),
            None => break,
        };
        let (name, script) = (interpreter.as_os_str(), path.as_os_str());
        words = interpreted(
            name.as_bytes(),
            argument.as_deref(),
            script.as_bytes(),
            &words,
        );
        path = interpreter;
    }
    set
}

/// How many interpreters of interpreters the kernel follows (exec_binprm of fs/exec.c).
const CHAIN: usize = 5;

/// A path, absolute and without `..`, whatever links are on the way.
fn plain(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

/// The path as seen from the caller's working directory.
pub fn in_directory(command: &Command, path: &Path) -> PathBuf {
    match &command.directory {
        Some(directory) => directory.join(path),
        None => path.to_owned(),
    }
}

/// Whether `program` is a text file: if the kernel then refuses it because it lacks a `#!` line, it is a
/// script.
pub fn is_text(program: &Path) -> bool {
    let mut head = [0; 256];
    // Opening a FIFO without a writer must not block; execve will report the error.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(program);
    let read = file.and_then(|mut file| file.read(&mut head));
    read.is_ok_and(|read| !head[..read].contains(&0))
}

/// The interpreter that the `#!` line of a script names.
pub fn script_interpreter(script: &Path) -> Option<PathBuf> {
    Some(script_line(script)?.0)
}

/// The same, and what the line passes to it.
fn script_line(script: &Path) -> Option<(PathBuf, Option<Vec<u8>>)> {
    // Opening a FIFO without a writer must not block.
    if !script.is_file() {
        return None;
    }
    let mut head = [0; 256];
    let read = std::fs::File::open(script).ok()?.read(&mut head).ok()?;
    let line = head.get(..read)?.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let name = line.split(u8::is_ascii_whitespace).next()?;
    let rest = line.get(name.len()..).unwrap_or_default().trim_ascii();
    let argument = (!rest.is_empty()).then(|| rest.to_vec());
    Some((PathBuf::from(OsStr::from_bytes(name)), argument))
}

/// `None`: no such file; otherwise whether it is a file that may be executed.
fn usable(path: &Path) -> Option<bool> {
    let metadata = path.metadata().ok()?;
    Some(metadata.is_file() && access(path, AccessFlags::X_OK).is_ok())
}
