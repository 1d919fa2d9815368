//! Annotations of GitHub Actions: `::error file=…,line=…,title=…::message`, as "Workflow commands for GitHub
//! Actions" describes them.

use std::fmt::{self, Display, Formatter};

/// One annotation. Text of a jailed program must have been escaped before.
#[derive(Debug, Clone, Copy)]
pub struct Annotation<'a> {
    /// `error`, `warning` or `notice`.
    pub level: &'a str,
    /// Properties such as `file` and `line`, in this order.
    pub properties: &'a [(&'a str, String)],
    /// The message; it may have several lines.
    pub message: &'a str,
}

impl Display for Annotation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "::{}", self.level)?;
        for (place, (name, value)) in self.properties.iter().enumerate() {
            let before = if place == 0 { ' ' } else { ',' };
            write!(f, "{before}{name}={}", property(value))?;
        }
        write!(f, "::{}", data(self.message))
    }
}

/// The text of a message.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
