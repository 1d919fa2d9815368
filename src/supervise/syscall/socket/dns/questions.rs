//! The questions that a command sends to a resolver, as they lie in its memory, where they can change at
//! any time: nothing that is allowed may rest on them.

use crate::net::{Protocol, dns};
use crate::sys::memory;
use crate::syscalls::op::{Op, Peer};
use crate::trace::{Registers, Tid};

/// The most bytes of a call that are searched for questions, and the most pieces.
const MOST_SENT: u64 = 1024;
const MOST_PIECES: u64 = 8;
/// The most messages of a call that are searched.
const MOST_MESSAGES: u64 = 4;

/// Where the messages lie that a call sends.
pub enum Send {
    Whole(u64, u64),
    Pieces(u64, u64),
    /// In the pieces of headers: where the first is, and how many there are.
    Messages(u64, u64),
}

impl Send {
    pub fn of(registers: &Registers) -> Option<Send> {
        let call = registers.call();
        let [_, data, count, ..] = call.args;
        Some(match call.op() {
            Op::Write | Op::Peer(Peer::Sendto) => Send::Whole(data, count),
            Op::Writev => Send::Pieces(data, count),
            Op::Peer(Peer::Sendmsg) => Send::Messages(data, 1),
            Op::Peer(Peer::Sendmmsg) => Send::Messages(data, count),
            _ => return None,
        })
    }

    /// The first bytes of each message, as they are now.
    pub fn messages(&self, tid: Tid) -> Vec<Vec<u8>> {
        match *self {
            Send::Whole(at, length) => vec![start(tid, at, length)],
            Send::Pieces(at, count) => vec![joined(tid, at, count)],
            Send::Messages(at, count) => (0..count.min(MOST_MESSAGES))
                .filter_map(|place| {
                    // `struct mmsghdr`; in it the pieces come after the name and its length.
                    let header = at.wrapping_add(64 * place);
                    let pieces = word(tid, header.wrapping_add(16))?;
                    let count = word(tid, header.wrapping_add(24))?;
                    Some(joined(tid, pieces, count))
                })
                .collect(),
        }
    }
}

/// The first of these bytes.
fn start(tid: Tid, at: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; length.min(MOST_SENT) as usize];
    let read = memory::read(tid, at, &mut bytes).unwrap_or(0);
    bytes.truncate(read);
    bytes
}

/// The first bytes in the pieces of an iovec.
fn joined(tid: Tid, at: u64, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in 0..count.min(MOST_PIECES) {
        let piece = at.wrapping_add(16 * place);
        let (Some(at), Some(length)) = (word(tid, piece), word(tid, piece.wrapping_add(8))) else {
            break;
        };
        let room = MOST_SENT.saturating_sub(bytes.len() as u64);
        bytes.extend(start(tid, at, length.min(room)));
    }
    bytes
}

fn word(tid: Tid, at: u64) -> Option<u64> {
    let mut word = [0; 8];
    memory::read_all(tid, at, &mut word).ok()?;
    Some(u64::from_ne_bytes(word))
}

/// The questions in bytes that are sent: over TCP each after its length, or one whose length was sent
/// before.
pub fn questions(sent: &[u8], protocol: Protocol) -> Vec<dns::Question> {
    let queries = |messages: Vec<&[u8]>| -> Vec<dns::Question> {
        let queries = messages.into_iter().filter(|one| dns::is_query(one));
        queries.filter_map(dns::question).collect()
    };
    let framed = match protocol {
        Protocol::Tcp => queries(dns::messages(sent).0),
        Protocol::Udp | Protocol::Lite | Protocol::Other => Vec::new(),
    };
    match framed.is_empty() {
        true => queries(vec![sent]),
        false => framed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_found_with_their_length_and_without() {
        let question = |name: &str| dns::Question {
            name: name.to_owned(),
            kind: dns::TYPE_A,
        };
        let message = |name| dns::query(7, &question(name)).expect("a query");
        let framed = |name| {
            let message = message(name);
            [&(message.len() as u16).to_be_bytes()[..], &message].concat()
        };
        let two = [framed("a.example"), framed("b.example")].concat();
        let both = [question("a.example"), question("b.example")];
        let tcp = |sent: &[u8]| questions(sent, Protocol::Tcp);
        assert_eq!(tcp(&two), both);
        assert_eq!(tcp(&message("a.example")), both[..1]);
        // The second is cut off.
        assert_eq!(tcp(&two[..two.len() - 1]), both[..1]);
        assert!(tcp(&two[..2]).is_empty() && tcp(&[]).is_empty());
        let udp = |sent: &[u8]| questions(sent, Protocol::Udp);
        assert_eq!(udp(&message("a.example")), both[..1]);
        assert!(udp(&two).is_empty());
        let mut response = message("a.example");
        response[2] |= 0x80;
        assert!(udp(&response).is_empty());
    }
}
