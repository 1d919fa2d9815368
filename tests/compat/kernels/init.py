#!/usr/bin/python3
"""The first process of the virtual machine: makes it a system with cgroup v2, runs the command.

What to run is in /job.json. The command's output goes to the first of its two serial ports, its exit
code to the second. There is no way to report a failure but to say it on the console and to stop.
"""

import ctypes
import fcntl
import json
import os
import signal
import struct
import threading
import time
import traceback

MS_BIND = 0x1000
MS_MOVE = 0x2000
CGROUPS = "/sys/fs/cgroup"
CONTROLLERS = "+memory +pids +cpu"
libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind="", flags=0, options=""):
    os.makedirs(target, exist_ok=True)
    words = [word.encode() for word in (source, target, kind)]
    if libc.mount(*words, ctypes.c_ulong(flags), options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}")


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def leave_rootfs():
    """pivot_root(2) refuses a root that is the rootfs itself: the same files, as a mount upon it."""
    mount("/", "/root-mount", flags=MS_BIND)
    os.chdir("/root-mount")
    mount(".", "/", flags=MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def mount_everything():
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    mount("devtmpfs", "/dev", "devtmpfs")
    mount("devpts", "/dev/pts", "devpts", options="ptmxmode=666,mode=620")
    mount("tmpfs", "/dev/shm", "tmpfs", options="mode=1777")
    mount("tmpfs", "/run", "tmpfs", options="mode=755")
    mount("cgroup2", CGROUPS, "cgroup2")
    try:
        mount("mqueue", "/dev/mqueue", "mqueue")
    except OSError:
        os.rmdir("/dev/mqueue")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"/dev/{name}")


def make_cgroups(owner):
    """As cgroups(7) has it of delegation: `scope` may be divided by who starts in it, `delegated` is
    divided, and its `leaf` is where a command starts."""
    write(f"{CGROUPS}/cgroup.subtree_control", CONTROLLERS)
    for name in ("scope", "delegated", "delegated/leaf"):
        os.mkdir(f"{CGROUPS}/{name}")
        with open("/sys/kernel/cgroup/delegate") as delegate:
            files = [file for file in delegate.read().split() if os.path.exists(f"{CGROUPS}/{name}/{file}")]
        for file in ["", *files]:
            os.chown(f"{CGROUPS}/{name}/{file}", owner, owner)
    write(f"{CGROUPS}/delegated/cgroup.subtree_control", CONTROLLERS)


def raise_loopback():
    import socket

    siocsifflags, iff_up = 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh14x", b"lo", iff_up))


def serial_port(name):
    """Unlike a terminal, it changes no byte of what is written."""
    import termios
    import tty

    port = os.open(f"/dev/{name}", os.O_WRONLY | os.O_NOCTTY)
    tty.setraw(port, termios.TCSANOW)
    return port


def start(job, output):
    """Becomes the command, in a new child: in its cgroup and as its user from its first instruction."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            # What Python ignores, and a command inherits.
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            write(f"{CGROUPS}/{job['cgroup']}/cgroup.procs", "0")
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.setgroups([])
            os.setresgid(job["uid"], job["uid"], job["uid"])
            os.setresuid(job["uid"], job["uid"], job["uid"])
            os.chdir(job["cwd"])
            os.execve("/bin/bash", ["bash", "-c", job["command"]], job["environment"])
        except BaseException:
            traceback.print_exc()
            os._exit(125)
    return child


def copy(source, target):
    while data := os.read(source, 65536):
        while data:
            data = data[os.write(target, data) :]


def main():
    leave_rootfs()
    mount_everything()
    with open("/job.json") as file:
        job = json.load(file)
    make_cgroups(job["uid"])
    raise_loopback()
    reader, writer = os.pipe()
    terminal = serial_port(job["ports"][0])
    copier = threading.Thread(target=copy, args=(reader, terminal), daemon=True)
    child = start(job, writer)
    os.close(writer)
    copier.start()
    status = None
    while status is None:
        # Of the orphans too: whoever is not waited for still counts for the pids controller.
        pid, how = os.wait()
        if pid == child:
            status = os.waitstatus_to_exitcode(how)
    # Whoever is left may hold the pipe open.
    copier.join(2)
    import termios

    termios.tcdrain(terminal)
    result = serial_port(job["ports"][1])
    os.write(result, b"%d\n" % (status if status >= 0 else 128 - status))
    termios.tcdrain(result)


try:
    main()
except BaseException:
    traceback.print_exc()
time.sleep(0.1)
# The virtual machine is started such that a reset ends it; no power management is needed.
write("/proc/sysrq-trigger", "b")
time.sleep(60)
