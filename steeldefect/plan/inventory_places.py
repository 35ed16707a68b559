"""Read where pictures lie from the columns of an inventory, and check the columns' types."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.errors import DataError
from steeldefect.pictures.strip import (
    CAPTURED_AT,
    NAMES,
    NUMBERS,
    PLACE_COLUMNS,
    PlaceSettings,
    read_moment,
    stated_place,
)
from steeldefect.plan.key_tables import as_text, cast_column, known_as

_ABOVE_0 = ("pixel_mm_x", "pixel_mm_y")
_LARGEST_WHOLE = 2.0**53  # whole numbers up to it are exact as floating-point numbers


def stated_places(table: pa.Table, strip: PlaceSettings, uri: str) -> pa.Array:
    """Return what each row states about a picture's place, as `strip.stated_place` writes it.

    Args:
        table: table that `key_tables.read_tables` yielded.
        strip: its `attributes` name the columns that are kept beside those of `PLACE_COLUMNS`.
        uri: address of the inventory, for errors.

    Returns:
        string (n,), null where a row states nothing.

    Raises:
        DataError: a column has values of the wrong type, or nothing states an attribute.
    """
    columns = {
        name: _read(table, name, uri) for name in PLACE_COLUMNS if name in table.column_names
    }
    for name in strip.attributes:
        if known_as(name) in table.column_names:
            columns[name] = _texts(table, known_as(name), uri)
        elif name not in strip.groups:
            raise DataError(
                f"{uri}: no column {name}, which strip.attributes asks for; the file has "
                f"{', '.join(table.column_names)} among those that are read"
            )
    if not columns:
        return pa.nulls(table.num_rows, pa.string())
    rows = zip(*columns.values(), strict=True)
    return pa.array([stated_place(dict(zip(columns, row, strict=True))) for row in rows], "string")


def _read(table: pa.Table, name: str, uri: str) -> list[object]:
    if name in NAMES:
        return _texts(table, name, uri)
    return _numbers(table, name, uri) if name in NUMBERS else _moments(table, uri)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without encoding: texts as strings, blank ones as nulls."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(is_kind(column.type) for is_kind in kinds):
        return column
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def _texts(table: pa.Table, name: str, uri: str) -> list[object]:
    """Return a column as texts; a number that is whole is written without a fraction."""
    column = _plain(table[name])
    if pa.types.is_floating(column.type):
        known = pc.if_else(pc.is_finite(column), column, None)
        whole = pc.and_(pc.equal(known, pc.floor(known)), pc.less(pc.abs(known), _LARGEST_WHOLE))
        short = pc.if_else(whole, known, None).cast(pa.int64()).cast(pa.string())
        column = pc.coalesce(short, known.cast(pa.string()))
    return list(_plain(as_text(pa.table({name: column}), name, uri)).to_pylist())


def _numbers(table: pa.Table, name: str, uri: str) -> list[object]:
    column = _plain(table[name])
    problem = f"{uri}: the column {name} has to hold numbers"
    if pa.types.is_boolean(column.type):
        raise DataError(f"{problem}: they are true and false")
    numbers = cast_column(column, pa.float64(), problem)
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
    column = _plain(table[CAPTURED_AT])
    if not pa.types.is_timestamp(column.type):
        texts = as_text(pa.table({CAPTURED_AT: column}), CAPTURED_AT, uri)
        return [_moment(text, uri) for text in texts.to_pylist()]
    try:
        # nanoseconds are cut; far seconds do not fit, which is an error
        cut = column.cast(
            pa.timestamp("us", column.type.tz or "UTC"), safe=column.type.unit != "ns"
        )
        utc = cut.cast(pa.timestamp("us", "UTC"))
        return [one.isoformat() if one else None for one in utc.to_pylist()]
    except (pa.ArrowInvalid, OverflowError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise DataError(
            f"{uri}: the column {CAPTURED_AT} holds a time out of range: {problem}"
        ) from None


def _moment(text: str | None, uri: str) -> str | None:
    if text is None:
        return None
    try:
        return read_moment(text).isoformat()
    except (ValueError, OverflowError):
        raise DataError(
            f"{uri}: the column {CAPTURED_AT} has to hold times, such as 2026-03-04T05:06:07Z; "
            f"got {text!r}"
        ) from None
