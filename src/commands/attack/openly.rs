//! Whether the policy allows openly what an attack tries to reach: then the attack says nothing about the jail.

use super::kind::Aim;
use super::scene::Scene;
use crate::judge::Judge;
use crate::net::{Endpoint, Host, Way};
use crate::paths::Access;
use crate::plan::{Plan, PlanOptions};
use crate::policy::{Action, LimitKind, Policy, peer};
use crate::syscalls::parse_call;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A policy in the directory of a scene, and its judge.
pub struct Judged {
    policy: Policy,
    plan: Plan,
}

/// The limits under which the attacks on them run, if the policy has such a limit that is wider.
pub const PROCESSES: u64 = 12;
pub const OUTPUT: u64 = 64 * 1024;
pub const WALL: Duration = Duration::from_millis(500);

/// An entry for the run of one attack: a flag `--set`.
pub type Entry = String;

impl Judged {
    pub fn new(policy: Policy, host: &crate::plan::Host) -> Result<Judged, String> {
        let options = PlanOptions {
            alone: true,
            ..PlanOptions::default()
        };
        let plan = Plan::with(&policy, host, options).map_err(|error| error.to_string())?;
        Ok(Judged { policy, plan })
    }

    fn judge(&self) -> &Judge {
        &self.plan.judge
    }

    fn allows(&self, access: Access, path: &Path) -> bool {
        self.judge().access(access, path).verdict.action == Action::Allow
    }

    /// How many aims the attacks on files have.
    pub const AIMS: usize = 3;

    /// How many of these the policy denies.
    pub fn denied(&self, scene: &Scene) -> usize {
        let given = &scene.given;
        let aims: [_; Judged::AIMS] = [
            (Access::Read, &given.secret),
            (Access::Write, &given.canary),
            (Access::Exec, &given.tool),
        ];
        aims.iter()
            .filter(|(access, path)| !self.allows(*access, path))
            .count()
    }

    fn allows_peer(&self, endpoint: &str) -> bool {
        let peer = peer(Way::Connect, endpoint, &self.policy.context());
        peer.is_ok_and(|peer| self.judge().peer(&peer).verdict.action == Action::Allow)
    }

    /// Whether the command may listen where it may ask for names.
    fn allows_own_resolver(&self) -> bool {
        let own = "udp://127.0.0.99:53";
        let listens = peer(Way::Listen, own, &self.policy.context());
        let listens =
            listens.is_ok_and(|peer| self.judge().peer(&peer).verdict.action == Action::Allow);
        listens && self.allows_peer(own)
    }

    fn allows_call(&self, text: &str) -> bool {
        let call = parse_call(text).map(|call| self.judge().call(&call));
        call.is_ok_and(|verdict| verdict.action == Action::Allow && verdict.check.is_none())
    }

    /// A file to change places with the secret: one that may be read.
    pub fn readable(&self, scene: &Scene) -> PathBuf {
        let system = [
            "/usr/lib/os-release",
            "/etc/os-release",
            "/etc/hosts",
            "/etc/passwd",
            "/dev/null",
        ];
        let system = system
            .iter()
            .filter_map(|path| Path::new(path).canonicalize().ok());
        let mut candidates = std::iter::once(scene.given.public.clone()).chain(system);
        let found = candidates.find(|path| self.allows(Access::Read, path));
        found.unwrap_or_else(|| scene.given.public.clone())
    }

