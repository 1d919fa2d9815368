//! The process outside of the jail that attacks aim at. It holds bytes and an open file, and does nothing.

use super::tools::by;
use crate::sys;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

/// Its first argument, which `--help` does not name either.
pub const WORD: &str = "attack-bystander";

/// Runs as that process: guards these bytes, says where they lie, and answers each line with what they are.
pub fn watch(token: &str) -> u8 {
    sys::attack::allow_tracers();
    let guarded: Vec<AtomicU8> = token.bytes().map(AtomicU8::new).collect();
    let secret = File::open("secret");
    let descriptor = secret.as_ref().map_or(-1, |file| file.as_raw_fd());
    let mut out = io::stdout();
    let _ = writeln!(out, "{} {descriptor}", guarded.as_ptr().addr());
    for line in io::stdin().lines() {
        let bytes: Vec<u8> = guarded
            .iter()
            .map(|byte| byte.load(Ordering::Relaxed))
            .collect();
        if line.is_err() || writeln!(out, "{}", String::from_utf8_lossy(&bytes)).is_err() {
            break;
        }
    }
    0
}

/// The suite's view of it. Dropped, it is ended.
pub struct Bystander {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    token: String,
    limits: String,
    pub address: u64,
    pub descriptor: i32,
}

impl Bystander {
    /// Starts one in the directory of the secret.
    pub fn start(program: &Path, directory: &Path, token: &str) -> Result<Bystander, String> {
        let mut command = Command::new(program);
        command
            .args([WORD, token])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = command
            .spawn()
            .map_err(by("cannot start a process to aim at"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("cannot start a process to aim at: it has no streams".to_owned());
        };
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).map_err(by("read"))?;
        let mut numbers = line.split_whitespace();
        let address = numbers.next().and_then(|word| word.parse().ok());
        let descriptor = numbers.next().and_then(|word| word.parse().ok());
        let mut bystander = Bystander {
            child,
            stdin: Some(stdin),
            stdout,
            token: token.to_owned(),
            limits: String::new(),
            address: address.ok_or("the process to aim at does not say where its bytes are")?,
            descriptor: descriptor.unwrap_or(-1),
        };
        bystander.limits = bystander.file("limits");
        Ok(bystander)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    /// What has happened to it.
    pub fn harm(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Some(format!("the process outside was ended: {status}")),
            Err(_) => return Some("the process outside is gone".to_owned()),
        }
        let status = self.file("stat");
        let state = status
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        if matches!(state, Some('T' | 't')) {
            return Some("the process outside was stopped".to_owned());
        }
        if self.file("limits") != self.limits {
            return Some("a limit of the process outside was changed".to_owned());
        }
        (self.answer().as_deref() != Some(self.token.as_str()))
            .then(|| "memory of the process outside was changed".to_owned())
    }

    fn answer(&mut self) -> Option<String> {
        writeln!(self.stdin.as_mut()?).ok()?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
