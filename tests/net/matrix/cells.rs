//! Runs the cells, each in a jail of its own, and compares.

use super::contract::{
    COLUMNS, Column, DEFAULT, Expected, Passed, ROWS, Row, Says, Verdict, broken, may_lack, policy,
    verdict,
};
use super::peers::{Own, Peer, free_port, peers};
use super::table::{Cell, table};
use super::{address, raw};
use crate::support::landlock::{abi, lacks};
use crate::support::part::Part;
use crate::support::{Dir, JAIL, Ran, Run, example, is_root, plain, token};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The peers of a cell.
pub struct Ends {
    /// As the probe names them.
    peer: String,
    other: String,
    /// As the policy names them.
    pub entry: String,
    pub other_entry: String,
    /// As an entry of `deny` names the peer.
    pub closed: String,
    /// As a message names the peer.
    shown: String,
    /// Where what is sent must arrive.
    listener: Option<String>,
}

/// The kernel has sent it, and has not received it: a route that it does not take, for one.
const LOST: &str = "sent, but not arrived";

/// The number of a row, a column, and whether the probe has threads.
type At = (usize, Column, bool);

/// How a cell went.
struct Answer {
    text: String,
    err: String,
    policy: String,
    /// Where the policy was.
    file: String,
    ends: Ends,
    token: String,
}

/// Panics unless every cell is as promised.
#[track_caller]
pub fn hold(title: &str, landlock: Option<&str>) {
    if lacks(landlock) {
        return;
    }
    let outside = outside();
    let version = landlock.map_or_else(abi, |_| 0);
    let part = Part::asked();
    let asked = |(row, column, threads): At| {
        let place = COLUMNS.iter().position(|&known| known == column);
        part.has([row, place.unwrap_or_default(), threads.into()])
    };
    let mut inside: Vec<At> = places(|column| column != Column::Outside);
    inside.retain(|&at| asked(at));
    let answers = run(&inside, landlock);
    let mut cells = BTreeMap::new();
    let mut wrong = Vec::new();
    for (number, row) in ROWS.iter().enumerate() {
        for (place, &column) in COLUMNS.iter().enumerate() {
            let both = [false, true].map(|threads| {
                let at = (number, column, threads);
                if column != Column::Outside && !asked(at) {
                    return Cell {
                        answer: "-".to_owned(),
                        because: "",
                    };
                }
                let without = outside.get(&key((number, Column::Outside, threads)));
                let without = without.map_or("", |answer| &answer.text);
                let verdict = verdict(row, column, threads, version);
                let found = match column {
                    Column::Outside => outside.get(&key(at)),
                    _ => answers.get(&key(at)),
                };
                let Some(answer) = found else {
                    panic!("no answer for {} {}", row.name, column.name());
                };
                if let Some(why) = judged(row, column, &verdict, without, answer) {
                    let threads = if threads { ", threads" } else { "" };
                    wrong.push(format!(
                        "{}, {}{threads}: {why}\n{}{}\n",
                        row.name,
                        column.name(),
                        answer.policy,
                        answer.err
                    ));
                }
                Cell {
                    answer: answer.text.clone(),
                    because: verdict.because,
                }
            });
            cells.insert((number, place), both);
        }
    }
    println!("{}", table(title, &cells));
    assert!(
        wrong.is_empty(),
        "{title}: {} of {} cells break a promise\n{}",
        wrong.len(),
        answers.len() + outside.len(),
        wrong.join("\n")
    );
}

