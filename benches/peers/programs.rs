//! The programs under measurement and their files, in a directory of their own.

use crate::Result;
use crate::trees;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What every program gets: little, and the same on every machine.
const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The programs and policies. Gone when dropped.
pub struct Programs {
    pub directory: PathBuf,
    /// The directory that the works may change, and in which they run.
    pub work: PathBuf,
    /// This program, as a workload.
    pub this: String,
    /// The sources that are built.
    pub sources: PathBuf,
    /// A port that was free.
    pub port: String,
}

impl Programs {
    pub fn prepare() -> Result<Self> {
        // Not beneath /tmp, which a peer may replace.
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR")).canonicalize()?;
        let directory = temporary.join(format!("jail-peers-{}", std::process::id()));
        let work = directory.join("inside");
        fs::create_dir_all(work.join("tmp"))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let programs = Self {
            this: work.join("probe").to_string_lossy().into_owned(),
            sources: work.join("sources"),
            port: listener.local_addr()?.port().to_string(),
            directory,
            work,
        };
        fs::copy(env!("CARGO_BIN_EXE_jail"), programs.directory.join("jail"))?;
        fs::copy(std::env::current_exe()?, &programs.this)?;
        trees::c_project(&programs.sources)?;
        programs.policies()?;
        // All that is measured starts in the work.
        std::env::set_current_dir(&programs.work)?;
        Ok(programs)
    }

    /// The presets, and what the works need beyond them.
    fn policies(&self) -> Result<()> {
        let port = &self.port;
        let net =
            format!("[net]\nconnect = [\"127.0.0.1:{port}\"]\nlisten = [\"127.0.0.1:{port}\"]\n");
        let fs = "[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\".\", \"/dev/null\"]\n";
        let policy = |preset: &str, more: &str| format!("extends = [\"{preset}\"]\n{more}{net}");
        fs::write(self.directory.join("base.toml"), policy("base", fs))?;
        fs::write(
            self.directory.join("workspace.toml"),
            policy("workspace", ""),
        )?;
        Ok(())
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A command with the small environment, whose messages go nowhere.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_clear();
    command
        .env("PATH", PATH)
        .env("TMPDIR", temporary())
        .env("HOME", "/nonexistent");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// In the work, so that each peer lets compilers write there.
fn temporary() -> PathBuf {
    std::env::current_dir().unwrap_or_default().join("tmp")
}
