"""Write Delta tables as other programs do: commits, files and deletion vectors by hand."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema

from steeldefect.stores import Store
from steeldefect.tables.provenance import stored_rows
from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName
from support.examples import ORIGIN, Origin, Row, publish

FOREIGN = "part-00000-7bcdcba7-e8a8-4ae9-adad-58127f143bc6-c000.snappy.parquet"
SINCE_0_2 = ("run_number", "tries", "given_up")
DAY = ORIGIN.date
COMMITS = "[0-9]" * 20 + ".json"

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

Action = dict[str, Any]


def folder(store: Store, table: TableName = TableName.IMAGES) -> Path:
    """Return the folder of a table in a local store."""
    return Path(store.uri) / table.value


def actions(table: Path) -> list[Action]:
    """Return every action of a table's log, oldest first."""
    files = sorted((table / "_delta_log").glob(COMMITS))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def last(table: Path, kind: str) -> Action:
    """Return the newest action of a kind."""
    found: Action = [one[kind] for one in actions(table) if kind in one][-1]
    return found


def commit(table: Path, *new: Action) -> None:
    """Write the next commit by hand."""
    log = table / "_delta_log"
    number = 1 + max(int(file.stem) for file in log.glob(COMMITS))
    (log / f"{number:020d}.json").write_text("\n".join(map(json.dumps, new)))


def features(*names: str) -> Action:
    """Return the `protocol` action of a table that uses these features."""
    listed = list(names)
    return {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": listed,
            "writerFeatures": listed,
        }
    }


def add(
    table: Path,
    data: bytes,
    name: str = f"{PARTITION}={DAY}/{FOREIGN}",
    path: str | None = None,
    partition: dict[str, str | None] | None = None,
    **more: Any,
) -> Action:
    """Write a data file, and return the action that adds it.

    Args:
        table: folder of the table.
        data: content of the file.
        name: path of the file below the table's folder.
        path: path in the log; default: the URL-encoded name.
        partition: partition values; default: those of `DAY`.
        more: more fields of the action.
    """
    file = table / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    values = {PARTITION: DAY} if partition is None else partition
    fixed = {"size": len(data), "modificationTime": 0, "dataChange": True}
    return {"add": {"path": path or quote(name), "partitionValues": values} | fixed | more}


def parquet(rows: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, **options)
    return buffer.getvalue()


def stored(table: TableName, rows: list[Row], made: Origin = ORIGIN) -> pa.Table:
    """Return rows with all columns of a data file."""
    return stored_rows(table, rows, made)


def publish_old(store: Store, rows: dict[TableName, list[Row]], made: Origin) -> None:
    """Write tables as versions before 0.2 did: without the columns that were added later."""
    for table in TableName:
        if DeltaTable.is_deltatable(store.delta_uri(table.value)):
            continue
        columns = pa.schema([one for one in SCHEMAS[table].columns if one.name not in SINCE_0_2])
        DeltaTable.create(
            store.delta_uri(table.value),
            schema=Schema.from_arrow(columns),
            partition_by=[PARTITION],
        )
    for number, (table, some) in enumerate(rows.items()):
        new = stored(table, some, made)
        old = new.drop_columns([one for one in SINCE_0_2 if one in new.column_names])
        name = f"{PARTITION}={made.date}/part-{made.run_id}-000001-{number:06d}-0123abcd.parquet"
        place = folder(store, table)
        commit(place, add(place, parquet(old), name, partition={PARTITION: made.date}))


def deleted_rows(rows: Iterable[int]) -> Action:
    """Return a deletion vector within the log; see "Deletion Vectors" of Delta's protocol."""
    numbers = sorted(rows)
    container = struct.pack("<HH", 0, len(numbers) - 1)
    offset = struct.pack("<I", 8 + len(container) + 4)
    values = struct.pack(f"<{len(numbers)}H", *numbers)
    bitmap = struct.pack("<II", 12346, 1) + container + offset + values
    data = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = data + b"\0" * (-len(data) % 4)
    text = ""
    for (word,) in struct.iter_unpack(">I", padded):
        text += "".join(_Z85[word // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return {
        "storageType": "i",
        "pathOrInlineDv": text,
        "sizeInBytes": len(data),
        "cardinality": len(numbers),
    }


def map_columns(table: Path) -> dict[str, str]:
    """Turn on column mapping by name; return the names in the files by the names of the columns."""
    metadata = last(table, "metaData")
    schema = json.loads(metadata["schemaString"])
    physical = {}
    for number, field in enumerate(schema["fields"], start=1):
        physical[field["name"]] = f"col-{number:04d}"
        field["metadata"] |= {
            "delta.columnMapping.id": number,
            "delta.columnMapping.physicalName": physical[field["name"]],
        }
    metadata["schemaString"] = json.dumps(schema)
    metadata["configuration"] |= {
        "delta.columnMapping.mode": "name",
        "delta.columnMapping.maxColumnId": str(len(physical)),
    }
    commit(table, features("columnMapping"), {"metaData": metadata})
    return physical


def images_of(store: Store, *keys: str) -> None:
    """Publish each picture in its own wave, so that each has its own file."""
    from support.examples import image, origin

    for number, key in enumerate(keys):
        publish(store, {TableName.IMAGES: [image(key)]}, origin(number))
