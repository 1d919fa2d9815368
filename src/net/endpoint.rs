//! An endpoint of a policy: parsed from its text, and compared with the peer of a call.

use super::{NamePattern, Ports, Protocol, Reach, Scope, To, Way};
use crate::paths::{Glob, Pattern};
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

/// What an entry of `[net]` covers.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// Internet addresses.
    Inet {
        /// The protocol; `None`: any.
        protocol: Option<Protocol>,
        /// Which hosts.
        host: Host,
        /// Which ports of them.
        ports: Ports,
    },
    /// Unix sockets.
    Unix(Socket),
}

/// Hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// All.
    Any,
    /// `localhost`: 127.0.0.0/8 and ::1.
    Loopback,
    /// `public`, or `private`: the addresses of a [`Scope`], except those of this host.
    Scope(Scope),
    /// An address, or those that share its first bits.
    Prefix(IpAddr, u8),
    /// Addresses that a name currently stands for.
    Name(NamePattern),
}

/// Unix sockets.
#[derive(Debug, Clone)]
pub enum Socket {
    /// `unix:*`.
    Any,
    /// `unix:@name`, with `*` for any bytes.
    Abstract(Glob),
    /// `unix:/path`: that, and what is beneath.
    Path(Pattern),
}

/// An endpoint parsed from its text; the path of a unix socket must still be resolved.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// Complete.
    Endpoint(Endpoint),
    /// A unix socket's path as written.
    Path(String),
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointError {
    /// The part of the text that is wrong.
    pub range: Range<usize>,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

const FORMS: &str = "an endpoint is HOST:PORTS, udp://HOST:PORTS or unix:PATH, where HOST is an address, a CIDR, `*`, `public`, `private`, `localhost` or a name";

impl Endpoint {
    /// From `[tcp://|udp://]HOST[:PORTS]` or `unix:…`. No scheme means TCP, unless `closes`: an entry
    /// that denies a host means every protocol.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str, closes: bool) -> Result<Parsed, EndpointError> {
        if let Some(name) = text.strip_prefix("unix:") {
            return unix(text, name);
        }
        let (protocol, host) = match text.split_once("://") {
            None if closes => (None, text),
            None | Some(("tcp", _)) => (Some(Protocol::Tcp), text.trim_start_matches("tcp://")),
            Some(("udp", host)) => (Some(Protocol::Udp), host),
            Some((scheme, host)) => {
                let port = match scheme {
                    "https" => Some(443),
                    "http" => Some(80),
                    _ => None,
                };
                let host = host.split('/').next().unwrap_or_default();
                return Err(EndpointError {
                    range: 0..scheme.len(),
                    message: format!("unknown scheme `{scheme}`"),
                    help: Some(match port {
                        Some(port) => format!("write \"{host}:{port}\": jail does not look at the protocol that is spoken over TCP"),
                        None => "the schemes are tcp://, which is meant without one, and udp://; unix sockets are unix:PATH".to_owned(),
                    }),
                });
            }
        };
        if let Some((address, ports)) = unbracketed(host) {
            let (how, help) = match host.parse::<IpAddr>() {
                Ok(_) => (
                    "can be read in two ways",
                    format!(
                        "write \"[{address}]:{ports}\" for port {ports} of {address}, or \"[{host}]\" for the address {host}"
                    ),
                ),
                Err(_) => (
                    "is not an address",
                    format!("write \"[{address}]:{ports}\""),
                ),
            };
            return Err(EndpointError {
                range: part(text, host),
                message: format!("`{host}` {how}: an IPv6 address before a port needs brackets"),
                help: Some(help),
            });
        }
        let (host, ports) = split(host).ok_or_else(|| EndpointError {
            range: part(text, host),
            message: format!("`{host}` is not a host"),
            help: Some(FORMS.to_owned()),
        })?;
        let ports = match ports {
            None => Ports::all(),
            Some(ports) => Ports::parse(ports).map_err(|message| EndpointError {
                range: part(text, ports),
                message,
                help: None,
            })?,
        };
        let host = Host::parse(host).map_err(|(message, help)| EndpointError {
            range: part(text, host),
            message,
            help,
        })?;
        Ok(Parsed::Endpoint(Endpoint::Inet {
            protocol,
            host,
            ports,
        }))
    }

    /// Whether it covers the peer of a call. `closes`: as an entry that denies, which covers everything
    /// that a wildcard or translated address stands for.
    pub fn covers(&self, reach: &Reach<'_>, closes: bool) -> bool {
        match (self, &reach.to) {
            (
                Endpoint::Inet {
                    protocol,
                    host,
                    ports,
                },
                To::Inet {
                    protocol: spoken,
                    ip,
                    own,
                    port,
                    names,
                },
            ) => {
                protocol.is_none_or(|protocol| protocol == *spoken)
                    // A protocol without ports is denied whichever port an entry names.
                    && (ports.contains(*port) || closes && *spoken == Protocol::Other)
                    && host.covers(ip.map(|ip| (ip, *own)), names, reach.way, closes)
            }
            (Endpoint::Unix(Socket::Any), To::Path(_) | To::Abstract(_)) => true,
            (Endpoint::Unix(Socket::Abstract(glob)), To::Abstract(name)) => glob.matches(name),
            (Endpoint::Unix(Socket::Path(pattern)), To::Path(path)) => pattern.covers(path),
            _ => false,
        }
    }

    /// Whether it is `public` or `private`, which exclude the addresses of this host.
    pub fn leaves_out_own(&self) -> bool {
        matches!(
            self,
            Endpoint::Inet {
                host: Host::Scope(_),
                ..
            }
        )
    }

    /// Whether it covers a peer only as long as something else is true: a resolver's answer holds, or the address
    /// is not one of this host.
    pub fn is_conditional(&self) -> bool {
        self.leaves_out_own() || self.name().is_some()
    }

    /// The host name that it covers, if it is one.
    pub fn name(&self) -> Option<&NamePattern> {
        match self {
            Endpoint::Inet {
                host: Host::Name(name),
                ..
            } => Some(name),
            _ => None,
        }
    }

    /// Whether it may cover a protocol.
    pub fn speaks(&self, spoken: Protocol) -> bool {
        matches!(self, Endpoint::Inet { protocol, .. } if protocol.is_none_or(|own| own == spoken))
    }
}

