"""Compare true and found masks on Spark's executors, from run lengths alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from steeldefect.errors import RunLengthError
from steeldefect.evaluation.defect_matching import Integers, match_defects
from steeldefect.pictures import run_lengths

BY_SIZE = ("true_by_size", "matched_true_by_size", "found_by_size", "matched_found_by_size")
COUNT_SCHEMA = pa.schema(
    {
        "picture": pa.int64(),
        "class_id": pa.int32(),
        "tp": pa.int64(),
        "fp": pa.int64(),
        "fn": pa.int64(),
        "true_defects": pa.int32(),
        "found_defects": pa.int32(),
        "matched_defects": pa.int32(),
        "matched_iou": pa.float64(),
        **dict.fromkeys(BY_SIZE, pa.list_(pa.int32())),
        "problem": pa.string(),
    }
)
"""Columns of counted pairs: pixels; defects; defects in each size class; a problem with a mask."""

FOUND_PROBLEM = "found: "
"""How a problem begins that is in the found mask: then the tables are damaged."""

COUNT_COLUMNS = (
    "picture bigint, class_id int, tp bigint, fp bigint, fn bigint, true_defects int, "
    "found_defects int, matched_defects int, matched_iou double, true_by_size array<int>, "
    "matched_true_by_size array<int>, found_by_size array<int>, "
    "matched_found_by_size array<int>, problem string"
)
"""The same columns for Spark."""

_PAIR = ("picture", "class_id", "truth", "found", "height", "width")


@dataclass(frozen=True)
class PairCounter:
    """Counts pixels and defects of pairs of masks; a Spark task calls it through `mapInArrow`.

    Attributes:
        iou: smallest IoU at which a true and a found defect are matched.
        size_bounds: areas in pixels at which size classes begin, ascending, without the first 0.
    """

    iou: float
    size_bounds: tuple[int, ...]

    def count(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Count pairs.

        Args:
            batches: columns of `pairing.PAIR_SCHEMA`.

        Yields:
            Columns of `COUNT_SCHEMA`; counts of a pair with a problem are 0.

        """
        for batch in batches:
            columns = (batch[name].to_pylist() for name in _PAIR)
            rows = [self._row(*values) for values in zip(*columns, strict=True)]
            yield pa.RecordBatch.from_pylist(rows, COUNT_SCHEMA)

    def _row(
        self, picture: int, class_id: int, truth: str, found: str, height: int, width: int
    ) -> dict[str, Any]:
        try:
            counts = self._counts(truth, found, (height, width)) | {"problem": ""}
        except _ProblemError as error:
            counts = self._counts("", "", (height, width)) | {"problem": str(error)}
        return {"picture": picture, "class_id": class_id} | counts

    def _counts(self, truth: str, found: str, shape: tuple[int, int]) -> dict[str, Any]:
        try:
            true_runs = run_lengths.parse(truth, shape)
        except RunLengthError as error:
            raise _ProblemError(str(error)) from None
        try:
            found_runs = run_lengths.parse(found, shape)
        except RunLengthError as error:
            raise _ProblemError(f"{FOUND_PROBLEM}{error}") from None
        pixels = run_lengths.confusion(true_runs, found_runs)
        matches = match_defects(true_runs, found_runs, shape, self.iou)
        return {
            "tp": pixels.tp,
            "fp": pixels.fp,
            "fn": pixels.fn,
            "true_defects": len(matches.true_areas),
            "found_defects": len(matches.found_areas),
            "matched_defects": len(matches.iou),
            "matched_iou": float(matches.iou.sum()),
            "true_by_size": self._by_size(matches.true_areas),
            "matched_true_by_size": self._by_size(matches.true_areas[matches.true]),
            "found_by_size": self._by_size(matches.found_areas),
            "matched_found_by_size": self._by_size(matches.found_areas[matches.found]),
        }

    def _by_size(self, areas: Integers) -> list[int]:
        classes = np.digitize(areas, self.size_bounds)
        counts: list[int] = np.bincount(classes, minlength=len(self.size_bounds) + 1).tolist()
        return counts


class _ProblemError(Exception):
    """Run lengths of a pair are malformed, or reach outside their picture."""
