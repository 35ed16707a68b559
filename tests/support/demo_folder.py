"""A small copy of what `make demo` leaves, made of the rule bundle and drawn pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from PIL import Image
from pyspark.sql import SparkSession

import steeldefect
from steeldefect.bundle.files import Bundle
from steeldefect.tables.schema import TableName
from support.archives import rows
from support.samples import both_picture, bright_picture, plain_picture

PICTURES = 6


@contextmanager
def working_in(folder: Path, spark: SparkSession) -> Iterator[None]:
    """Let relative paths lie in a folder: Python's, and those of a JVM that runs already."""
    context = spark.sparkContext
    hadoop = context._jvm.org.apache.hadoop.fs
    files = hadoop.FileSystem.get(context._jsc.hadoopConfiguration())
    before = files.getWorkingDirectory()
    files.setWorkingDirectory(hadoop.Path(str(folder)))
    try:
        with chdir(folder):
            yield
    finally:
        files.setWorkingDirectory(before)


def make_demo(folder: Path, bundle: Bundle, spark: SparkSession) -> Path:
    """Fill `folder` as `make demo` fills demo/: bundle, archive, its truth in plant, output.

    Every third picture is plain; the truth is what was found.
    """
    images = folder / "archive" / "images"
    images.mkdir(parents=True)
    kinds = (plain_picture, bright_picture, both_picture)
    for number in range(PICTURES):
        picture = Image.fromarray(kinds[number % 3](number))
        picture.save(images / f"coil_001-camera_1-frame_{number:04d}.jpg", quality=100)
    shutil.copytree(bundle.folder, folder / "bundle")
    steeldefect.score(folder / "archive", folder / "bundle", folder / "output", spark=spark)
    found = rows(folder / "output", TableName.PREDICTIONS, "image_id", "class_id", "run_lengths")
    lines = [f"{row['image_id']},{row['class_id']},{row['run_lengths']}" for row in found]
    truth = "\n".join(["ImageId,ClassId,EncodedPixels", *lines, ""])
    (folder / "plant").mkdir()
    (folder / "plant" / "train.csv").write_text(truth, encoding="utf-8")
    return folder
