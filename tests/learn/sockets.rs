//! Sockets that have no peer: a policy without an entry of their kind does not let them be created.

use crate::scene::{Scene, has};

/// Creates sockets, and connects one of them if there is an argument.
const MAKES: &str = "\
import socket, sys
socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
if len(sys.argv) > 1:
    try: socket.create_connection(('127.0.0.1', 9))
    except ConnectionRefusedError: pass
else:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
";

fn scene() -> Option<Scene> {
    let here = has(&["python3", "-c", "import socket"]);
    here.then(|| {
        let scene = Scene::new();
        scene.write("makes.py", MAKES);
        scene
    })
}

#[test]
fn a_socket_without_a_peer_gets_an_entry_that_opens_none() {
    let Some(scene) = scene() else { return };
    let policy = scene.goes_through(&[], &["python3", "makes.py"], "true");
    for kind in ["TCP", "UDP"] {
        let why = format!("why = \"for a {kind} socket without a peer\"");
        assert!(policy.contains(&why), "{policy}");
    }
    scene
        .jail(&["explain", "app.toml", "connect 192.0.2.2:443"])
        .says_part("denied");
}

/// Where a policy has TCP alone, datagram sockets of AF_UNIX cannot be created.
#[test]
fn an_entry_for_tcp_does_not_close_the_datagrams_that_were_used() {
    let Some(scene) = scene() else { return };
    let policy = scene.goes_through(&[], &["python3", "makes.py", "x"], "true");
    assert!(policy.contains("  \"127.0.0.1:9\","), "{policy}");
    assert!(
        policy.contains("{ to = \"unix:/dev/null/none\", why"),
        "{policy}"
    );
}

#[test]
fn an_audit_names_the_kinds_of_sockets_that_a_policy_closes() {
    let Some(scene) = scene() else { return };
    let audit = ["learn", "--audit", "--extends", "base", "--"];
    scene
        .jail(&[&audit[..], &["python3", "makes.py"]].concat())
        .ends_with(0)
        .complains("a UDP socket, once by python3");
}
