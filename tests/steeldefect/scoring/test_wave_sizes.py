"""Waves that size themselves: about a minute of work of the whole cluster."""

from __future__ import annotations

import pytest

from steeldefect.scoring.measured_rate import MeasuredRate
from steeldefect.scoring.wave_sizes import wave_pictures


@pytest.mark.parametrize(
    ("at_once", "rate", "expected"),
    [
        (2, None, 500),
        (11, None, 550),
        (200, None, 10_000),
        (2, 7.0, 840),
        (200, 7.0, 84_000),
        (200, 0.001, 200),  # a task has at least one picture
        (200, 1_000.0, 100_000),
        (200_000, 7.0, 200_000),
    ],
)
def test_a_wave_takes_about_a_minute(at_once: int, rate: float | None, expected: int) -> None:
    assert wave_pictures(at_once, rate) == expected


def test_the_wave_in_which_models_are_opened_is_forgotten() -> None:
    rate = MeasuredRate()
    assert rate.of_a_task is None
    rate.add(100, 50.0)
    assert rate.of_a_task == 2.0
    rate.add(100, 10.0)
    assert rate.of_a_task == 10.0
    rate.add(300, 10.0)
    assert rate.of_a_task == 20.0


def test_a_wave_without_seconds_says_nothing() -> None:
    rate = MeasuredRate()
    rate.add(0, 0.0)
    assert rate.of_a_task is None
