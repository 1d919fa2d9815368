//! The order of the modules, held against their `use crate::` lines: knowledge does not depend on
//! mechanism, and nothing runs in a circle.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with those that it may use. A module stands below all that use it.
#[rustfmt::skip]
const LAYERS: &[(&str, &[&str])] = &[
    ("syscalls",  &[]),
    ("sys",       &[]),
    ("paths",     &[]),
    ("net",       &["paths"]),
    ("condition", &["syscalls"]),
    ("baseline",  &["condition", "syscalls"]),
    ("policy",    &["baseline", "condition", "net", "paths", "syscalls"]),
    ("judge",     &["baseline", "condition", "net", "paths", "policy", "syscalls"]),
    ("plan",      &["baseline", "condition", "judge", "net", "paths", "policy", "syscalls"]),
    ("trace",     &["sys", "syscalls"]),
    ("launch",    &["plan", "policy", "sys", "trace"]),
    ("supervise", &["baseline", "judge", "launch", "net", "paths", "plan", "policy", "sys", "syscalls", "trace"]),
    ("report",    &["baseline", "judge", "net", "paths", "policy", "supervise", "syscalls", "trace"]),
    ("embed",     &["launch", "plan", "policy", "report", "supervise", "sys", "trace"]),
    ("commands",  &["baseline", "condition", "embed", "judge", "launch", "net", "paths", "plan", "policy", "report", "supervise", "sys", "syscalls", "trace"]),
];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a readable folder") {
            files(&entry.expect("an entry").path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

fn sources(module: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src.join(module), &mut found);
    files(&src.join(format!("{module}.rs")), &mut found);
    found.retain(|path| path.exists());
    found
}

/// The modules named after `crate::`, comments and documentation left aside.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for after in line.split("crate::").skip(1) {
            let names: Vec<&str> = match after.strip_prefix('{') {
                Some(list) => list.split(',').map(|name| name.trim()).collect(),
                None => vec![after],
            };
            for name in names {
                let end = name.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
                found.insert(name[..end.unwrap_or(name.len())].to_owned());
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn every_module_uses_only_what_stands_below_it() {
    let mut wrong = Vec::new();
    for (module, allowed) in LAYERS {
        let paths = sources(module);
        assert!(
            !paths.is_empty(),
            "src/{module} does not exist: mend the table"
        );
        for path in paths {
            for used in uses(&fs::read_to_string(&path).expect("a readable file")) {
                if used != *module && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}: {module} must not use {used}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_names_every_module_and_has_no_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).expect("lib.rs");
    let declared: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let table: BTreeSet<&str> = LAYERS.iter().map(|&(module, _)| module).collect();
    assert_eq!(declared, table);
    for (place, (module, allowed)) in LAYERS.iter().enumerate() {
        for used in *allowed {
            let below = LAYERS[..place].iter().any(|(name, _)| name == used);
            assert!(below, "{used} must stand above {module} in the table");
        }
    }
}

#[test]
fn the_inner_modules_are_private() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).expect("lib.rs");
    let public: Vec<&str> = lib
        .lines()
        .filter(|line| line.trim_start().starts_with("pub mod "))
        .collect();
    assert_eq!(public, ["pub mod internal;"]);
    assert!(
        lib.contains("#[doc(hidden)]\npub mod internal;"),
        "it is no interface"
    );
}

/// So that the compiler, which takes what is listed there for used, reports what nothing uses.
#[test]
fn internal_lists_what_a_test_or_benchmark_names_and_no_more() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut users = Vec::new();
    files(&root.join("tests"), &mut users);
    files(&root.join("benches"), &mut users);
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a readable file");
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c| !is_word(c));
        words.map(str::to_owned).collect()
    };
    let used: BTreeSet<String> = users.iter().flat_map(|path| words(&read(path))).collect();
    let listed = read(&root.join("src/internal.rs"));
    let mut unused = Vec::new();
    for item in listed.split("pub use ").skip(1) {
        let names = item.split(';').next().unwrap_or_default();
        let names = names.rsplit("::").next().unwrap_or_default();
        let names = words(names).into_iter().filter(|name| !name.is_empty());
        unused.extend(names.filter(|name| !used.contains(name)));
    }
    assert!(listed.contains("pub use "), "{listed}");
    assert!(unused.is_empty(), "remove from src/internal.rs: {unused:?}");
}

#[test]
fn unsafe_code_stands_in_sys_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    for path in paths
        .iter()
        .filter(|path| !path.starts_with(src.join("sys")))
    {
        let text = fs::read_to_string(path).expect("a readable file");
        let named = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("allow(unsafe_code)")
        });
        assert!(!named, "{} holds unsafe code", path.display());
    }
}
