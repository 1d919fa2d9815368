//! The built-in policies: the files of `policies/`, embedded as they are, and read while jail is compiled.

use super::tree::{Node, Tree, count, nodes};

/// A built-in policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name in `--policy` and `extends`.
    pub name: &'static str,
    /// The whole file.
    pub text: &'static str,
    /// The text without its tests, which come last.
    pub(super) without_tests: &'static str,
    /// The tree of that.
    nodes: &'static [Node],
}

impl Preset {
    /// The tree of its text without its tests.
    pub(super) fn tree(&self) -> Tree<'static> {
        Tree::known(self.without_tests, self.nodes)
    }
}

/// Every preset, by name.
pub fn presets() -> &'static [Preset] {
    &PRESETS
}

macro_rules! presets {
    ($($name:literal,)*) => {
        [$({
            const TEXT: &str = include_str!(concat!("../../policies/", $name, ".toml"));
            const WITHOUT_TESTS: &str = without_tests(TEXT);
            static NODES: [Node; count(WITHOUT_TESTS)] = nodes(WITHOUT_TESTS);
            Preset { name: $name, text: TEXT, without_tests: WITHOUT_TESTS, nodes: &NODES }
        }),*]
    };
}

static PRESETS: [Preset; 17] = presets![
    "base",
    "build",
    "cargo",
    "compute",
    "deny-metadata",
    "go",
    "https",
    "localhost",
    "net",
    "npm",
    "offline",
    "permissive",
    "pip",
    "protect-credentials",
    "protect-triggers",
    "read-only",
    "workspace",
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

/// The text up to the first `[[test]]`.
const fn without_tests(text: &str) -> &str {
    const TEST: &[u8] = b"\n[[test]]";
    let mut at = 0;
    while at + TEST.len() <= text.len() {
        let mut same = 0;
        while same < TEST.len() && text.as_bytes()[at + same] == TEST[same] {
            same += 1;
        }
        if same == TEST.len() {
            return text.split_at(at).0;
        }
        at += 1;
    }
    text
}
