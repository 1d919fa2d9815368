"""Writes a policy as TOML: tables of strings, numbers, booleans, lists and tables."""

import json
import re
from collections.abc import Mapping
from typing import Any


def written(policy: Mapping[str, Any]) -> str:
    """The TOML document of a policy.

    Raises:
        TypeError: if a value is of a type that no policy has.
    """
    lines: list[str] = []
    _table(lines, (), policy)
    return "\n".join(lines).strip() + "\n"


def _table(lines: list[str], path: tuple[str, ...], table: Mapping[str, Any]) -> None:
    # A key after a `[header]` belongs to that header, so plain values come first.
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _is_tables(path, value):
            lines.append(f"{_key(key)} = {_value(value, (*path, key))}")
    for key, value in table.items():
        inner = (*path, key)
        name = ".".join(map(_key, inner))
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]"]
            _table(lines, inner, value)
        elif _is_tables(path, value):
            for one in value:
                lines += ["", f"[[{name}]]"]
                _table(lines, inner, one)


def _is_tables(path: tuple[str, ...], value: Any) -> bool:
    """Whether the value is written as `[[name]]`: `rule` and `test` of a policy. Entries of a section stay
    on one line, which messages can name."""
    if path or not isinstance(value, list) or not value:
        return False
    return all(isinstance(one, Mapping) for one in value)


def _value(value: Any, path: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _string(value)
    if hasattr(value, "__fspath__"):
        return _string(value.__fspath__())
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(one, path) for one in value) + "]"
    if isinstance(value, Mapping):
        items = (f"{_key(key)} = {_value(one, (*path, key))}" for key, one in value.items())
        return "{ " + ", ".join(items) + " }"
    raise TypeError(f"{'.'.join(path)}: a policy has no value of type {type(value).__name__}")


def _key(text: Any) -> str:
    if isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return text
    return _string(text)


def _string(text: Any) -> str:
    """A TOML basic string. JSON escapes the same characters, but not DEL."""
    if not isinstance(text, str):
        raise TypeError(f"a name or path of a policy must be a str, not {type(text).__name__}")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
