//! A small HTTP server, in the test itself.

use std::io::{Read, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What is at a path; `None`: nothing.
pub type Site = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// Serves until the tests end.
pub struct Http {
    /// Its port, the same on all addresses.
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    site: Site,
}

impl Http {
    /// Serves a site on these addresses.
    pub fn serve(
        hosts: &[&str],
        site: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::serve_on(0, hosts, site)
    }

    /// Serves a site on a port of these addresses; 0 is one that is free.
    pub fn serve_on(
        port: u16,
        hosts: &[&str],
        site: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listeners = (0..100).find_map(|_| bound(hosts, port));
        let listeners = listeners.expect("a port that is free on all addresses");
        let port = listeners.first().map_or(0, |(_, _, port)| *port);
        let http = Self {
            port,
            asked: Arc::default(),
            site: Arc::new(site),
        };
        for (listener, host, _) in listeners {
            let (asked, site) = (Arc::clone(&http.asked), Arc::clone(&http.site));
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (asked, site) = (Arc::clone(&asked), Arc::clone(&site));
                    let host = host.clone();
                    thread::spawn(move || answer(stream, &host, &asked, &site));
                }
            });
        }
        http
    }

    /// Serves the same on a unix socket, which all users may reach.
    pub fn serve_at(&self, path: &str) {
        let listener = UnixListener::bind(path).expect("a unix socket");
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(Path::new(path), all).expect("the socket's mode");
        let (asked, site) = (Arc::clone(&self.asked), Arc::clone(&self.site));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, site) = (Arc::clone(&asked), Arc::clone(&site));
                thread::spawn(move || answer(stream, "unix", &asked, &site));
            }
        });
    }

    /// Who was asked for what since the last time: `127.0.0.1 /x`.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut asked)
    }

    /// The address of a path at a host.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }
}

fn bound(hosts: &[&str], port: u16) -> Option<Vec<(TcpListener, String, u16)>> {
    let mut port = port;
    let mut listeners = Vec::new();
    for host in hosts {
        let address = (*host, port).to_socket_addrs().ok()?.next()?;
        let listener = TcpListener::bind(address).ok()?;
        port = listener.local_addr().ok()?.port();
        listeners.push((listener, (*host).to_owned(), port));
    }
    Some(listeners)
}

/// Answers one request.
fn answer(mut stream: impl Read + Write, host: &str, asked: &Mutex<Vec<String>>, site: &Site) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let Ok(length @ 1..) = stream.read(&mut buffer) else {
            return;
        };
        request.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let mut words = request.split_whitespace();
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(format!("{host} {path}"));
    let (status, body) = match site(path) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    // The version is for clients of container engines, who ask for it.
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nApi-Version: 1.41\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    if method != "HEAD" {
        let _ = stream.write_all(&body);
    }
}
