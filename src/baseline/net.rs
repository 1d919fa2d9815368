//! Which calls the supervisor must see for peers, and which sockets cannot be created because no entry
//! of `[net]` is about them: one rule per class. The plan decides which classes a jail needs.

use super::terms::{EACH, any_of, is, masked};
use super::{Answer, Check, Rule, Watch, When};
use crate::condition::{Op, Test};
use crate::syscalls::{Errno, Width};

const PEERS: Answer = Answer::Check(Check::Peers);
const CLOSED: Answer = Answer::Close(Errno::EACCES);
/// The answer of a kernel that is built without them: programs fall back to TCP.
const UNKNOWN: Answer = Answer::Quiet(Errno::EPROTONOSUPPORT);

const AF_UNIX: u64 = libc::AF_UNIX as u64;
const AF_INET: u64 = libc::AF_INET as u64;
const AF_INET6: u64 = libc::AF_INET6 as u64;
// linux/socket.h: families whose addresses are internet addresses, and which [net] does not judge.
const AF_RDS: u64 = 21;
const AF_PPPOX: u64 = 24;
const AF_RXRPC: u64 = 33;
const AF_SMC: u64 = 43;
/// SOCK_TYPE_MASK of linux/net.h: above it are SOCK_NONBLOCK and SOCK_CLOEXEC.
const TYPE: u64 = 0xf;
const SOCK_STREAM: u64 = libc::SOCK_STREAM as u64;
const SOCK_DGRAM: u64 = libc::SOCK_DGRAM as u64;
const SOCK_RAW: u64 = libc::SOCK_RAW as u64;
const IPPROTO_TCP: u64 = libc::IPPROTO_TCP as u64;
const IPPROTO_UDP: u64 = libc::IPPROTO_UDP as u64;
const IPPROTO_MPTCP: u64 = 262;
const IPPROTO_SCTP: u64 = 132;
const IPPROTO_DCCP: u64 = 33;
const IPPROTO_L2TP: u64 = 115;
/// SMC behind a TCP socket (net/smc/smc_inet.c, Linux 6.11).
const IPPROTO_SMC: u64 = 256;
const IPPROTO_IP: u64 = libc::IPPROTO_IP as u64;
const TCP_ULP: u64 = libc::TCP_ULP as u64;
const IPPROTO_IPV6: u64 = libc::IPPROTO_IPV6 as u64;
// linux/in6.h: routing headers, which send a packet through other hosts.
const IPV6_RTHDR: u64 = 57;
const IPV6_2292PKTOPTIONS: u64 = 6;
const IPV6_2292RTHDR: u64 = 5;
/// linux/in.h: options of IPv4, source routes among them.
const IP_OPTIONS: u64 = 4;
const SOL_SOCKET: u64 = libc::SOL_SOCKET as u64;
const SO_PEEK_OFF: u64 = libc::SO_PEEK_OFF as u64;
const MSG_FASTOPEN: u64 = 0x2000_0000;

const fn kind(value: u64) -> Test {
    masked(1, TYPE, Op::Eq, value)
}

const fn not_kind(value: u64) -> Test {
    masked(1, TYPE, Op::Ne, value)
}

const fn is_not(arg: u8, value: u64) -> Test {
    Test {
        arg,
        width: Width::Dword,
        mask: None,
        op: Op::Ne,
        value,
    }
}

/// A pointer that is not NULL.
const fn given(arg: u8) -> Test {
    Test {
        arg,
        width: Width::Qword,
        mask: None,
        op: Op::Ne,
        value: 0,
    }
}

const fn rule(
    id: &'static str,
    syscalls: &'static [&'static str],
    when: When,
    answer: Answer,
    reason: &'static str,
    attack: &'static str,
) -> Rule {
    Rule {
        id,
        syscalls,
        when,
        answer,
        reason,
        attack,
    }
}

