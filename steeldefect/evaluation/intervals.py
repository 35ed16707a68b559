"""Intervals of ratios by the bootstrap: pictures, or groups of pictures, are drawn again.

Each metric here is a ratio of two sums over pictures. The units (pictures, or groups such as coils)
are drawn with replacement, as many as there are; the interval is between the percentiles 2.5 and
97.5 of the ratio over all draws (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
chapter 13). A draw in which the divisor is 0 is left out.

The bootstrap is sure of everything that the sample does not show: 20 pictures without a difference
do not prove that there is none. `share_interval` and `paired_interval` are exact, and know that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.stats import binomtest

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Column = tuple[str, int | None]
"""Name of a count, and class id; None for a count of the picture itself."""

CONFIDENCE = 0.95
_AT_ONCE = 4  # draws: the weights of a million pictures take 8 MB for each
_SEED = 0


class Sums:
    """Counts of pictures, to be summed for each unit; most of them are 0, and not stored."""

    def __init__(self, units: Integers) -> None:
        """Keep which unit each picture belongs to.

        Args:
            units: int64 (pictures,), number of the unit, from 0.
        """
        self.units = int(units.max()) + 1 if len(units) else 0
        self._unit_of = units.astype(np.int32)
        self._columns: dict[Column, int] = {}
        self._values: list[Float64] = []
        self._places: list[npt.NDArray[np.int32]] = []

    def add(self, column: Column, pictures: Integers, values: npt.NDArray[np.generic]) -> None:
        """Add a column.

        Args:
            column: its name.
            pictures: int64 (n,), numbers of the pictures that the values belong to.
            values: (n,), the counts; pictures that are not named have 0.
        """
        numbers = np.asarray(values, np.float64)
        self._columns[column] = len(self._values)
        self._values.append(numbers[numbers != 0])
        self._places.append(self._unit_of[pictures[numbers != 0]])

    def take_matrix(self) -> csr_array:
        """Return the counts, float64 (columns, units), and forget them.

        A column may state several counts of a unit: products with the matrix add them up.
        """
        ends = np.cumsum([0, *map(len, self._values)]).astype(np.int32)
        values, places = np.empty(ends[-1]), np.empty(ends[-1], np.int32)
        for begin in ends[:-1]:  # each part is forgotten once it is copied
            part = self._values.pop(0)
            values[begin : begin + len(part)] = part
            places[begin : begin + len(part)] = self._places.pop(0)
        return csr_array((values, places, ends), shape=(len(self._columns), self.units))

    def coefficients(self, sums: Sequence[Mapping[Column, float]]) -> Float64:
        """Return weighted sums of columns as a matrix, float64 (columns, sums)."""
        made = np.zeros((len(self._columns), len(sums)))
        for number, one in enumerate(sums):
            for column, factor in one.items():
                made[self._columns[column], number] += factor
        return made


@dataclass(frozen=True)
class Ratio:
    """One metric: a weighted sum of columns, divided by another one.

    Attributes:
        name, scope, class_id, size_class: as in the table `metrics`.
        numerator, denominator: factor of each column in the two sums.
        support: columns whose sum is the support.
    """

    name: str
    scope: str
    numerator: Mapping[Column, float]
    denominator: Mapping[Column, float]
    support: Mapping[Column, float]
    class_id: int | None = None
    size_class: str | None = None


@dataclass(frozen=True)
class Estimates:
    """Values of ratios, and of the same ratios in each draw.

    Attributes:
        values: float64 (ratios,); NaN where the divisor is 0.
        draws: float64 (draws, ratios).
        supports: float64 (ratios,).
    """

    values: Float64
    draws: Float64
    supports: Float64


def estimate(sums: Sums, ratios: Sequence[Ratio], draws: int) -> Estimates:
    """Compute ratios, and compute them again for pictures that are drawn again.

    The draws are the same in each call with the same number of units.

    Args:
        sums: the counts; they are used up.
        ratios: the metrics.
        draws: number of draws; 0 for none.
    """
    counts = sums.take_matrix()
    tops = sums.coefficients([one.numerator for one in ratios])
    bottoms = sums.coefficients([one.denominator for one in ratios])
    whole = np.asarray(counts @ np.ones(sums.units)).reshape(1, -1)
    supports = whole @ sums.coefficients([one.support for one in ratios])
    drawn = [_divide(one @ tops, one @ bottoms) for one in _drawn_sums(counts, draws)]
    values = np.concatenate([np.empty((0, len(ratios))), *drawn])
    return Estimates(_divide(whole @ tops, whole @ bottoms)[0], values, supports[0])


def interval(draws: Float64) -> tuple[float, float] | None:
    """Return the interval of one metric from its draws, float64 (draws,); None without any."""
    known = draws[~np.isnan(draws)]
    if len(known) == 0:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def share_interval(part: int, whole: int, error: float = 1 - CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval of the share `part` / `whole` (Clopper and Pearson, 1934).

    Args:
        part: number of units that have a property, of `whole` independent units.
        whole: number of units, at least 1.
        error: probability, over both sides, that the true share is outside.
    """
    found = binomtest(part, whole).proportion_ci(1 - error, method="exact")
    return float(found.low), float(found.high)


def paired_interval(more: int, fewer: int, count: int) -> tuple[float, float]:
    """Return an exact interval of the difference of two paired shares, (more - fewer) / count.

    Both parts have an exact interval at half of the error probability (Bonferroni).

    Args:
        more: number of units that only the first one has.
        fewer: number of units that only the second one has.
        count: number of units, at least 1.
    """
    first = share_interval(more, count, (1 - CONFIDENCE) / 2)
    second = share_interval(fewer, count, (1 - CONFIDENCE) / 2)
    return first[0] - second[1], first[1] - second[0]


def _drawn_sums(counts: csr_array, draws: int) -> list[Float64]:
    """Return the sums of the columns for each draw, some draws at a time."""
    units = counts.shape[1]
    rng = np.random.default_rng(_SEED)
    made = []
    for first in range(0, draws, _AT_ONCE):
        weights = np.empty((units, min(_AT_ONCE, draws - first)))
        for column in range(weights.shape[1]):
            weights[:, column] = np.bincount(rng.integers(units, size=units), minlength=units)
        made.append(np.asarray(counts @ weights).T)
    return made


def _divide(top: Float64, bottom: Float64) -> Float64:
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))
