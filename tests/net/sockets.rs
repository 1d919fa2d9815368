//! Sockets that were connected in a jail are like others; and unix sockets that are denied, by all
//! their names.

use super::http::Http;
use super::scene::{Scene, User, denied, python, silent, users};
use crate::support::races::seconds;

#[test]
fn a_socket_that_was_connected_is_as_without_a_jail() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let policy = scene.policy(
        r#"connect = ["127.0.0.0/8", "udp://127.0.0.1", "[::1]", "unix:@"]
listen = ["127.0.0.1:0", "[::1]:0", "udp://127.0.0.1:0"]"#,
    );
    let script = scene.script(
        "facts.py",
        r#"
import errno, fcntl, os, select, socket, struct, sys, threading
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()

def attempt(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]

def facts(what, s, listener):
    name, peer = s.getsockname(), s.getpeername()
    poll = select.poll()
    poll.register(s, select.POLLIN | select.POLLOUT | select.POLLPRI)
    print(what,
          "own", name[0] if isinstance(name, tuple) else name,
          "peer", peer == listener.getsockname(),
          "error", s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
          "poll", [events for _, events in poll.poll(0)],
          "flags", fcntl.fcntl(s, fcntl.F_GETFL),
          "inherited", os.get_inheritable(s.fileno()),
          "again", attempt(s.connect, listener.getsockname()))
    if s.type == socket.SOCK_STREAM:
        other, seen = listener.accept()
        print("  seen", seen == name or (not seen and not name))
        other.sendall(b"abc")
        print("  ", attempt(s.recv, 10), [events for _, events in poll.poll(0)])
        if s.family == socket.AF_UNIX:
            _, uid, gid = struct.unpack("iII", other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            print("  credentials", (uid, gid) == (os.getuid(), os.getgid()))
            _, uid, gid = struct.unpack("iII", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            print("  of the listener", (uid, gid) == (os.getuid(), os.getgid()))
        other.close()
        print("  ", attempt(s.recv, 10), attempt(s.send, b"x"))

def begun(s, to):
    answer = s.connect_ex(to)
    poll = select.poll()
    poll.register(s, select.POLLOUT)
    print("begun", errno.errorcode.get(answer, answer), [events for _, events in poll.poll(5000)])

for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen()
    s = socket.socket(family)
    s.connect(listener.getsockname())
    facts("waiting", s, listener)
    s = socket.socket(family)
    s.setblocking(False)
    begun(s, listener.getsockname())
    facts("not waiting", s, listener)

# From an address of its own.
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.connect(listener.getsockname())
print("bound", s.getpeername() == listener.getsockname())

listener = socket.socket(socket.AF_UNIX)
listener.bind(os.path.abspath("listener"))
listener.listen()
s = socket.socket(socket.AF_UNIX)
s.connect("listener")
facts("unix", s, listener)
s = socket.socket(socket.AF_UNIX)
s.bind(os.path.abspath("client"))
s.connect(os.path.abspath("listener"))
facts("unix with a name", s, listener)
os.unlink("listener")
os.unlink("client")

listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("127.0.0.1", 0))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(listener.getsockname())
facts("datagrams", s, listener)
s.send(b"x")
print(listener.recvfrom(10) == (b"x", s.getsockname()))
"#,
    );
    for user in users() {
        for mode in ["alone", "threads"] {
            let command = [python.as_str(), &script, mode];
            let free = scene.outside(user, &command).output().ends_with(0);
            let ran = scene.within(user, &policy, &command).output();
            silent(&ran.ends_with(0).says(&free.out));
        }
    }
}

/// The denied socket by every name it has. Each line is a way and an answer.
const NAMES: &str = r#"
import errno, os, socket, sys, threading
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
home = os.getcwd()
place = home + "/run"

def reach(way, path):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        print(way, "reached", flush=True)
    except OSError as error:
        print(way, errno.errorcode[error.errno], flush=True)