#[rustfmt::skip]
pub(super) static WATCHED: &[(Watch, Rule)] = &[
    (Watch::CONNECT, rule("connects", &["connect"], EACH, PEERS, "its peer decides", "")),
    (Watch::SEND_TO, rule("sends-to", &["sendto"],
        When { text: "dest_addr != NULL", any: &[&[given(4)]] }, PEERS, "its peer decides", "")),
    (Watch::SEND_MESSAGE, rule("sends-messages", &["sendmsg", "sendmmsg"], EACH, PEERS, "its peers decide", "")),
    (Watch::FAST_OPEN, rule("opens-fast-to", &["sendto", "sendmmsg"],
        When { text: "(flags & MSG_FASTOPEN) != 0", any: &[&[any_of(3, MSG_FASTOPEN)]] }, PEERS,
        "it connects", "sendto with MSG_FASTOPEN connects past Landlock")),
    (Watch::FAST_OPEN, rule("opens-fast", &["sendmsg"],
        When { text: "(flags & MSG_FASTOPEN) != 0", any: &[&[any_of(2, MSG_FASTOPEN)]] }, PEERS,
        "it connects", "sendmsg with MSG_FASTOPEN connects past Landlock")),
    (Watch::BIND, rule("binds", &["bind"], EACH, PEERS, "its address decides", "")),
    (Watch::LISTEN, rule("listens", &["listen"], EACH, PEERS, "the address of its socket decides", "")),

    (Watch::SOCKETS, rule("makes-sockets", &["socket", "socketpair"],
        When {
            text: "TCP, UDP, or datagrams of AF_UNIX",
            any: &[
                &[is(0, AF_INET), kind(SOCK_STREAM)],
                &[is(0, AF_INET6), kind(SOCK_STREAM)],
                &[is(0, AF_INET), kind(SOCK_DGRAM)],
                &[is(0, AF_INET6), kind(SOCK_DGRAM)],
                &[is(0, AF_UNIX), kind(SOCK_DGRAM)],
                &[is(0, AF_UNIX), kind(SOCK_RAW)],
            ],
        },
        Answer::Check(Check::Socket), "an entry for another peer may close its kind", "")),
    (Watch::NO_INTERNET, rule("no-internet", &["socket", "socketpair"],
        When { text: "domain in {AF_INET, AF_INET6}", any: &[&[is(0, AF_INET)], &[is(0, AF_INET6)]] },
        CLOSED, "nothing in [net] is about internet addresses", "")),
    (Watch::NO_STREAMS, rule("no-tcp", &["socket", "socketpair"],
        When {
            text: "domain in {AF_INET, AF_INET6} && (type & 0xf) == SOCK_STREAM",
            any: &[&[is(0, AF_INET), kind(SOCK_STREAM)], &[is(0, AF_INET6), kind(SOCK_STREAM)]],
        },
        CLOSED, "nothing in [net] is about TCP", "")),
    (Watch::NO_DATAGRAMS, rule("no-udp", &["socket", "socketpair"],
        When {
            text: "domain in {AF_INET, AF_INET6} && (type & 0xf) == SOCK_DGRAM",
            any: &[&[is(0, AF_INET), kind(SOCK_DGRAM)], &[is(0, AF_INET6), kind(SOCK_DGRAM)]],
        },
        CLOSED, "nothing in [net] is about UDP; name lookups only probe with such a socket", "")),
    // unix(7): the kernel treats SOCK_RAW as SOCK_DGRAM.
    (Watch::NO_UNIX_DATAGRAMS, rule("no-unix-datagrams", &["socket", "socketpair"],
        When {
            text: "domain == AF_UNIX && (type & 0xf) in {SOCK_DGRAM, SOCK_RAW}",
            any: &[&[is(0, AF_UNIX), kind(SOCK_DGRAM)], &[is(0, AF_UNIX), kind(SOCK_RAW)]],
        },
        CLOSED, "nothing in [net] is about datagrams; each could name another peer", "")),
    (Watch::NO_OTHERS, rule("no-other-protocols", &["socket", "socketpair"],
        When {
            text: "domain in {AF_INET, AF_INET6} && neither TCP nor UDP",
            any: &[
                &[is(0, AF_INET), not_kind(SOCK_STREAM), not_kind(SOCK_DGRAM)],
                &[is(0, AF_INET6), not_kind(SOCK_STREAM), not_kind(SOCK_DGRAM)],
                &[is(0, AF_INET), kind(SOCK_STREAM), is_not(2, 0), is_not(2, IPPROTO_TCP)],
                &[is(0, AF_INET6), kind(SOCK_STREAM), is_not(2, 0), is_not(2, IPPROTO_TCP)],
                &[is(0, AF_INET), kind(SOCK_DGRAM), is_not(2, 0), is_not(2, IPPROTO_UDP)],
                &[is(0, AF_INET6), kind(SOCK_DGRAM), is_not(2, 0), is_not(2, IPPROTO_UDP)],
            ],
        },
        CLOSED, "[net] is about TCP and UDP", "a raw socket sends to any address, whatever it is")),
    (Watch::NO_DETOURS, rule("no-multipath", &["socket"],
        When {
            text: "protocol in {IPPROTO_MPTCP, IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_SMC, IPPROTO_L2TP}",
            any: &[&[is(2, IPPROTO_MPTCP)], &[is(2, IPPROTO_SCTP)], &[is(2, IPPROTO_DCCP)],
                   &[is(2, IPPROTO_SMC)], &[is(2, IPPROTO_L2TP)]],
        },
        // mptcp: RFC 8684, ADD_ADDR; sctp(7): SCTP_SOCKOPT_CONNECTX takes addresses by setsockopt.
        UNKNOWN, "such a connection goes on to addresses that no call names",
        "an MPTCP peer announces further addresses, and the kernel connects to them")),
    (Watch::NO_DETOURS, rule("no-internet-by-other-names", &["socket"],
        When {
            text: "domain in {AF_SMC, AF_RDS, AF_RXRPC, AF_PPPOX}",
            any: &[&[is(0, AF_SMC)], &[is(0, AF_RDS)], &[is(0, AF_RXRPC)], &[is(0, AF_PPPOX)]],
        },
        Answer::Quiet(Errno::EAFNOSUPPORT), "its addresses are internet addresses",
        "AF_SMC connects by TCP where no other rule checks")),
    (Watch::NO_DETOURS, rule("no-routing-headers", &["setsockopt"],
        When {
            text: "level == IPPROTO_IPV6 && optname in {IPV6_RTHDR, IPV6_2292RTHDR, IPV6_2292PKTOPTIONS} || level == IPPROTO_IP && optname == IP_OPTIONS",
            any: &[&[is(1, IPPROTO_IPV6), is(2, IPV6_RTHDR)], &[is(1, IPPROTO_IPV6), is(2, IPV6_2292RTHDR)],
                   &[is(1, IPPROTO_IPV6), is(2, IPV6_2292PKTOPTIONS)], &[is(1, IPPROTO_IP), is(2, IP_OPTIONS)]],
        },
        // net/ipv6/ipv6_sockglue.c: type 4, segment routing, needs no capability.
        // ip(7): source routes need no capability in most kernels.
        Answer::Deny(Errno::EPERM), "a routing header sends packets through other hosts",
        "packets to an allowed peer pass through any host that the header names")),
    (Watch::NO_DETOURS, rule("no-upper-layers", &["setsockopt"],
        When {
            text: "level == IPPROTO_TCP && optname == TCP_ULP",
            any: &[&[is(1, IPPROTO_TCP), is(2, TCP_ULP)]],
        },
        // tcp_set_ulp of net/ipv4/tcp_ulp.c: the answer if the layer is not built.
        Answer::Quiet(Errno::ENOENT), "the name of the layer over TCP is in memory",
        "the layer smc makes a TCP socket one that no other rule checks")),
    (Watch::NAMES, rule("no-peek-offset", &["setsockopt"],
        When {
            text: "level == SOL_SOCKET && optname == SO_PEEK_OFF",
            any: &[&[is(1, SOL_SOCKET), is(2, SO_PEEK_OFF)]],
        },
        // socket(7): for UDP since Linux 4.7. The answer of a kernel without it.
        Answer::Quiet(Errno::ENOPROTOOPT), "the supervisor reads a resolver's answer from its first byte",
        "a peek that starts within a datagram finds whatever answer the question contained")),
];

/// A protection of names: no process in the jail can answer in place of a resolver.
pub static NO_RESOLVERS: Rule = rule(
    "no-resolvers",
    &[],
    EACH,
    Answer::Deny(Errno::EACCES),
    "names stand for the addresses that resolvers answer, and port 53 is reserved for resolvers",
    // IP_PKTINFO of ip(7): a socket may set any address of the host as the source of a datagram.
    "a datagram from port 53 of this host that claims the resolver's address as its source",
);
