"""One found repeat: a row of the table `repeats`, and its sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Kind(str, Enum):
    """What a repeat is.

    `roll`: the mark of a roll. `harmonic`: marks in the lane of a roll whose period is a simple
    multiple or part of the roll's. `picture`: marks at one place of the pictures, as dirt gives
    them whose period is the distance of the pictures. `fixed_place`: one place of the pictures on
    many coils.
    """

    ROLL = "roll"
    HARMONIC = "harmonic"
    PICTURE = "picture"
    FIXED_PLACE = "fixed_place"


@dataclass(frozen=True)
class Subject:
    """What a repeat was found on; None where unknown, or where several.

    Attributes:
        coil, camera, side: names.
        class_id, class_name: the class; for a fixed place, the class of most of its defects.
    """

    coil: str | None
    camera: str | None
    side: str | None
    class_id: int
    class_name: str


@dataclass(frozen=True)
class RollMarks:
    """The marks of a roll.

    Attributes:
        subject: coil, camera, side and class.
        kind: roll, harmonic or picture.
        roll: number of the roll on its coil, from 1. Marks with one period have one number: marks
            at several places of one roll, or rolls of one diameter.
        ratio: period / period of the roll of that number; 1 for a roll.
        period_mm: distance of two turns.
        phase_mm: place of a turn, modulo the period.
        turns: turns from the first to the last mark, both included.
        begin_mm, end_mm: place of the first and the last mark along the strip.
        scatter_mm: root mean square distance of the marks from their turns.
        lane_mm, lane_width_mm: centre and width across the strip, of the marks.
        p_value: probability of such marks on a coil without rolls, corrected for all combs tried.
        marks: int64 (marks,), row of the first defect of each mark.
        members: int64 (members,), rows of the defects.
    """

    subject: Subject
    kind: Kind
    roll: int
    ratio: float
    period_mm: float
    phase_mm: float
    turns: int
    begin_mm: float
    end_mm: float
    scatter_mm: float
    lane_mm: float
    lane_width_mm: float
    p_value: float
    marks: Integers
    members: Integers

    @property
    def diameter_mm(self) -> float:
        """Diameter of a roll whose circumference is the period."""
        return self.period_mm / math.pi

    @property
    def sentence(self) -> str:
        """Say in plain English what was found."""
        seen = (
            f"{len(self.marks):,} marks of class {self.subject.class_name} every "
            f"{self.period_mm:,.0f} mm, in the lane at {self.lane_mm:,.0f} mm, from "
            f"{metres(self.begin_mm)} to {metres(self.end_mm)}"
        )
        if self.kind is Kind.ROLL:
            return f"roll of {self.diameter_mm:,.0f} mm diameter: {seen}"
        if self.kind is Kind.HARMONIC:
            return f"{as_ratio(self.ratio)} the period of roll {self.roll}, no other roll: {seen}"
        return f"one place of the pictures, as dirt gives it, no roll: {seen}"


@dataclass(frozen=True)
class FixedPlace:
    """One place of the pictures of one camera that shows defects on many coils.

    Attributes:
        subject: camera, side and class; no coil.
        x_px, y_px: the place in pixels, 0-based: mean centroid of the defects there.
        coils: number of coils with a defect there.
        coils_seen: number of the camera's coils with any defect.
        expected: number of coils that the places around let expect there.
        p_value: probability of so many coils by chance, corrected for all places.
        members: int64 (members,), rows of the defects there.
    """

    subject: Subject
    x_px: float
    y_px: float
    coils: int
    coils_seen: int
    expected: float
    p_value: float
    members: Integers

    @property
    def sentence(self) -> str:
        """Say in plain English what was found."""
        camera = f"camera {self.subject.camera}" if self.subject.camera else "the unnamed camera"
        return (
            f"fixed place of {camera} at column {self.x_px:.0f}, row {self.y_px:.0f}: defects on "
            f"{self.coils:,} of {self.coils_seen:,} coils, where {self.expected:.1f} are expected; "
            "look for dirt on lens or lamp"
        )


def metres(place_mm: float) -> str:
    """Return a place along the strip, for people."""
    return f"{place_mm / 1000:,.1f} m"


def as_ratio(ratio: float) -> str:
    """Return a ratio of periods in words of the form `2 times` or `1/2 of`."""
    if ratio >= 1 and math.isclose(ratio, round(ratio)):
        return f"{round(ratio)} times"
    over = next(lower for lower in range(2, 7) if math.isclose(ratio * lower, round(ratio * lower)))
    return f"{round(ratio * over)}/{over} of"


def left_out(counts: Sequence[tuple[int, str]]) -> str:
    """Say which defects took no part.

    Args:
        counts: number of defects and why, for each reason.
    """
    said = [f"{count:,} defects {why}" for count, why in counts if count]
    return f"left out: {'; '.join(said)}" if said else "nothing was left out"
