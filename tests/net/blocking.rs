//! A connect that waits: as long as without a jail, and for what it waits for without one.

use super::scene::{Policy, Scene, each_way, own_network, python, silent, users};
use crate::support::{Run, Running};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

/// `connect` is connect(2) itself, whose EINTR Python does not hide. With the argument `threads`
/// there is another thread, which could change the address.
pub const PRELUDE: &str = r#"
import ctypes, errno, os, select, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()

def connect(s, to):
    if isinstance(to, str):
        address = struct.pack("=H", socket.AF_UNIX) + to.encode() + b"\0"
    else:
        address = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", to[1], socket.inet_aton(to[0]))
    if libc.connect(s.fileno(), address, len(address)) == 0:
        return "ok"
    return errno.errorcode[ctypes.get_errno()]

def full():
    "A listener to whom no connection gets through: one waits to be accepted, and that is the most."
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = socket.create_connection(listener.getsockname())
    return listener, waiting

def full_unix(name):
    name = os.path.abspath(name)
    if os.path.exists(name):
        os.unlink(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen(0)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(name)
    return name, listener, waiting

def accept_after(seconds, listener):
    "Another process makes room for a connection, and tells when."
    r, w = os.pipe()
    if os.fork() == 0:
        time.sleep(seconds)
        os.write(w, struct.pack("d", time.monotonic()))
        listener.accept()
        time.sleep(5)
        os._exit(0)
    return r

def accepted(r):
    return struct.unpack("d", os.read(r, 8))[0]

def limit(s, seconds):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6)))

def elapsed(call, *arguments):
    start = time.monotonic()
    answer = call(*arguments)
    return answer, time.monotonic() - start
"#;

pub const NET: &str =
    "connect = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"unix:@\"]\nlisten = [\"127.0.0.1:0\"]";

/// With this, the socket may become one of UDP, which may not connect to the same peers: the supervisor
/// connects. Without it, the task does.
pub const MORE: &str = "connect = [\"udp://10.9.9.9:53\", ";

/// The script says the same without a jail and within, alone and with another thread.
fn same(script: &str, says: &str) {
    same_under(NET, script, says);
    same_under(&NET.replace("connect = [", MORE), script, says);
}

fn same_under(net: &str, script: &str, says: &str) {
    let Some(python) = python() else { return };
    each_way(|user, mode| {
        let scene = Scene::new();
        let policy = scene.policy(net);
        let file = scene.script("script.py", &format!("{PRELUDE}\n{script}"));
        let command = [python.as_str(), &file, mode];
        scene
            .outside(user, &command)
            .output()
            .ends_with(0)
            .says(says);
        let ran = scene.within(user, &policy, &command).output();
        silent(&ran.ends_with(0).says(says));
    });
}

#[test]
fn a_send_timeout_ends_a_connect() {
    same(
        r#"
listener, waiting = full()
s = socket.socket()
limit(s, 0.5)
answer, took = elapsed(connect, s, listener.getsockname())
print(answer, 0.4 < took < 20)
# It goes on by itself.
answer, took = elapsed(connect, s, listener.getsockname())
print(answer, 0.4 < took < 20)
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
"#,
        "EINPROGRESS True\nEALREADY True\n0\n",
    );
}

#[test]
fn pythons_timeout_ends_a_connect() {
    same(
        r#"
listener, waiting = full()
s = socket.socket()
s.settimeout(0.5)
start = time.monotonic()
try:
    s.connect(listener.getsockname())
except TimeoutError as error:
    print(error, 0.4 < time.monotonic() - start < 20)
"#,
        "timed out True\n",
    );
}

