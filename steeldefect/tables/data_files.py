"""The data files that a Delta table's version names, and the rows in them."""

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

from steeldefect.errors import TableError, UnreadableFileError
from steeldefect.stores import Store
from steeldefect.streams import read_ahead
from steeldefect.tables.schema import PARTITION, TableName

_AHEAD = 4  # files; each is in memory as a whole
_ELSEWHERE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:")  # begins the path of a file there
_CUT = 32
"""Characters of a text in a file's statistics, at least; a run id is shorter."""


class DataFile(NamedTuple):
    """One data file of a table.

    Attributes:
        path: below the table's folder.
        size: in bytes, as the table's log states it.
        date: its partition, `YYYY-MM-DD`.
        first_run: least run id in the file; None where the log does not say.
        last_run: greatest run id in the file; None where the log does not say.
    """

    path: str
    size: int
    date: str
    first_run: str | None = None
    last_run: str | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether the file lies outside the table's folder: others made the table as a copy."""
        return _ELSEWHERE.match(self.path) is not None

    def may_hold(self, run_ids: Sequence[str]) -> bool:
        """Tell whether rows of these runs can be in the file."""
        if self.first_run is None or self.last_run is None:
            return True
        return any(self.first_run <= one <= self.last_run for one in run_ids)


def data_files(delta: DeltaTable) -> list[DataFile]:
    """List the data files of a table's version.

    Raises:
        TableError: the table is not partitioned as those of this program are.
    """
    actions = pa.table(delta.get_add_actions(flatten=True))
    if actions.num_rows == 0:
        return []
    if f"partition.{PARTITION}" not in actions.column_names:
        raise TableError(f"table {delta.table_uri} is not one of this program; check the --output")
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
    """Give the columns inside a table's data files: all but the partition column.

    Columns that others have added to the table are among them.
    """
    schema = pa.schema(delta.schema().to_arrow())
    return schema.remove(schema.get_field_index(PARTITION))


def read_files(
    store: Store, table: TableName, delta: DeltaTable, files: Sequence[DataFile]
) -> Iterator[tuple[DataFile, pa.Table]]:
    """Read data files in their order, a few ahead, with all columns that are stored in them.

    Args:
        store: the output.
        table: the files belong to.
        delta: the table, as opened.
        files: of that version.

    Raises:
        UnreadableFileError: a file is cut short or damaged.
        StoreError: the store refused, or does not answer.
        TableError: the files are not all there is to the rows, or hold other types of columns.
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
    """Tell a damaged file from one whose columns are not those of the table."""
    try:
        pq.ParquetFile(content).read()
    except MemoryError:
        raise
    except (OSError, pa.ArrowException):
        return UnreadableFileError(
            f"{where} cannot be read; `steeldefect maintain --check` says what is wrong with the "
            "tables"
        )
    return TableError(
        f"{where} has columns of other types than the table; maintain it with the program that "
        "wrote it"
    )


def _require_plain(delta: DeltaTable, files: Sequence[DataFile]) -> None:
    """Refuse tables that other programs gave deletion vectors, mapped columns or files elsewhere.

    Such tables need a greater version of Delta's protocol than the one of this program's tables.
    """
    features = delta.protocol().reader_features or []
    if delta.protocol().min_reader_version > 1:
        raise TableError(
            f"another program has given table {delta.table_uri} features that its data files do "
            f"not show ({', '.join(sorted(features)) or 'mapped columns'}): maintain it with that "
            "program"
        )
    if any(file.elsewhere for file in files):
        raise TableError(
            f"table {delta.table_uri} names files that lie elsewhere; maintain it with the program "
            "that copied it"
        )


def _column(actions: pa.Table, name: str) -> list[str | None]:
    """Read a column of statistics; Delta cuts long texts, so that only short ones are exact."""
    known = actions[name].to_pylist() if name in actions.column_names else []
    values = [value if value and len(value) < _CUT else None for value in known]
    return values or [None] * actions.num_rows
