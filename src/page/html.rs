//! The page: one file without anything from elsewhere.

use super::data::Data;
use crate::journal::Journal;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of a log.
pub fn html(journal: &Journal) -> String {
    let data = serde_json::to_string(&Data::new(journal)).unwrap_or_default();
    // Within a script no text can end it, or begin a comment, without this character.
    let data = data.replace('<', "\\u003c");
    let mut page = String::with_capacity(data.len() + TEMPLATE.len() + STYLE.len() + SCRIPT.len());
    let parts = [
        ("@@STYLE@@", STYLE),
        ("@@DATA@@", &data),
        ("@@SCRIPT@@", SCRIPT),
    ];
    let mut rest = TEMPLATE;
    for (mark, text) in parts {
        let Some((before, after)) = rest.split_once(mark) else {
            continue;
        };
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    page
}
