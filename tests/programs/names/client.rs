//! What a program does with names: it asks for them in every way, and connects.

use std::io::{IoSliceMut, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Does one step; what came of it.
pub fn step(step: &str) -> String {
    let words: Vec<&str> = step.splitn(5, ':').collect();
    let done = match words.as_slice() {
        ["ask", how, resolver, name] => ask(how, resolver, name, 1),
        ["ask", how, resolver, name, "AAAA"] => ask(how, resolver, name, 28),
        ["attack", how, address] => crate::attack::attack(how, address),
        ["signalled", address] => signalled(address),
        ["beat", word] => Ok(beat(word)),
        ["connect", ..] => connect(step.trim_start_matches("connect:")),
        ["sleep", time] => {
            std::thread::sleep(Duration::from_millis(time.parse().unwrap_or(0)));
            Ok("slept".to_owned())
        }
        ["thread"] => {
            std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
            Ok("started".to_owned())
        }
        _ => Ok("what?".to_owned()),
    };
    done.unwrap_or_else(|error| format!("failed: {:?}", error.kind()))
}

fn connect(address: &str) -> std::io::Result<String> {
    let ip: IpAddr = address.parse().expect("an address");
    TcpStream::connect((ip, 8090)).map(|_| "connected".to_owned())
}

/// connect(2) while a signal with a handler arrives again and again; whether it was interrupted.
fn signalled(address: &str) -> std::io::Result<String> {
    extern "C" fn nothing(_: i32) {}
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: 50_000,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: zeroed bytes are a valid sigaction, and its handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
        libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
        libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
    }
    let ip: Ipv4Addr = address.parse().expect("an address");
    let address = crate::attack::socket_address(ip, 8090);
    let size = size_of::<libc::sockaddr_in>() as u32;
    // SAFETY: takes numbers only, and then reads `size` bytes of an address that has them.
    let result = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        done(libc::connect(socket, (&raw const address).cast(), size) as isize)
    };
    // SAFETY: zeroed bytes end the timer.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &std::mem::zeroed(), std::ptr::null_mut()) };
    result.map(|_| "connected".to_owned())
}

static BEATS: AtomicBool = AtomicBool::new(false);
/// The longest pause between two beats in milliseconds.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// `start`: another thread makes a call every ten milliseconds at which the supervisor looks. `stop`:
/// whether it was ever held up for two seconds.
fn beat(word: &str) -> String {
    BEATS.store(word == "start", Ordering::SeqCst);
    if word != "start" {
        // A call that was held up has returned by then.
        std::thread::sleep(Duration::from_millis(300));
        return match LONGEST.load(Ordering::SeqCst) {
            0..2000 => "steady".to_owned(),
            longest => format!("held up for {longest} ms"),
        };
    }
    std::thread::spawn(|| {
        let mut last = std::time::Instant::now();
        while BEATS.load(Ordering::SeqCst) {
            let _ = TcpStream::connect((Ipv4Addr::new(127, 0, 1, 200), 8090));
            let pause = last.elapsed().as_millis() as u64;
            LONGEST.fetch_max(pause, Ordering::SeqCst);
            last = std::time::Instant::now();
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    // It beats by then.
    std::thread::sleep(Duration::from_millis(100));
    "started".to_owned()
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

fn ask(how: &str, resolver: &str, name: &str, kind: u16) -> std::io::Result<String> {
    let resolver = SocketAddr::new(resolver.parse().expect("an address"), 53);
    let query = query(name, kind);
    if how == "tcp" {
        let mut stream = TcpStream::connect(resolver)?;
        let framed = [&(query.len() as u16).to_be_bytes()[..], &query].concat();
        stream.write_all(&framed)?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer)?;
        return Ok(shown(&answer, kind));
    }
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut buffer = [0; 2048];
    if how == "waiting" {
        // Another thread waits for the answer before the question is sent.
        let receiver = socket.try_clone()?;
        let waiting = std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            let length = receiver.recv(&mut buffer)?;
            Ok(shown(&buffer[..length], kind))
        });
        std::thread::sleep(Duration::from_millis(100));
        socket.send_to(&query, resolver)?;
        let never = || Err(std::io::Error::other("the thread has failed"));
        return waiting.join().unwrap_or_else(|_| never());
    }
    if matches!(how, "from" | "both") {
        socket.send_to(&query, resolver)?;
        if how == "both" {
            // One is a lie, whichever comes first.
            socket.recv_from(&mut buffer)?;
        }
        let (length, _) = socket.recv_from(&mut buffer)?;
        return Ok(shown(&buffer[..length], kind));
    }
    socket.connect(resolver)?;
    socket.send(&query)?;
    let fd = socket.as_raw_fd();
    let length = match how {
        "recv" => socket.recv(&mut buffer)?,
        "late" => {
            // It lies there when it is asked for.
            std::thread::sleep(Duration::from_millis(100));
            socket.set_nonblocking(true)?;
            socket.recv(&mut buffer)?
        }
        // SAFETY: the buffer is valid for writing its length.
        "read" => done(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) })?,
        "readv" => {
            let vector = [IoSliceMut::new(&mut buffer)];
            // SAFETY: an IoSliceMut is laid out as an iovec, and this one is valid for writing.
            done(unsafe { libc::readv(fd, vector.as_ptr().cast(), 1) })?
        }
        "recvmsg" | "recvmmsg" => messages(fd, &mut buffer, how == "recvmmsg")?,
        _ => return Ok("how?".to_owned()),
    };
    Ok(shown(&buffer[..length], kind))
}

fn messages(fd: i32, buffer: &mut [u8], many: bool) -> std::io::Result<usize> {
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: zeroed bytes are valid headers.
    let mut headers: [libc::mmsghdr; 4] = unsafe { std::mem::zeroed() };
    headers[0].msg_hdr.msg_iov = &mut vector;
    headers[0].msg_hdr.msg_iovlen = 1;
    if !many {
        // SAFETY: the header points to one valid iovec.
        return done(unsafe { libc::recvmsg(fd, &mut headers[0].msg_hdr, 0) });
    }
    let flags = libc::MSG_WAITFORONE as _;
    // SAFETY: four headers, of which the first points to a valid iovec and the others to none.
    let count = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), 4, flags, std::ptr::null_mut()) };
    done(count as isize).map(|_| headers[0].msg_len as usize)
}

fn done(result: isize) -> std::io::Result<usize> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error())
}

/// The last address of an answer.
fn shown(answer: &[u8], kind: u16) -> String {
    let last = |length: usize| answer.get(answer.len() - length..).unwrap_or_default();
    if answer.get(6..8).is_none_or(|count| count == [0, 0]) {
        return "nothing".to_owned();
    }
    match kind {
        28 => <[u8; 16]>::try_from(last(16)).map(|octets| Ipv6Addr::from(octets).to_string()),
        _ => <[u8; 4]>::try_from(last(4)).map(|octets| Ipv4Addr::from(octets).to_string()),
    }
    .unwrap_or_default()
}
