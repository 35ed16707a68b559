"""Refuse an output that holds tables or files of other programs, before anything is scored."""

from __future__ import annotations

import re

import pyarrow as pa

from steeldefect.errors import TableError
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName

_PART = re.compile(rf"{PARTITION}=\d{{4}}-\d{{2}}-\d{{2}}/part-[^/]+\.parquet")
_ALWAYS = ("source", "key", "image_id", "run_id", "bundle", "scored_at", PARTITION)
"""Columns that every version of this project writes to each table whose schema has them."""


def require_own_tables(store: Store) -> None:
    """Check that a run can write its tables to an output without touching files of others.

    Three kinds of output are accepted: an empty output, an output whose tables any version of this
    project wrote, and an output in which a run died before its first commit.

    Args:
        store: the output.

    Raises:
        SettingsError: no table can lie at that address; see `Store.delta_uri`.
        TableError: the output itself is a table, or a table's folder holds a table of another
            program, or files that are not parts of this project.
        StoreError: the store refused, or does not answer.
    """
    store.delta_uri(TableName.RUNS.value)  # raises if no table can lie at this address
    if _is_table(store, ""):
        raise TableError(
            f"{store.uri} is a Delta table itself; choose an --output beside it, such as a new "
            "folder"
        )
    for table in TableName:
        if _is_table(store, f"{table.value}/"):
            _require_own_columns(store, table)
        else:
            _require_parts_alone(store, table)


def _is_table(store: Store, folder: str) -> bool:
    """Return whether a folder (`images/`) is a Delta table."""
    return next(iter(store.scan(f"{folder}_delta_log/")), None) is not None


def _require_own_columns(store: Store, table: TableName) -> None:
    delta = Tables(store).open(table)
    if delta is None:  # the table's log holds no version
        return
    columns = pa.schema(delta.schema().to_arrow())
    problem = _difference(table, columns, delta.metadata().partition_columns)
    if problem is not None:
        raise TableError(
            f"{store.uri}/{table.value} is a table of another program: it {problem}; choose "
            "another --output"
        )


def _difference(table: TableName, columns: pa.Schema, partitions: list[str]) -> str | None:
    """Describe what no version of this project writes; None if this project may be the writer."""
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
    """Check a folder without a table: a run that died leaves nothing but parts in it."""
    folder = f"{table.value}/"
    for found in store.scan(folder):
        hidden = found.key.rpartition("/")[2].startswith(".")  # file browsers leave such files
        if not hidden and not _PART.fullmatch(found.key.removeprefix(folder)):
            raise TableError(
                f"{store.uri}/{found.key} lies in the folder of the table {table.value}, but is "
                "not a file of it; choose another --output"
            )


def _alike(found: pa.DataType, ours: pa.DataType) -> bool:
    """Return whether types are equal; string views and large strings equal strings."""
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if any(is_text(found) for is_text in texts):
        return bool(pa.types.is_string(ours))
    return bool(found == ours)
