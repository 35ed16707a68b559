"""The columns of the table `repeats`, and the rows of what was found."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from steeldefect.repeats.repeat import FixedPlace, Kind, RollMarks, Subject

MAX_MEMBERS = 1_000
"""Most members that a row lists; `defects` counts all."""

_NO_ROLL = "null for a fixed place"
_NO_PLACE = "null for marks of a roll"


def _column(name: str, kind: pa.DataType, comment: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"comment": comment})


def _of_roll(name: str, kind: pa.DataType, comment: str) -> pa.Field:
    return _column(name, kind, f"{comment}; {_NO_ROLL}", nullable=True)


def _of_place(name: str, kind: pa.DataType, comment: str) -> pa.Field:
    return _column(name, kind, f"{comment}; {_NO_PLACE}", nullable=True)


REPEAT_SCHEMA = pa.schema(
    [
        _column(
            "kind",
            pa.string(),
            "roll (marks of a roll), harmonic (marks in a roll's lane whose period is a simple "
            "multiple or part of the roll's), picture (marks at one place of the pictures, at a "
            "multiple of their distance: dirt, no roll) or fixed_place (one place of the pictures "
            "on many coils)",
        ),
        _of_roll("coil", pa.string(), "coil that shows the marks"),
        _column("camera", pa.string(), "camera that took the pictures; null if unnamed", True),
        _column("side", pa.string(), "side of the strip; null if unknown, or several", True),
        _column("class_id", pa.int32(), "id of the defect class; of most defects, if several"),
        _column("class_name", pa.string(), "name of this class"),
        _of_roll(
            "roll",
            pa.int32(),
            "number of the roll on its coil, from 1; marks with one period on one side share it",
        ),
        _of_roll("ratio", pa.float64(), "period / period of the roll of this number; 1 for a roll"),
        _of_roll("period_mm", pa.float64(), "distance of two turns along the strip in millimetres"),
        _of_roll("diameter_mm", pa.float64(), "period_mm / pi: diameter of such a roll"),
        _of_roll("phase_mm", pa.float64(), "place of a turn along the strip, modulo period_mm"),
        _of_roll("marks", pa.int32(), "number of turns with a mark"),
        _of_roll("turns", pa.int32(), "number of turns from the first to the last mark"),
        _of_roll("begin_mm", pa.float64(), "place of the first mark along the strip"),
        _of_roll("end_mm", pa.float64(), "place of the last mark along the strip"),
        _of_roll("scatter_mm", pa.float64(), "RMS distance of the marks from their turns"),
        _of_roll("lane_mm", pa.float64(), "centre of the marks across the strip"),
        _of_roll("lane_width_mm", pa.float64(), "width of the marks' places across the strip"),
        _of_place("place_x", pa.float64(), "mean pixel column of the centroids, 0-based"),
        _of_place("place_y", pa.float64(), "mean pixel row of the centroids, 0-based"),
        _of_place("coils", pa.int64(), "number of coils with a defect at this place"),
        _of_place("coils_seen", pa.int64(), "number of the camera's coils with any defect"),
        _of_place("expected_coils", pa.float64(), "number of coils that the places around expect"),
        _column(
            "p_value",
            pa.float64(),
            "probability of such a finding by chance, corrected for all periods and lanes of the "
            "coil, or for all places and cameras",
        ),
        _column("defects", pa.int64(), "number of defects that belong to it"),
        _column("sentence", pa.string(), "the finding in plain English"),
        _column("member_sources", pa.list_(pa.string()), "source of each defect, at most 1,000"),
        _column("member_keys", pa.list_(pa.string()), "key of each of these defects' pictures"),
        _column("member_numbers", pa.list_(pa.int32()), "number of each of them on its picture"),
    ]
)


def roll_row(one: RollMarks, defects: pd.DataFrame) -> dict[str, Any]:
    """Return the row of a roll's marks.

    Args:
        one: what `find_rolls` found.
        defects: the defects that it was given, with `source`, `key` and `number`.
    """
    return {
        **_subject(one.subject, one.kind),
        "roll": one.roll,
        "ratio": one.ratio,
        "period_mm": one.period_mm,
        "diameter_mm": one.diameter_mm,
        "phase_mm": one.phase_mm,
        "marks": len(one.marks),
        "turns": one.turns,
        "begin_mm": one.begin_mm,
        "end_mm": one.end_mm,
        "scatter_mm": one.scatter_mm,
        "lane_mm": one.lane_mm,
        "lane_width_mm": one.lane_width_mm,
        "p_value": one.p_value,
        "sentence": one.sentence,
        **_members(defects.iloc[one.members]),
    }


def place_row(one: FixedPlace, there: pd.DataFrame) -> dict[str, Any]:
    """Return the row of a fixed place.

    Args:
        one: what was found.
        there: its defects, with `source`, `key` and `number`.
    """
    return {
        **_subject(one.subject, Kind.FIXED_PLACE),
        "place_x": one.x_px,
        "place_y": one.y_px,
        "coils": one.coils,
        "coils_seen": one.coils_seen,
        "expected_coils": one.expected,
        "p_value": one.p_value,
        "sentence": one.sentence,
        **_members(there),
    }


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as a table; columns that a row does not state are null."""
    return pa.Table.from_pylist(rows, REPEAT_SCHEMA)


def _subject(subject: Subject, kind: Kind) -> dict[str, Any]:
    return {"kind": kind.value, **vars(subject)}


def _members(there: pd.DataFrame) -> dict[str, Any]:
    listed = there.iloc[:MAX_MEMBERS]
    numbers: npt.NDArray[np.int32] = listed["number"].to_numpy(np.int32)
    return {
        "defects": len(there),
        "member_sources": listed["source"].tolist(),
        "member_keys": listed["key"].tolist(),
        "member_numbers": numbers.tolist(),
    }
