//! The programs under measurement, the policies, and the files that are opened, in a directory of
//! their own.

use crate::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The floor's crate root: no standard library, C's `main`.
const FLOOR_ROOT: &str = "
#![no_std]
#![no_main]
mod floor;
use core::ffi::{c_char, c_int};
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
#[unsafe(no_mangle)]
unsafe extern \"C\" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    unsafe { floor::main(count, arguments) }
}
";

/// What every program gets: little, and the same on every machine.
const PATH: &str = "/usr/bin:/bin";

/// The programs and policies. Gone when dropped.
pub struct Programs {
    pub directory: PathBuf,
    pub jail: String,
    pub floor: String,
    /// This program: the workload.
    pub this: String,
    /// A writable tree: all policies name it.
    pub work: PathBuf,
    /// A tree that no policy makes writable.
    pub fixed: PathBuf,
    /// Subtrees alone, which the kernel holds.
    pub subtrees: String,
    /// The same and a pattern, for which opens are supervised.
    pub pattern: String,
    /// What lies in `/` by name, so that Landlock decides each open.
    pub listed: String,
}

impl Programs {
    /// Compiles the floor, copies jail and this program beside it, writes the policies.
    pub fn prepare() -> Result<Self> {
        // Not beneath /tmp, which some policies grant: jail protects a policy file that the command
        // could write, and to do so supervises its writing opens.
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR")).canonicalize()?;
        let directory = temporary.join(format!("jail-files-{}", std::process::id()));
        fs::create_dir(&directory)?;
        let at = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let programs = Self {
            jail: at("jail"),
            floor: at("floor"),
            this: at("files"),
            work: directory.join("work"),
            fixed: directory.join("fixed"),
            subtrees: at("subtrees.toml"),
            pattern: at("pattern.toml"),
            listed: at("listed.toml"),
            directory: directory.clone(),
        };
        fs::create_dir(&programs.work)?;
        fs::create_dir(&programs.fixed)?;
        fs::copy(env!("CARGO_BIN_EXE_jail"), &programs.jail)?;
        fs::copy(std::env::current_exe()?, &programs.this)?;
        programs.policies(&[])?;
        compile_floor(&directory, &programs.floor)?;
        Ok(programs)
    }

    /// Writes the policies: all may be read and run, the work and `writable` written.
    pub fn policies(&self, writable: &[&str]) -> Result<()> {
        let work = self.work.to_string_lossy();
        let write: String = [&work, "/dev"]
            .iter()
            .chain(writable)
            .map(|path| format!("{path:?}, "))
            .collect();
        let policy = |open: &str| {
            format!(
                "extends = [\"base\"]\n[fs]\nread = [{open}]\nexec = [{open}]\nwrite = [{write}]\n"
            )
        };
        let listed = |entry: std::io::Result<fs::DirEntry>| Ok(format!("{:?}, ", entry?.path()));
        let listed: std::io::Result<String> = fs::read_dir("/")?.map(listed).collect();
        fs::write(&self.listed, policy(&listed?))?;
        let policy = policy("\"/\"");
        fs::write(&self.subtrees, &policy)?;
        let deny = format!("deny = [{:?}]\n", format!("{work}/**/.env"));
        fs::write(&self.pattern, policy + &deny)?;
        Ok(())
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn compile_floor(directory: &Path, to: &str) -> Result<()> {
    fs::write(directory.join("floor.rs"), include_str!("floor.rs"))?;
    let root = directory.join("root.rs");
    fs::write(&root, FLOOR_ROOT)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let options = ["--edition=2024", "-Copt-level=3", "-Cpanic=abort", "-o", to];
    let status = Command::new(rustc).args(options).arg(&root).status()?;
    if status.success() {
        Ok(())
    } else {
        Err("rustc could not compile the floor".into())
    }
}

/// A command with the small environment, whose messages go nowhere.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_clear().env("PATH", PATH);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
