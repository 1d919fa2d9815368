//! Races for a denied peer: `tests/programs/races net` names an allowed one, or has a socket that may name
//! it, while something turns the address, the socket or the way to it into a denied one.
//!
//! All peers are sockets of this process, on loopback addresses, in a temporary directory and under
//! abstract names of its own; an attack has won when one that is denied was reached. Each attack
//! first wins against a supervisor that checks and then lets the call go on; then it runs in the
//! jail, with all that Landlock offers and without it.

use crate::support::landlock::{abi, lacks};
use crate::support::races::{alone, copy_races, longer, races, seconds, slowly};
use crate::support::{Dir, Ran, Run, jail, plain, token};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{PipeReader, PipeWriter, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// More tries than these in a second are a race, and never fewer than these.
const ENOUGH: u64 = 100;

/// How many a whole race must have; a slow machine makes fewer in the same time.
fn enough() -> u64 {
    ENOUGH.max((ENOUGH as f64 * seconds() / slowly(1.0)) as u64)
}

/// The attacks of these parts: their names, and what can be expected of them.
fn attacks(pages: bool) -> Vec<(String, String)> {
    let only = std::env::var("JAIL_RACE_ONLY").unwrap_or_default();
    let listed = plain([races().as_str(), "net", "list"])
        .output()
        .ends_with(0);
    let confines = abi() > 0;
    let attack = |line: &str| {
        let (name, needs) = line.split_once(' ')?;
        let wanted = name.contains(&only) && (needs == "pages") == pages;
        if wanted && needs.starts_with("confined") && !confines {
            println!("NOT TRIED HERE: {name}: this kernel has no Landlock");
            return None;
        }
        wanted.then(|| (name.to_owned(), needs.to_owned()))
    };
    listed.out.lines().filter_map(attack).collect()
}

/// A socket of this process that waits for peers.
enum Peer {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Stream(UnixListener),
    Datagram(UnixDatagram),
}

impl Peer {
    /// Takes one peer, or one message; `false`: there is none.
    fn take(&self) -> bool {
        let mut bytes = [0; 64];
        match self {
            Self::Tcp(socket) => socket.accept().is_ok(),
            Self::Udp(socket) => socket.recv(&mut bytes).is_ok(),
            Self::Stream(socket) => socket.accept().is_ok(),
            Self::Datagram(socket) => socket.recv(&mut bytes).is_ok(),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
            Self::Stream(socket) => socket.as_fd(),
            Self::Datagram(socket) => socket.as_fd(),
        }
    }
}

const HERE: &str = "127.0.0.1";
const THERE: &str = "127.0.0.2";

fn tcp(host: &str, port: u16) -> std::io::Result<Peer> {
    let socket = TcpListener::bind((host, port))?;
    socket.set_nonblocking(true)?;
    Ok(Peer::Tcp(socket))
}

fn udp(host: &str, port: u16) -> std::io::Result<Peer> {
    let socket = UdpSocket::bind((host, port))?;
    socket.set_nonblocking(true)?;
    Ok(Peer::Udp(socket))
}

fn stream(address: &SocketAddr) -> std::io::Result<Peer> {
    let socket = UnixListener::bind_addr(address)?;
    socket.set_nonblocking(true)?;
    Ok(Peer::Stream(socket))
}

fn datagram(address: &SocketAddr) -> std::io::Result<Peer> {
    let socket = UnixDatagram::bind_addr(address)?;
    socket.set_nonblocking(true)?;
    Ok(Peer::Datagram(socket))
}

/// Those that may be reached, and those that may not.
#[derive(Default)]
struct Peers {
    good: Vec<Peer>,
    bad: Vec<Peer>,
}

impl Peers {
    fn of_ports(&mut self, [tcp_port, udp_port, bad]: [u16; 3]) -> std::io::Result<()> {
        let Self { good: to, bad: no } = self;
        to.extend([tcp(HERE, tcp_port)?, tcp("::1", tcp_port)?]);
        to.extend([udp(HERE, udp_port)?, udp("::1", udp_port)?]);
        for host in [HERE, THERE] {
            no.extend([tcp(host, udp_port)?, udp(host, tcp_port)?]);
            no.extend([tcp(host, bad)?, udp(host, bad)?]);
        }
        no.extend([tcp(THERE, tcp_port)?, udp(THERE, udp_port)?]);
        Ok(())
    }

    fn of_names(&mut self, root: &Dir, token: &str) -> std::io::Result<()> {
        for (list, directories, name) in [
            (&mut self.good, &["w/pad", "r/pad", "w/pad/bad"][..], "good"),
            (&mut self.bad, &["w/bad", "r/bad"][..], "evil"),
        ] {
            for directory in directories {
                std::fs::create_dir_all(root.file(directory))?;
                let at =
                    |name: &str| SocketAddr::from_pathname(root.path().join(directory).join(name));
                list.push(stream(&at("stream")?)?);
                list.push(datagram(&at("datagram")?)?);
            }
            let name = SocketAddr::from_abstract_name(format!("{token}-{name}"))?;
            list.extend([stream(&name)?, datagram(&name)?]);
        }
        Ok(())
    }
}

/// What the attacker may reach, and who looks on.
struct Place {
    root: Dir,
    policy: String,
    _policies: Dir,
    words: Vec<String>,
    counts: Arc<Counts>,
    looker: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    good: AtomicU64,
    bad: AtomicU64,
    ended: AtomicBool,
    /// Gets a byte when a denied peer was reached.
    teller: Mutex<Option<PipeWriter>>,
}

impl Counts {
    /// Counts whoever comes, until the end.
    fn look_on(&self, peers: &Peers) {
        while !self.ended.load(Ordering::Relaxed) {
            let all = peers.good.iter().chain(&peers.bad);
            let mut polled: Vec<PollFd> = all
                .map(|peer| PollFd::new(peer.fd(), PollFlags::POLLIN))
                .collect();
            let _ = poll(&mut polled, PollTimeout::from(20_u8));
            let ready: Vec<bool> = polled.iter().map(|it| it.any() == Some(true)).collect();
            let (good, bad) = ready.split_at(peers.good.len());
            for (_, peer) in good.iter().zip(&peers.good).filter(|(ready, _)| **ready) {
                while peer.take() {
                    self.good.fetch_add(1, Ordering::Relaxed);
                }
            }
            for (_, peer) in bad.iter().zip(&peers.bad).filter(|(ready, _)| **ready) {
                while peer.take() {
                    self.bad.fetch_add(1, Ordering::Relaxed);
                    let mut teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(mut teller) = teller.take() {
                        let _ = teller.write_all(b"!");
                    }
                }
            }
        }
    }

    fn tells(&self) -> PipeReader {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        *self.teller.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        reader
    }
}

/// A port at which nobody listens now.
fn free_port() -> u16 {
    let socket = TcpListener::bind((HERE, 0)).expect("a port");
    socket.local_addr().expect("its address").port()
}

impl Place {
    fn new() -> Self {
        let (root, policies, token) = (Dir::new(), Dir::new(), token());
        let mut peers = Peers::default();
        peers.of_names(&root, &token).expect("unix sockets");
        let ports = loop {
            let ports = [free_port(), free_port(), free_port()];
            let mut found = Peers::default();
            if found.of_ports(ports).is_ok() {
                peers.good.extend(found.good);
                peers.bad.extend(found.bad);
                break ports;
            }
        };
        let [own, free] = [free_port(), free_port()];
        let at = root.path().display().to_string();
        std::fs::create_dir(root.file("bin")).expect("cannot create a directory");
        copy_races(&root.file("bin/races"));
        let [tcp, udp, bad] = ports;
        let policy = format!(
            r#"extends = ["base"]

[fs]
read  = ["{at}"]
write = ["{at}/w"]
exec  = ["{at}/bin"]

[net]
connect = ["{HERE}:{tcp}", "[::1]:{tcp}", "udp://{HERE}:{udp}", "udp://[::1]:{udp}",
           "unix:{at}", "unix:@{token}-good"]
listen  = ["{HERE}:{own}", "udp://{HERE}:{own}"]
deny    = ["unix:{at}/w/bad", "unix:{at}/r/bad"]
"#
        );
        let mut words = vec![at, token];
        words.extend([tcp, udp, bad, own, free].map(|port| port.to_string()));
        let counts = Arc::new(Counts::default());
        let looker = {
            let counts = Arc::clone(&counts);
            std::thread::spawn(move || counts.look_on(&peers))
        };
        Self {
            policy: policies.write("net.toml", policy),
            root,
            _policies: policies,
            words,
            counts,
            looker: Some(looker),
        }
    }

    fn jailed(&self, landlock: Option<&str>, name: &str, seconds: f64) -> (Ran, Score) {
        let program = self.root.file("bin/races");
        let options = ["--quiet", "--kill-on-exit", "--policy", &self.policy, "--"];
        let run = jail(options).args([program.as_str()]);
        self.run(
            match landlock {
                Some(version) => run.env("JAIL_LANDLOCK_ABI", version),
                None => run,
            },
            &["net", name],
            seconds,
        )
    }

    fn naive(&self, name: &str, seconds: f64) -> Score {
        let run = plain([races().as_str()]);
        let (ran, score) = self.run(run, &["net", "naive", name], seconds);
        ran.ends_with(0);
        score
    }

    fn run(&self, run: Run, words: &[&str], seconds: f64) -> (Ran, Score) {
        let count = |number: &AtomicU64| number.swap(0, Ordering::Relaxed);
        let _ = (count(&self.counts.good), count(&self.counts.bad));
        let ran = run
            .args(words)
            .args([seconds.to_string()])
            .args(&self.words)
            .cwd(self.root.path())
            .stdin(self.counts.tells())
            .timeout(Duration::from_secs_f64(seconds + 30.0))
            .output();
        // What is still on its way.
        std::thread::sleep(Duration::from_millis(60));
        for left in [
            "w/turn",
            "w/link",
            "w/dance",
            "w/next",
            "w/own",
            "w/bad/new",
            "w/pad/new",
        ] {
            let path = self.root.path().join(left);
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
        let name = words.last().expect("a name");
        let mut score = Score::of(name, &ran.out).unwrap_or_default();
        score.wins += count(&self.counts.bad);
        score.reached = count(&self.counts.good);
        (ran, score)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.ended.store(true, Ordering::Relaxed);
        if let Some(looker) = self.looker.take() {
            let _ = looker.join();
        }
    }
}

/// How an attack ended.
#[derive(Debug, Default)]
struct Score {
    tries: u64,
    /// What the attacker could tell itself, and denied peers that were reached.
    wins: u64,
    passed: u64,
    /// Allowed peers that were reached.
    reached: u64,
}

impl Score {
    /// From the line `NAME tries N wins M passed K`.
    fn of(name: &str, out: &str) -> Option<Self> {
        let rest = out.lines().find_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.strip_prefix(" tries ")
        })?;
        let words: Vec<&str> = rest.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse().ok();
        Some(Self {
            tries: number(0)?,
            wins: number(2)?,
            passed: number(4)?,
            reached: 0,
        })
    }
}

