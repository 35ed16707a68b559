"""After which epochs a model is validated."""

from __future__ import annotations

from typing import Any

import pytest

from training.fitting import validations
from training.fitting.schedule import Clock
from training.fitting.validations import Validations


class Time:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in (validations, "training.fitting.schedule"):
            name = module if isinstance(module, str) else module.__name__
            monkeypatch.setattr(f"{name}.time.monotonic", lambda: self.now)


def validated(time: Time, clock: Clock, epochs: int, training: float, testing: float) -> list[int]:
    """Return the epochs after which a fit of given seconds an epoch is validated."""
    asked = Validations(epochs, clock)
    frequency, found = asked.frequency, []
    for epoch in range(1, epochs + 1):
        time.now += training
        if epoch in frequency:
            asked.on_test_begin()
            time.now += testing
            asked.on_test_end()
            found.append(epoch)
        if clock.over:
            break
    return found


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_without_a_limit_every_epoch_is_validated(time: Time) -> None:
    assert validated(time, Clock(None), 5, 1.0, 9.0) == [1, 2, 3, 4, 5]


def test_with_a_limit_validation_takes_a_tenth_of_the_time(time: Time) -> None:
    found = validated(time, Clock(600.0), 1000, 9.0, 3.0)
    seconds = 3.0 * len(found)
    assert found[0] == 1
    assert 0.07 * 600 < seconds <= 0.1 * 600 + 2 * 3
    epochs = (600 - seconds) / 9.0
    assert found[-1] == pytest.approx(epochs, abs=1.1), "the last epoch is validated"


def test_a_cheap_validation_happens_after_every_epoch(time: Time) -> None:
    assert validated(time, Clock(1e6), 8, 10.0, 0.1) == list(range(1, 9))


def test_the_last_epoch_of_the_recipe_is_validated(time: Time) -> None:
    assert validated(time, Clock(1e6), 7, 1.0, 100.0) == [1, 7]


def test_keras_is_given_a_list(time: Time) -> None:
    frequency: Any = Validations(3, Clock(None)).frequency
    assert isinstance(frequency, list)
    assert "1" not in frequency
