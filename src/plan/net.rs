//! `[net]` on a host: which sockets cannot be created, which ports Landlock enforces, what the
//! supervisor must see, and why.
//!
//! Registers tell the kind of a new socket, so the filter denies the kinds that no entry is about.
//! Landlock knows ports of TCP and UDP, and the directories of unix sockets, but no hosts and no other
//! protocols. The supervisor judges everything else that depends on an address.
//!
//! | ABI | Linux | holds | without it |
//! |---|---|---|---|
//! | 4 | 6.7 | TCP ports | each connect stops |
//! | 6 | 6.12 | abstract unix sockets outside of the jail | the supervisor alone judges them |
//! | 9 | 7.1 | unix sockets outside of the jail, by directory | each sendmsg stops if there are unix datagrams |
//! | 10 | 7.2 | UDP ports | each sendmsg stops if there is UDP |
//!
//! Landlock's right for unix sockets does not apply to sockets that were made in the jail. So it decides
//! alone only about datagrams, whose stops are costly; each connect to a unix socket stays with the
//! supervisor, if there is one.

mod scene;
#[cfg(test)]
mod tests;

use super::route::{Cost, Enforcer, Route, What};
use super::{Host, PlanOptions};
use crate::baseline::Watch;
use crate::net::{self, Endpoint, Protocol, Socket, Way};
use crate::policy::{Isolation, NetEntry, NetList, Policy, Setting};
use scene::Scene;
use std::path::PathBuf;

/// The first Landlock ABI that knows TCP ports (Linux 6.7).
const PORTS_ABI: u32 = 4;
/// The first that scopes abstract unix sockets (Linux 6.12).
const SCOPE_ABI: u32 = 6;
/// The first that knows unix sockets by their paths (Linux 7.1).
const UNIX_ABI: u32 = 9;
/// The first that knows UDP ports (Linux 7.2).
const UDP_ABI: u32 = 10;
/// Above this number of ports a Landlock rule for each is not worthwhile: the supervisor alone enforces
/// them.
const MOST_PORTS: usize = 1024;

/// How `[net]` is enforced on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    /// What the supervisor sees, and which sockets cannot be created.
    pub watch: Watch,
    /// The only ports to which Landlock allows TCP to connect; `None`: all.
    pub connect_ports: Option<Vec<u16>>,
    /// The only ports to which it allows TCP to bind. Port 0 means a port that the kernel chooses.
    pub bind_ports: Option<Vec<u16>>,
    /// The only ports to which it allows UDP to connect and to send; `None`: all.
    pub connect_udp: Option<Vec<u16>>,
    /// The only ports to which it allows UDP to bind.
    pub bind_udp: Option<Vec<u16>>,
    /// The only directories in which it allows reaching the paths of unix sockets that were made outside
    /// of the jail; `None`: all.
    pub unix: Option<Vec<PathBuf>>,
    /// Whether Landlock denies abstract unix sockets outside of the jail.
    pub scoped: bool,
    /// Whether the policy restricts peers at all.
    pub governed: bool,
    /// Whether the names of addresses must be known.
    pub names: bool,
    /// Whether it matters if an address to connect to belongs to this host.
    pub asks_own: bool,
    /// Whether names are learned from the answers of resolvers to the command. In a network namespace of
    /// its own the command could answer itself.
    pub observes: bool,
    /// Whether any unix socket may be connected and sent to.
    pub unix_open: bool,
    /// Whether denials happen that the supervisor does not see and so cannot report.
    pub silent: bool,
    /// Whether the address in a message can be protected from change: guarded pages.
    pub pins: bool,
    /// Whether the command may have sockets of kinds that it cannot create, because it inherits one.
    pub inherits: bool,
    /// Whether everything that must be allowed needs an inspection of the command's socket: pidfd_getfd.
    pub takes_sockets: bool,
}

