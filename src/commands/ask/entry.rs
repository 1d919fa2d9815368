//! The entry that is suggested with a question: what it allows for a run, and how it comes into the policy's file.

use crate::baseline::Baseline;
use crate::commands::lists::{self, list_of};
use crate::judge::Judge;
use crate::policy::{PathContext, Policy};
use crate::report::Place;
use std::fs;
use std::path::Path;
use toml_edit::{Array, DocumentMut, Value};

/// What the entry allows. `start`: where the command starts. `None`: there is no entry, so that an answer is about
/// the one request.
pub fn scope(start: &Path, patch: Option<&str>) -> Option<Box<Judge>> {
    let mut document: DocumentMut = patch?.parse().ok()?;
    document.remove("extends");
    document.insert("default", Value::from("deny").into());
    let file = start.join("the-answer.toml");
    let context = PathContext::at(start);
    let policy = Policy::load_text_in(&document.to_string(), "the answer", &file, context).ok()?;
    Some(Box::new(Judge::new(&policy, &Baseline::new(0))))
}

/// The file that an entry is written into.
///
/// # Errors
/// Why there is none.
pub fn file(policy: &Policy) -> Result<&Path, String> {
    match policy.sources.first() {
        Some(main) if main.flags => {
            Err("the policy is put together on the command line, and there is no file to add the entry to".to_owned())
        }
        Some(main) if main.preset => Err(format!(
            "{} is a built-in policy; use a file that extends it",
            main.name
        )),
        Some(main) => main
            .files
            .last()
            .map(std::path::PathBuf::as_path)
            .ok_or_else(|| format!("{} is no file", main.name)),
        None => Err("there is no policy file".to_owned()),
    }
}

/// Writes the entry into the policy's file.
///
/// # Errors
/// Why that cannot be done.
pub fn write(policy: &Policy, start: &Path, patch: Option<&str>) -> Result<(), String> {
    let patch = patch.ok_or("no narrow entry can allow it")?;
    let file = file(policy)?;
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| failed(&error))?;
    let merged = merged(&text, patch).map_err(|error| failed(&error))?;
    let name = file.to_string_lossy();
    Policy::load_text_in(&merged, &name, file, PathContext::at(start))
        .map_err(|_| failed(&"the policy would not be valid with the entry"))?;
    let place = Place::file(file).map_err(|error| failed(&error))?;
    place
        .write(merged.as_bytes())
        .map_err(|error| failed(&error))
}

/// The text of a policy with the lists of a patch added to its own. All else stays as it is.
fn merged(text: &str, patch: &str) -> Result<String, String> {
    let parse = |text: &str| {
        let parsed = text.parse::<DocumentMut>();
        parsed.map_err(|error| format!("it cannot be read: {error}"))
    };
    let (mut document, patch) = (parse(text)?, parse(patch)?);
    for (section, item) in patch.iter() {
        let Some(lists) = item.as_table() else {
            continue;
        };
        for (key, list) in lists {
            let Some(list) = list.as_array() else {
                return Err(format!("`{key}` of the entry is no list"));
            };
            let into = list_of(document.as_item_mut(), section, key)?;
            for value in list {
                add(into, value);
            }
        }
    }
    Ok(document.to_string())
}

/// Adds a value that is not there, in the form of those that are.
fn add(array: &mut Array, value: &Value) {
    let plain = |value: &Value| value.clone().decorated("", "").to_string();
    let wanted = plain(value);
    if array.iter().any(|known| plain(known) == wanted) {
        return;
    }
    let mut value = value.clone();
    value.decor_mut().clear();
    match array.to_string().contains('\n') {
        true => lists::append(array, [(value, None)]),
        // On one line.
        false => array.push(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Access;
    use crate::policy::Action;

    #[test]
    fn an_entry_is_added_to_its_list_and_all_else_stays() {
        let text = "# Mine.\nextends = [\"base\"] # really\n\n[fs]\nread = [\n    \"./a\", # first\n    \"./b\", # second\n]\nwrite = [\"./c\"]\n";
        let patch = "extends = [\"other\"]\n\n[fs]\nread = [\"/d\"]\nwrite = [\"/e\"]\n\n[net]\nconnect = [\"example.org:443\"]\n";
        let merged = merged(text, patch).expect("a policy");
        let expected = "# Mine.\nextends = [\"base\"] # really\n\n[fs]\nread = [\n    \"./a\", # first\n    \"./b\", # second\n    \"/d\",\n]\nwrite = [\"./c\", \"/e\"]\n\n[net]\nconnect = [\"example.org:443\"]\n";
        assert_eq!(merged, expected);
        assert_eq!(super::merged(&merged, patch).expect("a policy"), expected);
    }

    #[test]
    fn a_comment_behind_the_last_entry_stays_there() {
        let patch = "[fs]\nread = [\"/d\"]\n";
        for (list, expected) in [
            (
                "[\n  \"./a\" # first\n]",
                "[\n  \"./a\", # first\n  \"/d\",\n]",
            ),
            ("[\"./a\" # first\n]", "[\"./a\", # first\n  \"/d\",\n]"),
            ("[ # all\n]", "[ # all\n  \"/d\",\n]"),
            ("[]", "[\"/d\"]"),
        ] {
            let text = format!("[fs]\nread = {list}\n");
            let merged = merged(&text, patch).expect("a policy");
            assert_eq!(merged, format!("[fs]\nread = {expected}\n"));
        }
    }

    #[test]
    fn a_policy_of_another_shape_is_an_error_that_names_it() {
        let patch = "[fs]\nread = [\"/d\"]\n";
        for (text, name) in [
            ("fs = 1\n", "`fs`"),
            ("[fs]\nread = 1\n", "`read`"),
            ("[", "cannot be read"),
        ] {
            let error = merged(text, patch).expect_err(text);
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn an_entry_opens_what_it_names_and_no_more() {
        let patch = "extends = [\"read-only\"]\n\n[fs]\nread = [\"/usr/share\"]\n";
        let scope = scope(Path::new("/"), Some(patch)).expect("a scope");
        let allows = |access, path: &[u8]| scope.path(access, path).action == Action::Allow;
        assert!(allows(Access::Read, b"/usr/share/doc"));
        assert!(!allows(Access::Write, b"/usr/share/doc"));
        assert!(!allows(Access::Read, b"/usr/lib"));
        assert!(super::scope(Path::new("/"), None).is_none());
        assert!(super::scope(Path::new("/"), Some("[")).is_none());
    }
}
