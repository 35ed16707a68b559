"""Write the tables of a run over many pictures, with masks at four levels, without a model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from benchmarks.generated_masks import HEIGHT, ORIGIN, WIDTH, Integers, ellipses, rows_of
from steeldefect.analysis.level_masks import boxes, run_length_texts
from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.publish.thresholds import ClassThresholds, Thresholds
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import write_part
from steeldefect.tables.schema import TableName, Verdict

CLASS, OWN, LEVELS = 3, 0.5, (0.3, 0.5, 0.7, 0.9)
SOURCE = "s3://plant/archive"
_PART = 10_000  # pictures of one data file


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
            part = write_part(store, table, rows, ORIGIN, f"{number:06d}-000000")
            tables.add(table, [part], ORIGIN.run_id, number)
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
    record_run(tables, ORIGIN, record)


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
    yield TableName.IMAGES, rows_of(TableName.IMAGES, named, image, count)
    found = {"class_id": CLASS, "class_name": "scratch", "regions": 1, "mean_probability": 0.75}
    found |= {"max_probability": 1.0}
    for level in LEVELS:
        # a higher level is a smaller ellipse around the same centre
        starts, lengths = ellipses(x, y, half_width, half_height, 1.2 - level)
        area = np.add.reduceat(lengths.flatten().to_numpy(), lengths.offsets.to_numpy()[:-1])
        rows = named | {"area": area}
        if level == OWN:
            rows |= {"run_lengths": run_length_texts(starts, lengths)}
            rows |= boxes(starts, lengths, np.full(count, HEIGHT))
            rows |= {"share": area / (HEIGHT * WIDTH)}
            yield TableName.PREDICTIONS, rows_of(TableName.PREDICTIONS, rows, found, count)
        else:
            rows |= {"starts": starts, "lengths": lengths}
            same = found | {"level": level}
            yield TableName.MASK_LEVELS, rows_of(TableName.MASK_LEVELS, rows, same, count)
