//! The workloads: timed from within, so that no start-up counts.
//!
//! They must do nothing but the work while their clocks run.

use crate::Result;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Connects `count` times, and prints what one time takes, in nanoseconds. `company`: `alone`, or a
/// `thread` that sleeps meanwhile.
pub fn connects(company: &str, port: &str, count: &str) -> Result<()> {
    let (port, count): (u16, u32) = (port.parse()?, count.parse()?);
    if company == "thread" {
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(3600)));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let before = Instant::now();
    for _ in 0..count {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        reset_on_close(&stream)?;
        listener.accept()?;
    }
    let each = before.elapsed().as_secs_f64() * 1e9 / f64::from(count);
    println!("{each}");
    Ok(())
}

/// So that no port is kept for a while after each of so many connections (SO_LINGER of socket(7)).
#[allow(unsafe_code)]
fn reset_on_close(stream: &TcpStream) -> Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: `linger` is valid for reading its size.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            std::ptr::from_ref(&linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// Sends so many MiB from one thread to another over loopback, and prints the nanoseconds of one.
pub fn stream(mebibytes: &str) -> Result<()> {
    const CHUNK: usize = 128 << 10;
    let mebibytes: usize = mebibytes.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let reader = std::thread::spawn(move || -> std::io::Result<usize> {
        let (mut peer, _) = listener.accept()?;
        let mut buffer = vec![0; CHUNK];
        let mut total = 0;
        loop {
            match peer.read(&mut buffer)? {
                0 => return Ok(total),
                read => total += read,
            }
        }
    });
    let mut stream = TcpStream::connect(address)?;
    let chunk = vec![7; CHUNK];
    let before = Instant::now();
    for _ in 0..mebibytes * (1 << 20) / CHUNK {
        stream.write_all(&chunk)?;
    }
    drop(stream);
    let total = reader.join().map_err(|_| "the reader panicked")??;
    let each = before.elapsed().as_secs_f64() * 1e9 / mebibytes as f64;
    if total != mebibytes << 20 {
        return Err(format!("{total} bytes arrived").into());
    }
    println!("{each}");
    Ok(())
}
