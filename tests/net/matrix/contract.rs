//! The rows of the matrix, the policies of its columns, and what the policy language promises for
//! each cell.
//!
//! It must follow from the language and from how-it-works.md alone, never from what jail does.

use super::cells::Ends;
use super::peers::{Own, Peer};
use crate::support::kernel::is_at_least;
use Promise::{Closed, Fast, Governed, Kind, Lite, Mixed, Open, Raw, RawInherited, Route};

/// One way to reach somebody.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// As the probe calls it.
    pub attempt: &'static str,
    pub peer: Peer,
    /// How the attempt names the peer's host; empty: as it is.
    pub host: &'static str,
    /// The descriptor that the jail passes on.
    pub passed: Passed,
    pub promise: Promise,
}

/// What the probe inherits as a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    Nothing,
    /// A TCP socket.
    Tcp,
    /// A unix socket, from which a TCP socket can be received.
    Rights,
    /// A UDP socket, where the policy leaves TCP open.
    Udp,
    /// A raw socket, which only root can make.
    Raw,
}

/// What the language says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// `[net]` judges the peer.
    Governed,
    /// The same; but where another thread could change the address it fails as where fast open is
    /// switched off, and programs connect.
    Fast,
    /// The same, after a message to another peer, which is sent.
    Mixed,
    /// Names nobody: never denied.
    Open,
    /// Whatever the policy: this errno.
    Closed(&'static str),
    /// A family that `[[rule]]` governs, and whether `base` allows it.
    Kind(&'static str, bool),
    /// Neither TCP nor UDP: no entry can allow it, one that denies a host does deny it.
    Lite,
    /// The same, and the kernel asks for a capability.
    Raw,
    /// The same, with a socket that needs none any more.
    RawInherited,
    /// The peer is judged, and then no packet may go by way of others.
    Route,
}

const fn row(name: &'static str, attempt: &'static str, peer: Peer, promise: Promise) -> Row {
    Row {
        name,
        attempt,
        peer,
        host: "",
        passed: Passed::Nothing,
        promise,
    }
}

const fn to(host: &'static str, row: Row) -> Row {
    Row { host, ..row }
}

const fn with(passed: Passed, row: Row) -> Row {
    Row { passed, ..row }
}

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("connect TCP v4",               "connect-stream",      Peer::Tcp4, Governed),
    row("connect TCP v6",               "connect-stream",      Peer::Tcp6, Governed),
    to("[::ffff:127.0.0.1]", row("connect TCP v4-mapped", "connect-stream", Peer::Tcp4, Governed)),
    to("0.0.0.0", row("connect TCP 0.0.0.0", "connect-stream", Peer::Tcp4, Governed)),
    to("[::]", row("connect TCP [::]",  "connect-stream",      Peer::Tcp6, Governed)),
    row("connect TCP nonblocking",      "connect-nonblocking", Peer::Tcp4, Governed),
    row("connect TCP after AF_UNSPEC",  "connect-again",       Peer::Tcp4, Governed),
    row("connect TCP AF_UNSPEC alone",  "connect-nobody",      Peer::Tcp4, Open),
    row("connect TCP_FASTOPEN_CONNECT", "connect-fast",        Peer::Tcp4, Governed),
    row("sendto MSG_FASTOPEN v4",       "sendto-fast",         Peer::Tcp4, Fast),
    row("sendto MSG_FASTOPEN v6",       "sendto-fast",         Peer::Tcp6, Fast),
    row("sendmsg MSG_FASTOPEN v4",      "sendmsg-fast",        Peer::Tcp4, Fast),
    row("sendmsg MSG_FASTOPEN v6",      "sendmsg-fast",        Peer::Tcp6, Fast),
    row("sendmmsg MSG_FASTOPEN v4",     "sendmmsg-fast",       Peer::Tcp4, Fast),
    row("connect MPTCP v4",             "connect-mptcp",       Peer::Tcp4, Closed("EPROTONOSUPPORT")),
    row("connect MPTCP v6",             "connect-mptcp",       Peer::Tcp6, Closed("EPROTONOSUPPORT")),
    row("connect SCTP v4",              "connect-sctp",        Peer::Sctp4, Closed("EPROTONOSUPPORT")),
    with(Passed::Tcp, row("connect TCP, inherited", "connect-inherited", Peer::Tcp4, Governed)),
    with(Passed::Rights, row("connect TCP, SCM_RIGHTS", "connect-received", Peer::Tcp4, Governed)),

    row("connect UDP v4, send",         "connect-datagram",    Peer::Udp4, Governed),
    row("connect UDP v6, send",         "connect-datagram",    Peer::Udp6, Governed),
    row("connect UDP again, send",      "connect-another",     Peer::Udp4, Governed),
    row("connect UDP AF_UNSPEC alone",  "connect-no-other",    Peer::Udp4, Open),
    row("sendto UDP v4",                "sendto",              Peer::Udp4, Governed),
    row("sendto UDP v6",                "sendto",              Peer::Udp6, Governed),
    row("sendto UDP v4 AF_UNSPEC",      "sendto-unspecified",  Peer::Udp4, Governed),
    row("sendto UDP v6 socket, AF_INET", "sendto-from-v6",     Peer::Udp4, Governed),
    to("[::ffff:127.0.0.1]", row("sendto UDP v4-mapped", "sendto", Peer::Udp4, Governed)),
    to("0.0.0.0", row("sendto UDP 0.0.0.0", "sendto",          Peer::Udp4, Governed)),
    row("sendmsg UDP v4",               "sendmsg",             Peer::Udp4, Governed),
    row("sendmsg UDP v6",               "sendmsg",             Peer::Udp6, Governed),
    row("sendmmsg UDP v4",              "sendmmsg",            Peer::Udp4, Governed),
    row("sendmmsg UDP v6",              "sendmmsg",            Peer::Udp6, Governed),
    row("sendmmsg UDP v4, mixed peers", "sendmmsg-mixed",      Peer::Udp4, Mixed),
    with(Passed::Udp, row("sendto UDP v4, inherited", "sendto-inherited", Peer::Udp4, Governed)),
    row("sendto UDP-Lite v4",           "sendto-udplite",      Peer::UdpLite4, Lite),

    row("connect unix stream path",     "connect-stream",      Peer::StreamPath, Governed),
    row("connect unix stream @",        "connect-stream",      Peer::StreamAbstract, Governed),
    row("connect unix seqpacket path",  "connect-seqpacket",   Peer::PacketsPath, Governed),
    row("connect unix seqpacket @",     "connect-seqpacket",   Peer::PacketsAbstract, Governed),
    row("connect unix dgram path, send", "connect-datagram",   Peer::DatagramPath, Governed),
    row("connect unix dgram @, send",   "connect-datagram",    Peer::DatagramAbstract, Governed),
    row("sendto unix dgram path",       "sendto",              Peer::DatagramPath, Governed),
    row("sendto unix dgram @",          "sendto",              Peer::DatagramAbstract, Governed),
    row("sendmsg unix dgram path",      "sendmsg",             Peer::DatagramPath, Governed),
    row("sendmsg unix dgram @",         "sendmsg",             Peer::DatagramAbstract, Governed),
    row("sendmsg unix socketpair, path", "sendmsg-from-pair",  Peer::DatagramPath, Governed),
    row("sendmsg unix socketpair, @",   "sendmsg-from-pair",   Peer::DatagramAbstract, Governed),
    row("sendmmsg unix dgram path",     "sendmmsg",            Peer::DatagramPath, Governed),
    row("sendmmsg unix dgram @",        "sendmmsg",            Peer::DatagramAbstract, Governed),
    row("sendmmsg unix path, mixed",    "sendmmsg-mixed",      Peer::DatagramPath, Mixed),

    row("bind, listen TCP v4",          "listen",              Peer::Own(Own::Tcp4), Governed),
    row("bind, listen TCP v6",          "listen",              Peer::Own(Own::Tcp6), Governed),
    row("bind, listen TCP v4-mapped",   "listen",              Peer::Own(Own::Mapped), Governed),
    row("bind, listen TCP 0.0.0.0",     "listen",              Peer::Own(Own::Any4), Governed),
    row("bind, listen TCP [::]",        "listen",              Peer::Own(Own::Any6), Governed),
    row("bind AF_UNSPEC, listen TCP",   "listen-unspecified",  Peer::Own(Own::Any4), Governed),
    row("bind port 0, listen TCP",      "listen-chosen",       Peer::Own(Own::Chosen), Governed),
    row("bind port 0 by range, listen", "listen-chosen",       Peer::Own(Own::Steered), Governed),
    row("listen TCP without bind",      "listen-unbound",      Peer::Own(Own::Unbound), Governed),
    row("listen without bind by range", "listen-unbound",      Peer::Own(Own::UnboundSteered), Governed),
    row("bind UDP v4",                  "bind-datagram",       Peer::Own(Own::Udp4), Governed),
    row("bind UDP v6",                  "bind-datagram",       Peer::Own(Own::Udp6), Governed),
    row("bind, listen unix path",       "listen",              Peer::Own(Own::Path), Governed),
    row("bind, listen unix @",          "listen",              Peer::Own(Own::Abstract), Governed),
    row("bind unix dgram path",         "bind-datagram",       Peer::Own(Own::Path), Governed),
    row("bind unix dgram @",            "bind-datagram",       Peer::Own(Own::Abstract), Governed),
    row("bind unix, no name (autobind)", "bind-nameless",      Peer::Own(Own::Nameless), Governed),

    row("sendto raw v4",                "raw",                 Peer::Udp4, Raw),
    with(Passed::Raw, row("sendto raw v4, inherited", "raw-inherited", Peer::Udp4, RawInherited)),
    row("sendto packet socket",         "packet",              Peer::Packet, Kind("AF_PACKET", false)),
    row("send netlink route",           "netlink",             Peer::Kernel, Kind("AF_NETLINK", true)),
    row("connect vsock",                "connect-vsock",       Peer::Vsock, Kind("AF_VSOCK", false)),
    row("io_uring_setup",               "io-uring",            Peer::Kernel, Closed("ENOSYS")),
    row("setsockopt IPV6_RTHDR",        "route-option",        Peer::Udp6, Closed("EPERM")),
    row("sendmsg IPV6_RTHDR as control", "route-control",      Peer::Udp6, Route),
];

