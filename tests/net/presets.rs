//! The built-in policies about the network, with addresses that are the test's own.

use super::http::Http;
use super::scene::{Policy, Scene, User, denied, own_network, program, python, silent, users};
use crate::not_tested;
use crate::support::{Ran, plain};

fn hello(port: u16, hosts: &[&str]) -> Http {
    Http::serve_on(port, hosts, |_| Some(b"hello\n".to_vec()))
}

fn curl(scene: &Scene, user: User, policy: &Policy, url: &str) -> Option<Ran> {
    let curl = program("curl")?;
    let command = [&curl, "-q", "-sS", "--noproxy", "*", url];
    Some(scene.within(user, policy, &command).output())
}

#[track_caller]
fn reached(ran: Option<Ran>) {
    if let Some(ran) = ran {
        silent(&ran.ends_with(0).says("hello\n"));
    }
}

#[track_caller]
fn refused(ran: Option<Ran>, peer: &str, line: &str) {
    if let Some(ran) = ran {
        denied(
            &ran.ends_with(7).says(""),
            &format!("connect to {peer}"),
            line,
        );
    }
}

#[test]
fn localhost_reaches_what_is_called_localhost() {
    let (scene, http) = (Scene::new(), hello(0, &["127.0.0.1"]));
    let policy = scene.preset("localhost");
    for user in users() {
        for host in ["localhost", "127.0.0.1"] {
            reached(curl(&scene, user, &policy, &http.url(host, "/")));
        }
    }
    let Ok(six) = std::net::TcpListener::bind("[::1]:0") else {
        not_tested!("there is no IPv6 here");
        return;
    };
    drop(six);
    let http = hello(0, &["::1"]);
    for user in users() {
        for host in ["localhost", "[::1]"] {
            reached(curl(&scene, user, &policy, &http.url(host, "/")));
        }
    }
}

/// What `[net]` has no entry for.
#[track_caller]
fn unnamed(ran: Option<Ran>) {
    if let Some(ran) = ran {
        ran.ends_with(7)
            .says("")
            .complains("jail: denied connect to ")
            .complains("[default of base]");
    }
}

#[test]
fn net_reaches_no_address_of_this_host() {
    let (scene, http) = (Scene::new(), hello(0, &["127.0.0.1", "127.0.0.2"]));
    let policy = scene.preset("net");
    for user in users() {
        // An IPv4 address in IPv6 is one.
        for host in ["localhost", "127.0.0.1", "127.0.0.2", "[::ffff:127.0.0.1]"] {
            unnamed(curl(&scene, user, &policy, &http.url(host, "/")));
        }
        assert_eq!(http.asked(), [""; 0]);
    }
}

/// Whether there are cables between network namespaces.
const CABLES: &str = "ip link add here type veth peer name there; ip link del here";

fn ip(arguments: &str) {
    plain(["ip"])
        .args(arguments.split_whitespace())
        .output()
        .ends_with(0);
}

/// Servers at addresses of another host: a network namespace at the other end of a cable.
fn elsewhere(addresses: &[&str], serve: impl FnOnce() -> Vec<Http> + Send) -> Vec<Http> {
    std::thread::scope(|scope| {
        let (ready, wait) = std::sync::mpsc::channel();
        let (go, told) = std::sync::mpsc::channel::<()>();
        let other = scope.spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
            ready
                .send(nix::unistd::gettid())
                .expect("a test that waits");
            told.recv().expect("a cable");
            for address in addresses {
                ip(&format!("addr add {address}/32 dev there"));
            }
            ip("link set there up");
            ip("route add 10.99.0.1 dev there");
            serve()
        });
        let tid = wait.recv().expect("a namespace");
        ip(&format!(
            "link add here type veth peer name there netns {tid}"
        ));
        ip("addr add 10.99.0.1/32 dev here");
        ip("link set here up");
        for address in addresses {
            ip(&format!("route add {address} dev here src 10.99.0.1"));
        }
        go.send(()).expect("a thread that waits");
        other.join().expect("servers")
    })
}

