"""Judge whether a picture looks like the clean pictures that a bundle was fitted on.

The first part of a network says how *odd* the oddest place of a picture is, a number from 0 to 1
(`steeldefect.bundle.manifest.Novelty`). Tables and results hold the *novelty*: the same as a
ratio of distances, so that 1 is the limit in every bundle.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Novelty
from steeldefect.pictures.preprocessing import Float32

_MOST = 1 - 2.0**-24  # the greatest float32 below 1


class Judged(NamedTuple):
    """The answers of the first model for n pictures.

    Attributes:
        probability: float32 (n,), calibrated probability of a defect; NaN without a gate, and if an
            answer is not finite.
        oddness: float32 (n,), oddness of the oddest place; NaN if the bundle does not judge it.
    """

    probability: Float32
    oddness: Float32

    def each(self) -> list[GateAnswer]:
        """Return the answer for each picture."""
        columns = self.probability.tolist(), self.oddness.tolist()
        return [GateAnswer(*one) for one in zip(*columns, strict=True)]


class GateAnswer(NamedTuple):
    """The answer of the first model for one picture; see `Judged`."""

    probability: float
    oddness: float = float("nan")

    def is_odd(self, novelty: Novelty | None) -> bool:
        """Return whether the picture is at or above the limit; see the function `is_odd`."""
        return novelty is not None and _reaches(novelty, self.oddness)


def is_odd(novelty: Novelty | None, oddness: Float32) -> npt.NDArray[np.bool_]:
    """Return which pictures are at or above the limit: bool (n,); none without a limit.

    Compared as float32, the limit rounded to it, as gates compare their thresholds.

    Args:
        novelty: of the manifest.
        oddness: float32 (n,); NaN is never odd.
    """
    if novelty is None:
        return np.zeros(len(oddness), dtype=np.bool_)
    return np.asarray(oddness >= np.float32(novelty.limit))


def novelty_of(novelty: Novelty | None, oddness: float) -> float | None:
    """Return an oddness as a ratio of distances: d / limit; None without a limit.

    With oddness o = d^2 / (d^2 + s^2), d^2 is proportional to o / (1 - o).
    """
    if novelty is None or np.isnan(oddness):
        return None
    ratio = math.sqrt(_squared(oddness) / _squared(float(np.float32(novelty.limit))))
    # rounded, the picture at the limit itself could fall below 1
    return max(ratio, 1.0) if _reaches(novelty, oddness) else min(ratio, _MOST)


def _reaches(novelty: Novelty, oddness: float) -> bool:
    return bool(np.float32(oddness) >= np.float32(novelty.limit))


def _squared(oddness: float) -> float:
    """Return the squared distance of an oddness, with the scale s as unit."""
    inside = min(oddness, _MOST)
    return inside / (1 - inside)
