"""Runs the tests of some suites one by one, inside the machine, and writes lines of JSON about them.

    python3 /inside.py '{"test_seconds": …, "suite_seconds": …, "suites": [{"suite": …, "program": …, "module": …, "done": […]}]}'

Only tests of the module run, or all if it is empty, and none of those that are done. Each test is a process of
its own, which is killed after so many seconds: a test that hangs or crashes costs no other its result. After
its own seconds, a suite begins no further test. The first line of each suite names the kernel and all tests
that there are. A line comes before each test, and one after it. The last line of a suite says that all its
tests have run; what reads this must miss none of them.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

CGROUPS = "/sys/fs/cgroup/delegated"
# How much of a failed test's output is kept, of its beginning and of its end.
HEAD, TAIL = 2000, 6000
GAP = re.compile(r"NOT TRIED HERE.*")
SUMMARY = re.compile(r"^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored", re.M)


def say(**line):
    print(json.dumps(line), flush=True)


def listed(program, module):
    """The names of the tests."""
    done = subprocess.run([program, "--list", "--format=terse"], check=True, capture_output=True, text=True)
    names = [line[: -len(": test")] for line in done.stdout.splitlines() if line.endswith(": test")]
    return [name for name in names if not module or name.startswith(module + "::")]


def verdict(code, output):
    """`passed` only if libtest says that exactly this one test has passed."""
    if code is None:
        return "timed out"
    found = SUMMARY.findall(output)
    counts = found[-1] if found else None
    if code == 0 and counts == ("1", "0", "0"):
        return "passed"
    if code == 0 and counts == ("0", "0", "1"):
        return "ignored"
    return "failed"


def shortened(output):
    """The beginning and the end: what has failed often stands before a long output of a command."""
    if len(output) <= HEAD + TAIL:
        return output
    return f"{output[:HEAD]}\n[…]\n{output[-TAIL:]}"


def gaps(output):
    """What the test says that it could not try, each once."""
    return list(dict.fromkeys(found.rstrip() for found in GAP.findall(output)))


def kill_what_is_left():
    """Kills what a test has left behind, in the cgroups that are made for the tests in this machine."""
    for place, _, _ in os.walk(CGROUPS):
        try:
            with open(os.path.join(place, "cgroup.procs")) as processes:
                pids = [int(pid) for pid in processes]
        except OSError:
            continue
        for pid in pids:
            if pid not in (os.getpid(), os.getppid()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass


def run(program, name, seconds):
    """Runs one test: its exit code, None if it took too long, and its output."""
    command = [program, "--exact", name, "--nocapture", "--test-threads=1"]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        output.seek(0)
        text = output.read().decode(errors="replace")
    kill_what_is_left()
    return code, text


def run_suite(suite, test_seconds, suite_seconds):
    """Runs the tests that are left of a suite."""
    program, end = suite["program"], time.monotonic() + suite_seconds
    try:
        names = listed(program, suite["module"])
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{suite['suite']}: {error}", flush=True)
        return
    say(suite=suite["suite"], kernel=os.uname().release, planned=names)
    for name in names:
        if name in suite["done"]:
            continue
        begin = time.monotonic()
        if begin > end:
            return
        say(begins=name)
        code, output = run(program, name, test_seconds)
        result = verdict(code, output)
        kept = "" if result == "passed" else shortened(output)
        say(test=name, result=result, seconds=round(time.monotonic() - begin, 1), gaps=gaps(output), output=kept)
    say(end=True)


def main():
    job = json.loads(sys.argv[1])
    for suite in job["suites"]:
        run_suite(suite, job["test_seconds"], job["suite_seconds"])


if __name__ == "__main__":
    main()
