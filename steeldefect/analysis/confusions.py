"""Count the pixels of true and predicted masks on Spark's executors, from run lengths alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd
import pyarrow as pa

from steeldefect.errors import DataError, RunLengthError
from steeldefect.labels.label_files import listed
from steeldefect.pictures import run_lengths

CONFUSION_SCHEMA = "row long, tp long, fp long, fn long, tn long, problem string"

PAIR_SCHEMA = pa.schema(
    {
        "row": pa.int64(),
        "truth": pa.string(),
        "found": pa.string(),
        "height": pa.int32(),
        "width": pa.int32(),
    }
)

_COLUMNS = ["row", "tp", "fp", "fn", "tn", "problem"]


def count_pixels(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Count tp, fp, fn, tn of pairs of masks; for `mapInPandas`.

    Args:
        batches: columns row, truth, found (run lengths), height, width (pixels).

    Yields:
        Columns row, tp, fp, fn, tn (pixels), problem (error in the true run lengths, or empty).
    """
    for batch in batches:
        columns = (batch[name] for name in ("row", "truth", "found", "height", "width"))
        rows = [_count_pair(*values) for values in zip(*columns, strict=True)]
        yield pd.DataFrame(rows, columns=_COLUMNS)


def join_counts(pairs: pd.DataFrame, counted: pd.DataFrame) -> pd.DataFrame:
    """Add the counts to their pairs; a pair that was not counted has no mask at all.

    Args:
        pairs: columns row, height, width (pixels) and any others.
        counted: output of `count_pixels`.

    Returns:
        Columns of `pairs`, and tp, fp, fn, tn (pixels).
    """
    joined = pairs.merge(counted.drop(columns="problem"), on="row", how="left")
    joined["tn"] = joined["tn"].fillna(joined["height"] * joined["width"])
    joined = joined.fillna({"tp": 0, "fp": 0, "fn": 0})
    return joined.astype(dict.fromkeys(("tp", "fp", "fn", "tn"), "int64"))


def refuse_problems(pairs: pd.DataFrame, counted: pd.DataFrame) -> None:
    """Raise an error if a true mask is malformed.

    Raises:
        DataError: some are; the message names the first few.
    """
    wrong = counted[counted["problem"] != ""].merge(pairs, on="row")
    if len(wrong):
        named = [
            f"{one['name']} class {one['class_id']}: {one['problem']}"
            for one in wrong.to_dict("records")
        ]
        raise DataError(f"labels: {listed(named)}")


def _count_pair(
    row: int, truth: str, found: str, height: int, width: int
) -> tuple[int, int, int, int, int, str]:
    shape = (int(height), int(width))
    try:
        true_runs = run_lengths.parse(truth, shape)
    except RunLengthError as error:
        return row, 0, 0, 0, 0, str(error)
    counts = run_lengths.confusion(true_runs, run_lengths.parse(found, shape))
    return row, *counts, counts.tn(shape), ""
