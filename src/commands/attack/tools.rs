//! What the attacks have in common: texts of errors, and what they say on stdout.

use crate::sys::Errno;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What an attack says before anything else.
pub const BEGAN: &str = "attack began";
/// What precedes the end of an attack.
pub const REACHED: &str = "attack reached: ";
pub const STOPPED: &str = "attack stopped: ";
/// What an attack says when the supervisor may be killed.
pub const READY: &str = "attack ready";
/// What precedes the id of a process of another jail.
pub const SIBLING: &str = "sibling ";
/// What the program outside prints.
pub const TOOL: &str = "the denied program runs";

/// Prints one line at once, in one write.
pub fn say(text: &str) {
    use std::io::Write;
    let _ = io::stdout().write_all(format!("{text}\n").as_bytes());
    let _ = io::stdout().flush();
}

/// What stopped an attack: the call, and the name of the error.
pub fn by<E: Into<io::Error>>(call: &str) -> impl Fn(E) -> String + '_ {
    move |error| {
        let error: io::Error = error.into();
        match error.raw_os_error().map(Errno::from_raw) {
            Some(errno) => format!("{call}: {errno:?}"),
            None => format!("{call}: {error}"),
        }
    }
}

/// A path for a system call.
pub fn c_path(path: &Path) -> Result<CString, String> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| "a path with a NUL".to_owned())
}

/// The content of an open file.
pub fn content(file: impl Into<File>) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut file: File = file.into();
    (&mut file)
        .take(4096)
        .read_to_end(&mut bytes)
        .map_err(by("read"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A way to reach something.
pub type Way<'a, T> = &'a mut dyn FnMut() -> Result<T, String>;

/// Tries each way until one works; the error is that of all of them.
pub fn any<T>(ways: &mut [Way<'_, T>]) -> Result<T, String> {
    let mut stopped: Vec<String> = Vec::new();
    for way in ways {
        match way() {
            Ok(found) => return Ok(found),
            Err(why) if stopped.contains(&why) => {}
            Err(why) => stopped.push(why),
        }
    }
    Err(stopped.join(", "))
}

/// Tries all ways; what has stopped them, for an attack whose success shows outside.
pub fn all(ways: &mut [Way<'_, ()>]) -> Result<String, String> {
    let mut stopped: Vec<String> = Vec::new();
    for way in ways {
        match way() {
            Ok(()) => {}
            Err(why) if stopped.contains(&why) => {}
            Err(why) => stopped.push(why),
        }
    }
    match stopped.is_empty() {
        true => Ok("each call succeeded".to_owned()),
        false => Err(stopped.join(", ")),
    }
}
