//! The order of the modules, held against what they use: knowledge does not depend on mechanism, no modules
//! use each other in a circle, and no function is long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with those that it may use. A module stands below all that use it.
#[rustfmt::skip]
const LAYERS: &[(&str, &[&str])] = &[
    ("sorting",   &[]),
    ("syscalls",  &[]),
    ("sys",       &[]),
    ("paths",     &[]),
    ("nss",       &["sys"]),
    ("net",       &["paths"]),
    ("condition", &["syscalls"]),
    ("baseline",  &["condition", "syscalls"]),
    ("policy",    &["baseline", "condition", "net", "nss", "paths", "sorting", "syscalls"]),
    ("judge",     &["baseline", "condition", "net", "paths", "policy", "sorting", "syscalls"]),
    ("learn",     &["judge", "net", "paths", "policy", "sorting"]),
    ("plan",      &["baseline", "condition", "judge", "net", "paths", "policy", "sorting", "syscalls"]),
    ("diff",      &["condition", "judge", "net", "paths", "plan", "policy", "syscalls"]),
    ("trace",     &["sys", "syscalls"]),
    ("launch",    &["nss", "plan", "policy", "sys", "trace"]),
    ("supervise", &["baseline", "judge", "launch", "net", "nss", "paths", "plan", "policy", "sorting", "sys", "syscalls", "trace"]),
    ("report",    &["baseline", "judge", "net", "paths", "policy", "sorting", "supervise", "sys", "syscalls", "trace"]),
    ("journal",   &["report"]),
    ("replay",    &["baseline", "journal", "judge", "net", "paths", "plan", "policy", "report", "syscalls"]),
    ("page",      &["journal", "report", "sorting"]),
    ("fuzz",      &["baseline", "condition", "journal", "judge", "net", "page", "paths", "plan", "policy", "replay", "syscalls", "trace"]),
    ("embed",     &["launch", "plan", "policy", "report", "supervise", "sys", "trace"]),
    ("commands",  &["baseline", "condition", "diff", "embed", "journal", "judge", "launch", "learn", "net", "nss", "page", "paths", "plan", "policy", "replay", "report", "sorting", "supervise", "sys", "syscalls", "trace"]),
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
    files(&root.join("fuzz/fuzz_targets"), &mut users);
    // These name nothing of the library.
    users.retain(|path| !path.starts_with(root.join("tests/programs")));
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

/// A module by the parts of its path: `["supervise", "tracee"]`.
type Module = Vec<String>;

/// The text of a file without its unit tests.
fn without_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod tests {");
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The child modules that are compiled for unit tests alone.
fn test_modules(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("#[cfg(test)]\n").skip(1);
    parts.filter_map(|part| {
        let line = part.lines().next()?.trim_start_matches("pub ");
        line.strip_prefix("mod ")?.strip_suffix(';')
    })
}

/// All modules of the library, each with the text of its file, without those that are for unit tests.
fn modules() -> BTreeMap<Module, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    let mut found = BTreeMap::new();
    let mut only_tests = BTreeSet::new();
    for path in paths {
        let parts = path.strip_prefix(&src).expect("a path in src");
        let parts = parts.with_extension("");
        let mut module: Module = parts
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        module.pop_if(|last| last == "mod");
        let text = fs::read_to_string(&path).expect("a readable file");
        only_tests.extend(test_modules(&text).map(|child| {
            let child = child.to_owned();
            module.iter().cloned().chain([child]).collect::<Module>()
        }));
        if module != ["lib"] && module != ["main"] {
            found.insert(module, without_tests(&text).to_owned());
        }
    }
    found.retain(|module, _| !only_tests.contains(module));
    found
}

/// The paths of a tree of `use`, one each.
fn paths_of_use(tree: &str) -> Vec<String> {
    let Some((head, list)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.split_whitespace().collect()];
    };
    let list = list.rsplit_once('}').map_or(list, |(list, _)| list);
    let mut paths = Vec::new();
    let (mut depth, mut part) = (0, String::new());
    for character in list.chars().chain([',']) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let inner = paths_of_use(&std::mem::take(&mut part)).into_iter();
                paths.extend(inner.map(|path| format!("{}{path}", head.trim())));
                continue;
            }
            _ => {}
        }
        part.push(character);
    }
    paths
}

/// What the text of a module names: the trees of its `use`, and paths of several parts elsewhere.
fn named(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let mut paths = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let start = statement
            .rfind("\nuse ")
            .or_else(|| statement.rfind("\npub use "))
            .or_else(|| statement.rfind(" use "));
        match start {
            Some(start) => {
                let (before, tree) = statement.split_at(start);
                let tree = tree.split_once("use ").map_or("", |(_, tree)| tree);
                paths.extend(paths_of_use(tree.trim_end_matches(';')));
                rest.push_str(before);
            }
            None => rest.push_str(statement),
        }
    }
    let is_path = |c: char| c == ':' || c == '_' || c.is_ascii_alphanumeric();
    let words = rest.split(|c| !is_path(c));
    paths.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
    paths
}

