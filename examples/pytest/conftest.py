"""The fixture `jail`: runs a command in the test's own directory under a policy."""

import jailed
import pytest


@pytest.fixture
def jail(tmp_path):
    """`jail(command, policy="compute", stdin="…")` gives a jailed.Result; tmp_path is its directory."""

    def run(command, policy="compute", **options):
        return jailed.run(command, policy, **{"cwd": tmp_path, **options})

    return run
