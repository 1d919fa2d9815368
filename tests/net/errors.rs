//! What a program sees of a peer that is denied, or not there.

use super::http::Http;
use super::scene::{Scene, denied, python, users};

/// Connects to each host that it is told, and says how that went.
const REACH: &str = r#"
import errno, socket, sys
for host in sys.argv[2:]:
    try:
        socket.create_connection((host, int(sys.argv[1]))).close()
        print(host, "reached")
    except OSError as error:
        print(host, type(error).__name__, errno.errorcode[error.errno], flush=True)
"#;

#[test]
fn a_program_sees_the_errno_that_the_policy_says() {
    let Some(python) = python() else { return };
    let (scene, hosts) = (Scene::new(), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let http = Http::serve(&hosts, |_| None);
    let policy = scene.policy(&format!(
        r#"connect = ["127.0.0.1:{}"]
deny = [
  {{ to = "127.0.0.2", why = "not that one" }},
  {{ to = "127.0.0.3", action = "ENETUNREACH", why = "nor that one" }},
]"#,
        http.port
    ));
    let (script, port) = (scene.script("reach.py", REACH), http.port.to_string());
    let command: Vec<&str> = [python.as_str(), &script, &port]
        .into_iter()
        .chain(hosts)
        .chain(["127.0.0.5"])
        .collect();
    for user in users() {
        scene.outside(user, &command).output().ends_with(0).says(
            "127.0.0.1 reached\n127.0.0.2 reached\n127.0.0.3 reached\n\
             127.0.0.5 ConnectionRefusedError ECONNREFUSED\n",
        );
        let ran = scene.within(user, &policy, &command).output().ends_with(0);
        let ran = ran.says(
            "127.0.0.1 reached\n127.0.0.2 PermissionError EACCES\n\
             127.0.0.3 OSError ENETUNREACH\n127.0.0.5 PermissionError EACCES\n",
        );
        for host in ["127.0.0.2", "127.0.0.3"] {
            let line = policy.line(host);
            denied(&ran, &format!("connect to {host}:{port}"), &line);
        }
        // That nothing allows it has no line of its own.
        let peer = format!("connect to 127.0.0.5:{port}");
        denied(&ran, &peer, "default of base");
        let advice = format!("add \"127.0.0.5:{port}\" to connect in [net] of net.toml");
        ran.complains(&advice);
    }
}

#[test]
fn a_peer_can_end_the_jail() {
    let Some(python) = python() else { return };
    let (scene, http) = (Scene::new(), Http::serve(&["127.0.0.1"], |_| None));
    let policy = scene.policy(
        "connect = [\"127.0.0.2\"]\ndeny = [\n  { to = \"127.0.0.1\", action = \"kill\" },\n]",
    );
    let (script, port) = (scene.script("reach.py", REACH), http.port.to_string());
    let command = [&python, &script, &port, "127.0.0.2", "127.0.0.1"];
    for user in users() {
        let says = "127.0.0.2 ConnectionRefusedError ECONNREFUSED\n";
        let ran = scene.within(user, &policy, &command).output();
        let ran = ran.ends_with(159).says(says);
        let place = format!("[{}", policy.line("kill"));
        ran.complains(&format!("killed for connect to 127.0.0.1:{port}"))
            .complains(&place);
    }
}

#[test]
fn a_missing_server_refuses_as_without_a_jail() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let policy = scene.policy("connect = [\"127.0.0.1\", \"[::1]\", \"unix:@\"]");
    let script = scene.script(
        "refused.py",
        r#"
import errno, os, select, socket, sys, threading
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()

def say(what, call, *arguments):
    try:
        print(what, call(*arguments))
    except OSError as error:
        print(what, errno.errorcode[error.errno])

# Ports that are bound and not listened on.
bound = socket.socket()
bound.bind(("127.0.0.1", 0))
bound6 = socket.socket(socket.AF_INET6)
bound6.bind(("::1", 0))
s = socket.socket()
say("connect", s.connect, bound.getsockname())
# Told once; the socket can be used again.
say("SO_ERROR", s.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
say("again", s.connect, bound.getsockname())
say("ipv6", socket.socket(socket.AF_INET6).connect, bound6.getsockname())
s = socket.socket()
s.setblocking(False)
say("nonblocking", s.connect, bound.getsockname())
poll = select.poll()
poll.register(s, select.POLLIN | select.POLLOUT)
print("poll", [events for _, events in poll.poll(5000)])
say("SO_ERROR", s.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
print(os.strerror(errno.ECONNREFUSED))
say("no such socket", socket.socket(socket.AF_UNIX).connect, "none")
u = socket.socket(socket.AF_UNIX)
u.bind("bound")
say("nobody listens", socket.socket(socket.AF_UNIX).connect, "bound")
say("no socket", socket.socket(socket.AF_UNIX).connect, "refused.py")
say("another type", socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect, "bound")
os.unlink("bound")
"#,
    );
    for user in users() {
        for mode in ["alone", "threads"] {
            let command = [python.as_str(), &script, mode];
            let free = scene.outside(user, &command).output().ends_with(0);
            let ran = scene.within(user, &policy, &command).output();
            assert!(free.out.starts_with("connect ECONNREFUSED\n"));
            super::scene::silent(&ran.ends_with(0).says(&free.out));
        }
    }
}
