"""Choose the limit above which a picture counts as unlike the clean ones.

Split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World",
2005): let s_1 <= ... <= s_n be the scores of n clean pictures, and s the score of another one. If
all n + 1 are exchangeable, s is greater than s_k with a probability of at most (n + 1 - k) /
(n + 1). No model of the scores is needed. With k = n, the rate is 1 / (n + 1): n clean pictures
cannot promise less.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Limit(NamedTuple):
    """A limit for scores, with what it promises.

    Attributes:
        score: clean pictures are expected to score less.
        false_alarms: share of clean pictures that is expected at or above it, at most.
    """

    score: float
    false_alarms: float


def fewest_pictures(false_alarms: float) -> int:
    """Return the least number of clean pictures that can promise a share of false alarms."""
    return math.ceil(1 / false_alarms - 1e-9) - 1


def choose_limit(scores: Floats, false_alarms: float) -> Limit:
    """Choose the lowest limit that keeps a promise, or the one that promises most.

    The limit lies between the deciding score and the next greater one, so that rounding does not
    carry the deciding picture over it; above the greatest score, it lies as far as the one before
    is below, at most a twentieth.

    Args:
        scores: float64 (n,), scores of clean pictures, above 0; n is at least 1.
        false_alarms: wished share of clean pictures at or above the limit, above 0.

    Returns:
        The limit. Its `false_alarms` is greater than wished if the pictures are fewer than
        `fewest_pictures`.

    Raises:
        ValueError: there are no scores.
    """
    if not len(scores):
        raise ValueError("no clean picture to choose a limit on")
    ranked = np.sort(scores)
    count = len(ranked)
    rank = min(math.ceil((count + 1) * (1 - false_alarms) - 1e-9), count)
    deciding = float(ranked[rank - 1])
    if rank < count:
        above = float(ranked[rank])
    else:
        before = float(ranked[-2]) if count > 1 else deciding
        above = deciding + min(deciding - before, deciding / 10)
    score = (deciding + above) / 2
    return Limit(max(score, np.nextafter(deciding, np.inf)), (count + 1 - rank) / (count + 1))
