"""The report of a run, as plain data. The fields are those of docs/report.md; later versions of jail may
add fields, which are in ``Verdict.document``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Signal:
    name: str
    number: int


@dataclass(frozen=True)
class Cpu:
    """Processor time of the whole tree, in seconds."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system


@dataclass(frozen=True)
class Memory:
    """In bytes."""

    #: The largest resident memory of one process.
    peak: Optional[int]
    #: The largest memory of all processes together, if it was measured.
    tree: Optional[int]


@dataclass(frozen=True)
class Tasks:
    """Processes and threads."""

    #: The largest number at one time.
    most: int
    total: int


@dataclass(frozen=True)
class Output:
    """Bytes written, as far as they passed through jail."""

    stdout: Optional[int]
    stderr: Optional[int]


@dataclass(frozen=True)
class Reason:
    """Why a call was denied."""

    kind: str
    #: The policy's file or preset, and its line.
    source: Optional[str]
    line: Optional[int]
    entry: Optional[str]
    why: Optional[str]

    @property
    def place(self) -> str:
        """``net.toml:9``, or the kind if no line decided."""
        return f"{self.source}:{self.line}" if self.source and self.line else self.kind

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Reason:
        return cls(
            kind=found["kind"],
            source=found.get("source"),
            line=found.get("line"),
            entry=found.get("entry") or found.get("rule"),
            why=found.get("why"),
        )


@dataclass(frozen=True)
class Denial:
    """A denial with what would allow it: a line of ``--denials`` (docs/agents.md)."""

    #: What denied the call, as a stable name: ``fs.read.default``.
    code: str
    #: The request, as ``jail explain POLICY REQUEST`` takes it: ``read /srv/data``.
    what: str
    #: ``deny``, or ``kill`` if it ended the jail.
    action: str
    #: What the call returned.
    errno: Optional[str]
    #: The program that made the call, and its process.
    program: str
    pid: int
    #: The policy's file or preset, its line and the entry that decided.
    source: Optional[str]
    line: Optional[int]
    entry: Optional[str]
    why: Optional[str]
    #: TOML that is merged into the policy and allows the request; ``None`` if nothing that is added can.
    remedy: Optional[str]
    #: What has to be removed or narrowed instead.
    remove: Optional[Any]
    #: The same for people.
    advice: Optional[str]
    #: Whether a policy could allow the request. Otherwise trying again is useless.
    askable: bool
    #: The line as jail wrote it.
    document: Mapping[str, Any]

    @property
    def place(self) -> str:
        """``net.toml:9``, or the code if no line decided."""
        return f"{self.source}:{self.line}" if self.source and self.line else self.code

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Denial:
        same = ("code", "what", "action", "errno", "program", "pid", "source", "line", "entry")
        more = ("why", "remedy", "remove", "advice")
        values = {name: found.get(name) for name in (*same, *more)}
        return cls(**values, askable=found.get("standing") == "askable", document=found)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Call:
    """A call that was denied, or that ended the jail, as the report has it."""

    syscall: Optional[str]
    #: The decoded call: ``openat(AT_FDCWD, "../.env", O_RDONLY)``.
    call: str
    #: The path after symbolic links were resolved.
    path: Optional[str]
    peer: Optional[str]
    action: str
    errno: Optional[str]
    reason: Reason
    #: The programs that led to it, from the command to the caller.
    ancestry: tuple[str, ...]
    #: The event as jail wrote it.
    document: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The policy's line: ``net.toml:9``."""
        return self.reason.place

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Call:
        path, peer = found.get("path"), found.get("peer")
        return cls(
            syscall=found.get("syscall"),
            call=found["call"],
            path=path.get("resolved") or path.get("given") if isinstance(path, Mapping) else path,
            peer=peer.get("endpoint") if isinstance(peer, Mapping) else peer,
            action=found["action"],
            errno=found.get("errno"),
            reason=Reason.of(found["reason"]),
            ancestry=tuple(found.get("ancestry") or ()),
            document=found,
        )


@dataclass(frozen=True)
class Count:
    """How often one entry denied one system call."""

    syscall: Optional[str]
    times: int
    reason: Reason


@dataclass(frozen=True)
class Verdict:
    """How a run ended."""

    #: ``exited``, ``signalled``, ``policy``, ``time``, ``tasks``, ``memory``, ``output``, ``killed``,
    #: ``failed`` or ``not-started``.
    ending: str
    #: The limit that was exceeded, by its key in ``[limits]``.
    limit: Optional[str]
    #: Jail's exit code.
    exit_code: int
    #: The command's own exit code, if it ended by itself.
    code: Optional[int]
    signal: Optional[Signal]
    #: Why jail failed, or could not start the command.
    error: Optional[str]
    #: Elapsed seconds.
    wall: Optional[float]
    cpu: Optional[Cpu]
    memory: Optional[Memory]
    tasks: Optional[Tasks]
    #: How many processes there were.
    processes: Optional[int]
    output: Optional[Output]
    #: The call that ended the jail.
    killed_by: Optional[Call]
    #: How many calls were denied.
    denied: int
    #: The first call that was denied.
    first_denied: Optional[Call]
    #: Each denial. Those of system calls that a program can do without are only in ``counts``.
    denials: tuple[Denial, ...]
    #: Each entry that denied calls, the most frequent first.
    counts: tuple[Count, ...]
    #: The whole report.
    document: Mapping[str, Any]

    @property
    def success(self) -> bool:
        """Whether the command ended by itself with exit code 0."""
        return self.ending == "exited" and self.code == 0

    @classmethod
    def of(cls, found: Mapping[str, Any], denials: Iterable[Mapping[str, Any]] = ()) -> Verdict:
        """Reads the document that ``jail --report`` writes, and the lines of ``--denials``.

        Raises:
            ValueError: if it is not one of version 1.
        """
        if found.get("version") != 1:
            raise ValueError(f"not a report of version 1: {str(found)[:200]}")
        signal, cpu, memory, tasks = (found[key] for key in ("signal", "cpu", "memory", "tasks"))
        output, denied = found["output"], found["denied"]
        return cls(
            ending=found["ending"],
            limit=found["limit"],
            exit_code=found["exit_code"],
            code=found["code"],
            signal=signal and Signal(signal["name"], signal["number"]),
            error=found["error"],
            wall=found["wall"],
            cpu=cpu and Cpu(cpu["user"], cpu["system"]),
            memory=memory and Memory(memory["peak"], memory["tree"]),
            tasks=tasks and Tasks(tasks["most"], tasks["total"]),
            processes=found["processes"],
            output=output and Output(output["stdout"], output["stderr"]),
            killed_by=found["killed_by"] and Call.of(found["killed_by"]),
            denied=denied["total"],
            first_denied=denied["first"] and Call.of(denied["first"]),
            denials=tuple(map(Denial.of, denials)),
            counts=tuple(
                Count(count["syscall"], count["times"], Reason.of(count["reason"]))
                for count in denied["counts"]
            ),
            document=found,
        )
