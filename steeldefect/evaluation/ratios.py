"""All metrics of an evaluation that are ratios of sums over pictures.

Pixel metrics and gate metrics are those of `steeldefect.evaluation.metrics`. Defects are matched
one to one (`steeldefect.evaluation.defect_matching`); of T true and F found defects, M are matched:

- `defect_recall` M / T, `defect_precision` M / F, also for defects of one size class;
- `recognition_quality` 2 M / (T + F), `segmentation_quality` (mean IoU of the matched ones), and
  their product `panoptic_quality` (Kirillov et al., "Panoptic Segmentation", CVPR 2019); overall,
  it is the mean over the classes that have a value;
- `missed_per_100_pictures` and `false_alarms_per_100_pictures`: 100 (T - M) and 100 (F - M),
  divided by the number of pictures; `..._per_m2`: divided by the area of the pictures whose scale
  is known, for the defects on these pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.evaluation.intervals import Column, Ratio, Sums
from steeldefect.evaluation.metrics import OVERALL, PER_CLASS, dice
from steeldefect.evaluation.pair_counts import PairCounts
from steeldefect.tables.schema import Verdict

MISSED, FALSE_ALARMS = "missed", "false_alarms"
PANOPTIC = "panoptic_quality"

Factors = dict[Column, float]
Integers = npt.NDArray[np.int64]

_MM2_PER_M2 = 1e6
_OUTLINED: Column = ("outlined", None)
_SCALED: Column = ("scaled", None)
_SQUARE_METRES: Column = ("square_metres", None)


def sums_of(counts: PairCounts, images: pd.DataFrame, units: Integers) -> Sums:
    """Collect the counts that the metrics need.

    Args:
        counts: counts of the pairs.
        images: all pictures with known truth, as `ScoredPictures.images`; they are numbered by
            position, and `counts` uses these numbers.
        units: int64 (pictures,), unit of each picture for the intervals.
    """
    sums = Sums(units)
    every = np.arange(len(images))
    scaled = _add_pictures(sums, images, every)
    picture, class_of = counts.numbers("picture"), counts.numbers("class_id")
    columns = _pair_columns(counts, scaled[picture.astype(np.int64)])
    for class_id in counts.classes:
        rows = class_of == class_id
        for name, values in columns.items():
            sums.add((name, class_id), picture[rows].astype(np.int64), values[rows])
    return sums


def _add_pictures(sums: Sums, images: pd.DataFrame, every: Integers) -> npt.NDArray[np.bool_]:
    """Add the counts of pictures, and return whether the scale of each is known."""
    outlined = images["outlined"].to_numpy(dtype=bool)
    pixel = images["pixel_mm_x"].to_numpy(np.float64) * images["pixel_mm_y"].to_numpy(np.float64)
    scaled: npt.NDArray[np.bool_] = ~np.isnan(pixel) & outlined
    area = pixel * images["width"].to_numpy(np.float64) * images["height"].to_numpy(np.float64)
    defective = images["defective"].to_numpy(dtype=bool)
    found = (images["verdict"] == Verdict.DEFECT.value).to_numpy(dtype=bool)
    passed = (images["verdict"] != Verdict.GATED.value).to_numpy(dtype=bool)
    columns = {
        "outlined": outlined,
        "scaled": scaled,
        "square_metres": np.where(scaled, area, 0.0) / _MM2_PER_M2,
        "pictures": np.ones(len(images)),
        "defective": defective,
        "clean": ~defective,
        "found": found,
        "passed": passed,
        "defective_passed": defective & passed,
        "clean_stopped": ~defective & ~passed,
        "passed_right": defective == passed,
        "defective_found": defective & found,
        "clean_not_found": ~defective & ~found,
    }
    for name, values in columns.items():
        sums.add((name, None), every, values)
    return scaled


def _pair_columns(
    counts: PairCounts, scaled: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the counts of drawn pairs by name; `scaled`: whether the picture's scale is known."""
    pixels = pd.DataFrame({name: counts.numbers(name) for name in ("tp", "fp", "fn")})
    each = dice(pixels)
    true, found, matched = (
        counts.numbers(f"{name}_defects").astype(np.int64) for name in ("true", "found", "matched")
    )
    has_truth = true > 0
    columns: dict[str, npt.NDArray[np.generic]] = {
        name: pixels[name].to_numpy() for name in pixels.columns
    }
    # a pair that is not drawn has a Dice of 1
    columns |= {"dice_below_1": each - 1, "has_truth": has_truth, "dice": each * has_truth}
    columns |= {"true": true, "found": found, "matched": matched}
    columns |= {"matched_iou": counts.numbers("matched_iou")}
    columns |= {"missed_scaled": (true - matched) * scaled}
    columns |= {"false_alarms_scaled": (found - matched) * scaled}
    for name in ("true", "matched_true", "found", "matched_found"):
        values = counts.by_size(f"{name}_by_size")
        columns |= {f"{name}_{size}": values[:, size] for size in range(counts.sizes)}
    return columns


