//! The built-in policies: the files of `policies/`, embedded as they are.

/// A built-in policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name in `--policy` and `extends`.
    pub name: &'static str,
    /// The whole file.
    pub text: &'static str,
}

/// Every preset, by name.
pub fn presets() -> &'static [Preset] {
    &PRESETS
}

#[rustfmt::skip]
static PRESETS: [Preset; 17] = [
    Preset { name: "base",                text: include_str!("../../policies/base.toml") },
    Preset { name: "build",               text: include_str!("../../policies/build.toml") },
    Preset { name: "cargo",               text: include_str!("../../policies/cargo.toml") },
    Preset { name: "compute",             text: include_str!("../../policies/compute.toml") },
    Preset { name: "deny-metadata",       text: include_str!("../../policies/deny-metadata.toml") },
    Preset { name: "go",                  text: include_str!("../../policies/go.toml") },
    Preset { name: "https",               text: include_str!("../../policies/https.toml") },
    Preset { name: "localhost",           text: include_str!("../../policies/localhost.toml") },
    Preset { name: "net",                 text: include_str!("../../policies/net.toml") },
    Preset { name: "npm",                 text: include_str!("../../policies/npm.toml") },
    Preset { name: "offline",             text: include_str!("../../policies/offline.toml") },
    Preset { name: "permissive",          text: include_str!("../../policies/permissive.toml") },
    Preset { name: "pip",                 text: include_str!("../../policies/pip.toml") },
    Preset { name: "protect-credentials", text: include_str!("../../policies/protect-credentials.toml") },
    Preset { name: "protect-triggers",    text: include_str!("../../policies/protect-triggers.toml") },
    Preset { name: "read-only",           text: include_str!("../../policies/read-only.toml") },
    Preset { name: "workspace",           text: include_str!("../../policies/workspace.toml") },
];

/// The preset with that name.
pub(super) fn preset(name: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.name == name)
}

/// `base, compute, …`: for messages.
pub(super) fn names() -> String {
    let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
    names.join(", ")
}

/// A preset's text without its tests, which come last.
pub(super) fn without_tests(text: &str) -> &str {
    let end = text.find("\n[[test]]").unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}
