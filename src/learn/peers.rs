//! Endpoints: by name where a name stood for the address, else by address.

use super::part::Part;
use super::{Beyond, Entry, Evidence, Inet, Learned, Level, Recording, Request, Scene, Section};
use super::{fold, place};
use crate::judge::varying;
use crate::net::{NamePattern, Protocol, Scope, Way};
use crate::policy::{Who, written};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

const NO_ENDPOINT: &str = "no entry can name this peer";
const EVERY_NAME: &str = "an entry would open every abstract socket";

/// Public addresses of one port above which an entry names none of them.
const MANY: usize = 4;
/// Unprivileged ports of one address above which an entry names none of them: a program that takes random ones, as
/// for the questions to a resolver, takes others the next time.
const MANY_PORTS: usize = 8;
const PRIVILEGED: u16 = 1024;
/// The port of resolvers.
const DNS: u16 = 53;

/// Entries by their section and text.
type Entries = BTreeMap<(Section, String), (Evidence, usize, Beyond)>;

/// Adds the entries of `[net]`.
pub fn peers(recording: &Recording, scene: &Scene, level: Level, learned: &mut Learned) {
    let mut entries = Entries::new();
    let crowds = Crowds::of(recording, level);
    // A name stands for what the resolvers answer: another resolver could open any address.
    let is_named = |request: &Request| matches!(request, Request::Inet(Inet { way: Way::Connect, name: Some(name), .. }) if NamePattern::new(name).is_ok());
    let names = recording.keys().any(is_named);
    for (request, evidence) in recording {
        let found = match request {
            Request::Path(..) => continue,
            Request::Inet(peer) => peer.entry(scene, level, names, &crowds),
            Request::Unix(way, path) => unix(scene, level, path).map(|found| (*way, found)),
            Request::Abstract(way, name) => {
                abstract_name(scene, level, name).map(|found| (*way, found))
            }
        };
        match found {
            Ok((way, (text, beyond))) => {
                let section = match way {
                    Way::Connect => Section::Connect,
                    Way::Listen => Section::Listen,
                };
                let known = entries.entry((section, text));
                let (known, requests, _) = known.or_insert((Evidence::default(), 0, beyond));
                known.join(evidence);
                *requests += 1;
            }
            Err(why) => learned.left.push((request.clone(), why)),
        }
    }
    let entries = entries.into_iter();
    let entries = entries.map(|((section, text), (evidence, requests, beyond))| Entry {
        section,
        text,
        evidence,
        requests,
        beyond,
        why: None,
    });
    learned.entries.extend(entries);
}

/// A text, and what it allows beside what was seen; or why there is none.
type Found<T> = Result<T, &'static str>;

impl Inet {
    fn entry(
        &self,
        scene: &Scene,
        level: Level,
        names: bool,
        crowds: &Crowds,
    ) -> Found<(Way, (String, Beyond))> {
        let scheme = match self.protocol {
            Protocol::Tcp => "",
            Protocol::Udp => Protocol::Udp.scheme(),
            Protocol::Lite | Protocol::Other => return Err(NO_ENDPOINT),
        };
        let port = self.port;
        if self.way == Way::Connect && level >= Level::Patterns {
            // Another host has another resolver.
            if port == DNS && !names && scene.run.nameservers.contains(&self.ip) {
                return Ok((self.way, (format!("{scheme}*:{DNS}"), Beyond::Peers)));
            }
            let host = host(self.ip);
            if self.ip.is_loopback() && scene.ephemeral.contains(&port) {
                let (first, last) = (scene.ephemeral.start(), scene.ephemeral.end());
                let text = format!("{scheme}{host}:{first}-{last}");
                return Ok((self.way, (text, Beyond::Peers)));
            }
            if self.name.is_none()
                && Scope::of(self.ip) == Scope::Public
                && crowds.addresses.contains(&(self.protocol, port))
            {
                return Ok((self.way, (format!("{scheme}public:{port}"), Beyond::Peers)));
            }
        }
        if port >= PRIVILEGED && crowds.ports.contains(&(self.way, self.protocol, self.ip)) {
            let text = format!("{scheme}{}:*", host(self.ip));
            return Ok((self.way, (text, Beyond::Peers)));
        }
        // A resolver's answer may contain anything.
        let name = self
            .name
            .as_deref()
            .filter(|name| NamePattern::new(name).is_ok());
        let name = name.filter(|_| self.way == Way::Connect);
        let who = Who::Inet {
            protocol: self.protocol,
            ip: name.is_none().then_some(self.ip),
            own: false,
            name: name.map(str::to_owned),
            port,
        };
        let text = written::endpoint(&who).ok_or(NO_ENDPOINT)?;
        Ok((self.way, (text, Beyond::Nothing)))
    }
}

/// An address as the host of an endpoint.
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Peers of which there are too many for an entry each.
struct Crowds {
    /// Ports of which many public addresses without a name were reached.
    addresses: BTreeSet<(Protocol, u16)>,
    /// Addresses of which many ports were reached, or listened to.
    ports: BTreeSet<(Way, Protocol, IpAddr)>,
}

impl Crowds {
    fn of(recording: &Recording, level: Level) -> Crowds {
        let nameless: Vec<&Inet> = recording
            .keys()
            .filter_map(|request| match request {
                Request::Inet(peer) if peer.name.is_none() => Some(peer),
                _ => None,
            })
            .collect();
        let public = nameless
            .iter()
            .filter(|peer| peer.way == Way::Connect && Scope::of(peer.ip) == Scope::Public)
            .map(|peer| (peer.protocol, peer.port));
        let unprivileged = nameless
            .iter()
            .filter(|peer| peer.port >= PRIVILEGED)
            .map(|peer| (peer.way, peer.protocol, peer.ip));
        let (addresses, ports) = match level {
            Level::Exact | Level::Directories => (usize::MAX, usize::MAX),
            Level::Patterns => (MANY, MANY_PORTS),
            Level::Broad => (1, MANY_PORTS),
        };
        Crowds {
            addresses: frequent(public, addresses),
            ports: frequent(unprivileged, ports),
        }
    }
}

/// What comes at least so many times.
fn frequent<T: Ord>(all: impl Iterator<Item = T>, least: usize) -> BTreeSet<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts.retain(|_, count| *count >= least);
    counts.into_keys().collect()
}

fn unix(scene: &Scene, level: Level, path: &[u8]) -> Found<(String, Beyond)> {
    let (parts, beyond) = fold::socket(scene, level, path)?;
    let parts: Vec<Part> = parts;
    let text = format!("unix:{}", place::text(scene, &parts));
    Ok((text, beyond.unwrap_or(Beyond::Nothing)))
}

fn abstract_name(scene: &Scene, level: Level, name: &[u8]) -> Found<(String, Beyond)> {
    if level >= Level::Patterns {
        let text = varying::abstract_entry(&scene.run, name).ok_or(EVERY_NAME)?;
        let beyond = match text.contains(['*', '[']) {
            true => Beyond::Names,
            false => Beyond::Nothing,
        };
        return Ok((text, beyond));
    }
    let text = written::endpoint(&Who::Abstract(name.to_vec())).ok_or(NO_ENDPOINT)?;
    match text == "unix:@*" {
        true => Err(EVERY_NAME),
        false => Ok((text, Beyond::Nothing)),
    }
}
