"""The defects of one coil as events in lanes.

A lane is a stretch across the strip, of one class, camera and side. Lanes overlap by half: whatever
lies within half a lane lies whole in one of them. Defects that follow each other closely along a
lane are one event: pieces of one defect, or one defect on two pictures that overlap. An event that
is longer than half the smallest period is a long defect, not a mark, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.watch_settings import RollSettings

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]

_SEED = 0


@dataclass(frozen=True)
class Marks:
    """Defects of one coil whose place is known; all arrays are (defects,).

    Attributes:
        group: int64, number of the class, camera and side together.
        along, across: float64, place on the strip in millimetres.
        digest: uint64, a random number of each defect: sums of them name sets of defects.
    """

    group: Integers
    along: Float64
    across: Float64
    digest: Bits

    @classmethod
    def of(cls, group: Integers, along: Float64, across: Float64) -> Marks:
        """Keep the arrays and draw the digests."""
        drawn = np.random.default_rng(_SEED).integers(2**64, size=len(group), dtype=np.uint64)
        return cls(group, along, across, drawn)


@dataclass(frozen=True)
class Events:
    """Events of lanes, sorted by lane and place; arrays are (events,) unless stated.

    Attributes:
        lane: int64, number of the lane.
        along: float64, place in millimetres: the middle between the first and last defect.
        digest: uint64, sum of the digests of the defects.
        begin, end: int64, where the event's defects lie in `defects`.
        defects: int64 (any length), indices into the marks.
    """

    lane: Integers
    along: Float64
    digest: Bits
    begin: Integers
    end: Integers
    defects: Integers

    def defects_of(self, event: int) -> Integers:
        """Return the defects of an event, as indices into the marks."""
        return self.defects[self.begin[event] : self.end[event]]


def lane_events(marks: Marks, rows: Integers, settings: RollSettings) -> Events:
    """Return the events of all lanes that have enough defects for a roll.

    Args:
        marks: the coil's defects.
        rows: int64 (n,), indices of the marks that take part.
        settings: width of a lane, smallest distance of events.
    """
    halves = np.floor(marks.across[rows] / (settings.lane_mm / 2)).astype(np.int64)
    halves -= halves.min(initial=0) - 1
    lanes = np.concatenate([halves // 2 * 2, (halves + 1) // 2 * 2 - 1])  # even, and odd: shifted
    lanes += np.tile(marks.group[rows], 2) * (lanes.max(initial=0) + 1)
    _, numbers, counts = np.unique(lanes, return_inverse=True, return_counts=True)
    enough = counts[numbers] >= settings.min_marks
    return merge(marks, np.tile(rows, 2)[enough], numbers[enough], settings)


def merge(marks: Marks, rows: Integers, lanes: Integers, settings: RollSettings) -> Events:
    """Merge defects that follow each other closely in a lane to events.

    Args:
        marks: the coil's defects.
        rows: int64 (n,), indices into the marks.
        lanes: int64 (n,), lane of each.
        settings: smallest distance of events, smallest period.
    """
    along = marks.along[rows]
    order = np.lexsort((along, lanes))
    rows, lanes, along = rows[order], lanes[order], along[order]
    first = np.ones(len(rows), bool)
    first[1:] = (np.diff(lanes) != 0) | (np.diff(along) > settings.merge_mm)
    begin = np.flatnonzero(first)
    end = np.append(begin[1:], len(rows)) if len(begin) else begin
    short = along[end - 1] - along[begin] <= settings.min_period_mm / 2
    sums = np.append(np.zeros(1, np.uint64), np.cumsum(marks.digest[rows], dtype=np.uint64))
    begin, end = begin[short], end[short]
    middle = (along[begin] + along[end - 1]) / 2
    return Events(lanes[begin], middle, sums[end] - sums[begin], begin, end, rows)
