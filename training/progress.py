"""What a fit tells while it runs: Keras' bar on a terminal, one line for each epoch in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from training.backend import keras


def say(line: str) -> None:
    """Write one line of progress now, whatever buffers standard output."""
    print(line, flush=True)


def warn(line: str) -> None:
    """Write one line that nobody should overlook."""
    print(f"warning: {line}", file=sys.stderr, flush=True)


def on_terminal() -> bool:
    """Whether someone watches."""
    return sys.stdout.isatty()


class EpochLines(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes `gate 3/40  loss 0.1234  val_loss 0.2345  12.3 s, about 7 min left`."""

    def __init__(self, name: str, epochs: int) -> None:
        """Take the model's name and the greatest number of epochs."""
        super().__init__()
        self._name = name
        self._epochs = epochs
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the epoch's line."""
        seconds = time.monotonic() - self._started
        left = seconds * (self._epochs - epoch - 1)
        values = "  ".join(f"{name} {float(value):.4f}" for name, value in (logs or {}).items())
        say(
            f"{self._name} {epoch + 1}/{self._epochs}  {values}  "
            f"{seconds:.1f} s, at most {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
