//! Package managers whose caches a policy allows to be read but not changed, as `build` does: the
//! command that fills the cache, and the setting that gives the tool another one.
//!
//! Allowing the denied change would let a jailed command change what builds outside execute, so the
//! advice for such a path is a different one.

use super::{Main, main_file};
use crate::net::Protocol;
use crate::paths::{Access, is_beneath};
use crate::policy::{List, NetList, PathEntry, Policy};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// A package manager.
struct Tool {
    /// The directory of its files, as an entry of a policy names it.
    homes: &'static [&'static str],
    /// What it writes there while it fetches.
    caches: &'static [&'static str],
    /// Files of these that it writes to without fetching, and goes on without: locks, and notes of what was used.
    spare: &'static [&'static str],
    /// The command that fills the cache.
    fetch: &'static str,
    /// The line of `env.set` that gives it a cache of the run's own.
    own: &'static str,
}

const TOOLS: [Tool; 3] = [
    Tool {
        homes: &["~/.cargo", "$CARGO_HOME"],
        caches: &[
            "registry",
            "git",
            ".global-cache",
            ".package-cache",
            ".package-cache-mutate",
        ],
        spare: &[".global-cache", ".package-cache", ".package-cache-mutate"],
        fetch: "cargo fetch",
        own: "CARGO_HOME = \"$TMPDIR/cargo\"",
    },
    Tool {
        homes: &["~/go", "$GOPATH"],
        caches: &["pkg"],
        spare: &[],
        fetch: "go mod download",
        own: "GOMODCACHE = \"$TMPDIR/go\"",
    },
    Tool {
        homes: &["~/.m2"],
        caches: &["repository"],
        spare: &[],
        fetch: "mvn dependency:go-offline",
        own: "MAVEN_OPTS = \"-Dmaven.repo.local=$TMPDIR/m2\"",
    },
];

/// What to do if a package manager may not change its cache; `None`: the path is not such a cache.
pub fn fetches(policy: &Policy, path: &[u8]) -> Option<String> {
    let tool = TOOLS.iter().find(|tool| has(policy, tool, path))?;
    let (fetch, own) = (tool.fetch, tool.own);
    let or = match (main_file(policy), has_network(policy)) {
        (Main::File(_) | Main::Flags, true) => String::new(),
        (Main::File(_), false) => "extend \"https\", and ".to_owned(),
        (Main::Flags, false) => format!("give {}, and ", policy.and_policy("https")),
        (Main::Preset(main), network) => {
            let more = if network { "" } else { ", \"https\"" };
            format!("in a policy of your own with extends = [\"{main}\"{more}] ")
        }
    };
    Some(format!(
        "to run it: run {fetch} before jail is started, since this policy only lets the cache be read; or \
         {or}set {own} in env.set of [process], a cache of the run's own"
    ))
}

/// Whether a path is a file of a package manager's cache that it goes on without if it may only read the cache.
pub fn is_spare(policy: &Policy, path: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    // Most denied paths have another name, and need no look at the policy.
    let named = |tool: &&Tool| {
        tool.spare
            .iter()
            .any(|file| path.file_name() == Some(file.as_ref()))
    };
    let mut tools = TOOLS.iter().filter(named);
    tools.any(|tool| homes(policy, tool).any(|home| path.parent() == Some(home)))
}

/// What opens all of a toolchain, of which an entry of its own opens one path; `None`: the path is of none, or the
/// policy is not one that `build` continues.
pub fn toolchain(policy: &Policy, access: Access, path: &[u8]) -> Option<String> {
    static BUILD: OnceLock<Option<Policy>> = OnceLock::new();
    let is = |name: &str| {
        let mut sources = policy.sources.iter();
        sources.any(|source| source.preset && source.name == name)
    };
    let of_domain = policy.domain_name.is_some();
    if access == Access::Write || of_domain || !is("workspace") || is("build") {
        return None;
    }
    let build = BUILD
        .get_or_init(|| Policy::preset("build").ok())
        .as_ref()?;
    let opens = |entry: &PathEntry| {
        let list = match access {
            Access::Exec => List::Exec,
            _ => List::Read,
        };
        let own = entry.origin.source == 0;
        own && entry.list == list && entry.pattern.covers(path)
    };
    if !build.paths.iter().any(opens) {
        return None;
    }
    let how = match main_file(policy) {
        Main::File(_) => "extend \"build\"".to_owned(),
        Main::Preset(_) => "give --policy build".to_owned(),
        Main::Flags => format!("give {}", policy.and_policy("build")),
    };
    Some(format!("; for the whole toolchain {how}"))
}

/// Whether a path is the home of a tool, or in a cache there, which the policy lets be read.
fn has(policy: &Policy, tool: &Tool, path: &[u8]) -> bool {
    homes(policy, tool).any(|home| is_cache(tool, home, path))
}

