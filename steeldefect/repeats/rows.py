"""The rows of the table `repeats`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from steeldefect.repeats.repeat import FixedPlace, Kind, RollMarks, Subject
from steeldefect.tables.schema import PROVENANCE, SCHEMAS, TableName

MAX_MEMBERS = 1_000
"""Most members that a row lists; `defects` counts all."""

REPEAT_SCHEMA = pa.schema(
    [one for one in SCHEMAS[TableName.REPEATS].columns if one.name not in PROVENANCE]
)
"""Columns of the table, without provenance."""


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
