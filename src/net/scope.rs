//! Which addresses are public, which are private, and which are this host: HOST `public`, `private` and
//! `localhost` of an endpoint.
//!
//! The ranges are those of IANA's special-purpose address registries (RFC 6890, RFC 8190) as of
//! 2025-10-09. A range counts as public if its row says "Globally Reachable: True". Addresses that the
//! registries do not list are public in IPv4, and in IPv6 within 2000::/3, the only block from which
//! addresses are assigned. A row that differs from the registries says so.
//!
//! Pure: this file does not know a host's own addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A loopback address, or the unspecified one, which stands for it.
    Host,
    /// Globally routable.
    Public,
    /// All others.
    Private,
}

use Scope::{Host, Private, Public};

/// A range and its scope. The longest range that contains an address decides.
type Row<Address> = (Address, u8, Scope);

#[rustfmt::skip]
const V4: &[Row<Ipv4Addr>] = &[
    (Ipv4Addr::new(0, 0, 0, 0),         0, Public),
    (Ipv4Addr::new(0, 0, 0, 0),         8, Private), // this network (RFC 791)
    (Ipv4Addr::new(0, 0, 0, 0),        32, Host),    // this host on this network (RFC 1122)
    (Ipv4Addr::new(10, 0, 0, 0),        8, Private), // private use (RFC 1918)
    (Ipv4Addr::new(100, 64, 0, 0),     10, Private), // shared address space (RFC 6598)
    (Ipv4Addr::new(127, 0, 0, 0),       8, Host),    // loopback (RFC 1122)
    (Ipv4Addr::new(168, 63, 129, 16),  32, Private), // metadata of Azure; not in the registry
    (Ipv4Addr::new(169, 254, 0, 0),    16, Private), // link-local (RFC 3927), metadata of most clouds
    (Ipv4Addr::new(172, 16, 0, 0),     12, Private), // private use (RFC 1918)
    // Protocol assignments (RFC 6890). The registry has .9 and .10 as reachable: they are anycast
    // addresses of the nearest router (RFC 7723, RFC 8155), so they are left private here.
    (Ipv4Addr::new(192, 0, 0, 0),      24, Private),
    (Ipv4Addr::new(192, 0, 2, 0),      24, Private), // documentation (RFC 5737)
    (Ipv4Addr::new(192, 88, 99, 0),    24, Private), // relays of 6to4, ended (RFC 7526)
    (Ipv4Addr::new(192, 168, 0, 0),    16, Private), // private use (RFC 1918)
    (Ipv4Addr::new(198, 18, 0, 0),     15, Private), // benchmarking (RFC 2544)
    (Ipv4Addr::new(198, 51, 100, 0),   24, Private), // documentation (RFC 5737)
    (Ipv4Addr::new(203, 0, 113, 0),    24, Private), // documentation (RFC 5737)
    (Ipv4Addr::new(224, 0, 0, 0),       4, Private), // multicast (RFC 5771)
    (Ipv4Addr::new(240, 0, 0, 0),       4, Private), // reserved (RFC 1112), broadcast (RFC 919)
];

#[rustfmt::skip]
const V6: &[Row<Ipv6Addr>] = &[
    // Not assigned, and beneath it: IPv4-compatible addresses (RFC 4291), local translation
    // 64:ff9b:1::/48 (RFC 8215), discard 100::/64 (RFC 6666), dummy 100:0:0:1::/64 (RFC 9780), segment
    // routing 5f00::/16 (RFC 9602), unique local fc00::/7 (RFC 4193) with the metadata of AWS and GCP,
    // link-local fe80::/10 (RFC 4291), site-local fec0::/10 (RFC 3879), multicast ff00::/8 (RFC 4291).
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0),           0, Private),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0),         128, Host),    // unspecified (RFC 4291)
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 1),         128, Host),    // loopback (RFC 4291)
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0),      3, Public),  // global unicast (RFC 4291)
    // Protocol assignments (RFC 2928): Teredo 2001::/32 (RFC 4380), benchmarking 2001:2::/48
    // (RFC 5180). The registry has 2001:1::1 to ::3 as reachable: anycast, as 192.0.0.9 above.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),     23, Private),
    (Ipv6Addr::new(0x2001, 3, 0, 0, 0, 0, 0, 0),     32, Public),  // AMT (RFC 7450)
    (Ipv6Addr::new(0x2001, 4, 0x112, 0, 0, 0, 0, 0), 48, Public),  // AS112 (RFC 7535)
    (Ipv6Addr::new(0x2001, 0x20, 0, 0, 0, 0, 0, 0),  28, Public),  // ORCHIDv2 (RFC 7343)
    (Ipv6Addr::new(0x2001, 0x30, 0, 0, 0, 0, 0, 0),  28, Public),  // drone remote identification (RFC 9374)
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Private), // documentation (RFC 3849)
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),     16, Private), // 6to4 (RFC 3056): leads to IPv4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),     20, Private), // documentation (RFC 9637)
];

/// NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is reached.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

impl Scope {
    /// The scope of an address. An IPv4 address that is mapped into IPv6 counts as IPv4. A translated
    /// one is public if the IPv4 address in it is.
    pub fn of(ip: IpAddr) -> Scope {
        match ip.to_canonical() {
            IpAddr::V4(ip) => longest(V4, |net, bits| same(ip.to_bits(), net.to_bits(), bits)),
            IpAddr::V6(ip) if same6(ip, NAT64.0, NAT64.1) => {
                match Scope::of(Ipv4Addr::from_bits(ip.to_bits() as u32).into()) {
                    Public => Public,
                    Private | Host => Private,
                }
            }
            IpAddr::V6(ip) => longest(V6, |net, bits| same6(ip, net, bits)),
        }
    }

    /// The ranges in which the scope may differ from that of the addresses around them.
    pub fn networks() -> impl Iterator<Item = (IpAddr, u8)> {
        let v4 = V4.iter().map(|(ip, bits, _)| (IpAddr::V4(*ip), *bits));
        let v6 = V6.iter().map(|(ip, bits, _)| (IpAddr::V6(*ip), *bits));
        v4.chain(v6)
    }

    /// The scope of all addresses that share their first bits with `ip`; `None`: their scopes differ.
    pub fn of_all(ip: IpAddr, bits: u8) -> Option<Scope> {
        let uniform = match ip {
            IpAddr::V4(ip) => agree(V4, bits, |net, bits| {
                same(ip.to_bits(), net.to_bits(), bits)
            }),
            IpAddr::V6(ip) => {
                agree(V6, bits, |net, bits| same6(ip, net, bits))
                    // A NAT64 address has the scope of the address in it.
                    && (bits == 128 || !same6(ip, NAT64.0, bits.min(NAT64.1)))
            }
        };
        uniform.then(|| Scope::of(ip))
    }
}

fn longest<A: Copy>(rows: &[Row<A>], has: impl Fn(A, u8) -> bool) -> Scope {
    rows.iter()
        .filter(|(net, bits, _)| has(*net, *bits))
        .max_by_key(|(_, bits, _)| *bits)
        .map_or(Private, |(_, _, scope)| *scope)
}

/// Whether no row within a range of so many bits has another scope than the rows around it.
fn agree<A: Copy>(rows: &[Row<A>], bits: u8, has: impl Fn(A, u8) -> bool) -> bool {
    let around = longest(rows, |net, shorter| shorter <= bits && has(net, shorter));
    !rows
        .iter()
        .any(|(net, longer, scope)| *longer > bits && *scope != around && has(*net, bits))
}

fn same(one: u32, other: u32, bits: u8) -> bool {
    (one ^ other).checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
}

