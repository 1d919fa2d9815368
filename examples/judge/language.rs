//! The languages: how a submission of each is compiled, what it is run by, and under which policies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A language. Its programs run under the policy of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    C,
    Node,
    Python,
    Rust,
    Shell,
}

impl Language {
    /// By the end of the file's name.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "c" => Some(Self::C),
            "js" => Some(Self::Node),
            "py" => Some(Self::Python),
            "rs" => Some(Self::Rust),
            "sh" => Some(Self::Shell),
            _ => None,
        }
    }

    /// As the table and the policies name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Node => "node",
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Shell => "shell",
        }
    }

    /// The compiler's command that makes `program` of `source`, if there is anything to compile.
    pub fn compiler(self) -> Option<&'static [&'static str]> {
        match self {
            Self::C => Some(&["gcc", "-O2", "-o", "program", "source.c", "-lm"]),
            Self::Rust => Some(&[
                "rustc",
                "--edition=2021",
                "-O",
                "-o",
                "program",
                "source.rs",
            ]),
            _ => None,
        }
    }

    /// What runs a compiled program, or a source.
    ///
    /// # Errors
    /// The interpreter is not there, in words.
    pub fn command(self) -> Result<Vec<String>, String> {
        let interpreted = |interpreter: PathBuf, source: &str| {
            Ok(vec![
                interpreter.to_string_lossy().into_owned(),
                source.to_owned(),
            ])
        };
        match self {
            Self::C | Self::Rust => Ok(vec!["./program".to_owned()]),
            Self::Node => interpreted(itself("node", &["-p", "process.execPath"])?, "source.js"),
            Self::Python => {
                let ask = "import sys; print(sys.executable)";
                interpreted(itself("python3", &["-c", ask])?, "source.py")
            }
            Self::Shell => interpreted(itself("bash", &["-c", "echo \"$BASH\""])?, "source.sh"),
        }
    }
}

/// The interpreter's own file. What PATH has may be a script that starts it (pyenv, nvm), and a
/// solution may start nothing.
fn itself(name: &str, ask: &[&str]) -> Result<PathBuf, String> {
    let asked = Command::new(name)
        .args(ask)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let answer = asked.map_err(|error| format!("cannot run {name}: {error}"))?;
    let path = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    Path::new(&path)
        .canonicalize()
        .map_err(|_| format!("{name} does not say where it is: install it"))
}
