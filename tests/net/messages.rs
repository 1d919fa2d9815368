//! What is sent in messages arrives whole, with what goes along.

use super::scene::{Scene, denied, each_way, python, silent, users};

/// All that makes the supervisor look at messages.
const NET: &str = r#"connect = ["udp://127.0.0.1", "127.0.0.1", "unix:@"]
listen = ["127.0.0.1:0", "udp://127.0.0.1:0", "udp://127.0.0.2:0"]
deny = [
  { to = "udp://127.0.0.2", why = "not that one" },
]"#;

const PRELUDE: &str = r#"
import array, errno, hashlib, os, signal, socket, struct, sys, threading
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()

def tcp():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    s = socket.socket()
    s.connect(listener.getsockname())
    return s, listener.accept()[0]

def unix():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("listener")
    listener.listen()
    s = socket.socket(socket.AF_UNIX)
    s.connect("listener")
    os.unlink("listener")
    return s, listener.accept()[0]
"#;

/// The script says this without a jail and within, alone and with another thread.
fn same(script: &str, says: &str) {
    let Some(python) = python() else { return };
    each_way(|user, mode| {
        let scene = Scene::new();
        let policy = scene.policy(NET);
        let file = scene.script("script.py", &format!("{PRELUDE}\n{script}"));
        let command = [python.as_str(), &file, mode];
        let free = scene.outside(user, &command).output();
        free.ends_with(0).says(says);
        let ran = scene.within(user, &policy, &command).output();
        silent(&ran.ends_with(0).says(says));
    });
}

#[test]
fn descriptors_pass() {
    same(
        r#"
def passed(what, a, b, count):
    ends = [os.pipe() for _ in range(count)]
    fds = array.array("i", [w for _, w in ends])
    sent = a.sendmsg([b"one", b"two"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    data, control, flags, _ = b.recvmsg(100, socket.CMSG_SPACE(4 * count))
    got = array.array("i")
    for level, kind, bytes in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            got.frombytes(bytes)
    for fd in got:
        os.write(fd, b"through")
    print(what, sent, data, flags & socket.MSG_CTRUNC, [os.read(r, 10) for r, _ in ends] == [b"through"] * count)
    for fd in [fd for end in ends for fd in end] + list(got):
        os.close(fd)

passed("pair", *socket.socketpair(), 1)
passed("unix", *unix(), 1)
passed("many", *unix(), 200)
passed("datagrams", *socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM), 2)
a, b = socket.socketpair()
try:
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [12345]))])
except OSError as error:
    print("no such descriptor", errno.errorcode[error.errno])
b.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("iII", os.getpid(), os.getuid(), os.getgid()))])
_, [(_, _, credentials)], _, _ = b.recvmsg(10, 100)
print("credentials", struct.unpack("iII", credentials) == (os.getpid(), os.getuid(), os.getgid()))
"#,
        "pair 6 b'onetwo' 0 True\nunix 6 b'onetwo' 0 True\nmany 6 b'onetwo' 0 True\ndatagrams 6 b'onetwo' 0 True\n\
         no such descriptor EBADF\ncredentials True\n",
    );
}

#[test]
fn much_data_in_one_message_of_a_stream_is_sent_whole() {
    same(
        r#"
def much(what, a, b):
    parts = [bytes([n]) * 4000 for n in range(250)] * 16
    # At most 1024 parts a message (IOV_MAX).
    parts = [b"".join(parts[n::1000]) for n in range(1000)]
    whole = b"".join(parts)
    found = hashlib.sha256()
    def read():
        while data := b.recv(100000):
            found.update(data)
    reader = threading.Thread(target=read)
    reader.start()
    sent = a.sendmsg(parts)
    a.shutdown(socket.SHUT_WR)
    reader.join()
    print(what, sent, found.digest() == hashlib.sha256(whole).digest())

much("tcp", *tcp())
much("unix", *unix())
much("pair", *socket.socketpair())
"#,
        "tcp 16000000 True\nunix 16000000 True\npair 16000000 True\n",
    );
}

#[test]
fn a_signal_during_a_message_leaves_no_part_out() {
    same(
        r#"
import time
signal.signal(signal.SIGALRM, lambda *_: None)
def interrupted(what, a, b, restarts):
    signal.siginterrupt(signal.SIGALRM, not restarts)
    whole = os.urandom(8000000)
    found = []
    def read():
        time.sleep(0.5)
        while data := b.recv(100000):
            found.append(data)
    reader = threading.Thread(target=read)
    reader.start()
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    rest = whole
    counts = []
    while rest:
        sent = a.sendmsg([rest])
        counts.append(sent < len(rest))
        rest = rest[sent:]
    a.shutdown(socket.SHUT_WR)
    reader.join()
    print(what, restarts, counts[0], b"".join(found) == whole)

for restarts in False, True:
    interrupted("tcp", *tcp(), restarts)
    interrupted("unix", *unix(), restarts)
"#,
        "tcp False True True\nunix False True True\ntcp True True True\nunix True True True\n",
    );
}

#[test]
fn datagrams_reach_the_peers_that_the_policy_names() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let policy = scene.policy(NET);
    let script = r#"
good, bad = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
good.bind(("127.0.0.1", 0))
# Bound outside, for its address is denied here.
bad = ("127.0.0.2", int(sys.argv[2]))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

def attempt(what, call, *arguments):
    try:
        print(what, call(*arguments), flush=True)
    except OSError as error:
        print(what, type(error).__name__, errno.errorcode[error.errno], flush=True)

for to in good.getsockname(), bad:
    attempt("sendto", s.sendto, b"data", to)
    attempt("sendmsg", s.sendmsg, [b"da", b"ta"], [], 0, to)
    attempt("connect", socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect, to)
print({good.recv(100) for _ in range(2)})
"#;
    let file = scene.script("script.py", &format!("{PRELUDE}\n{script}"));
    let bad = std::net::UdpSocket::bind("127.0.0.2:0").expect("a socket");
    let bad_port = bad.local_addr().expect("its address").port().to_string();
    let reached = "sendto 4\nsendmsg 4\nconnect None\n";
    for user in users() {
        for mode in ["alone", "threads"] {
            let command = [python.as_str(), &file, mode, &bad_port];
            let says = format!("{reached}{reached}{{b'data'}}\n");
            let free = scene.outside(user, &command).output();
            free.ends_with(0).says(&says);
            let mut buffer = [0; 10];
            for _ in 0..2 {
                assert_eq!(bad.recv(&mut buffer).expect("what was sent"), 4);
            }
            let closed = ["sendto", "sendmsg", "connect"]
                .map(|call| format!("{call} PermissionError EACCES\n"))
                .concat();
            let says = format!("{reached}{closed}{{b'data'}}\n");
            let ran = scene.within(user, &policy, &command).output();
            let ran = ran.ends_with(0).says(&says);
            // Of each call once.
            let peer = format!("connect to udp://127.0.0.2:{bad_port}");
            denied(&ran, &peer, &policy.line("not that one"));
            bad.set_nonblocking(true).expect("a flag");
            assert!(bad.recv(&mut buffer).is_err(), "a datagram has arrived");
            bad.set_nonblocking(false).expect("a flag");
        }
    }
}