#[test]
fn a_supervisor_that_checks_and_then_lets_go_on_loses_every_race_for_a_peer() {
    let _alone = alone();
    let place = Place::new();
    let mut lost = Vec::new();
    for (name, _) in attacks(false) {
        let mut rounds = (0..8).map(|_| place.naive(&name, slowly(10.0)));
        match rounds.find(|score| score.wins > 0) {
            Some(score) => println!("naive   {name:34} won at try {:>8}", score.tries),
            None => {
                println!("naive   {name:34} never won");
                lost.push(name);
            }
        }
    }
    assert!(lost.is_empty(), "these attacks prove nothing: {lost:?}");
}

#[test]
fn no_race_for_a_peer_is_won_in_a_jail_with_the_newest_landlock() {
    nothing_is_won("newest", None);
}

#[test]
fn no_race_for_a_peer_is_won_in_a_jail_without_landlock() {
    nothing_is_won("none", Some("0"));
}

#[test]
fn a_call_that_is_denied_by_its_name_is_denied_for_any_peer() {
    let _alone = alone();
    let mut place = Place::new();
    let policy = std::fs::read_to_string(&place.policy).expect("the policy");
    let reached = |place: &mut Place, name: &str, more: &str| {
        std::fs::write(&place.policy, format!("{policy}{more}")).expect("cannot write it");
        let (ran, score) = place.jailed(None, name, 1.0);
        let score = (score.passed > 0, score.reached > 0);
        ran.ends_with(0);
        score
    };
    let denied = "[syscalls]\nsendto = \"deny\"\nbind = \"allow\"\n";
    for name in ["sendto-host", "sendto-unix-path"] {
        assert_eq!(reached(&mut place, name, ""), (true, true), "{name}");
        assert_eq!(reached(&mut place, name, denied), (false, false), "{name}");
    }
    // A rule for a peer opens no call that names nobody.
    let [_, _, _, udp, ..] = &place.words[..] else {
        panic!("no ports");
    };
    let rule = format!(
        "{denied}[[rule]]\nsyscall = \"sendto\"\npeer = \"udp://{HERE}:{udp}\"\naction = \"allow\"\n"
    );
    assert_eq!(reached(&mut place, "sendto-host", &rule), (true, true));
    let unnamed = reached(&mut place, "connect-datagrams-host", &rule);
    assert_eq!(unnamed, (true, false));
}

