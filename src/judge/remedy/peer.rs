//! What to change in `[net]`: an endpoint, or the statement that no entry covers the socket.

use super::super::varying::{self, Named, Run};
use super::patch::Place;
use super::{Main, NO_ENDPOINT, NO_NARROW_ENTRY, Remedy, main_file};
use crate::baseline::Rule;
use crate::net::{NamePattern, Protocol, Scope, Way};
use crate::paths::Access;
use crate::policy::{Policy, Who, written};
use crate::syscalls::Call;
use std::os::unix::ffi::OsStrExt;

/// The remedy for a peer that no entry allows.
pub fn denied(policy: &Policy, run: &Run, way: Way, who: &Who, names: &[String]) -> Remedy {
    let wide = |entry: &str, what: &str| {
        let list = way.word();
        Remedy::decide(format!(
            "{NO_NARROW_ENTRY}: {entry} in {list} of [{}] opens {what}",
            policy.table("net")
        ))
    };
    let entry = match who {
        Who::Abstract(name) if !name.is_empty() => match varying::abstract_entry(run, name) {
            Some(entry) => Some(entry),
            None => return wide("\"unix:@*\"", "every abstract socket"),
        },
        Who::Path(path) => {
            let path = path.as_os_str().as_bytes();
            match varying::named(policy, run, Access::Read, path) {
                Named::Entry(entry) => Some(format!("unix:{entry}")),
                Named::Temporary(place) | Named::Wide(place) => {
                    let entry = format!("unix:{}", written::path(&place));
                    return wide(&written::quoted(&entry), "every socket beneath it");
                }
                Named::Process => return Remedy::decide(NO_ENDPOINT.to_owned()),
            }
        }
        _ => written::endpoint(who),
    };
    let Some(entry) = entry else {
        return Remedy::decide(NO_ENDPOINT.to_owned());
    };
    // A resolver's answer may contain anything.
    let mut names = names.iter().filter(|name| NamePattern::new(name).is_ok());
    let or = match (who, names.next()) {
        (
            Who::Inet {
                protocol, port, ip, ..
            },
            Some(name),
        ) if way == Way::Connect && ip.is_some() => {
            let named = Who::Inet {
                protocol: *protocol,
                ip: None,
                own: false,
                name: Some(name.clone()),
                port: *port,
            };
            let named = written::endpoint(&named).unwrap_or_default();
            format!(", or {},", written::quoted(&named))
        }
        _ => String::new(),
    };
    let entry = written::quoted(&entry);
    let shown = format!("{entry}{or}");
    Remedy::add(policy, &shown, &entry, Place::List(way.word(), "net"))
        .and(&of_resolver(run, way, who))
}

/// A note that an address is a resolver of this host, and which word covers the resolver of another
/// host.
fn of_resolver(run: &Run, way: Way, who: &Who) -> String {
    let Who::Inet {
        protocol,
        ip: Some(ip),
        port: 53,
        ..
    } = who
    else {
        return String::new();
    };
    if way != Way::Connect || !run.nameservers.contains(ip) {
        return String::new();
    }
    let word = match Scope::of(*ip) {
        Scope::Host => "localhost",
        Scope::Private => "private",
        Scope::Public => "public",
    };
    let scheme = match protocol {
        Protocol::Udp => "udp://",
        _ => "",
    };
    format!(
        "; it is a nameserver of /etc/resolv.conf, which may have another address on another host: \
         \"{scheme}{word}:53\" covers all {word} ones, \"{scheme}*:53\" any"
    )
}

/// The remedy for a kind of socket or queue that no entry of the policy is about.
pub fn closed(policy: &Policy, rule: &Rule, call: &Call) -> Remedy {
    /// SOCK_TYPE_MASK of linux/net.h.
    const TYPE: u64 = 0xf;
    let [_, kind, protocol, ..] = call.args;
    let udp = kind & TYPE == libc::SOCK_DGRAM as u64;
    let usual = match udp {
        true => [0, libc::IPPROTO_UDP],
        false => [0, libc::IPPROTO_TCP],
    };
    let usual = usual.contains(&(protocol as u32 as i32));
    // Addresses for documentation (RFC 5737): they only allow the kind of socket.
    let peer = match rule.id {
        "no-queues" => {
            let entry = "\"/dev/mqueue\"";
            return Remedy::add(policy, entry, entry, Place::List("write", "fs"))
                .and("; it must be mounted there");
        }
        "no-unix-datagrams" => "\"unix:/run/peer.sock\"",
        "no-udp" | "no-tcp" | "no-internet" if !usual => {
            return Remedy::decide(NO_ENDPOINT.to_owned());
        }
        "no-udp" => "\"udp://192.0.2.1:53\"",
        "no-tcp" => "\"192.0.2.1:443\"",
        "no-internet" if udp => "\"udp://192.0.2.1:53\"",
        "no-internet" if kind & TYPE == libc::SOCK_STREAM as u64 => "\"192.0.2.1:443\"",
        _ => return Remedy::decide(NO_ENDPOINT.to_owned()),
    };
    if matches!(main_file(policy), Main::Flags) && policy.domain_name.is_none() {
        let text = format!("to allow: add --allow-net for its peer, such as {peer}");
        let patch = format!("[net]\nconnect = [{peer}]\n");
        let add = Remedy::patched(text, policy, &patch);
        return match rule.id {
            "no-internet" => {
                let net = policy.and_policy("net");
                add.and(&format!("; for the public network give {net}"))
            }
            _ => add,
        };
    }
    let shown = format!("its peer, such as {peer},");
    let add = Remedy::add(policy, &shown, peer, Place::Peers);
    match (rule.id, &policy.domain_name) {
        ("no-internet", None) => add.and("; for the public network extend \"net\", too"),
        _ => add,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(port: u16, protocol: Protocol, ip: &str) -> String {
        let policy = Policy::parse("extends = [\"base\"]\n", "net.toml").expect("a policy");
        let run = Run {
            nameservers: ["127.0.0.53", "10.0.0.2", "9.9.9.9", "fe80::1"]
                .map(|ip| ip.parse().expect(ip))
                .to_vec(),
            ..Run::default()
        };
        let who = Who::Inet {
            protocol,
            ip: Some(ip.parse().expect(ip)),
            own: false,
            name: None,
            port,
        };
        denied(&policy, &run, Way::Connect, &who, &[]).text
    }

    #[test]
    fn a_resolver_of_this_host_is_called_that_with_the_word_that_covers_it() {
        for (ip, entry, word) in [
            ("127.0.0.53", "udp://127.0.0.53:53", "udp://localhost:53"),
            ("10.0.0.2", "udp://10.0.0.2:53", "udp://private:53"),
            ("9.9.9.9", "udp://9.9.9.9:53", "udp://public:53"),
            ("fe80::1", "udp://[fe80::1]:53", "udp://private:53"),
        ] {
            let text = advice(53, Protocol::Udp, ip);
            assert!(
                text.starts_with(&format!("to allow: add \"{entry}\" to connect")),
                "{text}"
            );
            assert!(text.contains("a nameserver of /etc/resolv.conf"), "{text}");
            assert!(text.contains(&format!("\"{word}\" covers")), "{text}");
        }
        let text = advice(53, Protocol::Tcp, "10.0.0.2");
        assert!(text.contains("\"private:53\" covers"), "{text}");
        for (port, ip) in [(53, "10.0.0.3"), (80, "10.0.0.2")] {
            let text = advice(port, Protocol::Udp, ip);
            assert!(!text.contains("nameserver"), "{text}");
        }
    }
}
