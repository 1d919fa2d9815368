"""Finds the ``jail`` binary."""

from __future__ import annotations

import os
import shutil
from typing import Optional, Union

from ._errors import JailNotFound

VARIABLE = "JAIL"


def binary(given: Union[str, "os.PathLike[str]", None] = None) -> str:
    """The path of the ``jail`` binary: the given one, or else the one that ``JAIL`` names, or else ``jail`` in
    ``PATH``.

    Raises:
        JailNotFound: if what is given, or what ``JAIL`` names, is no executable file, or ``PATH`` has none.
    """
    named: Optional[str] = os.fspath(given) if given is not None else os.environ.get(VARIABLE)
    found = shutil.which(named or "jail")
    if found:
        return found
    if given is not None:
        raise JailNotFound(f"jail is {named!r}, which is not an executable file")
    if named:
        raise JailNotFound(f"{VARIABLE} is {named!r}, which is not an executable file")
    raise JailNotFound(
        "no `jail` in PATH: install it (`cargo install tracejail`), "
        f"set {VARIABLE} to its path, or pass jail=PATH"
    )
