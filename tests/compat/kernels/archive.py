"""Debian's packages, by apt-get, without anything of this system's own settings. Nothing is installed."""

import glob
import os
import shutil
import subprocess

from machine import Missing

# The second one has the suites that the first one has no more.
MIRRORS = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def need_apt(what, otherwise):
    """Raises `Missing` unless packages can be taken."""
    for program in ("apt-get", "apt-cache", "dpkg"):
        if not shutil.which(program):
            raise Missing(f"there is no {program} to take {what} out of Debian's packages{otherwise}")
    if not os.path.exists(KEYS):
        raise Missing(f"there is no {KEYS}: install debian-archive-keyring{otherwise and ', or'}{otherwise[1:]}")


class Archive:
    """What some suites have for one processor, listed in a folder."""

    def __init__(self, directory, processor):
        self.directory = directory
        self.processor = processor
        for name in ("lists/partial", "cache/archives/partial", "sources"):
            os.makedirs(f"{directory}/{name}", exist_ok=True)
        for name in ("sources.list", "status"):
            open(f"{directory}/{name}", "a").close()

    def _apt(self, program, *words, **options):
        settings = {
            "APT::Architecture": self.processor.debian,
            "APT::Architectures": self.processor.debian,
            "Dir::State::status": f"{self.directory}/status",
            "Dir::Etc::sourcelist": f"{self.directory}/sources.list",
            "Dir::Etc::sourceparts": f"{self.directory}/sources",
            "Dir::State::lists": f"{self.directory}/lists",
            "Dir::Cache": f"{self.directory}/cache",
            # No other user could write to the folder.
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "APT::Install-Recommends": "false",
            # The Release file of a suite that is kept in the archive is old.
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "1",
            "Acquire::http::Timeout": "20",
        }
        words = [*(word for name, value in settings.items() for word in ("-o", f"{name}={value}")), *words]
        return subprocess.run([program, "-q", *words], capture_output=True, text=True, **options)

    def update(self, suite):
        """Lists the packages of a suite, beside those listed before; what went wrong, else None."""
        said = ""
        for mirror in MIRRORS:
            source = f"{self.directory}/sources/{suite}.list"
            with open(source, "w") as file:
                file.write(f"deb [signed-by={KEYS}] {mirror} {suite} main\n")
            done = self._apt("apt-get", "update")
            if done.returncode == 0:
                return None
            os.remove(source)
            said = said or next(iter(done.stderr.strip().splitlines()), f"apt-get ended with {done.returncode}")
        return said

    def named(self, words):
        """The names of the packages with these words in their names."""
        done = self._apt("apt-cache", "search", "--names-only", words)
        return {line.split(" ")[0] for line in done.stdout.splitlines()}

    def take(self, name, place):
        """The files of this package that were put into the folder; none if it cannot be had."""
        if self._apt("apt-get", "download", name, cwd=place).returncode:
            return []
        return glob.glob(f"{place}/*.deb")

    def take_with_dependencies(self, names):
        """The files of these packages and of those that they need."""
        done = self._apt("apt-get", "install", "--yes", "--download-only", *names)
        if done.returncode:
            raise Missing(f"the packages of a system cannot be had: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return sorted(glob.glob(f"{self.directory}/cache/archives/*.deb"))
