//! The table of attacks.

use super::acts::{
    Acting, CONTROL, Call, HEADER, HEADERS, Kind, NAME, NETLINK, OTHER, OTHER_CONTROL, TCP, TCP6,
    UDP, UDP6, UNIX, UNIX_DATAGRAM,
};
use super::place::{HERE, Place, THERE, name, unix, unspecified, v4, v6};
use super::turn;
use crate::raw::{self, Text, sockets};
use libc::MSG_FASTOPEN;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An attack.
pub struct Scene {
    pub name: &'static str,
    /// In memory that processes share, by another process.
    pub shared: bool,
    pub needs: Needs,
    pub make: fn(&Place, bool) -> Acting,
}

/// What can be expected of it.
#[derive(Clone, Copy)]
pub enum Needs {
    Nothing,
    /// Nothing that it asks for is ever allowed.
    Refusal,
    /// Landlock, to confine itself by.
    Landlock,
    /// Both.
    LandlockRefusal,
}

impl Needs {
    pub fn word(self) -> &'static str {
        match self {
            Needs::Nothing => "passes",
            Needs::Refusal => "never-passes",
            Needs::Landlock => "confined",
            Needs::LandlockRefusal => "confined-never-passes",
        }
    }
}

use Needs::{Landlock, LandlockRefusal, Nothing, Refusal};

const fn scene(
    name: &'static str,
    shared: bool,
    needs: Needs,
    make: fn(&Place, bool) -> Acting,
) -> Scene {
    Scene {
        name,
        shared,
        needs,
        make,
    }
}

const THREAD: bool = false;
const PROCESS: bool = true;
const CONNECT: Call = Call::Connect {
    nonblocking: false,
    bound: false,
};
const CONNECT_AT_ONCE: Call = Call::Connect {
    nonblocking: true,
    bound: false,
};
const CONNECT_BOUND: Call = Call::Connect {
    nonblocking: false,
    bound: true,
};
const SEND_TO: Call = Call::SendTo(0);
const SEND_FAST: Call = Call::SendTo(MSG_FASTOPEN);

