//! Socket addresses: from the kernel's bytes to what is compared, and back.
//!
//! Layouts and lengths are those of ip(7), ipv6(7) and unix(7), and otherwise of net/ipv4, net/ipv6 and
//! net/unix of Linux 6.18.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A socket address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// AF_INET or AF_INET6, as it was given.
    Inet {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
    /// AF_UNIX with a path, as it was given; it may be relative.
    Path(Vec<u8>),
    /// AF_UNIX with an abstract name; empty: autobind.
    Abstract(Vec<u8>),
    /// AF_UNSPEC: removes the address.
    Unspecified,
    /// Another family: not a peer that a policy could name.
    Other,
    /// Too short or too long: the kernel refuses it with EINVAL.
    Malformed,
}

/// Which addresses a socket accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// AF_INET.
    V4,
    /// AF_INET6.
    V6,
    /// AF_UNIX.
    Unix,
    /// Anything else: netlink, vsock …
    Other,
}

impl Family {
    /// From SO_DOMAIN (socket(7), Linux 2.6.32).
    pub fn of(domain: i32) -> Family {
        match domain {
            libc::AF_INET => Family::V4,
            libc::AF_INET6 => Family::V6,
            libc::AF_UNIX => Family::Unix,
            _ => Family::Other,
        }
    }
}

/// Offset of what follows the family.
const AFTER_FAMILY: usize = 2;
/// `struct sockaddr_in`.
const INET: usize = 16;
/// `struct sockaddr_in6` as of RFC 2133, without the scope: the minimum that the kernel accepts.
const INET6: usize = 24;
/// `struct sockaddr_un`.
const UNIX: usize = 110;

impl Address {
    /// From the bytes of a `struct sockaddr`, for a call on a socket of this family. `keeps`: whether
    /// AF_UNSPEC means an address to the call, as it does to bind(2) and to sends on IPv4.
    pub fn decode(bytes: &[u8], socket: Family, keeps: bool) -> Address {
        let Some((family, rest)) = bytes.split_first_chunk::<AFTER_FAMILY>() else {
            return Address::Malformed;
        };
        match i32::from(u16::from_ne_bytes(*family)) {
            libc::AF_INET => inet(bytes),
            // net/ipv4/udp.c, net/ipv4/raw.c: "AF_UNSPEC is taken for AF_INET".
            libc::AF_UNSPEC if keeps && socket == Family::V4 => inet(bytes),
            libc::AF_UNSPEC => Address::Unspecified,
            libc::AF_INET6 => inet6(bytes),
            libc::AF_UNIX if bytes.len() > UNIX => Address::Malformed,
            libc::AF_UNIX => match rest.split_first() {
                None => Address::Abstract(Vec::new()),
                Some((0, name)) => Address::Abstract(name.to_vec()),
                Some(_) => {
                    let path = rest.split(|byte| *byte == 0).next().unwrap_or_default();
                    Address::Path(path.to_vec())
                }
            },
            _ => Address::Other,
        }
    }

    /// The address in the form that is compared: IPv4 if it is mapped into IPv6; when connecting, the
    /// unspecified address is the host itself.
    pub fn canonical(ip: IpAddr, to_peer: bool) -> IpAddr {
        let ip = ip.to_canonical();
        match ip {
            IpAddr::V4(v4) if to_peer && v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(v6) if to_peer && v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            _ => ip,
        }
    }

    /// Replaces the unspecified address by the host's own, because the kernel would use the address that
    /// the socket is bound to (ip_route_output_key_hash_rcu of net/ipv4/route.c, tcp_v6_connect of
    /// net/ipv6/tcp_ipv6.c). Returns whether the address was the unspecified one.
    pub fn settle(bytes: &mut [u8], socket: Family) -> bool {
        let Some(family) = bytes.first_chunk::<AFTER_FAMILY>() else {
            return false;
        };
        let (place, own): (_, &[u8]) = match i32::from(u16::from_ne_bytes(*family)) {
            libc::AF_INET => (4..8, &[127, 0, 0, 1]),
            libc::AF_UNSPEC if socket == Family::V4 => (4..8, &[127, 0, 0, 1]),
            libc::AF_INET6 => match bytes.get(8..INET6) {
                Some([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]) => {
                    (20..INET6, &[127, 0, 0, 1])
                }
                Some(octets) if octets.iter().all(|octet| *octet == 0) => (23..INET6, &[1]),
                _ => return false,
            },
            _ => return false,
        };
        let Some(host) = bytes.get_mut(place) else {
            return false;
        };
        let unspecified = host.iter().all(|octet| *octet == 0);
        if unspecified {
            host.copy_from_slice(own);
        }
        unspecified
    }

