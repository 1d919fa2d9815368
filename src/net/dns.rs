//! DNS messages (RFC 1035), as far as names and addresses go. The input is untrusted: parsing never
//! panics, and its time and memory are bounded by the message and the constants here.

use std::collections::HashMap;
use std::net::IpAddr;

/// The port of resolvers.
pub const PORT: u16 = 53;

/// The longest message: its length has two bytes over TCP.
const MAX_MESSAGE: usize = 65_535;
/// How many records of the answer section are read.
const MAX_RECORDS: u16 = 512;
/// How many aliases may lead to an address.
const MAX_HOPS: usize = 16;
/// The longest name in wire format, including the length bytes and the root.
const MAX_NAME: usize = 255;
/// How many pointers a name may follow: as many as it can have labels.
const MAX_POINTERS: usize = 127;

const CLASS_IN: u16 = 1;
/// An IPv4 address.
pub const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
/// An IPv6 address.
pub const TYPE_AAAA: u16 = 28;

/// The header bits that mark a response, and the kind of query.
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;

/// A response to one question, as far as addresses go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The message's id.
    pub id: u16,
    /// The name that was asked for: lower case, no dot at its end. The root is empty.
    pub name: String,
    /// Its addresses, each with the minimum TTL in seconds along the chain of aliases that led to it.
    /// One per record, in the message's order; if several chains lead to a record, the one that lasts
    /// longest counts.
    pub addresses: Vec<(IpAddr, u32)>,
}

/// Reads a response without error about the one name of class IN that was asked for. Records about other
/// names are left out, and reading ends at a record that is truncated or malformed.
pub fn answer(message: &[u8]) -> Option<Answer> {
    let mut reader = Reader::new(message)?;
    let header = reader.header()?;
    if !header.is_plain_response() {
        return None;
    }
    let (name, _, class) = reader.question(&header)?;
    if class != CLASS_IN {
        return None;
    }
    let mut aliases = Vec::new();
    let mut found = Vec::new();
    for _ in 0..header.answers.min(MAX_RECORDS) {
        let Some(record) = reader.record() else { break };
        let Some(owner) = record.owner else { continue };
        match record.data {
            Data::Alias(target) => aliases.push((owner, target, record.ttl)),
            Data::Address(address) => found.push((owner, address, record.ttl)),
            Data::Other => {}
        }
    }
    let reached = reached(&name, &aliases);
    let addresses = found
        .iter()
        .filter_map(|(owner, address, ttl)| {
            let chain = reached.get(owner.as_str())?;
            Some((*address, *chain.min(ttl)))
        })
        .collect();
    Some(Answer {
        id: header.id,
        name,
        addresses,
    })
}

/// A question of class IN, as a program sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name: lower case, no dot at its end.
    pub name: String,
    /// The type of the records that are asked for.
    pub kind: u16,
}

/// The only question of a message of the standard kind of query, whatever its response code.
pub fn question(message: &[u8]) -> Option<Question> {
    let mut reader = Reader::new(message)?;
    let header = reader.header()?;
    if header.flags & OPCODE != 0 {
        return None;
    }
    let (name, kind, class) = reader.question(&header)?;
    (class == CLASS_IN).then_some(Question { name, kind })
}

/// Whether a message is a query; otherwise it is a response, or not a DNS message.
pub fn is_query(message: &[u8]) -> bool {
    Reader::new(message)
        .and_then(|mut reader| reader.header())
        .is_some_and(|header| header.flags & RESPONSE == 0)
}

/// A query with this question that requests recursion. `None`: the name cannot be encoded.
pub fn query(id: u16, question: &Question) -> Option<Vec<u8>> {
    let [high, low] = id.to_be_bytes();
    // Recursion desired; one question.
    let mut bytes = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let start = bytes.len();
    for label in question.name.split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if !(1..=63).contains(&length) {
            return None;
        }
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    if bytes.len() - start > MAX_NAME {
        return None;
    }
    bytes.extend(question.kind.to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    Some(bytes)
}

/// The whole messages at the start of a stream, each after its length in two bytes, and how many
/// bytes they take with their lengths.
pub fn messages(stream: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut messages = Vec::new();
    let mut rest = stream;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((message, after)) = after.split_at_checked(length) else {
            break;
        };
        messages.push(message);
        rest = after;
    }
    (messages, stream.len() - rest.len())
}

