"""Kernels out of Debian's packages, by apt-get, into a folder of this project. Nothing is installed."""

import glob
import os
import re
import shutil
import subprocess
import tempfile

from machine import Missing

# Which suites have a kernel. Other versions are looked for in all of them.
SUITES = {
    "5.10": ("bullseye",),
    "6.1": ("bookworm",),
    "6.12": ("trixie",),
    "newest": ("trixie-backports", "sid"),
}
# The second one has the suites that the first one has no more.
MIRRORS = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# The kernels for virtual machines: small, with what a virtual machine needs built in.
NAME = re.compile(r"^linux-(image|binary)(-unsigned)?-((\d+\.\d+)\.\S+?)-cloud-amd64(-unsigned)?$")


def kernel(version, folder):
    """The path of the kernel's image, taken from the folder if it is there already.

    `version` is two numbers such as 6.1, or `newest`."""
    place = os.path.join(folder, version)
    image = os.path.join(place, "bzImage")
    if os.path.exists(image):
        return image
    if version != "newest" and not re.fullmatch(r"\d+\.\d+", version):
        raise Missing(f"{version} is no kernel: name a version such as 6.1, `newest`, or the path of a bzImage")
    for program in ("apt-get", "apt-cache", "dpkg"):
        if not shutil.which(program):
            raise Missing(f"there is no {program} to take Linux {version} out of Debian's packages: name the path of a bzImage")
    if not os.path.exists(KEYS):
        raise Missing(f"there is no {KEYS}: install debian-archive-keyring, or name the path of a bzImage")
    with tempfile.TemporaryDirectory() as directory:
        found = _unpacked(version, directory)
        os.makedirs(place, exist_ok=True)
        shutil.copy(found, image + ".new")
    os.rename(image + ".new", image)
    return image


def _unpacked(version, directory):
    """The path of an image that a package has been unpacked to."""
    suites = SUITES.get(version) or sorted({suite for suites in SUITES.values() for suite in suites})
    errors = [error for error in (_update(directory, suite) for suite in suites) if error]
    by_release = {}
    for name, release, numbers in _packages(directory):
        if version in (numbers, "newest"):
            by_release.setdefault(release, []).append(name)
    if not by_release:
        if errors:
            raise Missing(f"the packages of {', '.join(suites)} cannot be listed: {errors[0]}")
        known = sorted({numbers for _, _, numbers in _packages(directory)}, key=_order)
        raise Missing(f"Debian ({', '.join(suites)}) has no kernel {version}: it has {', '.join(known)}")
    release = max(by_release, key=_order)
    # The signed package first; of newer kernels it depends on the one with the image.
    for name in sorted(by_release[release], key=lambda name: ("unsigned" in name, "binary" in name)):
        if image := _image(directory, name):
            return image
    raise Missing(f"no image of a kernel is in the packages {', '.join(by_release[release])}, or they cannot be had")


def _order(text):
    """Sorts versions by their numbers."""
    return [int(number) for number in re.findall(r"\d+", text)]


def _apt(directory, program, *words, **options):
    settings = {
        "Dir::Etc::sourcelist": f"{directory}/sources.list",
        "Dir::Etc::sourceparts": f"{directory}/sources",
        "Dir::State::lists": f"{directory}/lists",
        "Dir::Cache": f"{directory}/cache",
        # No other user could write to the folder.
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        # The Release file of a suite that is kept in the archive is old.
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
    }
    options_of_apt = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return subprocess.run([program, "-q", *options_of_apt, *words], capture_output=True, text=True, **options)


def _update(directory, suite):
    """Lists the packages of a suite, beside those listed before; what went wrong, else None."""
    for name in ("lists/partial", "cache/archives/partial", "sources"):
        os.makedirs(f"{directory}/{name}", exist_ok=True)
    open(f"{directory}/sources.list", "a").close()
    said = ""
    for mirror in MIRRORS:
        source = f"{directory}/sources/{suite}.list"
        with open(source, "w") as file:
            file.write(f"deb [signed-by={KEYS}] {mirror} {suite} main\n")
        done = _apt(directory, "apt-get", "update")
        if done.returncode == 0:
            return None
        os.remove(source)
        said = said or next(iter(done.stderr.strip().splitlines()), f"apt-get ended with {done.returncode}")
    return said


def _packages(directory):
    """Name, release and version of each package with a kernel."""
    done = _apt(directory, "apt-cache", "search", "--names-only", "cloud-amd64")
    names = {line.split(" ")[0] for line in done.stdout.splitlines()}
    found = [match for match in map(NAME.match, sorted(names)) if match]
    return [(match[0], match[3], match[4]) for match in found]


def _image(directory, name):
    """The image of this package, unpacked; None if the package has none or cannot be had."""
    place = tempfile.mkdtemp(dir=directory)
    if _apt(directory, "apt-get", "download", name, cwd=place).returncode:
        return None
    for package in glob.glob(f"{place}/*.deb"):
        subprocess.run(["dpkg", "-x", package, place], check=True)
    images = [
        path
        for pattern in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz")
        for path in glob.glob(f"{place}/{pattern}")
    ]
    return images[0] if images else None