impl Net {
    /// Plans `[net]`.
    pub fn new(policy: &Policy, host: &Host, options: PlanOptions<'_>) -> Net {
        let scene = Scene { policy };
        let names = policy
            .peers
            .iter()
            .any(|entry| entry.endpoint.name().is_some());
        let own = |said: &Setting<Isolation>| said.value == Isolation::Net;
        let mut plan = Net {
            watch: Watch::NONE,
            connect_ports: None,
            bind_ports: None,
            connect_udp: None,
            bind_udp: None,
            unix: None,
            scoped: false,
            governed: scene.governed() || options.learns,
            names,
            asks_own: scene.leaves_out_own(),
            observes: (names || options.learns) && !policy.process.isolate.iter().any(own),
            unix_open: !options.records
                && !options.learns
                && scene.is_unix_whole(Way::Connect)
                && !scene.denies_paths(),
            silent: false,
            pins: host.kernel >= super::files::PINS,
            inherits: options.datagrams,
            takes_sockets: false,
        };
        if !plan.governed && !scene.denies_paths() && !options.records {
            return plan;
        }
        let (tcp, udp) = (scene.may_be(Protocol::Tcp), scene.may_be(Protocol::Udp));
        let unix = scene.is_about_unix();
        // If only TCP sockets can be created, only connect and listen must be checked.
        let datagrams = udp || unix || !tcp || options.datagrams;
        if !scene.is_open() {
            plan.watch.add(Watch::NO_INTERNET, !tcp && !udp);
            plan.watch.add(Watch::NO_STREAMS, !tcp && udp);
            plan.watch.add(Watch::NO_DATAGRAMS, tcp && !udp);
            plan.watch.add(Watch::NO_OTHERS, tcp || udp);
            plan.watch.add(Watch::NO_UNIX_DATAGRAMS, !datagrams);
        }
        plan.watch.add(Watch::NO_DETOURS, plan.governed);
        plan.watch.add(Watch::NAMES, plan.observes || names);
        plan.watch_calls(&scene, host, options, datagrams);
        let lets = |list| {
            let mut peers = policy.peers.iter();
            // A host that cannot inspect sockets goes without optional entries.
            scene.is_open() || peers.any(|entry| entry.list == list && !entry.optional)
        };
        let connects = Watch::CONNECT.and(Watch::SEND_TO);
        // A command that reaches no peer is learned without them, too.
        plan.takes_sockets = !options.learns
            && (plan.watch.any(connects) && lets(NetList::Connect)
                || plan.watch.any(Watch::BIND) && lets(NetList::Listen));
        if !scene.is_open() {
            plan.hand_to_landlock(&scene, host);
        }
        let connects = plan.connect_ports.is_some() && !plan.watch.has(Watch::CONNECT);
        let sends = plan.connect_udp.is_some() && udp || plan.unix.is_some();
        plan.silent = connects || sends && !plan.watch.has(Watch::SEND_MESSAGE);
        plan
    }