    /// The IPv4 address to which translators and tunnels map an IPv6 address: NAT64 (RFC 6052, and the
    /// last 32 bits of RFC 8215's local prefix), 6to4 (RFC 3056), Teredo (RFC 4380), and IPv4-compatible
    /// addresses (RFC 4291).
    pub fn embedded(ip: IpAddr) -> Option<IpAddr> {
        let IpAddr::V6(v6) = ip else { return None };
        let octets = v6.octets();
        let (at, inverted) = match octets {
            [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ..] => (12, 0),
            [0x00, 0x64, 0xff, 0x9b, 0, 1, ..] => (12, 0),
            [0x20, 0x02, ..] => (2, 0),
            [0x20, 0x01, 0, 0, ..] => (12, 0xff),
            // Except ::, ::1 and the like, which are not IPv4 addresses.
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, first, ..] if first != 0 => (12, 0),
            _ => return None,
        };
        let bytes: [u8; 4] = octets.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(bytes.map(|byte| byte ^ inverted)))
    }
}

fn inet(bytes: &[u8]) -> Address {
    let fields = (bytes.get(2..4), bytes.get(4..8));
    match fields {
        (Some(&[high, low]), Some(&[a, b, c, d])) if bytes.len() >= INET => Address::Inet {
            ip: Ipv4Addr::new(a, b, c, d).into(),
            port: u16::from_be_bytes([high, low]),
        },
        _ => Address::Malformed,
    }
}

