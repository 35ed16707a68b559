"""Samples in a bounded form: all values, or as many quantiles as a bundle has room for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, PlainSerializer
from scipy.stats import rankdata

from steeldefect.watch.clusters import Clusters, Float64, Integers, measure_clusters

_Single = Annotated[
    float,
    PlainSerializer(lambda value: float(str(np.float32(value)))),
    AfterValidator(lambda value: float(np.float32(value))),
]
"""A float32 number: JSON holds its shortest text."""


@dataclass(frozen=True)
class Sample:
    """The values of one quantity, sorted; quantiles if there are many.

    Attributes:
        n: number of values measured.
        values: the values, ascending; or quantiles with equal weights. All are float32 numbers, so
            that a value is the same after a round trip through JSON, and ties stay ties.
        clusters: what the coils say; None if they are unknown.
    """

    n: Annotated[int, Field(ge=0)]
    values: tuple[_Single, ...]
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: they are not finite, not sorted, or more or fewer than `n` allows.
        """
        if not np.isfinite(self.sorted_values).all():
            raise ValueError("values must be finite")
        if (np.diff(self.sorted_values) < 0).any():
            raise ValueError("values must be ascending")
        if len(self.values) > self.n or (self.n > 0 and not self.values):
            raise ValueError(f"{len(self.values)} values do not fit n = {self.n}")

    @cached_property
    def sorted_values(self) -> Float64:
        """Return the values, float64 (n or fewer,)."""
        return np.array(self.values, np.float64)

    @property
    def median(self) -> float | None:
        """Return the median; None without a value."""
        middle = (len(self.values) - 1) // 2, len(self.values) // 2
        return sum(self.values[one] for one in middle) / 2 if self.values else None

    @property
    def resolution(self) -> float:
        """Return the largest error of the distribution function: 0 if all values are kept."""
        kept = len(self.values)
        return 0.0 if kept == self.n else 0.5 / kept + 1 / self.n


def take_sample(
    values: npt.NDArray[np.generic], groups: Integers | None, limit: int | None = None
) -> Sample:
    """Keep the values of one quantity.

    Args:
        values: (n,), numbers; NaN and infinite values count as missing.
        groups: int64 (n,), number of the coil of each value; None if unknown.
        limit: largest number of values to keep; None for all.
    """
    single = np.asarray(values, np.float32)
    finite = np.isfinite(single)
    known = single[finite].astype(np.float64)
    clusters = None
    if groups is not None:
        clusters = measure_clusters(np.asarray(rankdata(known)), groups[finite])
    known.sort()
    if limit is not None and len(known) > limit:
        places = (np.arange(limit) + 0.5) * len(known) / limit
        return Sample(len(known), tuple(known[places.astype(np.int64)].tolist()), clusters)
    return Sample(len(known), tuple(known.tolist()), clusters)


@dataclass(frozen=True)
class Count:
    """How many of `n` pictures have a property.

    Attributes:
        count: number of pictures with the property.
        n: number of pictures.
        clusters: what the coils say; None if they are unknown.
    """

    count: Annotated[int, Field(ge=0)]
    n: Annotated[int, Field(ge=0)]
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        """Check the counts.

        Raises:
            ValueError: more pictures have the property than there are.
        """
        if self.count > self.n:
            raise ValueError(f"count {self.count} is greater than n = {self.n}")

    @property
    def rate(self) -> float | None:
        """Return the rate, 0 to 1; None without a picture."""
        return self.count / self.n if self.n else None


def take_count(flags: npt.NDArray[np.bool_], groups: Integers | None) -> Count:
    """Count the pictures with a property.

    Args:
        flags: bool (n,), whether each picture has it.
        groups: int64 (n,), number of the coil of each picture; None if unknown.
    """
    clusters = None if groups is None else measure_clusters(flags.astype(np.float64), groups)
    return Count(int(flags.sum()), len(flags), clusters)
