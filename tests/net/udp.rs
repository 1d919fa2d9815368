//! A policy of UDP ports, and one of directories of unix sockets: what Landlock 10 (Linux 7.2) and 9 (7.1)
//! enforce without a stop at each message means what the supervisor makes of it on other kernels.

use super::scene::{Scene, denied, each_way, python, users};
use super::stops::{ALL, PEERS, row};
use crate::support::{Dir, JAIL, plain};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The Landlock ABI that jail uses here.
fn abi() -> u64 {
    let ran = plain([JAIL, "doctor", "--json"]).output();
    let document: serde_json::Value = serde_json::from_str(&ran.out).expect("a document");
    document["landlock"]["used"].as_u64().expect("a number")
}

/// The values of JAIL_LANDLOCK_ABI to try: all of this kernel's, and less.
fn abis() -> Vec<Option<&'static str>> {
    let all = [(9, None), (8, Some("9")), (0, Some("8"))];
    let newest = abi();
    if newest < 10 {
        crate::not_tested!(
            "UDP ports by Landlock: this kernel has Landlock {newest}, and they came with 10"
        );
    }
    let above = |(least, _): &(u64, _)| newest > *least || *least == 0;
    all.into_iter().filter(above).map(|(_, abi)| abi).collect()
}

/// Each way to send to a port by UDP, to an allowed one and to one that no entry names.
const ATTEMPTS: &str = r#"
import ctypes, errno, socket, struct, sys, threading
good, bad, v6 = map(int, sys.argv[1:4])
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
libc = ctypes.CDLL(None, use_errno=True)
V4, V6 = socket.AF_INET, socket.AF_INET6
HOST = "127.0.0.1"

def udp(family=V4):
    return socket.socket(family, socket.SOCK_DGRAM)

def address(port, family=V4):
    return struct.pack("=H", family) + struct.pack("!H4s8x", port, socket.inet_aton(HOST))

def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result

def raw(s, to, flags=0):
    checked(libc.sendto(s.fileno(), b"x", 1, flags, to, len(to)))

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]

class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("name_length", ctypes.c_uint), ("vector", ctypes.POINTER(Vector)),
                ("vectors", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("padding", ctypes.c_int), ("sent", ctypes.c_uint)]

def several(*ports):
    vector = Vector(b"x", 1)
    messages = (Message * len(ports))(*[Message(address(port), 16, ctypes.pointer(vector), 1) for port in ports])
    s, sent = udp(), 0
    while sent < len(ports):
        rest = ctypes.byref(messages, sent * ctypes.sizeof(Message))
        sent += checked(libc.sendmmsg(s.fileno(), rest, len(ports) - sent, 0))

def connected(port):
    s = udp()
    s.connect((HOST, port))
    s.send(b"x")

def elsewhere(port):
    s = udp()
    s.connect((HOST, good))
    s.sendto(b"x", (HOST, port))

def anew(port):
    s = udp()
    s.connect((HOST, good))
    checked(libc.connect(s.fileno(), address(0, 0), 16))
    s.sendto(b"x", (HOST, port))

def corked(port):
    s = udp()
    s.sendto(b"x", socket.MSG_MORE, (HOST, good))
    s.send(b"x")
    s.sendto(b"x", (HOST, port))

def bound(port):
    s = udp()
    s.bind((HOST, 0))
    s.sendto(b"x", (HOST, port))

def became_v4(port):
    s = udp(V6)
    s.connect(("::ffff:" + HOST, good))
    s.setsockopt(socket.IPPROTO_IPV6, 1, V4)
    raw(s, address(port))

ways = {
    "sendto": lambda port: udp().sendto(b"x", (HOST, port)),
    "sendmsg": lambda port: udp().sendmsg([b"x"], [], 0, (HOST, port)),
    "sendmmsg": lambda port: several(port, port),
    "sendmmsg, second": lambda port: several(good, port),
    "connect": connected,
    "connected elsewhere": elsewhere,
    "connected anew": anew,
    "corked": corked,
    "bound": bound,
    "no family": lambda port: raw(udp(), address(port, 0)),
    "MSG_FASTOPEN": lambda port: raw(udp(), address(port), 0x20000000),
}
if v6:
    ways["v6"] = lambda port: udp(V6).sendto(b"x", ("::1", port))
    ways["mapped"] = lambda port: udp(V6).sendto(b"x", ("::ffff:" + HOST, port))
    ways["became v4"] = became_v4

