"""Number the rolls of a coil, and name harmonics as what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from steeldefect.repeats.repeat import Kind, RollMarks
from steeldefect.watch_settings import RollSettings

_SAME_PERIOD = 0.015
"""Periods of one roll differ by less, as a share; so do a harmonic and what it is a harmonic of."""

_HARMONICS = tuple(
    sorted({Fraction(a, b) for a in range(1, 5) for b in range(1, 5)} - {Fraction(1)})
)


def named(found: Sequence[RollMarks], settings: RollSettings) -> list[RollMarks]:
    """Return repeats with their kind, the number of their roll, and the ratio to its period.

    Marks with the period of an earlier roll have its number, in whatever lane of its side. Marks in
    the lane of an earlier roll, and on the same stretch, are a harmonic if their period is to the
    roll's as two numbers up to 4.

    Args:
        found: the repeats of one coil, the most significant first.
        settings: width of a lane.
    """
    made: list[RollMarks] = []
    rolls = 0
    for one in found:
        parent, ratio = _parent(one, made, settings)
        if parent is None:
            rolls += 1
            made.append(replace(one, roll=rolls))
            continue
        kind = one.kind if ratio == 1 else Kind.HARMONIC
        made.append(replace(one, kind=kind, roll=parent.roll, ratio=float(ratio)))
    return made


def _parent(
    one: RollMarks, earlier: Sequence[RollMarks], settings: RollSettings
) -> tuple[RollMarks | None, Fraction]:
    """Return the roll that marks belong to and the ratio of the periods; None for a new roll."""
    rolls = [other for other in earlier if other.ratio == 1 and _alike(one, other)]
    for other in rolls:
        if _close(one.period_mm / other.period_mm, Fraction(1)):
            return other, Fraction(1)
    for other in rolls:
        for ratio in _HARMONICS:
            if _same_lane(one, other, settings) and _close(one.period_mm / other.period_mm, ratio):
                return other, ratio
    return None, Fraction(1)


def _alike(one: RollMarks, other: RollMarks) -> bool:
    return one.kind is other.kind and one.subject.side == other.subject.side


def _close(ratio: float, expected: Fraction) -> bool:
    return abs(ratio / float(expected) - 1) < _SAME_PERIOD


def _same_lane(one: RollMarks, other: RollMarks, settings: RollSettings) -> bool:
    """Return whether two repeats lie in one lane, and meet along the strip."""
    return (
        (one.subject == other.subject)
        and abs(one.lane_mm - other.lane_mm) <= settings.lane_mm / 2
        and one.begin_mm <= other.end_mm
        and other.begin_mm <= one.end_mm
    )