def ratios_of(class_ids: Sequence[int], size_classes: Sequence[str]) -> list[Ratio]:
    """Return the metrics over all classes, then those of each class.

    `panoptic_quality` over all classes is not among them: it is no ratio.
    """
    made = [*_ratios(OVERALL, class_ids, None, size_classes), *_picture_ratios()]
    for class_id in class_ids:
        made += _ratios(PER_CLASS, [class_id], class_id, size_classes)
    return made


def _ratios(
    scope: str, class_ids: Sequence[int], class_id: int | None, size_classes: Sequence[str]
) -> Iterable[Ratio]:
    def total(**factors: float) -> Factors:
        return {(name, one): factor for name, factor in factors.items() for one in class_ids}

    def ratio(
        name: str, top: Factors, bottom: Factors, support: Factors, size: str | None = None
    ) -> Ratio:
        return Ratio(name, scope, top, bottom, support, class_id, size)

    pairs: Factors = {_OUTLINED: float(len(class_ids))}
    union = total(tp=1, fp=1, fn=1)
    yield ratio("mean_dice", total(dice_below_1=1) | pairs, pairs, pairs)
    yield ratio("all_empty_dice", total(has_truth=-1) | pairs, pairs, pairs)
    yield ratio("positives_dice", total(dice=1), total(has_truth=1), total(has_truth=1))
    yield ratio("pooled_dice", total(tp=2), total(tp=2, fp=1, fn=1), union)
    yield ratio("iou", total(tp=1), union, union)
    true, found, matched = total(true=1), total(found=1), total(matched=1)
    either = total(true=1, found=1, matched=-1)
    both = total(true=1, found=1)
    yield ratio("defect_recall", matched, true, true)
    yield ratio("defect_precision", matched, found, found)
    yield ratio("recognition_quality", total(matched=2), both, either)
    yield ratio("segmentation_quality", total(matched_iou=1), matched, matched)
    if class_id is not None:
        yield ratio(PANOPTIC, total(matched_iou=2), both, either)
    for name, top, scaled in (
        (MISSED, total(true=100, matched=-100), total(missed_scaled=1)),
        (FALSE_ALARMS, total(found=100, matched=-100), total(false_alarms_scaled=1)),
    ):
        yield ratio(f"{name}_per_100_pictures", top, {_OUTLINED: 1.0}, {_OUTLINED: 1.0})
        yield ratio(f"{name}_per_m2", scaled, {_SQUARE_METRES: 1.0}, {_SCALED: 1.0})
    for number, size in enumerate(size_classes):
        true, hit = total(**{f"true_{number}": 1}), total(**{f"matched_true_{number}": 1})
        yield ratio("defect_recall", hit, true, true, size)
        found, right = total(**{f"found_{number}": 1}), total(**{f"matched_found_{number}": 1})
        yield ratio("defect_precision", right, found, found, size)


def _picture_ratios() -> Iterable[Ratio]:
    for name, top, bottom in (
        ("gate_recall", "defective_passed", "defective"),
        ("gate_clean_recall", "clean_stopped", "clean"),
        ("gate_accuracy", "passed_right", "pictures"),
        ("gate_pass_share", "passed", "pictures"),
        ("verdict_recall", "defective_found", "defective"),
        ("verdict_clean_recall", "clean_not_found", "clean"),
        ("verdict_precision", "defective_found", "found"),
    ):
        above: Factors = {(top, None): 1.0}
        below: Factors = {(bottom, None): 1.0}
        yield Ratio(name, OVERALL, above, below, below)
