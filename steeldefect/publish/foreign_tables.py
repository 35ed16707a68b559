"""Refuses an output in which somebody else's tables or files lie, before anything is scored."""

from __future__ import annotations

import re

import pyarrow as pa

from steeldefect.errors import TableError
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName

_PART = re.compile(rf"{PARTITION}=\d{{4}}-\d{{2}}-\d{{2}}/part-[^/]+\.parquet")
_ALWAYS = ("source", "key", "image_id", "run_id", "bundle", "scored_at", PARTITION)
"""Columns that every version of this project has written, into the tables that have them."""


def require_own_tables(store: Store) -> None:
    """Check that a run can write its tables to an output without touching what others wrote.

    An empty output will do, as will one whose tables this project wrote, of any version, and one
    in which a run died before its first commit.

    Args:
        store: the output.

    Raises:
        SettingsError: no table can lie at that address; see `Store.delta_uri`.
        TableError: the output is a table itself, or a table's folder holds another table or
            files that are no parts of ours.
        StoreError: the store refused or does not answer.
    """
    store.delta_uri(TableName.RUNS.value)  # refuses an address where no table can lie
    if _is_table(store, ""):
        raise TableError(
            f"{store.uri} is a Delta table itself; choose an --output beside it, or a folder of "
            "its own"
        )
    for table in TableName:
        if _is_table(store, f"{table.value}/"):
            _require_own_columns(store, table)
        else:
            _require_parts_alone(store, table)


def _is_table(store: Store, folder: str) -> bool:
    """Tell whether a folder (`images/`) is a Delta table."""
    return next(iter(store.scan(f"{folder}_delta_log/")), None) is not None


def _require_own_columns(store: Store, table: TableName) -> None:
    delta = Tables(store).open(table)
    if delta is None:  # its log holds no version
        return
    columns = pa.schema(delta.schema().to_arrow())
    problem = _difference(table, columns, delta.metadata().partition_columns)
    if problem is not None:
        raise TableError(
            f"{store.uri}/{table.value} is a table of somebody else: it {problem}; choose another "
            "--output"
        )


def _difference(table: TableName, columns: pa.Schema, partitions: list[str]) -> str | None:
    """Say what no version of this project would have written; None if it may have."""
    known = {column.name: column.type for column in SCHEMAS[table].columns}
    missing = [name for name in _ALWAYS if name in known and name not in columns.names]
    if missing:
        return f"lacks {', '.join(missing)}"
    for column in columns:
        if column.name in known and not _alike(column.type, known[column.name]):
            return f"has {column.name} as {column.type}, not {known[column.name]}"
    if partitions != [PARTITION]:
        return f"is partitioned by {', '.join(partitions) or 'nothing'}"
    return None


def _require_parts_alone(store: Store, table: TableName) -> None:
    """Check a folder without a table; a run that died left at most parts in it."""
    folder = f"{table.value}/"
    for found in store.scan(folder):
        hidden = found.key.rpartition("/")[2].startswith(".")  # what a file browser leaves
        if not hidden and not _PART.fullmatch(found.key.removeprefix(folder)):
            raise TableError(
                f"{store.uri}/{found.key} lies where the table {table.value} belongs, and is no "
                "part of it; choose another --output"
            )


def _alike(found: pa.DataType, ours: pa.DataType) -> bool:
    """Compare types; other writers keep the same texts as views or with long offsets."""
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if any(is_text(found) for is_text in texts):
        return bool(pa.types.is_string(ours))
    return bool(found == ours)
