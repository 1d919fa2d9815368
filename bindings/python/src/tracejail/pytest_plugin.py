"""A pytest plugin: the fixture ``jail_run`` runs untrusted programs in a test.

.. code-block:: ini

    [pytest]
    jail_policy = compute

.. code-block:: python

    def test_answer(jail_run):
        result = jail_run(["./answer"], input="3 4\\n", limits={"wall": "5s"})
        assert result.stdout == "7\\n"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

import pytest

from ._process import Result, Word, run


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "policy of the fixture jail_run: a built-in policy or a TOML file, relative to the root directory"
    parser.addini("jail_policy", text, default="compute")
    group = parser.getgroup("tracejail")
    group.addoption("--jail-policy", metavar="POLICY", help=text + "; instead of the ini value")


@pytest.fixture
def jail_run(pytestconfig: pytest.Config, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command in the test's ``tmp_path`` with captured text, as ``tracejail.run`` does."""
    policy = pytestconfig.getoption("--jail-policy") or pytestconfig.getini("jail_policy")
    if "/" in policy or policy.endswith(".toml"):
        policy = str(pytestconfig.rootpath / policy)

    def run_in_jail(args: Sequence[Word], **options: Any) -> Result:
        options.setdefault("policy", policy)
        options.setdefault("cwd", tmp_path)
        options.setdefault("text", True)
        if "stdout" not in options and "stderr" not in options:
            options.setdefault("capture_output", True)
        return run(args, **options)

    return run_in_jail
