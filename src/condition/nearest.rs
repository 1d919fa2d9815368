//! The known name that a misspelt one most likely means. It only ever suggests.

/// The nearest of the known names, if it is near enough to be meant.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // One slip in three characters, at least one: beyond that it is a different word.
    let slips = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Slips between two names, upper and lower case being one.
fn distance(name: &str, candidate: &str) -> usize {
    // Names are ASCII and short: longer than any of them is none of them.
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
