"""Compute segmentation and gate metrics from stored counts.

One `confusion` is a (picture, class) pair with tp, fp, fn, tn in pixels. Segmentation metrics are
computed from these counts alone, so the table `confusions` gives them for any group of pictures.

The convention is Kaggle's for "Severstal: Steel Defect Detection" (page "Evaluation"): the Dice of
a pair is 2 tp / (2 tp + fp + fn), and 1 where truth and prediction are both empty. `mean_dice` is
the mean over all pairs. Most pairs are empty, so a model that finds nothing at all scores high.
Its score is `all_empty_dice`. Three more metrics do not reward empty pairs: Dice over the pairs
with truth (`positives_dice`), and Dice and IoU of the pooled pixels (`pooled_dice`, `iou`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from steeldefect.bundle.manifest import Score

CONVENTION = (
    "Dice per (picture, class), empty against empty = 1, mean over all pairs (Kaggle); "
    "all_empty_dice is the same mean for an empty answer; positives_dice: pairs with truth only; "
    "pooled_dice and iou: over summed pixels"
)
OVERALL = "overall"
PER_CLASS = "class"
MASK_METRICS = ("mean_dice", "all_empty_dice", "positives_dice", "pooled_dice", "iou")

Float64 = npt.NDArray[np.float64]


class IntervalScore(Score):
    """One metric of an evaluation, with the fields of a row of the table `metrics`.

    `size_class`: the defects that are counted; None for all. `low`, `high`: interval by bootstrap
    (`steeldefect.evaluation.intervals`); None if there is none.
    """

    size_class: str | None = None
    low: float | None = None
    high: float | None = None


def dice(confusions: pd.DataFrame) -> Float64:
    """Compute the Dice of each row: 2 tp / (2 tp + fp + fn), and 1 where all three are 0.

    Args:
        confusions: columns tp, fp, fn (pixels).

    Returns:
        float64 (rows,).
    """
    doubled = 2.0 * confusions["tp"].to_numpy()
    total = doubled + confusions["fp"].to_numpy() + confusions["fn"].to_numpy()
    return np.asarray(np.divide(doubled, total, out=np.ones_like(total), where=total > 0))


def segmentation_scores(confusions: pd.DataFrame, class_ids: Sequence[int]) -> list[Score]:
    """Compute the mask metrics over all pairs, and for each class.

    Args:
        confusions: one row for each picture and class; columns class_id, tp, fp, fn (pixels).
        class_ids: classes to report; a class may have no rows.

    Returns:
        mean_dice, all_empty_dice, positives_dice, pooled_dice, iou for each scope. A value is
        None where its support is 0.
    """
    scores = _mask_scores(confusions, OVERALL, None)
    for class_id in class_ids:
        rows = confusions[confusions["class_id"] == class_id]
        scores += _mask_scores(rows, PER_CLASS, class_id)
    return scores


def gate_scores(
    defective: npt.NDArray[np.bool_], probability: Float64, passed: npt.NDArray[np.bool_]
) -> list[Score]:
    """Compute the metrics of the gate over pictures.

    Args:
        defective: bool (pictures,), the truth.
        probability: float64 (pictures,), the gate's probability of a defect.
        passed: bool (pictures,), whether the picture went on to the segmenter.

    Returns:
        gate_recall (share of defective pictures that pass), gate_clean_recall (share of clean
        pictures that are stopped), gate_auc (area under the ROC curve), gate_accuracy,
        gate_pass_share.
    """
    clean = ~defective
    both = defective.any() and clean.any()
    auc = float(roc_auc_score(defective, probability)) if both else None
    return [
        _share("gate_recall", passed[defective]),
        _share("gate_clean_recall", ~passed[clean]),
        Score(scope=OVERALL, name="gate_auc", value=auc, support=len(defective)),
        _share("gate_accuracy", passed == defective),
        _share("gate_pass_share", passed),
    ]


def novelty_scores(
    defective: npt.NDArray[np.bool_], oddness: Float64, odd: npt.NDArray[np.bool_]
) -> list[Score]:
    """Compute how well pictures are recognised that look like no clean picture.

    Args:
        defective: bool (pictures,), the truth.
        oddness: float64 (pictures,), any measure that is greater for odder pictures.
        odd: bool (pictures,), whether the picture is at or above the limit.

    Returns:
        novelty_auc (area under the ROC curve of defective against clean pictures), novelty_recall
        (share of defective pictures at or above the limit), novelty_false_alarms (share of clean
        pictures there).
    """
    both = defective.any() and not defective.all()
    auc = float(roc_auc_score(defective, oddness)) if both else None
    return [
        Score(scope=OVERALL, name="novelty_auc", value=auc, support=len(defective)),
        _share("novelty_recall", odd[defective]),
        _share("novelty_false_alarms", odd[~defective]),
    ]


def verdict_scores(defective: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> list[Score]:
    """Compute the metrics of the final verdict over pictures.

    Args:
        defective: bool (pictures,), the truth.
        found: bool (pictures,), whether the picture has a finding.

    Returns:
        verdict_recall, verdict_clean_recall, verdict_precision.
    """
    return [
        _share("verdict_recall", found[defective]),
        _share("verdict_clean_recall", ~found[~defective]),
        _share("verdict_precision", defective[found]),
    ]


def _share(name: str, hits: npt.NDArray[np.bool_]) -> Score:
    value = float(hits.mean()) if len(hits) else None
    return Score(scope=OVERALL, name=name, value=value, support=len(hits))


def _mask_scores(rows: pd.DataFrame, scope: str, class_id: int | None) -> list[Score]:
    each = dice(rows)
    has_truth = (rows["tp"] + rows["fn"]).to_numpy() > 0
    tp, fp, fn = (int(rows[name].sum()) for name in ("tp", "fp", "fn"))
    positives = int(has_truth.sum())
    values = {
        "mean_dice": (_mean(each), len(rows)),
        "all_empty_dice": (_mean((~has_truth).astype(np.float64)), len(rows)),
        "positives_dice": (_mean(each[has_truth]), positives),
        "pooled_dice": (_ratio(2 * tp, 2 * tp + fp + fn), tp + fp + fn),
        "iou": (_ratio(tp, tp + fp + fn), tp + fp + fn),
    }
    return [
        Score(scope=scope, class_id=class_id, name=name, value=value, support=support)
        for name, (value, support) in values.items()
    ]


def _mean(values: Float64) -> float | None:
    return float(values.mean()) if len(values) else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
