//! The links in the documents lead to files and headings that exist.

use std::path::{Path, PathBuf};

/// The pages: those at the root, and those of these directories.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directories = [
        "",
        "docs",
        "tests",
        "bindings/ci",
        "bindings/python",
        "tests/compat/kernels",
        "tests/compat/cgroup2",
    ];
    let entries = directories.map(|name| std::fs::read_dir(root.join(name)).expect("a directory"));
    let paths = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect()
}

/// The lines outside of blocks of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let keep = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

/// The name by which GitHub makes a heading reachable.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let name: String = heading.to_lowercase().chars().filter(kept).collect();
    name.trim().replace(' ', "-")
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let text = prose(&std::fs::read_to_string(page).expect("a page"));
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .any(|heading| heading == wanted)
}

/// What `](…)` holds, without code.
fn links(text: &str) -> Vec<String> {
    // A link's text may be code, its target is none.
    let prose = prose(text);
    let parts = prose.split("](").skip(1);
    parts
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let mut count = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.clone(),
                _ => page.parent().expect("a directory").join(file),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            let found = heading.is_empty() || has_heading(&target, heading);
            assert!(found, "{}: no heading {link}", page.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count} links");
}
