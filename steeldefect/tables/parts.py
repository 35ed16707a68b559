"""Parts: the Parquet files that tasks write, and that a commit makes visible.

The name of a part holds the run, the wave, the task and a random tail, so that a second attempt of
a task never overwrites the parts of the first. Files that no commit names are never read.
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
from steeldefect.tables.schema import PARTITION, RUN_LENGTHS, TableName

_STATISTICS_TEXT = 32
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Part:
    """One written data file.

    Attributes:
        table: table that the file belongs to.
        path: path of the file below the table's folder.
        date: partition of the file, `YYYY-MM-DD`.
        size: size of the file in bytes.
        rows: number of rows in the file.
        stats: statistics of the file, as JSON in the form of Delta's protocol.
    """

    table: TableName
    path: str
    date: str
    size: int
    rows: int
    stats: str

    @property
    def key(self) -> str:
        """Key of the file in the output."""
        return f"{self.table.value}/{self.path}"


def write_part(store: Store, table: TableName, rows: pa.Table, origin: Origin, label: str) -> Part:
    """Write rows as one Parquet file into a table's folder; the rows are not visible yet.

    Args:
        store: the output.
        table: table that the rows belong to.
        rows: rows in the table's schema, without the partition column.
        origin: provenance of the rows; its date is the partition.
        label: wave and task, for the file's name.

    Raises:
        StoreError: the store refused, or does not answer.
    """
    return write_file(store, table, rows, origin.date, part_name(origin.run_id, label))


def part_name(maker: str, label: str = "000000-000000") -> str:
    """Return a name for a new part that no other part has.

    Args:
        maker: id of the run that writes the part, or a name of the compaction or repair.
        label: wave and task.
    """
    return f"part-{maker}-{label}-{uuid.uuid4().hex[:8]}.parquet"


def write_file(store: Store, table: TableName, rows: pa.Table, date: str, name: str) -> Part:
    """Write rows as one Parquet file into a partition of a table; the rows are not visible yet.

    Args:
        store: the output.
        table: table that the rows belong to.
        rows: rows without the partition column.
        date: the partition, `YYYY-MM-DD`.
        name: name of the file; no other file of the partition has this name.

    Raises:
        StoreError: the store refused, or does not answer.
    """
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd", **_encodings(rows.schema))
    data = buffer.getvalue()
    path = f"{PARTITION}={date}/{name}"
    part = Part(table, path, date, len(data), rows.num_rows, _statistics(rows))
    store.write(part.key, data)
    return part


def read_part(store: Store, part: Part, columns: list[str]) -> pa.Table:
    """Read columns of a part back from the store.

    Raises:
        StoreError: the store does not return the file.
        AuditError: the file is cut short or damaged.
    """
    content = store.read(part.key)
    try:
        return pq.read_table(io.BytesIO(content), columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise AuditError(
            f"{part.key} cannot be read back ({len(content)} bytes, {part.size} were written): "
            f"{error}; this wave was not published; check the disk, and start again"
        ) from None


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """Return how columns are encoded.

    Lists of numbers are stored as differences, which compress well: the starts of a mask's runs
    grow by about the height of the picture from run to run. Run lengths get no dictionary of their
    values: no two are equal, and to find that out takes longer than to write them.
    """
    lists = [field.name for field in schema if pa.types.is_list(field.type)]
    single = {*lists, RUN_LENGTHS}.intersection(schema.names)
    if not single:
        return {}
    deltas = {f"{name}.list.element": "DELTA_BINARY_PACKED" for name in lists}
    return {
        "use_dictionary": [name for name in schema.names if name not in single],
        "column_encoding": deltas or None,
    }


def _statistics(rows: pa.Table) -> str:
    """Return the statistics of all columns as JSON (Delta's protocol, "Per-file Statistics").

    No column is left out, because some readers treat a column without statistics as empty. Maps
    have no smallest and greatest value; their nulls are counted.
    """
    ordered = [field.name for field in rows.schema if not pa.types.is_nested(field.type)]
    extremes = {name: pc.min_max(rows[name]).as_py() for name in ordered}
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
    """Return an upper bound: a text that is cut gets a last character, so that it sorts last."""
    cut = _lower(value)
    shortened = isinstance(value, str) and len(value) > _STATISTICS_TEXT
    return cut + _LAST_CHARACTER if shortened else cut
