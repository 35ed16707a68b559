"""Estimate what the gate hides: the defective pictures among those that it stops.

The audit segments a share of the stopped pictures, chosen by a hash: a random sample without
replacement. So the number of defective pictures in the sample is hypergeometric, and the interval
is exact (Buonaccorsi, "A note on confidence intervals for proportions in finite populations",
1987): it holds the numbers of hidden pictures for which neither tail of the sample is below 2.5%.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scipy.stats import binomtest, hypergeom

CONFIDENCE = 0.95
_BOUNDS = 3  # quantities that the bound of `estimate_true_hidden` combines


@dataclass(frozen=True)
class Hidden:
    """The estimated number of defective pictures among those that the gate stopped.

    Attributes:
        stopped: number of pictures that the gate stopped.
        seen: number of these that were looked at.
        found: number of the pictures looked at that are defective.
        rate: estimated share of defective pictures among the stopped; None if none was looked at.
        low, high: ends of the 95% interval of the share.
    """

    stopped: int
    seen: int
    found: int
    rate: float | None
    low: float | None
    high: float | None

    def pictures(self, share: float | None) -> float | None:
        """Return a share of the stopped pictures as a number of pictures."""
        return None if share is None else share * self.stopped


def estimate_hidden(
    stopped: int, seen: int, found: int, tail: float = (1 - CONFIDENCE) / 2
) -> Hidden:
    """Estimate the share of defective pictures behind the gate from an audited sample.

    Each picture of the sample stands for `stopped / seen` pictures: the weight of its sampling
    share.

    Args:
        stopped: number of pictures that the gate stopped.
        seen: number of these in the sample.
        found: number of defective pictures in the sample.
        tail: probability left out on each side of the interval.

    Raises:
        ValueError: not 0 <= found <= seen <= stopped.
    """
    if not 0 <= found <= seen <= stopped:
        raise ValueError(f"found {found}, seen {seen} and stopped {stopped} must ascend")
    if seen == 0:
        return Hidden(stopped, seen, found, None, None, None)
    least, most = found, stopped - (seen - found)
    low = _first(least, most, lambda k: hypergeom.sf(found - 1, stopped, k, seen) > tail)
    high = _first(low, most + 1, lambda k: hypergeom.cdf(found, stopped, k, seen) <= tail) - 1
    return Hidden(stopped, seen, found, found / seen, low / stopped, high / stopped)


@dataclass(frozen=True)
class Reviewed:
    """What people said of audited pictures, apart by what the audit found on them.

    Attributes:
        stopped: number of pictures that the gate stopped.
        audited: number of these that the audit segmented.
        flagged: number of audited pictures on which the audit found something.
        flagged_seen, flagged_true: number of these that people reviewed, and called defective.
        clear_seen, clear_true: the same of the audited pictures on which it found nothing.
    """

    stopped: int
    audited: int
    flagged: int
    flagged_seen: int
    flagged_true: int
    clear_seen: int
    clear_true: int


def estimate_true_hidden(reviewed: Reviewed) -> Hidden:
    """Estimate the share of truly defective pictures behind the gate from human verdicts.

    If every audited picture was reviewed, this is `estimate_hidden` of the verdicts. Otherwise the
    pictures with and without a finding are weighted by their numbers in the audit. The interval
    then combines three exact ones, each at a third of the error probability (Bonferroni): it is
    wider than it must be. Reviews must not be chosen by anything but what the audit found.

    Args:
        reviewed: the counts.

    Returns:
        The estimate. The rate is None if nobody reviewed the pictures of one kind.
    """
    seen = reviewed.flagged_seen + reviewed.clear_seen
    found = reviewed.flagged_true + reviewed.clear_true
    if seen == reviewed.audited:
        return estimate_hidden(reviewed.stopped, seen, found)
    kinds = (
        (reviewed.flagged, reviewed.flagged_seen, reviewed.flagged_true),
        (reviewed.audited - reviewed.flagged, reviewed.clear_seen, reviewed.clear_true),
    )
    if any(count and not looked for count, looked, _ in kinds):
        return Hidden(reviewed.stopped, seen, found, None, None, None)
    tail = (1 - CONFIDENCE) / 2 / _BOUNDS
    share = estimate_hidden(reviewed.stopped, reviewed.audited, reviewed.flagged, tail)
    flagged, clear = (_proportion(looked, true, tail) for _, looked, true in kinds)
    rate = _mixed(reviewed.flagged / reviewed.audited, flagged[0], clear[0])
    corners = [
        _mixed(one, with_finding, without)
        for one in (share.low or 0.0, 1.0 if share.high is None else share.high)
        for with_finding in flagged[1:]
        for without in clear[1:]
    ]
    return Hidden(reviewed.stopped, seen, found, rate, min(corners), max(corners))


def _mixed(share: float, flagged: float, clear: float) -> float:
    return share * flagged + (1 - share) * clear


def _proportion(seen: int, true: int, tail: float) -> tuple[float, float, float]:
    """Return a proportion with its exact interval (Clopper and Pearson, 1934); 0 of nothing."""
    if seen == 0:
        return 0.0, 0.0, 0.0
    interval = binomtest(true, seen).proportion_ci(1 - 2 * tail, method="exact")
    return true / seen, float(interval.low), float(interval.high)


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the first number from `low` for which a condition holds; `high` if none before does.

    Once the condition holds, it has to hold for all greater numbers.
    """
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