/// The names that aliases lead to from a name, itself included, and how long each holds.
fn reached<'a>(name: &'a str, aliases: &'a [(String, String, u32)]) -> HashMap<&'a str, u32> {
    let mut reached = HashMap::from([(name, u32::MAX)]);
    for _ in 0..MAX_HOPS {
        let mut further = reached.clone();
        for (owner, target, ttl) in aliases {
            if let Some(chain) = reached.get(owner.as_str()) {
                let ttl = *chain.min(ttl);
                let known = further.entry(target).or_insert(ttl);
                *known = ttl.max(*known);
            }
        }
        if further == reached {
            break;
        }
        reached = further;
    }
    reached
}

/// The fields of a header that matter here.
struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
}

impl Header {
    /// A response to a standard query, without error. It may be truncated.
    fn is_plain_response(&self) -> bool {
        const RCODE: u16 = 0x000f;
        self.flags & (RESPONSE | OPCODE | RCODE) == RESPONSE
    }
}

struct Record {
    /// The name; `None` if it is not plain.
    owner: Option<String>,
    ttl: u32,
    data: Data,
}

enum Data {
    Address(IpAddr),
    Alias(String),
    /// Another type or class, or data that its type does not have.
    Other,
}

enum Name {
    /// Lower case, with dots between its labels and none at its end.
    Plain(String),
    /// A label contains a dot, a backslash or a byte that is not visible ASCII: as text it would mean
    /// another name.
    Odd,
}

impl Name {
    fn plain(self) -> Option<String> {
        match self {
            Name::Plain(text) => Some(text),
            Name::Odd => None,
        }
    }
}

/// A message and the position of the reader. A function that returns None may have read a part.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(message: &'a [u8]) -> Option<Reader<'a>> {
        (message.len() <= MAX_MESSAGE).then_some(Reader { message, at: 0 })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = self.message.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*array)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn header(&mut self) -> Option<Header> {
        let header = Header {
            id: self.u16()?,
            flags: self.u16()?,
            questions: self.u16()?,
            answers: self.u16()?,
        };
        let _authorities_and_additional: [u8; 4] = self.array()?;
        Some(header)
    }

    /// The name, type and class of the only question.
    ///
    /// Its name must not contain pointers: a resolver may copy a question as it came, and a pointer
    /// leads to different places in the query and in the response.
    fn question(&mut self, header: &Header) -> Option<(String, u16, u16)> {
        if header.questions != 1 {
            return None;
        }
        let start = self.at;
        let name = self.name()?.plain()?;
        // A length before each label, and the root.
        let written = match name.len() {
            0 => 1,
            length => length + 2,
        };
        if self.at - start != written {
            return None;
        }
        Some((name, self.u16()?, self.u16()?))
    }

    fn record(&mut self) -> Option<Record> {
        let owner = self.name()?.plain();
        let kind = self.u16()?;
        let class = self.u16()?;
        let ttl = match u32::from_be_bytes(self.array()?) {
            // RFC 2181, section 8.
            0x8000_0000.. => 0,
            ttl => ttl,
        };
        let length = usize::from(self.u16()?);
        let end = self.at + length;
        let data = self.message.get(self.at..end)?;
        let data = match (class, kind) {
            (CLASS_IN, TYPE_A) => address::<4>(data),
            (CLASS_IN, TYPE_AAAA) => address::<16>(data),
            (CLASS_IN, TYPE_CNAME) => self.alias(end),
            _ => Data::Other,
        };
        self.at = end;
        Some(Record { owner, ttl, data })
    }

    /// The name that takes the bytes up to `end`.
    fn alias(&mut self, end: usize) -> Data {
        match self.name() {
            Some(Name::Plain(target)) if self.at == end => Data::Alias(target),
            _ => Data::Other,
        }
    }

    /// A name. None if it is truncated, too long, or has a pointer that does not point backwards.
    fn name(&mut self) -> Option<Name> {
        let mut text = String::new();
        let mut odd = false;
        let mut size = 1;
        let mut pointers = 0;
        let mut end = None;
        // Where the labels that are being read begin: a pointer must point before them.
        let mut start = self.at;
        let mut at = self.at;
        loop {
            let length = *self.message.get(at)?;
            match length {
                0 => break,
                1..=63 => {
                    let from = at + 1;
                    at = from + usize::from(length);
                    let label = self.message.get(from..at)?;
                    size += 1 + label.len();
                    if size > MAX_NAME {
                        return None;
                    }
                    if !text.is_empty() {
                        text.push('.');
                    }
                    odd |= !label.iter().copied().all(is_plain);
                    text.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
                }
                0xc0.. => {
                    let low = *self.message.get(at + 1)?;
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    pointers += 1;
                    if target >= start || pointers > MAX_POINTERS {
                        return None;
                    }
                    end.get_or_insert(at + 2);
                    start = target;
                    at = target;
                }
                _ => return None,
            }
        }
        self.at = end.unwrap_or(at + 1);
        Some(if odd { Name::Odd } else { Name::Plain(text) })
    }
}

