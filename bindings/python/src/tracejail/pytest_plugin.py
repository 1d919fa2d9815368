"""A pytest plugin: the fixture ``jail_run`` runs untrusted programs in a test.

.. code-block:: ini

    [pytest]
    jail_policy = compute

.. code-block:: python

    @pytest.mark.jail(limits={"wall": "5s"})
    def test_answer(jail_run):
        result = jail_run(["./answer"], input="3 4\\n")
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


def pytest_configure(config: pytest.Config) -> None:
    text = "jail(policy, **options): what the fixture jail_run passes to tracejail.run in this test"
    config.addinivalue_line("markers", text)


@pytest.fixture
def jail_run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command in the test's ``tmp_path`` with captured text, as ``tracejail.run`` does. Arguments of
    the call come before those of the marker ``jail``, and these before the policy of the command line and
    the ini file."""
    config = request.config
    marked: dict[str, Any] = {
        "policy": config.getoption("--jail-policy") or config.getini("jail_policy"),
        "cwd": tmp_path,
        "text": True,
    }
    # The marker of the test comes after those of its class and its module.
    for marker in reversed(list(request.node.iter_markers("jail"))):
        marked.update({"policy": policy for policy in marker.args[:1]}, **marker.kwargs)
    marked["policy"] = _from_root(marked["policy"], config.rootpath)

    def run_in_jail(args: Sequence[Word], **options: Any) -> Result:
        options = {**marked, **options}
        if "stdout" not in options and "stderr" not in options:
            options.setdefault("capture_output", True)
        return run(args, **options)

    return run_in_jail


def _from_root(policy: Any, root: Path) -> Any:
    """The path of a policy's file is relative to the root directory, wherever pytest was started."""
    is_path = isinstance(policy, str) and "\n" not in policy and ("/" in policy or policy.endswith(".toml"))
    return str(root / policy) if is_path else policy
