"""Runs commands in a jail, in the manner of the module ``subprocess``."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Optional, Union

from ._binary import binary
from ._errors import CommandFailed, JailFailed, NotStarted
from ._toml import written
from ._verdict import Denial, Verdict

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
STDOUT = subprocess.STDOUT

#: A program or an argument.
Word = Union[str, bytes, "os.PathLike[str]"]
#: A built-in policy by its name, the path of a file, or a policy itself: a dictionary with the keys of a policy
#: file, or its text. A string of more than one line is a text.
PolicySource = Union[str, "os.PathLike[str]", Mapping[str, Any]]


@dataclass(frozen=True)
class Result:
    """A command that has ended."""

    args: Sequence[Word]
    verdict: Verdict
    #: What was captured; ``None`` where nothing was.
    stdout: Any = None
    stderr: Any = None

    @property
    def returncode(self) -> int:
        """Jail's exit code: the command's own, 128 + n for a signal, 124 for a limit, 159 for a kill by the
        policy, 125 if jail failed."""
        return self.verdict.exit_code

    def check(self) -> Result:
        """This result.

        Raises:
            CommandFailed: if the command did not end by itself with exit code 0.
        """
        if not self.verdict.success:
            raise CommandFailed(self)
        return self


class Jail:
    """A command in a jail, like ``subprocess.Popen``. As a context manager it kills what still runs at the
    end of the block::

        with tracejail.Jail(["./server"], policy="server.toml", stdout=tracejail.PIPE) as jail:
            port = int(jail.stdout.readline())
            ...
        print(jail.verdict.ending)

    Args:
        args: The program and its arguments.
        policy: A built-in policy by its name, the path of a file, a dictionary with the keys of a policy file,
            or the text of one (TOML; a string of more than one line). In a dictionary, paths in ``extends``
            are relative to the working directory of this process; in a text they have to be absolute.
        limits: Replace those of the policy: ``{"wall": "10s", "memory": "512MiB", "processes": 64}``.
        env: The command's whole environment. By default it is this process's, as far as the policy passes
            it on.
        cwd: The command's working directory.
        pass_fds: Descriptors above 2 that the command inherits.
        kill_on_exit: Whether processes that the command leaves behind are killed when it ends, or waited for.
        trace_denials: Whether denials by Landlock are reported, too, at the cost of a stop per open.
        quiet: Whether jail's messages are left out of stderr. The verdict has what they say.
        options: Further options of ``jail``.
        jail: The binary. By default it is the one that the variable ``JAIL`` names, or ``jail`` in ``PATH``.
        popen: Further arguments of ``subprocess.Popen``: ``stdin``, ``stdout``, ``stderr``, ``text``,
            ``encoding`` …
    """

    def __init__(
        self,
        args: Sequence[Word],
        *,
        policy: PolicySource,
        limits: Optional[Mapping[str, Any]] = None,
        env: Optional[Mapping[str, str]] = None,
        cwd: Union[str, "os.PathLike[str]", None] = None,
        pass_fds: Iterable[int] = (),
        kill_on_exit: bool = True,
        trace_denials: bool = False,
        quiet: bool = True,
        options: Sequence[Word] = (),
        jail: Union[str, "os.PathLike[str]", None] = None,
        **popen: Any,
    ) -> None:
        if isinstance(args, (str, bytes)) or not args:
            raise TypeError("args must be a list of a program and its arguments")
        self.args = list(args)
        self._verdict: Optional[Verdict] = None
        passed = list(pass_fds)
        self._folder: Optional[tempfile.TemporaryDirectory[str]] = None
        # The report has no name that the command could reach, and its descriptor is not inherited.
        self._report = os.memfd_create("tracejail-report")
        self._denials = os.memfd_create("tracejail-denials")
        try:
            words: list[Word] = [binary(jail), "--report", f"fd:{self._report}"]
            words += ["--denials", f"fd:{self._denials}"]
            words += ["--policy", self._policy(policy, limits)]
            words += [f"--trace-denials={'always' if trace_denials else 'never'}"]
            if quiet:
                words.append("--quiet")
            if kill_on_exit:
                words.append("--kill-on-exit")
            if cwd is not None:
                words += ["--cwd", cwd]
            for fd in passed:
                words += ["--pass-fd", str(fd)]
            if env is not None:
                words.append("--env-clear")
                for name, value in env.items():
                    words += ["--env", f"{name}={value}"]
            words += [*options, "--", *self.args]
            self._process: subprocess.Popen[Any] = subprocess.Popen(
                words, pass_fds=[*passed, self._report, self._denials], **popen
            )
        except BaseException:
            self._close()
            raise

    def _policy(self, policy: PolicySource, limits: Optional[Mapping[str, Any]]) -> Word:
        """The policy as a word of the command line; a file of this run's own where one is needed."""
        if isinstance(policy, str) and "\n" in policy:
            policy = self._file("policy.toml", policy)
        if not isinstance(policy, Mapping):
            if not limits:
                return policy
            policy = {"extends": [policy]}
            name = "limits.toml"
        else:
            name = "policy.toml"
        document = dict(policy)
        if limits:
            document["limits"] = {**document.get("limits", {}), **limits}
        # `extends` is relative to the file that has it.
        extends = document.get("extends", [])
        extends = [extends] if isinstance(extends, (str, os.PathLike)) else extends
        document["extends"] = [_absolute(one) for one in extends]
        return self._file(name, written(document))

    def _file(self, name: str, text: str) -> Path:
        """Writes a file that this run alone has."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tracejail-")
        file = Path(self._folder.name) / name
        file.write_text(text, encoding="utf-8")
        return file

    def _close(self) -> None:
        """Frees what belongs to the run."""
        if self._report >= 0:
            os.close(self._report)
            os.close(self._denials)
            self._report = -1
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def pid(self) -> int:
        """The process id of jail, which stands for the command: signals sent to it are passed on."""
        return self._process.pid

    @property
    def stdin(self) -> Optional[IO[Any]]:
        return self._process.stdin

    @property
    def stdout(self) -> Optional[IO[Any]]:
        return self._process.stdout

    @property
    def stderr(self) -> Optional[IO[Any]]:
        return self._process.stderr

    @property
    def returncode(self) -> Optional[int]:
        """Jail's exit code; ``None`` while it runs."""
        return self._process.returncode

    @property
    def verdict(self) -> Optional[Verdict]:
        """How the command ended; ``None`` until :meth:`poll`, :meth:`wait` or :meth:`communicate` has seen
        its end."""
        return self._verdict

    @property
    def denials(self) -> tuple[Denial, ...]:
        """Each denial until now, also while the command runs."""
        if self._verdict is not None:
            return self._verdict.denials
        return tuple(map(Denial.of, _lines(_content(self._denials))))

    def poll(self) -> Optional[Verdict]:
        """The verdict if the command has ended."""
        return None if self._process.poll() is None else self._ended()

    def wait(self, timeout: Optional[float] = None) -> Verdict:
        """Waits for the end of the command and of all its processes.

        Raises:
            subprocess.TimeoutExpired: after ``timeout`` seconds; the command goes on.
        """
        self._process.wait(timeout)
        return self._ended()

    def communicate(self, input: Any = None, timeout: Optional[float] = None) -> Result:
        """Writes ``input`` to stdin, reads the pipes to their end, and waits.

        Raises:
            subprocess.TimeoutExpired: after ``timeout`` seconds; the command goes on.
        """
        stdout, stderr = self._process.communicate(input, timeout)
        return Result(self.args, self._ended(stderr), stdout, stderr)

    def send_signal(self, number: int) -> None:
        """Sends a signal, which jail passes on to the command."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Sends SIGTERM to the command."""
        self._process.terminate()

    def kill(self) -> None:
        """Kills jail, and with it all processes of the command. The ending is then ``killed``."""
        self._process.kill()

    def __enter__(self) -> Jail:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        self._process.wait()
        self._ended()

    def __del__(self) -> None:
        if hasattr(self, "_report"):
            self._close()

    def _ended(self, told: Union[str, bytes, None] = None) -> Verdict:
        """The verdict. ``told`` is what was captured of stderr."""
        if self._verdict is None:
            report, denials = _content(self._report), _content(self._denials)
            self._close()
            self._verdict = _read(report, denials, self._process.returncode, self.args, told)
        return self._verdict


