//! The entries for what the domains of the policy's file lack.

use super::record::Recorded;
use super::{Ran, domain_text, domains};
use crate::learn::{Entry, Level, Recording, Scene};

/// The entries for what the domains lack, by the name of the domain. `text`: the policy, with the entries that the
/// main policy needs. None of them widens it.
pub fn entries(
    ran: &Ran<'_>,
    text: &str,
    recorded: &Recorded,
    (scene, level): (&Scene, Level),
) -> Vec<(String, Vec<Entry>)> {
    let lacking = recorded.lacking_in_domains();
    lacking
        .map(|(name, requests)| {
            let entries = narrow(ran, (text, name), requests, (scene, level));
            (name.to_owned(), entries)
        })
        .collect()
}

/// The entries of the widest level of which none allows more than the main policy.
fn narrow(
    ran: &Ran<'_>,
    (text, domain): (&str, &str),
    requests: &Recording,
    (scene, level): (&Scene, Level),
) -> Vec<Entry> {
    let fits = |entries: &[Entry]| {
        let with = domain_text::with_entries(text, domain, entries);
        with.is_ok_and(|with| ran.base.load(&with, false).is_ok())
    };
    let mut entries = Vec::new();
    for level in level.down() {
        entries = domains::entries(requests, scene, level);
        if fits(&entries) {
            return entries;
        }
    }
    entries.retain(|entry| fits(std::slice::from_ref(entry)));
    entries
}
