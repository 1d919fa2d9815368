//! A row of the tables of the plan.

use super::subject::{Does, Section};
use crate::policy::{DomainId, Origin};

/// A row: one entry, or several that are enforced alike.
pub struct Row {
    /// The domain whose entry it is.
    pub domain: Option<DomainId>,
    pub section: Section,
    /// Its first place.
    pub origin: Option<Origin>,
    /// The line of the last entry.
    pub last: u32,
    pub place: String,
    pub key: String,
    pub texts: Vec<String>,
    pub does: Does,
    pub enforcer: String,
    pub because: String,
    pub cost: &'static str,
}

impl Row {
    pub fn place(&self) -> String {
        match self.origin {
            Some(origin) if self.last > origin.line => format!("{}-{}", self.place, self.last),
            _ => self.place.clone(),
        }
    }

    /// The place where the title has the file.
    pub fn lines(&self) -> String {
        match self.origin {
            Some(origin) if self.last > origin.line => format!("{}-{}", origin.line, self.last),
            Some(origin) => origin.line.to_string(),
            None => self.place.clone(),
        }
    }

    pub fn entry(&self) -> String {
        let count = self.texts.len();
        let texts = self.texts.join(", ");
        match (self.key.as_str(), count) {
            ("", 1) => texts,
            ("", count) => format!("{count}: {texts}"),
            (key, 1) => format!("{key} {texts}"),
            (key, count) => format!("{key}, {count}: {texts}"),
        }
    }
}