reach("another", home + "/other.sock")
reach("name", place + "/docker.sock")
reach("relative", "run/docker.sock")
reach("dots", home + "/run/../run/./docker.sock")
reach("slashes", home + "//run///docker.sock")
reach("link", home + "/link.sock")
reach("links", home + "/links.sock")
reach("directory", home + "/elsewhere/docker.sock")
reach("root", "/proc/self/root" + place + "/docker.sock")
reach("thread's root", "/proc/thread-self/root" + place + "/docker.sock")
reach("pid's root", f"/proc/{os.getpid()}/root{place}/docker.sock")
reach("cwd", "/proc/self/cwd/run/docker.sock")
directory = os.open(place, os.O_RDONLY)
reach("directory's descriptor", f"/proc/self/fd/{directory}/docker.sock")
reach("directory's descriptor in /dev", f"/dev/fd/{directory}/docker.sock")
handle = os.open(place + "/docker.sock", os.O_PATH)
reach("descriptor", f"/proc/self/fd/{handle}")
os.chdir(place)
reach("beside", "docker.sock")
reach("beside with a dot", "./docker.sock")
os.fchdir(directory)
reach("beside, by a descriptor", "docker.sock")
"#;

/// Its directory with symbolic links, and whoever answers.
fn agents(scene: &Scene) -> Http {
    let http = Http::serve(&[], |_| None);
    std::fs::create_dir(scene.at("run")).expect("a directory");
    http.serve_at(&scene.at("run/docker.sock"));
    http.serve_at(&scene.at("other.sock"));
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, scene.at(name)).expect("a symbolic link");
    };
    link(&scene.at("run/docker.sock"), "link.sock");
    link("link.sock", "links.sock");
    link("run", "elsewhere");
    http
}

#[test]
fn a_denied_socket_is_denied_by_all_its_names() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let _http = agents(&scene);
    let script = scene.script("names.py", NAMES);
    let deny = "deny = [\n  { to = \"unix:@/run/docker.sock\", why = \"takes orders\" },\n]";
    let closed = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"@\"]\n[net]\nconnect = [\"unix:*\"]\n{deny}\n"
    );
    let open = format!("default = \"allow\"\n[net]\n{deny}\n");
    // The same by a preset that others extend.
    let preset = "extends = [\"base\", \"protect-credentials\"]\n[fs]\nread = [\"@\"]\n[net]\nconnect = [\"unix:*\"]\n";
    let policies = [
        (scene.whole_policy("closed.toml", &closed), None),
        (scene.whole_policy("open.toml", &open), None),
        (
            scene.whole_policy("preset.toml", preset),
            Some(scene.preset("protect-credentials")),
        ),
    ];
    for user in users() {
        for mode in ["alone", "threads"] {
            let command = [python.as_str(), &script, mode];
            let free = scene.outside(user, &command).output().ends_with(0);
            let ways = free.out.lines().count();
            assert_eq!(free.out.matches(" reached\n").count(), ways);
            let expected = free.out.replace(" reached", " EACCES");
            let expected = expected.replacen("another EACCES", "another reached", 1);
            for (policy, preset) in &policies {
                let run = scene.within(user, policy, &command);
                let run = run.env("XDG_RUNTIME_DIR", scene.at("run"));
                let ran = run.output().ends_with(0).says(&expected);
                let line = match preset {
                    None => policy.line("docker.sock"),
                    Some(preset) => preset.line("unix:$XDG_RUNTIME_DIR"),
                };
                let peer = format!("connect to unix:{}", scene.at("run/docker.sock"));
                denied(&ran, &peer, &line);
            }
        }
    }
}

#[test]
fn a_connect_shows_in_no_other_use_of_its_socket() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let policy = scene.policy(
        "connect = [\"127.0.0.1\", \"udp://127.0.0.1\"]\nlisten = [\"127.0.0.1:0\", \"udp://127.0.0.1:0\"]",
    );
    // One thread connects, again and again; another reads, and never finds the socket not waiting.
    let script = scene.script(
        "shared.py",
        r#"
import os, socket, sys, threading, time

def bound(kind):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(("127.0.0.1", 0))
    return s

def datagrams():
    s, other = bound(socket.SOCK_DGRAM), bound(socket.SOCK_DGRAM)
    other.connect(s.getsockname())
    return s, other, other.getsockname()

def stream():
    listener = bound(socket.SOCK_STREAM)
    listener.listen()
    s = socket.socket()
    s.connect(listener.getsockname())
    return s, listener.accept()[0], listener.getsockname()

for s, other, to in datagrams(), stream():
    ends = time.monotonic() + float(sys.argv[1])

    def connect(s=s, to=to):
        while time.monotonic() < ends:
            try:
                s.connect(to)
            except OSError:
                pass

    def send(other=other):
        while True:
            other.send(b"data")

    for work in connect, send:
        threading.Thread(target=work, daemon=True).start()
    found = set()
    while time.monotonic() < ends:
        try:
            found.add(bool(s.recv(4)))
        except OSError as error:
            found.add(type(error).__name__)
    print(found)
sys.stdout.flush()
os._exit(0)
"#,
    );
    let seconds = (3.0 * seconds()).max(1.0).to_string();
    for user in users() {
        let command = [&python, &script, &seconds];
        let says = "{True}\n{True}\n";
        let free = scene.outside(user, &command).output();
        free.ends_with(0).says(says);
        let ran = scene.within(user, &policy, &command).output();
        silent(&ran.ends_with(0).says(says));
    }
}

