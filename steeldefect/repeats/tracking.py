"""Follow a roll along its lane, from the comb that gave it away to its first and last mark.

Marks may scatter independently of each other, or drift slowly as the encoder slips. So the next
turn is predicted from the last marks, not from the whole roll.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.watch_settings import RollSettings

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_RECENT = 5  # marks that predict the next one


@dataclass(frozen=True)
class Track:
    """The marks of one roll in their lane.

    Attributes:
        events: int64 (marks,), indices of the events, in the order along the strip.
        turns: int64 (marks,), the turn of each; the first is 0.
        period_mm, start_mm: the line `start + period * turn` through the marks (least squares).
        scatter_mm: root mean square distance of the marks from the line; two degrees of freedom
            are the line's.
    """

    events: Integers
    turns: Integers
    period_mm: float
    start_mm: float
    scatter_mm: float


def follow(along: Float64, first_mm: float, last_mm: float, turns: int, how: RollSettings) -> Track:
    """Find all marks of a roll.

    Args:
        along: float64 (events,), places of the lane's events, ascending.
        first_mm: place of the first mark of the comb.
        last_mm: place of its last mark.
        turns: turns between them.
        how: tolerance, and how many turns may be without a mark.
    """
    places = along.tolist()
    period = (last_mm - first_mm) / turns
    found: dict[int, int] = {}
    for turn in range(turns + 1):
        _take(places, turn, first_mm + turn * period, how.tolerance * period, found)
    for step in (1, -1):
        _extend(places, found, step, how)
    numbers = np.array(sorted(found), np.int64)
    events = np.array([found[int(number)] for number in numbers], np.int64)
    return _fitted(along, events, numbers - numbers[0])


def _take(
    places: Sequence[float], turn: int, expected: float, within: float, found: dict[int, int]
) -> bool:
    """Add the event that is nearest to a turn, if one is near enough; return whether it is."""
    right = bisect_left(places, expected)
    near = [index for index in (right - 1, right) if 0 <= index < len(places)]
    best = min(near, key=lambda index: abs(places[index] - expected), default=None)
    if best is None or abs(places[best] - expected) > within:
        return False
    found[turn] = best
    return True


def _extend(places: Sequence[float], found: dict[int, int], step: int, how: RollSettings) -> None:
    """Follow the roll in one direction until too many turns in a row have no mark."""
    line = _Line()
    for turn, event in sorted(found.items(), key=lambda one: step * one[0]):
        line.add(turn, places[event])
    missed, turn = 0, (max(found) if step > 0 else min(found))
    while missed < how.gap_turns:
        turn += step
        period = line.period
        if _take(places, turn, line.predicted(turn), how.tolerance * period, found):
            line.add(turn, places[found[turn]])
            missed = 0
        else:
            missed += 1


class _Line:
    """A line through marks by least squares; it predicts from the last of them."""

    def __init__(self) -> None:
        self._turns: list[int] = []
        self._places: list[float] = []
        self._sums = np.zeros(5)
        self._origin = 0.0

    def add(self, turn: int, place: float) -> None:
        """Add a mark."""
        if not self._turns:
            self._origin = place
        x = place - self._origin
        self._sums += (1, turn, x, turn * turn, turn * x)
        self._turns.append(turn)
        self._places.append(place)

    @property
    def period(self) -> float:
        """Distance of two turns."""
        count, turns, places, squares, products = self._sums.tolist()
        return float((count * products - turns * places) / (count * squares - turns * turns))

    def predicted(self, turn: int) -> float:
        """Return the place of a turn, by the last marks."""
        recent = list(zip(self._turns[-_RECENT:], self._places[-_RECENT:], strict=True))
        period = self.period
        return sum(place + (turn - at) * period for at, place in recent) / len(recent)


def _fitted(along: Float64, events: Integers, turns: Integers) -> Track:
    """Fit the line through the marks."""
    places = along[events]
    centred = turns - turns.mean()
    period = float(centred @ places / (centred @ centred))
    start = float(places.mean() - period * turns.mean())
    apart = places - start - period * turns
    scatter = float(np.sqrt(apart @ apart / max(len(turns) - 2, 1)))
    return Track(events, turns, period, start, scatter)
