//! Where a race takes place: the tree, the good and the bad path, and what tells that the bad one
//! was changed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the bad program ends with.
pub const BAD_PROGRAM: u8 = 77;

/// The word in the bad file.
pub const SECRET: &[u8] = b"SECRET";

/// The good and the bad path of an attack.
#[derive(Clone)]
pub struct Place {
    pub good: PathBuf,
    pub bad: PathBuf,
    /// A directory in which the attack may make what it needs: the working directory at its start.
    pub scratch: PathBuf,
}

impl Place {
    pub fn new(good: &str, bad: &str) -> Self {
        Self {
            good: good.into(),
            bad: bad.into(),
            scratch: std::env::current_dir().expect("the working directory has no path"),
        }
    }

    /// The same directories, with another name in them.
    pub fn named(&self, leaf: &str) -> Self {
        Self {
            good: self.good.with_file_name(leaf),
            bad: self.bad.with_file_name(leaf),
            scratch: self.scratch.clone(),
        }
    }

    pub fn good_directory(&self) -> &Path {
        self.good.parent().expect("GOOD lies in a directory")
    }

    pub fn bad_directory(&self) -> &Path {
        self.bad.parent().expect("BAD lies in a directory")
    }

    /// What holds the bad directory.
    pub fn above_bad(&self) -> &Path {
        let directory = self.bad_directory();
        directory.parent().expect("BAD lies two directories deep")
    }

    /// BAD as seen from `above_bad`; seen from the good directory, a decoy.
    pub fn below(&self) -> &Path {
        let below = self.bad.strip_prefix(self.above_bad());
        below.expect("a path lies below its own parent")
    }

    /// What anybody who has changed BAD, or its directory, would have changed of this.
    pub fn evidence(&self, bad: &Path) -> Evidence {
        let file = fs::symlink_metadata(bad).ok().map(|file| {
            let times = [file.ctime(), file.ctime_nsec()];
            ([file.ino(), file.nlink(), file.size()], file.mode(), times)
        });
        let directory = fs::symlink_metadata(self.bad_directory()).ok();
        Evidence(file, directory.map(|it| (it.mtime(), it.mtime_nsec())))
    }
}

/// The state of BAD and its directory.
#[derive(PartialEq, Debug)]
pub struct Evidence(Option<([u64; 3], u32, [i64; 2])>, Option<(i64, i64)>);

/// Makes the tree that the tests use, as their policy divides it.
pub fn set_up(root: &Path) {
    let write = |name: &str, content: &[u8]| {
        let path = root.join(name);
        let directory = path.parent().expect("a file lies in a directory");
        fs::create_dir_all(directory).expect("cannot create a directory");
        fs::write(&path, content).expect("cannot write a file");
        path
    };
    let program = |name: &str, code: u8| {
        let path = write(name, &elf(code));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path, mode).expect("cannot make a program");
    };
    write("w/pad/file", b"GOOD\n");
    write("w/pad/bad/file", b"GOOD\n");
    write("w/bad/file", b"SECRET\n");
    write("readonly/file", b"SECRET\n");
    for name in ["w/pad/empty", "w/bad/empty"] {
        fs::create_dir_all(root.join(name)).expect("cannot create a directory");
    }
    program("bin/pad/prog", 0);
    program("bin/pad/bad/prog", 0);
    program("bin/bad/prog", BAD_PROGRAM);
}

/// A static program that ends with `code` and does nothing else.
fn elf(code: u8) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    // mov edi, code; mov eax, SYS_exit_group; syscall
    let text = [0xbf, code, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05];
    let size = 64 + 56 + text.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half =
        |words: &[u16]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let long =
        |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let parts: [Vec<u8>; 6] = [
        half(&[2, 62, 1, 0]),
        long(&[BASE + 64 + 56, 64, 0]),
        half(&[0, 0, 64, 56, 1, 64, 0, 0]),
        half(&[1, 0, 5, 0]),
        long(&[0, BASE, BASE, size, size, 0x1000]),
        text.to_vec(),
    ];
    parts.iter().for_each(|part| file.extend_from_slice(part));
    file
}
