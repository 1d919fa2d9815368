//! `[net]` on a host: which sockets cannot be created, which ports Landlock enforces, what the
//! supervisor must see, and why.
//!
//! Registers tell the kind of a new socket, so the filter denies the kinds that no entry is about.
//! Landlock knows TCP ports, but neither hosts nor other protocols. The supervisor judges everything
//! that depends on an address.

use super::files::meets;
use super::route::{Cost, Enforcer, Route, What};
use super::{Host, PlanOptions};
use crate::baseline::Watch;
use crate::net::{self, Endpoint, Ports, Protocol, Socket, Way};
use crate::paths::Pattern;
use crate::policy::{Action, Isolation, List, NetEntry, NetList, Policy, Setting};

/// The first Landlock ABI that knows TCP ports (Linux 6.7).
const PORTS_ABI: u32 = 4;
/// The first that scopes abstract unix sockets (Linux 6.12).
const SCOPE_ABI: u32 = 6;
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
    /// Whether the address in a message can be protected from change: mseal.
    pub pins: bool,
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
            scoped: false,
            governed: scene.governed(),
            names,
            asks_own: scene.leaves_out_own(),
            observes: names && !policy.process.isolate.iter().any(own),
            unix_open: scene.is_unix_whole(Way::Connect) && !scene.denies_paths(),
            silent: false,
            pins: host.kernel >= super::files::MSEAL,
            takes_sockets: false,
        };
        if !plan.governed && !scene.denies_paths() {
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
        plan.watch.add(Watch::NAMES, names);
        plan.watch_calls(&scene, host, options, datagrams);
        let lets = |list| {
            let mut peers = policy.peers.iter();
            // A host that cannot inspect sockets goes without optional entries.
            scene.is_open() || peers.any(|entry| entry.list == list && !entry.optional)
        };
        let connects = Watch::CONNECT.and(Watch::SEND_TO);
        plan.takes_sockets = plan.watch.any(connects) && lets(NetList::Connect)
            || plan.watch.any(Watch::BIND) && lets(NetList::Listen);
        if !scene.is_open() {
            plan.hand_to_landlock(&scene, host);
        }
        plan.silent = plan.connect_ports.is_some() && !plan.watch.has(Watch::CONNECT);
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
        let exact =
            scene.ports_decide() && host.landlock_abi >= PORTS_ABI && !options.trace_denials;
        let whole = |protocol, way| scene.is_whole(protocol, way);
        let ask_tcp = tcp && !whole(Protocol::Tcp, Way::Connect);
        let ask_udp = udp && !whole(Protocol::Udp, Way::Connect);
        let ask_unix = !scene.is_unix_whole(Way::Connect) || scene.denies_paths();
        self.watch
            .add(Watch::CONNECT, ask_tcp && !exact || ask_udp || ask_unix);
        self.watch.add(Watch::FAST_OPEN, ask_tcp);
        let sends = ask_udp || ask_unix && datagrams || options.datagrams;
        self.watch.add(Watch::SEND_TO, sends);
        self.watch.add(Watch::SEND_MESSAGE, sends);
        let ask_listen = tcp && !whole(Protocol::Tcp, Way::Listen);
        let ask_bind = ask_listen
            || scene.opens_names()
            || udp && !whole(Protocol::Udp, Way::Listen)
            || !scene.is_unix_whole(Way::Listen);
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
        if host.landlock_abi >= PORTS_ABI {
            self.connect_ports = scene.ports(NetList::Connect);
            self.bind_ports = scene.ports(NetList::Listen).map(|mut ports| {
                // A client binds to any free port.
                ports.insert(0, 0);
                ports.dedup();
                ports
            });
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

    /// Whether bind must be judged for its peer, too, where its path is watched.
    pub fn watches_bind(&self) -> bool {
        self.watch.has(Watch::BIND)
    }

    /// The enforcer of one direction, as far as the peer does not matter.
    pub fn enforcer(&self, way: Way, inet: bool) -> (Enforcer, Cost) {
        let (class, ports) = match way {
            Way::Connect => (Watch::CONNECT, &self.connect_ports),
            Way::Listen => (Watch::BIND, &self.bind_ports),
        };
        let floor = inet && ports.is_some() || !inet && self.scoped;
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
        let inet = matches!(entry.endpoint, Endpoint::Inet { .. });
        let (enforcer, cost) = match entry.closes() || self.governed {
            true => self.enforcer(way, inet),
            false => (Enforcer::NotNeeded, Cost::Nothing),
        };
        let because = match (&entry.endpoint, enforcer) {
            (_, Enforcer::NotNeeded) => "nothing restricts it",
            (_, Enforcer::Landlock) => "ports alone decide",
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
            reach: (0, 0),
        }
    }
}

/// Questions about all entries of a policy together.
struct Scene<'a> {
    policy: &'a Policy,
}