#[test]
fn public_addresses_are_reached_and_private_ones_are_not() {
    let test = "presets::public_addresses_are_reached_and_private_ones_are_not";
    if !own_network(test, CABLES) {
        return;
    }
    let hosts = [
        "93.184.216.34",
        "10.11.12.1",
        "192.168.7.7",
        "169.254.169.254",
    ];
    let scene = Scene::new();
    let ports = [443, 80, 8080];
    let servers = elsewhere(&hosts, || ports.map(|port| hello(port, &hosts)).into());
    let metadata = scene.preset("deny-metadata").line("169.254.169.254");
    for (http, presets) in servers.iter().zip([&["net", "https"][..], &["net"], &[]]) {
        for preset in presets {
            let policy = scene.preset(preset);
            for user in users() {
                let get = |host| curl(&scene, user, &policy, &http.url(host, "/"));
                reached(get("93.184.216.34"));
                http.asked();
                unnamed(get("10.11.12.1"));
                unnamed(get("192.168.7.7"));
                refused(
                    get(hosts[3]),
                    &format!("{}:{}", hosts[3], http.port),
                    &metadata,
                );
                assert_eq!(http.asked(), [""; 0]);
            }
        }
    }
    // `https` knows one port.
    let http = &servers[2];
    for user in users() {
        let policy = scene.preset("https");
        unnamed(curl(&scene, user, &policy, &http.url(hosts[0], "/")));
        assert_eq!(http.asked(), [""; 0]);
    }
}

#[test]
fn a_public_address_of_this_host_is_not_public() {
    let test = "presets::a_public_address_of_this_host_is_not_public";
    let setup = "ip addr add 93.184.216.34/32 dev lo; ip addr add 10.11.12.1/32 dev lo";
    if !own_network(test, setup) {
        return;
    }
    let hosts = ["93.184.216.34", "10.11.12.1"];
    let (scene, http) = (Scene::new(), hello(443, &hosts));
    for user in users() {
        for preset in ["net", "https"] {
            let policy = scene.preset(preset);
            for host in hosts {
                unnamed(curl(&scene, user, &policy, &http.url(host, "/")));
            }
        }
        let explained = |policy: &Policy| {
            let question = format!("connect {}:443", hosts[0]);
            scene.explained(policy, &question)
        };
        let both = scene.policy("connect = [\"public\", \"private\"]");
        for host in hosts {
            unnamed(curl(&scene, user, &both, &http.url(host, "/")));
        }
        assert!(explained(&both).contains("the address belongs to this host"));
        assert_eq!(http.asked(), [""; 0]);
        let named = scene.policy("connect = [\"public\", \"93.184.216.34\"]");
        reached(curl(&scene, user, &named, &http.url(hosts[0], "/")));
        let named = explained(&named);
        assert!(
            named.starts_with("connect 93.184.216.34:443\nverdict      allowed\n"),
            "{named}"
        );
        http.asked();
    }
}

#[test]
fn joined_presets_reach_what_each_reaches() {
    let test = "presets::joined_presets_reach_what_each_reaches";
    if !own_network(test, CABLES) {
        return;
    }
    let hosts = ["93.184.216.34", "10.11.12.1", "169.254.169.254"];
    let scene = Scene::new();
    let servers = elsewhere(&hosts, || vec![hello(443, &hosts)]);
    let http = &servers[0];
    let own = hello(0, &["127.0.0.1"]);
    let metadata = scene.preset("deny-metadata").line("169.254.169.254");
    let Some(curl) = program("curl") else { return };
    for names in [
        ["workspace", "https", "localhost"],
        ["localhost", "https", "workspace"],
        ["https", "localhost", "workspace"],
    ] {
        let text = format!("extends = {names:?}\n");
        let policy = scene.whole_policy(&scene.at("joined.toml"), &text);
        for user in users() {
            let work = work(&scene, user);
            let get = |url: &str| {
                let command = [&curl, "-q", "-sS", "--noproxy", "*", url];
                let run = scene.within(user, &policy, &command);
                Some(run.cwd(work.as_str()).output())
            };
            reached(get(&own.url("127.0.0.1", "/")));
            reached(get(&http.url(hosts[0], "/")));
            http.asked();
            unnamed(get(&http.url(hosts[1], "/")));
            refused(
                get(&http.url(hosts[2], "/")),
                "169.254.169.254:443",
                &metadata,
            );
            assert_eq!(http.asked(), [""; 0]);
        }
    }
}

