"""Compute how much a form loses against Keras, with intervals over groups of pictures.

Both results of a picture stay together (paired), and pictures that belong together count as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.evaluation.intervals import (
    Float64,
    Integers,
    Ratio,
    Sums,
    estimate,
    interval,
    paired_interval,
)

DRAWS = 1000

_DROP = ("drop", None)
_COUNT = ("count", None)
_MEAN = Ratio("drop", "", {_DROP: 1}, {_COUNT: 1}, {_COUNT: 1})


@dataclass(frozen=True)
class Drop:
    """The mean drop of a measure, Keras minus form.

    Attributes:
        value: mean over all values; None without any.
        interval: 95% interval; None without any.
        groups: number of groups with a value.
    """

    value: float | None
    interval: tuple[float, float] | None
    groups: int


_NOTHING = Drop(None, None, 0)


def dice_drop(groups: Sequence[str], expected: Float64, found: Float64) -> Drop:
    """Compute the drop of the mean Dice of (picture, class) pairs, with a bootstrap interval.

    Args:
        groups: group of each pair's picture.
        expected: float64 (pairs,), Dice of Keras.
        found: float64 (pairs,), Dice of the form.
    """
    if len(groups) == 0:
        return _NOTHING
    units = _numbered(groups)
    value, ends = _bootstrapped(units, expected - found)
    return Drop(value, ends, int(units.max()) + 1)


def recall_drop(
    groups: Sequence[str], expected: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]
) -> Drop:
    """Compute the drop of the share of defective pictures that pass the gate.

    The interval is the wider one of two on each side: the bootstrap, and an exact one of the
    groups that lost or gained a picture. The bootstrap alone would be sure that no picture is ever
    lost if none of the sample is.

    Args:
        groups: group of each defective picture.
        expected: bool (pictures,), whether Keras' gate passes them.
        found: bool (pictures,), whether the form's gate does.
    """
    if len(groups) == 0:
        return _NOTHING
    units = _numbered(groups)
    count = int(units.max()) + 1
    value, drawn = _bootstrapped(units, expected.astype(np.float64) - found)
    lost = len(np.unique(units[expected & ~found]))
    gained = len(np.unique(units[found & ~expected]))
    exact = paired_interval(lost, gained, count)
    return Drop(value, (min(drawn[0], exact[0]), max(drawn[1], exact[1])), count)


def _numbered(groups: Sequence[str]) -> Integers:
    """Return the number of each group, from 0: int64 (n,)."""
    return np.unique(np.array(groups), return_inverse=True)[1].astype(np.int64)


def _bootstrapped(units: Integers, drops: Float64) -> tuple[float, tuple[float, float]]:
    """Return the mean of float64 (n,), and its interval over units."""
    sums = Sums(units)
    places = np.arange(len(units))
    sums.add(_DROP, places, drops)
    sums.add(_COUNT, places, np.ones(len(units)))
    found = estimate(sums, [_MEAN], DRAWS)
    value = float(found.values[0])
    return value, interval(found.draws[:, 0]) or (value, value)
