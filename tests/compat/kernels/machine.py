"""An emulated machine with a kernel of one's choice, in which programs of this checkout run.

`build` makes the programs, `Machine.run` packs them into an image, boots it and runs one command in it.
`init.py` is the machine's first process.
"""

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

import arch
from image import Image

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.realpath(os.path.join(HERE, "..", "..", ".."))
PYTHON = "/usr/bin/python3"
NOBODY = 65534
OPTIONS = arch.X86_64.options
# What the tests run, and what helps to examine a failure. A test says itself what it misses.
PROGRAMS = (
    "bash sh env true false echo printf cat cp mv rm ln ls mkdir rmdir mkfifo mknod touch chmod chown stat "
    "pwd mktemp cut readlink realpath unlink link truncate dd head tail tr wc sort seq tee id whoami tty stty sleep timeout "
    "uname nice nohup test expr basename dirname date df du yes xargs find grep sed mount umount unshare "
    "nsenter setarch setpriv setsid prlimit script ps kill strace perl ip curl nginx git git-receive-pack "
    "git-upload-pack vim ipcmk ipcrm hostname tar uniq"
).split()


class Missing(Exception):
    """Something that this needs of the host is not there."""


class NotBuilt(Exception):
    """cargo has failed, and has said why."""


def need_qemu(processor=arch.X86_64):
    """Raises `Missing` unless a machine can be started."""
    if not shutil.which(processor.qemu):
        raise Missing(f"there is no {processor.qemu}: install qemu for {processor.name} (Debian: {processor.package})")


class Programs:
    """What cargo has built: `jail` and the example programs, and tests by the names of their suites."""

    def __init__(self, programs, tests):
        self.programs = programs
        self.tests = tests


def build(tests, project=PROJECT, release=False, processor=arch.X86_64):
    """Builds the programs and these suites, as cargo is configured here."""
    profile = ["--release"] if release else []
    profile += ["--target", processor.target] if processor.target else []
    for name, program in processor.linker.items():
        if name not in os.environ and not shutil.which(program):
            raise Missing(f"there is no {program} to link programs for {processor.name}: install it, or name another in {name}")
        os.environ.setdefault(name, program)
    programs = _cargo(project, ["build", *profile, "--bins", "--examples"])
    named = [word for test in tests for word in ("--test", test)]
    # The programs are in this list, too.
    listed = _cargo(project, ["test", *profile, "--no-run", *named])
    return Programs(programs, {name: path for name, path in listed.items() if name in tests})


