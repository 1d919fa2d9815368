"""What a suite's run in a machine came to, and the table of many such runs.

A cell is green only if the suite has said which tests there are, each of them has passed, and the suite has
said that it is at its end. Everything else is said in the cell.
"""

import json

FAILURES = {"failed", "timed out", "ended the machine"}

def in_words(before, word):
    """The words before, and this one unless it is among them."""
    words = before.split(", ") if before else []
    return ", ".join(words if word in words else [*words, word])


class Cell:
    """One suite, run by one user on one kernel."""

    def __init__(self, kernel, suite, user, date="", commit="", release="", planned=None, tests=None, ended=False):
        self.kernel = kernel
        self.suite = suite
        self.user = user
        self.date = date
        self.commit = commit
        self.release = release
        self.planned = planned
        self.tests = tests or {}
        self.ended = ended
        # The test that has begun, and has no result yet.
        self.begun = None

    def read(self, line):
        """Takes one line of `inside.py`; whether it was one."""
        try:
            line = json.loads(line)
        except ValueError:
            return False
        if not isinstance(line, dict):
            return False
        if "planned" in line:
            self.release, self.planned = line["kernel"], line["planned"]
            # Results of tests that are no more.
            self.tests = {name: test for name, test in self.tests.items() if name in self.planned}
        elif "begins" in line:
            self.begun = line["begins"]
        elif "test" in line:
            self.begun = None
            self.tests[line.pop("test")] = line
        elif "end" in line:
            self.ended = True
        else:
            return False
        return True

    def is_run(self, date, commit):
        """Adds the day and the commit of a run to those of the runs before."""
        self.date = in_words(self.date, date)
        self.commit = in_words(self.commit, commit)

    def forget_failures(self):
        """Forgets the results that are no success: these tests are to run again."""
        for name in self.with_result(*(FAILURES | {"ignored"})):
            del self.tests[name]
        self.ended = self.ended and not self.not_run()

    def machine_ended(self):
        """The machine has ended by itself: whether a test had begun, which is to blame."""
        if self.begun is None:
            return False
        self.tests[self.begun] = {"result": "ended the machine", "seconds": 0, "gaps": [], "output": ""}
        self.begun = None
        return True

    def with_result(self, *results):
        """The names of the tests with one of these results."""
        return [name for name, test in self.tests.items() if test["result"] in results]

    def failed(self):
        return self.with_result(*FAILURES)

    def not_run(self):
        """The tests without a result, and those that are marked to be ignored."""
        left = [name for name in self.planned or [] if name not in self.tests]
        return left + self.with_result("ignored")

    def passed(self):
        """The tests that have passed, and say of nothing that it was not tried."""
        return [name for name in self.with_result("passed") if not self.tests[name]["gaps"]]

    def partly(self):
        """The tests that have passed, and say that they could not try something."""
        return [name for name in self.with_result("passed") if self.tests[name]["gaps"]]

    def is_green(self):
        return bool(self.ended and self.planned and not self.failed() and not self.not_run())

    def text(self):
        """The cell of the table."""
        if self.planned is None:
            return "**DID NOT START**"
        if not self.planned:
            return "**NO TESTS**"
        failed, left = len(self.failed()), len(self.not_run())
        words = [f"**{failed} FAILED**"] if failed else []
        words += [f"**{left} NOT RUN**"] if left else []
        words += ["**ENDED EARLY**"] if not self.ended and not left else []
        words += [f"{len(self.passed())} passed"]
        words += [f"{len(self.partly())} partly"] if self.partly() else []
        return ", ".join(words)

    def to_json(self):
        return json.dumps({name: value for name, value in vars(self).items() if name != "begun"})


def table(cells, suites, columns):
    """The Markdown table; `columns` are pairs of a kernel and a user."""
    found = {(cell.suite, cell.kernel, cell.user): cell for cell in cells}
    rows = [["suite", *(f"{kernel}, {user}" for kernel, user in columns)], ["---"] * (len(columns) + 1)]
    for suite in suites:
        row = [found.get((suite, *column)) for column in columns]
        rows.append([f"`{suite}`", *(cell.text() if cell else "not run" for cell in row)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def where(cells):
    """Where something was seen: kernels with their users."""
    return ", ".join(dict.fromkeys(f"{cell.kernel} {cell.user}" for cell in cells))


def gathered(pairs):
    """For each text, the cells that it was seen in."""
    found = {}
    for text, cell in pairs:
        found.setdefault(text, []).append(cell)
    return found


def lists(cells):
    """What the cells count, by name: as Markdown."""

    def tests(title, names):
        pairs = [(f"`{cell.suite}` {name}", cell) for cell in cells for name in names(cell)]
        lines = [f"- {text}: {where(seen)}" for text, seen in gathered(pairs).items()]
        return [f"{title}:", "", *lines, ""] if lines else []

    def result(cell, name):
        how = cell.tests[name]["result"]
        return name if how == "failed" else f"{name} ({how})"

    lines = tests("Failed", lambda cell: [result(cell, name) for name in cell.failed()])
    lines += tests("Not run", lambda cell: cell.not_run())
    pairs = [
        (f"`{cell.suite}` {gap[len('NOT TRIED HERE'):].lstrip(': ')}", cell)
        for cell in cells
        for test in cell.tests.values()
        for gap in test["gaps"]
    ]
    listed = [f"- {text} ({where(seen)}: {len(seen)} times)" for text, seen in gathered(pairs).items()]
    lines += ["Not tried there, as the tests say:", "", *listed, ""] if listed else []
    return "\n".join(lines)


def report(cells, suites, columns):
    """The table, the kernels, days and commits that it is of, and the lists."""
    releases = gathered((f"{cell.kernel} is {cell.release or 'a kernel that did not start'}", cell) for cell in cells)
    runs = gathered((f"{cell.date}, commit {cell.commit}", cell) for cell in cells)
    about = "; ".join(releases) + ". Run on " + "; ".join(runs) + "." if cells else "Nothing was run."
    return "\n\n".join([table(cells, suites, columns), about, lists(cells)]).rstrip() + "\n"