#[test]
fn a_denied_socket_gets_no_other_name() {
    let Some(python) = python() else { return };
    let script = r#"
import errno, os, socket, sys
def attempt(way, call, *arguments):
    try:
        call(*arguments)
        s = socket.socket(socket.AF_UNIX)
        s.connect("new.sock")
        print(way, "reached", flush=True)
    except OSError as error:
        print(way, errno.errorcode[error.errno], flush=True)
    if os.path.lexists("new.sock"):
        os.unlink("new.sock")

attempt("link", os.link, "run/docker.sock", "new.sock")
def directory():
    os.rename("run", "new")
    os.symlink("new/docker.sock", "new.sock")

attempt("directory", directory)
if os.path.exists("new"):
    os.rename("new", "run")
attempt("rename", os.rename, "run/docker.sock", "new.sock")
"#;
    let deny = "deny = [\n  { to = \"unix:@/run/docker.sock\", why = \"takes orders\" },\n]";
    let closed = format!(
        "extends = [\"base\"]\n[fs]\nwrite = [\"@\"]\n[net]\nconnect = [\"unix:*\"]\n{deny}\n"
    );
    let open = format!("default = \"allow\"\n[net]\n{deny}\n");
    for text in [closed, open] {
        let run = |within: bool| {
            let scene = Scene::new();
            let _http = agents(&scene);
            let file = scene.script("names.py", script);
            let policy = scene.whole_policy("names.toml", &text);
            let command = [python.as_str(), &file];
            if !within {
                let ran = scene.outside(User::Caller, &command).output();
                return ran.ends_with(0);
            }
            let ran = scene.within(User::Caller, &policy, &command).output();
            let socket = scene.at("run/docker.sock");
            denied(
                &ran,
                &format!("write of {socket}"),
                &policy.line("docker.sock"),
            );
            ran.ends_with(0)
        };
        run(false).says("link reached\ndirectory reached\nrename reached\n");
        run(true).says("link EACCES\ndirectory EACCES\nrename EACCES\n");
    }
}

/// UDP-Lite has ports, as UDP has: an entry that denies one denies no other.
#[test]
fn a_denied_port_of_udp_lite_is_no_other() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let script = scene.script(
        "lite.py",
        r#"
import errno, socket
IPPROTO_UDPLITE = 136
def attempt(call, *arguments):
    try:
        call(*arguments)
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]
for host, port in ("0.0.0.0", 0), ("127.0.0.1", 0), ("127.0.0.1", 2222), ("0.0.0.0", 2222):
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, IPPROTO_UDPLITE)
    except OSError as error:
        # A kernel without it.
        print("none", errno.errorcode[error.errno])
        break
    print(attempt(s.bind, (host, port)), attempt(s.sendto, b"x", ("127.0.0.1", 2)), attempt(s.sendto, b"x", ("127.0.0.1", 25)))
"#,
    );
    let policy = scene.whole_policy(
        "lite.toml",
        "default = \"allow\"\n[net]\ndeny = [{ on = \"*:2222\" }, { to = \"*:25\" }]\n",
    );
    for user in users() {
        let command = [python.as_str(), &script];
        let free = scene.outside(user, &command).output().ends_with(0);
        if free.out.starts_with("none") {
            println!(
                "NOT TRIED HERE: UDP-Lite, which this kernel lacks: {}",
                free.out
            );
            continue;
        }
        let other = "ok ok EACCES\n";
        let denied = "EACCES ok EACCES\n";
        let within = [other, other, denied, denied].concat();
        scene
            .within(user, &policy, &command)
            .output()
            .ends_with(0)
            .says(&within);
    }
}
