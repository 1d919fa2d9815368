//! The page: one file without anything from elsewhere.

use super::data::Data;
use crate::journal::Journal;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of a log.
pub fn html(journal: &Journal) -> String {
    let data = Data::new(journal);
    let (data, rest) = (json(&data), json(&data.rest));
    let fixed = TEMPLATE.len() + STYLE.len() + SCRIPT.len();
    let mut page = String::with_capacity(data.len() + rest.len() + fixed);
    let parts = [
        ("@@STYLE@@", STYLE),
        ("@@DATA@@", &data),
        ("@@SCRIPT@@", SCRIPT),
        ("@@REST@@", &rest),
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

/// For the inside of a script element: no text can end it, or begin a comment, without this character.
fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.replace('<', "\\u003c")
}
