//! What messages say, and that a user who follows their advice gets what they promise: the advice of a
//! denial, the hints of errors, and `jail explain`.

#[path = "../support/mod.rs"]
mod support;

mod advice;
mod explained;
mod flags;
mod hints;
mod pages;
mod proved;
mod saved;
