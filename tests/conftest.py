"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from samples import build_rule_bundle

from steeldefect.bundle import Bundle


@pytest.fixture(scope="session")
def rule_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle described above, for pictures of 128 x 64 pixels."""
    return build_rule_bundle(tmp_path_factory.mktemp("bundles") / "rule")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real labelled pictures; tests that need it run where the variable is set."""
    folder = os.environ.get("STEELDEFECT_DATA")
    if not folder:
        pytest.skip("STEELDEFECT_DATA is not set")
    return Path(folder)