/// What is wrong with a cell.
fn judged(
    row: &Row,
    column: Column,
    verdict: &Verdict,
    outside: &str,
    answer: &Answer,
) -> Option<String> {
    let got = answer.text.as_str();
    if column == Column::Outside {
        let fails = got.starts_with('E') || got == LOST;
        let holds = got == "ok" || may_lack(row) && fails;
        return (!holds).then(|| format!("expected ok, got {got}"));
    }
    if row.passed == Passed::Raw && !is_root() {
        // There is no such socket to pass.
        return None;
    }
    if may_lack(row) && outside.starts_with('E') && got == outside {
        // It fails before there is anything to judge.
        return None;
    }
    if let Some(expected) = broken(verdict, outside, got) {
        return Some(format!("expected {expected}, got {got}"));
    }
    if got != "ok" && peers().arrived(&answer.token).is_some() {
        return Some(format!("{got}, and yet it arrived"));
    }
    let first = format!("{}-other", answer.token);
    if matches!(verdict.answer, Expected::FailsAfterOne(_)) && peers().arrives(&first).is_none() {
        return Some("what the other peer was sent has not arrived".to_owned());
    }
    let line = |start: &str| {
        if start == DEFAULT {
            return format!("[default of {}]", answer.file);
        }
        let number = answer
            .policy
            .lines()
            .position(|line| line.starts_with(start));
        format!("net.toml:{}", number.map_or(0, |number| number + 1))
    };
    let says = match verdict.says {
        Says::Nothing => vec![],
        Says::Line(start) => vec![line(start)],
        Says::LineAndPeer(start) => vec![line(start), answer.ends.shown.clone()],
        Says::Words(words) => vec![words.to_owned()],
    };
    says.into_iter()
        .find(|words| !answer.err.contains(words.as_str()))
        .map(|words| format!("stderr does not name {words}"))
}

fn places(columns: impl Fn(Column) -> bool) -> Vec<At> {
    let rows = 0..ROWS.len();
    rows.flat_map(|row| {
        let columns = COLUMNS.iter().filter(|column| columns(**column));
        columns
            .flat_map(move |&column| [false, true].map(|threads| (row, column, threads)))
            .collect::<Vec<At>>()
    })
    .collect()
}

/// Columns have no order of their own.
fn key((row, column, threads): At) -> (usize, &'static str, bool) {
    (row, column.name(), threads)
}

type Answers = BTreeMap<(usize, &'static str, bool), Answer>;

/// The answers without a jail.
fn outside() -> &'static Answers {
    static OUTSIDE: OnceLock<Answers> = OnceLock::new();
    OUTSIDE.get_or_init(|| run(&places(|column| column == Column::Outside), None))
}

/// Some at a time.
fn run(places: &[At], landlock: Option<&str>) -> Answers {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Answers::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&at) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = one(at, landlock);
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    answers.insert(key(at), answer);
                }
            });
        }
    });
    answers.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// One attempt.
fn one((number, column, threads): At, landlock: Option<&str>) -> Answer {
    let row = &ROWS[number];
    let scratch = Dir::new();
    let ends = ends(row, &scratch);
    let token = token();
    let dir = scratch.path().display().to_string();
    let policy = policy(row, column, &ends, probe(), &dir);
    let file = scratch.write("net.toml", &policy);
    let mut words = match passed(row) {
        Some(_) => [probe(), "passing", "7"].map(str::to_owned).to_vec(),
        None => vec![],
    };
    if column != Column::Outside {
        words.extend([JAIL.to_owned(), "--policy".to_owned(), file.clone()]);
        if row.passed != Passed::Nothing {
            words.extend(["--pass-fd", "7"].map(str::to_owned));
        }
        words.push("--".to_owned());
    }
    words.push(probe().to_owned());
    if threads {
        words.push("--threads".to_owned());
    }
    words.push(row.attempt.to_owned());
    words.extend([ends.peer.clone(), ends.other.clone(), token.clone()]);
    let mut run = plain(words);
    if let Some(socket) = passed(row) {
        match socket {
            Ok(socket) => run = run.stdin(socket),
            Err(errno) => {
                return Answer {
                    text: format!("{errno:?}: none to pass"),
                    err: String::new(),
                    policy,
                    file,
                    ends,
                    token,
                };
            }
        }
    }
    if let Some(abi) = landlock {
        run = run.env("JAIL_LANDLOCK_ABI", abi);
    }
    let ran = catch_unwind(AssertUnwindSafe(|| finish(run, row, &token)));
    let Ok((ran, reached)) = ran else {
        return Answer {
            text: "hangs".to_owned(),
            err: String::new(),
            policy,
            file,
            ends,
            token,
        };
    };
    let last = ran.out.lines().last().unwrap_or_default();
    let mut text = match (ran.code(), last.strip_prefix("errno ")) {
        (Some(159), _) if last.is_empty() || last.starts_with("at ") => "killed (159)".to_owned(),
        (Some(0), Some(errno)) => errno.to_owned(),
        (Some(0), None) => last.to_owned(),
        (code, _) => format!("code {code:?}"),
    };
    if let Err(errno) = reached {
        text = format!("{text}, unreachable: {errno:?}");
    }
    if text == "ok" && ends.listener.is_some() && peers().arrives(&token) != ends.listener {
        text = LOST.to_owned();
    }
    Answer {
        text,
        err: ran.err,
        policy,
        file,
        ends,
        token,
    }
}

