//! What an entry rests on, as the text of its comment.

use crate::learn::{Entry, Evidence, Section};
use crate::report;

/// Programs that a text names.
const SHOWN: usize = 3;

/// The comment of an entry: `3 files, 12 times by cc, ld`.
pub fn comment(entry: &Entry) -> String {
    let what = match entry.section {
        Section::Read | Section::Write => "files",
        Section::Exec => "programs",
        Section::Connect | Section::Listen => "addresses",
    };
    match entry.requests {
        0 | 1 => text(&entry.evidence),
        count => format!("{count} {what}, {}", text(&entry.evidence)),
    }
}

/// How often, and by which programs: `12 times by cc, ld`. A program chose its own name, so only harmless
/// characters of it are kept.
pub fn text(evidence: &Evidence) -> String {
    let by = names(evidence);
    format!("{} by {by}", report::times(evidence.times))
}

/// The programs: `cc, ld`.
pub fn names(evidence: &Evidence) -> String {
    let harmless = |name: &String| -> String {
        let keep = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        let name = name.chars().take(32);
        name.map(|c| if keep(c) { c } else { '?' }).collect()
    };
    let mut programs: Vec<String> = evidence.programs.iter().map(harmless).collect();
    let others = programs.len().saturating_sub(SHOWN);
    programs.truncate(SHOWN);
    let mut by = programs.join(", ");
    if others > 0 || evidence.more {
        by.push_str(", …");
    }
    by
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Beyond;

    #[test]
    fn a_program_cannot_write_into_the_policy_by_its_name() {
        let mut evidence = Evidence::default();
        evidence.add("x\n[fs]\nwrite = [\"/\"] # \u{1b}[2J");
        (0..20).for_each(|n| evidence.add(&format!("p{n}")));
        let entry = Entry {
            section: Section::Read,
            text: ".".to_owned(),
            evidence,
            requests: 3,
            beyond: Beyond::Nothing,
            why: None,
        };
        let comment = comment(&entry);
        assert!(!comment.contains(['\n', '\u{1b}', '"', '=']), "{comment}");
        assert!(comment.starts_with("3 files, 21 times by "), "{comment}");
    }
}
