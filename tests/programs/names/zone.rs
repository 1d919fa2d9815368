//! What the resolvers answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The other resolver's socket.
pub static ROGUE: OnceLock<UdpSocket> = OnceLock::new();
/// How often `registry.example` was asked for.
static ASKED: AtomicU8 = AtomicU8::new(0);

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

pub fn serve_udp(socket: &UdpSocket, lies: bool) {
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let query = &buffer[..length];
        if question(query).is_some_and(|(name, ..)| name == "rogue.test") && lies {
            poison(query, client);
        }
        let _ = socket.send_to(&answer(query), client);
    }
}

/// The other resolver sends the client an answer that it has not asked it for.
fn poison(query: &[u8], client: SocketAddr) {
    let mut lie = query.get(..2).unwrap_or_default().to_vec();
    lie.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    lie.extend(written("registry.example"));
    lie.extend([0, 1, 0, 1]);
    lie.extend(record("registry.example", A, 3600, &[127, 0, 1, 7]));
    if let Some(rogue) = ROGUE.get() {
        let _ = rogue.send_to(&lie, client);
    }
}

pub fn serve_tcp(listener: &TcpListener) {
    for peer in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let mut peer = peer;
            let mut length = [0; 2];
            while peer.read_exact(&mut length).is_ok() {
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                if peer.read_exact(&mut query).is_err() {
                    return;
                }
                let answer = answer(&query);
                // In two pieces: nobody may rely on a message arriving whole.
                let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                let (head, rest) = framed.split_at(framed.len() / 2);
                let _ = peer.write_all(head);
                std::thread::sleep(std::time::Duration::from_millis(5));
                let _ = peer.write_all(rest);
            }
        });
    }
}

/// Name and type of a query, and where its question ends.
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        if length == 0 {
            let kind = query.get(at + 1..at + 3)?;
            let kind = u16::from_be_bytes([kind[0], kind[1]]);
            return Some((labels.join("."), kind, at + 5));
        }
        let label = query.get(at + 1..at + 1 + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += 1 + length;
    }
}

fn written(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn record(name: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = written(name);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(ttl.to_be_bytes());
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

fn answer(query: &[u8]) -> Vec<u8> {
    let Some((name, kind, end)) = question(query) else {
        return Vec::new();
    };
    let mut answers: Vec<Vec<u8>> = Vec::new();
    let mut additional: Vec<Vec<u8>> = Vec::new();
    let one = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    // NXDOMAIN: no such name.
    let mut outcome = 0x80;
    match (name.as_str(), kind) {
        ("registry.example", A) => {
            let last = 1 + ASKED.fetch_add(1, Ordering::Relaxed) % 2;
            answers.push(record(&name, A, 0, &[127, 0, 1, last]));
        }
        ("registry.example", AAAA) => answers.push(record(&name, AAAA, 30, &one)),
        ("www.registry.example", A) => {
            answers.push(record(&name, CNAME, 1, &written("edge.cdn.test")));
            answers.push(record("edge.cdn.test", A, 1, &[127, 0, 1, 3]));
        }
        ("edge.cdn.test", A) => answers.push(record(&name, A, 1, &[127, 0, 1, 3])),
        ("evil.test", A) => {
            answers.push(record(&name, A, 60, &[127, 0, 1, 9]));
            answers.push(record("registry.example", A, 60, &[127, 0, 1, 8]));
            additional.push(record("registry.example", A, 60, &[127, 0, 1, 8]));
        }
        ("rogue.test", A) => answers.push(record(&name, A, 60, &[127, 0, 1, 9])),
        (name, A) if name.ends_with(".wild.example") => {
            answers.push(record(name, A, 1, &[127, 0, 1, 4]));
        }
        (name, _) if name.ends_with(".example") => {}
        _ => outcome = 0x83,
    }
    let mut bytes = query.get(..2).unwrap_or_default().to_vec();
    bytes.extend([0x81, outcome, 0, 1]);
    bytes.extend((answers.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend((additional.len() as u16).to_be_bytes());
    // The question as it came, whatever its labels hold.
    bytes.extend(query.get(12..end).unwrap_or_default());
    bytes.extend(answers.concat());
    bytes.extend(additional.concat());
    bytes
}
