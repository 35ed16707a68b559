"""Reads the files of an inventory: tables of keys, as Parquet or CSV, written by any program."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from steeldefect.errors import DataError
from steeldefect.stores import Store

PARQUET, CSV, ORC = ".parquet", (".csv", ".csv.gz"), ".orc"

_COLUMNS = frozenset({"key", "etag", "size", "is_latest", "is_delete_marker"})
_NAMES = {"e_tag": "etag", "islatest": "is_latest", "isdeletemarker": "is_delete_marker"}
"""Other spellings of columns: an inventory's CSV and Parquet files differ."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINES = pa_csv.ParseOptions(newlines_in_values=True)
_BROKEN = (pa.ArrowException, ValueError, OSError, EOFError, zlib.error)


def read_table(store: Store, key: str, uri: str, header: Sequence[str] | None = None) -> pa.Table:
    """Read of one file the columns that are needed: key and, where it has them, others.

    Args:
        store: where the file lies.
        key: of the file; its ending says what it is.
        uri: of the inventory, for errors.
        header: columns of a CSV file without one; such a file may be empty.

    Returns:
        Some of the columns key, etag, size, is_latest and is_delete_marker, of any type.

    Raises:
        DataError: the file is damaged, or has no column `key`.
        StoreError: the store refused.
    """
    data = store.read(key)
    try:
        if key.lower().endswith(PARQUET):
            file = pq.ParquetFile(io.BytesIO(data))
            table = file.read(_needed(file.schema_arrow.names, uri))
        else:
            table = _read_csv(data, key, uri, header)
    except _BROKEN as error:
        problem = " ".join(str(error).split())
        raise DataError(f"{uri}: {key} cannot be read: {problem}") from None
    return table.rename_columns([_known_as(name) for name in table.column_names])


def as_text(table: pa.Table, name: str, uri: str) -> pa.ChunkedArray:
    """Give a column as text, whichever way it is stored; nulls where there is no such column.

    Args:
        table: of `read_table`.
        name: of the column.
        uri: of the inventory, for errors.

    Raises:
        DataError: it holds bytes that are not UTF-8, or values that are no texts.
    """
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    try:
        return table[name].cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{uri}: the column {name} is no text: {error}") from None


def _read_csv(data: bytes, key: str, uri: str, header: Sequence[str] | None) -> pa.Table:
    """Read columns as text: keys and etags may look like numbers."""
    plain = gzip.decompress(data) if key.lower().endswith(".gz") else data
    if header and not plain:
        return pa.table({name: pa.array([], pa.string()) for name in _needed(header, uri)})
    if plain.startswith(_UTF16):
        raise DataError(f"{uri}: {key} is in UTF-16; save it as UTF-8")
    names = list(header) if header else _header(plain)
    needed = _needed(names, uri)
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


def _needed(names: Sequence[str], uri: str) -> list[str]:
    """Choose the columns that are read, among those that a file has."""
    known = [_known_as(name) for name in names]
    if "key" not in known:
        raise DataError(f"{uri}: expected a column `key`; it has {', '.join(known)}")
    for name in _COLUMNS:
        if known.count(name) > 1:
            raise DataError(f"{uri}: more than one column is named {name}; keep one")
    return [name for name in names if _known_as(name) in _COLUMNS]


def _known_as(name: str) -> str:
    plain = name.strip().lower()
    return _NAMES.get(plain, plain)
