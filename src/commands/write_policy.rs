//! `--write-policy FILE`: saves the policy that the command line describes.

use crate::policy::Layers;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Writes the file, which must not exist with another content; returns its text. Names of files are
/// relative to the current directory.
///
/// # Errors
/// A message.
pub fn write(layers: &Layers, to: &Path) -> Result<String, String> {
    let text = layers.toml(Path::new("."), to)?;
    // O_EXCL, so that a symbolic link is not followed (open(2)).
    let created = OpenOptions::new().write(true).create_new(true).open(to);
    match created {
        Ok(mut file) => {
            let written = file.write_all(text.as_bytes());
            written.map_err(|error| format!("cannot write it: {error}"))?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !holds(to, &text) {
                return Err(
                    "the file exists, and says something else; remove it, or name another file"
                        .to_owned(),
                );
            }
        }
        Err(error) => return Err(format!("cannot write it: {error}")),
    }
    Ok(text)
}

/// Whether this is a file with this content, as it is when the same command line is run again.
fn holds(path: &Path, text: &str) -> bool {
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let Ok(file) = File::open(path) else {
        return false;
    };
    let mut found = Vec::with_capacity(text.len() + 1);
    let read = file.take(text.len() as u64 + 1).read_to_end(&mut found);
    read.is_ok() && found == text.as_bytes()
}
