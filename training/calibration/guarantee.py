"""The statistics of a guarantee: how many groups may be missed, and how many groups it takes.

Each of n groups is missed or not at a threshold. If the groups are independent draws from the same
distribution, the number of missed ones is binomial. A guarantee "at most the share a is missed,
with confidence 1 - d" holds at a threshold if the exact upper bound of the share at confidence 1 -
d (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934) is at most a. A higher threshold never
misses fewer groups. So thresholds are tested from the lowest up, and the last one before the first
failure is taken. The probability that this statement is wrong is at most d:

- S. Bates, A. Angelopoulos, L. Lei, J. Malik and M. Jordan, "Distribution-free, risk-controlling
  prediction sets", Journal of the ACM 68, 2021: upper bounds of a monotone loss.
- A. Angelopoulos, S. Bates, E. Candes, M. Jordan and L. Lei, "Learn then test: calibrating
  predictive algorithms to achieve risk control", 2021: the same as a fixed sequence of tests.

The binomial distribution of scipy is all that this takes, so MAPIE is no dependency.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import beta, binom

_ROUNDING = 1e-12  # relative; 1 - 0.9 is not quite 0.1


def allowed_misses(groups: int, missed: float, confidence: float) -> int | None:
    """Return the largest number of missed groups with which a guarantee holds.

    It is the largest k for which a binomial of `groups` draws with probability `missed` is at most
    k with probability 1 - `confidence` or less. This says the same as an upper bound of k / groups
    that is at most `missed`.

    Args:
        groups: number of groups.
        missed: share of groups that may be missed, in (0, 1).
        confidence: confidence of the guarantee, in (0, 1).

    Returns:
        The number; None if there are too few groups even if none is missed.
    """
    error = (1 - confidence) * (1 + _ROUNDING)
    below = binom.cdf(np.arange(groups + 1), groups, missed)
    allowed = int(np.searchsorted(below, error, side="right")) - 1
    return None if groups == 0 or allowed < 0 else allowed


def needed_groups(missed: float, confidence: float) -> int:
    """Return the number of groups with which a guarantee holds if none of them is missed.

    It is the smallest n with (1 - missed)^n <= 1 - confidence, so n >= log d / log(1 - a).

    Args:
        missed: share of groups that may be missed, in (0, 1).
        confidence: confidence of the guarantee, in (0, 1).
    """
    exact = math.log(1 - confidence) / math.log1p(-missed)
    return max(1, math.ceil(exact * (1 - _ROUNDING)))


def upper_bound(missed_groups: int, groups: int, confidence: float) -> float:
    """Compute the exact one-sided upper bound of the share of missed groups (Clopper-Pearson).

    Args:
        missed_groups: number of missed groups.
        groups: number of groups; without any, the bound is 1.
        confidence: confidence of the bound, in (0, 1).
    """
    if missed_groups >= groups:
        return 1.0
    return float(beta.ppf(confidence, missed_groups + 1, groups - missed_groups))
