"""Read the files of an inventory: tables of keys, as Parquet or CSV, written by any program."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from steeldefect.errors import DataError
from steeldefect.pictures.strip import PLACE_COLUMNS
from steeldefect.stores import Store

PARQUET, CSV, ORC = ".parquet", (".csv", ".csv.gz"), ".orc"

_COLUMNS = frozenset({"key", "etag", "size", "is_latest", "is_delete_marker", *PLACE_COLUMNS})
_NAMES = {"e_tag": "etag", "islatest": "is_latest", "isdeletemarker": "is_delete_marker"}
"""Other names of columns: the CSV and Parquet files of an S3 Inventory differ."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINES = pa_csv.ParseOptions(newlines_in_values=True)
_BROKEN = (pa.ArrowException, ValueError, OSError, EOFError, zlib.error)


def read_table(
    store: Store,
    key: str,
    uri: str,
    header: Sequence[str] | None = None,
    attributes: Sequence[str] = (),
) -> pa.Table:
    """Read the needed columns of one file: key, and those of the others that the file has.

    Args:
        store: store that holds the file.
        key: key of the file; its ending states its format.
        uri: address of the inventory, for errors.
        header: column names of a CSV file without a header line; such a file may be empty.
        attributes: names of more columns to read, if the file has them.

    Returns:
        The column key, and those of etag, size, is_latest, is_delete_marker and `PLACE_COLUMNS`
        and attributes that the file has; columns of a Parquet file keep their types.

    Raises:
        DataError: the file is damaged, or has no column `key`.
        StoreError: the store refused, or does not answer.
    """
    data = store.read(key)
    try:
        if key.lower().endswith(PARQUET):
            file = pq.ParquetFile(io.BytesIO(data))
            table = file.read(_needed(file.schema_arrow.names, attributes, uri))
        else:
            table = _read_csv(data, key, uri, header, attributes)
    except _BROKEN as error:
        problem = " ".join(str(error).split())
        raise DataError(f"{uri}: {key} cannot be read: {problem}") from None
    return table.rename_columns([known_as(name) for name in table.column_names])


def as_text(table: pa.Table, name: str, uri: str) -> pa.ChunkedArray:
    """Return a column as text, or nulls if the table does not have the column.

    Args:
        table: table that `read_table` returned.
        name: name of the column.
        uri: address of the inventory, for errors.

    Raises:
        DataError: the column holds bytes that are not UTF-8, or values that are not text.
    """
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    return cast_column(table[name], pa.string(), f"{uri}: the column {name} is not text")


def cast_column(column: pa.ChunkedArray, kind: pa.DataType, problem: str) -> pa.ChunkedArray:
    """Return a column with another type.

    Args:
        column: the column.
        kind: the type.
        problem: what is wrong if that fails, for the message.

    Raises:
        DataError: a value, or the column's own type, does not fit.
    """
    try:
        return column.cast(kind)
    except pa.ArrowMemoryError:
        raise
    except pa.ArrowException as error:
        raise DataError(f"{problem}: {' '.join(str(error).split())}") from None


def _read_csv(
    data: bytes, key: str, uri: str, header: Sequence[str] | None, attributes: Sequence[str]
) -> pa.Table:
    """Read the needed columns as text, because keys and etags may look like numbers."""
    plain = gzip.decompress(data) if key.lower().endswith(".gz") else data
    if header and not plain:
        return pa.table(
            {name: pa.array([], pa.string()) for name in _needed(header, attributes, uri)}
        )
    if plain.startswith(_UTF16):
        raise DataError(f"{uri}: {key} is in UTF-16; save it as UTF-8")
    names = list(header) if header else _header(plain)
    needed = _needed(names, attributes, uri)
    return pa_csv.read_csv(
        io.BytesIO(plain),
        read_options=pa_csv.ReadOptions(column_names=list(header) if header else None),
        parse_options=_LINES,
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(needed, pa.string()), include_columns=needed
        ),
    )


def _header(plain: bytes) -> list[str]:
    names: list[str] = pa_csv.open_csv(io.BytesIO(plain), parse_options=_LINES).schema.names
    return names


def _needed(names: Sequence[str], attributes: Sequence[str], uri: str) -> list[str]:
    """Return those of a file's column names that are read."""
    wanted = _COLUMNS | {known_as(name) for name in attributes}
    known = [known_as(name) for name in names]
    if "key" not in known:
        raise DataError(f"{uri}: expected a column `key`; the file has {', '.join(known)}")
    for name in wanted:
        if known.count(name) > 1:
            raise DataError(f"{uri}: more than one column is named {name}; keep one")
    return [name for name in names if known_as(name) in wanted]


def known_as(name: str) -> str:
    """Return the name under which a column is known: in small letters, without blanks around."""
    plain = name.strip().lower()
    return _NAMES.get(plain, plain)
