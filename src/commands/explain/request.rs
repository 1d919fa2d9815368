//! A text to what it asks for: `read ./x`, `exec /usr/bin/git push`, `connect 1.2.3.4:443`,
//! `socket(AF_INET, SOCK_STREAM)`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::ExplainError;
use crate::net::Way;
use crate::paths::Access;
use crate::policy::{PathContext, Peer, PlaceError, Who, locate, peer};
use crate::syscalls::{Call, parse_call};

/// What is asked for.
pub enum Request {
    /// An access to a path.
    Path(Access, PathBuf),
    /// The execution of a program with these arguments, the name of the program first.
    Exec(PathBuf, Vec<Vec<u8>>),
    /// A peer, or an address to listen on.
    Peer(Peer),
    /// A system call.
    Call(Call),
}

/// `around`: what the policy's own texts mean, so that `$TMPDIR` is the same in both.
pub fn parse(text: &str, around: &PathContext) -> Result<Request, ExplainError> {
    if let Some((verb, object)) = text.trim().split_once(' ') {
        let object = object.trim();
        if let Some(way) = Way::from_word(verb) {
            return one_peer(way, object, around).map(Request::Peer);
        }
        match Access::from_word(verb) {
            Some(Access::Exec) => return program(object, around),
            Some(access) => return Ok(Request::Path(access, path(object, around)?)),
            None => {}
        }
    }
    match parse_call(text) {
        Ok(call) => Ok(Request::Call(call)),
        Err(source) => Err(ExplainError::Call {
            text: text.to_owned(),
            source,
        }),
    }
}

fn path(text: &str, around: &PathContext) -> Result<PathBuf, ExplainError> {
    match locate(text, around) {
        Ok(located) => Ok(located.pattern.base().to_owned()),
        Err(PlaceError::Unset(name)) => Err(ExplainError::Path(format!(
            "the variable {name} is not set"
        ))),
        Err(PlaceError::Malformed(message)) => Err(ExplainError::Path(message)),
    }
}

/// A program, and what follows it as arguments, unless the whole is the name of a file. A name without a
/// slash that is no file here is looked for in PATH, as a shell does.
fn program(text: &str, around: &PathContext) -> Result<Request, ExplainError> {
    let mut words = text.split_whitespace();
    let name = match text {
        whole if Path::new(whole).exists() => {
            words = "".split_whitespace();
            whole
        }
        _ => words.next().unwrap_or_default(),
    };
    let found = match name.contains('/') || Path::new(name).exists() {
        true => None,
        false => searched(name),
    };
    let place = match found {
        Some(found) => path(&found.to_string_lossy(), around)?,
        None => path(name, around)?,
    };
    let mut argv = vec![name.as_bytes().to_vec()];
    argv.extend(words.map(|word| word.as_bytes().to_vec()));
    Ok(Request::Exec(place, argv))
}

fn searched(name: &str) -> Option<PathBuf> {
    let executable = |path: &PathBuf| {
        let metadata = fs::metadata(path);
        metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    let places = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&places).map(|directory| directory.join(name));
    places.find(executable)
}

fn one_peer(way: Way, endpoint: &str, around: &PathContext) -> Result<Peer, ExplainError> {
    let mut peer = peer(way, endpoint, around).map_err(ExplainError::Peer)?;
    // As the supervisor does when the call is made.
    if let (
        Way::Connect,
        Who::Inet {
            ip: Some(ip), own, ..
        },
    ) = (way, &mut peer.who)
    {
        *own = crate::sys::route::is_own(*ip);
    }
    Ok(peer)
}