/// The homes of a tool of which the policy lets something be read.
fn homes<'p>(policy: &'p Policy, tool: &'p Tool) -> impl Iterator<Item = &'p Path> {
    let read = |entry: &&PathEntry| entry.list == List::Read;
    let entries = policy.paths.iter().chain(&policy.left_out).filter(read);
    entries.filter_map(|entry| {
        let rest = tool.homes.iter().find_map(|home| {
            let rest = entry.text.strip_prefix(home)?;
            rest.strip_prefix('/')
        })?;
        let depth = rest.split('/').count();
        entry.pattern.base().ancestors().nth(depth)
    })
}

fn is_cache(tool: &Tool, home: &Path, path: &[u8]) -> bool {
    let home_bytes = home.as_os_str().as_bytes();
    let is_in = |cache: &&str| is_beneath(path, home.join(cache).as_os_str().as_bytes());
    path == home_bytes || tool.caches.iter().any(is_in)
}

/// Whether the policy lets the command connect to anything by TCP.
fn has_network(policy: &Policy) -> bool {
    let mut peers = policy.peers.iter();
    peers.any(|entry| entry.list == NetList::Connect && entry.endpoint.speaks(Protocol::Tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(text: &str, path: &str) -> Option<String> {
        let home = std::env::var("HOME").expect("a home");
        let home = Path::new(&home).canonicalize().expect("its path");
        let policy = Policy::parse(text, "net.toml").expect("a policy");
        let path = path.replace('~', &home.display().to_string());
        fetches(&policy, path.as_bytes())
    }

    #[test]
    fn a_toolchain_is_opened_by_the_preset_for_builds() {
        let build = Policy::preset("build").expect("a preset");
        let opened = build.paths.iter().find(|entry| {
            let of = [
                "~/.rustup",
                "~/.cargo/bin",
                "~/.local/bin",
                "~/.pyenv",
                "~/.nvm",
            ];
            entry.list == List::Read && of.contains(&entry.text.as_str())
        });
        let Some(opened) = opened else {
            return println!("NOT TRIED HERE: there is no toolchain in the home directory");
        };
        let file = opened.pattern.base().join("bin/x");
        let file = file.as_os_str().as_bytes();
        let said = |extends: &str, access| {
            let text = format!("extends = [\"{extends}\"]\n");
            let policy = Policy::parse(&text, "net.toml").expect("a policy");
            toolchain(&policy, access, file)
        };
        let extend = "; for the whole toolchain extend \"build\"";
        for access in [Access::Read, Access::Exec] {
            assert_eq!(said("workspace", access).as_deref(), Some(extend));
            assert_eq!(said("build", access), None);
            assert_eq!(said("base", access), None);
        }
        assert_eq!(said("workspace", Access::Write), None);
        let workspace = Policy::preset("workspace").expect("a preset");
        let give = toolchain(&workspace, Access::Read, file);
        assert_eq!(
            give.as_deref(),
            Some("; for the whole toolchain give --policy build")
        );
        assert_eq!(toolchain(&workspace, Access::Read, b"/srv/x"), None);
    }

    #[test]
    fn a_cache_that_may_only_be_read_is_filled_outside() {
        const READ: &str =
            "[fs]\nread = [{ path = \"~/.cargo/{git,registry}\", optional = true }]\n";
        for path in [
            "~/.cargo",
            "~/.cargo/registry/index/x",
            "~/.cargo/.package-cache",
        ] {
            let text = advice(READ, path).expect(path);
            assert!(text.contains("run cargo fetch before"), "{text}");
            assert!(
                text.contains("or extend \"https\", and set CARGO_HOME = "),
                "{text}"
            );
            let text = advice(&format!("{READ}[net]\nconnect = [\"*:443\"]\n"), path);
            let text = text.expect(path);
            assert!(text.contains("; or set CARGO_HOME = "), "{text}");
        }
        let spare = |path: &str| {
            let home = std::env::var("HOME").expect("a home");
            let path = Path::new(&home)
                .canonicalize()
                .expect("its path")
                .join(path);
            let policy = Policy::parse(READ, "net.toml").expect("a policy");
            is_spare(&policy, path.as_os_str().as_bytes())
        };
        assert!(spare(".cargo/.package-cache") && spare(".cargo/.global-cache"));
        assert!(
            !spare(".cargo/registry/x") && !spare(".cargo/.package-cache/x") && !spare(".cargo")
        );
        for path in ["~/.cargo/bin/x", "~/.cargo/credentials.toml", "~", "~/.m2"] {
            assert_eq!(advice(READ, path), None, "{path}");
        }
        assert_eq!(advice("[fs]\nread = [\"/usr\"]\n", "~/.cargo"), None);
    }
}
