"""Generated masks, and tables of them, for benchmarks that need many pictures but no model."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import SCHEMAS, TableName

HEIGHT, WIDTH = 256, 1600
ORIGIN = Origin("20260101T013000-00000001", "b" * 64, datetime(2026, 1, 1, 1, 30, tzinfo=UTC), 1)

Integers = npt.NDArray[np.int64]


def ellipses(
    x: Integers, y: Integers, half_width: Integers, half_height: Integers, scale: float
) -> tuple[pa.ListArray, pa.ListArray]:
    """Return the runs of one ellipse on each picture.

    Args:
        x: int64 (pictures,), column of the centre.
        y: int64 (pictures,), row of the centre.
        half_width: int64 (pictures,), half of the width in pixels.
        half_height: int64 (pictures,), half of the height in pixels.
        scale: factor of both.

    Returns:
        First pixels and lengths, list<int32> (pictures,).
    """
    widths = np.maximum((half_width * scale).astype(np.int64), 1)
    counts = 2 * widths + 1
    offsets = np.concatenate(([0], np.cumsum(counts)))
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1] + widths, counts)
    share = np.sqrt(1 - (place / (np.repeat(widths, counts) + 1)) ** 2)
    reach = (share * np.repeat(half_height * min(scale, 1.0), counts)).astype(np.int64)
    columns, rows = np.repeat(x, counts) + place, np.repeat(y, counts) - reach
    inside = np.clip(columns, 0, WIDTH - 1)
    starts = inside * HEIGHT + rows + 1
    lists = [
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, pa.int32()))
        for values in (starts, 2 * reach + 1)
    ]
    return lists[0], lists[1]


def rows_of(
    table: TableName, columns: dict[str, object], same: dict[str, object], rows: int
) -> pa.Table:
    """Return rows of a table with their provenance.

    Args:
        table: table that the rows belong to.
        columns: values of columns, one for each row.
        same: values of columns that all rows share; other columns are null.
        rows: number of rows.
    """
    same = same | ORIGIN.columns
    schema = SCHEMAS[table].stored
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.array([same.get(field.name)] * rows, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
