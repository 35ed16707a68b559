"""When a fit steps how far, and when its time is over."""

from __future__ import annotations

import math
import time
from typing import Any

from training.backend import keras
from training.recipe import Optimizer, Schedule


def share_of_rate(schedule: Schedule, warm_up: float, progress: float) -> float:
    """Give the share of the learning rate that is due.

    Args:
        schedule: constant, or a cosine (Loshchilov and Hutter, "SGDR", 2016) after a warm-up.
        warm_up: share of the fit in which the rate rises in a straight line.
        progress: how much of the fit is done, 0 to 1.
    """
    if schedule is Schedule.CONSTANT:
        return 1.0
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


class Clock:
    """Counts the seconds of a fit, over all its starts, against its budget."""

    def __init__(self, budget: float | None, used: float = 0.0) -> None:
        """Begin to count.

        Args:
            budget: seconds for the whole fit; None for as long as it takes.
            used: seconds of earlier starts.
        """
        self._budget = budget
        self._began = time.monotonic() - used

    @property
    def used(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._began

    @property
    def share(self) -> float:
        """Share of the budget that is used; 0 without a budget."""
        return 0.0 if self._budget is None else min(1.0, self.used / self._budget)

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return self._budget is not None and self.used >= self._budget


class Pace(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each batch, and stops the fit when its time is over.

    With a budget, the schedule runs by time where time is the shorter: however early a fit has
    to end, it ends with the small steps of a schedule's end.
    """

    def __init__(self, settings: Optimizer, steps: int, done: int, clock: Clock) -> None:
        """Take the number of batches of the whole fit, and how many were done before."""
        super().__init__()
        self._settings = settings
        self._steps = max(1, steps)
        self._done = done
        self._clock = clock

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate."""
        progress = max((self._done + 1) / self._steps, self._clock.share)
        share = share_of_rate(self._settings.schedule, self._settings.warm_up, min(1.0, progress))
        self.model.optimizer.learning_rate = self._settings.learning_rate * share

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count, and look at the clock."""
        self._done += 1
        if self._clock.over:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the rate among the epoch's values."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