/// The range of a part that was cut out of a text.
fn part(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + part.len()
}

/// An IPv6 address or network without brackets, and the text after its last colon, if that could mean
/// ports: `::1:80` is also an address, but another one.
fn unbracketed(text: &str) -> Option<(&str, &str)> {
    let (host, ports) = text.rsplit_once(':')?;
    let (address, _) = host.split_once('/').unwrap_or((host, ""));
    let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
    let numeric = |byte: u8| byte.is_ascii_digit() || matches!(byte, b',' | b'-' | b'*');
    (is_address && ports.bytes().all(numeric)).then_some((host, ports))
}

/// A host and its ports.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(ports) => Some((host, Some(ports))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    // More than one colon: an IPv6 address, which has no port without brackets.
    Some(match text.split_once(':') {
        Some((host, ports)) if !ports.contains(':') => (host, Some(ports)),
        _ => (text, None),
    })
}

impl Host {
    fn parse(text: &str) -> Result<Host, (String, Option<String>)> {
        if text == "*" {
            return Ok(Host::Any);
        }
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Host::Loopback);
        }
        for (word, scope) in [("public", Scope::Public), ("private", Scope::Private)] {
            if text.eq_ignore_ascii_case(word) {
                return Ok(Host::Scope(scope));
            }
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        if let Ok(ip) = address.parse::<IpAddr>() {
            return Host::prefix(ip, bits);
        }
        if let Some(bits) = bits {
            let help =
                format!("a CIDR is 10.0.0.0/8 or [fd00::/8]; a name is written without /{bits}");
            return Err((format!("`{address}` is not an address"), Some(help)));
        }
        // A text that looks like an address is meant as one.
        let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if numeric(address) || address.contains(':') {
            return Err((
                format!("`{text}` is not an address"),
                Some("an address is 10.0.0.1 or [2001:db8::1]".to_owned()),
            ));
        }
        match NamePattern::new(text) {
            Ok(name) => Ok(Host::Name(name)),
            Err(message) => Err((message, Some(FORMS.to_owned()))),
        }
    }

    fn prefix(ip: IpAddr, bits: Option<&str>) -> Result<Host, (String, Option<String>)> {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(text) => match text.parse::<u8>() {
                Ok(bits) if bits <= most && !text.starts_with('+') => bits,
                _ => {
                    let message =
                        format!("`/{text}` is not a prefix length: it is 0 to {most} bits long");
                    return Err((message, None));
                }
            },
        };
        let network = masked(ip, bits);
        if network != ip {
            let message = format!("{ip}/{bits} has bits set past its prefix");
            return Err((message, Some(format!("did you mean {network}/{bits}?"))));
        }
        // An IPv4 network may be written in IPv6.
        Ok(match (ip.to_canonical(), bits) {
            (ip @ IpAddr::V4(_), 96..) if most == 128 => Host::Prefix(ip, bits - 96),
            _ => Host::Prefix(ip, bits),
        })
    }

    /// Whether an address is in a network.
    pub fn has(&self, ip: IpAddr) -> bool {
        match self {
            Host::Prefix(network, bits) => shares(ip, *network, *bits),
            _ => false,
        }
    }

    /// Whether it covers an address, given whether it belongs to this host, or one of its names.
    fn covers(&self, to: Option<(IpAddr, bool)>, names: &[&str], way: Way, closes: bool) -> bool {
        let ip = to.map(|(ip, _)| ip);
        match self {
            Host::Any => true,
            Host::Scope(scope) => to.is_some_and(|(ip, own)| {
                let translated = || super::Address::embedded(ip).map(Scope::of);
                match closes {
                    // An address to listen on always belongs to this host.
                    false => Scope::of(ip) == *scope && !(own && way == Way::Connect),
                    true => {
                        Scope::of(ip) == *scope
                            || translated() == Some(*scope)
                            || way == Way::Listen && ip.is_unspecified()
                    }
                }
            }),
            Host::Name(pattern) => names.iter().any(|name| pattern.matches(name)),
            Host::Loopback => ip.is_some_and(|ip| {
                let v4 = IpAddr::from([127, 0, 0, 0]);
                let v6 = IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
                shares(ip, v4, 8) || shares(ip, v6, 128) || {
                    closes && wildcard_takes(ip, v4, way) | wildcard_takes(ip, v6, way)
                }
            }),
            Host::Prefix(network, bits) => ip.is_some_and(|ip| {
                let own = super::Address::canonical(*network, way == Way::Connect);
                // 0.0.0.0 in a policy means the host itself, as it does in a call.
                let network = if *bits >= 32 { own } else { *network };
                shares(ip, network, *bits)
                    || closes
                        && (wildcard_takes(ip, network, way)
                            || super::Address::embedded(ip)
                                .is_some_and(|ip| shares(ip, network, *bits)))
            }),
        }
    }
}

