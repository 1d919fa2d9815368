//! Bytes that no socket makes by itself: IPv4 packets, routing headers, requests to netlink.

use std::net::SocketAddrV4;

/// An IPv4 packet with UDP in it, from the peer's own address to the peer.
pub fn udp(to: SocketAddrV4, data: &[u8]) -> Vec<u8> {
    let ip = to.ip().octets();
    let mut packet = vec![0x45, 0];
    packet.extend((28 + data.len() as u16).to_be_bytes());
    // No fragments, 64 hops, UDP, the checksum below.
    packet.extend([0, 0, 0x40, 0, 64, libc::IPPROTO_UDP as u8, 0, 0]);
    packet.extend([ip, ip].concat());
    let sum = checksum(&packet);
    if let Some(place) = packet.get_mut(10..12) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    packet.extend(9u16.to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend((8 + data.len() as u16).to_be_bytes());
    // UDP without a checksum.
    packet.extend([0, 0]);
    packet.extend(data);
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A routing header of type 4 (RFC 8754) by way of this address.
pub fn segments(by: [u8; 16]) -> Vec<u8> {
    let mut header = vec![0, 2, 4, 0, 0, 0, 0, 0];
    header.extend(by);
    header
}

/// A routing header of type 2 (RFC 6275) by way of this address, as control data.
pub fn route_control(by: [u8; 16]) -> Vec<u8> {
    let mut header = vec![0, 2, 2, 1, 0, 0, 0, 0];
    header.extend(by);
    let mut control = (2 * size_of::<usize>() + header.len())
        .to_ne_bytes()
        .to_vec();
    control.extend(libc::IPPROTO_IPV6.to_ne_bytes());
    control.extend(libc::IPV6_RTHDR.to_ne_bytes());
    control.extend(header);
    control
}

/// RTM_NEWLINK of rtnetlink(7).
pub const NEW_LINK: u16 = libc::RTM_NEWLINK;

/// The request for the list of links: RTM_GETLINK.
pub fn get_links() -> Vec<u8> {
    let mut bytes = 32u32.to_ne_bytes().to_vec();
    bytes.extend(libc::RTM_GETLINK.to_ne_bytes());
    bytes.extend(((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    bytes.resize(32, 0);
    bytes
}
