//! The host that a policy is explained or checked for, if it is not this one: a document of `jail doctor
//! --json` from there, or this host with another Landlock.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use crate::launch::{self, Withheld};
use crate::plan::{Host, MemoryCgroup, ProcElsewhere};

#[derive(Debug, Args)]
pub struct HostArgs {
    /// For another host: a file with what `jail doctor --json` printed there
    #[arg(long, value_name = "FILE", conflicts_with = "landlock_abi")]
    host: Option<PathBuf>,
    /// For this host with another version of Landlock's ABI; 0: without Landlock
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    landlock_abi: Option<u32>,
}

/// Another host.
#[derive(Debug, Clone)]
pub struct OtherHost {
    /// In messages.
    pub name: String,
    /// Its abilities.
    pub host: Host,
    /// The words of `isolate` that cannot be used there, as far as known, with the reason.
    pub closed: Vec<(String, String)>,
}

impl HostArgs {
    /// The other host; `None`: this one.
    ///
    /// # Errors
    /// A message, if the file is not a document of `jail doctor`.
    pub fn read(&self) -> Result<Option<OtherHost>, String> {
        if let Some(abi) = self.landlock_abi {
            let host = Host {
                landlock_abi: abi,
                ..launch::probe(&Withheld::from_environment())
            };
            let name = match abi {
                0 => "a host without Landlock".to_owned(),
                abi => format!("a host with Landlock {abi}"),
            };
            return Ok(Some(OtherHost {
                name,
                host,
                closed: Vec::new(),
            }));
        }
        self.host.as_deref().map(of_file).transpose()
    }
}

/// What a document of `jail doctor` says, as far as plans depend on it (docs/doctor.md).
#[derive(Deserialize)]
struct Document {
    version: u32,
    kernel: Kernel,
    landlock: Landlock,
    namespaces: Option<Vec<Word>>,
    cgroup: Cgroup,
    environment: Vec<Variable>,
}

#[derive(Deserialize)]
struct Kernel {
    release: String,
}

#[derive(Deserialize)]
struct Landlock {
    used: u32,
}

#[derive(Deserialize)]
struct Word {
    word: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Cgroup {
    memory: Option<Kind>,
}

#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "v1")]
    V1,
    #[serde(rename = "v2")]
    V2,
    #[serde(rename = "v2-alone")]
    V2Alone,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
}

/// The largest file that is read.
const MOST: u64 = 1 << 20;

fn of_file(path: &Path) -> Result<OtherHost, String> {
    let name = crate::report::escaped(&path.to_string_lossy(), 4096);
    let next = "it must hold what `jail doctor --json` printed";
    let wrong = |error: &dyn std::fmt::Display| format!("--host {name}: {error}; {next}");
    let file = fs::File::open(path).map_err(|error| wrong(&error))?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, MOST), &mut text)
        .map_err(|error| wrong(&error))?;
    let document: Document = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    if document.version != 1 {
        let version = document.version;
        return Err(wrong(&format!(
            "version {version} of the document is not known"
        )));
    }
    let kernel = version(&document.kernel.release)
        .ok_or_else(|| wrong(&format!("no kernel release: {:?}", document.kernel.release)))?;
    let mut variables = document.environment.iter();
    let withheld = variables.any(|it| it.name == "JAIL_MEMORY_FILES" && it.value == "none");
    let words = document.namespaces.unwrap_or_default();
    let closed: Vec<(String, String)> = words
        .iter()
        .filter_map(|word| Some((word.word.clone(), word.reason.clone()?)))
        .collect();
    let memory = match document.cgroup.memory {
        None => MemoryCgroup::None,
        Some(Kind::V1) => MemoryCgroup::V1,
        Some(Kind::V2) => MemoryCgroup::V2,
        Some(Kind::V2Alone) => MemoryCgroup::V2Alone,
    };
    Ok(OtherHost {
        host: Host {
            landlock_abi: document.landlock.used,
            kernel,
            memory,
            namespaces: words.is_empty() || closed.len() < words.len(),
            memory_files: !withheld,
            proc_elsewhere: ProcElsewhere::NOWHERE,
        },
        name,
        closed,
    })
}

/// Major and minor version of a release such as `6.18.5-arch1`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || parts.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(version("6.18.5-arch1"), Some((6, 18)));
        assert_eq!(version("5.10-rc3"), Some((5, 10)));
        assert_eq!(version("x"), None);
        assert_eq!(version("6"), None);
    }
}
