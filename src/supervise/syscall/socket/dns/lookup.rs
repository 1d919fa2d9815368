//! What the supervisor looks up by itself, on a thread of its own: the names of the policy as the host's
//! programs do (nss: /etc/hosts, DNS and whatever else is configured), and questions that the command has
//! put to a resolver, put to the same resolver again over TCP, where no other process can answer in its place.
//!
//! The answers arrive on sockets of this process, which no task of the jail can read from or write to.

use crate::net::dns::{self, Question};
use crate::nss;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

/// What is found by nss tells no time: a lease has a longer least time.
const NO_TTL: Duration = Duration::ZERO;
/// How long a denied call waits for a look-up, from its beginning, and how long a resolver has to answer
/// all questions.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// A look-up that ended later than that is not made again.
const FRESH: Duration = Duration::from_secs(2);
/// How often a question is asked at most: many resolvers give other addresses each time.
const MOST_ASKED: u16 = 4;

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A name, as the host knows it.
    Name(String),
    /// A question to a resolver, over TCP.
    Answer(SocketAddr, Question),
}

/// The addresses of a name.
pub struct LookedUp {
    pub name: String,
    /// Each with how long it holds.
    pub addresses: Vec<(IpAddr, Duration)>,
    pub at: Instant,
}

/// Looks things up, one after another, on a thread that is there from the start: another jail of the
/// same user may have used up the processes that the user may have (RLIMIT_NPROC) by the time it is needed.
/// The thread ends with the searcher.
#[derive(Default)]
pub struct Searcher {
    thread: Option<Thread>,
    /// When the look-up that is under way was begun.
    begun: Option<Instant>,
    ended: Option<Instant>,
}

struct Thread {
    wanted: Sender<Search>,
    found: Receiver<Message>,
}

struct Search {
    wanted: Vec<Wanted>,
    until: Instant,
}

enum Message {
    Found(LookedUp),
    End(Instant),
}

impl Searcher {
    /// Without a thread nothing is known, and what is not known is denied.
    pub fn start() -> Searcher {
        let (wanted, searches) = channel();
        let (sender, found) = channel();
        let started = std::thread::Builder::new()
            .name("jail-names".to_owned())
            .spawn(move || search(&searches, &sender));
        Searcher {
            thread: started.is_ok().then_some(Thread { wanted, found }),
            ..Searcher::default()
        }
    }

    /// Whether a look-up has ended so recently that another would tell nothing new, or is under way.
    pub fn is_fresh(&self) -> bool {
        self.is_running() || self.ended.is_some_and(|ended| ended.elapsed() < FRESH)
    }

    /// Whether a look-up is under way.
    pub fn is_running(&self) -> bool {
        self.begun.is_some()
    }

    /// Since when a look-up has been under way, if its answer is still worth waiting for.
    pub fn waited_for(&self) -> Option<Duration> {
        let since = self.begun?.elapsed();
        (since < PATIENCE).then_some(since)
    }

    /// Begins a look-up, unless one is under way or there is nothing to look up.
    pub fn begin(&mut self, wanted: Vec<Wanted>) {
        if wanted.is_empty() || self.is_running() {
            return;
        }
        let begun = Instant::now();
        let until = begun + PATIENCE;
        let thread = self.thread.as_ref();
        match thread.map(|thread| thread.wanted.send(Search { wanted, until })) {
            Some(Ok(())) => self.begun = Some(begun),
            Some(Err(_)) | None => self.ended = Some(begun),
        }
    }

    /// What has been found since. Never waits.
    pub fn found(&mut self) -> Option<LookedUp> {
        self.begun?;
        let ended = match self.thread.as_ref()?.found.try_recv() {
            Ok(Message::Found(found)) => return Some(found),
            Ok(Message::End(at)) => at,
            Err(TryRecvError::Disconnected) => Instant::now(),
            Err(TryRecvError::Empty) => return None,
        };
        self.begun = None;
        self.ended = Some(ended);
        None
    }
}

fn search(searches: &Receiver<Search>, sender: &Sender<Message>) {
    while let Ok(Search { wanted, until }) = searches.recv() {
        look_up(wanted, until, sender);
    }
}

fn look_up(wanted: Vec<Wanted>, until: Instant, sender: &Sender<Message>) {
    for wanted in wanted {
        let (name, addresses) = match wanted {
            Wanted::Name(name) => {
                let found = named(&name);
                (name, found)
            }
            Wanted::Answer(resolver, question) => {
                let found = answered(resolver, &question, until).unwrap_or_default();
                (question.name, found)
            }
        };
        let at = Instant::now();
        let found = LookedUp {
            name,
            addresses,
            at,
        };
        if sender.send(Message::Found(found)).is_err() {
            return;
        }
    }
    let _ = sender.send(Message::End(Instant::now()));
}

fn named(name: &str) -> Vec<(IpAddr, Duration)> {
    let found = nss::addresses(name).into_iter();
    found.map(|address| (address, NO_TTL)).collect()
}

