//! A registry of packages on loopback: an HTTP server of the files of a directory.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Registry {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// Serves the files beneath a directory; a directory's file is its `index`.
    pub fn of(root: impl AsRef<Path>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (root, told) = (root.as_ref().to_path_buf(), Arc::clone(&asked));
        // It ends with the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, told) = (root.clone(), Arc::clone(&told));
                thread::spawn(move || answer(stream, &root, &told));
            }
        });
        Self { port, asked }
    }

    /// Whether a path was asked for that begins so.
    pub fn was_asked(&self, start: &str) -> bool {
        let asked = self.asked.lock().expect("a lock");
        asked.iter().any(|path| path.starts_with(start))
    }
}

fn answer(mut stream: TcpStream, root: &Path, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    asked.lock().ok()?.push(path.clone());
    let mut header = String::new();
    while reader.read_line(&mut header).ok()? > 2 {
        header.clear();
    }
    let mut file: PathBuf = root.join(path.trim_start_matches('/'));
    if file.is_dir() {
        file = file.join("index");
    }
    let (status, body) = match std::fs::read(&file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let kind = match path.rsplit('.').next() {
        Some("gz" | "tgz" | "zip" | "crate") => "application/octet-stream",
        Some("json") => "application/json",
        _ => "text/html",
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}
