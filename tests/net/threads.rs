//! Programs of many threads, whose connects the supervisor makes.

use super::http::Http;
use super::scene::{Scene, denied, program, python, silent, users};

#[test]
fn a_pool_of_threads_connects_at_the_same_time() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let hosts = ["127.0.0.1", "127.0.0.2"];
    let http = Http::serve(&hosts, |path| Some(path.as_bytes().to_vec()));
    let policy = scene.policy(&format!(
        "connect = [\"127.0.0.1:{}\"]\ndeny = [\n  {{ to = \"127.0.0.2\" }},\n]",
        http.port
    ));
    let script = scene.script(
        "pool.py",
        r#"
import collections, concurrent.futures, errno, socket, sys

def get(n):
    "Every third is for another host; each gets the answer to its own question."
    host = "127.0.0.2" if n % 3 == 0 else "127.0.0.1"
    s = socket.socket()
    try:
        s.connect((host, int(sys.argv[1])))
    except OSError as error:
        return host, errno.errorcode[error.errno]
    s.sendall(f"GET /{n} HTTP/1.1\r\n\r\n".encode())
    answer = b""
    while data := s.recv(1000):
        answer += data
    return host, answer.endswith(f"\r\n/{n}".encode()) and s.getpeername()[0] == host

with concurrent.futures.ThreadPoolExecutor(40) as pool:
    print(sorted(collections.Counter(pool.map(get, range(600))).items(), key=str))
"#,
    );
    let command = [python.as_str(), &script, &http.port.to_string()];
    for user in users() {
        let free = scene.outside(user, &command).output().ends_with(0);
        free.says("[(('127.0.0.1', True), 400), (('127.0.0.2', True), 200)]\n");
        http.asked();
        let ran = scene.within(user, &policy, &command).output().ends_with(0);
        let ran = ran.says("[(('127.0.0.1', True), 400), (('127.0.0.2', 'EACCES'), 200)]\n");
        let peer = format!("connect to 127.0.0.2:{}", http.port);
        denied(&ran, &peer, &policy.line("127.0.0.2"));
        let count = format!("connect denied 200 times [{}", policy.line("127.0.0.2"));
        ran.complains(&count);
        let asked = http.asked();
        assert!(asked.iter().all(|asked| asked.starts_with("127.0.0.1 ")));
        assert_eq!(asked.len(), 400);
    }
}

#[test]
fn nodes_workers_reach_the_peers_that_the_policy_names() {
    let Some(node) = program("node") else { return };
    let scene = Scene::new();
    let hosts = ["127.0.0.1", "127.0.0.2"];
    let http = Http::serve(&hosts, |path| Some(path.as_bytes().to_vec()));
    let policy = scene.policy(&format!(
        "connect = [\"127.0.0.1:{}\"]\ndeny = [\n  {{ to = \"127.0.0.2\" }},\n]",
        http.port
    ));
    // Names are looked up in the pool of threads, files read there.
    let script = scene.script(
        "workers.js",
        r#"
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { lookup } = require('dns').promises;
const { readFile } = require('fs').promises;
const port = process.argv[2];

async function get(host, n) {
  try {
    return await (await fetch(`http://${host}:${port}/${n}`)).text();
  } catch (error) {
    return error.cause.code;
  }
}

async function main() {
  const workers = [...Array(6).keys()].map(n => new Promise((done, failed) => {
    new Worker(__filename, { workerData: n, argv: process.argv.slice(2) }).on('message', done).on('error', failed);
  }));
  const lookups = [...Array(8).keys()].map(() => lookup('localhost', { family: 4 }));
  const files = [...Array(8).keys()].map(() => readFile('/etc/hosts'));
  console.log(JSON.stringify(await Promise.all(workers)));
  console.log(JSON.stringify([...new Set((await Promise.all(lookups)).map(found => found.address))]));
  console.log((await Promise.all(files)).length);
}

if (isMainThread) main();
else Promise.all([get('127.0.0.1', workerData), get('127.0.0.2', workerData)]).then(found => parentPort.postMessage(found));
"#,
    );
    let command = [node.as_str(), &script, &http.port.to_string()];
    let says = |other: &dyn Fn(usize) -> String| {
        let pairs = (0..6).map(|n| format!("[\"/{n}\",\"{}\"]", other(n)));
        let pairs: Vec<String> = pairs.collect();
        format!("[{}]\n[\"127.0.0.1\"]\n8\n", pairs.join(","))
    };
    for user in users() {
        let free = scene.outside(user, &command).output().ends_with(0);
        free.says(&says(&|n| format!("/{n}")));
        let ran = scene.within(user, &policy, &command).output().ends_with(0);
        let ran = ran.says(&says(&|_| "EACCES".to_owned()));
        let peer = format!("connect to 127.0.0.2:{}", http.port);
        denied(&ran, &peer, &policy.line("127.0.0.2"));
    }
}