/// A policy for the peer of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// No jail.
    Outside,
    /// `default = "deny"`, and an entry for exactly that peer.
    Allowed,
    /// `default = "deny"`, and an entry for another peer.
    Denied,
    /// `default = "allow"`, and an entry in `deny`.
    Entry,
    /// The entries of `Allowed` and of `Entry`.
    Over,
    /// The same, with the action `kill`.
    Killed,
    /// `default = "deny"`, and no `[net]`.
    Nothing,
}

pub const COLUMNS: &[Column] = &[
    Column::Outside,
    Column::Allowed,
    Column::Denied,
    Column::Entry,
    Column::Over,
    Column::Killed,
    Column::Nothing,
];

impl Column {
    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "no jail",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Entry => "deny entry",
            Self::Over => "deny over allow",
            Self::Killed => "kill entry",
            Self::Nothing => "no [net]",
        }
    }
}

/// The action of the entries that deny, unless they kill: no kernel answers it on loopback.
pub const OWN: &str = "ENETUNREACH";

/// The policy of a cell. `probe` may be executed, and files be made in `dir` where the peer is one.
pub fn policy(row: &Row, column: Column, ends: &Ends, probe: &str, dir: &str) -> String {
    let by_rule = matches!(row.promise, Kind(..));
    let open =
        column == Column::Entry || by_rule && matches!(column, Column::Allowed | Column::Over);
    let mut text = match open {
        true => "default = \"allow\"\n".to_owned(),
        false => format!(
            "default = \"deny\"\nextends = [\"base\"]\n\n[fs]\nexec = [\"{probe}\"]\n{}",
            match column {
                Column::Denied | Column::Nothing => String::new(),
                _ => format!("write = [\"{dir}\"]\n"),
            }
        ),
    };
    if column == Column::Nothing {
        return text;
    }
    let action = match column {
        Column::Killed => "kill",
        _ => OWN,
    };
    if let Kind(family, _) = row.promise {
        // [net] is there, and about something else.
        text += "\n[net]\ndeny = [\"127.0.0.1:1\"]\n";
        if column == Column::Over {
            text += "\n[syscalls]\nsocket = \"allow\"\n";
        }
        if matches!(column, Column::Entry | Column::Over | Column::Killed) {
            text += &format!(
                "\n[[rule]]\nsyscall = \"socket\"\nwhen = \"domain == {family}\"\naction = \"{action}\"\n"
            );
        }
        return text;
    }
    let (list, key) = match row.peer {
        Peer::Own(_) => ("listen", "on"),
        _ => ("connect", "to"),
    };
    text += "\n[net]\n";
    match column {
        Column::Denied => text += &format!("{list} = [\"{}\"]\n", ends.other_entry),
        Column::Entry => {}
        _ => text += &format!("{list} = [\"{}\", \"{}\"]\n", ends.other_entry, ends.entry),
    }
    if matches!(column, Column::Entry | Column::Over | Column::Killed) {
        let closed = &ends.closed;
        text += &format!("deny = [{{ {key} = \"{closed}\", action = \"{action}\" }}]\n");
    }
    text
}

