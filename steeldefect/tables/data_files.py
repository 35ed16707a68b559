"""List and read the data files that one version of a Delta table names."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from steeldefect.errors import TableError, UnreadableFileError
from steeldefect.stores import Store
from steeldefect.streams import read_ahead
from steeldefect.tables.delta_errors import translated
from steeldefect.tables.log_entries import newest_actions, require_whole
from steeldefect.tables.schema import PARTITION, TableName

_AHEAD = 4  # files that are read ahead; each is in memory as a whole
_ELSEWHERE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:")
"""Beginning of the path of a file outside the table's folder."""
_CUT = 32
"""Statistics hold at least so many characters of a text: shorter texts, like run ids, are whole."""


class DataFile(NamedTuple):
    """One data file of a table.

    Attributes:
        path: path of the file below the table's folder.
        size: size of the file in bytes, as the table's log states it.
        date: partition of the file, `YYYY-MM-DD`.
        first_run: smallest run id in the file; None if the log does not state it.
        last_run: greatest run id in the file; None if the log does not state it.
    """

    path: str
    size: int
    date: str
    first_run: str | None = None
    last_run: str | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether the file lies outside the table's folder: the table is a copy (shallow clone)."""
        return _ELSEWHERE.match(self.path) is not None

    def may_hold(self, run_ids: Sequence[str]) -> bool:
        """Return whether the file may hold rows of one of these runs."""
        if self.first_run is None or self.last_run is None:
            return True
        return any(self.first_run <= one <= self.last_run for one in run_ids)


def data_files(store: Store, table: TableName, delta: DeltaTable) -> list[DataFile]:
    """List the data files of a table's version.

    Args:
        store: the output.
        table: table that the files belong to.
        delta: the opened table.

    Raises:
        TableError: the table is not partitioned as the tables of this program are, or its log is
            damaged.
        StoreUnavailableError: the store does not answer, or not with what it holds.
    """
    try:
        actions = pa.table(delta.get_add_actions(flatten=True))
        newest = newest_actions(store, table, delta.version())
    except DeltaError as error:
        raise translated(error, f"table {store.delta_uri(table.value)}") from None
    require_whole(delta.table_uri, actions["path"].to_pylist(), newest)
    if actions.num_rows == 0:
        return []
    if f"partition.{PARTITION}" not in actions.column_names:
        raise TableError(
            f"table {delta.table_uri} is not a table of this program: it is not partitioned by "
            f"{PARTITION}; check the --output"
        )
    dates = pc.cast(actions[f"partition.{PARTITION}"], pa.string())
    return [
        DataFile(*values)
        for values in zip(
            actions["path"].to_pylist(),
            actions["size_bytes"].to_pylist(),
            dates.to_pylist(),
            _column(actions, "min.run_id"),
            _column(actions, "max.run_id"),
            strict=True,
        )
    ]


def stored_columns(delta: DeltaTable) -> pa.Schema:
    """Return the columns inside a table's data files: all except the partition column.

    They include columns that other programs have added to the table.
    """
    schema = pa.schema(delta.schema().to_arrow())
    return schema.remove(schema.get_field_index(PARTITION))


def read_files(
    store: Store, table: TableName, delta: DeltaTable, files: Sequence[DataFile]
) -> Iterator[tuple[DataFile, pa.Table]]:
    """Read data files in order, a few files ahead of the caller, with all their columns.

    Args:
        store: the output.
        table: table that the files belong to.
        delta: the opened table.
        files: data files of the opened version.

    Yields:
        Each file, with its rows without the partition column.

    Raises:
        UnreadableFileError: a file is cut short or damaged.
        StoreError: the store refused, or does not answer.
        TableError: the files alone do not determine the rows (deletion vectors, mapped columns),
            some lie outside the table's folder, or the types of columns differ from the table's.
    """
    _require_plain(delta, files)
    columns = stored_columns(delta)

    def read(file: DataFile) -> pa.Table:
        content = io.BytesIO(store.read(f"{table.value}/{unquote(file.path)}"))
        try:
            return pq.read_table(content, schema=columns, coerce_int96_timestamp_unit="us")
        except MemoryError:
            raise
        except (OSError, pa.ArrowException):
            where = f"data file {file.path} of table {store.delta_uri(table.value)}"
            raise _refusal(content, where) from None

    with ThreadPoolExecutor(_AHEAD, "read") as pool:
        yield from read_ahead(files, read, pool, _AHEAD)


def _refusal(content: io.BytesIO, where: str) -> TableError:
    """Return the error for a file that was not read: damaged, or with other types of columns."""
    try:
        pq.ParquetFile(content).read()
    except MemoryError:
        raise
    except (OSError, pa.ArrowException):
        return UnreadableFileError(
            f"{where} cannot be read; run `steeldefect maintain --check` to see what is wrong with "
            "the tables"
        )
    return TableError(
        f"{where} has columns of other types than the table; maintain it with the program that "
        "wrote it"
    )


def _require_plain(delta: DeltaTable, files: Sequence[DataFile]) -> None:
    """Raise if other programs gave a table deletion vectors, mapped columns or files elsewhere.

    Tables with deletion vectors or mapped columns need a higher reader version of Delta's protocol
    than the tables of this program.
    """
    features = delta.protocol().reader_features or []
    if delta.protocol().min_reader_version > 1:
        raise TableError(
            f"another program has given table {delta.table_uri} features that its data files do "
            f"not show ({', '.join(sorted(features)) or 'mapped columns'}); maintain it with that "
            "program"
        )
    if any(file.elsewhere for file in files):
        raise TableError(
            f"table {delta.table_uri} names files outside its folder; maintain it with the program "
            "that copied it"
        )


def _column(actions: pa.Table, name: str) -> list[str | None]:
    """Return a column of statistics; None for long texts, because Delta may have cut them."""
    known = actions[name].to_pylist() if name in actions.column_names else []
    values = [value if value and len(value) < _CUT else None for value in known]
    return values or [None] * actions.num_rows
