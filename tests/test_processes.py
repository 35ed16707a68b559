"""How the tests are divided among processes."""

from __future__ import annotations

import pytest


def test_the_tests_of_a_file_stay_in_one_process(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("one process runs all tests")
    # pytest-xdist writes the group into the id, and the scheduler reads it there
    assert request.node.nodeid.endswith("@test_processes.py")
