"""Calibrate the mean probabilities of regions, class by class, on the validation part.

A segmenter that is too sure gives its regions mean probabilities near 1 while a part of their
pixels is wrong. A curve for each class corrects that; it costs nothing when scoring, and changes no
mask. Classes with too few regions for a curve of their own share one, of the regions of all
classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import isotonic_regression

from steeldefect.bundle.manifest import DefectClass, Manifest, RegionCurve, with_lowest_format
from steeldefect.detection.region_curve import calibrated_probability
from training.evaluation.region_outcomes import RegionOutcome, calibration_error

FEWEST_REGIONS = 50
"""Number of regions of a class on the validation part; with fewer, it has no curve of its own."""

_FOLDS = 5
_MOST_BINS = 15
_LEAST_IN_BIN = 10  # regions
_LEAST_STEP = 0.001  # of the mean probability, between two points of a curve
_IDENTITY = 0.02  # share of the identity in a curve
_DIGITS = 6

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CalibratedRegions:
    """A manifest with calibrated regions, and notes for a reader of the bundle."""

    manifest: Manifest
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Class:
    """A class after the calibration.

    Attributes:
        defect_class: the class, with a curve if it has one.
        before, after: float64 (n,), mean probabilities of its regions; `after` by curves that were
            fitted without the region's group.
        outcome: float64 (n,), shares of true pixels.
        note: why there is no curve, or whose it is; empty if it is its own.
        few: whether its regions are too few for a curve of its own.
    """

    defect_class: DefectClass
    before: Float64
    after: Float64
    outcome: Float64
    note: str = ""
    few: bool = False


def calibrate_regions(manifest: Manifest, regions: Sequence[RegionOutcome]) -> CalibratedRegions:
    """Fit the curve of each class, and measure the error before and after by cross-fitting.

    Args:
        manifest: calibrated manifest whose classes have no curve.
        regions: regions of the validation pictures that count with its thresholds.
    """
    alone = [
        _calibrate(one, [region for region in regions if region.class_id == one.id])
        for one in manifest.classes
    ]
    done = _with_shared_curve(alone, regions)
    notes = tuple(one.note for one in done if one.note)
    if not any(one.defect_class.region_curve for one in done):
        return CalibratedRegions(manifest, notes)
    update: dict[str, object] = {"classes": [one.defect_class for one in done]}
    if manifest.calibration is not None:
        outcome = np.concatenate([one.outcome for one in done])
        errors = tuple(
            calibration_error(np.concatenate(told), outcome)
            for told in ([one.before for one in done], [one.after for one in done])
        )
        update["calibration"] = manifest.calibration.model_copy(
            update={"region_calibration_error": errors}
        )
    return CalibratedRegions(with_lowest_format(manifest.model_copy(update=update)), notes)


def fit_curve(probability: Float64, outcome: Float64) -> RegionCurve:
    """Fit the curve from mean probabilities of regions to their shares of true pixels.

    The regions are sorted into at most 15 bins of about equal numbers, 10 regions or more in each.
    Isotonic regression makes the mean outcomes of the bins ascend (Zadrozny and Elkan,
    "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", 2002). Between
    bins, and from 0 to the first bin, the curve is linear; above the last bin, it is nearly flat. A
    small part of the identity is added, so that it rises everywhere.

    Args:
        probability: float64 (n,), mean probabilities of regions, 0 to 1; n is at least 1.
        outcome: float64 (n,), shares of true pixels, 0 to 1.
    """
    order = np.argsort(probability, kind="stable")
    bins = np.array_split(order, min(_MOST_BINS, max(1, len(order) // _LEAST_IN_BIN)))
    model = np.array([probability[one].mean() for one in bins])
    shares = np.asarray(
        isotonic_regression(
            [outcome[one].mean() for one in bins], sample_weight=[len(one) for one in bins]
        )
    )
    inside = _apart(model)
    x = np.concatenate(([0.0], model[inside], [1.0]))
    y = np.concatenate(([0.0], shares[inside], [shares[-1]]))
    rising = (1 - _IDENTITY) * y + _IDENTITY * x
    return RegionCurve(
        model=tuple(np.round(x, _DIGITS).tolist()),
        calibrated=tuple(np.round(rising, _DIGITS).tolist()),
    )


def _apart(model: Float64) -> list[int]:
    """Return the places of points that are apart from each other, and from 0 and 1."""
    chosen: list[int] = []
    last = 0.0
    for place, one in enumerate(model.tolist()):
        if last + _LEAST_STEP <= one <= 1 - _LEAST_STEP:
            chosen.append(place)
            last = one
    return chosen


def _calibrate(defect_class: DefectClass, regions: Sequence[RegionOutcome]) -> _Class:
    probability = np.array([one.probability for one in regions], dtype=np.float64)
    outcome = np.array([one.outcome for one in regions], dtype=np.float64)
    groups = len({one.group for one in regions})

    def unchanged(why: str, few: bool = False) -> _Class:
        note = (
            f"{_name(defect_class)}: the mean probabilities of its regions stay uncalibrated: {why}"
        )
        return _Class(defect_class, probability, probability, outcome, note, few)

    if not _enough(regions):
        return unchanged(
            f"{len(regions)} regions in {groups} groups of validation pictures; at least "
            f"{FEWEST_REGIONS} regions in {_FOLDS} groups are needed",
            few=True,
        )
    after = _cross_fitted(probability, outcome, [one.group for one in regions])
    squared = [float(np.mean((told - outcome) ** 2)) for told in (probability, after)]
    if squared[1] >= squared[0]:
        return unchanged(
            "a curve would not bring them nearer to the shares of true pixels (mean squared error "
            f"{squared[0]:.3f} before, {squared[1]:.3f} after)"
        )
    curve = fit_curve(probability, outcome)
    return _Class(
        defect_class.model_copy(update={"region_curve": curve}), probability, after, outcome
    )


def _with_shared_curve(classes: Sequence[_Class], regions: Sequence[RegionOutcome]) -> list[_Class]:
    """Give one curve to all classes with too few regions, if it brings them nearer to the truth.

    It is fitted to the regions of all classes, and judged by those of these classes; if they have
    none, by all.
    """
    few = {one.defect_class.id for one in classes if one.few}
    if not few or not _enough(regions):
        return list(classes)
    probability = np.array([one.probability for one in regions], dtype=np.float64)
    outcome = np.array([one.outcome for one in regions], dtype=np.float64)
    after = _cross_fitted(probability, outcome, [one.group for one in regions])
    of_class = np.array([one.class_id for one in regions])
    judged = np.isin(of_class, list(few))
    if not judged.any():
        judged = np.ones(len(regions), dtype=bool)
    squared = [np.mean((told - outcome)[judged] ** 2) for told in (probability, after)]
    if squared[1] >= squared[0]:
        return list(classes)
    curve = fit_curve(probability, outcome)
    return [
        one if not one.few else _shared(one, curve, after[of_class == one.defect_class.id])
        for one in classes
    ]


def _shared(one: _Class, curve: RegionCurve, after: Float64) -> _Class:
    note = (
        f"{_name(one.defect_class)}: {len(one.outcome)} regions are too few to calibrate their "
        "mean probabilities alone; it has the curve of all classes together"
    )
    defect_class = one.defect_class.model_copy(update={"region_curve": curve})
    return replace(one, defect_class=defect_class, after=after, note=note)


def _enough(regions: Sequence[RegionOutcome]) -> bool:
    return len(regions) >= FEWEST_REGIONS and len({one.group for one in regions}) >= _FOLDS


def _name(defect_class: DefectClass) -> str:
    return f"class {defect_class.id} ({defect_class.name})"


def _cross_fitted(probability: Float64, outcome: Float64, groups: Sequence[str]) -> Float64:
    """Calibrate the regions of each fold by the curve of the others; groups stay whole."""
    fold = np.unique(np.array(groups), return_inverse=True)[1] % _FOLDS
    after = np.empty_like(probability)
    for number in range(_FOLDS):
        own = fold == number
        curve = fit_curve(probability[~own], outcome[~own])
        after[own] = [calibrated_probability(one, curve) for one in probability[own].tolist()]
    return after