def _cargo(project, command):
    """The executables that result, by name."""
    if not shutil.which("cargo"):
        raise Missing("there is no cargo in the PATH")
    command = ["cargo", *command, "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=project, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise NotBuilt(" ".join(command))
    messages = map(json.loads, done.stdout.splitlines())
    return {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}


class Machine:
    """A kernel, and what its machine consists of."""

    def __init__(self, kernel, project=PROJECT, options=OPTIONS, append="", memory=4096, extra=(), processor=arch.X86_64, root=None, processors=2):
        """`root`: a folder with the system's programs, instead of those of this system."""
        self.kernel = kernel
        self.project = project
        self.options = options
        self.append = append
        self.memory = memory
        self.extra = extra
        self.processor = processor
        self.root = root
        self.processors = processors

    def run(self, built, command, output, user=0, cgroup="delegated/leaf", environment=(), timeout=900, log=None, silence=None):
        """Boots, runs a line for bash, and hands each piece of its output to `output`.

        The machine is ended after `timeout` seconds, or after `silence` without output. Returns the command's exit code, or None if the machine ended before the command: then the kernel's
        messages are in `log`, or on stderr without one."""
        need_qemu(self.processor)
        folders = ["/tests", *sorted({os.path.dirname(path) for path in built.programs.values()})]
        job = {
            "command": command,
            "uid": user,
            "cgroup": cgroup,
            "cwd": self.project,
            "environment": {
                "PATH": ":".join([*folders, "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]),
                "HOME": "/tmp" if user else "/root",
                "TMPDIR": "/tmp",
                # The programs' own caches are in the machine already.
                "PYTHONDONTWRITEBYTECODE": "1",
                **dict(environment),
            },
        }
        job["ports"] = self.processor.ports
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "image"), "wb") as file:
                image = Image(file, self.root)
                self._pack(image, built)
                image.text("/job.json", json.dumps(job))
                image.end()
            return self._boot(directory, output, timeout, silence or timeout, log)

    def _pack(self, image, built):
        for path in ("/proc", "/sys", "/dev", "/run", "/root", "/root-mount"):
            image.directory(path)
        # In /home tests make homes, which must not lie in /tmp.
        for path in ("/tmp", "/var/tmp", "/home"):
            image.directory(path, 0o1777)
        # The kernel opens it for init, before anything is mounted.
        image.character_device("/dev/console", 5, 1)
        image.text("/etc/passwd", f"root:x:0:0::/root:/bin/bash\nnobody:x:{NOBODY}:{NOBODY}::/tmp:/bin/bash\n")
        image.text("/etc/group", f"root:x:0:\nnogroup:x:{NOBODY}:\n")
        image.text("/etc/shadow", "root:*:20000::::::\nnobody:*:20000::::::\n", 0o600)
        image.text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        image.text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        for name, mode in (("init.py", 0o755), ("inside.py", 0o644)):
            with open(os.path.join(HERE, name)) as file:
                image.text("/" + name.replace("init.py", "init"), file.read(), mode)
        if self.root:
            image.copy_root()
        else:
            self._pack_system(image)
        for path in (*built.programs.values(), *built.tests.values()):
            image.copy(path)
        for test, path in built.tests.items():
            image.link(f"/tests/{test}", path)
        # The tests read policies, golden files and the like of the project.
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=self.project, check=True, capture_output=True, text=True).stdout
        for name in listed.split("\0"):
            path = os.path.join(self.project, name)
            if name and os.path.lexists(path):
                image.copy(path)

    def _pack_system(self, image):
        if os.path.exists("/etc/ld.so.cache"):
            image.copy("/etc/ld.so.cache")
        self._pack_python(image)
        missing = [program for program in (*PROGRAMS, *self.extra) if not image.program(program)]
        if missing:
            print(f"not in the machine, since not here: {' '.join(missing)}", file=sys.stderr)

    def _pack_python(self, image):
        image.copy(PYTHON)
        paths = "import sysconfig; print(*{sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib')}, sep='\\n')"
        listed = subprocess.run([PYTHON, "-I", "-c", paths], check=True, capture_output=True, text=True).stdout
        left_out = ("test", "idlelib", "tkinter", "dist-packages", "site-packages")
        for path in listed.split("\n"):
            if path:
                image.copy_tree(path, without=left_out)

    def _boot(self, directory, output, timeout, silence, log):
        result = os.path.join(directory, "result")
        console = log or os.path.join(directory, "console")
        command = [self.processor.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        command += self.options.split()
        command += ["-smp", str(self.processors), "-m", str(self.memory)]
        command += ["-kernel", self.kernel, "-initrd", os.path.join(directory, "image")]
        # Without no_timer_check, Linux 5.10 takes the timer of a slow emulation for a broken one, and panics.
        # The others save time: code is translated once only where it has the same address in each process.
        words = f"quiet panic=-1 cgroup_no_v1=all no_timer_check mitigations=off norandmaps init_on_alloc=0 {self.append}"
        command += ["-append", f"console={self.processor.console} {words}"]
        command += self.processor.serial(f"file:{console}", "stdio", f"file:{result}")
        machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        end = time.monotonic() + timeout
        try:
            while data := _read(machine.stdout, min(silence, end - time.monotonic())):
                output(data)
        finally:
            machine.kill()
            machine.wait()
        try:
            with open(result) as file:
                return int(file.read())
        except (OSError, ValueError):
            if not log:
                with open(console, errors="replace") as file:
                    sys.stderr.write(file.read())
            return None


def _read(pipe, seconds):
    """What comes next; nothing at its end, or if that takes longer than so many seconds."""
    ready, _, _ = select.select([pipe], [], [], max(seconds, 0))
    return pipe.read1() if ready else b""
