"""Tests of the package with the real binary, which JAIL or PATH names."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import tracejail
from tracejail._toml import written

OPEN = {"extends": "permissive"}
BINARY = os.environ["JAIL"] = os.path.abspath(tracejail.binary())


class Gone(unittest.TestCase):
    def assertGone(self, pid: int) -> None:
        for _ in range(600):
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.1)
        self.fail(f"process {pid} is still there")


class Runs(Gone):
    def test_output_input_and_exit_code_are_the_commands(self) -> None:
        result = tracejail.run(
            ["sh", "-c", "cat; echo bad >&2; exit 3"],
            policy="permissive",
            input="some text\n",
            capture_output=True,
            text=True,
        )
        self.assertEqual((result.stdout, result.stderr), ("some text\n", "bad\n"))
        self.assertEqual((result.returncode, result.verdict.ending, result.verdict.code), (3, "exited", 3))
        assert result.verdict.wall is not None and result.verdict.cpu is not None
        self.assertGreaterEqual(result.verdict.wall, 0)
        self.assertGreaterEqual(result.verdict.cpu.total, 0)
        with self.assertRaisesRegex(tracejail.CommandFailed, "exit code 3"):
            result.check()

    def test_stdin_is_empty_by_default(self) -> None:
        result = tracejail.run(["cat"], policy="permissive", capture_output=True)
        self.assertEqual(result.stdout, b"")

    def test_a_signal_is_named(self) -> None:
        result = tracejail.run(["sh", "-c", "kill -SEGV $$"], policy="permissive")
        self.assertEqual((result.verdict.ending, result.returncode), ("signalled", 139))
        self.assertEqual(result.verdict.signal, tracejail.Signal("SIGSEGV", 11))

    def test_a_limit_is_named(self) -> None:
        started = time.monotonic()
        result = tracejail.run(
            ["sleep", "100"], policy="permissive", limits={"wall": "300ms"}, stderr=tracejail.DEVNULL
        )
        self.assertLess(time.monotonic() - started, 60)
        self.assertEqual((result.verdict.ending, result.verdict.limit), ("time", "wall"))
        with self.assertRaisesRegex(tracejail.CommandFailed, "the limit wall was exceeded"):
            result.check()

    def test_a_denial_names_its_line(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            secret = Path(folder) / "secret"
            secret.write_text("x")
            policy = {**OPEN, "fs": {"deny": [{"path": secret, "why": "not yours"}]}}
            command = ["cat", str(secret)]
            self.assertTrue(tracejail.run(command, policy=OPEN, capture_output=True).verdict.success)
            result = tracejail.run(command, policy=policy, capture_output=True, text=True)
        self.assertEqual(result.stdout, "")
        self.assertIn("Permission denied", result.stderr)
        self.assertNotIn("jail:", result.stderr)
        first = result.verdict.first_denied
        assert first is not None
        self.assertEqual((first.syscall, first.errno), ("openat", "EACCES"))
        self.assertEqual((first.path, first.reason.why), (os.path.realpath(secret), "not yours"))
        self.assertTrue(first.place.endswith("policy.toml:4"), first.place)
        self.assertEqual(first.ancestry, ("cat",))
        (denial,) = result.verdict.denials
        self.assertEqual((denial.what, denial.place), (f"read {first.path}", first.place))
        self.assertEqual((denial.program, denial.errno, denial.why), ("cat", "EACCES", "not yours"))
        self.assertTrue(denial.askable)
        self.assertEqual(result.verdict.denied, 1)
        self.assertEqual([count.times for count in result.verdict.counts], [1])
        with self.assertRaisesRegex(tracejail.CommandFailed, "1 denied, first: read "):
            result.check()

    def test_a_remedy_that_is_merged_into_the_policy_allows_the_call(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "data"
            file.write_text("x")
            command = ["cat", str(file)]
            base: dict[str, Any] = {"extends": ["base"]}
            result = tracejail.run(command, policy=base, trace_denials=True, capture_output=True)
            (denial,) = result.verdict.denials
            self.assertEqual((denial.code, denial.askable), ("fs.read.default", True))
            if sys.version_info >= (3, 11):
                import tomllib

                remedy = tomllib.loads(denial.remedy or "")
                result = tracejail.run(command, policy={**base, **remedy}, capture_output=True)
                self.assertEqual(result.stdout, b"x")

    def test_a_kill_by_the_policy(self) -> None:
        policy = {**OPEN, "syscalls": {"uname": "kill"}}
        result = tracejail.run(["uname"], policy=policy, capture_output=True)
        self.assertEqual((result.verdict.ending, result.returncode), ("policy", 159))
        assert result.verdict.killed_by is not None
        self.assertEqual(result.verdict.killed_by.syscall, "uname")

    def test_what_cannot_start_is_an_error_with_the_cause(self) -> None:
        silent: dict[str, Any] = {"stderr": tracejail.DEVNULL}
        with self.assertRaisesRegex(tracejail.NotStarted, "no-such-program: command not found") as caught:
            tracejail.run(["no-such-program"], policy="permissive", **silent)
        self.assertEqual(caught.exception.verdict.exit_code, 127)
        with self.assertRaisesRegex(tracejail.NotStarted, "did you mean `read`"):
            tracejail.run(["true"], policy={**OPEN, "fs": {"reed": ["/"]}}, **silent)
        with self.assertRaisesRegex(tracejail.NotStarted, "no-such-policy"):
            tracejail.run(["true"], policy="no-such-policy", **silent)
        wrong: dict[str, Any] = {"policy": "permissive", "options": ["--no-such-option"]}
        with self.assertRaisesRegex(tracejail.NotStarted, "refused its command line"):
            tracejail.run(["true"], **wrong, **silent)
        with self.assertRaisesRegex(tracejail.NotStarted, "--no-such-option"):
            tracejail.run(["true"], **wrong, capture_output=True)

    def test_wrong_arguments_are_errors(self) -> None:
        with self.assertRaises(TypeError):
            tracejail.run("true", policy="permissive")
        with self.assertRaises(TypeError):
            tracejail.run([], policy="permissive")
        with self.assertRaisesRegex(TypeError, "limits.wall"):
            tracejail.run(["true"], policy={"limits": {"wall": 1.5}})
        with self.assertRaises(ValueError):
            tracejail.run(["true"], policy=OPEN, capture_output=True, stdout=tracejail.PIPE)
        with self.assertRaises(ValueError):
            tracejail.run(["true"], policy=OPEN, input=b"", stdin=tracejail.PIPE)

    def test_no_binary_is_an_error_that_says_what_to_do(self) -> None:
        with mock.patch.dict(os.environ, {"JAIL": "/no/such/jail"}):
            with self.assertRaisesRegex(tracejail.JailNotFound, "JAIL is '/no/such/jail'"):
                tracejail.run(["true"], policy="permissive")
        with mock.patch.dict(os.environ, {"JAIL": "", "PATH": "/no/such"}):
            with self.assertRaisesRegex(tracejail.JailNotFound, "no `jail` in PATH.*set JAIL"):
                tracejail.run(["true"], policy="permissive")
        with self.assertRaisesRegex(tracejail.JailNotFound, "jail is '/no/such'") as caught:
            tracejail.run(["true"], policy="permissive", jail="/no/such")
        self.assertIsInstance(caught.exception, (tracejail.JailError, FileNotFoundError))

    def test_a_given_binary_comes_first(self) -> None:
        with mock.patch.dict(os.environ, {"JAIL": "/no/such/jail"}):
            self.assertTrue(tracejail.run(["true"], policy=OPEN, jail=BINARY).verdict.success)

    def test_a_failure_of_jail_is_no_result(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            document = {"version": 1, "ending": "failed", "exit_code": 125, "error": "ptrace: no such luck"}
            absent = "limit code signal wall cpu memory tasks processes output killed_by".split()
            document.update(dict.fromkeys(absent), denied={"total": 0, "first": None, "counts": []})
            jail = Path(folder, "jail")
            # Its second argument is `fd:N`.
            jail.write_text(f"#!/bin/bash\necho '{json.dumps(document)}' >&${{2#fd:}}\nexit 125\n")
            jail.chmod(0o755)
            with self.assertRaisesRegex(tracejail.JailFailed, "no such luck"):
                tracejail.run(["true"], policy="permissive", jail=jail)

    def test_a_policy_may_be_a_text(self) -> None:
        text = 'extends = ["permissive"]\n[syscalls]\nuname = "EPERM"\n'
        for limits in (None, {"processes": 8}):
            verdict = tracejail.run(["uname"], policy=text, limits=limits, capture_output=True).verdict
            self.assertEqual((verdict.ending, verdict.denied), ("exited", 1))
            assert verdict.first_denied is not None
            self.assertTrue(verdict.first_denied.place.endswith("policy.toml:3"), verdict.first_denied)
        with self.assertRaisesRegex(tracejail.NotStarted, "did you mean `syscalls`"):
            tracejail.run(["true"], policy=text.replace("[syscalls", "[sycalls"), stderr=tracejail.DEVNULL)

    def test_what_was_used_is_told(self) -> None:
        verdict = tracejail.run(["sh", "-c", "true & wait; echo 12345"], policy=OPEN, stdout=tracejail.PIPE).verdict
        self.assertEqual(verdict.processes, 2)
        self.assertEqual(verdict.tasks, tracejail.Tasks(2, 2))
        assert verdict.output is not None and verdict.memory is not None and verdict.memory.peak is not None
        self.assertEqual(verdict.output.stdout, 6)
        self.assertGreater(verdict.memory.peak, 100_000)

    def test_environment_directory_and_descriptors(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            reads, writes = os.pipe()
            script = f'echo "$A,$HOME,$(pwd)"; echo passed >&{writes}'
            result = tracejail.run(
                ["/bin/sh", "-c", script],
                policy="permissive",
                env={"A": "1=2"},
                cwd=folder,
                pass_fds=[writes],
                capture_output=True,
                text=True,
            )
            os.close(writes)
            self.assertEqual(result.stdout, f"1=2,,{os.path.realpath(folder)}\n")
            self.assertEqual(os.read(reads, 100), b"passed\n")
            os.close(reads)

    def test_a_policy_file_beside_limits_keeps_its_meaning(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "team.toml").write_text('extends = ["permissive"]\n[syscalls]\nuname = "EPERM"\n')
            here = os.getcwd()
            os.chdir(folder)
            try:
                result = tracejail.run(
                    ["uname"], policy="team.toml", limits={"processes": 8}, capture_output=True
                )
            finally:
                os.chdir(here)
        self.assertEqual((result.verdict.ending, result.verdict.denied), ("exited", 1))

    def test_a_timeout_kills_the_command(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pid = Path(folder, "pid")
            with self.assertRaises(subprocess.TimeoutExpired):
                script = f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 100"
                tracejail.run(["sh", "-c", script], policy="permissive", timeout=3)
            self.assertGone(int(pid.read_text()))


class Handles(Gone):
    def test_a_command_is_used_while_it_runs(self) -> None:
        with tracejail.Jail(
            ["cat"], policy="permissive", stdin=tracejail.PIPE, stdout=tracejail.PIPE, text=True
        ) as jail:
            assert jail.stdin is not None and jail.stdout is not None
            jail.stdin.write("a line\n")
            jail.stdin.flush()
            self.assertEqual(jail.stdout.readline(), "a line\n")
            self.assertIsNone(jail.poll())
            self.assertIsNone(jail.verdict)
            jail.stdin.close()
            self.assertEqual(jail.wait(60).ending, "exited")
        assert jail.verdict is not None
        self.assertTrue(jail.verdict.success)
        self.assertEqual(jail.returncode, 0)

    def test_the_end_of_the_block_kills_the_tree(self) -> None:
        script = "echo $$; sleep 100 & echo $!; wait"
        with tracejail.Jail(
            ["sh", "-c", script], policy="permissive", stdout=tracejail.PIPE, text=True
        ) as jail:
            assert jail.stdout is not None
            pids = [int(jail.stdout.readline()) for _ in range(2)]
        assert jail.verdict is not None
        self.assertEqual((jail.verdict.ending, jail.verdict.exit_code), ("killed", 137))
        for pid in pids:
            self.assertGone(pid)

    def test_denials_are_read_while_the_command_runs(self) -> None:
        policy = {**OPEN, "syscalls": {"uname": "EPERM"}}
        with tracejail.Jail(
            ["sh", "-c", "uname 2>/dev/null; echo; cat"], policy=policy, stdin=tracejail.PIPE, stdout=tracejail.PIPE
        ) as jail:
            assert jail.stdout is not None and jail.stdin is not None
            jail.stdout.readline()
            denials = jail.denials
            self.assertEqual([denial.document["errno"] for denial in denials], ["EPERM"])
            jail.stdin.close()
            self.assertEqual(jail.wait(60).denials, denials)
        self.assertEqual(jail.denials, denials)

    def test_signals_are_passed_on(self) -> None:
        script = "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
        with tracejail.Jail(
            ["sh", "-c", script], policy="permissive", stdout=tracejail.PIPE, text=True
        ) as jail:
            assert jail.stdout is not None
            self.assertEqual(jail.stdout.readline(), "ready\n")
            jail.send_signal(signal.SIGTERM)
            self.assertEqual(jail.wait(60).code, 7)
            self.assertEqual(jail.stdout.read(), "got\n")

    def test_no_descriptor_and_no_directory_is_left(self) -> None:
        tracejail.run(["true"], policy=OPEN)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(tempfile, "tempdir", folder):
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(10):
                tracejail.run(["true"], policy=OPEN, capture_output=True)
                with self.assertRaises(tracejail.NotStarted):
                    tracejail.run(["no-such-program"], policy=OPEN, stderr=tracejail.DEVNULL)
            self.assertEqual(len(os.listdir("/proc/self/fd")), before)
            self.assertEqual(os.listdir(folder), [])


class Toml(unittest.TestCase):
    def test_a_document_is_read_back_as_it_was(self) -> None:
        policy = {
            "default": "deny",
            "extends": ["base", "./x.toml"],
            "fs": {"read": ["."], "deny": [{"path": 'a"\\\n\x7fé', "optional": True}]},
            "net": {"connect": ["*:443"]},
            "syscalls": {"@debug": "kill"},
            "rule": [{"syscall": "ioctl", "when": "request == TIOCSTI", "action": "kill"}],
            "limits": {"processes": 64, "wall": "10s"},
            "test": [{"allow": ["read ./x"]}, {"deny": ["connect 1.2.3.4:80"]}],
        }
        text = written(policy)
        if sys.version_info >= (3, 11):
            import tomllib

            self.assertEqual(tomllib.loads(text), policy)
        self.assertIn("[[rule]]\nsyscall = ", text)
        self.assertIn('"@debug" = "kill"', text)


try:
    import pytest  # noqa: F401
except ImportError:
    print("NOT TRIED HERE: the pytest plugin; there is no pytest")
else:

    class Plugin(unittest.TestCase):
        def test_the_fixture_runs_commands_in_the_tests_directory(self) -> None:
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "pytest.ini").write_text("[pytest]\njail_policy = mine.toml\n")
                Path(folder, "mine.toml").write_text('extends = ["permissive"]\n[syscalls]\nuname = "EPERM"\n')
                Path(folder, "test_it.py").write_text(
                    "import pytest\n"
                    "def test_it(jail_run, tmp_path):\n"
                    "    result = jail_run(['sh', '-c', 'pwd; cat; uname'], input='x')\n"
                    "    assert result.stdout == f'{tmp_path}\\nx'\n"
                    "    assert result.verdict.denied == 1\n"
                    "@pytest.mark.jail('permissive', limits={'wall': '300ms'})\n"
                    "class TestMarked:\n"
                    "    def test_class(self, jail_run):\n"
                    "        assert jail_run(['uname']).verdict.success\n"
                    "        assert jail_run(['sleep', '100']).verdict.limit == 'wall'\n"
                    "    @pytest.mark.jail(policy='mine.toml')\n"
                    "    def test_function(self, jail_run):\n"
                    "        assert not jail_run(['uname']).verdict.success\n"
                    "        assert jail_run(['sleep', '100']).verdict.limit == 'wall'\n"
                    "        assert jail_run(['uname'], policy='permissive').verdict.success\n"
                )
                ran = subprocess.run(
                    [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "tracejail.pytest_plugin", "."],
                    cwd=folder,
                    # PYTHONPATH may be relative to another directory.
                    env={**os.environ, "PYTHONPATH": str(Path(tracejail.__file__).resolve().parents[1])},
                    capture_output=True,
                    text=True,
                )
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.assertIn("3 passed", ran.stdout)


if __name__ == "__main__":
    unittest.main()
