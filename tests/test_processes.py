"""How the tests are divided among processes."""

from __future__ import annotations

import pytest


def test_the_tests_of_a_file_stay_in_one_process(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("one process runs all tests")
    # pytest-xdist writes the group into the id, and the scheduler reads it there
    assert request.node.nodeid.endswith("@test_processes.py")


@pytest.mark.parametrize(
    ("few", "many", "text"), [(b"a picture", b"\x89PNG" * 99, "a line; " * 99)]
)
def test_long_values_are_named_by_their_parameter(
    request: pytest.FixtureRequest, few: bytes, many: bytes, text: str
) -> None:
    assert request.node.callspec.id == "a picture-many-text"
