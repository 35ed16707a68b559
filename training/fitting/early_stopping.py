"""Which epoch is kept, and when a fit ends that no longer improves or has no time left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.backend import keras
from training.fitting.checkpoint import Arrays, FitState, save_state
from training.fitting.schedule import Clock
from training.recipe import Gate, Keep, Segmenter

PLACE_AUC = "place_auc"
"""Name of the metric that chooses the best epoch of a gate of kind `places`.

The loss of such a gate is computed over places. It says little about how well the gate separates
defective from clean pictures. Calibration after the fit corrects the probabilities.
"""


def kept_epoch(history: Mapping[str, Sequence[float]], keep: Keep = Keep.BEST) -> int | None:
    """Return the epoch (from 0) whose weights are kept; None if no loss was finite.

    The best epoch has the lowest validation loss. If the history has `PLACE_AUC` on validation,
    the best epoch has the highest `PLACE_AUC`; among equal values, the lowest loss decides. Among
    epochs that are equal in both, the first is the best. The last epoch is the last that was
    validated.
    """
    loss = np.array(history.get("val_loss", ()), dtype=np.float64)
    if not np.isfinite(loss).any():
        return None
    if keep is Keep.LAST:
        return int(np.flatnonzero(np.isfinite(loss))[-1])
    loss = np.where(np.isfinite(loss), loss, np.inf)
    judged = np.array(history.get(f"val_{PLACE_AUC}", np.zeros(len(loss))), dtype=np.float64)
    return int(np.lexsort((loss, -judged))[0])


class EarlyStopping(keras.callbacks.Callback):  # type: ignore[misc]
    """Callback that keeps weights and state, and ends a fit that no longer improves.

    Keras' callback of the same name uses one metric and keeps no state on disk.
    """

    def __init__(
        self, state: FitState, settings: Gate | Segmenter, path: Path, clock: Clock
    ) -> None:
        """Store the state to resume from; the callback changes it in place."""
        super().__init__()
        self._state = state
        self._settings = settings
        self._path = path
        self._clock = clock
        self._validated: Arrays = []

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Copy the validated weights before the averaged weights are swapped out again."""
        self._validated = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Decide whether to keep the epoch and whether to stop, and write the state."""
        state, values = self._state, {name: float(value) for name, value in (logs or {}).items()}
        if not all(math.isfinite(values.get(name, 0.0)) for name in ("loss", "val_loss")):
            self._stop(f"the loss was not finite in epoch {epoch + 1}; one before it is kept")
            return
        for name in {**state.history, **values}:
            state.history.setdefault(name, []).append(values.get(name, math.nan))
        if kept_epoch(state.history, self._settings.keep) == epoch:
            state.kept_epoch, state.kept = epoch, self._validated
        state.epochs, state.seconds = epoch + 1, self._clock.used
        state.variables = _values(self.model.variables)
        state.optimizer = _values(self.model.optimizer.variables)
        if "val_loss" in values:  # the last epoch is one that was validated
            self._stop_if_due(epoch)
        save_state(state, self._path)

    def _stop_if_due(self, epoch: int) -> None:
        """End the fit if time or patience is used up; with `keep: last`, patience never is."""
        if self._clock.over:
            self._stop(f"its time was over in epoch {epoch + 1}")
        elif epoch - self._state.kept_epoch >= self._settings.patience:
            self._stop(f"no better epoch in {self._settings.patience}")

    def _stop(self, reason: str) -> None:
        self._state.stopped = reason
        self.model.stop_training = True


def _values(variables: Sequence[Any]) -> Arrays:
    return [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