def tried(way, port):
    try:
        way(port)
        return "sent"
    except OSError as error:
        return errno.errorcode[error.errno]

for name, way in ways.items():
    print(name, tried(way, good), tried(way, bad))
print("bind", tried(lambda port: udp().bind((HOST, port)), 0), tried(lambda port: udp().bind((HOST, port)), bad))
for name, kind, protocol in ("UDP-Lite", socket.SOCK_DGRAM, 136), ("ping", socket.SOCK_DGRAM, 1), ("raw", socket.SOCK_RAW, 17):
    print(name, tried(lambda _: socket.socket(V4, kind, protocol), bad))
"#;

/// Sockets on the loopback addresses, with the same port.
struct Receiver {
    sockets: Vec<UdpSocket>,
    port: u16,
    v6: bool,
}

impl Receiver {
    fn new() -> Self {
        loop {
            let one = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            let port = one.local_addr().expect("its address").port();
            let (mut sockets, v6) = (vec![one], UdpSocket::bind("[::1]:0").is_ok());
            if v6 {
                match UdpSocket::bind(("::1", port)) {
                    Ok(other) => sockets.push(other),
                    Err(_) => continue,
                }
            }
            for socket in &sockets {
                socket.set_nonblocking(true).expect("an open socket");
            }
            return Self { sockets, port, v6 };
        }
    }

    /// How many datagrams have arrived since.
    fn arrived(&self) -> usize {
        let all = |socket: &UdpSocket| std::iter::from_fn(|| socket.recv(&mut [0; 8]).ok()).count();
        self.sockets.iter().map(all).sum()
    }
}

#[test]
fn a_port_that_no_entry_names_is_not_sent_to_in_any_way() {
    let Some(python) = python() else { return };
    let abis = abis();
    each_way(|user, mode| {
        let scene = Scene::new();
        let (good, bad) = (Receiver::new(), Receiver::new());
        let script = scene.script("attempts.py", ATTEMPTS);
        let policy = scene.policy(&format!("connect = [\"udp://*:{}\"]", good.port));
        let v6 = u8::from(good.v6 && bad.v6).to_string();
        let ports = [&good, &bad].map(|receiver| receiver.port.to_string());
        let command = [&python, &script, &ports[0], &ports[1], &v6, mode];
        // The attack succeeds without a jail.
        let free = scene.outside(user, &command).output().ends_with(0);
        for line in free
            .out
            .lines()
            .take_while(|line| !line.starts_with("bind"))
        {
            assert!(line.ends_with(" sent sent"), "{line}");
        }
        assert!(bad.arrived() >= 11, "{}", free.err);
        for abi in &abis {
            good.arrived();
            let run = scene.within(user, &policy, &command);
            let ran = with(run, *abi).output().ends_with(0);
            for line in ran.out.lines() {
                let expected = match line.split(' ').next() {
                    Some("bind") => line == "bind sent EACCES",
                    Some("UDP-Lite" | "ping" | "raw") => line.ends_with(" EACCES"),
                    _ => line.ends_with(" sent EACCES"),
                };
                assert!(expected, "{abi:?}, {user:?}, {mode}: {line}\n{}", ran.err);
            }
            assert_eq!(bad.arrived(), 0, "{abi:?}, {user:?}, {mode}");
            assert!(good.arrived() >= 11, "{abi:?}, {user:?}, {mode}");
        }
    });
}

fn with(run: crate::support::Run, abi: Option<&str>) -> crate::support::Run {
    match abi {
        Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
        None => run,
    }
}

/// Sends as often as it is told, in each way that names a port.
const SEND: &str = r#"
import socket, sys, threading
port, rounds = map(int, sys.argv[1:3])
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(rounds):
    s.sendto(b"x", ("127.0.0.1", port))
    s.sendmsg([b"x"], [], 0, ("127.0.0.1", port))
    one.sendmsg([b"x"])
    two.recv(1)
print("done")
"#;

