"""Log lines of a fit, written when Keras' progress bar is not on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

from steeldefect.program.progress import say
from training.backend import keras

_QUIET_SECONDS = 30.0  # shortest time between two lines within an epoch


def bar_is_seen() -> bool:
    """Return whether a terminal shows Keras' bar: standard output and error are both terminals."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))


class EpochLines(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that logs `gate 3/40  loss 0.12  val_loss 0.23  12.3 s, at this rate 7 min left`.

    A long epoch also logs its progress from time to time.
    """

    def __init__(self, name: str, epochs: int) -> None:
        """Store the model's name and the largest number of epochs."""
        super().__init__()
        self._name = name
        self._epochs = epochs
        self._epoch = 0
        self._started = self._said = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Store the epoch and the time of its start."""
        self._epoch = epoch
        self._started = self._said = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the progress of a long epoch."""
        now = time.monotonic()
        if now - self._said < _QUIET_SECONDS:
            return
        self._said = now
        steps, seconds = self.params["steps"], now - self._started
        left = seconds / (batch + 1) * (steps - batch - 1)
        loss = float((logs or {}).get("loss", float("nan")))
        say(
            f"{self._name} {self._epoch + 1}/{self._epochs}  batch {batch + 1} of {steps}, "
            f"{(batch + 1) / seconds:.2f} a second, loss {loss:.4f}, "
            f"{_duration(left)} left in this epoch"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the values of the epoch and the time left."""
        seconds = time.monotonic() - self._started
        left = seconds * (self._epochs - epoch - 1)
        values = "  ".join(f"{name} {_short(name, value)}" for name, value in (logs or {}).items())
        say(
            f"{self._name} {epoch + 1}/{self._epochs}  {values}  "
            f"{seconds:.1f} s, at this rate {_duration(left)} left"
        )


def _short(name: str, value: Any) -> str:
    return f"{float(value):.2g}" if name == "learning_rate" else f"{float(value):.4f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