/// Runs to the end, and reaches a probe that wants to be reached. Panics if it takes too long.
fn finish(run: Run, row: &Row, token: &str) -> (Ran, Result<(), Errno>) {
    let mut running = run.timeout(Duration::from_secs(20)).start();
    let mut reached = Ok(None);
    if matches!(row.peer, Peer::Own(_)) {
        running.until("a line, or its end", |running| {
            running.out().contains('\n') || running.has_ended()
        });
        let out = running.out();
        if let Some(at) = out.lines().find_map(|line| line.strip_prefix("at ")) {
            reached = reach(at, row, token).map(Some);
        }
    }
    // The connection stays until the probe has read from it.
    (running.finish(), reached.map(drop))
}

/// Whom a row is about, and how all name them.
fn ends(row: &Row, scratch: &Dir) -> Ends {
    if let Peer::Own(own) = row.peer {
        return own_ends(own, scratch);
    }
    let [peer, other] = peers().of(row.peer);
    let scheme = match row.peer {
        Peer::Udp4 | Peer::Udp6 => "udp://",
        _ => "",
    };
    let host = |end: &String| match (row.host, end.rsplit_once(':')) {
        ("", _) | (_, None) => end.clone(),
        (host, Some((_, port))) => format!("{host}:{port}"),
    };
    let mut ends = Ends {
        peer: host(&peer),
        other: host(&other),
        entry: format!("{scheme}{peer}"),
        other_entry: format!("{scheme}{other}"),
        closed: format!("{scheme}{peer}"),
        shown: format!("{scheme}{peer}"),
        // Some attempts send nothing.
        listener: (!["connect-nobody", "connect-no-other", "route-option"].contains(&row.attempt))
            .then_some(peer.clone()),
    };
    match (row.peer, row.passed) {
        (_, Passed::Raw) => {
            // What goes by way of a raw socket names no port.
            ends.entry = "udp://127.0.0.1".to_owned();
            ends.closed = "127.0.0.1".to_owned();
            ends.shown = "127.0.0.1:0".to_owned();
        }
        (_, Passed::Udp) => ends.other_entry = peers().of(Peer::Tcp4)[1].clone(),
        // No entry is about them.
        (Peer::Kernel | Peer::Vsock | Peer::Packet, _) => {
            ends.entry = "127.0.0.1:1".to_owned();
            ends.other_entry = ends.entry.clone();
            ends.closed = ends.entry.clone();
            if row.peer == Peer::Kernel {
                ends.listener = None;
            }
        }
        _ => {}
    }
    if row.peer == Peer::Vsock {
        // VMADDR_CID_LOCAL.
        ends.peer = format!("vsock:1:{}", peer.rsplit(':').next().unwrap_or_default());
    }
    ends
}

