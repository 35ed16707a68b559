"""Curves of the calibration, for the training report. All are of the validation part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GateCurve:
    """Figures of the gate at every threshold that gives another result; arrays float64 (n,).

    Attributes:
        threshold: thresholds on calibrated probabilities, ascending.
        recall: share of defective pictures at or above the threshold.
        clean_recall: share of clean pictures below the threshold.
        precision: share of defective pictures among the pictures at or above the threshold; 1 if
            there are none.
    """

    threshold: Float64
    recall: Float64
    clean_recall: Float64
    precision: Float64


@dataclass(frozen=True)
class Reliability:
    """Share of defective pictures against the gate's probability, in bins of pictures.

    Attributes:
        probability: float64 (bins,), mean probability of the pictures in a bin; no bin is empty.
        defective: float64 (bins,), share of the pictures in a bin that are defective.
        pictures: int64 (bins,), number of pictures in a bin.
        error: expected calibration error: mean of |probability - defective|, weighted by pictures.
    """

    probability: Float64
    defective: Float64
    pictures: npt.NDArray[np.int64]
    error: float


@dataclass(frozen=True)
class ClassCurve:
    """Figures of one class at each pixel threshold tried, with the best other values for each.

    These are its seed threshold, or none, and its minimum area.

    Attributes:
        class_id: id of the class in the bundle.
        threshold: float64 (n,), pixel thresholds, ascending.
        objective: float64 (n,), the objective that the search maximises.
        positives_dice: float64 (n,), mean Dice over pictures that show the class; NaN if no
            picture does.
        min_area: int64 (n,), minimum area in pixels of the picture.
    """

    class_id: int
    threshold: Float64
    objective: Float64
    positives_dice: Float64
    min_area: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Curves:
    """All curves of a calibration.

    Fields of the gate are None for a bundle without a gate. `classes` holds the searched classes.
    """

    gate: GateCurve | None
    reliability_before: Reliability | None
    reliability_after: Reliability | None
    classes: tuple[ClassCurve, ...]
