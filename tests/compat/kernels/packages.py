"""Kernels out of Debian's packages, into a folder of this project."""

import glob
import os
import re
import shutil
import subprocess
import tempfile

import arch
from archive import Archive, need_apt
from machine import Missing

# Which suites have a kernel. Other versions are looked for in all of them.
SUITES = {
    "5.10": ("bullseye",),
    "6.1": ("bookworm",),
    "6.12": ("trixie",),
    "newest": ("trixie-backports", "sid"),
}
# The kernels for virtual machines: small, with what a virtual machine needs built in.
NAME = re.compile(r"^linux-(image|binary)(-unsigned)?-((\d+\.\d+)\.\S+?)-cloud-(amd64|arm64)(-unsigned)?$")


def kernel(version, folder, processor=arch.X86_64):
    """The path of the kernel's image, taken from the folder if it is there already.

    `version` is two numbers such as 6.1, or `newest`."""
    place = os.path.join(folder, version)
    image = os.path.join(place, "bzImage")
    if os.path.exists(image):
        return image
    if version != "newest" and not re.fullmatch(r"\d+\.\d+", version):
        raise Missing(f"{version} is no kernel: name a version such as 6.1, `newest`, or the path of a bzImage")
    need_apt(f"Linux {version}", ": name the path of a bzImage")
    with tempfile.TemporaryDirectory() as directory:
        found = _unpacked(version, Archive(directory, processor), directory)
        os.makedirs(place, exist_ok=True)
        shutil.copy(found, image + ".new")
    os.rename(image + ".new", image)
    return image


def _unpacked(version, archive, directory):
    """The path of an image that a package has been unpacked to."""
    suites = SUITES.get(version) or sorted({suite for suites in SUITES.values() for suite in suites})
    errors = [error for error in map(archive.update, suites) if error]
    by_release = {}
    for name, release, numbers in _packages(archive):
        if version in (numbers, "newest"):
            by_release.setdefault(release, []).append(name)
    if not by_release:
        if errors:
            raise Missing(f"the packages of {', '.join(suites)} cannot be listed: {errors[0]}")
        known = sorted({numbers for _, _, numbers in _packages(archive)}, key=_order)
        raise Missing(f"Debian ({', '.join(suites)}) has no kernel {version}: it has {', '.join(known)}")
    release = max(by_release, key=_order)
    # The signed package first; of newer kernels it depends on the one with the image.
    for name in sorted(by_release[release], key=lambda name: ("unsigned" in name, "binary" in name)):
        if image := _image(archive, directory, name):
            return image
    raise Missing(f"no image of a kernel is in the packages {', '.join(by_release[release])}, or they cannot be had")


def _order(text):
    """Sorts versions by their numbers."""
    return [int(number) for number in re.findall(r"\d+", text)]


def _packages(archive):
    """Name, release and version of each package with a kernel."""
    names = archive.named(f"cloud-{archive.processor.debian}")
    found = [match for match in map(NAME.match, sorted(names)) if match]
    return [(match[0], match[3], match[4]) for match in found]


def _image(archive, directory, name):
    """The image of this package, unpacked; None if the package has none or cannot be had."""
    place = tempfile.mkdtemp(dir=directory)
    for package in archive.take(name, place):
        subprocess.run(["dpkg", "-x", package, place], check=True)
    images = [
        path
        for pattern in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz")
        for path in glob.glob(f"{place}/{pattern}")
    ]
    return images[0] if images else None
