"""What earlier runs have left: a file for each cell."""

import datetime
import json
import os
import subprocess

from machine import PROJECT
from outcome import Cell

KEPT = os.path.join(PROJECT, "target", "kernels")
CELLS = os.path.join(KEPT, "cells")


def commit():
    """The commit that is tested, with a + if the checkout differs from it."""

    def git(*words):
        return subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True).stdout.strip()

    changed = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short", "HEAD") + changed


def path(*words, folder=CELLS):
    """The path of what is kept, without its ending."""
    return os.path.join(folder, "-".join(word.replace(" ", "-").replace("/", "-") for word in words))


def keep(cell, folder=CELLS):
    """Writes the cell: whole, or not at all."""
    name = path(cell.kernel, cell.suite, cell.user, folder=folder)
    with open(name + ".new", "w") as file:
        file.write(cell.to_json())
    os.rename(name + ".new", name + ".json")


def kept_cells(folder=CELLS):
    """The cells of earlier runs."""
    cells = []
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        if name.endswith(".json"):
            with open(os.path.join(folder, name)) as file:
                cells.append(Cell(**json.load(file)))
    return cells


def to_run(kernel, suites, user, resume=False, failed=False, folder=CELLS):
    """The cells of these suites: new ones, or what is kept of them if `resume`. With `failed`, tests that have
    failed are to run again."""
    kept = {(cell.kernel, cell.suite, cell.user): cell for cell in kept_cells(folder)} if resume else {}
    cells = []
    for suite in suites:
        cell = kept.get((kernel, suite, user)) or Cell(kernel, suite, user)
        if failed:
            cell.forget_failures()
        if not cell.ended:
            cell.is_run(datetime.date.today().isoformat(), commit())
        cells.append(cell)
    return cells
