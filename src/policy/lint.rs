//! What is valid and yet cannot be meant: warnings of `jail check`.

use super::{Diagnostic, Policy};

/// Entries of the main file that can never decide anything, and the like.
pub fn lint(policy: &Policy) -> Vec<Diagnostic> {
    let _ = policy;
    Vec::new()
}