#[test]
fn metadata_is_denied_whatever_else_is_open() {
    let test = "presets::metadata_is_denied_whatever_else_is_open";
    let setup = "ip addr add 169.254.169.254/32 dev lo; ip addr add 10.11.12.1/32 dev lo";
    if !own_network(test, setup) {
        return;
    }
    let (scene, http) = (Scene::new(), hello(80, &["169.254.169.254", "10.11.12.1"]));
    let text = "extends = [\"deny-metadata\"]\ndefault = \"allow\"\n";
    let policy = scene.whole_policy("open.toml", text);
    let line = scene.preset("deny-metadata").line("169.254.169.254");
    for user in users() {
        let get = |host| curl(&scene, user, &policy, &http.url(host, "/"));
        reached(get("10.11.12.1"));
        for host in ["169.254.169.254", "[::ffff:169.254.169.254]"] {
            refused(get(host), "169.254.169.254:80", &line);
        }
        assert_eq!(http.asked(), ["10.11.12.1 /"]);
    }
}

/// Python's and Node's own ways: both ask the kernel by NETLINK_ROUTE.
#[test]
fn offline_lists_the_interfaces_and_reaches_no_peer() {
    let scene = Scene::new();
    let policy = scene.preset("offline");
    let names = "import socket; print(sorted(name for _, name in socket.if_nameindex()))";
    let Some(python) = python() else { return };
    for user in users() {
        let command = [python.as_str(), "-I", "-c", names];
        let outside = scene.outside(user, &command).output().ends_with(0);
        let inside = scene.within(user, &policy, &command).output().ends_with(0);
        silent(&inside);
        assert_eq!(inside.out, outside.out);
        let command = [
            python.as_str(),
            "-I",
            "-c",
            "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)",
        ];
        let diag = scene.within(user, &policy, &command).output();
        diag.ends_with(1).complains("Operation not permitted");
    }
}

/// A directory of this user's own, which is no home.
fn work(scene: &Scene, user: User) -> String {
    let work = scene.at(&format!("work-{user:?}"));
    let made = scene.outside(user, &["mkdir", "-p", &work]).output();
    made.ends_with(0);
    work
}

/// Servers that a command starts in its own directory, and clients of theirs.
#[test]
fn workspace_and_build_have_unix_sockets_where_they_may_write() {
    let scene = Scene::new();
    let talk = "
import os, socket, sys, tempfile
def serve(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    server.accept()[0].sendall(b'hello')
    return client.recv(5).decode()
os.makedirs('run', exist_ok=True)
print(serve(os.path.join('run', sys.argv[1])), serve(tempfile.mktemp()))
for name in [sys.argv[2], '\\0' + sys.argv[2]]:
    try: socket.socket(socket.AF_UNIX).connect(name)
    except OSError as error: print(type(error).__name__)
try: serve('/tmp/' + sys.argv[1])
except OSError as error: print(type(error).__name__)
";
    let outside = crate::support::Dir::new();
    let path = outside.file("outside.sock");
    let _server = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(outside.path(), open).expect("permissions");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&path, open).expect("permissions");
    let Some(python) = python() else { return };
    for (number, user) in users().into_iter().enumerate() {
        for preset in ["workspace", "build"] {
            let own = format!("{preset}{number}-{}.sock", std::process::id());
            let command = [python.as_str(), "-I", "-c", talk, &own, &path];
            let run = scene.within(user, &scene.preset(preset), &command);
            let ran = run.cwd(work(&scene, user)).output();
            ran.ends_with(0)
                .says("hello hello\nPermissionError\nPermissionError\nPermissionError\n");
        }
    }
}

#[test]
fn workspace_runs_a_pool_of_python_that_talks_to_its_server_of_forks() {
    let scene = Scene::new();
    let pool = "
import multiprocessing
def square(number): return number * number
if __name__ == '__main__':
    multiprocessing.set_start_method('forkserver')
    with multiprocessing.Pool(2) as pool: print(pool.map(square, [1, 2, 3]))
";
    let script = scene.script("pool.py", pool);
    let Some(python) = python() else { return };
    for user in users() {
        let work = work(&scene, user);
        let copied = scene.outside(user, &["cp", &script, &work]).output();
        copied.ends_with(0);
        let command = [python.as_str(), "-I", "pool.py"];
        let run = scene.within(user, &scene.preset("workspace"), &command);
        let ran = run.cwd(work).output();
        silent(&ran.ends_with(0).says("[1, 4, 9]\n"));
    }
}