#[test]
fn a_connect_cannot_block_the_supervisor() {
    let _alone = alone();
    let place = Place::new();
    let (ran, _) = place.jailed(None, "held-up", 3.0);
    ran.ends_with(0).says("held-up ended\n");
}

/// Where only TCP is allowed, any socket that a task may have may connect to what is allowed, so the supervisor
/// leaves the call to the task, with the address in the guarded pages.
#[test]
fn no_race_for_a_peer_is_won_where_the_task_itself_connects() {
    const STREAMS: [&str; 10] = [
        "connect-port",
        "connect-port-process",
        "connect-host",
        "connect-host-process",
        "connect-at-once-host",
        "connect-at-once-port-process",
        "connect-mapped-host",
        "connect-family",
        "connect-unspecified-bound",
        "connect-swapped-unix-tcp",
    ];
    let _alone = alone();
    let place = Place::new();
    let policy = std::fs::read_to_string(&place.policy).expect("the policy");
    let streams = policy
        .replace(
            &format!(
                ", \"udp://{HERE}:{}\", \"udp://[::1]:{}\"",
                place.words[3], place.words[3]
            ),
            "",
        )
        .replace(&format!(", \"udp://{HERE}:{}\"", place.words[5]), "");
    assert!(!streams.contains("udp"), "{streams}");
    std::fs::write(&place.policy, streams).expect("cannot write it");
    let scenes = attacks(false);
    let scenes = scenes
        .iter()
        .filter(|(name, _)| STREAMS.contains(&name.as_str()));
    assert_eq!(scenes.clone().count(), STREAMS.len());
    for (mode, landlock) in [("newest", None), ("none", Some("0"))] {
        if lacks(landlock) {
            continue;
        }
        none_is_won(&place, mode, landlock, scenes.clone().cloned());
    }
}

