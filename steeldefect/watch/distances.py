"""The two tests: distributions by their Kolmogorov-Smirnov distance, rates by Fisher's exact test.

Thresholds follow from the sample sizes and from the level of the row. An alarm is a distance that
reaches its threshold: so a person can see how far a night was from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtri

from steeldefect.watch.clusters import Float64, corrected_p, effective_sizes, nominal_level
from steeldefect.watch.samples import Count, Sample

_DKW = 2.17
"""Factor in the inequality of Dvoretzky, Kiefer and Wolfowitz for two samples: proven for equal
sizes from 4; for unequal sizes, 2 suffices in all cases that were computed (Wei and Dudley,
"Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities", 2012)."""


@dataclass(frozen=True)
class Tested:
    """The result of one test.

    Attributes:
        distance: Kolmogorov-Smirnov distance, or absolute difference of two rates; 0 to 1.
        threshold: smallest distance that raises an alarm; None if no distance could.
        p_value: probability of at least this distance without any change, 0 to 1.
        design_effect: pictures of the night per independent picture; 1 if coils are unknown.
        place: value at which the distributions are farthest apart; None for rates.
        above: shares above this value, of the reference and of the night; None for rates.
    """

    distance: float
    threshold: float | None
    p_value: float
    design_effect: float
    place: float | None = None
    above: tuple[float, float] | None = None

    @property
    def alarm(self) -> bool:
        """Return whether the distance reaches the threshold."""
        return self.threshold is not None and self.distance >= self.threshold


def largest_gap(reference: Float64, night: Float64) -> tuple[float, float, tuple[float, float]]:
    """Compute the Kolmogorov-Smirnov distance; ties within and between samples are exact.

    Args:
        reference: float64 (n,), ascending, at least one value.
        night: float64 (m,), likewise.

    Returns:
        The distance, the value at which it occurs, and the shares of reference and night above it.
    """
    places = np.concatenate([reference, night])
    first = np.searchsorted(reference, places, side="right") / len(reference)
    second = np.searchsorted(night, places, side="right") / len(night)
    most = int(np.abs(first - second).argmax())
    above = (1 - float(first[most]), 1 - float(second[most]))
    return abs(above[0] - above[1]), float(places[most]), above


def compare_distributions(reference: Sample, night: Sample, level: float, least: float) -> Tested:
    """Compare two distributions.

    P(distance >= d) <= C exp(-2 d^2 n m / (n + m)), for effective sizes n and m; so the threshold
    is sqrt(log(C / level) (n + m) / (2 n m)). With ties, the probability is smaller still. What
    the quantiles of a reference may be wrong by is added to the threshold.

    Args:
        reference: at least one value.
        night: at least one value.
        level: probability of a false alarm.
        least: smallest distance that is of interest.
    """
    distance, place, above = largest_gap(reference.sorted_values, night.sorted_values)
    sizes = effective_sizes(reference.n, night.n, reference.clusters, night.clusters)
    both = sizes.reference * sizes.night / (sizes.reference + sizes.night)
    slack = reference.resolution + night.resolution
    certain = max(0.0, distance - slack)
    chance = min(1.0, _DKW * math.exp(-2 * both * certain**2))
    nominal = nominal_level(level, sizes.freedom)
    threshold = None
    if nominal > 0:
        threshold = max(least, slack + math.sqrt(math.log(_DKW / nominal) / (2 * both)))
        threshold = threshold if threshold <= 1 else None
    p_value = corrected_p(chance, sizes.freedom)
    return Tested(distance, threshold, p_value, sizes.design_effect, place, above)


def compare_rates(reference: Count, night: Count, level: float, least: float) -> Tested:
    """Compare two rates by Fisher's exact test, two-sided by doubling the smaller tail.

    With a design effect, the test runs on effective counts, rounded.

    Args:
        reference: counts of at least one picture.
        night: likewise.
        level: probability of a false alarm.
        least: smallest ratio of the odds that is of interest, at least 1.
    """
    before, now = reference.count / reference.n, night.count / night.n
    sizes = effective_sizes(reference.n, night.n, reference.clusters, night.clusters)
    size, other = max(1, round(sizes.night)), max(1, round(sizes.reference))
    fewer = now < before
    if fewer:  # count the pictures without the property: then "more" is the only direction
        before, now = 1 - before, 1 - now
    table = _Table(round(before * other), other, size)
    chance = table.p_value(round(now * size)) if now != before else 1.0
    threshold = _smallest_difference(table, before, nominal_level(level, sizes.freedom), least)
    p_value = corrected_p(chance, sizes.freedom)
    return Tested(now - before, threshold, p_value, sizes.design_effect)


def odds_away(rate: float, ratio: float) -> float:
    """Return the rate whose odds are `ratio` times those of `rate`."""
    return ratio * rate / (1 + (ratio - 1) * rate)


@dataclass(frozen=True)
class _Table:
    """Counts of a reference: `count` of `other`; and `size`, the number of pictures of a night."""

    count: int
    other: int
    size: int

    def p_value(self, more: int) -> float:
        """Return 2 P(X >= more) under the hypergeometric distribution, at most 1."""
        total, drawn = self.count + more, self.size
        pictures = self.other + self.size
        mean = drawn * total / pictures
        spread = math.sqrt(mean * (1 - total / pictures) + 1)
        first = max(more, drawn - (pictures - total))  # fewer are impossible
        last = min(total, drawn, math.ceil(max(more, mean) + 8 * spread + 40))
        seen = np.arange(first, last + 1, dtype=np.float64)
        logs = _log_choose(total, seen) + _log_choose(pictures - total, drawn - seen)
        tail = np.exp(logs - _log_choose(pictures, np.array([drawn], np.float64))).sum()
        return min(1.0, 2 * float(tail))

    def smallest(self, level: float) -> int | None:
        """Return the smallest count of a night whose p-value is at most `level`; None if none."""
        low, high = math.floor(self.count / self.other * self.size) - 1, self.size
        rate = min(1.0, (self.count + 1) / self.other)
        spread = math.sqrt(rate * (1 - rate) * self.size * (1 + self.size / self.other)) + 1
        guess = round(rate * self.size - float(ndtri(level / 2)) * spread)
        for near in (guess - round(spread), guess, guess + round(spread)):
            if low < near < high:  # narrow the range in which the count lies
                low, high = (low, near) if self.p_value(near) <= level else (near, high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.p_value(middle) <= level else (middle, high)
        return high if high < self.size or self.p_value(high) <= level else None


def _smallest_difference(table: _Table, before: float, level: float, ratio: float) -> float | None:
    count = table.smallest(level) if level > 0 else None
    if count is None:
        return None
    return max(count / table.size - before, odds_away(before, ratio) - before)


def _log_choose(n: int, k: Float64) -> Float64:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))