fn inet6(bytes: &[u8]) -> Address {
    let octets: Option<[u8; 16]> = bytes.get(8..INET6).and_then(|ip| ip.try_into().ok());
    match (bytes.get(2..4), octets) {
        (Some(&[high, low]), Some(octets)) => Address::Inet {
            ip: Ipv6Addr::from(octets).into(),
            port: u16::from_be_bytes([high, low]),
        },
        _ => Address::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(family: u16, port: u16, ip: [u8; 4]) -> Vec<u8> {
        let mut bytes = family.to_ne_bytes().to_vec();
        bytes.extend(port.to_be_bytes());
        bytes.extend(ip);
        bytes.extend([0; 8]);
        bytes
    }

    fn v6(port: u16, ip: &str) -> Vec<u8> {
        let ip: Ipv6Addr = ip.parse().expect("an address");
        let mut bytes = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
        bytes.extend(port.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(ip.octets());
        bytes.extend(7u32.to_ne_bytes());
        bytes
    }

    fn at(ip: &str, port: u16) -> Address {
        Address::Inet {
            ip: ip.parse().expect("an address"),
            port,
        }
    }

    #[test]
    fn internet_addresses_are_read_as_the_kernel_reads_them() {
        let family = libc::AF_INET as u16;
        let bytes = v4(family, 443, [10, 1, 2, 3]);
        assert_eq!(
            Address::decode(&bytes, Family::V4, false),
            at("10.1.2.3", 443)
        );
        // An IPv6 socket accepts it, too.
        assert_eq!(
            Address::decode(&bytes, Family::V6, false),
            at("10.1.2.3", 443)
        );
        assert_eq!(
            Address::decode(&bytes[..15], Family::V4, false),
            Address::Malformed
        );
        let bytes = v6(53, "fe80::1");
        assert_eq!(
            Address::decode(&bytes, Family::V6, false),
            at("fe80::1", 53)
        );
        assert_eq!(
            Address::decode(&bytes[..24], Family::V6, false),
            at("fe80::1", 53)
        );
        assert_eq!(
            Address::decode(&bytes[..23], Family::V6, false),
            Address::Malformed
        );
        assert_eq!(Address::decode(&[2], Family::V4, false), Address::Malformed);
    }

    #[test]
    fn an_unspecified_family_is_an_address_where_the_kernel_takes_it_for_one() {
        let bytes = v4(libc::AF_UNSPEC as u16, 53, [8, 8, 8, 8]);
        assert_eq!(Address::decode(&bytes, Family::V4, true), at("8.8.8.8", 53));
        assert_eq!(
            Address::decode(&bytes, Family::V4, false),
            Address::Unspecified
        );
        assert_eq!(
            Address::decode(&bytes, Family::V6, true),
            Address::Unspecified
        );
        assert_eq!(
            Address::decode(&[0, 0], Family::V4, false),
            Address::Unspecified
        );
    }

    #[test]
    fn unix_names_are_paths_abstract_or_none() {
        let unix = |rest: &[u8]| {
            let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
            bytes.extend(rest);
            Address::decode(&bytes, Family::Unix, false)
        };
        assert_eq!(unix(b"/run/x\0rest"), Address::Path(b"/run/x".to_vec()));
        assert_eq!(unix(b"x"), Address::Path(b"x".to_vec()));
        assert_eq!(unix(b"\0a\0b"), Address::Abstract(b"a\0b".to_vec()));
        assert_eq!(unix(b""), Address::Abstract(Vec::new()));
        assert_eq!(unix(&[b'a'; 108]), Address::Path(vec![b'a'; 108]));
        assert_eq!(unix(&[b'a'; 109]), Address::Malformed);
    }

    #[test]
    fn one_host_has_one_form() {
        let canonical = |ip: &str, to_peer| {
            Address::canonical(ip.parse().expect("an address"), to_peer).to_string()
        };
        assert_eq!(canonical("::ffff:10.0.0.1", true), "10.0.0.1");
        assert_eq!(canonical("0.0.0.0", true), "127.0.0.1");
        assert_eq!(canonical("::ffff:0.0.0.0", true), "127.0.0.1");
        assert_eq!(canonical("::", true), "::1");
        assert_eq!(canonical("::", false), "::");
        assert_eq!(canonical("0.0.0.0", false), "0.0.0.0");
    }

    #[test]
    fn the_unspecified_address_is_made_the_hosts_own_and_no_other_is_touched() {
        let settled = |mut bytes: Vec<u8>, socket| {
            let there = Address::settle(&mut bytes, socket);
            (there, Address::decode(&bytes, socket, true))
        };
        let (inet, none) = (libc::AF_INET as u16, libc::AF_UNSPEC as u16);
        let any = || v4(inet, 80, [0; 4]);
        assert_eq!(settled(any(), Family::V4), (true, at("127.0.0.1", 80)));
        assert_eq!(settled(any(), Family::V6), (true, at("127.0.0.1", 80)));
        let unspecified = v4(none, 80, [0; 4]);
        assert_eq!(
            settled(unspecified.clone(), Family::V4),
            (true, at("127.0.0.1", 80))
        );
        assert_eq!(
            settled(unspecified, Family::V6),
            (false, Address::Unspecified)
        );
        assert_eq!(settled(v6(80, "::"), Family::V6), (true, at("::1", 80)));
        let mapped = settled(v6(80, "::ffff:0.0.0.0"), Family::V6);
        assert_eq!(mapped, (true, at("::ffff:127.0.0.1", 80)));
        for ip in ["::1", "1::", "::ffff:10.0.0.1", "0:0:0:1::"] {
            assert_eq!(settled(v6(80, ip), Family::V6), (false, at(ip, 80)));
        }
        let given = v4(inet, 80, [0, 0, 0, 1]);
        assert_eq!(settled(given, Family::V4), (false, at("0.0.0.1", 80)));
        assert_eq!(settled(vec![2], Family::V4), (false, Address::Malformed));
    }

    #[test]
    fn translated_addresses_are_seen_through() {
        let embedded =
            |ip: &str| Address::embedded(ip.parse().expect("an address")).map(|ip| ip.to_string());
        assert_eq!(embedded("64:ff9b::10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(embedded("2002:a00:1::1").as_deref(), Some("10.0.0.1"));
        assert_eq!(embedded("64:ff9b:1::10.0.0.1").as_deref(), Some("10.0.0.1"));
        // Teredo stores the client's address inverted.
        let teredo = "2001:0:808:808:8000:63bf:f5ff:fffe";
        assert_eq!(embedded(teredo).as_deref(), Some("10.0.0.1"));
        assert_eq!(embedded("::10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(embedded("::1"), None);
        assert_eq!(embedded("::"), None);
        assert_eq!(embedded("2001:db8::1"), None);
        assert_eq!(embedded("10.0.0.1"), None);
    }
}
