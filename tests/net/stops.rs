//! What costs a stop, what must not, and what is told of denials that the kernel makes alone.

use super::http::Http;
use super::scene::{Policy, Scene, User, denied, free_port, python, users};
use crate::support::Ran;

/// A row of `--stats`.
#[track_caller]
pub fn row(ran: &Ran, start: &str) -> u64 {
    let line = ran
        .err
        .lines()
        .find_map(|line| line.trim().strip_prefix(start));
    let number = line.and_then(|rest| {
        let digits = rest.trim_start_matches(':').trim().replace(',', "");
        digits.parse().ok()
    });
    number.unwrap_or_else(|| ran.fail(&format!("no row {start:?}")))
}

pub const PEERS: &str = "of them for peers";
const RETURNS: &str = "returns of such calls";
pub const ALL: &str = "jail: stops other than fork, exec, exit and signals";

/// Transfers data as often as it is told, over a connection made once.
const TRANSFER: &str = r#"
import os, socket, sys, threading
rounds = int(sys.argv[1])
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
a = socket.socket()
a.connect(listener.getsockname())
b, _ = listener.accept()
buffer = bytearray(4)
for s in a, b:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(rounds):
    os.write(a.fileno(), b"data")
    os.read(b.fileno(), 4)
    a.send(b"data")
    b.recv(4)
    a.sendall(b"data")
    b.recvfrom(4)
    os.writev(a.fileno(), [b"da", b"ta"])
    os.readv(b.fileno(), [buffer])
    b.send(b"data")
    a.recv_into(buffer)
    a.getpeername()
    b.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
print("done")
"#;

#[test]
fn data_on_a_connection_costs_no_stop() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let script = scene.script("transfer.py", TRANSFER);
    let listens = "listen = [\"127.0.0.1:0\"]";
    for net in [
        "connect = [\"127.0.0.1\"]",
        "connect = [\"127.0.0.1\", \"udp://127.0.0.1:53\", \"unix:@\"]",
    ] {
        let policy = scene.policy(&format!("{net}\n{listens}"));
        for user in users() {
            for mode in ["alone", "threads"] {
                let [few, many] = ["1", "1000"].map(|rounds| {
                    let command = [python.as_str(), &script, rounds, mode];
                    let ran = scene.with(user, &["--stats"], &policy, &command).output();
                    let ran = ran.ends_with(0).says("done\n");
                    // The connect and the listener are looked at.
                    assert_ne!(row(&ran, PEERS), 0);
                    (row(&ran, PEERS), row(&ran, ALL))
                });
                assert_eq!(few, many, "{net}, {mode}");
            }
        }
    }
}

/// Connects as often as it is told; the last is for another port.
const CONNECT: &str = r#"
import errno, socket, sys, threading
good, bad, rounds = map(int, sys.argv[1:4])
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
for _ in range(rounds):
    socket.create_connection(("127.0.0.1", good)).close()
if bad:
    try:
        socket.create_connection(("127.0.0.1", bad)).close()
        print("reached")
    except OSError as error:
        print(type(error).__name__, errno.errorcode[error.errno])
"#;

struct Ports {
    python: String,
    scene: Scene,
    policy: Policy,
    script: String,
    good: String,
    bad: String,
}

impl Ports {
    fn new() -> Option<Self> {
        let python = python()?;
        let scene = Scene::new();
        let http = |_: &str| None;
        let (good, bad) = (
            Http::serve(&["127.0.0.1"], http).port,
            Http::serve(&["127.0.0.1"], http).port,
        );
        let policy = scene.policy(&format!("connect = [\"*:{good}\", \"unix:*\"]"));
        let script = scene.script("connect.py", CONNECT);
        let [good, bad] = [good, bad].map(|port| port.to_string());
        Some(Self {
            python,
            scene,
            policy,
            script,
            good,
            bad,
        })
    }

    fn run(&self, user: User, options: &[&str], bad: &str, rounds: &str, mode: &str) -> Ran {
        let command = [&self.python, &self.script, &self.good, bad, rounds, mode];
        let run = self.scene.with(user, options, &self.policy, &command);
        run.output().ends_with(0)
    }
}

#[test]
fn ports_cost_no_stop() {
    let Some(ports) = Ports::new() else { return };
    for user in users() {
        for mode in ["alone", "threads"] {
            let [few, many] = ["1", "100"].map(|rounds| {
                let ran = ports.run(user, &["--stats"], "0", rounds, mode);
                assert_eq!(row(&ran, PEERS), 0, "{}", ran.err);
                row(&ran, ALL)
            });
            assert_eq!(few, many, "{mode}");
            // Where the supervisor has to judge, it shows.
            let ran = ports.run(user, &["--stats", "--trace-denials"], "0", "100", mode);
            assert!(row(&ran, PEERS) >= 100, "{}", ran.err);
        }
    }
}

#[test]
fn what_landlock_denies_is_reported_where_that_is_wished_for() {
    let Some(ports) = Ports::new() else { return };
    for user in users() {
        for mode in ["alone", "threads"] {
            let says = "PermissionError EACCES\n";
            let ran = ports.run(user, &[], &ports.bad, "1", mode).says(says);
            super::scene::silent(&ran);
            let ran = ports.run(user, &["--trace-denials"], &ports.bad, "1", mode);
            let ran = ran.says(says);
            let peer = format!("connect to 127.0.0.1:{}", ports.bad);
            denied(&ran, &peer, "default of base");
            let advice = format!(
                "add \"127.0.0.1:{}\" to connect in [net] of net.toml",
                ports.bad
            );
            ran.complains(&advice);
        }
    }
}

#[test]
fn a_hint_says_how_to_see_denials_that_were_not_reported() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let port = free_port();
    let policy = scene.policy(&format!("connect = [\"*:{port}\", \"unix:*\"]"));
    let script = "import socket; socket.create_connection(('127.0.0.1', 9))";
    let ran = scene
        .within(User::Caller, &policy, &[&python, "-c", script])
        .output()
        .ends_with(1);
    ran.complains("--trace-denials");
}

/// Connects to itself as often as it is told, beside another thread.
const CONNECTS: &str = r#"
import socket, sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
for _ in range(int(sys.argv[1])):
    a = socket.create_connection(listener.getsockname())
    b, _ = listener.accept()
    a.close()
    b.close()
print("done")
"#;

#[test]
fn a_thread_connects_by_itself_where_any_socket_may_connect_to_the_peer() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let script = scene.script("connects.py", CONNECTS);
    for (net, by_itself) in [
        ("connect = [\"127.0.0.1\"]", true),
        ("connect = [\"127.0.0.1\", \"udp://127.0.0.1\"]", true),
        // Another thread may put a socket of UDP in the place of the one of TCP.
        ("connect = [\"127.0.0.1\", \"udp://127.0.0.2:53\"]", false),
    ] {
        let policy = scene.policy(&format!("{net}\nlisten = [\"127.0.0.1:0\"]"));
        for user in users() {
            let [few, many] = ["10", "110"].map(|count| {
                let command = [python.as_str(), &script, count];
                let ran = scene.with(user, &["--stats"], &policy, &command).output();
                let ran = ran.ends_with(0).says("done\n");
                (row(&ran, PEERS), row(&ran, RETURNS))
            });
            assert!(many.0 - few.0 >= 100, "{net}");
            // What is called by the task stops again when it returns.
            let returns = many.1 - few.1;
            assert_eq!(returns >= 100, by_itself, "{net}: {returns}");
        }
    }
}
