"""Part files: the Parquet files that tasks write, and that a commit makes visible.

A part's name holds the run, the wave and a random tail, so that a second attempt at a task never
writes over the first. Files that no commit names are never read.
"""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steeldefect.errors import AuditError
from steeldefect.stores import Store
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import PARTITION, TableName

_STATISTICS_TEXT = 32
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Part:
    """One written data file.

    Attributes:
        table: it belongs to.
        path: below the table's folder.
        date: its partition, `YYYY-MM-DD`.
        size: in bytes.
        rows: in the file.
        stats: Delta's statistics, as JSON.
    """

    table: TableName
    path: str
    date: str
    size: int
    rows: int
    stats: str

    @property
    def key(self) -> str:
        """Key in the output store."""
        return f"{self.table.value}/{self.path}"


def write_part(store: Store, table: TableName, rows: pa.Table, origin: Origin, label: str) -> Part:
    """Write rows as one Parquet file into the table's folder; nothing is visible yet.

    Args:
        store: the output.
        table: the rows belong to.
        origin: of the rows; its date is the partition.
        rows: in the table's schema without the partition column.
        label: goes into the file's name: wave and task.

    Raises:
        StoreError: the store refused.
    """
    return write_file(store, table, rows, origin.date, part_name(origin.run_id, label))


def part_name(maker: str, label: str = "000000-000000") -> str:
    """Name a new part.

    Args:
        maker: the run, or what else makes it.
        label: wave and task.
    """
    return f"part-{maker}-{label}-{uuid.uuid4().hex[:8]}.parquet"


def write_file(store: Store, table: TableName, rows: pa.Table, date: str, name: str) -> Part:
    """Write rows as one Parquet file into a partition of a table; nothing is visible yet.

    Args:
        store: the output.
        table: the rows belong to.
        rows: without the partition column.
        date: the partition, `YYYY-MM-DD`.
        name: of the file; no other file of the partition has it.

    Raises:
        StoreError: the store refused.
    """
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    data = buffer.getvalue()
    path = f"{PARTITION}={date}/{name}"
    part = Part(table, path, date, len(data), rows.num_rows, _statistics(rows))
    store.write(part.key, data)
    return part


def read_part(store: Store, part: Part, columns: list[str]) -> pa.Table:
    """Read columns of a part back from the store.

    Raises:
        StoreError: the store does not give the file.
        AuditError: the file is cut short or damaged.
    """
    content = store.read(part.key)
    try:
        return pq.read_table(io.BytesIO(content), columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise AuditError(
            f"{part.key} cannot be read back ({len(content)} bytes, {part.size} were written): "
            f"{error}; this wave was not published; look at the disk, and start again"
        ) from None


def _statistics(rows: pa.Table) -> str:
    """Describe the file as Delta's protocol has it ("Per-file Statistics"): every column.

    Readers may take a column without statistics for one without values.
    """
    extremes = {name: pc.min_max(rows[name]).as_py() for name in rows.column_names}
    known = {name: found for name, found in extremes.items() if found["min"] is not None}
    return json.dumps(
        {
            "numRecords": rows.num_rows,
            "minValues": {name: _lower(found["min"]) for name, found in known.items()},
            "maxValues": {name: _upper(found["max"]) for name, found in known.items()},
            "nullCount": {name: rows[name].null_count for name in rows.column_names},
        }
    )


def _lower(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value[:_STATISTICS_TEXT] if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    """As `_lower`, but a text that is cut short still sorts after the whole."""
    cut = _lower(value)
    shortened = isinstance(value, str) and len(value) > _STATISTICS_TEXT
    return cut + _LAST_CHARACTER if shortened else cut
