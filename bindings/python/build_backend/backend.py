"""Builds the package (PEP 517, PEP 660) with nothing but Python, so that `pip install` needs no network.

A wheel is an archive of the modules and their metadata. The same files give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Optional

NAME = "tracejail"
VERSION = "0.1.0"
METADATA = f"""\
Metadata-Version: 2.1
Name: {NAME}
Version: {VERSION}
Summary: Run untrusted commands under a policy: the jail binary for Python
License: MIT OR Apache-2.0
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: Python :: 3
Classifier: Typing :: Typed
Requires-Python: >=3.9
Description-Content-Type: text/markdown

"""
WHEEL = f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENTRY_POINTS = f"[pytest11]\n{NAME} = {NAME}.pytest_plugin\n"

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
INFO = f"{NAME}-{VERSION}.dist-info"


def build_wheel(directory: str, settings: Any = None, metadata: Optional[str] = None) -> str:
    modules = sorted(file for file in (SOURCES / NAME).iterdir() if file.suffix == ".py" or file.name == "py.typed")
    return _wheel(directory, {str(file.relative_to(SOURCES)): file.read_bytes() for file in modules})


def build_editable(directory: str, settings: Any = None, metadata: Optional[str] = None) -> str:
    return _wheel(directory, {f"{NAME}.pth": f"{SOURCES}\n".encode()})


def build_sdist(directory: str, settings: Any = None) -> str:
    name = f"{NAME}-{VERSION}"
    with tarfile.open(Path(directory, f"{name}.tar.gz"), "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for part in ("pyproject.toml", "README.md", "build_backend/backend.py", "src", "tests"):
            archive.add(ROOT / part, f"{name}/{part}", filter=_source)
        _add(archive, f"{name}/PKG-INFO", _metadata())
    return f"{name}.tar.gz"


def _source(entry: tarfile.TarInfo) -> Optional[tarfile.TarInfo]:
    """An entry of the source archive, without its owner; None for what Python makes there."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if "__pycache__" in entry.name else entry


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _metadata() -> bytes:
    return METADATA.encode() + (ROOT / "README.md").read_bytes()


def _wheel(directory: str, files: dict[str, bytes]) -> str:
    files = {
        **files,
        f"{INFO}/METADATA": _metadata(),
        f"{INFO}/WHEEL": WHEEL.encode(),
        f"{INFO}/entry_points.txt": ENTRY_POINTS.encode(),
    }
    record = "".join(f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{INFO}/RECORD"] = f"{record}{INFO}/RECORD,,\n".encode()
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return name


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.rstrip(b"=").decode()
