//! Whether the value of `--deny` is a path or an endpoint. It never guesses: a denial of the wrong kind would
//! deny nothing.

use std::net::IpAddr;

/// What a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A path or a pattern of paths.
    Path,
    /// An endpoint.
    Endpoint,
    /// It could be either.
    Either,
}

/// What a text names.
pub(super) fn named(text: &str) -> Named {
    let is_path = text.starts_with(['/', '.', '~', '$']) || text.contains("**");
    let has_scheme = text.starts_with("unix:") || text.contains("://");
    if has_scheme {
        return Named::Endpoint;
    }
    if is_path {
        return Named::Path;
    }
    let (host, has_ports) = match text.rsplit_once(':') {
        Some((host, ports)) if is_ports(ports) => (host, true),
        _ => (text, false),
    };
    match host {
        _ if is_address(host) || is_address(text) => Named::Endpoint,
        "public" | "private" | "localhost" => Named::Endpoint,
        _ if host.contains('/') => Named::Path,
        _ if has_ports => Named::Endpoint,
        _ => Named::Either,
    }
}

fn is_ports(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b',' | b'-' | b'*');
    !text.is_empty() && text.bytes().all(part)
}

/// An address, alone, in brackets or as a CIDR.
fn is_address(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let text = inner.unwrap_or(text);
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    address.parse::<IpAddr>().is_ok() && bits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_an_endpoint_and_what_may_be_either_are_told_apart() {
        let paths = [
            "/etc", "./x", "..", ".env", "~/.ssh", "$HOME/x", "**/.env", "a/b", "a/b:80",
            "./x:443", "*/key",
        ];
        let endpoints = [
            "10.0.0.1",
            "10.0.0.0/8",
            "10.0.0.0/8:5432",
            "[::1]:80",
            "[::1]",
            "fe80::/10",
            "*:443",
            "public",
            "private:80,443",
            "localhost:*",
            "unix:./run",
            "unix:@x",
            "udp://*:53",
            "https://x/",
            "evil.example:443",
            "evil.example:*",
        ];
        let either = ["secrets", "evil.example", "*", "*.pem", "x:", "a:b"];
        for (kind, texts) in [
            (Named::Path, &paths[..]),
            (Named::Endpoint, &endpoints),
            (Named::Either, &either),
        ] {
            for text in texts {
                assert_eq!(named(text), kind, "{text}");
            }
        }
    }
}
