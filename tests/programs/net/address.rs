//! Endpoints as text, and as the kernel has them: `127.0.0.1:80`, `[::1]:80`, `unix:/path`,
//! `unix:@name`, `vsock:CID:PORT`, `link:lo`.

#![allow(dead_code, reason = "the tests use a part of it")]

use std::net::{IpAddr, SocketAddr};

/// `struct sockaddr` for a text; empty if it is none.
pub fn bytes(text: &str) -> Vec<u8> {
    if let Some(name) = text.strip_prefix("unix:") {
        let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
        match name.strip_prefix('@') {
            Some(name) => bytes.extend([b"\0", name.as_bytes()].concat()),
            None => bytes.extend([name.as_bytes(), b"\0"].concat()),
        }
        return bytes;
    }
    if let Some(rest) = text.strip_prefix("vsock:") {
        let numbers: Vec<u32> = rest.split(':').flat_map(str::parse).collect();
        let &[cid, port] = numbers.as_slice() else {
            return vec![];
        };
        // struct sockaddr_vm (linux/vm_sockets.h).
        let mut bytes = (libc::AF_VSOCK as u16).to_ne_bytes().to_vec();
        bytes.extend([0; 2]);
        bytes.extend(port.to_ne_bytes());
        bytes.extend(cid.to_ne_bytes());
        bytes.extend([0; 4]);
        return bytes;
    }
    if text == "link:lo" {
        return loopback_link();
    }
    match text.parse::<SocketAddr>() {
        Ok(address) => inet(address),
        Err(_) => vec![],
    }
}

/// An ethertype for experiments (IEEE 802).
const EXPERIMENTS: u16 = 0x88b5;

/// `struct sockaddr_ll` of the loopback interface, the first of a network namespace.
fn loopback_link() -> Vec<u8> {
    let mut bytes = (libc::AF_PACKET as u16).to_ne_bytes().to_vec();
    bytes.extend(EXPERIMENTS.to_be_bytes());
    bytes.extend(1i32.to_ne_bytes());
    bytes.extend([0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn inet(address: SocketAddr) -> Vec<u8> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let mut bytes = (family as u16).to_ne_bytes().to_vec();
    bytes.extend(address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.extend(ip.octets());
            bytes.extend([0; 8]);
        }
        IpAddr::V6(ip) => {
            bytes.extend([0; 4]);
            bytes.extend(ip.octets());
            bytes.extend([0; 4]);
        }
    }
    bytes
}

/// The text of what getsockname(2) returned.
pub fn text(bytes: &[u8]) -> String {
    let word = |at: usize| match bytes.get(at..at + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    };
    let port = word(2);
    match domain(bytes) {
        libc::AF_INET => {
            let ip: [u8; 4] = part(bytes, 4);
            SocketAddr::from((ip, port)).to_string()
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = part(bytes, 8);
            SocketAddr::from((ip, port)).to_string()
        }
        libc::AF_UNIX => match bytes.get(2..) {
            Some([0, name @ ..]) => format!("unix:@{}", String::from_utf8_lossy(name)),
            Some(path) => {
                let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
                format!("unix:{}", String::from_utf8_lossy(path))
            }
            None => String::new(),
        },
        libc::AF_PACKET => "link:lo".to_owned(),
        libc::AF_VSOCK => {
            let number = |at| u32::from_ne_bytes(part(bytes, at));
            format!("vsock:{}:{}", number(8), number(4))
        }
        _ => String::new(),
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let part = bytes.get(at..at + N).unwrap_or_default();
    part.try_into().unwrap_or([0; N])
}

/// The family that it begins with.
pub fn domain(bytes: &[u8]) -> i32 {
    i32::from(u16::from_ne_bytes(part(bytes, 0)))
}

/// The same address with another family.
pub fn with_domain(mut bytes: Vec<u8>, domain: i32) -> Vec<u8> {
    if let Some(family) = bytes.get_mut(..2) {
        family.copy_from_slice(&(domain as u16).to_ne_bytes());
    }
    bytes
}
