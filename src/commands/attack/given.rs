//! What an attack is told: where its targets lie. One argument of its command line, as JSON.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The targets of one attack, all made by the suite.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Given {
    /// The working directory of the jail.
    pub work: PathBuf,
    /// A file in it.
    pub public: PathBuf,
    /// A link in it to the secret, whose name is the beginning of that file's.
    pub near: PathBuf,
    /// A file that the policy lets the command read, to change places with the secret.
    pub allowed: PathBuf,
    /// A file outside whose content is a secret.
    pub secret: PathBuf,
    /// A file outside that is to be changed.
    pub canary: PathBuf,
    /// A program outside.
    pub tool: PathBuf,
    /// A copy outside of a program that is linked dynamically, if this host has one.
    pub linked: Option<PathBuf>,
    /// The process outside, the address of the bytes that it guards, and its descriptor of the secret.
    pub bystander: i32,
    pub address: u64,
    pub descriptor: i32,
    /// Ports of 127.0.0.1 at which the suite listens.
    pub tcp: u16,
    pub udp: u16,
    /// The port of a netlink socket.
    pub netlink: u32,
    /// Unix sockets: by path, and in the abstract name space.
    pub stream: PathBuf,
    pub datagram: PathBuf,
    pub abstract_name: String,
    /// Another terminal.
    pub terminal: PathBuf,
    /// The text that reaches what the attack writes to.
    pub token: String,
    /// How long a race runs.
    pub seconds: f64,
    /// The limit that is to be exceeded.
    pub limit: u64,
    /// The name, and the address, that a forged answer brings together.
    pub name: String,
    pub forged: Option<std::net::SocketAddrV4>,
}

/// How an attack ended: what it reached, or what stopped it.
pub type Tried = Result<String, String>;