impl Scene<'_> {
    /// Whether peers that no entry names are allowed.
    fn is_open(&self) -> bool {
        self.policy.default.action == Action::Allow
    }

    fn governed(&self) -> bool {
        !self.is_open() || self.policy.peers.iter().any(NetEntry::closes)
    }

    /// Whether `[fs]` denies paths that may be sockets.
    fn denies_paths(&self) -> bool {
        self.policy
            .paths
            .iter()
            .any(|entry| matches!(entry.list, List::Deny | List::Hide))
    }

    /// Whether a denied socket may be in a place where files may be renamed.
    fn denies_what_may_be_renamed(&self) -> bool {
        let renames = |socket: &Pattern| {
            let mut trees = self.policy.paths.iter();
            self.is_open()
                || trees.any(|entry| entry.list == List::Write && meets(socket, &entry.pattern))
        };
        self.closing(Way::Connect).any(|entry| {
            match &entry.endpoint {
                Endpoint::Unix(Socket::Path(socket)) => renames(socket),
                // Renamed to a place that is lifted.
                Endpoint::Unix(Socket::Any) => entry.lifted.iter().any(|(lifted, _)| {
                    matches!(lifted, Endpoint::Unix(Socket::Path(place)) if renames(place))
                }),
                _ => false,
            }
        })
    }

    fn allowing(&self, way: Way) -> impl Iterator<Item = &NetEntry> {
        self.policy
            .peers
            .iter()
            .filter(move |entry| !entry.closes() && entry.ways.contains(&way))
    }

    fn closing(&self, way: Way) -> impl Iterator<Item = &NetEntry> {
        self.policy
            .peers
            .iter()
            .filter(move |entry| entry.closes() && entry.ways.contains(&way))
    }

    /// Whether any entry may allow a use of a socket of this protocol.
    fn may_be(&self, protocol: Protocol) -> bool {
        let speaks = |way| {
            self.allowing(way)
                .any(|entry| entry.endpoint.speaks(protocol))
        };
        self.is_open() || speaks(Way::Connect) || speaks(Way::Listen)
    }

    /// Whether names allow anything: then the resolvers' port cannot be bound.
    fn opens_names(&self) -> bool {
        !self.is_open()
            && self
                .allowing(Way::Connect)
                .any(|entry| entry.endpoint.name().is_some())
    }

    /// Whether an entry or a rule allows addresses except those of this host.
    fn leaves_out_own(&self) -> bool {
        let mut peers = self.policy.rules.iter().filter_map(|rule| {
            let (_, endpoint) = rule.object.as_ref()?.peer.as_ref()?;
            (rule.action == Action::Allow).then_some(endpoint)
        });
        self.allowing(Way::Connect)
            .any(|entry| entry.endpoint.leaves_out_own())
            || peers.any(Endpoint::leaves_out_own)
            || self
                .closing(Way::Connect)
                .flat_map(|entry| &entry.lifted)
                .any(|(endpoint, _)| endpoint.leaves_out_own())
    }

    fn is_about_unix(&self) -> bool {
        let unix = |entry: &NetEntry| matches!(entry.endpoint, Endpoint::Unix(_));
        self.is_open()
            || self
                .policy
                .peers
                .iter()
                .any(|entry| !entry.closes() && unix(entry))
    }

    /// Whether every peer may be reached by a protocol.
    fn is_whole(&self, protocol: Protocol, way: Way) -> bool {
        let all = |entry: &NetEntry| {
            entry.endpoint.speaks(protocol)
                && matches!(
                    &entry.endpoint,
                    Endpoint::Inet { host: net::Host::Any, ports, .. } if ports.are_all()
                )
        };
        (self.is_open() || self.allowing(way).any(all))
            && !self.closing(way).any(|entry| {
                // An entry without a protocol covers all protocols.
                entry.endpoint.speaks(protocol)
            })
    }

    fn is_unix_whole(&self, way: Way) -> bool {
        let all = |entry: &NetEntry| matches!(entry.endpoint, Endpoint::Unix(Socket::Any));
        (self.is_open() || self.allowing(way).any(all))
            && !self
                .closing(way)
                .any(|entry| matches!(entry.endpoint, Endpoint::Unix(_)))
    }

    /// Whether the entries about connecting by TCP only name ports, and few enough.
    fn ports_decide(&self) -> bool {
        let any = |entry: &NetEntry| match &entry.endpoint {
            Endpoint::Inet { host, .. } => *host == net::Host::Any,
            Endpoint::Unix(_) => true,
        };
        let tcp = |entry: &&NetEntry| entry.endpoint.speaks(Protocol::Tcp);
        !self.is_open()
            && self.allowing(Way::Connect).filter(tcp).all(any)
            && !self.closing(Way::Connect).any(|entry| tcp(&entry))
            && self.ports(NetList::Connect).is_some()
    }

    /// The TCP ports of a list; `None`: too many for rules.
    fn ports(&self, list: NetList) -> Option<Vec<u16>> {
        let mut all: Vec<u16> = Vec::new();
        for entry in self.policy.peers.iter().filter(|entry| entry.list == list) {
            let Endpoint::Inet { ports, .. } = &entry.endpoint else {
                continue;
            };
            if !entry.endpoint.speaks(Protocol::Tcp) {
                continue;
            }
            if Ports::count(ports) > MOST_PORTS {
                return None;
            }
            all.extend(ports.iter());
        }
        all.sort_unstable();
        all.dedup();
        (all.len() <= MOST_PORTS).then_some(all)
    }
}