/// What a cell must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub answer: Expected,
    /// What else is to be said of it.
    pub because: &'static str,
    /// What stderr must name.
    pub says: Says,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The peer is reached.
    Reached,
    /// As without a jail, where the kernel may lack it.
    AsOutside,
    /// The call fails with this.
    Fails(&'static str),
    /// The call fails with this after one message to the other peer.
    FailsAfterOne(&'static str),
    /// The jail ends with 159.
    Killed,
}

/// What stderr must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Nothing,
    /// The line that begins so; of the default, its file.
    Line(&'static str),
    /// The same, and the endpoint.
    LineAndPeer(&'static str),
    /// These words.
    Words(&'static str),
}

/// The beginnings of lines.
pub const DEFAULT: &str = "default = ";
const ENTRY: &str = "deny = ";
const RULE: &str = "[[rule]]";

fn cell(answer: Expected, because: &'static str, says: Says) -> Verdict {
    Verdict {
        answer,
        because,
        says,
    }
}

fn fails(errno: &'static str, because: &'static str, says: Says) -> Verdict {
    cell(Expected::Fails(errno), because, says)
}

/// The promise for a cell of a jail with this ABI of Landlock.
pub fn verdict(row: &Row, column: Column, threads: bool, landlock: u64) -> Verdict {
    let own = matches!(row.peer, Peer::Own(_));
    let unix = row.attempt == "sendmsg-from-pair" || is_unix(row.peer);
    // Landlock alone decides about such datagrams, and reports nothing.
    let silent = landlock >= 9 && unix && row.attempt.starts_with("send");
    match (row.promise, column) {
        (_, Column::Outside) => cell(Expected::AsOutside, "", Says::Nothing),
        (Open, Column::Nothing) => fails("EACCES", "no socket", Says::Line(DEFAULT)),
        (Open, _) => cell(Expected::Reached, "names nobody", Says::Nothing),

        (Closed("EPERM"), Column::Nothing) => fails("EACCES", "no socket", Says::Line(DEFAULT)),
        (Closed("EPERM"), _) => fails("EPERM", "closed", Says::Words("IPV6_RTHDR")),
        (Closed(errno), _) => fails(errno, "closed", Says::Nothing),

        (Kind("AF_PACKET", _), Column::Allowed) => fails("EPERM", "no capability", Says::Nothing),
        (Kind(..), Column::Allowed) => cell(Expected::AsOutside, "", Says::Nothing),
        (Kind(_, true), Column::Denied | Column::Nothing) => {
            cell(Expected::Reached, "[syscalls] governs", Says::Nothing)
        }
        (Kind(_, false), Column::Denied | Column::Nothing) => {
            fails("EAFNOSUPPORT", "a rule of base", Says::Words("[base:"))
        }
        (Kind(..), Column::Entry | Column::Over) => fails(OWN, "by rule", Says::Line(RULE)),
        (Kind(..), Column::Killed) => cell(Expected::Killed, "by rule", Says::Line(RULE)),

        (Lite, Column::Entry) => fails(OWN, "", Says::LineAndPeer(ENTRY)),
        (Raw, Column::Entry) => fails("EPERM", "no capability", Says::Nothing),
        (Lite | Raw, _) => fails("EACCES", "closed", Says::Line(DEFAULT)),
        (RawInherited, Column::Allowed) => {
            fails("EACCES", "neither TCP nor UDP", Says::LineAndPeer(DEFAULT))
        }
        (Route, Column::Allowed) => fails("EPERM", "closed", Says::Nothing),

        // An older kernel does not tell whether other processes share the memory with the address.
        (Fast, Column::Allowed) if threads || !is_at_least(6, 11) => {
            fails("EOPNOTSUPP", "programs connect", Says::Nothing)
        }
        (_, Column::Allowed) => cell(Expected::Reached, "", Says::Nothing),
        (_, Column::Nothing) if silent && row.peer == Peer::DatagramAbstract => {
            fails("EPERM", "by Landlock", Says::Nothing)
        }
        (_, Column::Nothing) if silent => fails("EACCES", "by Landlock", Says::Nothing),
        // The other peer comes first.
        (Mixed, Column::Nothing) if unix => fails("EACCES", "", Says::Line(DEFAULT)),
        (Mixed, Column::Denied) => cell(
            Expected::FailsAfterOne("EACCES"),
            "",
            Says::LineAndPeer(DEFAULT),
        ),
        (Mixed, Column::Entry | Column::Over) => {
            cell(Expected::FailsAfterOne(OWN), "", Says::LineAndPeer(ENTRY))
        }
        (_, Column::Nothing) if row.passed == Passed::Nothing && !unix && !own => {
            fails("EACCES", "no socket", Says::Line(DEFAULT))
        }
        (_, Column::Nothing) if own && !unix => fails("EACCES", "no socket", Says::Line(DEFAULT)),
        (_, Column::Denied | Column::Nothing) => fails("EACCES", "", Says::LineAndPeer(DEFAULT)),
        (_, Column::Entry | Column::Over) => fails(OWN, "", Says::LineAndPeer(ENTRY)),
        (_, Column::Killed) => cell(Expected::Killed, "", Says::LineAndPeer(ENTRY)),
    }
}

fn is_unix(peer: Peer) -> bool {
    matches!(
        peer,
        Peer::StreamPath
            | Peer::StreamAbstract
            | Peer::DatagramPath
            | Peer::DatagramAbstract
            | Peer::PacketsPath
            | Peer::PacketsAbstract
            | Peer::Own(Own::Path | Own::Abstract | Own::Nameless)
    )
}

/// What the kernel of a host may lack, or keep for root: an attempt that fails without a jail proves
/// nothing, and the table says so.
pub fn may_lack(row: &Row) -> bool {
    matches!(
        row.attempt,
        "connect-mptcp"
            | "connect-sctp"
            | "connect-vsock"
            | "sendto-udplite"
            | "raw"
            | "raw-inherited"
            | "packet"
            | "io-uring"
            | "route-option"
            | "route-control"
    )
    // IP_LOCAL_PORT_RANGE is of Linux 6.3.
    || matches!(row.peer, Peer::Own(Own::Steered | Own::UnboundSteered))
}

/// What is expected, if the answer is not it. `outside` is the one without a jail.
pub fn broken(verdict: &Verdict, outside: &str, got: &str) -> Option<String> {
    let expected = match &verdict.answer {
        Expected::Reached => "ok".to_owned(),
        Expected::AsOutside => outside.to_owned(),
        Expected::Fails(errno) => (*errno).to_owned(),
        Expected::FailsAfterOne(errno) => format!("{errno} after 1"),
        Expected::Killed => "killed (159)".to_owned(),
    };
    (got != expected).then_some(expected)
}

#[test]
fn a_promise_can_be_broken() {
    let row = &ROWS[0];
    let broken = |column, got| broken(&verdict(row, column, false, 0), "ok", got).is_some();
    assert!(broken(Column::Allowed, "EACCES") && !broken(Column::Allowed, "ok"));
    assert!(broken(Column::Denied, "ok") && !broken(Column::Denied, "EACCES"));
    assert!(broken(Column::Denied, "EPERM") && broken(Column::Denied, "EACCES, but arrived"));
    assert!(broken(Column::Entry, "EACCES") && !broken(Column::Entry, OWN));
    assert!(broken(Column::Killed, OWN) && !broken(Column::Killed, "killed (159)"));
}
