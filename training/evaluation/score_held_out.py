"""Compute held-out scores: compare the findings of the exported models with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from steeldefect.bundle.manifest import Manifest, Score
from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import is_odd
from steeldefect.evaluation import metrics
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture
from training.evaluation.region_outcomes import region_score
from training.evaluation.run_detector import Masks, PictureResult, run_detector

_NO_RUNS = run_lengths.parse("")
_COUNTS = ("tp", "fp", "fn", "tn")
_COLUMNS = ("ImageId", "group", "defective", "gate_probability", "passed", "class_id", *_COUNTS)


@dataclass(frozen=True)
class HeldOut:
    """The results of a detector on the held-out pictures.

    Attributes:
        scores: scores of `steeldefect.evaluation.metrics`, without gate scores if there is no gate;
            and `region_calibration_error`.
        table: one row for each picture and class. Columns ImageId, group, defective (0 or 1),
            gate_probability (NaN without a gate), passed (0 or 1: reached the segmenter),
            class_id, and tp, fp, fn, tn in pixels (Int64; missing for defective pictures whose
            masks nobody drew).
        found: masks by name of the picture.
    """

    scores: list[Score]
    table: pd.DataFrame
    found: dict[str, Masks]

    def to_csv(self) -> str:
        """Return the table as CSV text; missing values are empty, probabilities have 9 digits.

        Nine digits keep a float32 exactly. `evaluation.held_out_csv` reads this text.
        """
        return self.table.to_csv(index=False, lineterminator="\n", float_format="%.9g")


def score_held_out(detector: Detector, pictures: Sequence[LabelledPicture]) -> HeldOut:
    """Run a detector over the held-out pictures, and compute its scores.

    Mask metrics leave out defective pictures whose masks nobody drew; gate and verdict metrics
    use all pictures.

    Args:
        detector: detector with the exported models.
        pictures: test part of the split.

    Raises:
        DataError: a picture cannot be read.
        InferenceError: a model's output is not finite; the message names the picture.
    """
    return held_out_of(run_detector(detector, pictures), detector.manifest)


def held_out_of(results: Sequence[PictureResult], manifest: Manifest) -> HeldOut:
    """Compute the scores of results that one or more detectors gave.

    Args:
        results: results on held-out pictures.
        manifest: manifest with the classes; its gate and its novelty say which scores there are.
    """
    class_ids = [one.id for one in manifest.classes]
    table = _table(results, class_ids)
    scores = metrics.segmentation_scores(_outlined(table), class_ids)
    defective = np.array([one.picture.defective for one in results], dtype=bool)
    if manifest.gate is not None:
        probability = np.array([one.probability for one in results], dtype=np.float64)
        passed = np.array([one.passed for one in results], dtype=bool)
        scores += metrics.gate_scores(defective, probability, passed)
    if manifest.novelty is not None:
        oddness = np.array([one.oddness for one in results], dtype=np.float32)
        odd = is_odd(manifest.novelty, oddness)
        scores += metrics.novelty_scores(defective, oddness.astype(np.float64), odd)
    found = np.array([bool(one.masks) for one in results], dtype=bool)
    masks = {one.picture.name: one.masks for one in results}
    scores += metrics.verdict_scores(defective, found)
    regions = [region for one in results for region in one.regions]
    return HeldOut([*scores, region_score(regions)], table, masks)


def _table(results: Sequence[PictureResult], class_ids: Sequence[int]) -> pd.DataFrame:
    rows = [
        (
            one.picture.name,
            one.picture.group,
            int(one.picture.defective),
            one.probability,
            int(one.passed),
            class_id,
            *_count(one, class_id),
        )
        for one in results
        for class_id in class_ids
    ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.astype(dict.fromkeys(_COUNTS, "Int64"))


def _count(result: PictureResult, class_id: int) -> tuple[int | None, ...]:
    """Count tp, fp, fn and tn in pixels; all are None if the true masks are unknown."""
    picture = result.picture
    if not picture.outlined:
        return (None,) * len(_COUNTS)
    counts = run_lengths.confusion(
        picture.runs.get(class_id, _NO_RUNS), result.masks.get(class_id, _NO_RUNS)
    )
    return *counts, counts.tn(picture.shape)


def _outlined(table: pd.DataFrame) -> pd.DataFrame:
    return table.dropna(subset=["tp"]).astype(dict.fromkeys(_COUNTS, "int64"))
