//! What is known of a run that was learned: the file system as it is at its end, and the caller's environment.

use super::{Ran, beside, caches, record, sqlite};
use crate::judge::varying::Run;
use crate::learn::Scene;
use crate::paths::Access;
use crate::report;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Variables that name directories of the user, with which an entry may begin.
const VARIABLES: [&str; 5] = [
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];
/// Variables that name the directory of a tool. No entry begins with one: most users do not set them.
const TOOLS: [&str; 6] = [
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOPATH",
    "GRADLE_USER_HOME",
    "PYENV_ROOT",
    "NVM_DIR",
];

impl Ran<'_> {
    /// What is known of the run.
    pub(super) fn scene(&self, recorded: &record::Recorded) -> Scene {
        let context = report::run_context();
        let own = self.policy.tmpdir.clone();
        let variable = |name: &str| {
            let place = PathBuf::from(std::env::var_os(name)?);
            let place = place.canonicalize().ok()?;
            (place != Path::new("/")).then(|| (name.to_owned(), place))
        };
        let tmpdir = own.or_else(|| context.tmpdir.clone());
        Scene {
            directories: recorded.paths(Path::is_dir),
            gone: recorded.paths(|path| path.symlink_metadata().is_err()),
            led: recorded.paths(is_led),
            refused: recorded.paths(|path| report::is_refused(Access::Write, path)),
            beside: beside::names(recorded, &[context.directory.as_deref(), tmpdir.as_deref()]),
            made: recorded.made.clone(),
            caches: caches::tagged(recorded, context.directory.as_deref()),
            databases: recorded.paths(sqlite::is_database),
            synced: recorded.paths(|path| {
                !recorded.used.contains(path.as_os_str().as_bytes()) && sqlite::is_in(path)
            }),
            programs: programs(),
            tools: TOOLS
                .iter()
                .filter_map(|name| Some(variable(name)?.1))
                .collect(),
            variables: VARIABLES.iter().filter_map(|name| variable(name)).collect(),
            ephemeral: ephemeral(),
            run: Run {
                tmpdir,
                processes: recorded.processes.iter().copied().collect(),
                nameservers: report::nameservers(),
                ..context
            },
        }
    }
}

/// Whether a path that led to itself when it was recorded leads elsewhere now.
fn is_led(path: &Path) -> bool {
    let mut there = path.ancestors();
    let there = there.find(|above| above.symlink_metadata().is_ok());
    let own = Path::new("/proc/self");
    !path.starts_with(own)
        && there.is_some_and(|there| there.canonicalize().map_or(true, |to| to != there))
}

/// The directories of `PATH`.
fn programs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    directories
        .filter_map(|directory| directory.canonicalize().ok())
        .collect()
}

/// The ports that the kernel chooses (ip(7)).
fn ephemeral() -> std::ops::RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let text = text.unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first <= last => first..=last,
        _ => 32768..=60999,
    }
}
