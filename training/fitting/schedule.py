"""The learning rate schedule of a fit, and its time budget."""

from __future__ import annotations

import math
import time
from typing import Any

from training.backend import keras
from training.recipe import Optimizer, Schedule


def share_of_rate(schedule: Schedule, warm_up: float, progress: float) -> float:
    """Return the factor of the learning rate at a point of the fit, 0 to 1.

    Args:
        schedule: constant, or a cosine (Loshchilov and Hutter, "SGDR", 2016) after a warm-up.
        warm_up: share of the fit in which the rate rises linearly.
        progress: share of the fit that is done, 0 to 1.
    """
    if schedule is Schedule.CONSTANT:
        return 1.0
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


class Clock:
    """The seconds that a fit has used over all its starts, and its budget."""

    def __init__(self, budget: float | None, used: float = 0.0) -> None:
        """Start the clock.

        Args:
            budget: seconds for the whole fit; None: no limit.
            used: seconds that earlier starts have used.
        """
        self._budget = budget
        self._began = time.monotonic() - used

    @property
    def limited(self) -> bool:
        """Whether there is a budget."""
        return self._budget is not None

    @property
    def used(self) -> float:
        """Seconds used so far."""
        return time.monotonic() - self._began

    @property
    def share(self) -> float:
        """Share of the budget that is used, 0 to 1; 0 without a budget."""
        return 0.0 if self._budget is None else min(1.0, self.used / self._budget)

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return self._budget is not None and self.used >= self._budget


class Windows(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that ends the first part of a fit, which shows windows instead of whole pictures.

    The second part is another call of Keras' `fit`: compiled training steps have one size of
    pictures.
    """

    def __init__(self, share: float, epochs: int, clock: Clock) -> None:
        """Store the settings.

        Args:
            share: share of the fit, at its end, that shows whole pictures.
            epochs: number of epochs of the whole fit.
            clock: clock with the budget of the fit.
        """
        super().__init__()
        self._share = share
        self._epochs = epochs
        self._clock = clock

    def are_over(self, epochs: int) -> bool:
        """Return whether whole pictures come next, after so many epochs.

        Progress is that of the learning rate: the larger of the shares of epochs and of time.
        """
        progress = max(epochs / self._epochs, self._clock.share)
        return self._share > 0 and progress >= 1 - self._share

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """End the part if it is time."""
        if self.are_over(epoch + 1):
            self.model.stop_training = True


class Pace(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that sets the learning rate before each batch, and stops the fit at its budget.

    With a budget, progress is the larger of the share of batches and the share of time. A fit
    that ends early by time thus still ends with the low rates of the schedule's end.
    """

    def __init__(self, settings: Optimizer, steps: int, done: int, clock: Clock) -> None:
        """Store the settings.

        Args:
            settings: learning rate and schedule.
            steps: number of batches of the whole fit.
            done: number of batches that earlier starts have done.
            clock: clock with the budget of the fit.
        """
        super().__init__()
        self._settings = settings
        self._steps = max(1, steps)
        self._done = done
        self._clock = clock

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the learning rate."""
        progress = max((self._done + 1) / self._steps, self._clock.share)
        share = share_of_rate(self._settings.schedule, self._settings.warm_up, min(1.0, progress))
        self.model.optimizer.learning_rate = self._settings.learning_rate * share

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the batch, and stop the fit if the budget is used up."""
        self._done += 1
        if self._clock.over:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the learning rate to the values of the epoch."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
