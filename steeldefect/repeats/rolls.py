"""Find the marks of damaged rolls on one coil.

    found = find_rolls(defects)  # the defects of one coil, a DataFrame
    for one in found.rolls:
        print(one.sentence)

The comb that is least likely by chance is followed along its lane. Its marks are taken away, and
the search begins again, until no comb is significant. So a roll hides no other roll, and twice its
period is no roll of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.repeats.combs import Comb, best_comb
from steeldefect.repeats.lanes import Events, Marks, lane_events, merge
from steeldefect.repeats.naming import named
from steeldefect.repeats.repeat import Kind, RollMarks, Subject
from steeldefect.repeats.tracking import Track, follow
from steeldefect.watch_settings import MAX_INNER, RollSettings

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FARTHEST_MM = 1e9
"""A place farther away, 1,000 km, is an error of what stated it."""

_SAME_PLACE_PX = 8.0
"""Marks whose centroids differ by less in both directions lie at one place of the picture."""


@dataclass(frozen=True)
class Rolls:
    """What the search of one coil found.

    Attributes:
        rolls: the repeats, the most significant first.
        used: number of defects that took part.
        thinned: whether the coil has so many defects that combs with many events between first
            and last mark were not tried; a roll under a dense scratch may be missed.
    """

    rolls: tuple[RollMarks, ...]
    used: int
    thinned: bool = False


def find_rolls(defects: pd.DataFrame, settings: RollSettings | None = None) -> Rolls:
    """Find the marks of rolls among the defects of one coil.

    Args:
        defects: defects of one coil that count (`kept`), in any order, with the columns `class_id`,
            `class_name`, `coil`, `camera`, `side`, `along_mm`, `across_mm`, and perhaps
            `centroid_x`, `centroid_y`. Rows without coil or place take no part.
        settings: what is searched; the defaults if None.
    """
    settings = settings or RollSettings()
    rows = np.flatnonzero(has_place(defects))
    coil = _Coil(defects, rows, settings)
    found: list[RollMarks] = []
    left, thinned = np.ones(len(rows), bool), False
    while len(found) < settings.max_rolls:
        events = lane_events(coil.marks, np.flatnonzero(left), settings)
        search = best_comb(events, settings)
        thinned |= search.inner < MAX_INNER
        if search.comb is None or search.comb.p_value > settings.alpha:
            break
        roll = coil.followed(events, search.comb, left)
        left[np.searchsorted(rows, roll.members)] = False
        found.append(roll)
    return Rolls(tuple(named(found, settings)), len(rows), thinned)


def has_place(defects: pd.DataFrame) -> Flags:
    """Return which defects have a coil and a place on the strip, bool (rows,)."""
    known = defects["coil"].notna().to_numpy(bool)
    for name in ("along_mm", "across_mm"):
        # NaN compares as false
        known &= np.abs(defects[name].to_numpy(np.float64, na_value=np.nan)) < FARTHEST_MM
    return known


class _Coil:
    """The defects of one coil with a place."""

    def __init__(self, defects: pd.DataFrame, rows: Integers, settings: RollSettings) -> None:
        """Number the groups: class, camera and side."""
        self._rows, self._settings, self._defects = rows, settings, defects
        group = np.zeros(len(rows), np.int64)
        for name in ("class_id", "camera", "side"):
            codes, values = pd.factorize(defects[name].to_numpy()[rows])
            group = group * (len(values) + 1) + codes + 1
        along = defects["along_mm"].to_numpy(np.float64)[rows]
        across = defects["across_mm"].to_numpy(np.float64)[rows]
        self.marks = Marks.of(group, along, across)

    def followed(self, events: Events, comb: Comb, left: Flags) -> RollMarks:
        """Return the roll whose comb was found, followed along its lane.

        Args:
            events: the events in which the comb was found.
            comb: the comb.
            left: bool (defects,), the defects that are no marks of other rolls.
        """
        lane = events.lane == events.lane[comb.first]
        own = _only(events, lane)
        around = self._around(events, comb, left)
        tracks = [
            (there, track)
            for there in (around, own)
            if (track := self._track(there, events, comb)) is not None
        ]
        there, track = max(tracks, key=lambda one: len(one[1].events))
        return self._roll(there, track, comb.p_value)

    def _track(self, there: Events, events: Events, comb: Comb) -> Track | None:
        """Follow a comb in a lane; None if the lane does not have its first and last mark."""
        ends = events.along[comb.first], events.along[comb.last]
        if not np.isin(ends, there.along).all():
            return None
        return follow(there.along, ends[0], ends[1], comb.turns, self._settings)

    def _around(self, events: Events, comb: Comb, left: Flags) -> Events:
        """Return the events of a lane whose middle is that of the comb's marks."""
        marks, settings = self.marks, self._settings
        lane = left & (marks.group == marks.group[events.defects_of(comb.first)[0]])
        lane &= np.abs(marks.across - self._lane_centre(events, comb)) <= settings.lane_mm / 2
        rows = np.flatnonzero(lane)
        return merge(marks, rows, np.zeros(len(rows), np.int64), settings)

    def _lane_centre(self, events: Events, comb: Comb) -> float:
        """Return the middle of the lane in which the comb's marks lie."""
        places = events.along[comb.first : comb.last + 1]
        turn = (places - places[0]) / (places[-1] - places[0]) * comb.turns
        hits = np.flatnonzero(np.abs(turn - np.rint(turn)) <= self._settings.tolerance) + comb.first
        across = [self.marks.across[events.defects_of(int(event))].mean() for event in hits]
        return float(np.median(across))

    def _roll(self, events: Events, track: Track, p_value: float) -> RollMarks:
        """Return the marks of a roll as they are stated."""
        each = [events.defects_of(int(event)) for event in track.events]
        members = np.concatenate(each)
        across = self.marks.across[members]
        firsts = np.array([self._rows[one[0]] for one in each], np.int64)
        places = events.along[track.events]
        return RollMarks(
            subject=self._subject(int(firsts[0])),
            kind=Kind.PICTURE if self._at_one_place(firsts) else Kind.ROLL,
            roll=0,
            ratio=1.0,
            period_mm=track.period_mm,
            phase_mm=track.start_mm % track.period_mm,
            turns=int(track.turns[-1]) + 1,
            begin_mm=float(places[0]),
            end_mm=float(places[-1]),
            scatter_mm=track.scatter_mm,
            lane_mm=float(across.min() + across.max()) / 2,
            lane_width_mm=float(across.max() - across.min()),
            p_value=p_value,
            marks=firsts,
            members=np.sort(self._rows[members]),
        )

    def _at_one_place(self, rows: Integers) -> bool:
        """Return whether the marks lie at one place of their pictures."""
        if not {"centroid_x", "centroid_y"} <= set(self._defects.columns):
            return False
        pixels = self._defects[["centroid_x", "centroid_y"]].to_numpy(np.float64)[rows]
        return bool((np.ptp(pixels, axis=0) < _SAME_PLACE_PX).all())  # NaN: false

    def _subject(self, row: int) -> Subject:
        one = self._defects.iloc[row]
        coil, camera, side = (
            None if pd.isna(one[name]) else str(one[name]) for name in ("coil", "camera", "side")
        )
        return Subject(coil, camera, side, int(one["class_id"]), str(one["class_name"]))


def _only(events: Events, chosen: Flags) -> Events:
    """Return some of the events."""
    return replace(
        events,
        lane=events.lane[chosen],
        along=events.along[chosen],
        digest=events.digest[chosen],
        begin=events.begin[chosen],
        end=events.end[chosen],
    )