fn nothing_is_won(mode: &str, landlock: Option<&str>) {
    if lacks(landlock) {
        return;
    }
    let _alone = alone();
    none_is_won(&Place::new(), mode, landlock, attacks(false));
}

fn none_is_won(
    place: &Place,
    mode: &str,
    landlock: Option<&str>,
    attacks: impl IntoIterator<Item = (String, String)>,
) {
    let mut faults = Vec::new();
    for (name, needs) in attacks {
        let (mut ran, mut score) = place.jailed(landlock, &name, seconds());
        let never_passes = needs.contains("never-passes");
        let lacks = score.tries <= enough() || (score.passed == 0 && !never_passes);
        if score.wins == 0 && lacks {
            // On a busy machine it gets more time.
            (ran, score) = place.jailed(landlock, &name, longer());
        }
        println!(
            "{mode:7} {name:34} tries {:>7} wins {:>3} passed {:>7} reached {:>7}",
            score.tries, score.wins, score.passed, score.reached
        );
        let fault = if ran.code() != Some(0) {
            Some(format!(
                "ended with {:?}: {}{}",
                ran.code(),
                ran.out,
                ran.err
            ))
        } else if score.wins > 0 {
            Some(format!("{} of {} tries won", score.wins, score.tries))
        } else if score.tries <= enough() {
            Some(format!("{} tries are no race", score.tries))
        } else if score.passed == 0 && !never_passes {
            Some("what is allowed never passed".to_owned())
        } else {
            None
        };
        if let Some(fault) = fault {
            println!("{mode:7} {name:34} FAULT {fault}");
            faults.push(format!("{name}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn memory_that_holds_judged_addresses_cannot_be_had() {
    let _alone = alone();
    let place = Place::new();
    let mut faults = Vec::new();
    for (name, _) in attacks(true) {
        for (mode, landlock) in [("newest", None), ("none", Some("0"))] {
            if lacks(landlock) {
                continue;
            }
            let (mut ran, mut score) = place.jailed(landlock, &name, seconds());
            if score.wins == 0 && score.tries < 5 {
                (ran, score) = place.jailed(landlock, &name, longer());
            }
            println!(
                "{mode:7} wins {} reached {} {}",
                score.wins,
                score.reached,
                ran.out.trim_end()
            );
            let denied = name == "pages-wanted-by-all" && score.passed < score.tries;
            if ran.code() != Some(0) || score.wins > 0 || score.tries < 5 || denied {
                faults.push(format!("{mode}: {} of {}", score.wins, ran.out.trim_end()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
