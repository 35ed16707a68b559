"""Compute the confidence interval of a held-out Dice by a bootstrap over groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

CONFIDENCE = 0.95
FEWEST_GROUPS = 5
"""Smallest number of groups for an interval: a bootstrap over fewer is not reliable."""

_SAMPLES = 2000
_CHUNK = 200  # samples at a time, to limit memory with thousands of groups
_SEED = 0


class Interval(NamedTuple):
    """Both ends of an interval."""

    low: float
    high: float

    def __str__(self) -> str:
        """Return the interval as text: `0.812 to 0.874`."""
        return f"{self.low:.3f} to {self.high:.3f}"


def positives_dice_interval(positives: pd.DataFrame) -> Interval | None:
    """Compute the percentile interval of mean Dice (Efron, 1979) by drawing whole groups.

    Pictures of one group look alike: drawn separately, they would make the interval too narrow.

    Args:
        positives: pairs with truth; columns group, dice.

    Returns:
        Interval at `CONFIDENCE`, or None with fewer than `FEWEST_GROUPS` groups.
    """
    groups = positives.groupby("group")["dice"].agg(["sum", "count"]).to_numpy(np.float64)
    if len(groups) < FEWEST_GROUPS:
        return None
    generator = np.random.default_rng(_SEED)
    shares = np.full(len(groups), 1 / len(groups))
    means = []
    for _ in range(_SAMPLES // _CHUNK):
        times_drawn = generator.multinomial(len(groups), shares, size=_CHUNK)
        total, count = (times_drawn @ groups).T
        means.append(total / count)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), (tail, 1 - tail))
    return Interval(float(low), float(high))
