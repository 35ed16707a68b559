"""Early stopping: keeps the best epoch, ends a fit that improves no more or has no time left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.backend import keras
from training.fitting.checkpoint import Arrays, FitState, save_state
from training.fitting.schedule import Clock

PLACE_AUC = "place_auc"
"""Name of the metric by which a gate is judged that learns place by place.

Its loss counts places and says little of how well whole pictures are told apart; how sure it is
of them is calibrated after the fit.
"""


def best_epoch(history: Mapping[str, Sequence[float]]) -> int | None:
    """Find the epoch (from 0) whose weights are kept; None where no loss was finite.

    It is that of the least validation loss; where a model has `PLACE_AUC` on validation, that of
    the greatest, and among equals that of the least loss. The first counts where two are alike.
    """
    loss = np.array(history.get("val_loss", ()), dtype=np.float64)
    if not np.isfinite(loss).any():
        return None
    loss = np.where(np.isfinite(loss), loss, np.inf)
    judged = np.array(history.get(f"val_{PLACE_AUC}", np.zeros(len(loss))), dtype=np.float64)
    return int(np.lexsort((loss, -judged))[0])


class EarlyStopping(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the best epoch's weights and the whole state; ends a fit that no longer improves.

    Keras' own callback of that name judges by one metric and keeps no state on disk.
    """

    def __init__(self, state: FitState, patience: int, path: Path, clock: Clock) -> None:
        """Take the state to go on from; it is changed in place."""
        super().__init__()
        self._state = state
        self._patience = patience
        self._path = path
        self._clock = clock
        self._validated: Arrays = []

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the weights that were validated, before averaged ones are swapped out again."""
        self._validated = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compare, and write everything down."""
        state, values = self._state, {name: float(value) for name, value in (logs or {}).items()}
        loss = values.get("val_loss", float("nan"))
        if not all(math.isfinite(values.get(name, loss)) for name in ("loss", "val_loss")):
            self._stop(f"the loss was not finite in epoch {epoch + 1}; the best before it is kept")
            return
        for name, value in values.items():
            state.history.setdefault(name, []).append(value)
        if best_epoch(state.history) == epoch:
            state.best_epoch, state.best = epoch, self._validated
        state.epochs, state.seconds = epoch + 1, self._clock.used
        state.variables = _values(self.model.variables)
        state.optimizer = _values(self.model.optimizer.variables)
        if self._clock.over:
            self._stop(f"its time was over in epoch {epoch + 1}")
        elif epoch - state.best_epoch >= self._patience:
            self._stop(f"no better epoch in {self._patience}")
        save_state(state, self._path)

    def _stop(self, reason: str) -> None:
        self._state.stopped = reason
        self.model.stop_training = True


def _values(variables: Sequence[Any]) -> Arrays:
    return [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
