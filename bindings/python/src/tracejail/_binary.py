"""Finds the ``jail`` binary."""

import os
import shutil

VARIABLE = "TRACEJAIL_BINARY"


class JailNotFound(FileNotFoundError):
    """There is no ``jail`` binary."""


def binary() -> str:
    """The path of the ``jail`` binary.

    Raises:
        JailNotFound: if ``TRACEJAIL_BINARY`` names no executable file, or is not set and ``PATH`` has none.
    """
    named = os.environ.get(VARIABLE)
    found = shutil.which(named or "jail")
    if found:
        return found
    if named:
        raise JailNotFound(f"{VARIABLE} is {named!r}, which is not an executable file")
    raise JailNotFound(
        "no `jail` in PATH: install it (`cargo install tracejail`), "
        f"or set {VARIABLE} to its path"
    )
