//! Whether an address belongs to this host, found by asking rtnetlink(7) for the route to it.

use super::{Errno, check};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `struct nlmsghdr` (netlink(7)).
const HEADER: usize = 16;
/// `struct rtmsg` (rtnetlink(7)); its eighth byte is the type of the route.
const ROUTE: usize = 12;
const TYPE: usize = 7;
/// `struct rtattr` before an address.
const ATTRIBUTE: usize = 4;

/// Whether an address belongs to this host in the caller's network namespace, or is an anycast address
/// that this host accepts. If that cannot be determined, the address counts as this host's.
pub fn is_own(ip: IpAddr) -> bool {
    match route(ip) {
        Ok(kind) => matches!(kind, libc::RTN_LOCAL | libc::RTN_ANYCAST),
        // There is no route to it, or no netlink. Then try to bind the address: that works if it is this
        // host's, or if ip_nonlocal_bind allows any (ip(7)).
        Err(_) => match UdpSocket::bind(SocketAddr::new(ip, 0)) {
            Ok(_) => true,
            Err(error) => error.raw_os_error() != Some(libc::EADDRNOTAVAIL),
        },
    }
}

/// The type of the route to an address: RTM_GETROUTE.
fn route(ip: IpAddr) -> Result<u8, Errno> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: socket(2) takes no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })? as i32;
    // SAFETY: socket(2) has just returned this descriptor, which nothing else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let question = question(ip);
    // SAFETY: `question` is valid for reading as many bytes as it has.
    check(unsafe {
        libc::send(
            fd.as_raw_fd(),
            question.as_ptr().cast(),
            question.len(),
            libc::MSG_NOSIGNAL,
        ) as i64
    })?;
    let mut answer = [0u8; 1024];
    // The kernel answers before send(2) returns, so the receive does not wait. SAFETY: `answer` is valid
    // for writing as many bytes as it has.
    let length = check(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            answer.as_mut_ptr().cast(),
            answer.len(),
            libc::MSG_DONTWAIT,
        ) as i64
    })? as usize;
    kind_of(answer.get(..length).unwrap_or_default())
}

fn question(ip: IpAddr) -> Vec<u8> {
    let (family, address) = match ip {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };
    let bits = address.len() as u8 * 8;
    let length = HEADER + ROUTE + ATTRIBUTE + address.len();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend((length as u32).to_ne_bytes());
    bytes.extend(libc::RTM_GETROUTE.to_ne_bytes());
    bytes.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    // The sequence number of the request, and the port of the sender, which the kernel fills in.
    bytes.extend([0; 8]);
    bytes.extend([family as u8, bits]);
    bytes.extend([0; ROUTE - 2]);
    bytes.extend(((ATTRIBUTE + address.len()) as u16).to_ne_bytes());
    bytes.extend(libc::RTA_DST.to_ne_bytes());
    bytes.extend(address);
    bytes
}

/// The route's type in an answer, or the errno that the answer carries.
fn kind_of(answer: &[u8]) -> Result<u8, Errno> {
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok());
    let after = answer.get(HEADER..).unwrap_or_default();
    match kind.map(u16::from_ne_bytes) {
        Some(libc::RTM_NEWROUTE) => after.get(TYPE).copied().ok_or(Errno::EBADMSG),
        Some(kind) if i32::from(kind) == libc::NLMSG_ERROR => {
            let errno = after.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
            Err(Errno::from_raw(-errno.unwrap_or(-libc::EBADMSG)))
        }
        _ => Err(Errno::EBADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_addresses_are_this_hosts_and_addresses_for_documents_are_not() {
        assert!(is_own([127, 0, 0, 1].into()));
        assert!(is_own([127, 1, 2, 3].into()));
        assert!(!is_own([192, 0, 2, 7].into()));
        let document: IpAddr = "2001:db8::7".parse().expect("an address");
        assert!(!is_own(document));
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        assert_eq!(kind_of(&[]), Err(Errno::EBADMSG));
        let mut answer = [0u8; HEADER + 4];
        answer[4..6].copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
        answer[HEADER..].copy_from_slice(&(-libc::ENETUNREACH).to_ne_bytes());
        assert_eq!(kind_of(&answer), Err(Errno::ENETUNREACH));
        answer[4..6].copy_from_slice(&libc::RTM_NEWROUTE.to_ne_bytes());
        assert_eq!(kind_of(&answer), Err(Errno::EBADMSG));
    }
}
