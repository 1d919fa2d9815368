//! `[net]` as real programs meet it: clients and servers that were not written for a jail. `matrix` makes every
//! call that reaches a peer, `names` is about names and their resolvers.
//!
//! What an allowed peer answers is what it answers without a jail, and one that is not allowed is
//! reported with the line that decided. Peers are loopback addresses, or addresses of a network
//! namespace that the test makes. What is missing on the machine is said on stderr.

#[path = "../support/mod.rs"]
mod support;

mod blocking;
mod errors;
mod http;
mod matrix;
mod messages;
mod names;
mod postgres;
mod presets;
mod programs;
mod scene;
mod servers;
mod sockets;
mod stops;
mod threads;
mod udp;
mod waiting;