#[test]
fn a_datagram_to_a_port_costs_no_stop_where_landlock_knows_udp() {
    let Some(python) = python() else { return };
    let (scene, good) = (Scene::new(), Receiver::new());
    let script = scene.script("send.py", SEND);
    let port = good.port.to_string();
    let policy = scene.policy(&format!("connect = [\"udp://*:{port}\"]"));
    for user in users() {
        for mode in ["alone", "threads"] {
            let run = |rounds: &str, abi| {
                let command = [&python, &script, &port, rounds, mode];
                let run = scene.with(user, &["--stats"], &policy, &command);
                let ran = with(run, abi).output().ends_with(0).says("done\n");
                (row(&ran, PEERS), row(&ran, ALL))
            };
            for abi in abis() {
                let (few, many) = (run("1", abi), run("100", abi));
                match abi {
                    None => assert_eq!(few, many, "{user:?}, {mode}"),
                    Some(_) => assert!(many.0 >= few.0 + 297, "{abi:?}: {few:?} {many:?}"),
                }
            }
        }
    }
}

/// Sends a datagram to sockets outside, and to one of its own.
const UNIX: &str = r#"
import errno, socket, sys
granted, closed, name, own = sys.argv[1:5]

def tried(way):
    try:
        way()
        return "sent"
    except OSError as error:
        return errno.errorcode[error.errno]

def datagram():
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

def connected(path):
    s = datagram()
    s.connect(path)
    s.send(b"x")

server = datagram()
server.bind(own)
for what, to in ("granted", granted), ("closed", closed), ("abstract", "\0" + name), ("own", own):
    print(what, tried(lambda: datagram().sendto(b"x", to)), tried(lambda: datagram().sendmsg([b"x"], [], 0, to)),
          tried(lambda: connected(to)))
"#;

#[test]
fn a_directory_of_unix_sockets_is_what_datagrams_reach() {
    let Some(python) = python() else { return };
    let open = |dir: Dir| {
        let all = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(dir.path(), all).expect("a directory of the test's own");
        dir
    };
    let newest = abi();
    for user in users() {
        let scene = Scene::new();
        let (granted, closed) = (open(Dir::new()), open(Dir::new()));
        let server = |path: &str| {
            let socket = UnixDatagram::bind(path).expect("a socket");
            socket.set_nonblocking(true).expect("an open socket");
            let all = std::fs::Permissions::from_mode(0o777);
            std::fs::set_permissions(path, all).expect("a socket of the test's own");
            socket
        };
        let paths = [&granted, &closed].map(|dir| dir.file("socket"));
        let servers = [server(&paths[0]), server(&paths[1])];
        let name = format!("jail-udp-{}-{user:?}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let hidden = UnixDatagram::bind_addr(&address).expect("a socket");
        hidden.set_nonblocking(true).expect("an open socket");
        let arrived =
            |socket: &UnixDatagram| std::iter::from_fn(|| socket.recv(&mut [0; 8]).ok()).count();
        let script = scene.script("unix.py", UNIX);
        // Directories alone take ABI 9, with ports of UDP 10.
        let tried = abis().into_iter();
        let tried = tried.flat_map(|abi| [(abi, 9, ""), (abi, 10, "\"udp://*:9\", ")]);
        for (round, (abi, least, udp)) in tried.enumerate() {
            let policy = scene.policy(&format!(
                "connect = [{udp}\"unix:{}\"]",
                granted.path().display()
            ));
            let own = scene.at(&format!("own-{round}"));
            let command = [&python, &script, &paths[0], &paths[1], &name, &own];
            let run = scene.within(user, &policy, &command);
            let ran = with(run, abi).output().ends_with(0);
            // Landlock's scope answers EPERM, and its right for paths is not about sockets of the jail.
            let used = abi
                .map_or(newest, |abi| abi.parse().expect("a number"))
                .min(newest);
            let by_landlock = used >= least;
            let [scope, own] = match by_landlock {
                true => ["EPERM", "sent"],
                false => ["EACCES"; 2],
            };
            assert_eq!(
                ran.out,
                format!(
                    "granted sent sent sent\nclosed EACCES EACCES EACCES\n\
                     abstract {scope} {scope} EACCES\nown {own} {own} EACCES\n"
                ),
                "{abi:?}, {user:?}\n{}",
                ran.err
            );
            assert_eq!(arrived(&servers[0]), 3);
            assert_eq!(arrived(&servers[1]) + arrived(&hidden), 0);
        }
    }
}

/// Connects the socket that it inherits as stdin, and sends.
const INHERITED: &str = r#"
import errno, socket, sys
s = socket.socket(fileno=0)
try:
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.send(b"x")
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])
"#;

