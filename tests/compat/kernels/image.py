"""A root file system for a virtual machine, as a cpio archive that the kernel unpacks itself.

It holds what is named to it and the libraries that those programs load, each under the path that it
has here, symbolic links included: a test binary knows the paths of what it runs. Nothing of /etc but
the loader's cache: the machine's users and names are its own.
"""

import os
import re
import shutil
import stat
import subprocess


class Image:
    """Written to `file` as it grows, in cpio's "newc" format (cpio(5); the kernel's
    Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self, file, root=None):
        """`root`: a folder whose files are the system's, instead of those of this system."""
        self.file = file
        self.root = root
        self.seen = {"/"}

    def _entry(self, name, mode, content=b"", device=(0, 0), changed=0):
        name = name.lstrip("/").encode() + b"\0"
        number = len(self.seen) if name != b"TRAILER!!!\0" else 0
        fields = (number, mode, 0, 0, 1, changed, len(content), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.file.write(header + b"\0" * (-len(header) % 4))
        self.file.write(content)
        self.file.write(b"\0" * (-len(content) % 4))

    def directory(self, path, mode=0o755):
        """A directory, and those that it lies in; an existing one stays as it is."""
        path = self._real(path)
        if path not in self.seen:
            self.seen.add(path)
            self._entry(path, stat.S_IFDIR | mode)

    def text(self, path, content, mode=0o644):
        """A file with this content."""
        path = self._real(path)
        self.seen.add(path)
        self._entry(path, stat.S_IFREG | mode, content.encode())

    def link(self, path, target):
        """A symbolic link."""
        path = self._real(path)
        if path not in self.seen:
            self.seen.add(path)
            self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path, major, minor):
        self._entry(self._real(path), stat.S_IFCHR | 0o600, device=(major, minor))

    def copy(self, path):
        """The file of this path, what it is a link to, and the libraries that it loads."""
        path = self._real(os.path.abspath(path))
        if path in self.seen:
            return
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(path)
            self.link(path, target)
            self._copy_if_there(os.path.join(os.path.dirname(path), target))
        elif stat.S_ISREG(status.st_mode):
            self.seen.add(path)
            with open(path, "rb") as file:
                content = file.read()
            # Readable for all: the tests also run as an ordinary user. Python's caches are valid for the time
            # at which a module was changed.
            mode = stat.S_IFREG | stat.S_IMODE(status.st_mode) | 0o444
            self._entry(path, mode, content, changed=int(status.st_mtime))
            if self.root:
                # Its libraries are in the root.
                return
            if content.startswith(b"\x7fELF"):
                for library in libraries(path):
                    self.copy(library)
            elif content.startswith(b"#!"):
                self._copy_if_there(os.fsdecode(content[2:200].split()[0]))

    def _copy_if_there(self, path):
        if os.path.lexists(path):
            self.copy(path)

    def copy_tree(self, path, without=()):
        """Everything beneath, but the directories of these names."""
        for place, directories, files in os.walk(path):
            directories[:] = [name for name in directories if name not in without]
            self.directory(place)
            for name in files:
                self.copy(os.path.join(place, name))

    def copy_root(self):
        """Everything in the root, except what is in the image already."""
        for place, directories, files in os.walk(self.root):
            for name in (*directories, *files):
                source = os.path.join(place, name)
                self._copy_of_root(source, "/" + os.path.relpath(source, self.root))

    def _copy_of_root(self, source, path):
        status = os.lstat(source)
        if path in self.seen:
            return
        self.seen.add(path)
        if stat.S_ISLNK(status.st_mode):
            self._entry(path, stat.S_IFLNK | 0o777, os.fsencode(os.readlink(source)))
        elif stat.S_ISDIR(status.st_mode):
            self._entry(path, stat.S_IFDIR | stat.S_IMODE(status.st_mode))
        elif stat.S_ISREG(status.st_mode):
            with open(source, "rb") as file:
                self._entry(path, stat.S_IFREG | stat.S_IMODE(status.st_mode) | 0o444, file.read())

    def program(self, name):
        """A program of the PATH, or of a path; whether there is one."""
        path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if path:
            self.copy(path)
        return path is not None

    def end(self):
        self._entry("TRAILER!!!", 0)

    def _real(self, path):
        """The path with the links in its directories resolved, all of which exist from now on."""
        above, name = os.path.split(os.path.normpath(path))
        if above == path:
            return path
        above = self._real(above)
        if above not in self.seen:
            if os.path.islink(above):
                target = os.path.join(os.path.dirname(above), os.readlink(above))
                self.link(above, os.readlink(above))
                return self._real(os.path.join(target, name))
            self.directory(above)
        elif os.path.islink(above):
            return self._real(os.path.join(os.path.dirname(above), os.readlink(above), name))
        return os.path.join(above, name)


def libraries(path):
    """The shared libraries of a program, and its loader: none if it is static."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)