#[rustfmt::skip]
pub const ALL: &[Scene] = &[
    // The bytes of the address.
    scene("connect-port",               THREAD,  Nothing, |it, by| port(CONNECT, TCP, it.tcp, it, by)),
    scene("connect-port-process",       PROCESS, Nothing, |it, by| port(CONNECT, TCP, it.tcp, it, by)),
    scene("connect-host",               THREAD,  Nothing, |it, by| host(CONNECT, TCP, it.tcp, by)),
    scene("connect-host-process",       PROCESS, Nothing, |it, by| host(CONNECT, TCP, it.tcp, by)),
    scene("connect-at-once-host",       THREAD,  Nothing, |it, by| host(CONNECT_AT_ONCE, TCP, it.tcp, by)),
    scene("connect-at-once-port-process", PROCESS, Nothing, |it, by| port(CONNECT_AT_ONCE, TCP, it.tcp, it, by)),
    scene("connect-mapped-host",        THREAD,  Nothing, |it, by| mapped(CONNECT, TCP6, it.tcp, by)),
    scene("connect-family",             THREAD,  Nothing, |it, by| family(CONNECT, TCP, it.tcp, by)),
    scene("connect-datagrams-host",     THREAD,  Nothing, |it, by| host(CONNECT, UDP, it.udp, by)),
    scene("connect-datagrams-port-process", PROCESS, Nothing, |it, by| port(CONNECT, UDP, it.udp, it, by)),
    scene("connect-unix-path",          THREAD,  Nothing, |it, by| path(CONNECT, UNIX, "r", it, by)),
    scene("connect-unix-path-process",  PROCESS, Nothing, |it, by| path(CONNECT, UNIX, "r", it, by)),
    scene("connect-abstract-name",      THREAD,  Nothing, |it, by| abstract_name(CONNECT, UNIX, it, by)),
    scene("sendto-port",                THREAD,  Nothing, |it, by| port(SEND_TO, UDP, it.udp, it, by)),
    scene("sendto-host",                THREAD,  Nothing, |it, by| host(SEND_TO, UDP, it.udp, by)),
    scene("sendto-host-process",        PROCESS, Nothing, |it, by| host(SEND_TO, UDP, it.udp, by)),
    scene("sendto-mapped-host",         THREAD,  Nothing, |it, by| mapped(SEND_TO, UDP6, it.udp, by)),
    scene("sendto-family",              THREAD,  Nothing, family_of_send),
    scene("sendto-unix-path",           THREAD,  Nothing, |it, by| path(SEND_TO, UNIX_DATAGRAM, "r", it, by)),
    scene("sendto-unix-path-process",   PROCESS, Nothing, |it, by| path(SEND_TO, UNIX_DATAGRAM, "r", it, by)),
    scene("sendto-abstract-name",       THREAD,  Nothing, |it, by| abstract_name(SEND_TO, UNIX_DATAGRAM, it, by)),
    scene("sendmsg-host",               THREAD,  Nothing, |it, by| host(Call::SendMessage, UDP, it.udp, by)),
    scene("sendmsg-port-process",       PROCESS, Nothing, |it, by| port(Call::SendMessage, UDP, it.udp, it, by)),
    scene("sendmsg-pointer",            THREAD,  Nothing, |it, by| pointer(Call::SendMessage, HEADERS, it, by)),
    scene("sendmsg-pointer-process",    PROCESS, Nothing, |it, by| pointer(Call::SendMessage, HEADERS, it, by)),
    scene("sendmsg-no-name",            THREAD,  Nothing, no_name),
    scene("sendmsg-no-name-process",    PROCESS, Nothing, no_name),
    scene("sendmsg-length",             THREAD,  Nothing, name_length),
    scene("sendmsg-unix-path",          THREAD,  Nothing, |it, by| path(Call::SendMessage, UNIX_DATAGRAM, "r", it, by)),
    scene("sendmsg-control",            THREAD,  Nothing, control),
    scene("sendmsg-control-process",    PROCESS, Nothing, control),
    scene("sendmsg-control-pointer",    THREAD,  Nothing, control_pointer),
    scene("sendmmsg-host",              THREAD,  Nothing, |it, by| host(Call::SendTwo, UDP, it.udp, by)),
    scene("sendmmsg-second-pointer",    THREAD,  Nothing, |it, by| pointer(Call::SendTwo, HEADERS + HEADER, it, by)),
    scene("sendmmsg-second-process",    PROCESS, Nothing, |it, by| pointer(Call::SendTwo, HEADERS + HEADER, it, by)),

    // The socket.
    scene("connect-swapped-udp-tcp",    THREAD,  Nothing, |it, by| here(Call::ConnectAgain, UDP, it.udp, by).swapped(TCP).start()),
    scene("connect-swapped-unix-tcp",   THREAD,  Refusal, |it, by| there(Call::ConnectAgain, UNIX, it.tcp, by).swapped(TCP).start()),
    scene("sendto-swapped-tcp-udp",     THREAD,  Nothing, |it, by| here(SEND_TO, TCP, it.tcp, by).connected(&v4(HERE, it.tcp)).swapped(UDP).start()),
    scene("sendto-swapped-unix-udp",    THREAD,  Refusal, |it, by| there(SEND_TO, UNIX_DATAGRAM, it.udp, by).swapped(UDP).start()),
    scene("sendto-swapped-netlink-udp", THREAD,  Refusal, |it, by| there(SEND_TO, NETLINK, it.udp, by).swapped(UDP).start()),
    scene("sendto-swapped-udp-path",    THREAD,  Refusal, |it, by| Acting::new(SEND_TO, UDP, &unix(it.path("r/bad/datagram")), by).swapped(UNIX_DATAGRAM).start()),
    scene("sendto-swapped-udp-abstract", THREAD, Refusal, |it, by| Acting::new(SEND_TO, UDP, &name(&it.bad_name()), by).swapped(UNIX_DATAGRAM).start()),
    scene("sendto-swapped-unspecified", THREAD,  Nothing, swapped_unspecified),
    scene("sendto-converted",           THREAD,  Nothing, converted),
    scene("sendto-fast-swapped-udp-tcp", THREAD, Nothing, |it, by| here(SEND_FAST, UDP, it.udp, by).swapped(TCP).start()),
    scene("sendto-fast-swapped-unix-tcp", THREAD, Refusal, |it, by| there(SEND_FAST, UNIX, it.tcp, by).swapped(TCP).start()),
    scene("sendmsg-swapped-tcp-udp",    THREAD,  Nothing, |it, by| here(Call::SendMessage, TCP, it.tcp, by).connected(&v4(HERE, it.tcp)).swapped(UDP).start()),
    scene("sendmsg-swapped-unix-udp",   THREAD,  Refusal, |it, by| there(Call::SendMessage, UNIX_DATAGRAM, it.udp, by).swapped(UDP).start()),
    scene("sendmmsg-swapped-unix-udp",  THREAD,  Refusal, |it, by| there(Call::SendTwo, UNIX_DATAGRAM, it.udp, by).swapped(UDP).start()),

    // What a path of a unix socket leads to.
    scene("connect-unix-directory",     PROCESS, Nothing, |it, _| directory(CONNECT, UNIX, "stream", it)),
    scene("connect-unix-link",          PROCESS, Nothing, |it, _| link(CONNECT, UNIX, "stream", it)),
    scene("connect-unix-file",          PROCESS, Nothing, |it, _| file(CONNECT, UNIX, "stream", it)),
    scene("connect-unix-cwd",           THREAD,  Nothing, |it, by| cwd(CONNECT, UNIX, "bad/stream", it, by)),
    scene("sendto-unix-directory",      PROCESS, Refusal, |it, _| directory(SEND_TO, UNIX_DATAGRAM, "datagram", it)),
    scene("sendto-unix-link",           PROCESS, Refusal, |it, _| link(SEND_TO, UNIX_DATAGRAM, "datagram", it)),
    scene("sendto-unix-file",           PROCESS, Refusal, |it, _| file(SEND_TO, UNIX_DATAGRAM, "datagram", it)),
    scene("sendto-unix-cwd",            THREAD,  Refusal, |it, by| cwd(SEND_TO, UNIX_DATAGRAM, "bad/datagram", it, by)),
    scene("sendmsg-unix-link",          PROCESS, Refusal, |it, _| link(Call::SendMessage, UNIX_DATAGRAM, "datagram", it)),

    // The unspecified address, which is whatever the socket is bound to: nothing turns.
    scene("connect-unspecified-bound",  THREAD,  Nothing, |it, by| Acting::new(CONNECT_BOUND, TCP, &v4(Ipv4Addr::UNSPECIFIED, it.tcp), by).with(OTHER, &v4(THERE, 0))),
    scene("connect-datagrams-unspecified-bound", THREAD, Nothing, |it, by| Acting::new(CONNECT_BOUND, UDP, &v4(Ipv4Addr::UNSPECIFIED, it.udp), by).with(OTHER, &v4(THERE, 0))),
    scene("sendto-unspecified-bound",   THREAD,  Nothing, |it, by| Acting::new(SEND_TO, UDP, &v4(Ipv4Addr::UNSPECIFIED, it.udp), by).bound(&v4(THERE, 0))),
    scene("sendmsg-unspecified-bound",  THREAD,  Nothing, |it, by| Acting::new(Call::SendMessage, UDP, &v4(Ipv4Addr::UNSPECIFIED, it.udp), by).bound(&v4(THERE, 0))),

    // Where to listen.
    scene("bind-port",                  THREAD,  Nothing, bind_port),
    scene("bind-port-process",          PROCESS, Nothing, bind_port),
    scene("bind-host",                  THREAD,  Nothing, |it, by| host(Call::Bind, TCP, it.own, by)),
    scene("bind-path",                  THREAD,  Nothing, |it, by| bind_path(&unix(it.path("w/bad/new")), it, by)),
    scene("bind-path-process",          PROCESS, Nothing, |it, by| bind_path(&unix(it.path("w/bad/new")), it, by)),
    scene("bind-path-abstract",         THREAD,  Nothing, |it, by| bind_path(&abstract_of(it), it, by)),
    scene("bind-path-swapped-udp",      THREAD,  Nothing, bind_swapped),
    scene("listen-swapped",             THREAD,  Nothing, listen_swapped),

    // By a task that has confined itself.
    scene("confined-connect-host",      THREAD,  LandlockRefusal, |it, by| confined(|| host(CONNECT, TCP, it.tcp, by))),
    scene("confined-connect-swapped-unix-tcp", THREAD, LandlockRefusal, |it, by| confined(|| there(Call::ConnectAgain, UNIX, it.tcp, by).swapped(TCP).start())),
    scene("confined-connect-swapped-udp-tcp", THREAD, LandlockRefusal, |it, by| confined(|| here(Call::ConnectAgain, UDP, it.udp, by).swapped(TCP).start())),
    scene("confined-bind-port",         THREAD,  Landlock, |it, by| confined(|| bind_port(it, by))),
    scene("confined-bind-path-swapped-udp", THREAD, Landlock, |it, by| confined(|| bind_swapped(it, by))),
    scene("confined-bind-swapped-unspecified", THREAD, LandlockRefusal, |it, by| confined(|| bind_unspecified(it, by))),
    scene("confined-listen-swapped",    THREAD,  Landlock, |it, by| confined(|| listen_swapped(it, by))),
];

