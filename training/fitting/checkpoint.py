"""All that a fit of one model has to remember to go on after it was killed.

One file, replaced in one step at the end of every epoch: weights, the optimizer's variables, the
best weights so far, and the history. Batches follow from seed and epoch (`data.batches`), so
a fit that goes on ends as one that was never stopped, as far as the sums of many threads allow.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeldefect.errors import DataError

Arrays = list[npt.NDArray[Any]]
History = dict[str, list[float]]

STATE_FILE = "state.npz"

_ARRAYS = ("variables", "optimizer", "best")
_VALUES = ("epochs", "finished", "history", "best_epoch", "seconds", "stopped")


@dataclass
class FitState:
    """Where a fit stands.

    Attributes:
        epochs: that are done.
        finished: whether it ended, by its epochs, its patience or its time.
        history: one value an epoch of each curve.
        best_epoch: counted from 0; -1 before the first.
        seconds: used over all starts.
        variables: of the model as it trains, averaged or not; empty before the first epoch.
        optimizer: its variables.
        best: weights of the best epoch, as they were validated.
        stopped: why it ended, in words, where it did so before its last epoch.
    """

    epochs: int = 0
    finished: bool = False
    history: History = field(default_factory=dict)
    best_epoch: int = -1
    seconds: float = 0.0
    variables: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    best: Arrays = field(default_factory=list)
    stopped: str | None = None


def save_state(state: FitState, path: Path) -> None:
    """Write a state in one step: who reads sees the one before, or this one, whole."""
    arrays = {
        f"{name}_{number:05d}": value
        for name in _ARRAYS
        for number, value in enumerate(getattr(state, name))
    }
    values = json.dumps({name: getattr(state, name) for name in _VALUES})
    staging = path.with_suffix(".writing")
    with staging.open("wb") as file:
        np.savez(file, allow_pickle=False, values=np.array(values), **arrays)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def load_state(path: Path) -> FitState:
    """Read a state; a new one where there is none.

    Raises:
        DataError: the file is not one of these.
    """
    if not path.exists():
        return FitState()
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = json.loads(str(stored["values"]))
            arrays: dict[str, Any] = {
                name: [stored[key] for key in sorted(stored.files) if key.startswith(f"{name}_")]
                for name in _ARRAYS
            }
            return FitState(**values, **arrays)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not the state of a fit ({error}); delete it to begin anew"
        ) from None
