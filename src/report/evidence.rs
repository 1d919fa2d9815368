//! Opens jail's own files in places where a command of an earlier run may have written: a log, verdicts,
//! output files of cases.
//!
//! A symbolic link at the place is not followed. A command could have created it, and jail, which is not
//! confined, would truncate the file that it leads to.

use nix::libc;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What happens with existing content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It is removed. All writes append, even if a command that can also open the file truncates it.
    ReplacedByALog,
    /// It is removed.
    Replaced,
    /// It can be read, and writes continue it.
    Kept,
}

/// Opens a file for writing, and creates it if it does not exist.
///
/// # Errors
/// Those of open(2), and a symbolic link. Links in `/dev` belong to root and are followed:
/// `/dev/stderr`.
pub fn open(path: &Path, content: Content) -> io::Result<File> {
    let mut flags = match content {
        // O_APPEND is set here because OpenOptions does not allow `append` together with `truncate`.
        Content::ReplacedByALog => libc::O_APPEND | libc::O_TRUNC,
        Content::Replaced => libc::O_TRUNC,
        Content::Kept => libc::O_APPEND,
    };
    if path.parent() != Some(Path::new("/dev")) {
        flags |= libc::O_NOFOLLOW;
    }
    let opened = OpenOptions::new()
        .read(content == Content::Kept)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(flags)
        .open(path);
    opened.map_err(|error| match error.raw_os_error() {
        // open(2): "pathname is a symbolic link" with O_NOFOLLOW; also too many links on the way.
        Some(libc::ELOOP) => io::Error::other(
            "it is a symbolic link, which jail does not follow because an earlier command may \
             have created it; name the file itself, or remove the link",
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_link_is_not_followed_and_what_it_leads_to_is_left_alone() {
        let dir = std::env::temp_dir().join(format!("jail-evidence-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let (file, link) = (dir.join("file"), dir.join("link"));
        fs::write(&file, "kept").expect("a file");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        for content in [Content::ReplacedByALog, Content::Replaced, Content::Kept] {
            let error = open(&link, content).expect_err("a link");
            assert!(error.to_string().contains("symbolic link"), "{error}");
            assert_eq!(fs::read_to_string(&file).expect("a file"), "kept");
        }
        open(Path::new("/dev/stderr"), Content::Kept).map_or_else(
            // If stderr is closed, or may not be opened again.
            |error| assert!(!error.to_string().contains("symbolic link"), "{error}"),
            drop,
        );
        let _ = fs::remove_dir_all(dir);
    }

    #[test]
    fn a_log_goes_on_at_the_end_of_what_was_cut_off() {
        let dir = std::env::temp_dir().join(format!("jail-evidence-log-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let path = dir.join("log");
        fs::write(&path, "of an earlier run").expect("a file");
        let mut log = open(&path, Content::ReplacedByALog).expect("a log");
        log.write_all(b"one\n").expect("a write");
        fs::write(&path, "").expect("cut off");
        log.write_all(b"two\n").expect("a write");
        assert_eq!(fs::read(&path).expect("a file"), b"two\n");
        let mut kept = open(&path, Content::Kept).expect("a file");
        kept.write_all(b"three\n").expect("a write");
        assert_eq!(fs::read(&path).expect("a file"), b"two\nthree\n");
        drop(open(&path, Content::Replaced).expect("a file"));
        assert_eq!(fs::read(&path).expect("a file"), b"");
        let _ = fs::remove_dir_all(dir);
    }
}
