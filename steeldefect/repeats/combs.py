"""Find the comb of marks on one coil that is the least likely by chance.

Every pair of events of a lane is tried as the first and the last mark of a roll, with every number
of turns between them whose period is searched. All combs of a coil are computed at once, in blocks
of bounded size. `chance` states what a comb is worth.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.repeats.chance import comb_p_values, corrected
from steeldefect.repeats.lanes import Events
from steeldefect.watch_settings import MAX_INNER, MAX_TURNS, RollSettings

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_BLOCK = 1_000_000  # distances that are computed at once: about 40 MB


@dataclass(frozen=True)
class Comb:
    """A comb of marks.

    Attributes:
        first, last: its first and last event.
        turns: turns of the roll between them.
        p_value: corrected for every comb of the coil.
    """

    first: int
    last: int
    turns: int
    p_value: float


@dataclass(frozen=True)
class _Tries:
    """Combs to try; arrays are int64 (combs,)."""

    first: Integers
    last: Integers
    turns: Integers

    @property
    def inner(self) -> Integers:
        """Number of events between the first and the last."""
        return self.last - self.first - 1

    def part(self, begin: int, end: int) -> _Tries:
        """Return some of them."""
        return _Tries(self.first[begin:end], self.last[begin:end], self.turns[begin:end])


@dataclass(frozen=True)
class Search:
    """What one search of a coil found.

    Attributes:
        comb: the comb that is least likely by chance; None if no comb has enough marks.
        inner: most events that were allowed between a first and last mark. It is less than
            `MAX_INNER` if the coil has so many defects that the budget would not have sufficed.
    """

    comb: Comb | None
    inner: int = MAX_INNER


def best_comb(events: Events, settings: RollSettings) -> Search:
    """Return the comb with the smallest p-value.

    Time and memory are bounded: where the combs of a coil need more than `settings.budget`
    distances, combs with many events between first and last mark are not tried.

    Args:
        events: events of all lanes of one coil.
        settings: periods, tolerance, and how many marks a roll needs.
    """
    first, last = _pairs(events, settings)
    low, high = _turn_range(events, first, last, settings)
    tried = np.maximum(high - low + 1, 0)
    inner = _affordable(last - first - 1, tried, settings.budget)
    kept = (tried > 0) & (last - first - 1 <= inner)
    if not kept.any():
        return Search(None, inner)
    first, last, low, tried = first[kept], last[kept], low[kept], tried[kept]
    once = _different(events, first, last)
    first, last, low, tried = first[once], last[once], low[once], tried[once]
    turns = np.repeat(low - (np.cumsum(tried) - tried), tried) + np.arange(tried.sum())
    tries = _Tries(np.repeat(first, tried), np.repeat(last, tried), turns)
    return Search(_best(events, tries, settings), inner)


def _pairs(events: Events, settings: RollSettings) -> tuple[Integers, Integers]:
    """Return pairs of events of one lane that may be the first and last mark of a comb."""
    number = len(events.along)
    reach = settings.max_period_mm * MAX_TURNS
    along = events.along - (events.along.min() if number else 0.0)
    lane = np.cumsum(np.append(0, np.diff(events.lane) != 0))[:number]
    spread = along + lane * (along.max(initial=0.0) + 2 * reach)  # lanes lie out of reach
    index = np.arange(number)
    end = np.searchsorted(spread, spread + reach, side="right")
    end = np.minimum(end, index + MAX_INNER + 2)
    begin = index + settings.min_marks - 1
    count = np.maximum(end - begin, 0)
    first = np.repeat(index, count)
    last = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(count.sum())
    return first, last


def _turn_range(
    events: Events, first: Integers, last: Integers, settings: RollSettings
) -> tuple[Integers, Integers]:
    """Return the fewest and the most turns of each pair; the most may be the less."""
    distance = events.along[last] - events.along[first]
    low = np.maximum(np.ceil(distance / settings.max_period_mm), settings.min_marks - 1)
    most = np.floor((last - first + 1) / settings.min_fill + 1e-9) - 1
    high = np.minimum(np.minimum(np.floor(distance / settings.min_period_mm), most), MAX_TURNS)
    return low.astype(np.int64), high.astype(np.int64)


def _affordable(inner: Integers, tried: Integers, budget: int) -> int:
    """Return how many inner events combs may have within the budget."""
    spent = np.cumsum(np.bincount(inner, weights=inner * tried, minlength=MAX_INNER + 1))
    return int(np.searchsorted(spent, budget, side="right")) - 1


def _different(events: Events, first: Integers, last: Integers) -> Integers:
    """Return indices of the pairs, once for pairs with the same events in two lanes."""
    sums = np.append(np.zeros(1, np.uint64), np.cumsum(events.digest, dtype=np.uint64))
    once: Integers = np.unique(sums[last + 1] - sums[first], return_index=True)[1]
    return once


def _best(events: Events, tries: _Tries, settings: RollSettings) -> Comb | None:
    """Return the try with the smallest p-value, corrected for all."""
    p_values = np.concatenate(
        [_p_values(events, tries.part(begin, end), settings) for begin, end in _blocks(tries.inner)]
    )
    best = int(np.argmin(p_values))
    if p_values[best] >= 1:
        return None
    forms = tries.inner * (MAX_TURNS + 1) + tries.turns
    size = (MAX_INNER + 1) * (MAX_TURNS + 1)
    counts = np.bincount(forms, minlength=size).reshape(MAX_INNER + 1, MAX_TURNS + 1)
    p_value = corrected(float(p_values[best]), counts, settings)
    return Comb(int(tries.first[best]), int(tries.last[best]), int(tries.turns[best]), p_value)


def _blocks(inner: Integers) -> list[tuple[int, int]]:
    """Cut tries into blocks of bounded size."""
    ends = np.cumsum(inner)
    cuts = np.searchsorted(ends, np.arange(_BLOCK, int(ends[-1]) + _BLOCK, _BLOCK), side="left") + 1
    borders = [0, *np.unique(np.minimum(cuts, len(inner))).tolist()]
    return list(itertools.pairwise(borders))


def _p_values(events: Events, tries: _Tries, settings: RollSettings) -> Float64:
    """Return the p-value of each try, not corrected, float64 (tries,)."""
    inner, start = tries.inner, events.along[tries.first]
    per_mm = tries.turns / (events.along[tries.last] - start)
    begin = np.cumsum(inner) - inner
    index = np.repeat(tries.first + 1 - begin, inner) + np.arange(inner.sum())
    turn = (events.along[index] - np.repeat(start, inner)) * np.repeat(per_mm, inner)
    tooth = np.rint(turn)
    hit = np.abs(turn - tooth) <= settings.tolerance
    hit &= (tooth >= 1) & (tooth < np.repeat(tries.turns, inner))
    bits = np.where(hit, np.left_shift(np.uint32(1), tooth.astype(np.uint32)), np.uint32(0))
    hits = np.bitwise_count(np.bitwise_or.reduceat(bits, begin))
    return comb_p_values(settings)[inner, tries.turns, hits]
