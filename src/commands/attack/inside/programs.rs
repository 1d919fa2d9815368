//! A program that may not be executed: by its path, as an interpreter, by the loader, from memory.

use super::super::given::{Given, Tried};
use super::super::tools::{TOOL, any, by};
use crate::sys;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Runs a command; what it prints.
fn run(command: &mut Command, call: &str) -> Tried {
    let output = command.output().map_err(by(call))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{call}: {}", output.status)),
    }
}

fn write_program(path: &Path, content: &[u8]) -> Result<(), String> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(path);
    let mut file = file.map_err(by("open in the working directory"))?;
    file.write_all(content).map_err(by("write"))
}

/// By its path, and by a link to it.
pub fn execute(given: &Given) -> Tried {
    let link = given.work.join("link-to-tool");
    any(&mut [
        &mut || run(&mut Command::new(&given.tool), "execve"),
        &mut || {
            symlink(&given.tool, &link).map_err(by("symlink"))?;
            run(&mut Command::new(&link), "execve of a link")
        },
    ])
}

/// As the interpreter of a script in the working directory.
pub fn interpreter(given: &Given) -> Tried {
    let script = given.work.join("script");
    write_program(&script, format!("#!{}\n", given.tool.display()).as_bytes())?;
    run(&mut Command::new(&script), "execve of a script")
}

/// The loaders of the C libraries.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// By the loader, which is a program that may be executed.
pub fn loader(given: &Given) -> Tried {
    let Some(linked) = &given.linked else {
        return Err("there is no such program here".to_owned());
    };
    let mut stopped = "there is no loader here".to_owned();
    for loader in LOADERS.iter().filter(|loader| Path::new(loader).exists()) {
        let mut command = Command::new(loader);
        match run(command.arg(linked).arg(TOOL), "execve of the loader") {
            Ok(text) => return Ok(text),
            Err(why) => stopped = why,
        }
    }
    Err(stopped)
}

/// A copy of it in memory, by execveat(2).
pub fn memory(given: &Given) -> Tried {
    let bytes = fs::read(&given.tool).map_err(by("open"))?;
    let name = c"tool";
    let flags = nix::sys::memfd::MFdFlags::empty();
    let file = nix::sys::memfd::memfd_create(name, flags).map_err(by("memfd_create"))?;
    let mut file = std::fs::File::from(file);
    file.write_all(&bytes).map_err(by("write"))?;
    execute_open(&file)
}

fn execute_open(file: &std::fs::File) -> Tried {
    let words = sys::process::CStrings::new([c"tool"]);
    let none = sys::process::CStrings::new([]);
    Err(by("execveat")(sys::process::execute_open(
        std::os::fd::AsRawFd::as_raw_fd(file),
        &words,
        &none,
    )))
}

/// By a descriptor that was opened for reading.
pub fn descriptor(given: &Given) -> Tried {
    execute_open(&std::fs::File::open(&given.tool).map_err(by("open"))?)
}
