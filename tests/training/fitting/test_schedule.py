"""How the learning rate runs."""

from __future__ import annotations

import pytest

from training.fitting.schedule import share_of_rate
from training.recipe import Schedule


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)]
)
def test_cosine_rises_and_falls_to_nothing(progress: float, share: float) -> None:
    assert share_of_rate(Schedule.COSINE, 0.1, progress) == pytest.approx(share, abs=1e-6)
    assert share_of_rate(Schedule.CONSTANT, 0.1, progress) == 1.0
