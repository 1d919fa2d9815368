//! A log as a page for a browser ([`html`]), as text for a terminal ([`text`]), and its denials for a CI system
//! ([`github`], [`markdown`]). All text of the jailed program
//! passes through `report::escaped`, so no name can end a tag, move a cursor or reorder what is beside it.

mod ci;
mod data;
mod html;
#[cfg(test)]
mod tests;
mod text;

pub use ci::{github, markdown};
pub use html::html;
pub use text::text;

/// The maximum number of characters of a name or path that is shown.
const TEXT: usize = 4_096;