#[test]
fn a_connect_to_an_address_without_an_answer_times_out() {
    let test = "blocking::a_connect_to_an_address_without_an_answer_times_out";
    // What is sent there comes back, and is for nobody.
    let setup =
        "ip addr add 10.11.12.1/32 dev lo; ip route add 10.11.12.0/24 dev lo src 10.11.12.1";
    if !own_network(test, setup) {
        return;
    }
    same(
        r#"
for _ in range(2):
    s = socket.socket()
    limit(s, 0.5)
    answer, took = elapsed(connect, s, ("10.11.12.13", 80))
    print(answer, 0.4 < took < 20)
s = socket.socket()
s.settimeout(0.5)
try:
    s.connect(("10.11.12.13", 80))
except TimeoutError as error:
    print(error)
# The kernel gives up by itself: TCP_USER_TIMEOUT.
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, 18, 1500)
answer, took = elapsed(connect, s, ("10.11.12.13", 80))
print(answer, 0.9 < took < 30)
"#,
        "EINPROGRESS True\nEINPROGRESS True\ntimed out\nETIMEDOUT True\n",
    );
}

#[test]
fn a_connect_waits_until_there_is_room() {
    same(
        r#"
listener, waiting = full()
room = accept_after(0.5, listener)
s = socket.socket()
answer = connect(s, listener.getsockname())
ended = time.monotonic()
print(answer, ended > accepted(room), s.getpeername() == listener.getsockname())
print(connect(s, listener.getsockname()))
"#,
        "ok True True\nEISCONN\n",
    );
}

#[test]
fn a_signal_handler_ends_a_connect_unless_it_restarts_calls() {
    same(
        r#"
handled = []
signal.signal(signal.SIGALRM, lambda *_: handled.append("handled"))
for restarts in False, True:
    signal.siginterrupt(signal.SIGALRM, not restarts)
    listener, waiting = full()
    room = accept_after(1, listener)
    s = socket.socket()
    # Again and again, lest the first comes before the call.
    signal.setitimer(signal.ITIMER_REAL, 0.4, 0.4)
    answer = connect(s, listener.getsockname())
    ended = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(restarts, answer, not restarts or ended > accepted(room), handled[0])
    # One that was interrupted goes on, and is waited for by another.
    print(connect(s, listener.getsockname()))
    handled.clear()
"#,
        "False EINTR True handled\nok\nTrue ok True handled\nEISCONN\n",
    );
}

#[test]
fn a_signal_handler_ends_a_connect_with_a_timeout_in_any_case() {
    same(
        r#"
handled = []
signal.signal(signal.SIGALRM, lambda *_: handled.append("handled"))
for restarts in False, True:
    signal.siginterrupt(signal.SIGALRM, not restarts)
    listener, waiting = full()
    s = socket.socket()
    limit(s, 20)
    signal.setitimer(signal.ITIMER_REAL, 0.4, 0.4)
    answer, took = elapsed(connect, s, listener.getsockname())
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(restarts, answer, took < 15, handled[0])
    handled.clear()
"#,
        "False EINTR True handled\nTrue EINTR True handled\n",
    );
}

#[test]
fn a_connect_to_a_full_unix_socket_waits_until_there_is_room() {
    same(
        r#"
name, listener, waiting = full_unix("full")
room = accept_after(0.5, listener)
s = socket.socket(socket.AF_UNIX)
answer = connect(s, name)
ended = time.monotonic()
print(answer, ended > accepted(room), s.getpeername() == name)
n = socket.socket(socket.AF_UNIX)
n.setblocking(False)
answer, took = elapsed(connect, n, name)
print(answer, took < 5)
"#,
        "ok True True\nEAGAIN True\n",
    );
}

#[test]
fn a_send_timeout_ends_a_connect_to_a_full_unix_socket() {
    same(
        r#"
name, listener, waiting = full_unix("full")
s = socket.socket(socket.AF_UNIX)
limit(s, 0.5)
answer, took = elapsed(connect, s, name)
print(answer, 0.4 < took < 20)
"#,
        "EAGAIN True\n",
    );
}

