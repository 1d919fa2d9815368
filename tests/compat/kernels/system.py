"""The programs of a machine with another processor than this one, out of Debian's packages."""

import os
import shutil
import subprocess
import tempfile

from archive import Archive, need_apt
from machine import Missing

SUITE = "trixie"
PACKAGES = (
    "base-files base-passwd bash coreutils dash findutils grep libc-bin mawk mount ncurses-bin netbase procps python3 "
    "sed bsdutils util-linux util-linux-extra perl strace git curl iproute2 nginx-light"
).split()
LEFT_OUT = ("share/doc", "share/man", "share/locale", "share/i18n", "share/info", "lib/python3/dist-packages", "lib/valgrind")
# What the packages would link when they are installed.
LINKS = {"sh": "dash", "awk": "mawk"}


def system(folder, processor):
    """A folder with the system, filled at the first time."""
    root = os.path.join(folder, "system")
    if os.path.isdir(root):
        return root
    need_apt(f"a system for {processor.name}", "")
    shutil.rmtree(root + ".new", ignore_errors=True)
    for name in ("bin", "sbin", "lib"):
        os.makedirs(f"{root}.new/usr/{name}")
        os.symlink(f"usr/{name}", f"{root}.new/{name}")
    with tempfile.TemporaryDirectory() as directory:
        archive = Archive(directory, processor)
        if error := archive.update(SUITE):
            raise Missing(f"the packages of {SUITE} cannot be listed: {error}")
        for package in archive.take_with_dependencies(PACKAGES):
            _unpack(package, root + ".new")
    for name, target in LINKS.items():
        if not os.path.lexists(f"{root}.new/usr/bin/{name}"):
            os.symlink(target, f"{root}.new/usr/bin/{name}")
    os.rename(root + ".new", root)
    return root


def _unpack(package, root):
    """As dpkg does, which keeps a link where a package has a directory."""
    without = [f"--exclude=./usr/{path}/*" for path in LEFT_OUT]
    reader = subprocess.Popen(["dpkg", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    command = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", root, *without]
    done = subprocess.run(command, stdin=reader.stdout)
    if reader.wait() or done.returncode:
        raise Missing(f"{os.path.basename(package)} cannot be unpacked")
