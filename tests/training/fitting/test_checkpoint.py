"""What a fit remembers on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steeldefect.errors import DataError
from training.fitting.checkpoint import STATE_FILE, FitState, load_state, save_state


def test_a_state_is_read_back_whole(tmp_path: Path) -> None:
    arrays = [np.arange(3.0), np.array(7), np.ones((2, 2), np.float32)]
    state = FitState(
        epochs=2,
        history={"loss": [1.0, 0.5]},
        kept_epoch=1,
        seconds=3.5,
        variables=arrays,
        optimizer=arrays[:1],
        kept=arrays[::-1],
        stopped="ä",
    )
    save_state(state, tmp_path / STATE_FILE)
    again = load_state(tmp_path / STATE_FILE)
    for name in ("variables", "optimizer", "kept"):
        for one, other in zip(getattr(state, name), getattr(again, name), strict=True):
            assert (one == other).all()
            assert one.dtype == other.dtype
    assert (again.history, again.kept_epoch, again.stopped) == ({"loss": [1.0, 0.5]}, 1, "ä")


def test_a_damaged_state_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(b"PK but nothing else")
    with pytest.raises(DataError, match="delete it to start again"):
        load_state(tmp_path / STATE_FILE)
