"""Write outputs to read: many small waves of nightly runs, and the same rows in few files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import write_part
from steeldefect.tables.provenance import Origin, stored_rows
from steeldefect.tables.schema import SCHEMAS, TableName

SOURCE = "s3://plant/archive"
BUNDLE = "b" * 64
_FIRST = datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
_SQUARE = " ".join(f"{641 + 64 * column} 16" for column in range(16))


def origin_of(night: int) -> Origin:
    """Return the origin of the run of a night."""
    moment = _FIRST + timedelta(days=night)
    return Origin(f"{moment:%Y%m%dT%H%M%S}-{night:08x}", BUNDLE, moment, night + 1)


def write_waves(store: Store, nights: int, waves: int, pictures: int) -> None:
    """Write waves one by one, each with one part and one commit in two tables.

    Args:
        store: an empty output.
        nights: number of runs, one per day.
        waves: number of waves per night.
        pictures: number of pictures per wave; every second picture has a defect.
    """
    tables = Tables(store)
    tables.create_all()
    for night in range(nights):
        made = origin_of(night)
        for wave in range(1, waves + 1):
            for table, rows in _rows(night, wave, pictures, made):
                part = write_part(store, table, rows, made, f"{wave:06d}-000000")
                tables.add(table, [part], made.run_id, wave)
        scored = waves * pictures
        record = RunRecord("score", SOURCE, Outcome.SUCCESS, 60.0, scored=scored, waves=waves)
        record_run(tables, made, record)


def write_at_once(store: Store, rows_of: Store, nights: int) -> None:
    """Write the rows of another output, each table in one commit with one file per night."""
    tables, others = Tables(store), Tables(rows_of)
    tables.create_all()
    for table in (TableName.IMAGES, TableName.PREDICTIONS):
        parts = []
        everything = others.read(table, SCHEMAS[table].stored.names)
        for night in range(nights):
            made = origin_of(night)
            rows = everything.filter(pc.equal(everything["run_id"], made.run_id))
            parts.append(write_part(store, table, rows.combine_chunks(), made, "000001-000000"))
        tables.add(table, parts, "all", 1)
    tables.append(TableName.RUNS, others.read(TableName.RUNS))


def _rows(
    night: int, wave: int, pictures: int, made: Origin
) -> Iterator[tuple[TableName, pa.Table]]:
    keys = [f"line 1/{night:04d}/{wave:03d}-{number:04d}.png" for number in range(pictures)]
    names = [{"source": SOURCE, "key": key, "image_id": key.rpartition("/")[2]} for key in keys]
    answer = {"etag": "d41d8cd98f00b204e9800998ecf8427e", "bytes": 120_000, "width": 1600}
    answer |= {"height": 256, "gate_probability": 0.75, "runtime": "openvino", "device": "cpu"}
    answer |= {"precision": "f32"}
    found = {"class_id": 3, "class_name": "scratch", "run_lengths": _SQUARE, "area": 256}
    found |= {"share": 256 / (1600 * 256), "box_top": 10, "box_left": 10, "box_bottom": 26}
    found |= {"box_right": 26, "regions": 1, "mean_probability": 0.875, "max_probability": 1.0}
    verdicts = [
        {"verdict": "clean" if place % 2 else "defect", "defects": 1 - place % 2}
        for place in range(pictures)
    ]
    images = [name | answer | verdict for name, verdict in zip(names, verdicts, strict=True)]
    yield (
        TableName.PREDICTIONS,
        stored_rows(TableName.PREDICTIONS, [name | found for name in names[::2]], made),
    )
    yield TableName.IMAGES, stored_rows(TableName.IMAGES, images, made)
