//! Where a race takes place: the tree, the good and the bad path, and what tells that the bad one
//! was changed.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the bad program ends with.
pub const BAD_PROGRAM: u8 = 77;

/// What begins the name of a program whose interpreter has the rest of the name, in the directory
/// that a symbolic link leads to.
pub const INTERPRETED: &str = "by-";

/// What such a link is called, in the directory of the good file.
pub const LINK: &str = "dance";

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
    let program = |name: &str, content: Vec<u8>| {
        let path = write(name, &content);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path, mode).expect("cannot make a program");
    };
    write("w/pad/file", b"GOOD\n");
    write("w/pad/bad/file", b"GOOD\n");
    write("w/bad/file", b"SECRET\n");
    write("readonly/file", b"SECRET\n");
    write("handed", b"GOOD\n");
    write("ok/file", b"GOOD\n");
    write("vault/ok/file", b"SECRET\n");
    let deep = root.join("vault/deep/deep/deep/deep");
    fs::create_dir_all(deep).expect("cannot create a directory");
    for name in ["w/pad/empty", "w/bad/empty"] {
        fs::create_dir_all(root.join(name)).expect("cannot create a directory");
    }
    for leaf in INTERPRETERS {
        let kind = Image::of(leaf);
        program(&format!("bin/pad/{leaf}"), image(kind, 0, None, 0));
        program(
            &format!("bin/bad/{leaf}"),
            image(kind, BAD_PROGRAM, None, 0),
        );
        let link = Path::new("w/pad").join(LINK).join(leaf);
        let content = interpreted(&root.join(link), 0);
        program(&format!("bin/{INTERPRETED}{leaf}"), content);
    }
    program("bin/pad/bad/prog", image(Image::FIXED, 0, None, 0));
    for (name, interpreter, headers) in [
        ("few-good", "bin/pad/prog-pie", 0),
        ("few-bad", "bin/bad/prog-pie", 0),
        ("fixed-good", "bin/pad/prog", 0),
        ("fixed-bad", "bin/bad/prog", 0),
        ("high-good", "bin/pad/prog-high", 0),
        ("high-bad", "bin/bad/prog-high", 0),
        ("many-good", "bin/pad/prog-pie", 300),
        ("many-bad", "bin/bad/prog-pie", 300),
        ("piped", "w/pipe", 0),
    ] {
        let content = interpreted(&root.join(interpreter), headers);
        program(&format!("bin/{name}"), content);
    }
}

/// Programs that may be interpreters, too.
const INTERPRETERS: [&str; 3] = ["prog", "prog-pie", "prog-high"];

/// Where a program is loaded: at its address, or anywhere.
#[derive(Clone, Copy)]
struct Image {
    kind: u16,
    base: u64,
}

impl Image {
    const FIXED: Self = Self {
        kind: 2,
        base: 0x40_0000,
    };

    fn of(leaf: &str) -> Self {
        match leaf {
            "prog-pie" => Self { kind: 3, base: 0 },
            // The kernel tells its address as if it began at zero.
            "prog-high" => Self {
                kind: 3,
                base: 0x40_0000,
            },
            _ => Self::FIXED,
        }
    }
}

/// A program that its interpreter is to start, with at least so many program headers.
fn interpreted(interpreter: &Path, headers: usize) -> Vec<u8> {
    let aside = Image {
        kind: 2,
        base: 0x60_0000,
    };
    image(aside, 1, Some(interpreter), headers)
}

/// The processor in the header of a program.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// The instructions of exit_group(code).
#[cfg(target_arch = "x86_64")]
fn exit_group(code: u8) -> Vec<u8> {
    // mov edi, code; mov eax, SYS_exit_group; syscall
    vec![0xbf, code, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05]
}

/// As above.
#[cfg(target_arch = "aarch64")]
fn exit_group(code: u8) -> Vec<u8> {
    // mov x0, code; mov x8, SYS_exit_group; svc 0
    let set = |register: u32, value: u32| 0xd280_0000 | value << 5 | register;
    let words = [set(0, code.into()), set(8, 94), 0xd400_0001];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A static program that ends with `code` and does nothing else, or that is to be interpreted.
///
/// Header, code, name of the interpreter, program headers: the unused ones are PT_NULL.
fn image(image: Image, code: u8, interpreter: Option<&Path>, headers: usize) -> Vec<u8> {
    const HEADER: u64 = 64;
    let Image { kind, base } = image;
    let text = exit_group(code);
    let mut name = interpreter.map_or(vec![], |path| path.as_os_str().as_bytes().to_vec());
    name.push(0);
    let name_at = HEADER + text.len() as u64;
    let name_size = name.len() as u64;
    let table = (name_at + name_size).next_multiple_of(8);
    name.resize((table - name_at) as usize, 0);
    let count = headers.max(2);
    let size = table + 56 * count as u64;

    let half =
        |words: &[u16]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let long =
        |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let named = if interpreter.is_some() { 3 } else { 0 };
    let (name_base, readable, executable) = (base + name_at, 4, 5);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let parts: [Vec<u8>; 9] = [
        half(&[kind, MACHINE, 1, 0]),
        long(&[base + HEADER, table, 0]),
        half(&[0, 0, 64, 56, count as u16, 64, 0, 0]),
        text,
        name,
        half(&[named, 0, readable, 0]),
        long(&[name_at, name_base, name_base, name_size, name_size, 1]),
        half(&[1, 0, executable, 0]),
        long(&[0, base, base, size, size, 0x1000]),
    ];
    parts.iter().for_each(|part| file.extend_from_slice(part));
    file.resize(size as usize, 0);
    file
}
