"""Verdicts of jailed programs. Without pytest: python3 test_example.py"""

import os
import sys

import jailed

HERE = os.path.dirname(os.path.abspath(__file__))
LIMITS = os.path.join(HERE, "limits.toml")
# The interpreter itself: what PATH has may be a script that starts it.
PYTHON = os.path.realpath(sys.executable)


def test_a_solution_reads_and_answers(jail):
    result = jail([PYTHON, "-c", "print(sum(map(int, input().split())))"], LIMITS, stdin="1 2\n")
    assert (result.ending, result.code, result.stdout) == ("exited", 0, "3\n")
    assert result.denials == []


def test_a_denied_call_is_told(jail):
    connect = "import socket; socket.create_connection(('127.0.0.1', 80))"
    result = jail([PYTHON, "-c", connect], LIMITS)
    assert (result.ending, result.code) == ("exited", 1)
    assert result.denials[0][0] == "socket"
    assert "PermissionError" in result.stderr


def test_a_forbidden_program_ends_it(jail):
    result = jail([PYTHON, "-c", "import os; os.execv('/bin/sh', ['sh'])"], LIMITS)
    assert (result.ending, result.exit_code, result.code) == ("policy", 159, None)
    assert result.killed_by.startswith("execve(")


def test_what_never_ends_is_ended(jail):
    result = jail([PYTHON, "-c", "while True: pass"], LIMITS)
    assert (result.ending, result.exit_code) == ("time", 124)


def test_an_exit_code_is_the_commands_own(jail):
    result = jail([PYTHON, "-c", "raise SystemExit(124)"], LIMITS)
    assert (result.ending, result.code) == ("exited", 124)


def test_a_wrong_policy_is_no_verdict(jail):
    try:
        jail(["true"], "no-such-policy")
    except jailed.JailFailed as failure:
        assert "no-such-policy" in str(failure)
    else:
        raise AssertionError("it should have failed")


if __name__ == "__main__":
    tests = [test for name, test in sorted(globals().items()) if name.startswith("test_")]
    for test in tests:
        test(lambda command, policy, **options: jailed.run(command, policy, **options))
        print(f"ok {test.__name__}")
