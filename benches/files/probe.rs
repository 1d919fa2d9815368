//! The workload: opens a file and closes it, again and again; timed from within so that no start-up
//! counts. Prints what one time takes, in nanoseconds.
//!
//! It must do nothing but the work while its clock runs.

use crate::Result;
use std::ffi::CString;
use std::io::{Error, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// Opens `path` `count` times. `company` says whether another process sleeps meanwhile: `alone` or
/// `beside`. `found` says whether the path exists: `found` or `missing`.
pub fn run(company: &str, found: &str, path: &str, count: &str) -> Result<()> {
    let count: u32 = count.parse()?;
    let path = CString::new(path)?;
    // The other process ends when this one closes its end.
    let _other = match company {
        "beside" => Some(sleeper()?),
        _ => None,
    };
    let found = found == "found";
    let before = Instant::now();
    for _ in 0..count {
        if open_and_close(&path) != found {
            return Err(format!("{path:?}: {}", Error::last_os_error()).into());
        }
    }
    println!(
        "{}",
        before.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    );
    Ok(())
}

/// Whether it could be opened.
#[allow(unsafe_code)]
fn open_and_close(path: &CString) -> bool {
    // SAFETY: the path is a C string; the descriptor was opened here and is closed once.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        fd >= 0 && libc::close(fd) == 0
    }
}

/// A child that does nothing until the returned stream is closed. It has begun to.
fn sleeper() -> Result<UnixStream> {
    use nix::unistd::{ForkResult, fork};
    let (mut ours, mut theirs) = UnixStream::pair()?;
    // SAFETY: this process has one thread, so the child may do what it likes.
    #[allow(unsafe_code)]
    let side = unsafe { fork()? };
    if let ForkResult::Child = side {
        drop(ours);
        let ended = theirs.write_all(b".").and_then(|()| theirs.read(&mut [0]));
        std::process::exit(ended.is_err().into());
    }
    drop(theirs);
    ours.read_exact(&mut [0])?;
    Ok(ours)
}
