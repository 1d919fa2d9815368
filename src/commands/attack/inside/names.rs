//! Forged answers: the command is its own resolver, and says that a name of the policy has an address of the
//! suite.

use super::super::given::{Given, Tried};
use super::super::tools::by;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::Duration;

/// A question for the IPv4 address of a name, or with `target` the answer.
fn message(name: &str, target: Option<Ipv4Addr>) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    match target {
        None => bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        Some(_) => bytes.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]),
    }
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    if let Some(target) = target {
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4]);
        bytes.extend(target.octets());
    }
    bytes
}

/// Asks a resolver of its own, at port 53 if it may have that, else at another; then connects.
pub fn own_resolver(given: &Given) -> Tried {
    let Some(target) = given.forged else {
        return Err("no target".to_owned());
    };
    let own = Ipv4Addr::new(127, 0, 0, 99);
    let resolver = UdpSocket::bind((own, 53)).or_else(|_| UdpSocket::bind((own, 0)));
    let resolver = resolver.map_err(by("bind of a resolver"));
    let asked = resolver.and_then(|resolver| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(by("bind"))?;
        let address = resolver.local_addr().map_err(by("getsockname"))?;
        for socket in [&socket, &resolver] {
            let _ = socket.set_read_timeout(Some(Duration::from_millis(300)));
        }
        socket
            .connect(address)
            .map_err(by("connect to a resolver of its own"))?;
        socket
            .send(&message(&given.name, None))
            .map_err(by("send"))?;
        let (_, client) = resolver.recv_from(&mut [0; 512]).map_err(by("recvfrom"))?;
        let answer = message(&given.name, Some(*target.ip()));
        resolver.send_to(&answer, client).map_err(by("sendto"))?;
        socket.recv(&mut [0; 512]).map(drop).map_err(by("recv"))
    });
    match (TcpStream::connect(target).map_err(by("connect")), asked) {
        (Ok(_), _) => Ok(format!("connect to {target} as {}", given.name)),
        (Err(why), Ok(())) => Err(why),
        (Err(why), Err(asked)) => Err(format!("{asked}, then {why}")),
    }
}
