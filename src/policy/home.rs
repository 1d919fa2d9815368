//! Detects a policy that lets the command change the whole home directory only because jail starts
//! there.

use std::path::PathBuf;

use super::places::{PathContext, way_to};
use super::{Code, Diagnostic, List, Policy};

/// The error for a relative entry of `write` that is the home directory, or one above it. An entry that
/// names the home directory explicitly is intended.
pub fn opened_home(policy: &Policy) -> Option<Diagnostic> {
    home().and_then(|home| opens(policy, &home))
}

fn home() -> Option<PathBuf> {
    let home = (PathContext::own().variable)("HOME").map(PathBuf::from)?;
    home.is_absolute().then(|| way_to(&home).pop()).flatten()
}

fn opens(policy: &Policy, home: &std::path::Path) -> Option<Diagnostic> {
    let entry = policy.paths.iter().find(|entry| {
        entry.list == List::Write
            && entry.pattern.is_literal()
            && !entry.text.starts_with(['/', '~', '$'])
            && home.starts_with(entry.pattern.base())
    })?;
    let place = entry.pattern.base().display();
    let message = match home == entry.pattern.base() {
        true => format!("fs.write \"{}\" is the home directory {place}", entry.text),
        false => format!(
            "fs.write \"{}\" is {place}, which holds the home directory",
            entry.text
        ),
    };
    let span = policy.span(entry.origin, &entry.text);
    Some(
        Diagnostic::error(Code::OpenedHome, message)
            .at(entry.origin.source, span)
            .help("the command could change what shells, editors and other programs run: start jail in a project's directory"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn only_what_is_relative_and_holds_the_home_directory_is_meant() {
        let here = std::env::current_dir().expect("a directory");
        let above = here.parent().expect("a directory above").to_owned();
        let policy = |text: &str| Policy::parse(text, "a.toml").expect("a policy");
        let relative = policy("[fs]\nwrite = [\".\"]\n");
        let found = opens(&relative, &here).expect("an error");
        assert!(found.message.contains("is the home directory"), "{found:?}");
        let found = opens(&relative, &here.join("home")).expect("an error");
        assert!(found.message.contains("holds the home"), "{found:?}");
        assert!(opens(&relative, &above).is_none());
        assert!(opens(&relative, Path::new("/nowhere")).is_none());
        let absolute = policy(&format!("[fs]\nwrite = [{:?}]\n", here));
        assert!(opens(&absolute, &here).is_none());
        let read = policy("[fs]\nread = [\".\"]\n");
        assert!(opens(&read, &here).is_none());
    }
}
