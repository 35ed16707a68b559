"""What coils do to sample sizes: pictures of one coil are alike, so they count for fewer.

Surface and light change from coil to coil, and defects come in coils. The variance of a mean over
coils is greater than over independent pictures by the design effect 1 + (m - 1) r (Kish, "Survey
Sampling", 1965, chapters 5 and 8): r is the intraclass correlation, m the size of the coils. A
test then uses n / design effect for the sample size n. The correlation itself is estimated from
some dozens of coils. Therefore Student's t replaces the normal distribution, with coils - 1 degrees
of freedom (Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """The coils (or other groups) of one sample.

    Attributes:
        coils: number of coils with a value.
        size: mean number of values in the coil of a value: sum of squared sizes / n.
        correlation: intraclass correlation, 0 to 1; None if one coil or one value cannot tell.
    """

    coils: Annotated[int, Field(ge=1)]
    size: Annotated[float, Field(ge=1)]
    correlation: Annotated[float, Field(ge=0, le=1)] | None


def measure_clusters(values: Float64, groups: Integers) -> Clusters | None:
    """Measure how alike the values of one group are.

    Args:
        values: float64 (n,), finite: ranks, or 0 and 1.
        groups: int64 (n,), number of the group of each value, from 0.

    Returns:
        None without values.
    """
    count = len(values)
    if count == 0:
        return None
    sizes = np.bincount(groups)
    coils = int((sizes > 0).sum())
    size = float((sizes.astype(np.float64) ** 2).sum() / count)
    rest = values - values.mean()
    spread = float(rest @ rest)
    if coils < 2 or spread == 0:
        return Clusters(coils, size, None)
    if size <= 1:  # each coil has one value
        return Clusters(coils, 1.0, 0.0)
    sums = np.bincount(groups, weights=rest)
    effect = coils / (coils - 1) * float(sums @ sums) / spread
    return Clusters(coils, size, float(np.clip((effect - 1) / (size - 1), 0, 1)))


@dataclass(frozen=True)
class EffectiveSizes:
    """Sample sizes of a test after the design effect.

    Attributes:
        reference, night: number of independent values that would be as certain.
        freedom: degrees of freedom behind the correlation; None if no coils are known.
        design_effect: n / effective n of the night.
    """

    reference: float
    night: float
    freedom: int | None
    design_effect: float


def effective_sizes(
    reference: int, night: int, of_reference: Clusters | None, of_night: Clusters | None
) -> EffectiveSizes:
    """Compute the effective sizes of two samples.

    Without a change, both samples have the same correlation. So it is estimated from both, weighted
    by their coils. If coils are known but say nothing about it, each coil counts as one value.

    Args:
        reference: number of values of the reference.
        night: number of values of the night.
        of_reference: coils of the reference; None if unknown: then its values are independent.
        of_night: coils of the night.
    """
    known = [one for one in (of_reference, of_night) if one is not None]
    if not known:
        return EffectiveSizes(reference, night, None, 1.0)
    telling = [one for one in known if one.correlation is not None] or known
    freedom = sum(one.coils - 1 for one in telling)
    correlation = 1.0
    if freedom > 0:
        weights = [(one.coils - 1) / freedom for one in telling]
        told = [1.0 if one.correlation is None else one.correlation for one in telling]
        correlation = sum(map(mul, weights, told))
    effects = [
        1.0 if one is None else 1 + (one.size - 1) * correlation for one in (of_reference, of_night)
    ]
    return EffectiveSizes(reference / effects[0], night / effects[1], freedom, effects[1])


def nominal_level(level: float, freedom: int | None) -> float:
    """Return the level at which a test with known variance keeps `level`.

    Args:
        level: probability of a false alarm, two-sided.
        freedom: degrees of freedom; None leaves the level as it is.

    Returns:
        A level that is at most `level`; 0 if there are too few degrees of freedom for any alarm.
    """
    if freedom is None:
        return level
    if freedom < 1:
        return 0.0
    return float(2 * ndtr(stdtrit(freedom, level / 2)))


def corrected_p(p_value: float, freedom: int | None) -> float:
    """Return the p-value of a test whose variance was estimated: the inverse of `nominal_level`."""
    if freedom is None or p_value >= 1:
        return p_value
    if freedom < 1:
        return 1.0
    return float(2 * stdtr(freedom, ndtri(p_value / 2)))
