"""Choose the epochs after which a model is validated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from training.backend import keras
from training.fitting.schedule import Clock

_SHARE = 0.1
"""Share of the time of a fit that validation may take, if the time is limited."""


class Validations(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that chooses the epochs after which a model is validated.

    Without a time limit, that is every epoch. With one, it is the first and the last epoch, and as
    many between as `_SHARE` of the time allows: the time that others would take goes into training.
    """

    def __init__(self, epochs: int, clock: Clock) -> None:
        """Store the largest number of epochs, and the clock of the fit."""
        super().__init__()
        self._epochs = epochs
        self._clock = clock
        self._began = self._seconds = 0.0

    @property
    def frequency(self) -> list[int]:
        """Keras' `validation_freq`: Keras asks at the end of each epoch whether it is in there."""
        return _Asked(self._is_due)

    def _is_due(self, epoch: int) -> bool:
        """Return whether to validate after an epoch, counted from 1."""
        if not self._clock.limited or self._clock.over or epoch == self._epochs:
            return True
        return self._seconds <= _SHARE * self._clock.used

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Note the time."""
        self._began = time.monotonic()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Add the seconds of a validation."""
        self._seconds += time.monotonic() - self._began


class _Asked(list[int]):
    """A list that asks a function what is in it."""

    def __init__(self, holds: Callable[[int], bool]) -> None:
        super().__init__()
        self._holds = holds

    def __contains__(self, epoch: object) -> bool:
        return isinstance(epoch, int) and self._holds(epoch)
