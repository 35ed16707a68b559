"""Which epoch is kept."""

from __future__ import annotations

import pytest

from training.fitting.early_stopping import best_epoch


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({}, None),
        ({"val_loss": [float("nan")]}, None),
        ({"val_loss": [0.5, float("nan"), 0.3, 0.3, 0.4]}, 2),
        ({"val_loss": [0.5, 0.3], "val_auc": [0.9, 0.1]}, 1),
        ({"val_loss": [0.5, 0.6, 0.7], "val_place_auc": [0.8, 0.9, 0.85]}, 1),
        ({"val_loss": [0.5, 0.7, 0.6], "val_place_auc": [0.8, 1.0, 1.0]}, 2),
        ({"val_loss": [0.5, 0.6, 0.6], "val_place_auc": [0.8, 0.9, 0.9]}, 1),
        ({"val_loss": [0.5, float("nan"), 0.4], "val_place_auc": [0.8, float("nan"), 0.7]}, 0),
    ],
)
def test_which_epoch_is_the_best(history: dict[str, list[float]], expected: int | None) -> None:
    assert best_epoch(history) == expected
