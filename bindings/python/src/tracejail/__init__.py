"""Run untrusted commands under a policy.

This package calls the ``jail`` binary and reads its report::

    import tracejail

    result = tracejail.run(["python3", "answer.py"], policy="compute",
                           limits={"wall": "10s", "memory": "512MiB"},
                           input="3 4\\n", capture_output=True, text=True)
    if result.verdict.ending != "exited":
        print("stopped by", result.verdict.limit or result.verdict.ending)
    for denial in result.verdict.denials:
        print(denial.what, "denied by", denial.place, denial.remedy)

The binary is the one that the variable ``JAIL`` names, or else ``jail`` in ``PATH``. docs/python.md is the manual.
"""

from ._binary import binary
from ._errors import CommandFailed, JailError, JailFailed, JailNotFound, NotStarted
from ._process import DEVNULL, PIPE, STDOUT, Jail, Result, run
from ._verdict import Call, Count, Cpu, Denial, Memory, Output, Reason, Signal, Tasks, Verdict

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Call",
    "CommandFailed",
    "Count",
    "Cpu",
    "Denial",
    "Jail",
    "JailError",
    "JailFailed",
    "JailNotFound",
    "Memory",
    "NotStarted",
    "Output",
    "Reason",
    "Result",
    "Signal",
    "Tasks",
    "Verdict",
    "binary",
    "run",
]