fn same6(one: Ipv6Addr, other: Ipv6Addr, bits: u8) -> bool {
    let differing = one.to_bits() ^ other.to_bits();
    differing.checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: &str) -> Scope {
        Scope::of(ip.parse().expect("an address"))
    }

    #[test]
    fn the_first_and_the_last_address_of_each_range_are_in_it_and_their_neighbours_are_not() {
        // IPv4 ranges that are surrounded by public addresses.
        for (first, last) in [
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("168.63.129.16", "168.63.129.16"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
        ] {
            let number = |ip: &str| ip.parse::<Ipv4Addr>().expect("an address").to_bits();
            let at = |bits: u32| Scope::of(Ipv4Addr::from_bits(bits).into());
            assert_eq!((of(first), of(last)), (Private, Private), "{first}");
            assert_eq!(at(number(first) - 1), Public, "before {first}");
            assert_eq!(at(number(last) + 1), Public, "after {last}");
        }
        for (ip, scope) in [
            ("0.0.0.0", Host),
            ("0.0.0.1", Private),
            ("0.255.255.255", Private),
            ("1.0.0.0", Public),
            ("126.255.255.255", Public),
            ("127.0.0.0", Host),
            ("127.255.255.255", Host),
            ("128.0.0.0", Public),
            ("223.255.255.255", Public),
            ("224.0.0.0", Private),
            ("239.255.255.255", Private),
            ("240.0.0.0", Private),
            ("255.255.255.255", Private),
        ] {
            assert_eq!(of(ip), scope, "{ip}");
        }
    }

    #[test]
    fn of_ipv6_only_assigned_blocks_are_public() {
        for (ip, scope) in [
            ("::", Host),
            ("::1", Host),
            ("::2", Private),
            ("::8.8.8.8", Private),
            ("::ffff:127.0.0.1", Host),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:8.8.8.8", Public),
            ("64:ff9b:1::8.8.8.8", Private),
            ("100::1", Private),
            ("100:0:0:1::1", Private),
            ("1fff:ffff::1", Private),
            ("2000::", Public),
            ("2001::1", Private),
            ("2001:1::1", Private),
            ("2001:2::1", Private),
            ("2001:3::1", Public),
            ("2001:4:112::1", Public),
            ("2001:4:113::1", Private),
            ("2001:10::1", Private),
            ("2001:20::1", Public),
            ("2001:3f:ffff::1", Public),
            ("2001:40::1", Private),
            ("2001:1ff:ffff::1", Private),
            ("2001:200::1", Public),
            ("2001:db7:ffff::1", Public),
            ("2001:db8::1", Private),
            ("2001:db9::1", Public),
            ("2001:ffff::1", Public),
            ("2002:808:808::1", Private),
            ("2003::1", Public),
            ("2606:2800:220:1::1", Public),
            ("2620:4f:8000::1", Public),
            ("3ffe:ffff::1", Public),
            ("3fff::1", Private),
            ("3fff:fff:ffff::1", Private),
            ("3fff:1000::1", Public),
            ("4000::1", Private),
            ("5f00::1", Private),
            ("fbff::1", Private),
            ("fd00:ec2::254", Private),
            ("fd20:ce::254", Private),
            ("fe80::1", Private),
            ("fec0::1", Private),
            ("ff02::1", Private),
        ] {
            assert_eq!(of(ip), scope, "{ip}");
        }
    }

    #[test]
    fn a_translated_address_is_public_if_the_one_in_it_is() {
        assert_eq!(of("64:ff9b::8.8.8.8"), Public);
        for ip in [
            "10.0.0.1",
            "127.0.0.1",
            "0.0.0.0",
            "169.254.169.254",
            "192.168.1.1",
            "168.63.129.16",
            "224.0.0.1",
        ] {
            assert_eq!(of(&format!("64:ff9b::{ip}")), Private, "{ip}");
        }
    }

    #[test]
    fn a_network_has_a_scope_if_all_of_it_has() {
        let of_all = |ip: &str, bits| Scope::of_all(ip.parse().expect("an address"), bits);
        assert_eq!(of_all("10.0.0.0", 8), Some(Private));
        assert_eq!(of_all("10.1.0.0", 16), Some(Private));
        assert_eq!(of_all("10.0.0.0", 7), None);
        assert_eq!(of_all("0.0.0.0", 0), None);
        assert_eq!(of_all("0.0.0.0", 8), None);
        assert_eq!(of_all("127.0.0.0", 8), Some(Host));
        assert_eq!(of_all("8.0.0.0", 8), Some(Public));
        assert_eq!(of_all("168.0.0.0", 8), None);
        assert_eq!(of_all("fc00::", 7), Some(Private));
        assert_eq!(of_all("2001:db8::", 32), Some(Private));
        assert_eq!(of_all("2001::", 16), None);
        assert_eq!(of_all("64:ff9b::", 96), None);
        assert_eq!(of_all("64:ff9b::", 32), None);
        assert_eq!(of_all("64:ff9b::a00:0", 104), None);
        assert_eq!(of_all("64:ff9b:1::", 48), Some(Private));
        assert_eq!(of_all("2600::", 12), Some(Public));
        assert_eq!(of_all("::", 0), None);
    }
}