    /// Has the supervisor see the calls that it must decide. `datagrams`: a message may name its peer.
    fn watch_calls(
        &mut self,
        scene: &Scene<'_>,
        host: &Host,
        options: PlanOptions<'_>,
        datagrams: bool,
    ) {
        let (tcp, udp) = (scene.may_be(Protocol::Tcp), scene.may_be(Protocol::Udp));
        // Landlock reports nothing.
        let all = options.records || options.learns;
        let has = |abi| host.landlock_abi >= abi && !options.trace_denials && !all;
        let whole = |protocol, way| !all && scene.is_whole(protocol, way);
        let unix_whole = |way| !all && scene.is_unix_whole(way);
        let ask_tcp = tcp && !whole(Protocol::Tcp, Way::Connect);
        let held_tcp = has(PORTS_ABI) && scene.ports_decide(Protocol::Tcp);
        // The supervisor reads what is asked of resolvers.
        let held_udp = has(UDP_ABI) && !self.names && scene.ports_decide(Protocol::Udp);
        let ask_udp = udp && !whole(Protocol::Udp, Way::Connect) && !held_udp;
        let ask_unix = !unix_whole(Way::Connect) || scene.denies_paths();
        // It is of use where it saves a stop.
        let stops = ask_udp || options.datagrams;
        if ask_unix && has(UNIX_ABI) && (options.unsupervised || datagrams && !stops) {
            self.unix = scene.unix_directories();
        }
        let held_unix = self.unix.is_some();
        let connects_unix = ask_unix && !(held_unix && options.unsupervised);
        self.watch.add(
            Watch::CONNECT,
            ask_tcp && !held_tcp || stops || connects_unix,
        );
        self.watch.add(Watch::FAST_OPEN, ask_tcp);
        let sends = stops || ask_unix && datagrams && !held_unix;
        self.watch.add(Watch::SEND_TO, sends);
        self.watch.add(Watch::SEND_MESSAGE, sends);
        let ask_listen = tcp && !whole(Protocol::Tcp, Way::Listen);
        let ask_bind = ask_listen
            || scene.opens_names()
            || udp && !whole(Protocol::Udp, Way::Listen)
            || options.datagrams
            || !unix_whole(Way::Listen);
        self.watch.add(Watch::BIND, ask_bind);
        self.watch.add(Watch::LISTEN, ask_listen);
        // A renamed socket would escape its denial.
        self.watch.add(
            Watch::MOVE,
            scene.is_about_unix() && scene.denies_what_may_be_renamed(),
        );
        let supervised = Watch::CONNECT.and(Watch::SEND_TO).and(Watch::BIND);
        // The supervisor must not do for a program what its own filter denies.
        self.watch.add(Watch::MEMORY, self.watch.any(supervised));
        // Addresses are judged in the command's own memory.
        self.watch
            .add(Watch::LAZY_MEMORY, self.watch.any(supervised));
    }

    /// Gives Landlock the ports and the abstract sockets, as far as this host's can hold them.
    fn hand_to_landlock(&mut self, scene: &Scene<'_>, host: &Host) {
        let bound = |protocol| {
            scene.ports(NetList::Listen, protocol).map(|mut ports| {
                // A client binds to any free port.
                ports.insert(0, 0);
                ports.dedup();
                ports
            })
        };
        if host.landlock_abi >= PORTS_ABI {
            self.connect_ports = scene.ports(NetList::Connect, Protocol::Tcp);
            self.bind_ports = bound(Protocol::Tcp);
        }
        // Beneath a supervisor that judges each message these rules would save no stop.
        if host.landlock_abi >= UDP_ABI && !self.watch.has(Watch::SEND_MESSAGE) {
            self.connect_udp = scene.ports(NetList::Connect, Protocol::Udp);
            // Port 0 also stands for the port that the kernel chooses at the first send.
            self.bind_udp = bound(Protocol::Udp);
        }
        self.scoped = host.landlock_abi >= SCOPE_ABI
            && !scene.policy.peers.iter().any(|entry| {
                entry.list == NetList::Connect
                    && matches!(
                        &entry.endpoint,
                        Endpoint::Unix(Socket::Any | Socket::Abstract(_))
                    )
            });
    }

    /// Adds what a domain needs.
    pub(super) fn narrow(&mut self, domain: &Net) {
        self.watch = self.watch.and(domain.watch);
        self.governed |= domain.governed;
        self.names |= domain.names;
        self.asks_own |= domain.asks_own;
        self.observes |= domain.observes;
        self.unix_open &= domain.unix_open;
        self.inherits |= domain.inherits;
        self.silent = false;
    }

    /// Whether bind must be judged for its peer, too, where its path is watched.
    pub fn watches_bind(&self) -> bool {
        self.watch.has(Watch::BIND)
    }

    /// The first Landlock ABI that can enforce anything about peers of this kind; `None`: Landlock does
    /// not. `protocol`: `None` for unix sockets.
    pub fn needs_abi(&self, way: Way, protocol: Option<Protocol>) -> Option<u32> {
        let (ports, abi) = match (way, protocol) {
            (Way::Connect, None) if self.unix.is_some() => return Some(UNIX_ABI),
            (_, None) => return self.scoped.then_some(SCOPE_ABI),
            (Way::Connect, Some(Protocol::Udp)) => (&self.connect_udp, UDP_ABI),
            (Way::Listen, Some(Protocol::Udp)) => (&self.bind_udp, UDP_ABI),
            (Way::Connect, Some(_)) => (&self.connect_ports, PORTS_ABI),
            (Way::Listen, Some(_)) => (&self.bind_ports, PORTS_ABI),
        };
        ports.is_some().then_some(abi)
    }

