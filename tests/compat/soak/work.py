"""The commands of the soak test, and the policies that they run under."""

import os
import shutil

PATTERN = """\
extends = ["workspace"]
[fs]
deny = ["./**/.secret"]
"""

POLICIES = {
    "pattern.toml": PATTERN,
    "kill.toml": PATTERN + '[syscalls]\nuname = "kill"\n',
    "wall.toml": PATTERN + '[limits]\nwall = "300ms"\ngrace = "100ms"\n',
    "tasks.toml": PATTERN + "[limits]\nprocesses = 20\n",
    "memory.toml": PATTERN + '[limits]\nmemory = "64MiB"\n',
    "net.toml": 'extends = ["workspace", "localhost"]\n',
}

THREADS = """\
import os, threading
def work(number):
    for place in ("seen", "x/.secret"):
        for _ in range(5):
            try:
                open(place).close()
                assert place == "seen"
            except PermissionError:
                assert place != "seen"
os.makedirs("x", exist_ok=True)
open("seen", "w").close()
for _ in range(10):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""

SIGNALS = """\
import os, signal
seen = 0
def count(*_):
    global seen
    seen += 1
signal.signal(signal.SIGUSR1, count)
signal.signal(signal.SIGALRM, count)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for _ in range(500):
    os.kill(os.getpid(), signal.SIGUSR1)
    open("seen", "w").close()
children = [os.fork() or os._exit(0) for _ in range(20)]
for child in children:
    os.waitpid(child, 0)
signal.setitimer(signal.ITIMER_REAL, 0)
assert seen >= 500
"""

NET = """\
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    for _ in range(100):
        with socket.create_connection(server.getsockname()), server.accept()[0]:
            pass
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except PermissionError:
    pass
"""

# It runs for the whole time, a little of everything in each round, until its stdin is closed.
STEADY = """\
import os, select, signal, threading, time
os.makedirs("x", exist_ok=True)
signal.signal(signal.SIGUSR1, lambda *_: None)
def opens():
    for place in ("seen", "x/.secret"):
        try:
            open(place, "a").close()
        except PermissionError:
            pass
while not select.select([0], [], [], 0.01)[0]:
    child = os.fork()
    if child == 0:
        opens()
        try:
            os.execv("/bin/true", ["true"])
        finally:
            os._exit(1)
    thread = threading.Thread(target=opens)
    thread.start()
    os.kill(os.getpid(), signal.SIGUSR1)
    opens()
    thread.join()
    os.waitpid(child, 0)
"""


class Kind:
    """A kind of short jail: its policy, what it runs, and how that ends if nothing is killed."""

    def __init__(self, name, policy, command, code=0, options=()):
        self.name, self.policy, self.command, self.code, self.options = name, policy, command, code, options


def shell(script):
    return ["/bin/sh", "-c", script]


def kinds(python):
    program = [python, "-c"]
    found = [
        Kind("forks", "workspace", shell("i=0; while [ $i -lt 150 ]; do (exit 3) & i=$((i+1)); done; wait; exit 7"), 7),
        Kind("programs", "pattern.toml", shell("i=0; while [ $i -lt 60 ]; do /bin/true; i=$((i+1)); done")),
        Kind("threads", "pattern.toml", [*program, THREADS]),
        Kind("signals", "pattern.toml", [*program, SIGNALS]),
        Kind("net", "net.toml", [*program, NET]),
        Kind("orphans", "workspace", shell("sleep 100 & setsid sleep 100 & exit 0"), options=("--kill-on-exit",)),
        Kind("orphans, waited for", "workspace", shell("sleep 0.2 & setsid sleep 0.3 & exit 4"), 4),
        Kind("temporary files", "workspace", shell("cd $TMPDIR && mkdir -p a/b/c && touch a/x a/b/y && chmod 0 a/b/c")),
        Kind("killed by the policy", "kill.toml", shell("sleep 100 & uname"), 159),
        Kind("limit of time", "wall.toml", shell("sleep 100 & sleep 100"), 124),
        Kind("limit of tasks", "tasks.toml", shell("while :; do sleep 100 & done"), 124),
        Kind("limit of memory", "memory.toml", [*program, "x = [bytearray(b'1' * 10**6) for _ in range(500)]"], 124),
    ]
    if all(os.access(f"/usr/bin/{name}", os.X_OK) for name in ("make", "cc")):
        make = "make -s -j2 && ./program"
        found.append(Kind("build", "pattern.toml", shell(make)))
    else:
        print("NOT TRIED HERE: builds: make and cc are not installed in /usr/bin")
    return found


def prepare(place):
    """Writes policies and sources."""
    for name, text in POLICIES.items():
        with open(os.path.join(place, name), "w") as file:
            file.write(text)
    names = [f"part{number}" for number in range(8)]
    text = "OBJECTS = " + " ".join(f"{name}.o" for name in names) + "\n"
    text += "program: $(OBJECTS)\n\tcc -o $@ $^\n"
    for name in names:
        text += f'{name}.o:\n\techo "int {name if name != "part0" else "main"}(void) {{ return 0; }}" > {name}.c; '
        text += f"cc -c -o $@ {name}.c\n"
    with open(os.path.join(place, "Makefile"), "w") as file:
        file.write(text)


def sources(place, folder):
    """Gives a job what a build needs."""
    shutil.copy(os.path.join(place, "Makefile"), folder)
