"""Run bundles on the test part of one split, if they were held out on different pictures.

The models run on a CPU as in scoring, in the bundle's default form and precision.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from steeldefect.bundle.fetch import fetch_bundle, find_bundle
from steeldefect.detection.open_detector import open_detector
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from steeldefect.stores import S3Settings
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.evaluation.held_out_csv import read_held_out
from training.evaluation.score_held_out import score_held_out
from training.registry.comparison import Contender
from training.splitting.split import SPLIT_NAME, parts_of_file

_OPTIONS = RuntimeOptions(runtime=RuntimeChoice.OPENVINO, precision=Precision.AUTO, threads=0)


def measured_on(
    data: Path, split_file: Path, fold: int | None, s3: S3Settings
) -> Callable[[Contender], Contender]:
    """Read data and split, and return a function that runs a bundle on the test part.

    If the bundle was fitted on pictures of the test part, its results are too good: the function
    then adds a note to the contender.

    Args:
        data: folder of labelled pictures.
        split_file: file of `python -m training split`.
        fold: fold used as the test part, for a split file with folds.
        s3: settings of the S3 connection.

    Raises:
        DataError: data or split cannot be used.
    """
    dataset = read_dataset(data)
    parts = parts_of_file(dataset, split_file, fold)
    measured: dict[str, Contender] = {}

    def measure(contender: Contender) -> Contender:
        digest = contender.name.digest
        if digest not in measured:
            measured[digest] = _run(contender, dataset, parts.test, s3)
        return measured[digest]

    return measure


def _run(
    contender: Contender, dataset: DataSet, pictures: Sequence[LabelledPicture], s3: S3Settings
) -> Contender:
    held_out = score_held_out(open_detector(fetch_bundle(contender.home, s3), _OPTIONS), pictures)
    rows = read_held_out(held_out.to_csv().encode(), contender.name.address)
    seen = _seen(contender, s3) & {picture.name for picture in pictures}
    notes: tuple[str, ...] = ()
    if seen:
        notes = (
            f"{len(seen)} of {len(pictures)} pictures were among those that bundle "
            f"{contender.name.digest[:12]} was fitted on: its scores are too good",
        )
    return contender.measured(rows, dataset.fingerprint, notes)


def _seen(contender: Contender, s3: S3Settings) -> set[str]:
    """Return the pictures of the bundle's train and validation parts."""
    if SPLIT_NAME not in contender.manifest.files:
        return set()
    content = find_bundle(contender.home, s3).read(SPLIT_NAME)
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    return set(table.loc[table["split"] != "test", "ImageId"])
