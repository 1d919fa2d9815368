//! Who may be reached, who may not, and their addresses as the kernel takes them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The hosts: HERE may be reached, THERE may not.
pub const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What the caller says.
pub struct Place {
    /// `w` and `r`, which may be written to and not; in both `pad`, which is allowed, and `bad`.
    pub root: PathBuf,
    /// What abstract names begin with.
    pub token: String,
    /// May be reached at HERE by TCP.
    pub tcp: u16,
    /// May be reached at HERE by UDP.
    pub udp: u16,
    /// May not be reached.
    pub bad: u16,
    /// HERE may be listened at it.
    pub own: u16,
    /// No host may be.
    pub free: u16,
}

impl Place {
    pub fn new(words: &[&str]) -> Self {
        let [root, token, tcp, udp, bad, own, free] = words else {
            panic!("a place is ROOT TOKEN TCP UDP BAD OWN FREE");
        };
        let port = |text: &str| text.parse().expect("a port");
        Self {
            root: root.into(),
            token: (*token).to_owned(),
            tcp: port(tcp),
            udp: port(udp),
            bad: port(bad),
            own: port(own),
            free: port(free),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The abstract names, of one length.
    pub fn good_name(&self) -> String {
        format!("\0{}-good", self.token)
    }

    pub fn bad_name(&self) -> String {
        format!("\0{}-evil", self.token)
    }
}

pub fn v4(ip: Ipv4Addr, port: u16) -> Vec<u8> {
    let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend(ip.octets());
    bytes.resize(16, 0);
    bytes
}

pub fn v6(ip: Ipv6Addr, port: u16) -> Vec<u8> {
    let mut bytes = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(ip.octets());
    bytes.extend([0; 4]);
    bytes
}

/// The same with AF_UNSPEC in place of its family.
pub fn unspecified(mut address: Vec<u8>) -> Vec<u8> {
    address[..2].copy_from_slice(&(libc::AF_UNSPEC as u16).to_ne_bytes());
    address
}

pub fn unix(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref().to_str().expect("a path in UTF-8");
    let mut bytes = name(path);
    bytes.push(0);
    bytes
}

/// An abstract name, with the NUL that it begins with.
pub fn name(name: &str) -> Vec<u8> {
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend(name.as_bytes());
    bytes
}
