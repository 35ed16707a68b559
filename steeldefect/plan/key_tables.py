"""Read the files of an inventory: tables of keys, as Parquet or CSV, written by any program."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from steeldefect.errors import DataError
from steeldefect.pictures.strip import PLACE_COLUMNS
from steeldefect.program.temporary_files import temporary_files
from steeldefect.stores import Store

PARQUET, CSV, ORC = ".parquet", (".csv", ".csv.gz"), ".orc"

_COLUMNS = frozenset({"key", "etag", "size", "is_latest", "is_delete_marker", *PLACE_COLUMNS})
_NAMES = {"e_tag": "etag", "islatest": "is_latest", "isdeletemarker": "is_delete_marker"}
"""Other names of columns: the CSV and Parquet files of an S3 Inventory differ."""
_ROWS = 65_536  # rows of a Parquet file that are read at a time
_BLOCK = 8 * 2**20  # bytes of a CSV file that are read at a time
_PIECE = 2**20  # bytes
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINES = pa_csv.ParseOptions(newlines_in_values=True)
_BROKEN = (pa.ArrowException, ValueError, OSError, EOFError, zlib.error)


def read_tables(
    store: Store,
    key: str,
    uri: str,
    header: Sequence[str] | None = None,
    attributes: Sequence[str] = (),
) -> Iterator[pa.Table]:
    """Read the needed columns of one file: key, and those of the others that the file has.

    The file is copied to a temporary file first, because it may be larger than the memory.

    Args:
        store: store that holds the file.
        key: key of the file; its ending states its format.
        uri: address of the inventory, for errors.
        header: column names of a CSV file without a header line; such a file may be empty.
        attributes: names of more columns to read, if the file has them.

    Yields:
        Some rows at a time; no rows if the file has none. The column key, and those of etag, size,
        is_latest, is_delete_marker and `PLACE_COLUMNS` and attributes that the file has; columns of
        a Parquet file keep their types.

    Raises:
        DataError: the file is damaged, or has no column `key`.
        StoreError: the store refused, or does not answer, or the disk for temporary files is full.
    """
    with _copied(store, key) as file:
        needed = _Needed(attributes, uri)
        try:
            if key.lower().endswith(PARQUET):
                yield from _known(_of_parquet(file, needed))
            else:
                plain = gzip.GzipFile(fileobj=file) if key.lower().endswith(".gz") else file
                yield from _known(_of_csv(plain, key, needed, header))
        except _BROKEN as error:
            problem = " ".join(str(error).split())
            raise DataError(f"{uri}: {key} cannot be read: {problem}") from None


@contextmanager
def _copied(store: Store, key: str) -> Iterator[IO[bytes]]:
    """Copy an object to a temporary file, and open it."""
    with ExitStack() as stack:
        with temporary_files():
            file = stack.enter_context(TemporaryFile())
        for piece in store.pieces(key, _PIECE):
            with temporary_files():
                file.write(piece)
        file.seek(0)
        yield file


def _known(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Rename columns to the names under which they are known."""
    for table in tables:
        yield table.rename_columns([known_as(name) for name in table.column_names])


def as_text(table: pa.Table, name: str, uri: str) -> pa.ChunkedArray:
    """Return a column as text, or nulls if the table does not have the column.

    Args:
        table: table that `read_tables` yielded.
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


def _of_parquet(file: IO[bytes], needed: _Needed) -> Iterator[pa.Table]:
    """Read the needed columns, some rows at a time."""
    opened = pq.ParquetFile(file, buffer_size=_PIECE)
    names = needed.of(opened.schema_arrow.names)
    empty = pa.schema([opened.schema_arrow.field(name) for name in names]).empty_table()
    yield empty  # columns of the wrong type are refused even if they have no rows
    for batch in opened.iter_batches(_ROWS, columns=names):
        yield pa.Table.from_batches([batch])


def _of_csv(
    file: IO[bytes] | gzip.GzipFile, key: str, needed: _Needed, header: Sequence[str] | None
) -> Iterator[pa.Table]:
    """Read the needed columns as text, because keys and etags may look like numbers."""
    beginning = file.read(len(_UTF16[0]))
    if header and not beginning:
        names = needed.of(header)
        yield pa.table({name: pa.array([], pa.string()) for name in names})
        return
    if beginning in _UTF16:
        raise DataError(f"{needed.uri}: {key} is in UTF-16; save it as UTF-8")
    file.seek(0)
    names = needed.of(list(header) if header else _header(file))
    file.seek(0)
    reader = pa_csv.open_csv(
        file,
        read_options=pa_csv.ReadOptions(
            column_names=list(header) if header else None, block_size=_BLOCK
        ),
        parse_options=_LINES,
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=names
        ),
    )
    yield reader.schema.empty_table()
    for batch in reader:
        yield pa.Table.from_batches([batch])


def _header(file: IO[bytes] | gzip.GzipFile) -> list[str]:
    reader = pa_csv.open_csv(file, parse_options=_LINES)
    names: list[str] = reader.schema.names
    return names


@dataclass(frozen=True)
class _Needed:
    """The columns that are read.

    Attributes:
        attributes: names of columns that are read beside those of `_COLUMNS`.
        uri: address of the inventory, for errors.
    """

    attributes: Sequence[str]
    uri: str

    def of(self, names: Sequence[str]) -> list[str]:
        """Return those of a file's column names that are read.

        Raises:
            DataError: there is no column `key`, or two columns are known by one name.
        """
        wanted = _COLUMNS | {known_as(name) for name in self.attributes}
        known = [known_as(name) for name in names]
        if "key" not in known:
            raise DataError(f"{self.uri}: expected a column `key`; the file has {', '.join(known)}")
        for name in wanted:
            if known.count(name) > 1:
                raise DataError(f"{self.uri}: more than one column is named {name}; keep one")
        return [name for name in names if known_as(name) in wanted]


def known_as(name: str) -> str:
    """Return the name under which a column is known: in small letters, without blanks around."""
    plain = name.strip().lower()
    return _NAMES.get(plain, plain)