/// Names HERE, or THERE, and nothing turns it.
fn here(call: Call, kind: Kind, port: u16, shared: bool) -> Acting {
    Acting::new(call, kind, &v4(HERE, port), shared)
}

fn there(call: Call, kind: Kind, port: u16, shared: bool) -> Acting {
    Acting::new(call, kind, &v4(THERE, port), shared)
}

fn turning(call: Call, kind: Kind, [good, bad]: [Vec<u8>; 2], shared: bool) -> Acting {
    let acting = Acting::new(call, kind, &good, shared);
    acting.bytes(NAME, &good, &bad).start()
}

fn port(call: Call, kind: Kind, port: u16, place: &Place, shared: bool) -> Acting {
    let both = [port, place.bad].map(|port| v4(HERE, port));
    turning(call, kind, both, shared)
}

fn host(call: Call, kind: Kind, port: u16, shared: bool) -> Acting {
    let both = [HERE, THERE].map(|host| v4(host, port));
    turning(call, kind, both, shared)
}

fn mapped(call: Call, kind: Kind, port: u16, shared: bool) -> Acting {
    let both = [Ipv6Addr::LOCALHOST, THERE.to_ipv6_mapped()].map(|host| v6(host, port));
    turning(call, kind, both, shared)
}

/// Nobody, then THERE.
fn family(call: Call, kind: Kind, port: u16, shared: bool) -> Acting {
    let bad = v4(THERE, port);
    turning(call, kind, [unspecified(bad.clone()), bad], shared)
}

