//! Verdicts in words: what decided, and what to change. It decides nothing.

use super::{Reason, Verdict};
use crate::policy::Policy;
use crate::syscalls::Call;

/// What decided a call.
pub fn explain_reason(_policy: &Policy, verdict: &Verdict) -> String {
    match verdict.reason {
        Reason::Baseline(rule) => format!("baseline {}: {}", rule.id, rule.reason),
        _ => String::new(),
    }
}

/// What to change so that a denied call is allowed.
pub fn remedy(_policy: &Policy, _call: &Call, _verdict: &Verdict) -> Option<String> {
    None
}
