//! Every call that reaches a peer, or lets itself be reached, in every family, under every kind of
//! entry: what the policy language promises for `[net]`, with a real listener for each.
//!
//! The attempts are those of `tests/programs/net`. Each cell is a jail of its own, once with a probe that
//! has one thread and once with two. What is allowed must have arrived at the listener, what is
//! denied must not, and the message must name the line and the endpoint. To see the tables:
//! `cargo test --test net matrix -- --nocapture --test-threads=1`.

#[path = "../../programs/net/address.rs"]
mod address;
#[path = "../../programs/net/raw.rs"]
mod raw;

mod cells;
mod contract;
mod peers;
mod table;

use cells::hold;

#[test]
fn peers_are_judged_with_the_newest_landlock() {
    hold("newest Landlock", None);
}

#[test]
fn peers_are_judged_without_landlock() {
    hold("no Landlock", Some("0"));
}
