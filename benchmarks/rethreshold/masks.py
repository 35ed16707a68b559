"""Write the tables of a run over many pictures, with masks at four levels, without a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steeldefect.analysis.level_masks import boxes, run_length_texts
from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.publish.thresholds import ClassThresholds, Thresholds
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import write_part
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import SCHEMAS, TableName, Verdict

CLASS, OWN, LEVELS = 3, 0.5, (0.3, 0.5, 0.7, 0.9)
HEIGHT, WIDTH = 256, 1600
SOURCE = "s3://plant/archive"
_ORIGIN = Origin("20260101T013000-00000001", "b" * 64, datetime(2026, 1, 1, 1, 30, tzinfo=UTC), 1)
_PART = 10_000  # pictures of one data file

Integers = npt.NDArray[np.int64]


def write_tables(store: Store, pictures: int, seed: int) -> None:
    """Write `images`, `predictions`, `mask_levels` and `runs`; every picture shows one defect.

    Args:
        store: an empty output.
        pictures: number of pictures.
        seed: seed of places and sizes.
    """
    tables = Tables(store)
    tables.create_all()
    rng = np.random.default_rng(seed)
    for number, first in enumerate(range(0, pictures, _PART), start=1):
        count = min(_PART, pictures - first)
        for table, rows in _rows(np.arange(first, first + count), rng):
            part = write_part(store, table, rows, _ORIGIN, f"{number:06d}-000000")
            tables.add(table, [part], _ORIGIN.run_id, number)
    thresholds = Thresholds(
        classes={CLASS: ClassThresholds(pixel_threshold=OWN, min_area=0)}, gate=None
    )
    record = RunRecord(
        "score",
        SOURCE,
        Outcome.SUCCESS,
        1.0,
        scored=pictures,
        defective=pictures,
        waves=1,
        settings=ScoreSettings(mask_levels=LEVELS).model_dump_json(),
        classes=f'{{"{CLASS}": "scratch"}}',
        thresholds=thresholds.model_dump_json(),
    )
    record_run(tables, _ORIGIN, record)


def _rows(numbers: Integers, rng: np.random.Generator) -> Iterator[tuple[TableName, pa.Table]]:
    count = len(numbers)
    half_width, half_height = rng.integers(10, 80, count), rng.integers(6, 60, count)
    x = rng.integers(half_width, WIDTH - half_width)
    y = rng.integers(half_height, HEIGHT - half_height)
    named = {
        "source": [SOURCE] * count,
        "key": [f"line 1/{number:07d}.jpg" for number in numbers],
        "image_id": [f"{number:07d}.jpg" for number in numbers],
    }
    image = {"etag": "e", "bytes": 120_000, "width": WIDTH, "height": HEIGHT, "defects": 1}
    image |= {"verdict": Verdict.DEFECT.value, "runtime": "openvino", "device": "cpu"}
    image |= {"precision": "f32", "regions": 0, "level_masks": len(LEVELS) - 1}
    yield TableName.IMAGES, _table(TableName.IMAGES, named, image, count)
    found = {"class_id": CLASS, "class_name": "scratch", "regions": 1, "mean_probability": 0.75}
    found |= {"max_probability": 1.0}
    for level in LEVELS:
        # a higher level is a smaller ellipse around the same centre
        starts, lengths = _ellipses(x, y, half_width, half_height, 1.2 - level)
        area = np.add.reduceat(lengths.flatten().to_numpy(), lengths.offsets.to_numpy()[:-1])
        rows = named | {"area": area}
        if level == OWN:
            rows |= {"run_lengths": run_length_texts(starts, lengths)}
            rows |= boxes(starts, lengths, np.full(count, HEIGHT))
            rows |= {"share": area / (HEIGHT * WIDTH)}
            yield TableName.PREDICTIONS, _table(TableName.PREDICTIONS, rows, found, count)
        else:
            rows |= {"starts": starts, "lengths": lengths}
            same = found | {"level": level}
            yield TableName.MASK_LEVELS, _table(TableName.MASK_LEVELS, rows, same, count)


def _ellipses(
    x: Integers, y: Integers, half_width: Integers, half_height: Integers, scale: float
) -> tuple[pa.ListArray, pa.ListArray]:
    """Return the runs of one ellipse on each picture: first pixels and lengths."""
    widths = np.maximum((half_width * scale).astype(np.int64), 1)
    counts = 2 * widths + 1
    offsets = np.concatenate(([0], np.cumsum(counts)))
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1] + widths, counts)
    share = np.sqrt(1 - (place / (np.repeat(widths, counts) + 1)) ** 2)
    reach = (share * np.repeat(half_height * min(scale, 1.0), counts)).astype(np.int64)
    columns, rows = np.repeat(x, counts) + place, np.repeat(y, counts) - reach
    inside = np.clip(columns, 0, WIDTH - 1)
    starts = inside * HEIGHT + rows + 1
    lists = [
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, pa.int32()))
        for values in (starts, 2 * reach + 1)
    ]
    return lists[0], lists[1]


def _table(
    table: TableName, columns: dict[str, object], same: dict[str, object], rows: int
) -> pa.Table:
    same = same | _ORIGIN.columns
    schema = SCHEMAS[table].stored
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.array([same.get(field.name)] * rows, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