    /// Why the attack says nothing under this policy; else the entries that it runs with.
    pub fn openly(&self, aim: Aim, scene: &mut Scene) -> Result<Vec<Entry>, String> {
        let given = &scene.given;
        let path = |access, path: &Path, what: &str| match self.allows(access, path) {
            true => Err(format!("the policy lets the command {what}")),
            false => Ok(Vec::new()),
        };
        let peer = |endpoint: String, what: &str| match self.allows_peer(&endpoint) {
            true => Err(format!("the policy lets the command connect to {what}")),
            false => Ok(Vec::new()),
        };
        let call = |text: &str, what: &str| match self.allows_call(text) {
            true => Err(format!("the policy allows {what}")),
            false => Ok(Vec::new()),
        };
        match aim {
            Aim::Read => path(Access::Read, &given.secret, "read the file outside"),
            Aim::Write => path(Access::Write, &given.canary, "change the file outside"),
            Aim::Exec => path(Access::Exec, &given.tool, "execute the file outside"),
            Aim::Tcp => peer(format!("127.0.0.1:{}", given.tcp), "127.0.0.1"),
            Aim::Udp => peer(format!("udp://127.0.0.1:{}", given.udp), "127.0.0.1"),
            Aim::UnixPath => peer(
                format!("unix:{}", given.stream.display()),
                "the socket outside",
            ),
            Aim::UnixAbstract => peer(format!("unix:@{}", given.abstract_name), "abstract sockets"),
            Aim::Netlink => call(
                "socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK)",
                "NETLINK_USERSOCK",
            ),
            Aim::Typed => call("ioctl(0, TIOCSTI)", "TIOCSTI"),
            Aim::Shown => path(Access::Write, &given.terminal, "write to other terminals"),
            Aim::Processes => self.limited(LimitKind::Processes, PROCESSES, scene),
            Aim::Output => self.limited(LimitKind::Output, OUTPUT, scene),
            Aim::Wall => match self.policy.limits.time(LimitKind::Wall) {
                None => Err("the policy has no limits.wall".to_owned()),
                Some(most) => {
                    let wall = most.min(WALL).as_millis();
                    scene.given.limit = wall as u64;
                    Ok(vec![
                        format!("limits.wall={wall}ms"),
                        "limits.grace=100ms".to_owned(),
                    ])
                }
            },
            Aim::Name => self.forge(scene).map(|()| Vec::new()),
            Aim::Process | Aim::Sibling | Aim::Survivor | Aim::Orphan | Aim::Held => Ok(Vec::new()),
        }
    }

    /// The limit of the policy, or a smaller one that is exceeded sooner.
    fn limited(&self, kind: LimitKind, most: u64, scene: &mut Scene) -> Result<Vec<Entry>, String> {
        let key = kind.key();
        let Some(limit) = self.policy.limits.number(kind) else {
            return Err(format!("the policy has no limits.{key}"));
        };
        scene.given.limit = limit.min(most);
        Ok(match limit > most {
            true if kind == LimitKind::Output => vec![format!("limits.{key}={most}B")],
            true => vec![format!("limits.{key}={most}")],
            false => Vec::new(),
        })
    }

    /// Finds a name of the policy, and listens at an address that it does not have.
    fn forge(&self, scene: &mut Scene) -> Result<(), String> {
        let names = self
            .policy
            .peers
            .iter()
            .filter(|entry| entry.action == Action::Allow);
        let mut why = "no entry of [net] names a host".to_owned();
        for entry in names {
            let Endpoint::Inet {
                host: Host::Name(name),
                ports,
                ..
            } = &entry.endpoint
            else {
                continue;
            };
            let name = name.as_str().replacen('*', "any", 1);
            let port = ports.iter().filter(|port| *port > 0).max().unwrap_or(443);
            let [a, b] = scene.given.udp.to_be_bytes();
            let address = SocketAddrV4::new(Ipv4Addr::new(127, 87, a, b.clamp(1, 254)), port);
            if self.allows_peer(&address.to_string()) {
                why = "the policy lets the command connect to 127.0.0.0/8".to_owned();
                continue;
            }
            if self.allows_own_resolver() {
                why = "the policy lets the command be its own resolver (`jail check` warns)"
                    .to_owned();
                continue;
            }
            match scene.forge(&name, address) {
                Ok(()) => return Ok(()),
                Err(error) => why = format!("nothing can listen at {address} here: {error}"),
            }
        }
        Err(why)
    }
}