#[test]
fn a_signal_handler_ends_a_connect_to_a_full_unix_socket_unless_it_restarts_calls() {
    same(
        r#"
handled = []
signal.signal(signal.SIGALRM, lambda *_: handled.append("handled"))
for restarts in False, True:
    signal.siginterrupt(signal.SIGALRM, not restarts)
    name, listener, waiting = full_unix(f"full-{restarts}")
    room = accept_after(1, listener)
    s = socket.socket(socket.AF_UNIX)
    signal.setitimer(signal.ITIMER_REAL, 0.4, 0.4)
    answer = connect(s, name)
    ended = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(restarts, answer, not restarts or ended > accepted(room), handled[0])
    handled.clear()
"#,
        "False EINTR True handled\nTrue ok True handled\n",
    );
}

#[test]
fn a_datagram_to_a_full_unix_socket_waits_as_long_as_without_a_jail() {
    same(
        r#"
name = os.path.abspath("queue")
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(name)
filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
filler.setblocking(False)
address = struct.pack("=H", socket.AF_UNIX) + name.encode() + b"\0"

def fill():
    try:
        while True:
            filler.sendto(b"data", name)
    except BlockingIOError:
        pass

def send(s):
    sent = libc.sendto(s.fileno(), b"data", 4, 0, address, len(address))
    return sent if sent >= 0 else errno.errorcode[ctypes.get_errno()]

handled = []
signal.signal(signal.SIGALRM, lambda *_: handled.append("handled"))
for restarts in False, True:
    signal.siginterrupt(signal.SIGALRM, not restarts)
    fill()
    r, w = os.pipe()
    if os.fork() == 0:
        time.sleep(1)
        os.write(w, struct.pack("d", time.monotonic()))
        receiver.recv(10)
        os._exit(0)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    signal.setitimer(signal.ITIMER_REAL, 0.4, 0.4)
    answer = send(s)
    ended = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(restarts, answer, not restarts or ended > accepted(r), handled[0])
    os.wait()
    handled.clear()
fill()
limit(s, 0.5)
answer, took = elapsed(send, s)
print(answer, 0.4 < took < 20)
os.unlink(name)
"#,
        "False EINTR True handled\nTrue 4 True handled\nEAGAIN True\n",
    );
}

/// Starts the script in a process group of its own, and presses Ctrl-C when it has said that it
/// connects; returns how it ended, as a shell
/// has it, and what it has said.
fn interrupted(run: Run, wait: Duration) -> (i32, String) {
    let mut running: Running = run.timeout(Duration::from_secs(30)).start();
    running.line("connects");
    std::thread::sleep(wait);
    running.signal_group(Signal::SIGINT);
    let start = Instant::now();
    let ran = running.finish();
    if start.elapsed() > Duration::from_secs(10) {
        ran.fail("should have ended at once");
    }
    let ended = ran
        .code()
        .or(ran.status.signal().map(|signal| 128 + signal));
    (ended.unwrap_or_default(), ran.out)
}

#[test]
fn ctrl_c_ends_a_program_of_which_any_thread_connects() {
    let Some(python) = python() else { return };
    for script in [
        // The main thread, which is told.
        "try:\n    print('connects', flush=True)\n    socket.socket().connect(to)\nexcept KeyboardInterrupt:\n    print('told')\n    os._exit(3)",
        // Nobody is told.
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\nprint('connects', flush=True)\nsocket.socket().connect(to)",
        // Another thread.
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\nprint('connects', flush=True)\nthreading.Thread(target=socket.socket().connect, args=[to]).start()",
    ] {
        for kind in [
            "listener, waiting = full()\nto = listener.getsockname()",
            "to, listener, waiting = full_unix('full')\nsocket.socket = lambda: socket.SocketType(socket.AF_UNIX)",
        ] {
            for user in users() {
                let scene = Scene::new();
                let policy: Policy = scene.policy(NET);
                let text = format!("{PRELUDE}\n{kind}\n{script}");
                let file = scene.script("script.py", &text);
                let command = [python.as_str(), &file, "threads"];
                let wait = Duration::from_millis(300);
                let free = interrupted(scene.outside(user, &command), wait);
                assert!(free.1.starts_with("connects\n"), "{free:?}");
                let within = interrupted(scene.within(user, &policy, &command), wait);
                assert_eq!(within, free, "{script}, {kind}");
            }
        }
    }
}