/// Whether two addresses share their first bits.
fn shares(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    ip.is_ipv4() == network.is_ipv4() && masked(ip, bits) == masked(network, bits)
}

/// Whether a wildcard address to listen on includes those of a network.
fn wildcard_takes(ip: IpAddr, network: IpAddr, way: Way) -> bool {
    // `::` includes IPv4, unless the socket sets IPV6_V6ONLY (ipv6(7)).
    way == Way::Listen && ip.is_unspecified() && (ip.is_ipv6() || network.is_ipv4())
}

fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            std::net::Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

fn unix(text: &str, name: &str) -> Result<Parsed, EndpointError> {
    let wrong = |message: String, help: &str| EndpointError {
        range: text.len() - name.len()..text.len(),
        message,
        help: Some(help.to_owned()),
    };
    if name == "*" {
        return Ok(Parsed::Endpoint(Endpoint::Unix(Socket::Any)));
    }
    if let Some(name) = name.strip_prefix('@') {
        return match Glob::new(name) {
            Ok(_) if name.is_empty() => Err(wrong(
                "an empty name".to_owned(),
                "`unix:@*` covers every abstract name",
            )),
            Ok(glob) => Ok(Parsed::Endpoint(Endpoint::Unix(Socket::Abstract(glob)))),
            Err(error) => Err(wrong(error.0, "an abstract name may have `*` in it")),
        };
    }
    if name.is_empty() || name.starts_with("//") {
        let help = "unix sockets are unix:/path, unix:./relative, unix:@abstract or unix:*";
        return Err(wrong(format!("`{text}` does not name a socket"), help));
    }
    Ok(Parsed::Path(name.to_owned()))
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EndpointError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str, closes: bool) -> Endpoint {
        match Endpoint::parse(text, closes) {
            Ok(Parsed::Endpoint(endpoint)) => endpoint,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn reach<'a>(
        way: Way,
        protocol: Protocol,
        ip: &str,
        port: u16,
        names: &'a [&'a str],
    ) -> Reach<'a> {
        let ip = ip
            .parse()
            .ok()
            .map(|ip| super::super::Address::canonical(ip, way == Way::Connect));
        Reach {
            way,
            to: To::Inet {
                protocol,
                ip,
                own: false,
                port,
                names,
            },
        }
    }

    fn covers(text: &str, ip: &str, port: u16) -> bool {
        let reach = reach(Way::Connect, Protocol::Tcp, ip, port, &[]);
        endpoint(text, false).covers(&reach, false)
    }

    #[test]
    fn hosts_are_addresses_networks_or_all() {
        assert!(covers("10.0.0.1:80", "10.0.0.1", 80));
        assert!(!covers("10.0.0.1:80", "10.0.0.1", 81));
        assert!(!covers("10.0.0.1:80", "10.0.0.2", 80));
        assert!(covers("10.0.0.0/8:80,443", "10.9.9.9", 443));
        assert!(!covers("10.0.0.0/8", "11.0.0.0", 443));
        assert!(covers("*:8000-8999", "2001:db8::1", 8999));
        assert!(covers("[::1]:80", "::1", 80) && covers("::1", "::1", 80));
        assert!(covers("[2001:db8::/32]:443", "2001:db8:9::1", 443));
        assert!(covers("2001:db8::/32", "2001:db8:9::1", 443));
        assert!(covers("2001:db8::1", "2001:db8::1", 443));
        assert!(covers("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", 443));
        assert!(covers("0.0.0.0/0", "9.9.9.9", 1) && !covers("0.0.0.0/0", "::2", 1));
    }

    #[test]
    fn a_host_has_one_form_however_it_is_written() {
        assert!(covers("10.0.0.1:80", "::ffff:10.0.0.1", 80));
        assert!(covers("[::ffff:10.0.0.1]:80", "10.0.0.1", 80));
        assert!(covers("[::ffff:10.0.0.0/104]:80", "10.1.1.1", 80));
        for text in [
            "127.0.0.1:80",
            "localhost:80",
            "0.0.0.0:80",
            "127.0.0.0/8:80",
        ] {
            assert!(covers(text, "0.0.0.0", 80), "{text}");
            assert!(covers(text, "127.0.0.1", 80), "{text}");
        }
        assert!(covers("localhost", "127.9.9.9", 80) && covers("localhost", "::1", 80));
        assert!(covers("localhost", "::", 80) && !covers("localhost", "::2", 80));
    }

    #[test]
    fn no_scheme_is_tcp_and_in_a_denial_anything() {
        let udp = reach(Way::Connect, Protocol::Udp, "10.0.0.1", 53, &[]);
        assert!(!endpoint("10.0.0.1", false).covers(&udp, false));
        assert!(endpoint("10.0.0.1", true).covers(&udp, true));
        assert!(endpoint("udp://10.0.0.1:53", false).covers(&udp, false));
        assert!(!endpoint("tcp://10.0.0.1", true).covers(&udp, true));
        assert!(endpoint("tcp://10.0.0.1:80", false).speaks(Protocol::Tcp));
    }

    #[test]
    fn what_has_ports_is_denied_by_its_port_and_what_has_none_by_any() {
        let deny = endpoint("*:22", true);
        let to = |protocol, port| reach(Way::Listen, protocol, "10.0.0.1", port, &[]);
        for (protocol, port, denied) in [
            (Protocol::Lite, 22, true),
            (Protocol::Lite, 0, false),
            (Protocol::Lite, 23, false),
            (Protocol::Other, 23, true),
        ] {
            assert_eq!(
                deny.covers(&to(protocol, port), true),
                denied,
                "{protocol:?} {port}"
            );
        }
        assert!(!endpoint("10.0.0.1", false).covers(&to(Protocol::Lite, 22), false));
    }

    #[test]
    fn a_name_covers_what_is_known_by_it() {
        let known = reach(
            Way::Connect,
            Protocol::Tcp,
            "9.9.9.9",
            443,
            &["registry.example"],
        );
        let unknown = reach(Way::Connect, Protocol::Tcp, "9.9.9.9", 443, &[]);
        let entry = endpoint("Registry.Example.:443", false);
        assert!(entry.covers(&known, false) && !entry.covers(&unknown, false));
        assert!(endpoint("*.example", false).covers(&known, false));
        assert!(!endpoint("*.other", false).covers(&known, false));
    }

    #[test]
    fn a_denial_sees_through_wildcards_and_translators() {
        let listen = |ip| reach(Way::Listen, Protocol::Tcp, ip, 80, &[]);
        let deny = endpoint("10.0.0.0/8", true);
        assert!(deny.covers(&listen("0.0.0.0"), true) && deny.covers(&listen("::"), true));
        assert!(!deny.covers(&listen("0.0.0.0"), false));
        assert!(!endpoint("fd00::/8", true).covers(&listen("0.0.0.0"), true));
        let nat64 = reach(Way::Connect, Protocol::Tcp, "64:ff9b::10.1.1.1", 80, &[]);
        assert!(deny.covers(&nat64, true) && !deny.covers(&nat64, false));
    }

    #[test]
    fn unix_sockets_are_paths_names_or_all() {
        let name = |name| Reach {
            way: Way::Connect,
            to: To::Abstract(name),
        };
        assert!(endpoint("unix:*", false).covers(&name(b"x"), false));
        assert!(endpoint("unix:@x*", false).covers(&name(b"xy/z"), false));
        assert!(!endpoint("unix:@x", false).covers(&name(b"xy"), false));
        assert!(
            matches!(Endpoint::parse("unix:/run/x", false), Ok(Parsed::Path(path)) if path == "/run/x")
        );
        assert!(matches!(
            Endpoint::parse("unix:~/x", false),
            Ok(Parsed::Path(_))
        ));
    }

    #[test]
    fn what_is_no_endpoint_is_refused_where_it_is_wrong() {
        let error = |text: &str| match Endpoint::parse(text, false) {
            Err(error) => (
                text.get(error.range.clone()).unwrap_or("?").to_owned(),
                error,
            ),
            Ok(parsed) => panic!("{text}: {parsed:?}"),
        };
        assert_eq!(error("10.0.0.1:http").0, "http");
        assert_eq!(error("10.0.0.256:80").0, "10.0.0.256");
        assert_eq!(error("10.0.0.1/8:80").0, "10.0.0.1/8");
        assert!(
            error("10.0.0.1/8")
                .1
                .help
                .expect("help")
                .contains("10.0.0.0/8")
        );
        let (_, https) = error("https://registry.example/x");
        assert!(
            https
                .help
                .expect("help")
                .contains("\"registry.example:443\"")
        );
        for wrong in [
            "",
            ":80",
            "[::1",
            "[::1]80",
            "10.0.0.0/33",
            "a..b:80",
            "*x:80",
            "a b",
            "unix:",
            "unix://x",
            "unix:@",
        ] {
            assert!(Endpoint::parse(wrong, false).is_err(), "{wrong}");
        }
    }
}