fn address<const N: usize>(data: &[u8]) -> Data
where
    IpAddr: From<[u8; N]>,
{
    match <[u8; N]>::try_from(data) {
        Ok(octets) => Data::Address(octets.into()),
        Err(_) => Data::Other,
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'.' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE_DNAME: u16 = 39;
    const TYPE_HTTPS: u16 = 65;
    /// Where the name of the first question is.
    const QUESTION: u16 = 12;

    /// A message builder: a plain response unless its bytes are changed.
    #[derive(Clone)]
    struct Message(Vec<u8>);

    impl Message {
        fn empty() -> Message {
            let mut bytes = vec![0; 12];
            bytes[..4].copy_from_slice(&[0x12, 0x34, 0x81, 0x80]);
            Message(bytes)
        }

        fn to(name: &str) -> Message {
            Message::empty().question(&wire(name), 1)
        }

        fn count(mut self, field: usize) -> Message {
            let count = u16::from_be_bytes([self.0[field], self.0[field + 1]]) + 1;
            self.0[field..field + 2].copy_from_slice(&count.to_be_bytes());
            self
        }

        fn question(mut self, name: &[u8], class: u16) -> Message {
            self.0.extend_from_slice(name);
            self.0.extend_from_slice(&TYPE_A.to_be_bytes());
            self.0.extend_from_slice(&class.to_be_bytes());
            self.count(4)
        }

        fn record(mut self, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Message {
            self.0.extend_from_slice(owner);
            self.0.extend_from_slice(&kind.to_be_bytes());
            self.0.extend_from_slice(&CLASS_IN.to_be_bytes());
            self.0.extend_from_slice(&ttl.to_be_bytes());
            let length = u16::try_from(data.len()).expect("short data");
            self.0.extend_from_slice(&length.to_be_bytes());
            self.0.extend_from_slice(data);
            self.count(6)
        }

        fn a(self, owner: &str, ttl: u32, last: u8) -> Message {
            self.record(&wire(owner), TYPE_A, ttl, &[192, 0, 2, last])
        }

        fn cname(self, owner: &str, ttl: u32, target: &str) -> Message {
            self.record(&wire(owner), TYPE_CNAME, ttl, &wire(target))
        }

        fn flags(mut self, high: u8, low: u8) -> Message {
            self.0[2..4].copy_from_slice(&[high, low]);
            self
        }

        fn addresses(&self) -> Vec<(IpAddr, u32)> {
            answer(&self.0).expect("an answer").addresses
        }
    }

    fn wire(name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(u8::try_from(label.len()).expect("a short label"));
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
        bytes
    }

    fn pointer(target: u16) -> [u8; 2] {
        (0xc000 | target).to_be_bytes()
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn v6(last: u8) -> IpAddr {
        IpAddr::from(octets6(last))
    }

    fn octets6(last: u8) -> [u8; 16] {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        octets[15] = last;
        octets
    }

    /// A chain of two aliases to addresses of both families, with pointers, as servers send it.
    fn typical() -> Message {
        let message = Message::to("www.example.com");
        let target = u16::try_from(message.0.len() + 2 + 10).expect("an offset");
        let mut edge = b"\x04edge".to_vec();
        // `example.com`, after `www`.
        edge.extend_from_slice(&pointer(QUESTION + 4));
        let message = message.record(&pointer(QUESTION), TYPE_CNAME, 300, &edge);
        let second = u16::try_from(message.0.len() + 2 + 10).expect("an offset");
        message
            .record(&pointer(target), TYPE_CNAME, 60, &wire("node.cdn.example"))
            .record(&pointer(second), TYPE_A, 90, &[192, 0, 2, 1])
            .record(&pointer(second), TYPE_A, 30, &[192, 0, 2, 2])
            .record(&pointer(second), TYPE_AAAA, 90, &octets6(3))
    }

    #[test]
    fn addresses_of_both_families_are_read_with_their_ttl() {
        let message = Message::to("a.example").a("a.example", 300, 1).record(
            &wire("a.example"),
            TYPE_AAAA,
            60,
            &octets6(2),
        );
        let expected = Answer {
            id: 0x1234,
            name: "a.example".into(),
            addresses: vec![(v4(1), 300), (v6(2), 60)],
        };
        assert_eq!(answer(&message.0), Some(expected));
    }

    #[test]
    fn a_message_is_read_as_the_rfcs_lay_it_out() {
        let message = b"\xab\xcd\x81\x80\0\x01\0\x03\0\0\0\0\
            \x01a\x07example\0\0\x1c\0\x01\
            \xc0\x0c\0\x05\0\x01\0\0\x01\x2c\0\x04\x01b\xc0\x0e\
            \x01b\xc0\x0e\0\x01\0\x01\0\x01\0\0\0\x04\xc0\0\x02\x01\
            \x01B\xc0\x0e\0\x1c\0\x01\0\0\0\x3c\0\x10\
            \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02";
        let expected = Answer {
            id: 0xabcd,
            name: "a.example".into(),
            addresses: vec![(v4(1), 300), (v6(2), 60)],
        };
        assert_eq!(answer(message), Some(expected));
        let asked = Question {
            name: "a.example".into(),
            kind: TYPE_AAAA,
        };
        assert_eq!(question(message), Some(asked));
    }

    #[test]
    fn an_answer_may_have_no_addresses() {
        assert_eq!(Message::to("a.example").addresses(), []);
        let root = answer(&Message::to("").0).expect("an answer");
        assert_eq!(root.name, "");
    }

    #[test]
    fn the_least_ttl_of_a_chain_counts() {
        let expected = [(v4(1), 60), (v4(2), 30), (v6(3), 60)];
        assert_eq!(typical().addresses(), expected);
    }

    #[test]
    fn a_chain_may_come_in_any_order() {
        let message = Message::to("a.example")
            .a("d.example", 500, 1)
            .cname("c.example", 200, "d.example")
            .cname("a.example", 400, "b.example")
            .cname("b.example", 300, "c.example");
        assert_eq!(message.addresses(), [(v4(1), 200)]);
    }

    #[test]
    fn of_several_chains_the_one_that_lasts_longest_counts() {
        let message = Message::to("a.example")
            .a("z.example", 500, 1)
            .cname("a.example", 5, "z.example")
            .cname("a.example", 400, "b.example")
            .cname("b.example", 300, "z.example");
        assert_eq!(message.addresses(), [(v4(1), 300)]);
    }

    #[test]
    fn chains_are_followed_for_sixteen_aliases() {
        for (hops, expected) in [(16, vec![(v4(1), 9)]), (17, vec![])] {
            let mut message = Message::to("n0.example");
            for hop in (0..hops).rev() {
                let owner = format!("n{hop}.example");
                message = message.cname(&owner, 9, &format!("n{}.example", hop + 1));
            }
            let message = message.a(&format!("n{hops}.example"), 9, 1);
            assert_eq!(message.addresses(), expected, "{hops}");
        }
    }

    #[test]
    fn chains_that_loop_end() {
        let message = Message::to("a.example")
            .cname("a.example", 10, "b.example")
            .cname("b.example", 10, "a.example")
            .cname("b.example", 10, "b.example");
        assert_eq!(message.addresses(), []);
        assert_eq!(message.a("b.example", 30, 1).addresses(), [(v4(1), 10)]);
    }

    #[test]
    fn records_about_other_names_are_ignored() {
        let message = Message::to("a.example")
            .a("bank.example", 300, 1)
            .a("b.a.example", 300, 2)
            .a("example", 300, 3)
            .cname("c.example", 300, "bank.example")
            .a("a.example", 300, 4);
        assert_eq!(message.addresses(), [(v4(4), 300)]);
    }

    #[test]
    fn only_the_answer_section_counts() {
        let mut message = Message::to("a.example").a("a.example", 300, 1);
        message = message.a("a.example", 300, 2);
        // The second is in the additional section.
        message.0[7] = 1;
        message.0[11] = 1;
        assert_eq!(message.addresses(), [(v4(1), 300)]);
    }

    #[test]
    fn dnames_and_hints_are_ignored() {
        let message = Message::to("a.b.example")
            .record(&wire("b.example"), TYPE_DNAME, 60, &wire("c.example"))
            .a("a.c.example", 60, 1)
            .record(&wire("a.b.example"), TYPE_DNAME, 60, &wire("d.example"))
            .a("d.example", 60, 1)
            .record(
                &wire("a.b.example"),
                TYPE_HTTPS,
                60,
                b"\0\x01\0\0\x04\0\x04\xc0\0\x02\x01",
            );
        assert_eq!(message.addresses(), []);
    }

    #[test]
    fn records_of_another_class_are_ignored() {
        for kind in [TYPE_A, TYPE_CNAME] {
            let mut message = Message::to("a.example");
            let class = message.0.len() + wire("a.example").len() + 2;
            message = match kind {
                TYPE_A => message.a("a.example", 60, 1),
                _ => message.cname("a.example", 60, "b.example"),
            };
            message = message.a("b.example", 60, 1);
            assert_eq!(message.addresses(), [(v4(1), 60)], "{kind}");
            message.0[class + 1] = 3;
            assert_eq!(message.addresses(), [], "{kind}");
        }
    }

    #[test]
    fn case_makes_no_difference() {
        let message = Message::to("wWw.ExAmPlE")
            .cname("Www.eXample", 60, "CDN.example")
            .a("cdn.EXAMPLE", 60, 1);
        let answer = answer(&message.0).expect("an answer");
        assert_eq!(answer.name, "www.example");
        assert_eq!(answer.addresses, [(v4(1), 60)]);
    }

    #[test]
    fn a_ttl_with_its_top_bit_set_is_zero() {
        for (ttl, expected) in [(0x7fff_ffff, 0x7fff_ffff), (0x8000_0000, 0), (u32::MAX, 0)] {
            let message = Message::to("a.example").a("a.example", ttl, 1);
            assert_eq!(message.addresses(), [(v4(1), expected)]);
            let message = Message::to("a.example")
                .cname("a.example", ttl, "b.example")
                .a("b.example", 0x7fff_ffff, 1);
            assert_eq!(message.addresses(), [(v4(1), expected)]);
        }
    }

    #[test]
    fn queries_errors_and_other_kinds_are_no_answers() {
        let message = Message::to("a.example").a("a.example", 60, 1);
        let accepted = |high, low| answer(&message.clone().flags(high, low).0).is_some();
        assert!(accepted(0x80, 0) && accepted(0x87, 0xf0));
        assert!(!accepted(0x01, 0), "a query");
        assert!(!accepted(0x80, 3), "NXDOMAIN");
        assert!((1..=15).all(|code| !accepted(0x80, code)));
        assert!((1..=15).all(|opcode| !accepted(0x80 | opcode << 3, 0)));
    }

    #[test]
    fn a_truncated_response_is_read_as_far_as_it_goes() {
        let mut message = typical().flags(0x83, 0x80);
        message.0[7] += 1;
        assert_eq!(message.addresses(), typical().addresses());
    }

    #[test]
    fn there_must_be_one_question_of_class_in() {
        let name = wire("a.example");
        let two = Message::to("a.example").question(&name, CLASS_IN);
        assert_eq!((answer(&two.0), question(&two.0)), (None, None));
        let none = Message::empty().a("a.example", 60, 1);
        assert_eq!((answer(&none.0), question(&none.0)), (None, None));
        let chaos = Message::empty().question(&name, 3);
        assert_eq!(answer(&chaos.0), None);
    }

    #[test]
    fn questions_are_read_from_queries_and_responses() {
        let asked = Question {
            name: "www.example.com".to_owned(),
            kind: TYPE_A,
        };
        let message = Message::to("WWW.example.com").flags(0x01, 0);
        assert_eq!(question(&message.0), Some(asked.clone()));
        assert_eq!(question(&typical().0), Some(asked.clone()));
        assert_eq!(question(&typical().flags(0x81, 0x83).0), Some(asked));
        assert!(is_query(&message.0) && !is_query(&typical().0) && !is_query(&[0; 11]));
        // A dynamic update, and a question of another class.
        assert_eq!(question(&message.flags(0x28, 0).0), None);
        let chaos = Message::empty().question(&wire("a.example"), 3);
        assert_eq!(question(&chaos.0), None);
    }

    #[test]
    fn a_query_is_what_is_read_from_it() {
        for kind in [TYPE_A, TYPE_AAAA] {
            let asked = Question {
                name: "www.example.com".to_owned(),
                kind,
            };
            let message = query(0x1234, &asked).expect("a query");
            assert_eq!(message.get(..2), Some(&[0x12, 0x34][..]));
            assert_eq!(question(&message), Some(asked));
            assert_eq!(answer(&message), None);
        }
        let long = ["x".repeat(63).as_str(); 5].join(".");
        let label = "x".repeat(64);
        for name in ["", "a..example", ".example", &label, &long] {
            let asked = Question {
                name: name.to_owned(),
                kind: TYPE_A,
            };
            assert_eq!(query(1, &asked), None, "{name}");
        }
    }

    #[test]
    fn a_question_with_a_pointer_is_not_read() {
        // It leads to the high byte of the number of questions: the root.
        let name = [&b"\x01a\x07example"[..], &pointer(4)].concat();
        let message = Message::empty()
            .question(&name, CLASS_IN)
            .a("a.example", 60, 1);
        assert_eq!(answer(&message.0), None);
        assert_eq!(question(&message.flags(1, 0).0), None);
    }

    #[test]
    fn a_message_cut_anywhere_says_no_more_than_the_whole() {
        let whole = typical();
        let full = whole.addresses();
        let end = QUESTION as usize + wire("www.example.com").len() + 4;
        for cut in 0..whole.0.len() {
            let part = &whole.0[..cut];
            match answer(part) {
                None => assert!(cut < end, "{cut}"),
                Some(answer) => {
                    assert!(cut >= end, "{cut}");
                    assert!(answer.addresses.len() < full.len(), "{cut}");
                    assert!(full.starts_with(&answer.addresses), "{cut}");
                }
            }
        }
    }

    #[test]
    fn a_record_with_data_of_the_wrong_length_is_ignored() {
        let name = wire("a.example");
        let mut long = wire("b.example");
        long.push(0);
        let message = Message::to("a.example")
            .record(&name, TYPE_A, 60, &[192, 0, 2])
            .record(&name, TYPE_A, 60, &[192, 0, 2, 1, 0])
            .record(&name, TYPE_A, 60, &octets6(1))
            .record(&name, TYPE_AAAA, 60, &[192, 0, 2, 1])
            .record(&name, TYPE_CNAME, 60, &long)
            .record(&name, TYPE_CNAME, 60, &long[..long.len() - 2])
            .record(&name, TYPE_CNAME, 60, &[])
            .a("b.example", 60, 8)
            .a("a.example", 60, 9);
        assert_eq!(message.addresses(), [(v4(9), 60)]);
    }

    #[test]
    fn reading_ends_at_a_malformed_record() {
        let message = Message::to("a.example").a("a.example", 60, 1);
        let at = u16::try_from(message.0.len()).expect("an offset");
        for owner in [pointer(at), pointer(at + 16), [0x40, 0], [0x80, 0]] {
            let message = message.clone().record(&owner, TYPE_A, 60, &[192, 0, 2, 2]);
            let message = message.a("a.example", 60, 3);
            assert_eq!(message.addresses(), [(v4(1), 60)], "{owner:x?}");
        }
    }

    #[test]
    fn an_alias_with_a_malformed_target_is_ignored() {
        let message = Message::to("a.example");
        let data = u16::try_from(message.0.len() + 2 + 10).expect("an offset");
        for target in [pointer(data), pointer(data + 2), pointer(0x3fff)] {
            let message = message
                .clone()
                .record(&pointer(QUESTION), TYPE_CNAME, 60, &target)
                .a("a.example", 60, 1);
            assert_eq!(message.addresses(), [(v4(1), 60)], "{target:x?}");
        }
    }

    #[test]
    fn labels_of_reserved_kinds_are_malformed() {
        for kind in [0x40, 0x80, 0xbf] {
            let message = Message::empty().question(&[1, b'a', kind], CLASS_IN);
            assert_eq!(question(&message.0), None, "{kind:#x}");
        }
    }

    #[test]
    fn pointers_only_go_back() {
        let to_itself = Message::empty().question(&pointer(QUESTION), CLASS_IN);
        assert_eq!(question(&to_itself.0), None);
        let forward = Message::empty()
            .question(&pointer(QUESTION + 6), CLASS_IN)
            .a("a.example", 60, 1);
        assert_eq!(question(&forward.0), None);
        // A label, then a pointer to that label.
        let mut looped = b"\x01a".to_vec();
        looped.extend_from_slice(&pointer(QUESTION));
        let looped = Message::empty().question(&looped, CLASS_IN);
        assert_eq!(question(&looped.0), None);
    }

    #[test]
    fn a_name_follows_a_bounded_number_of_pointers() {
        for (count, expected) in [(127, 1), (128, 0)] {
            let mut message = Message::to("a.example");
            // Data of a type that is not read, which holds the pointers to follow.
            let first = u16::try_from(message.0.len() + 1 + 10).expect("an offset");
            let chain: Vec<u8> = (0..count - 1)
                .flat_map(|i| {
                    pointer(if i == 0 {
                        QUESTION
                    } else {
                        first + 2 * (i - 1)
                    })
                })
                .collect();
            message = message.record(&[0], TYPE_HTTPS, 60, &chain);
            let owner = pointer(first + 2 * (count - 2));
            message = message.record(&owner, TYPE_A, 60, &[192, 0, 2, 1]);
            assert_eq!(message.addresses().len(), expected, "{count}");
        }
    }

    #[test]
    fn a_name_is_at_most_255_bytes_long() {
        let label = "x".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "x".repeat(61));
        assert_eq!(wire(&longest).len(), 255);
        let answer = answer(&Message::to(&longest).a(&longest, 60, 1).0).expect("an answer");
        assert_eq!((answer.name, answer.addresses.len()), (longest.clone(), 1));
        assert_eq!(question(&Message::to(&format!("{longest}x")).0), None);
    }

    #[test]
    fn names_that_are_not_plain_match_nothing() {
        for byte in *b". \\\0\x1f\x7f\x80\xff" {
            let name = [1, byte, 0];
            let message = Message::empty().question(&name, CLASS_IN);
            assert_eq!(question(&message.0), None, "{byte:#x}");
            let message = message.record(&name, TYPE_A, 60, &[192, 0, 2, 1]);
            assert_eq!(answer(&message.0), None, "{byte:#x}");
            let message = Message::to("a.example")
                .record(&name, TYPE_A, 60, &[192, 0, 2, 1])
                .record(&wire("a.example"), TYPE_CNAME, 60, &name)
                .a("a.example", 60, 2);
            assert_eq!(message.addresses(), [(v4(2), 60)], "{byte:#x}");
        }
        // One label `a.b` is not the labels `a` and `b`.
        let message = Message::to("a.b").record(b"\x03a.b\0", TYPE_A, 60, &[192, 0, 2, 1]);
        assert_eq!(message.addresses(), []);
        let other = "_a-b!*~";
        assert_eq!(Message::to(other).a(other, 60, 1).addresses().len(), 1);
    }

    #[test]
    fn at_most_512_records_are_looked_at() {
        let mut message = Message::to("a");
        for _ in 0..600 {
            message = message.record(&pointer(QUESTION), TYPE_A, 60, &[192, 0, 2, 1]);
        }
        assert_eq!(message.addresses().len(), 512);
    }

    #[test]
    fn a_message_is_at_most_65535_bytes_long() {
        let mut bytes = Message::to("a").0;
        bytes.resize(65_535, 0);
        assert!(answer(&bytes).is_some() && question(&bytes).is_some());
        bytes.push(0);
        assert!(answer(&bytes).is_none() && question(&bytes).is_none());
    }

    #[test]
    fn whole_messages_are_cut_from_a_stream() {
        let none: Vec<&[u8]> = Vec::new();
        assert_eq!(messages(b""), (none.clone(), 0));
        assert_eq!(messages(b"\0"), (none.clone(), 0));
        assert_eq!(messages(b"\0\x02a"), (none, 0));
        let stream = b"\0\x02ab\0\0\0\x01c\0\x05de";
        let whole: Vec<&[u8]> = vec![b"ab", b"", b"c"];
        assert_eq!(messages(stream), (whole, 9));
        let long = [&[0xff, 0xff][..], &[7; 65_535]].concat();
        assert_eq!(messages(&long), (vec![&[7; 65_535][..]], 65_537));
    }

    /// Whether the bytes of a record with this address are somewhere in a message.
    fn is_in(message: &[u8], address: IpAddr) -> bool {
        let (kind, octets) = match address {
            IpAddr::V4(v4) => (TYPE_A, v4.octets().to_vec()),
            IpAddr::V6(v6) => (TYPE_AAAA, v6.octets().to_vec()),
        };
        let [high, low] = kind.to_be_bytes();
        message.windows(10 + octets.len()).any(|window| {
            window.starts_with(&[high, low, 0, 1])
                && usize::from(window[9]) == octets.len()
                && window[8] == 0
                && window.ends_with(&octets)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn no_bytes_panic(
            head in any::<bool>(),
            rest in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            // Half of them with a valid header, so that reading goes on.
            let start: &[u8] = if head { b"\0\0\x80\0\0\x01\xff\xff\0\0\0\0" } else { b"" };
            let bytes = [start, &rest].concat();
            for (address, _) in answer(&bytes).into_iter().flat_map(|answer| answer.addresses) {
                prop_assert!(is_in(&bytes, address));
            }
            question(&bytes);
            let (whole, taken) = messages(&bytes);
            let length: usize = whole.iter().map(|message| message.len() + 2).sum();
            prop_assert_eq!(length, taken);
        }

        #[test]
        fn a_changed_message_yields_no_address_that_no_record_has(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
            cut in proptest::option::of(any::<proptest::sample::Index>()),
        ) {
            let mut bytes = typical().0;
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            question(&bytes);
            if let Some(answer) = answer(&bytes) {
                for (address, ttl) in answer.addresses {
                    prop_assert!(is_in(&bytes, address), "{}", address);
                    prop_assert!(ttl <= 0x7fff_ffff);
                }
            }
        }
    }
}
