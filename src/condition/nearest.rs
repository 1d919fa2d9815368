//! Finds the known name that a misspelt one most likely means. It only suggests.

/// The nearest of the known names, if it is similar enough.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // One difference per three characters, and at least one, is allowed; beyond that it is a different
    // word.
    let slips = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The number of differences between two names, ignoring case.
fn distance(name: &str, candidate: &str) -> usize {
    // Names are ASCII and short: a text longer than all of them cannot be one.
    if name.len() > 64 {
        return usize::MAX;
    }
    strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &candidate.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not() {
        let known = ["socket", "socketpair", "connect"];
        assert_eq!(nearest("sokcet", known), Some("socket"));
        assert_eq!(nearest("Connect", known), Some("connect"));
        assert_eq!(nearest("reboot", known), None);
    }
}
