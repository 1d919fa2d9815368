//! Every call that reaches a peer, or lets itself be reached, in every family, under every kind of
//! entry: what the policy language promises for `[net]`, with a real listener for each.
//!
//! The attempts are those of `tests/programs/net`. Each cell is a jail of its own, once with a probe that
//! has one thread and once with two. What is allowed must have arrived at the listener, what is
//! denied must not, and the message must name the line and the endpoint. To see the tables:
//! `cargo test --test net_matrix -- --nocapture --test-threads=1`.

mod support;

#[path = "programs/net/address.rs"]
mod address;
#[path = "programs/net/raw.rs"]
mod raw;

#[path = "net_matrix/contract.rs"]
mod contract;
#[path = "net_matrix/matrix.rs"]
mod matrix;
#[path = "net_matrix/peers.rs"]
mod peers;
#[path = "net_matrix/table.rs"]
mod table;

use matrix::hold;

#[test]
fn peers_are_judged_with_the_newest_landlock() {
    hold("newest Landlock", None);
}

#[test]
fn peers_are_judged_without_landlock() {
    hold("no Landlock", Some("0"));
}
