"""What can go wrong, with jail's own message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._verdict import Verdict

if TYPE_CHECKING:
    from ._process import Result


class JailError(Exception):
    """What each error of this package is."""


class JailNotFound(JailError, FileNotFoundError):
    """There is no ``jail`` binary."""


class NotStarted(JailError):
    """The command was not run: a wrong policy, an ability that the host lacks, no such program."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.error or f"not started (exit code {verdict.exit_code})")
        self.verdict = verdict


class JailFailed(JailError):
    """jail failed while the command ran, and killed it: nothing is known of the command."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.error or f"jail failed (exit code {verdict.exit_code})")
        self.verdict = verdict


class CommandFailed(JailError):
    """The command did not succeed, and ``check`` was set."""

    def __init__(self, result: Result) -> None:
        super().__init__(_told(result.verdict))
        self.result = result


def _told(verdict: Verdict) -> str:
    """Why a command did not succeed, in one line."""
    if verdict.ending == "exited":
        text = f"exit code {verdict.code}"
    elif verdict.limit:
        text = f"the limit {verdict.limit} was exceeded"
    elif verdict.killed_by:
        text = f"killed by the policy: {verdict.killed_by.call} ({verdict.killed_by.place})"
    elif verdict.signal:
        text = f"ended by {verdict.signal.name}"
    else:
        text = verdict.error or verdict.ending
    if verdict.denials:
        first = verdict.denials[0]
        text += f"; {verdict.denied} denied, first: {first.what} ({first.place})"
    return text
