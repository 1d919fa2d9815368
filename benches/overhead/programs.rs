//! The programs under measurement, in a directory of their own that every user may read.

use crate::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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

/// Where `true` may be.
const TRUE: [&str; 2] = ["/usr/bin/true", "/bin/true"];

/// The programs, and the policies that some of them take. Gone when dropped.
pub struct Programs {
    pub directory: PathBuf,
    pub jail: String,
    pub floor: String,
    /// This program: the workloads.
    pub this: String,
    /// `base`, and getppid is denied.
    pub deny: String,
    /// `base`, and getppid is answered with ENOSYS.
    pub enosys: String,
    /// `base`, and a limit of memory.
    pub memory: String,
}

impl Programs {
    /// Compiles the floor, copies jail and this program beside it.
    pub fn prepare() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("jail-overhead-{}", std::process::id()));
        fs::create_dir(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        let at = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let programs = Self {
            jail: at("jail"),
            floor: at("floor"),
            this: at("overhead"),
            deny: at("deny.toml"),
            enosys: at("enosys.toml"),
            memory: at("memory.toml"),
            directory: directory.clone(),
        };
        fs::copy(env!("CARGO_BIN_EXE_jail"), &programs.jail)?;
        fs::copy(std::env::current_exe()?, &programs.this)?;
        let policy =
            |action: &str| format!("extends = [\"base\"]\n[syscalls]\ngetppid = \"{action}\"\n");
        fs::write(&programs.deny, policy("deny"))?;
        fs::write(&programs.enosys, policy("ENOSYS"))?;
        let limit = "extends = [\"base\"]\n[limits]\nmemory = \"1GiB\"\n";
        fs::write(&programs.memory, limit)?;
        compile_floor(&directory, &programs.floor)?;
        Ok(programs)
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
    let status = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "-C",
            "opt-level=3",
            "-C",
            "panic=abort",
            "-o",
            to,
        ])
        .arg(&root)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("rustc could not compile the floor".into())
    }
}

/// The path of `true`.
pub fn path_of_true() -> Result<&'static str> {
    let found = TRUE.into_iter().find(|path| Path::new(path).exists());
    found.ok_or_else(|| format!("no {}", TRUE.join(" and no ")).into())
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
