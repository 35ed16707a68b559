"""How the learning rate runs."""

from __future__ import annotations

import pytest

from training.fitting.schedule import Clock, Windows, share_of_rate
from training.recipe import Schedule


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)]
)
def test_cosine_rises_and_falls_to_nothing(progress: float, share: float) -> None:
    assert share_of_rate(Schedule.COSINE, 0.1, progress) == pytest.approx(share, abs=1e-6)
    assert share_of_rate(Schedule.CONSTANT, 0.1, progress) == 1.0


def test_windows_are_over_near_the_end_of_a_fit() -> None:
    windows = Windows(0.3, 10, Clock(None))
    assert [windows.are_over(epochs) for epochs in range(10)] == [False] * 7 + [True] * 3
    near_the_end = Clock(1000.0, used=750.0)
    assert Windows(0.3, 100, near_the_end).are_over(5)
    assert not Windows(0.2, 100, near_the_end).are_over(5)
    assert not Windows(0.0, 100, Clock(1.0, used=1.0)).are_over(99)
