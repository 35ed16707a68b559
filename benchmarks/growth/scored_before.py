"""Write the input of a large plan: an inventory, and tables that hold almost all its keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from steeldefect.bundle.files import open_bundle
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part, write_part
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import SCHEMAS, TableName, Verdict

_ROWS_OF_A_PART = 2_000
_ROWS_OF_A_GROUP = 1_000_000
_PARTS_OF_A_WAVE = 10


def write_inventory(path: Path, archive: Path, keys: int, pictures: int) -> Path:
    """Write an inventory of `keys` keys; the first `pictures` of them are files of the archive."""
    found = sorted(one.relative_to(archive).as_posix() for one in archive.rglob("*.jpg"))
    schema = pa.schema([("key", pa.string()), ("etag", pa.string()), ("size", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, keys, _ROWS_OF_A_GROUP):
            numbers = range(start, min(keys, start + _ROWS_OF_A_GROUP))
            names = [
                found[number] if number < pictures else f"{number // 1000:05d}/q{number:07d}.jpg"
                for number in numbers
            ]
            etags = [f"{number:032x}" for number in numbers]
            writer.write_table(pa.table([names, etags, [4000] * len(names)], schema=schema))
    return path


def write_tables(output: Path, archive: Path, inventory: Path, bundle: Path, skip: int) -> None:
    """Write tables in which all keys of an inventory are scored, except the first `skip`."""
    keys = pq.read_table(inventory).slice(skip)
    store, source = open_store(str(output)), open_store(str(archive)).uri
    now = datetime.now(UTC)
    origin = Origin(new_run_id(now), open_bundle(bundle).digest, now)
    tables = Tables(store)
    tables.create_all()
    parts: list[Part] = []
    wave = 0
    for start in range(0, keys.num_rows, _ROWS_OF_A_PART):
        rows = _images(keys.slice(start, _ROWS_OF_A_PART), source, origin)
        parts.append(write_part(store, TableName.IMAGES, rows, origin, f"{start:09d}"))
        if len(parts) == _PARTS_OF_A_WAVE or start + _ROWS_OF_A_PART >= keys.num_rows:
            wave += 1
            WaveLog(tables).publish(WaveRecord(origin.run_id, wave, parts), lambda: None)
            parts = []
    scored = {"planned": keys.num_rows, "scored": keys.num_rows, "waves": wave}
    record_run(tables, origin, RunRecord("score", source, Outcome.SUCCESS, 1.0, **scored))


def _images(keys: pa.Table, source: str, origin: Origin) -> pa.Table:
    rows = keys.num_rows
    same = {
        "source": source,
        "width": 128,
        "height": 64,
        "gate_probability": None,
        "verdict": Verdict.CLEAN.value,
        "defects": 0,
        "runtime": "openvino",
        "device": "cpu",
        "precision": "f32",
        "regions": 0,
        "rejected_regions": 0,
        "level_masks": 0,
        **origin.columns,
    }
    columns = {
        "key": keys["key"],
        "image_id": keys["key"],
        "etag": keys["etag"],
        "bytes": keys["size"],
    }
    schema = SCHEMAS[TableName.IMAGES].stored
    return pa.table(
        [
            columns[field.name]
            if field.name in columns
            else pa.array([same.get(field.name)] * rows, field.type)
            for field in schema
        ],
        schema=schema,
    )
