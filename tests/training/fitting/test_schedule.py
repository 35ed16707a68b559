"""How the learning rate runs."""

from __future__ import annotations

import pytest

from training.fitting.schedule import Clock, WholeAtEnd, share_of_rate
from training.recipe import Schedule


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)]
)
def test_cosine_rises_and_falls_to_nothing(progress: float, share: float) -> None:
    assert share_of_rate(Schedule.COSINE, 0.1, progress) == pytest.approx(share, abs=1e-6)
    assert share_of_rate(Schedule.CONSTANT, 0.1, progress) == 1.0


def test_the_last_epochs_show_whole_pictures() -> None:
    shows = WholeAtEnd(0.3, 10, Clock(None))
    assert [shows(epoch) for epoch in range(10)] == [False] * 7 + [True] * 3
    never = WholeAtEnd(0.0, 10, Clock(1.0, used=1.0))
    assert not any(never(epoch) for epoch in range(10))


def test_near_the_end_of_its_time_a_fit_shows_whole_pictures() -> None:
    assert WholeAtEnd(0.3, 100, Clock(1000.0, used=750.0))(5)
    shows = WholeAtEnd(0.3, 100, early := Clock(1000.0, used=100.0))
    assert not shows(5)
    early._began -= 800
    assert shows(6)
    assert not shows(5), "the batches of an epoch differ"
