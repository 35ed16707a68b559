"""Search a whole archive on Spark: rolls coil by coil, fixed places camera by camera.

Spark counts the coils of each place of the picture itself, so no task holds all the defects of a
camera. A task holds the defects of one coil.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from steeldefect.repeats.places import FARTHEST_PX, GRIDS, Cell, described, significant_cells
from steeldefect.repeats.repeat import left_out
from steeldefect.repeats.rolls import FARTHEST_MM, find_rolls
from steeldefect.repeats.rows import REPEAT_SCHEMA, as_table, place_row, roll_row
from steeldefect.watch_settings import FixedPlaceSettings, RollSettings

_NEEDED = (
    *("source", "key", "number", "class_id", "class_name", "coil", "camera", "side"),
    *("along_mm", "across_mm", "centroid_x", "centroid_y"),
)
_NAMES_OF_TYPES: dict[pa.DataType, str] = {
    pa.string(): "string",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.list_(pa.string()): "array<string>",
    pa.list_(pa.int32()): "array<int>",
}
_COLUMNS = ", ".join(f"{one.name} {_NAMES_OF_TYPES[one.type]}" for one in REPEAT_SCHEMA)
_THINNED = "thinned"  # a row of this kind only says that a coil was not searched whole
_CELL_NAMES = ("of_grid", "of_row", "of_column", "coils", "expected", "p_value")
_CELL_COLUMNS = (
    "of_camera string, of_grid int, of_row int, of_column int, coils bigint, expected double, "
    "p_value double"
)


@dataclass(frozen=True)
class Found:
    """What was found in an archive.

    Attributes:
        repeats: the rows, as `REPEAT_SCHEMA`.
        notes: sentences on what took no part, or not whole.
    """

    repeats: pa.Table
    notes: tuple[str, ...]


def find_all_rolls(defects: DataFrame, settings: RollSettings | None = None) -> Found:
    """Find the marks of rolls on all coils.

    Args:
        defects: the rows of the table `defects` that count (`kept`), once each.
        settings: what is searched; the defaults if None.
    """
    placed = _is_near("along_mm", FARTHEST_MM) & _is_near("across_mm", FARTHEST_MM)
    no_coil = F.col("coil").isNull()
    notes = _left_out(
        defects, {"without a coil": no_coil, "without a place on the strip": ~no_coil & ~placed}
    )
    chosen = settings or RollSettings()

    def search(of_coil: pd.DataFrame) -> pd.DataFrame:
        return _rolls_of_coil(of_coil, chosen)

    rows = (
        defects.where(~no_coil & placed)
        .select(*_NEEDED)
        .groupBy("coil")
        .applyInPandas(search, _COLUMNS)
        .toArrow()
    )
    kinds = rows["kind"].to_pylist()
    thinned = kinds.count(_THINNED)
    if thinned:
        notes += (
            f"{thinned:,} coils have so many defects that rolls in their dense lanes may be missed",
        )
    return Found(
        _sorted(rows.filter(pa.array([one != _THINNED for one in kinds], pa.bool_()))), notes
    )


def find_all_places(defects: DataFrame, settings: FixedPlaceSettings | None = None) -> Found:
    """Find the fixed places of all cameras; defects without a camera are of one unnamed camera.

    Args:
        defects: the rows of the table `defects` that count (`kept`), once each.
        settings: what is searched; the defaults if None.
    """
    in_picture = _is_pixel("centroid_x") & _is_pixel("centroid_y")
    no_coil = F.col("coil").isNull()
    notes = _left_out(
        defects,
        {
            "without a coil, so nobody knows whether they are unrelated": no_coil,
            "without a place in the picture": ~no_coil & ~in_picture,
        },
    )
    usable = defects.where(~no_coil & in_picture)
    seen = usable.groupBy("camera").agg(F.countDistinct("coil").alias("coils_seen")).toPandas()
    cells = _in_cells(usable.select(*_NEEDED), settings or FixedPlaceSettings())
    counts = cells.groupBy("camera", "grid", "row", "column").agg(
        F.countDistinct("coil").alias("coils")
    )
    chosen, cameras = settings or FixedPlaceSettings(), len(seen)

    def search(of_camera: pd.DataFrame) -> pd.DataFrame:
        return _cells_of_camera(of_camera, chosen, cameras)

    found = counts.groupBy("camera").applyInPandas(search, _CELL_COLUMNS).toPandas()
    if found.empty:
        return Found(REPEAT_SCHEMA.empty_table(), notes)
    found = found.merge(seen.rename(columns={"camera": "of_camera"}), on="of_camera")
    return Found(_sorted(_rows_of_places(cells, found)), notes)


def _rolls_of_coil(defects: pd.DataFrame, settings: RollSettings) -> pd.DataFrame:
    """Return the rows of one coil; Spark calls it in a task."""
    found = find_rolls(defects, settings)
    if not found.rolls and not found.thinned:
        return _NOTHING
    rows: list[dict[str, Any]] = [roll_row(one, defects) for one in found.rolls]
    made: pd.DataFrame = as_table(rows).to_pandas()
    if found.thinned:
        made = pd.concat([made, pd.DataFrame([{"kind": _THINNED}])], ignore_index=True)
    return made


def _cells_of_camera(
    counts: pd.DataFrame, settings: FixedPlaceSettings, cameras: int
) -> pd.DataFrame:
    """Return the fixed places of one camera; Spark calls it in a task."""
    cells = significant_cells(counts, settings, cameras)
    made = pd.DataFrame([astuple(one) for one in cells], columns=list(_CELL_NAMES))
    made.insert(0, "of_camera", counts["camera"].iloc[0])
    return made


def _in_cells(defects: DataFrame, settings: FixedPlaceSettings) -> DataFrame:
    """Return each defect four times, with its cell in each grid: `grid`, `row`, `column`."""
    half = settings.cell_px / 2
    places = [
        F.struct(
            F.lit(grid).alias("grid"),
            _cell("centroid_y", half, down).alias("row"),
            _cell("centroid_x", half, right).alias("column"),
        )
        for grid, (down, right) in enumerate(GRIDS)
    ]
    made: DataFrame = defects.select("*", F.inline(F.array(*places)))
    return made


def _cell(name: str, half: float, shift: int) -> Column:
    cell: Column = F.floor((F.floor(F.col(name) / half) + shift) / 2).cast("int")
    return cell


def _rows_of_places(cells: DataFrame, found: pd.DataFrame) -> pa.Table:
    """Read the defects of the fixed places, and return the places' rows.

    Args:
        cells: all defects, with their cells.
        found: the places: `of_camera`, `of_grid`, `of_row`, `of_column`, and what is known of them.
    """
    columns = f"{_CELL_COLUMNS}, coils_seen bigint"
    places = cells.sparkSession.createDataFrame(
        found.astype(object).where(found.notna(), None), columns
    )
    same = [
        F.col(name).eqNullSafe(F.col(f"of_{name}")) for name in ("camera", "grid", "row", "column")
    ]
    there = cells.join(F.broadcast(places), reduce(and_, same))
    return (
        there.groupBy("of_camera", "of_grid", "of_row", "of_column")
        .applyInPandas(_row_of_place, _COLUMNS)
        .toArrow()
    )


def _row_of_place(there: pd.DataFrame) -> pd.DataFrame:
    """Return the row of one fixed place; Spark calls it in a task."""
    one = there.iloc[0]
    cell = Cell(
        grid=int(one["of_grid"]),
        row=int(one["of_row"]),
        column=int(one["of_column"]),
        coils=int(one["coils"]),
        expected=float(one["expected"]),
        p_value=float(one["p_value"]),
    )
    listed = there.sort_values(["source", "key", "number"])
    place = described(cell, there, int(one["coils_seen"]), np.arange(len(there)))
    made: pd.DataFrame = as_table([place_row(place, listed)]).to_pandas()
    return made


def _is_near(name: str, farthest: float) -> Column:
    """Return whether a place is known and finite; in Spark, NaN is greater than any number."""
    known: Column = F.coalesce(F.abs(F.col(name)) < farthest, F.lit(False))
    return known


def _is_pixel(name: str) -> Column:
    """Return whether a place in the picture is known."""
    within = (F.col(name) >= 0) & (F.col(name) < FARTHEST_PX)
    known: Column = F.coalesce(within, F.lit(False))
    return known


def _left_out(defects: DataFrame, reasons: Mapping[str, Column]) -> tuple[str, ...]:
    """Count the defects that take no part, and say why."""
    sums = [F.count_if(one).alias(str(number)) for number, one in enumerate(reasons.values())]
    counted = defects.agg(*sums).collect()[0]
    return (left_out(list(zip(counted, reasons, strict=True))),)


def _sorted(rows: pa.Table) -> pa.Table:
    """Return rows of Spark as the schema has them, in an order that does not change."""
    order = [(name, "ascending") for name in ("coil", "camera", "p_value", "begin_mm", "place_x")]
    return rows.sort_by(order).cast(REPEAT_SCHEMA)


_NOTHING = pd.DataFrame()  # Spark accepts it for no rows, without converting every column