/// Where AF_UNSPEC is no address: to an IPv6 socket.
fn family_of_send(place: &Place, shared: bool) -> Acting {
    let bad = v6(THERE.to_ipv6_mapped(), place.udp);
    let good = unspecified(bad.clone());
    let acting = Acting::new(SEND_TO, UDP6, &good, shared);
    let acting = acting.connected(&v6(Ipv6Addr::LOCALHOST, place.udp));
    acting.bytes(NAME, &good, &bad).start()
}

fn socket_of(kind: Kind) -> &'static str {
    match kind {
        UNIX => "stream",
        _ => "datagram",
    }
}

fn path(call: Call, kind: Kind, tree: &str, place: &Place, shared: bool) -> Acting {
    let both = ["pad", "bad"]
        .map(|directory| unix(place.path(&format!("{tree}/{directory}/{}", socket_of(kind)))));
    turning(call, kind, both, shared)
}

fn abstract_name(call: Call, kind: Kind, place: &Place, shared: bool) -> Acting {
    // Streams and datagrams have their names apart.
    let both = [place.good_name(), place.bad_name()].map(|text| name(&text));
    turning(call, kind, both, shared)
}

/// A message's name, by the pointer to it.
fn pointer(call: Call, header: usize, place: &Place, shared: bool) -> Acting {
    here(call, UDP, place.udp, shared)
        .with(OTHER, &v4(THERE, place.udp))
        .pointer(header, Some(NAME), OTHER)
        .start()
}

