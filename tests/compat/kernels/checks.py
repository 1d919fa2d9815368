#!/usr/bin/env python3
"""Checks of what the table says, without a machine: a cell must never be green by accident.

    python3 tests/compat/kernels/checks.py
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import inside  # noqa: E402
from kept import keep, kept_cells, to_run  # noqa: E402
from outcome import Cell, report  # noqa: E402

START = json.dumps({"suite": "baseline", "kernel": "6.1.0-56-cloud-amd64", "planned": ["a", "b"]})
END = json.dumps({"end": True})


def test(name, result="passed", gaps=()):
    return json.dumps({"test": name, "result": result, "seconds": 1.0, "gaps": list(gaps), "output": ""})


def cell(*lines):
    made = Cell("6.1", "baseline", "root", "2026-11-29", "abc")
    for line in lines:
        made.read(line)
    return made


class Cells(unittest.TestCase):
    def check(self, made, text, green):
        self.assertEqual(made.text(), text)
        self.assertEqual(made.is_green(), green)

    def test_all_passed(self):
        self.check(cell(START, test("a"), test("b"), END), "2 passed", True)

    def test_a_failure(self):
        self.check(cell(START, test("a"), test("b", "failed"), END), "**1 FAILED**, 1 passed", False)

    def test_a_test_that_hangs(self):
        made = cell(START, test("a"), test("b", "timed out"), END)
        self.check(made, "**1 FAILED**, 1 passed", False)
        self.assertIn("b (timed out): 6.1 root", report([made], ["baseline"], [("6.1", "root")]))

    def test_what_was_not_tried_is_counted_and_listed(self):
        made = cell(START, test("a", gaps=["NOT TRIED HERE: no git"]), test("b"), END)
        self.check(made, "1 passed, 1 partly", True)
        self.assertIn("`baseline` no git (6.1 root: 1 times)", report([made], ["baseline"], [("6.1", "root")]))

    def test_an_ignored_test(self):
        self.check(cell(START, test("a"), test("b", "ignored"), END), "**1 NOT RUN**, 1 passed", False)

    def test_a_missing_test(self):
        self.check(cell(START, test("a"), END), "**1 NOT RUN**, 1 passed", False)
        self.check(cell(START, test("a")), "**1 NOT RUN**, 1 passed", False)

    def test_a_missing_end(self):
        self.check(cell(START, test("a"), test("b")), "**ENDED EARLY**, 2 passed", False)

    def test_a_machine_that_does_not_start(self):
        self.check(cell(), "**DID NOT START**", False)
        self.check(cell("Kernel panic", "7", END), "**DID NOT START**", False)

    def test_a_suite_without_tests(self):
        self.check(cell(json.dumps({"kernel": "6.1", "planned": []}), END), "**NO TESTS**", False)

    def test_a_cell_that_was_not_run(self):
        self.assertIn("| `files` | not run |", report([], ["files"], [("6.1", "root")]))

    def test_a_cell_is_kept(self):
        made = cell(START, test("a"), test("b", "failed", ["NOT TRIED HERE: c"]), END)
        self.assertEqual(vars(Cell(**json.loads(made.to_json()))), vars(made))


class Resumed(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = made.name

    def left(self, *suites, **how):
        return to_run("6.1", suites, "root", folder=self.folder, **how)

    def test_a_result_is_kept(self):
        keep(cell(START, test("a")), self.folder)
        [again, new] = self.left("baseline", "files/matrix", resume=True)
        self.assertEqual((list(again.tests), again.ended), (["a"], False))
        self.assertEqual((list(new.tests), new.ended), ([], False))
        self.assertIn(", ", again.commit)
        [again] = self.left("baseline")
        self.assertEqual((list(again.tests), "," in again.commit), ([], False))

    def test_a_cell_at_its_end_is_left_alone(self):
        keep(cell(START, test("a"), test("b", "failed"), END), self.folder)
        [again] = self.left("baseline", resume=True)
        self.assertEqual((again.text(), again.commit), ("**1 FAILED**, 1 passed", "abc"))
        [again] = self.left("baseline", resume=True, failed=True)
        self.assertEqual((list(again.tests), again.ended), (["a"], False))

    def test_results_of_other_users_are_others(self):
        keep(cell(START, test("a"), test("b"), END), self.folder)
        [other] = to_run("6.1", ["baseline"], "nobody", resume=True, folder=self.folder)
        self.assertEqual(other.tests, {})
        self.assertEqual(len(kept_cells(self.folder)), 1)

    def test_a_test_that_ends_the_machine_has_failed(self):
        made = cell(START, test("a"), json.dumps({"begins": "b"}))
        self.assertTrue(made.machine_ended())
        self.assertEqual((made.text(), made.is_green()), ("**1 FAILED**, **ENDED EARLY**, 1 passed", False))
        made.read(END)
        self.assertEqual(made.text(), "**1 FAILED**, 1 passed")
        self.assertFalse(cell(START, test("a")).machine_ended())

    def test_tests_that_are_no_more_are_forgotten(self):
        made = cell(START, test("a"), test("b"))
        made.read(START.replace('"b"', '"c"'))
        self.assertEqual((list(made.tests), made.not_run()), (["a"], ["c"]))


class Verdicts(unittest.TestCase):
    def summary(self, counts):
        return f"running 1 test\ntest a ... ok\n\ntest result: ok. {counts}; 0 measured; 3 filtered out\n"

    def test_the_summary_decides(self):
        self.assertEqual(inside.verdict(0, self.summary("1 passed; 0 failed; 0 ignored")), "passed")
        self.assertEqual(inside.verdict(0, self.summary("0 passed; 0 failed; 1 ignored")), "ignored")
        self.assertEqual(inside.verdict(0, self.summary("0 passed; 0 failed; 0 ignored")), "failed")
        self.assertEqual(inside.verdict(101, self.summary("1 passed; 0 failed; 0 ignored")), "failed")
        self.assertEqual(inside.verdict(0, ""), "failed")
        self.assertEqual(inside.verdict(-9, ""), "failed")
        self.assertEqual(inside.verdict(None, self.summary("1 passed; 0 failed; 0 ignored")), "timed out")

    def test_gaps_are_found_in_the_middle_of_a_line(self):
        output = "test a ... NOT TRIED HERE: x\n!!! NOT TRIED HERE: y\nNOT TRIED HERE: x\nok\n"
        self.assertEqual(inside.gaps(output), ["NOT TRIED HERE: x", "NOT TRIED HERE: y"])

    def test_a_long_output_keeps_its_beginning_and_its_end(self):
        self.assertEqual(inside.shortened("panicked"), "panicked")
        short = inside.shortened("panicked" + "x" * 100000 + "FAILED")
        self.assertTrue(short.startswith("panicked") and short.endswith("FAILED") and len(short) < 10000)


class Arguments(unittest.TestCase):
    def refused(self, *words, path=None):
        environment = {**os.environ, "PATH": path} if path else os.environ
        command = [sys.executable, os.path.join(HERE, "run"), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stderr

    def test_suites(self):
        self.assertIn("there is no suite 'nonsense': there are ", self.refused("--test", "nonsense"))
        self.assertIn("the suite files has no module 'nonsense'", self.refused("--test", "files/nonsense"))
        self.assertIn("the suite files has no module ''", self.refused("--test", "files/"))
        self.assertIn("the suite files has no module '../net'", self.refused("--test", "files/../net"))

    def test_kernels(self):
        # A qemu that need not run: the kernel is looked for before anything is started.
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/qemu-system-x86_64", "w") as file:
                os.chmod(file.name, 0o755)
            said = self.refused("--kernel", "/nonexistent/bzImage", path=directory)
            self.assertIn("there is no kernel /nonexistent/bzImage", said)
            self.assertIn("six is no kernel", self.refused("--kernel", "six", path=directory))
            said = self.refused("--kernel", "9.9", path=directory)
            self.assertIn("there is no apt-get to take Linux 9.9", said)

    def test_processors(self):
        self.refused("--arch", "mips")
        with tempfile.TemporaryDirectory() as directory:
            said = self.refused("--arch", "aarch64", "--test", "files", path=directory)
            self.assertIn("there is no qemu-system-aarch64: install qemu for aarch64 (Debian: qemu-system-arm)", said)

    def test_users_and_numbers(self):
        self.refused("--user", "somebody")
        self.refused("--slow", "much")
        self.assertIn("--failed needs --resume", self.refused("--failed"))

    def test_no_qemu(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertIn("there is no qemu-system-x86_64", self.refused("--test", "files", path=directory))


if __name__ == "__main__":
    unittest.main()