    /// The enforcer of one direction, as far as the peer does not matter. `protocol`: `None` for unix
    /// sockets.
    pub fn enforcer(&self, way: Way, protocol: Option<Protocol>) -> (Enforcer, Cost) {
        let class = match way {
            Way::Connect => Watch::CONNECT,
            Way::Listen => Watch::BIND,
        };
        let floor = self.needs_abi(way, protocol).is_some();
        match (self.governed, self.watch.has(class)) {
            (false, false) => (Enforcer::NotNeeded, Cost::Nothing),
            (_, false) => (Enforcer::Landlock, Cost::Nothing),
            (_, true) if way == Way::Connect && !self.pins && self.watch.has(Watch::SEND_TO) => {
                (Enforcer::RacySupervisor, self.cost(way))
            }
            (_, true) if floor => (Enforcer::SupervisorOnFloor, self.cost(way)),
            (_, true) => (Enforcer::Supervisor, self.cost(way)),
        }
    }

    fn cost(&self, way: Way) -> Cost {
        match way {
            Way::Listen => Cost::StopPerListen,
            Way::Connect if self.watch.has(Watch::SEND_MESSAGE) => Cost::StopPerMessage,
            Way::Connect => Cost::StopPerConnect,
        }
    }

    /// One row per entry.
    pub(super) fn routes(&self, policy: &Policy) -> Vec<Route> {
        policy
            .peers
            .iter()
            .enumerate()
            .map(|(index, entry)| self.route(index, entry))
            .collect()
    }

    fn route(&self, index: usize, entry: &NetEntry) -> Route {
        let way = entry.ways.first().copied().unwrap_or(Way::Connect);
        let protocol = match entry.endpoint {
            Endpoint::Inet { protocol, .. } => Some(protocol.unwrap_or(Protocol::Tcp)),
            Endpoint::Unix(_) => None,
        };
        let abi = self.needs_abi(way, protocol);
        let (enforcer, cost) = match entry.closes() || self.governed {
            true => match self.enforcer(way, protocol) {
                // Nothing of this kind is denied.
                (Enforcer::Landlock, _) if abi.is_none() && !entry.closes() => {
                    (Enforcer::NotNeeded, Cost::Nothing)
                }
                found => found,
            },
            false => (Enforcer::NotNeeded, Cost::Nothing),
        };
        let sends_stop = self.watch.has(Watch::SEND_MESSAGE);
        let because = match (&entry.endpoint, enforcer) {
            (_, Enforcer::NotNeeded) => "nothing restricts it",
            (Endpoint::Unix(_), Enforcer::Landlock) => "directories alone decide",
            (_, Enforcer::Landlock) => "ports alone decide",
            (Endpoint::Unix(Socket::Path(_)), _)
                if way == Way::Connect && self.unix.is_some() && !sends_stop =>
            {
                "Landlock alone decides about datagrams, by directory"
            }
            (Endpoint::Inet { .. }, Enforcer::SupervisorOnFloor)
                if way == Way::Connect && protocol == Some(Protocol::Udp) && !sends_stop =>
            {
                "Landlock alone decides about datagrams, by port"
            }
            (Endpoint::Unix(Socket::Path(_)), _) => "only the supervisor knows paths of sockets",
            (Endpoint::Unix(_), _) => "names of sockets are in memory",
            (
                Endpoint::Inet {
                    host: net::Host::Name(_),
                    ..
                },
                _,
            ) => "names stand for the addresses that resolvers answered",
            _ => "addresses are in memory",
        };
        Route {
            what: What::Peer(index),
            enforcer,
            because: because.into(),
            cost,
            abi,
            reach: (0, 0),
        }
    }
}