/// The module that a path leads to, seen from another one.
fn led_to(from: &Module, path: &str, modules: &BTreeMap<Module, String>) -> Option<Module> {
    let mut parts = path.split("::").map(str::to_owned).peekable();
    let mut to: Module = match parts.peek()?.as_str() {
        "crate" => Vec::new(),
        "super" => from.clone(),
        first => {
            let child: Module = from.iter().cloned().chain([first.to_owned()]).collect();
            modules.contains_key(&child).then(|| from.clone())?
        }
    };
    while let Some(part) = parts.next_if(|part| part == "crate" || part == "super") {
        if part == "super" {
            to.pop();
        }
    }
    to.extend(parts);
    while !to.is_empty() && !modules.contains_key(&to) {
        to.pop();
    }
    (!to.is_empty()).then_some(to)
}

/// A module may use what stands in one above it in the tree of folders: that is how a folder is divided.
#[test]
fn no_modules_use_each_other_in_a_circle() {
    let modules = modules();
    let uses = |(from, text): (&Module, &String)| {
        let paths = named(text).into_iter();
        let uses: BTreeSet<Module> = paths
            .filter_map(|path| led_to(from, &path, &modules))
            .filter(|to| !from.starts_with(to))
            .collect();
        (from.clone(), uses)
    };
    let mut uses: BTreeMap<Module, BTreeSet<Module>> = modules.iter().map(uses).collect();
    assert!(uses.values().filter(|uses| !uses.is_empty()).count() > 100);
    // A module is in no circle if it uses none of the others, or if none of them uses it: remove it.
    loop {
        let before = uses.len();
        let left: BTreeSet<Module> = uses.keys().cloned().collect();
        uses.values_mut()
            .for_each(|uses| uses.retain(|to| left.contains(to)));
        uses.retain(|_, uses| !uses.is_empty());
        let used: BTreeSet<Module> = uses.values().flatten().cloned().collect();
        uses.retain(|from, _| used.contains(from));
        if uses.len() == before {
            break;
        }
    }
    let circle = uses.iter().map(|(from, uses)| {
        let uses: Vec<String> = uses.iter().map(|to| to.join("::")).collect();
        format!("{} uses {}", from.join("::"), uses.join(", "))
    });
    let circle: Vec<String> = circle.collect();
    assert!(circle.is_empty(), "a circle:\n{}", circle.join("\n"));
}

#[test]
fn no_function_is_longer_than_69_lines() {
    const MOST: usize = 69;
    let mut long = Vec::new();
    for (module, text) in modules() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let is_function = code.starts_with("fn ")
                || code.contains(" fn ") && !code.contains("//") && !code.contains('"');
            if !is_function || code.ends_with(';') || code.ends_with('}') {
                continue;
            }
            let indent = line.len() - code.len();
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines.iter().skip(at).position(|line| **line == end);
            if let Some(length) = length.filter(|length| length + 1 > MOST) {
                long.push(format!(
                    "{}: {} lines: {code}",
                    module.join("::"),
                    length + 1
                ));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_loop_of_the_supervisor_is_short() {
    let modules = modules();
    let text = &modules[&vec!["supervise".to_owned()]];
    assert!(text.lines().count() <= 150);
}

/// What the tests print about what they cannot try: `tests/compat/kernels` counts these lines. Any other
/// loud word would make it seem that all was tried.
#[test]
fn a_test_that_cannot_try_something_says_so_in_the_same_words() {
    let mut paths = Vec::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    files(&tests, &mut paths);
    paths.retain(|path| !path.starts_with(tests.join("programs")) && !path.ends_with("layers.rs"));
    let mut others = Vec::new();
    let mut found = 0;
    for path in paths {
        let text = fs::read_to_string(&path).expect("a readable file");
        for printed in text.split("println!(").skip(1) {
            let Some(literal) = printed.trim_start().strip_prefix('"') else {
                continue;
            };
            let literal = literal.trim_start_matches("!!! ");
            let word = literal.split([' ', ':']).next().unwrap_or_default();
            if literal.starts_with("NOT TRIED HERE") {
                found += 1;
            } else if word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase()) {
                let line = literal.lines().next().unwrap_or_default();
                others.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert!(found > 50, "{found}");
    assert!(
        others.is_empty(),
        "say NOT TRIED HERE instead:\n{}",
        others.join("\n")
    );
}

/// A table of a doc comment cannot be wrapped.
#[test]
fn no_comment_is_wider_than_118_columns() {
    let mut wide = Vec::new();
    let mut found = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    for file in found {
        let text = std::fs::read_to_string(&file).expect("a source file");
        for (index, line) in text.lines().enumerate() {
            let comment = line.trim_start().strip_prefix("//");
            let is_text =
                comment.is_some_and(|it| !it.trim_start_matches(['/', '!', ' ']).starts_with('|'));
            if is_text && line.chars().count() > 118 {
                wide.push(format!("{}:{}", file.display(), index + 1));
            }
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}