/// Makes a socket of a protocol its stdin, and executes a command; 3: the kernel has no such protocol.
const PASSES: &str = r#"
import os, socket, sys
kind, protocol = map(int, sys.argv[1:3])
try:
    s = socket.socket(socket.AF_INET, kind, protocol)
except OSError:
    sys.exit(3)
os.dup2(s.fileno(), 0)
os.execv(sys.argv[3], sys.argv[3:])
"#;

#[test]
fn an_inherited_socket_is_connected_to_no_port_that_no_entry_names() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let script = scene.script("inherited.py", INHERITED);
    let passes = scene.script("passes.py", PASSES);
    let good = Receiver::new();
    scene.policy(&format!("connect = [\"*:{}\", \"unix:*\"]", good.port));
    let kinds = [
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP, "udp://"),
        (libc::SOCK_STREAM, libc::IPPROTO_MPTCP, ""),
    ];
    for user in users() {
        for (kind, protocol, scheme) in kinds {
            let hidden = Receiver::new();
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.set_nonblocking(true).expect("an open socket");
            let port = match kind {
                libc::SOCK_STREAM => listener.local_addr().expect("its address").port(),
                _ => hidden.port,
            };
            let [kind, protocol, port] =
                [kind, protocol, port.into()].map(|number| number.to_string());
            let passed = [&python, &passes, &kind, &protocol];
            let jail = [scene.jail(), "--policy", "net.toml", "--"];
            let words = passed.map(String::as_str).into_iter().chain(jail);
            let words = words.chain([python.as_str(), &script, &port]);
            let ran = scene.outside(user, &words.collect::<Vec<_>>()).output();
            if ran.code() == Some(3) {
                crate::not_tested!("an inherited socket of protocol {protocol}: there is none");
                continue;
            }
            let ran = ran.ends_with(0);
            assert_eq!(ran.out, "EACCES\n", "{protocol}: {}", ran.err);
            let peer = format!("connect to {scheme}127.0.0.1:{port}");
            match scheme {
                // No entry can allow it.
                "" => drop(ran.complains(&format!("jail: denied {peer} "))),
                _ => denied(&ran, &peer, "default of base"),
            }
            assert!(listener.accept().is_err() && hidden.arrived() == 0);
        }
    }
}

/// Confines itself by Landlock, starts a thread, and connects a TCP socket.
const CONFINED: &str = r#"
import ctypes, errno, socket, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
create, restrict, make_block, no_new_privs = 444, 446, 1 << 11, 38
handled = struct.pack("Q", make_block)
ruleset = libc.syscall(create, handled, len(handled), 0)
if ruleset < 0:
    sys.exit(3)
libc.prctl(no_new_privs, 1, 0, 0, 0)
libc.syscall(restrict, ruleset, 0)
threading.Thread(target=threading.Event().wait, daemon=True).start()
s = socket.socket()
try:
    s.connect(("127.0.0.1", int(sys.argv[1])))
    print("connected")
except OSError as error:
    print(errno.errorcode[error.errno])
"#;

/// The supervisor cannot connect for such a task, and a thread may put an inherited socket in the place of
/// the judged one: what that may reach, too, is then asked for.
#[test]
fn a_confined_program_connects_nothing_that_an_inherited_socket_may_not() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let script = scene.script("confined.py", CONFINED);
    let passes = scene.script("passes.py", PASSES);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    scene.policy(&format!("connect = [\"*:{port}\", \"unix:*\"]"));
    let [kind, protocol] = [libc::SOCK_DGRAM, libc::IPPROTO_UDP].map(|it| it.to_string());
    let passed = [&python, &passes, &kind, &protocol].map(String::as_str);
    let port = port.to_string();
    let words = [
        scene.jail(),
        "--policy",
        "net.toml",
        "--",
        &python,
        &script,
        &port,
    ];
    for user in users() {
        let alone = scene.outside(user, &words).output();
        if alone.code() == Some(3) {
            crate::not_tested!("a program that confines itself: this kernel has no Landlock");
            return;
        }
        assert_eq!(alone.ends_with(0).out, "connected\n");
        let heir = [&passed[..], &words[..]].concat();
        let ran = scene.outside(user, &heir).output().ends_with(0);
        assert_ne!(ran.out, "connected\n", "{}", ran.err);
    }
}