#[test]
fn asyncio_serves_and_asks_itself() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let policy = scene.policy(
        "connect = [\"127.0.0.1\", \"unix:@\"]\nlisten = [\"127.0.0.1:0\"]\ndeny = [\n  { on = \"127.0.0.2\", why = \"not there\" },\n]",
    );
    let script = scene.script(
        "serve.py",
        r#"
import asyncio, errno, os, sys, threading
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()

async def answer(reader, writer):
    writer.write((await reader.readline()).upper())
    writer.close()

async def ask(opened):
    reader, writer = await opened
    writer.write(b"question\n")
    said = await reader.read()
    writer.close()
    return said

async def main():
    tcp = await asyncio.start_server(answer, "127.0.0.1", 0)
    unix = await asyncio.start_unix_server(answer, "unix.sock")
    port = tcp.sockets[0].getsockname()[1]
    said = await asyncio.gather(*(ask(asyncio.open_connection("127.0.0.1", port)) for _ in range(50)),
                                *(ask(asyncio.open_unix_connection("unix.sock")) for _ in range(50)))
    print(len(said), set(said))
    try:
        await asyncio.start_server(answer, "127.0.0.2", 0)
        print("listens")
    except OSError as error:
        print(errno.errorcode[error.errno])

asyncio.run(main())
os.path.exists("unix.sock") and os.unlink("unix.sock")
"#,
    );
    for user in users() {
        for mode in ["alone", "threads"] {
            let command = [python.as_str(), &script, mode];
            let free = scene.outside(user, &command).output().ends_with(0);
            free.says("100 {b'QUESTION\\n'}\nlistens\n");
            let ran = scene.within(user, &policy, &command).output().ends_with(0);
            let ran = ran.says("100 {b'QUESTION\\n'}\nEACCES\n");
            denied(&ran, "listen on 127.0.0.2:0", &policy.line("not there"));
        }
    }
}

#[test]
fn a_thread_that_connects_does_not_delay_others() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let policy = scene.policy("connect = [\"127.0.0.1\", \"unix:@\"]\nlisten = [\"127.0.0.1:0\"]");
    // Forty threads wait for connections that nobody accepts, while others come through.
    let script = scene.script(
        "busy.py",
        r#"
import os, socket, sys, threading, time

def listen(family, at, backlog):
    listener = socket.socket(family)
    listener.bind(at)
    listener.listen(backlog)
    return listener

full = [listen(socket.AF_INET, ("127.0.0.1", 0), 0), listen(socket.AF_UNIX, "full", 0)]
open = [listen(socket.AF_INET, ("127.0.0.1", 0), 100), listen(socket.AF_UNIX, "open", 100)]
held = []
for listener in full:
    s = socket.socket(listener.family)
    s.connect(listener.getsockname())
    held.append(s)
    for _ in range(20):
        s = socket.socket(listener.family)
        threading.Thread(target=s.connect, args=[listener.getsockname()], daemon=True).start()
time.sleep(0.3)
start = time.monotonic()
for listener in open:
    for _ in range(100):
        s = socket.socket(listener.family)
        s.connect(listener.getsockname())
        listener.accept()[0].close()
print(time.monotonic() - start < 30)
for name in "full", "open":
    os.unlink(name)
sys.stdout.flush()
os._exit(0)
"#,
    );
    let command = [python.as_str(), &script];
    for user in users() {
        let free = scene.outside(user, &command).output().ends_with(0);
        free.says("True\n");
        let ran = scene.within(user, &policy, &command).output();
        silent(&ran.ends_with(0).says("True\n"));
    }
}
