"""Write tables and label files of many pictures, without a model and without a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from benchmarks.generated_masks import HEIGHT, ORIGIN, WIDTH, Integers, ellipses, rows_of
from steeldefect.analysis.level_masks import boxes, run_length_texts
from steeldefect.publish.runs import Outcome, RunRecord, record_run
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import write_part
from steeldefect.tables.schema import TableName, Verdict

CLASSES = {1: "pitted", 2: "inclusion", 3: "scratch", 4: "patch"}
SOURCE = "s3://plant/archive"
_PART = 20_000  # pictures of one data file


def write_example(store: Store, folder: Path, pictures: int, seed: int) -> None:
    """Write tables of a run, and `train.csv` and `labels.csv`.

    Half of the pictures show a defect: an ellipse of one of four classes. The run found nine of ten
    of them, a little moved, and something on one of 20 clean pictures.

    Args:
        store: an empty output.
        folder: folder for the label files.
        pictures: number of pictures.
        seed: seed of places and sizes.
    """
    tables = Tables(store)
    tables.create_all()
    rng = np.random.default_rng(seed)
    columns = {"ImageId": pa.string(), "ClassId": pa.int64(), "EncodedPixels": pa.string()}
    masks = pc.CSVWriter(folder / "train.csv", pa.schema(columns), write_options=_PLAIN)
    known = {"ImageId": pa.string(), "label": pa.int64()}
    labels = pc.CSVWriter(folder / "labels.csv", pa.schema(known), write_options=_PLAIN)
    with masks, labels:
        for number, first in enumerate(range(0, pictures, _PART), start=1):
            count = min(_PART, pictures - first)
            _write_some(tables, np.arange(first, first + count), rng, number, masks, labels)
    record = RunRecord(
        "score",
        SOURCE,
        Outcome.SUCCESS,
        1.0,
        scored=pictures,
        waves=1,
        settings=ScoreSettings().model_dump_json(),
        classes="{" + ", ".join(f'"{one}": "{name}"' for one, name in CLASSES.items()) + "}",
    )
    record_run(tables, ORIGIN, record)


_PLAIN = pc.WriteOptions(quoting_style="none")


def _write_some(
    tables: Tables,
    numbers: Integers,
    rng: np.random.Generator,
    wave: int,
    masks: pc.CSVWriter,
    labels: pc.CSVWriter,
) -> None:
    count = len(numbers)
    half_width, half_height = rng.integers(10, 80, count), rng.integers(6, 60, count)
    x = rng.integers(half_width + 4, WIDTH - half_width - 4)
    y = rng.integers(half_height, HEIGHT - half_height)
    class_id = rng.integers(1, len(CLASSES) + 1, count)
    true = rng.random(count) < 0.5
    found = np.where(true, rng.random(count) < 0.9, rng.random(count) < 0.05)
    names = np.array([f"line 1/{number:07d}.jpg" for number in numbers])
    texts = _texts(x[true], y[true], half_width[true], half_height[true])
    masks.write(
        pa.table([names[true], class_id[true], texts], ["ImageId", "ClassId", "EncodedPixels"])
    )
    labels.write(pa.table([names, true.astype(np.int64)], ["ImageId", "label"]))
    named = {
        "source": [SOURCE] * count,
        "key": names,
        "image_id": [f"{number:07d}.jpg" for number in numbers],
        "verdict": np.where(found, Verdict.DEFECT.value, Verdict.CLEAN.value),
        "gate_probability": np.where(found, 0.9, 0.1),
        "defects": found.astype(np.int32),
    }
    image = {"etag": "e", "bytes": 120_000, "width": WIDTH, "height": HEIGHT}
    image |= {"runtime": "openvino", "device": "cpu", "precision": "f32"}
    image |= {"pixel_mm_x": 0.5, "pixel_mm_y": 0.5}
    _add(tables, TableName.IMAGES, rows_of(TableName.IMAGES, named, image, count), wave)
    moved = x[found] + rng.integers(-4, 5, int(found.sum()))
    starts, lengths = ellipses(moved, y[found], half_width[found], half_height[found], 1.0)
    rows = {name: np.asarray(named[name])[found] for name in ("source", "key", "image_id")}
    area = np.add.reduceat(lengths.flatten().to_numpy(), lengths.offsets.to_numpy()[:-1])
    class_names = np.array(["", *CLASSES.values()])[class_id[found]]
    rows |= {"class_id": class_id[found], "class_name": class_names, "area": area}
    rows |= {"run_lengths": run_length_texts(starts, lengths), "share": area / (HEIGHT * WIDTH)}
    rows |= boxes(starts, lengths, np.full(len(area), HEIGHT))
    same = {"regions": 1, "mean_probability": 0.75, "max_probability": 1.0}
    made = rows_of(TableName.PREDICTIONS, rows, same, len(area))
    _add(tables, TableName.PREDICTIONS, made, wave)


def _texts(x: Integers, y: Integers, half_width: Integers, half_height: Integers) -> pa.Array:
    return run_length_texts(*ellipses(x, y, half_width, half_height, 1.0))


def _add(tables: Tables, table: TableName, rows: pa.Table, wave: int) -> None:
    part = write_part(tables.store, table, rows, ORIGIN, f"{wave:06d}-000000")
    tables.add(table, [part], ORIGIN.run_id, wave)