def run(
    args: Sequence[Word],
    *,
    policy: PolicySource,
    input: Any = None,
    capture_output: bool = False,
    timeout: Optional[float] = None,
    check: bool = False,
    **options: Any,
) -> Result:
    """Runs a command to its end, like ``subprocess.run``. The arguments are those of :class:`Jail`.

    ``limits={"wall": "10s"}`` is better than ``timeout``: jail ends the command, and the verdict says so.
    Without ``stdin`` or ``input`` the command reads an empty stdin.

    Raises:
        NotStarted: if the command's program never ran.
        JailFailed: if jail failed while the command ran.
        CommandFailed: if ``check`` is set and the command did not end by itself with exit code 0.
        subprocess.TimeoutExpired: after ``timeout`` seconds; the command was killed.
        JailNotFound: if there is no ``jail`` binary.
    """
    if capture_output:
        if options.get("stdout") is not None or options.get("stderr") is not None:
            raise ValueError("capture_output cannot be used with stdout or stderr")
        options["stdout"] = options["stderr"] = PIPE
    if input is not None:
        if options.get("stdin") is not None:
            raise ValueError("input cannot be used with stdin")
        options["stdin"] = PIPE
    options.setdefault("stdin", DEVNULL)
    with Jail(args, policy=policy, **options) as process:
        result = process.communicate(input, timeout)
    if result.verdict.ending == "not-started":
        raise NotStarted(result.verdict)
    if result.verdict.ending == "failed":
        raise JailFailed(result.verdict)
    return result.check() if check else result


def _absolute(source: Any) -> Any:
    """A policy in `extends`: a path becomes absolute, a preset's name stays."""
    text = os.fspath(source)
    is_path = "/" in text or text.endswith(".toml")
    return os.path.abspath(text) if is_path else text


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _lines(denials: bytes) -> list[Any]:
    """The whole lines: a jail that runs, or was killed, may have written a part of its last one."""
    return [json.loads(line) for line in denials.splitlines(keepends=True) if line.endswith(b"\n")]


def _read(
    report: bytes, denials: bytes, code: int, args: Sequence[Word], told: Union[str, bytes, None]
) -> Verdict:
    """The verdict; where jail ended before it wrote its report, one that says so."""
    lines = _lines(denials)
    if report:
        return Verdict.of(json.loads(report), lines)
    killed = code < 0
    told = told.decode(errors="replace") if isinstance(told, bytes) else told
    refused = (told or "").strip() or "jail refused its command line; see stderr"
    return Verdict.of(
        {
            "version": 1,
            "command": [os.fsdecode(word) for word in args],
            "ending": "killed" if killed else "not-started",
            "limit": None,
            "exit_code": 128 - code if killed else code,
            "code": None,
            "signal": None,
            "error": None if killed else refused,
            "wall": None,
            "cpu": None,
            "memory": None,
            "tasks": None,
            "processes": None,
            "output": None,
            "killed_by": None,
            "denied": {"total": len(lines), "first": None, "counts": []},
        },
        lines,
    )
