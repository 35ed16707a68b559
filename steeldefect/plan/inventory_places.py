"""Read where pictures lie from the columns of an inventory, and check the columns' types."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.errors import DataError
from steeldefect.pictures.strip import (
    CAPTURED_AT,
    NAMES,
    NUMBERS,
    PLACE_COLUMNS,
    read_moment,
    stated_place,
)
from steeldefect.plan.key_tables import as_text

_ABOVE_0 = ("pixel_mm_x", "pixel_mm_y")


def stated_places(table: pa.Table, attributes: Sequence[str], uri: str) -> pa.Array:
    """Return what each row states about a picture's place, as `strip.stated_place` writes it.

    Args:
        table: table that `key_tables.read_table` returned.
        attributes: names of the columns that are kept beside those of `PLACE_COLUMNS`.
        uri: address of the inventory, for errors.

    Returns:
        string (n,), null where a row states nothing.

    Raises:
        DataError: a column has values of the wrong type.
    """
    columns = {name: _read(table, name, uri) for name in _present(table, PLACE_COLUMNS)}
    for name in attributes:
        columns[name] = as_text(table, name.strip().lower(), uri).to_pylist()
    if not columns:
        return pa.nulls(table.num_rows, pa.string())
    rows = zip(*columns.values(), strict=True)
    return pa.array([stated_place(dict(zip(columns, row, strict=True))) for row in rows], "string")


def _present(table: pa.Table, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in table.column_names]


def _read(table: pa.Table, name: str, uri: str) -> list[object]:
    if name in NAMES:
        return list(as_text(table, name, uri).to_pylist())
    return _numbers(table, name, uri) if name in NUMBERS else _moments(table, uri)


def _numbers(table: pa.Table, name: str, uri: str) -> list[object]:
    column = table[name]
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            text = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(text, ""), None, text)
        numbers = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        problem = " ".join(str(error).split())
        raise DataError(f"{uri}: the column {name} has to hold numbers: {problem}") from None
    known = pc.if_else(pc.is_nan(numbers), None, numbers)
    wrong = pc.is_inf(known)
    if name in _ABOVE_0:
        wrong = pc.or_(wrong, pc.less_equal(known, 0.0))
    if pc.any(wrong).as_py():
        example = known.filter(wrong)[0].as_py()
        needed = "above 0" if name in _ABOVE_0 else "finite"
        raise DataError(f"{uri}: the column {name} has to be {needed}; got {example:g}")
    return list(known.to_pylist())


def _moments(table: pa.Table, uri: str) -> list[object]:
    column = table[CAPTURED_AT]
    if pa.types.is_timestamp(column.type):
        zone = column.type.tz
        utc = column.cast(pa.timestamp("us", zone or "UTC")).cast(pa.timestamp("us", "UTC"))
        return [one.isoformat() if one else None for one in utc.to_pylist()]
    return [_moment(text, uri) for text in as_text(table, CAPTURED_AT, uri).to_pylist()]


def _moment(text: str | None, uri: str) -> str | None:
    if text is None or not text.strip():
        return None
    try:
        return read_moment(text).isoformat()
    except (ValueError, OverflowError):
        raise DataError(
            f"{uri}: the column {CAPTURED_AT} has to hold times, such as 2026-03-04T05:06:07Z; "
            f"got {text!r}"
        ) from None
