"""Which epoch is kept."""

from __future__ import annotations

import pytest

from training.fitting.early_stopping import kept_epoch
from training.recipe import Keep


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
    assert kept_epoch(history) == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([], None), ([float("nan")], None), ([0.3, 0.2, 0.5], 2), ([0.3, 0.2, float("nan")], 1)],
)
def test_the_last_epoch_is_the_last_that_was_validated(
    losses: list[float], expected: int | None
) -> None:
    history = {"val_loss": losses, "val_place_auc": [1.0 for _ in losses]}
    assert kept_epoch(history, Keep.LAST) == expected
