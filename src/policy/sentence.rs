//! What was likely meant by a sentence of a `[[test]]`, or a request of `jail explain`, that is none.

use crate::condition::nearest;
use crate::syscalls::{self, CallError};

/// What a sentence about a path begins with, and what one about a peer does.
const PATHS: [&str; 4] = ["read", "write", "exec", "stat"];
const PEERS: [&str; 2] = ["connect", "listen"];
const FORMS: &str = "write `read ./file`, `connect 192.0.2.1:443`, or a call: `socket(AF_INET)`";

/// The help for a text that could not be read as a call.
pub fn sentence_help(text: &str, error: &CallError) -> Option<String> {
    let meant = |near: &str| format!("did you mean `{near}`?");
    let calls = || syscalls::all().iter().map(|syscall| syscall.name);
    if text.contains('(') {
        error.unknown.as_ref()?;
        let name = text.get(error.range.clone())?;
        let first = text.get(..error.range.start)?.trim().is_empty();
        return match first {
            true => nearest(name, calls()),
            false => nearest(name, syscalls::constants().map(|(name, _)| name)),
        }
        .map(meant);
    }
    let word = text.split_whitespace().next().unwrap_or_default();
    let help = match word {
        _ if PATHS.contains(&word) => format!("name a path: `{word} ./file`"),
        _ if PEERS.contains(&word) => format!("name an endpoint: `{word} 192.0.2.1:443`"),
        _ if syscalls::by_name(word).is_some() => {
            format!("a call has parentheses: `{word}()`; missing arguments are 0")
        }
        _ => {
            let verbs = PATHS.into_iter().chain(PEERS);
            let near = nearest(word, verbs).or_else(|| nearest(word, calls()));
            near.map_or_else(|| FORMS.to_owned(), meant)
        }
    };
    Some(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_is_none_is_answered_with_what_was_likely_meant() {
        for (text, help) in [
            ("wrte ./x", "did you mean `write`?"),
            ("conect 192.0.2.1:443", "did you mean `connect`?"),
            ("read", "name a path: `read ./file`"),
            ("listen", "name an endpoint: `listen 192.0.2.1:443`"),
            ("mkdir", "a call has parentheses"),
            ("mkdr", "did you mean `mkdir`?"),
            ("frobnicate ./x", "write `read ./file`"),
            ("", "write `read ./file`"),
            ("sokcet(AF_INET)", "did you mean `socket`?"),
            ("socket(AF_INE)", "did you mean `AF_INET`?"),
        ] {
            let error = syscalls::parse_call(text).expect_err(text);
            let found = sentence_help(text, &error).unwrap_or_default();
            assert!(found.starts_with(help), "{text}: {found}");
        }
    }
}