/// Asks until nothing new is answered.
fn answered(
    resolver: SocketAddr,
    question: &Question,
    until: Instant,
) -> io::Result<Vec<(IpAddr, Duration)>> {
    let mut stream = TcpStream::connect_timeout(&resolver, left(until)?)?;
    let mut all: Vec<(IpAddr, Duration)> = Vec::new();
    let first = RandomState::new().hash_one(&question.name) as u16;
    for count in 0..MOST_ASKED {
        let id = first.wrapping_add(count);
        // What was answered before counts, whatever becomes of this one.
        let Ok(addresses) = stop(&mut stream, id, question, until) else {
            break;
        };
        let known = all.len();
        for (address, ttl) in addresses {
            if all.iter().all(|(other, _)| *other != address) {
                all.push((address, Duration::from_secs(ttl.into())));
            }
        }
        if all.len() == known {
            break;
        }
    }
    Ok(all)
}

/// The addresses of one answer.
fn stop(
    stream: &mut TcpStream,
    id: u16,
    question: &Question,
    until: Instant,
) -> io::Result<Vec<(IpAddr, u32)>> {
    let message = dns::query(id, question).ok_or(io::ErrorKind::InvalidInput)?;
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(&[&length.to_be_bytes(), message.as_slice()].concat())?;
    let mut length = [0; 2];
    read_exact(stream, &mut length, until)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    read_exact(stream, &mut message, until)?;
    dns::answer(&message)
        .filter(|answer| answer.id == id && answer.name == question.name)
        .map(|answer| answer.addresses)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads as Read::read_exact does, and no longer than until then: a peer may send a byte at a time.
fn read_exact(stream: &mut TcpStream, buffer: &mut [u8], until: Instant) -> io::Result<()> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    const LONG: Duration = Duration::from_secs(20);

    fn question() -> Question {
        Question {
            name: "a.example".to_owned(),
            kind: dns::TYPE_A,
        }
    }

    /// A resolver that gives these addresses in turn, byte by byte, with its id changed by `shift`.
    fn resolver(last: &'static [u8], shift: u8) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("a peer");
            for last in last.iter().cycle() {
                let mut query = [0; 2 + 12 + 11 + 4];
                if peer.read_exact(&mut query).is_err() {
                    return;
                }
                let mut answer = query.to_vec();
                answer[1] += 16;
                answer[3] = answer[3].wrapping_add(shift);
                answer[4] = 0x81;
                answer[9] = 1;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, *last]);
                for byte in answer {
                    if peer.write_all(&[byte]).is_err() {
                        return;
                    }
                }
            }
        });
        address
    }

    fn found(resolver: SocketAddr, patience: Duration) -> Vec<u8> {
        let found = answered(resolver, &question(), Instant::now() + patience);
        let last = |(ip, _): &(IpAddr, Duration)| match ip {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => 0,
        };
        found.expect("a connection").iter().map(last).collect()
    }

    #[test]
    fn a_question_is_asked_until_nothing_new_is_answered() {
        assert_eq!(found(resolver(&[1], 0), LONG), [1]);
        assert_eq!(found(resolver(&[1, 2], 0), LONG), [1, 2]);
        assert_eq!(found(resolver(&[1, 2, 3, 4, 5, 6], 0), LONG), [1, 2, 3, 4]);
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        assert!(found(resolver(&[1], 1), LONG).is_empty());
    }

    #[test]
    fn a_resolver_that_does_not_answer_is_given_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        assert!(found(address, Duration::from_millis(50)).is_empty());
    }

    #[test]
    fn a_searcher_makes_one_search_at_a_time_and_never_waits() {
        let mut searcher = Searcher::start();
        assert!(!searcher.is_fresh() && searcher.found().is_none());
        let wanted = vec![Wanted::Answer(resolver(&[7], 0), question())];
        searcher.begin(wanted.clone());
        searcher.begin(wanted);
        let begun = Instant::now();
        let mut all = Vec::new();
        while searcher.is_running() && begun.elapsed() < LONG {
            all.extend(searcher.found());
            std::thread::sleep(Duration::from_millis(1));
        }
        let [found] = all.as_slice() else {
            panic!("{} found", all.len());
        };
        assert_eq!(found.name, "a.example");
        let expected = (IpAddr::from([192, 0, 2, 7]), Duration::from_secs(60));
        assert_eq!(found.addresses, [expected]);
        assert!(searcher.is_fresh() && searcher.waited_for().is_none());
    }

    #[test]
    fn without_a_thread_nothing_is_waited_for() {
        let mut searcher = Searcher::default();
        searcher.begin(vec![Wanted::Name("localhost".to_owned())]);
        assert!(!searcher.is_running() && searcher.waited_for().is_none());
        assert!(searcher.found().is_none() && searcher.is_fresh());
    }
}
