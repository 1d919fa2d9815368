//! A log as a page for a browser ([`html`]) or as text for a terminal ([`text`]). All text of the jailed program
//! passes through `report::escaped`, so no name can end a tag, move a cursor or reorder what is beside it.

mod data;
mod html;
#[cfg(test)]
mod tests;
mod text;

pub use html::html;
pub use text::text;

/// The maximum number of characters of a name or path that is shown.
const TEXT: usize = 4_096;
