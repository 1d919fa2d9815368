//! `[net]` as real programs meet it: clients and servers that were not written for a jail.
//!
//! What an allowed peer answers is what it answers without a jail, and one that is not allowed is
//! reported with the line that decided. Peers are loopback addresses, or addresses of a network
//! namespace that the test makes. What is missing on the machine is said on stderr.
#![cfg(target_arch = "x86_64")]

mod support;

#[path = "net_clients/blocking.rs"]
mod blocking;
#[path = "net_clients/errors.rs"]
mod errors;
#[path = "net_clients/http.rs"]
mod http;
#[path = "net_clients/messages.rs"]
mod messages;
#[path = "net_clients/postgres.rs"]
mod postgres;
#[path = "net_clients/presets.rs"]
mod presets;
#[path = "net_clients/programs.rs"]
mod programs;
#[path = "net_clients/scene.rs"]
mod scene;
#[path = "net_clients/servers.rs"]
mod servers;
#[path = "net_clients/sockets.rs"]
mod sockets;
#[path = "net_clients/stops.rs"]
mod stops;
#[path = "net_clients/threads.rs"]
mod threads;
