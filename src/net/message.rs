//! Messages of sendmsg(2), as their headers lie in a task's memory: `struct user_msghdr` of 64-bit architectures
//! (linux/socket.h), and the control data of cmsg(3).

use std::ffi::c_int;

/// Where a copy holds the address, and the control data after it.
const NAME_AT: usize = 64;
const CONTROL_AT: usize = 256;

/// A message's header, as far as it matters. All but lengths and counts are addresses in the task's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub name: u64,
    pub name_length: u32,
    /// An array of `struct iovec`.
    pub pieces: u64,
    pub pieces_count: u64,
    pub control: u64,
    pub control_length: u64,
}

impl Header {
    /// Bytes of a header: name, its length, pieces, their count, control data, its length, flags.
    pub const SIZE: usize = 56;

    /// Reads it from the kernel's layout.
    pub fn of(bytes: &[u8; Header::SIZE]) -> Header {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
        };
        Header {
            name: word(0),
            name_length: word(8) as u32,
            pieces: word(16),
            pieces_count: word(24),
            control: word(32),
            control_length: word(40),
        }
    }

    /// A copy of the header for the address `at`, with the name and the control data to which it points after it.
    /// The pieces stay where they are. A name has at most 128 bytes (`struct sockaddr_storage`).
    pub fn copy(bytes: &[u8; Header::SIZE], name: &[u8], control: &[u8], at: u64) -> Vec<u8> {
        let pointer = |place: usize, part: &[u8]| match part.is_empty() {
            true => [0; 8],
            false => (at + place as u64).to_ne_bytes(),
        };
        let mut copy = bytes.to_vec();
        copy.resize(CONTROL_AT, 0);
        let mut put = |place: usize, value: &[u8]| {
            if let Some(room) = copy.get_mut(place..place + value.len()) {
                room.copy_from_slice(value);
            }
        };
        put(0, &pointer(NAME_AT, name));
        put(8, &(name.len() as u64).to_ne_bytes());
        put(32, &pointer(CONTROL_AT, control));
        put(40, &(control.len() as u64).to_ne_bytes());
        put(NAME_AT, name);
        copy.extend_from_slice(control);
        copy
    }
}

/// Whether control data holds a route, which sends a packet to others on its way: a routing header of IPv6, options
/// of IPv4 (ip(7): IP_RETOPTS).
pub fn has_route(control: &[u8]) -> bool {
    /// `struct cmsghdr`: length, level, type.
    const HEAD: usize = 16;
    const ROUTES: [(c_int, c_int); 3] = [
        (libc::IPPROTO_IPV6, 57),
        (libc::IPPROTO_IPV6, 5),
        (libc::IPPROTO_IP, libc::IP_RETOPTS),
    ];
    let mut rest = control;
    while let Some((head, _)) = rest.split_first_chunk::<HEAD>() {
        let [a, b, c, d, e, f, g, h, l0, l1, l2, l3, t0, t1, t2, t3] = *head;
        let length = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        let level = c_int::from_ne_bytes([l0, l1, l2, l3]);
        let kind = c_int::from_ne_bytes([t0, t1, t2, t3]);
        if ROUTES.contains(&(level, kind)) {
            return true;
        }
        // CMSG_NXTHDR: lengths are aligned to words; one that is too small ends the walk.
        if length < HEAD as u64 {
            return false;
        }
        let Ok(step) = usize::try_from(length.saturating_add(7) & !7) else {
            return false;
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cmsg(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + data.len() as u64).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn a_routing_header_is_found_wherever_it_stands() {
        let rights = cmsg(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[1, 0, 0, 0]);
        let route = cmsg(libc::IPPROTO_IPV6, 57, &[0; 24]);
        assert!(!has_route(&rights) && has_route(&route));
        assert!(has_route(&[rights.clone(), route.clone()].concat()));
        let options = cmsg(libc::IPPROTO_IP, libc::IP_RETOPTS, &[0; 8]);
        assert!(has_route(&options));
        assert!(!has_route(&[]) && !has_route(&route[..12]));
        let mut endless = cmsg(libc::SOL_SOCKET, 1, &[]);
        endless[..8].copy_from_slice(&u64::MAX.to_ne_bytes());
        assert!(!has_route(&endless));
    }

    #[test]
    fn a_copy_points_to_its_name_and_to_the_pieces_where_they_are() {
        let mut header = [0xaa; Header::SIZE];
        header[16..24].copy_from_slice(&0x1234u64.to_ne_bytes());
        let bytes = Header::copy(&header, &[2, 0, 1], &[9; 24], 0x10000);
        let found = Header::of(bytes.first_chunk().expect("a header"));
        let name_at = 0x10000 + NAME_AT as u64;
        assert_eq!((found.name, found.name_length), (name_at, 3));
        let control_at = 0x10000 + CONTROL_AT as u64;
        assert_eq!((found.control, found.control_length), (control_at, 24));
        assert_eq!(bytes[NAME_AT..NAME_AT + 3], [2, 0, 1]);
        assert_eq!(bytes[CONTROL_AT..], [9; 24]);
        assert_eq!(found.pieces, 0x1234);
        assert_eq!(bytes[48..56], [0xaa; 8]);
    }
}