/// Ends of a probe that listens itself.
fn own_ends(own: Own, scratch: &Dir) -> Ends {
    let port = free_port(matches!(own, Own::Steered | Own::UnboundSteered));
    let other = free_port(false);
    let at = |host: &str| {
        let peer = format!("{host}:{port}");
        let other = format!("{host}:{other}");
        (peer.clone(), peer.clone(), other, peer)
    };
    let (peer, entry, other_entry, closed) = match own {
        Own::Tcp4 => at("127.0.0.1"),
        Own::Tcp6 => at("[::1]"),
        Own::Mapped => {
            let (_, entry, other, closed) = at("127.0.0.1");
            (format!("[::ffff:127.0.0.1]:{port}"), entry, other, closed)
        }
        // The host alone is not the wildcard; but who denies the host denies the wildcard.
        Own::Any4 | Own::Any6 => {
            let host = if own == Own::Any4 { "0.0.0.0" } else { "[::]" };
            let one = format!("127.0.0.1:{port}");
            (
                format!("{host}:{port}"),
                format!("{host}:{port}"),
                one.clone(),
                one,
            )
        }
        Own::Chosen => {
            let (_, _, other, _) = at("127.0.0.1");
            let chosen = "127.0.0.1:0".to_owned();
            (chosen.clone(), chosen, other, "127.0.0.1".to_owned())
        }
        Own::Steered => at("127.0.0.1"),
        Own::UnboundSteered => {
            let (_, entry, other, _) = at("0.0.0.0");
            // The attempt takes the port only.
            (entry.clone(), entry, other, format!("127.0.0.1:{port}"))
        }
        Own::Unbound => {
            let (_, _, other, _) = at("0.0.0.0");
            let chosen = "0.0.0.0:0".to_owned();
            (chosen.clone(), chosen, other, "*".to_owned())
        }
        Own::Udp4 | Own::Udp6 => {
            let host = if own == Own::Udp4 {
                "127.0.0.1"
            } else {
                "[::1]"
            };
            let (peer, _, other, _) = at(host);
            let entry = format!("udp://{peer}");
            (peer, entry.clone(), format!("udp://{other}"), entry)
        }
        Own::Path => {
            let path = format!("unix:{}", scratch.file("socket"));
            let other = format!("unix:{}", scratch.file("other"));
            (path.clone(), path.clone(), other, path)
        }
        Own::Abstract => {
            let name = format!("unix:@{}", token());
            (name.clone(), name.clone(), format!("{name}-other"), name)
        }
        Own::Nameless => {
            let any = "unix:@*".to_owned();
            (
                "unix:@".to_owned(),
                any.clone(),
                format!("unix:@{}", token()),
                any,
            )
        }
    };
    let shown = match own {
        Own::Mapped => entry.clone(),
        // Port 0 is what was asked for.
        Own::Steered => "127.0.0.1:".to_owned(),
        Own::Unbound | Own::UnboundSteered => "0.0.0.0:".to_owned(),
        // The message is about the file.
        Own::Path => peer.trim_start_matches("unix:").to_owned(),
        Own::Nameless => "unix:@".to_owned(),
        _ => match peer.strip_prefix("udp://") {
            Some(peer) => peer.to_owned(),
            None => peer.clone(),
        },
    };
    Ends {
        peer,
        other: "-".to_owned(),
        entry,
        other_entry,
        closed,
        shown,
        listener: None,
    }
}

/// What a row's probe inherits.
fn passed(row: &Row) -> Option<Result<OwnedFd, Errno>> {
    Some(match row.passed {
        Passed::Nothing => return None,
        Passed::Udp => raw::socket(libc::AF_INET, libc::SOCK_DGRAM, 0),
        Passed::Tcp => raw::socket(libc::AF_INET, libc::SOCK_STREAM, 0),
        Passed::Raw => raw::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
        Passed::Rights => raw::pair(libc::SOCK_STREAM).and_then(|(one, two)| {
            let socket = raw::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            raw::send_descriptor(&one, &socket)?;
            Ok(two)
        }),
    })
}

/// Sends the token to where the probe says that it is; the socket lives until the probe has it.
fn reach(at: &str, row: &Row, token: &str) -> Result<OwnedFd, Errno> {
    // Wildcards are reached at the address that the policy is about.
    let at = match at.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]" | "[::ffff:127.0.0.1]", port)) => format!("127.0.0.1:{port}"),
        _ => at.to_owned(),
    };
    let to = address::bytes(&at);
    let kind = match row.attempt {
        "bind-datagram" | "bind-nameless" => libc::SOCK_DGRAM,
        _ => libc::SOCK_STREAM,
    };
    let socket = raw::socket(address::domain(&to), kind, 0)?;
    raw::connect(&socket, &to)?;
    raw::send_to(&socket, token.as_bytes(), 0, &[])?;
    Ok(socket)
}

/// The probe program.
fn probe() -> &'static str {
    static PROBE: OnceLock<String> = OnceLock::new();
    PROBE.get_or_init(|| example("net"))
}