/// No name, on a socket that has a peer, and then one.
fn no_name(place: &Place, shared: bool) -> Acting {
    here(Call::SendMessage, UDP, place.udp, shared)
        .connected(&v4(HERE, place.udp))
        .with(OTHER, &v4(THERE, place.udp))
        .pointer(HEADERS, None, OTHER)
        .start()
}

/// The same by its length.
fn name_length(place: &Place, shared: bool) -> Acting {
    there(Call::SendMessage, UDP, place.udp, shared)
        .connected(&v4(HERE, place.udp))
        .bytes(HEADERS + 8, &[0], &[16])
        .start()
}

/// `struct cmsghdr` of IPv6.
fn ancillary(kind: i32) -> Vec<u8> {
    let mut bytes = 40_u64.to_ne_bytes().to_vec();
    bytes.extend(libc::IPPROTO_IPV6.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    // As a routing header: two words more, of a type that the kernel refuses.
    bytes.extend([0, 2, 77, 1]);
    bytes.resize(40, 0);
    bytes
}

/// A hop limit is refused for its length, too: it must be as long as an int.
fn hop_limit() -> Vec<u8> {
    let mut bytes = 20_u64.to_ne_bytes().to_vec();
    bytes.extend(libc::IPPROTO_IPV6.to_ne_bytes());
    bytes.extend(libc::IPV6_HOPLIMIT.to_ne_bytes());
    bytes.extend(64_i32.to_ne_bytes());
    bytes.resize(40, 0);
    bytes
}

fn with_control(place: &Place, shared: bool) -> Acting {
    let good = v6(Ipv6Addr::LOCALHOST, place.udp);
    let acting = Acting::new(Call::SendControl, UDP6, &good, shared);
    let at = acting.memory().at(CONTROL).to_ne_bytes();
    acting
        .with(HEADERS + 32, &at)
        .with(HEADERS + 40, &[24])
        .with(CONTROL, &hop_limit())
}

/// Control data turns into a routing header, which the kernel refuses for its length.
fn control(place: &Place, shared: bool) -> Acting {
    let both = [libc::IPV6_HOPLIMIT, libc::IPV6_RTHDR].map(|kind| kind.to_ne_bytes());
    let [good, bad] = both;
    with_control(place, shared)
        .bytes(CONTROL + 12, &good, &bad)
        .start()
}

fn control_pointer(place: &Place, shared: bool) -> Acting {
    with_control(place, shared)
        .with(OTHER_CONTROL, &ancillary(libc::IPV6_RTHDR))
        .pointer(HEADERS + 32, Some(CONTROL), OTHER_CONTROL)
        .start()
}

/// What is no address to a socket of IPv6 is one to one of IPv4.
fn swapped_unspecified(place: &Place, shared: bool) -> Acting {
    Acting::new(SEND_TO, UDP6, &unspecified(v4(THERE, place.udp)), shared)
        .connected(&v6(Ipv6Addr::LOCALHOST, place.udp))
        .swapped(UDP)
        .start()
}

/// The same, by one socket that is made one of IPv4 meanwhile.
fn converted(place: &Place, shared: bool) -> Acting {
    Acting::new(
        Call::SendToNew,
        UDP6,
        &unspecified(v4(THERE, place.udp)),
        shared,
    )
    .with(OTHER, &v6(HERE.to_ipv6_mapped(), place.udp))
    .converted()
    .start()
}

/// A true directory with the good socket changes places with a link to the bad directory.
fn directory(call: Call, kind: Kind, socket: &str, place: &Place) -> Acting {
    let [true_one, link] = ["w/turn", "w/link"].map(|name| place.path(name));
    let _ = std::fs::create_dir(&true_one);
    let _ = std::fs::hard_link(
        place.path(&format!("w/pad/{socket}")),
        true_one.join(socket),
    );
    let _ = std::os::unix::fs::symlink(place.path("w/bad"), &link);
    let acting = Acting::new(call, kind, &unix(true_one.join(socket)), false);
    let [true_one, link] = [true_one, link].map(Text::private);
    acting
        .turned(turn::exchange(true_one, link))
        .by_process()
        .start()
}

/// A link to its directory is made anew.
fn link(call: Call, kind: Kind, socket: &str, place: &Place) -> Acting {
    let link = place.path("w/dance");
    let _ = std::os::unix::fs::symlink(place.path("w/pad"), &link);
    let acting = Acting::new(call, kind, &unix(link.join(socket)), false);
    let [link, next, good, bad] =
        ["w/dance", "w/next", "w/pad", "w/bad"].map(|name| Text::private(place.path(name)));
    acting
        .turned(turn::dance(link, next, [good, bad]))
        .by_process()
        .start()
}

/// The socket itself changes places with a link.
fn file(call: Call, kind: Kind, socket: &str, place: &Place) -> Acting {
    let [own, link] = ["w/own", "w/link"].map(|name| place.path(name));
    let _ = std::fs::hard_link(place.path(&format!("w/pad/{socket}")), &own);
    let _ = std::os::unix::fs::symlink(place.path(&format!("w/bad/{socket}")), &link);
    let acting = Acting::new(call, kind, &unix(&own), false);
    let [own, link] = [own, link].map(Text::private);
    acting
        .turned(turn::exchange(own, link))
        .by_process()
        .start()
}

/// One relative path, and the directory that it starts in.
fn cwd(call: Call, kind: Kind, path: &str, place: &Place, shared: bool) -> Acting {
    let both = ["w/pad", "w"].map(|name| Text::private(place.path(name)));
    let _ = raw::change_directory(both[0]);
    Acting::new(call, kind, &unix(path), shared)
        .turned(turn::change_directory(both))
        .start()
}

fn bind_port(place: &Place, shared: bool) -> Acting {
    let both = [place.own, place.free].map(|port| v4(HERE, port));
    turning(Call::Bind, UDP, both, shared)
}

/// An abstract name as long as a path.
fn abstract_of(place: &Place) -> Vec<u8> {
    let mut bytes = unix(place.path("w/pad/new"));
    bytes[2] = 0;
    bytes
}

fn bind_path(bad: &[u8], place: &Place, shared: bool) -> Acting {
    let good = unix(place.path("w/pad/new"));
    turning(Call::Bind, UNIX, [good, bad.to_vec()], shared)
}

/// The path and the socket at once.
fn bind_swapped(place: &Place, shared: bool) -> Acting {
    let good = unix(place.path("w/pad/new"));
    Acting::new(Call::BindSwapped, UNIX, &good, shared)
        .bytes(NAME, &good, &v4(HERE, place.free))
        .swapped(UDP)
        .start()
}

fn listen_swapped(place: &Place, shared: bool) -> Acting {
    here(Call::Listen, TCP, place.own, shared)
        .bound(&v4(HERE, place.own))
        .swapped(TCP)
        .start()
}

/// What no socket of IPv6 can be bound to.
fn bind_unspecified(place: &Place, shared: bool) -> Acting {
    let address = unspecified(v4(Ipv4Addr::UNSPECIFIED, place.free));
    Acting::new(Call::BindSwapped, UDP6, &address, shared)
        .swapped(UDP)
        .start()
}

/// Under a Landlock domain of its own.
fn confined(make: impl FnOnce() -> Acting) -> Acting {
    sockets::confine().expect("Landlock is there");
    make()
}
