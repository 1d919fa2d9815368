//! Which files are databases of SQLite: it makes files beside them when it changes them, which one run may not show.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How a database begins (the file format of SQLite 3).
const HEADER: &[u8; 16] = b"SQLite format 3\0";
/// Files of a directory that are looked at.
const MOST_FILES: usize = 256;

/// Whether this is a database. The command may have put anything there, so that only a file is opened.
pub fn is_database(path: &Path) -> bool {
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return false;
    }
    let mut options = OpenOptions::new();
    let options = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let mut start = [0; HEADER.len()];
    let read = options
        .open(path)
        .and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *HEADER
}

/// Whether there is a database in this directory, among its first files.
pub fn is_in(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    let mut entries = entries.take(MOST_FILES).flatten();
    entries.any(|entry| is_database(&entry.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_begins_as_one_is_a_database() {
        let dir = std::env::temp_dir().join(format!("jail-sqlite-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        for (name, content) in [
            ("short", &HEADER[..8]),
            ("other", b"SQLite format 2\0 and more"),
        ] {
            fs::write(dir.join(name), content).expect("a file");
            assert!(!is_database(&dir.join(name)), "{name}");
        }
        assert!(!is_in(&dir) && !is_database(&dir) && !is_database(&dir.join("missing")));
        fs::write(dir.join("app.db"), HEADER).expect("a file");
        std::os::unix::fs::symlink("app.db", dir.join("link")).expect("a link");
        assert!(is_database(&dir.join("app.db")) && is_in(&dir));
        assert!(!is_database(&dir.join("link")));
        fs::remove_dir_all(&dir).expect("removed");
    }
}
