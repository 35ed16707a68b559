"""Read and write the state of one model's fit, so that a killed fit can resume.

The state is one file, replaced in one step at the end of every epoch. It holds the weights, the
optimizer's variables, the weights to keep so far, and the history. Seed and epoch fix the batches
(`data.batches`). A resumed fit therefore ends like an uninterrupted fit, except for rounding: the
order of sums varies between threads.
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
WRITING = ".writing"
"""Suffix of a file that is not whole yet."""

_ARRAYS = ("variables", "optimizer", "kept")
_VALUES = ("epochs", "finished", "history", "kept_epoch", "seconds", "stopped")


@dataclass
class FitState:
    """The state of a fit.

    Attributes:
        epochs: number of finished epochs.
        finished: whether the fit has ended: by its epochs, its patience or its time.
        history: values of each curve by name, one value per epoch; NaN on validation if the epoch
            was not validated.
        kept_epoch: number of the epoch that is kept, counted from 0; -1 before the first epoch.
        seconds: seconds used over all starts.
        variables: variables of the model after the last epoch, needed to resume; empty before
            the first epoch.
        optimizer: variables of the optimizer.
        kept: weights of the epoch that is kept, as they were validated.
        stopped: reason why the fit ended before its last epoch; None if it did not.
    """

    epochs: int = 0
    finished: bool = False
    history: History = field(default_factory=dict)
    kept_epoch: int = -1
    seconds: float = 0.0
    variables: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    kept: Arrays = field(default_factory=list)
    stopped: str | None = None


def save_state(state: FitState, path: Path) -> None:
    """Write a state in one step: a reader sees either the whole old state or the whole new one."""
    arrays = {
        f"{name}_{number:05d}": value
        for name in _ARRAYS
        for number, value in enumerate(getattr(state, name))
    }
    values = json.dumps({name: getattr(state, name) for name in _VALUES})
    staging = path.with_suffix(WRITING)
    with staging.open("wb") as file:
        np.savez(file, allow_pickle=False, values=np.array(values), **arrays)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def load_state(path: Path) -> FitState:
    """Read a state; return a new state if the file does not exist.

    Raises:
        DataError: the file is not a state of a fit.
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
            f"{path} is not the state of a fit ({error}); delete it to start again"
        ) from None
