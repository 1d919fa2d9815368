"""The fields that the package reads are those that the manual documents. Tests of jail compare the examples of the
manual with what jail writes."""

import json
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracejail import Denial, Verdict

DOCS = Path(__file__).resolve().parents[3] / "docs"


class Seen(dict[str, Any]):
    """A JSON object that notes which of its keys were asked for, and which of these it does not have."""

    def __init__(self, place: str, found: dict[str, Any], absent: set[str], asked: set[str]) -> None:
        def inner(key: str, value: Any) -> Any:
            if isinstance(value, list):
                return [inner(key, one) for one in value]
            return Seen(f"{place}.{key}", value, absent, asked) if isinstance(value, dict) else value

        super().__init__({key: inner(key, value) for key, value in found.items()})
        self.place, self.absent, self.asked = place, absent, asked

    def _note(self, key: str) -> None:
        (self.asked if key in self else self.absent).add(f"{self.place}.{key}")

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().get(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)


def documents(page: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that a page shows."""
    for block in (DOCS / page).read_text().split("```json\n")[1:]:
        yield json.loads(block.split("```")[0])


class Schema(unittest.TestCase):
    def seen(self, page: str) -> Seen:
        self.absent: set[str] = set()
        self.asked: set[str] = set()
        return Seen("", next(documents(page)), self.absent, self.asked)

    def test_each_field_of_the_report_that_is_read_is_documented(self) -> None:
        Verdict.of(self.seen("report.md"))
        # A field of other reasons: that of a built-in rule.
        self.assertEqual(self.absent - {key for key in self.absent if key.endswith(".reason.rule")}, set())
        self.assertLessEqual({".ending", ".tasks.most", ".denied.first.reason.line", ".killed_by.call"}, self.asked)

    def test_each_field_of_a_denial_that_is_read_is_documented(self) -> None:
        found = self.seen("agents.md")
        Denial.of(found)
        self.assertEqual(self.absent, set())
        self.assertEqual({key[1:] for key in self.asked} | {"time"}, set(found))


if __name__ == "__main__":
    if DOCS.is_dir():
        unittest.main()
