"""Runs commands in a jail, from Python 3.8 or newer, with nothing but the standard library.

    result = jailed.run(["python3", "solution.py"], policy="compute", stdin="1 2\n")
    assert result.ending == "exited" and result.code == 0 and result.stdout == "3\n"
"""

import json
import os
import subprocess
from dataclasses import dataclass

JAIL = os.environ.get("JAIL", "jail")


@dataclass(frozen=True)
class Result:
    """How a run ended. The report's fields: docs/report.md."""

    ending: str  # "exited", "signalled", "policy", "time", "memory", …
    exit_code: int  # jail's own: 124 past a limit, 125 jail failed, 159 killed by the policy, …
    code: "int | None"  # the command's, where it ended by itself
    stdout: str
    stderr: str
    report: dict

    @property
    def denials(self):
        """The system calls that were denied: name and how often, the most frequent first."""
        return [(count["syscall"], count["times"]) for count in self.report["denied"]["counts"]]

    @property
    def killed_by(self):
        """The call that the policy killed the jail for, as it would be written in C; else None."""
        call = self.report["killed_by"]
        return call and call["call"]


class JailFailed(Exception):
    """Nothing is known of the command: the policy is wrong, jail is missing, or it failed."""


def run(command, policy, *, stdin="", cwd=None, env=None, timeout=600):
    """Runs `command` under `policy` (a name or a file) to the end of all that it has started.

    Limits belong into the policy; `timeout` (seconds) is for a jail that does not end by itself.
    Raises JailFailed if jail, and not the command, is why there is no result.
    """
    report = os.memfd_create("report")
    try:
        arguments = [JAIL, "--quiet", "--kill-on-exit", "--policy", os.fspath(policy)]
        arguments += ["--report", f"fd:{report}", "--", *map(os.fspath, command)]
        try:
            ran = subprocess.run(
                arguments,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                universal_newlines=True,
                errors="replace",
                pass_fds=[report],
                cwd=cwd,
                env=env,
                timeout=timeout,
            )
        except FileNotFoundError as error:
            raise JailFailed(f"{error}: install jail, or say where it is in $JAIL") from error
        text = os.pread(report, os.fstat(report).st_size, 0)
    finally:
        os.close(report)
    if not text:
        raise JailFailed(ran.stderr)
    told = json.loads(text)
    if told["ending"] in ("failed", "not-started"):
        raise JailFailed(told["error"])
    return Result(told["ending"], told["exit_code"], told["code"], ran.stdout, ran.stderr, told)
