"""What calibration looked at, as curves: for the training report. All on the validation part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GateCurve:
    """The gate at every threshold that changes anything; all arrays are float64 (n,).

    Attributes:
        threshold: ascending; on calibrated probabilities.
        recall: share of defective pictures at or above it.
        clean_recall: share of clean pictures below it.
        precision: share of defective pictures among those at or above it; 1 where there are none.
    """

    threshold: Float64
    recall: Float64
    clean_recall: Float64
    precision: Float64


@dataclass(frozen=True)
class Reliability:
    """How often a picture is defective, against what the gate says; one bin of pictures each.

    Attributes:
        probability: float64 (bins,), the mean probability of the bin's pictures; no empty bins.
        defective: float64 (bins,), the share of them that is defective.
        pictures: int64 (bins,).
        error: the expected calibration error, the mean distance of the two, weighted by pictures.
    """

    probability: Float64
    defective: Float64
    pictures: npt.NDArray[np.int64]
    error: float


@dataclass(frozen=True)
class ClassCurve:
    """One class at each pixel threshold tried, each with its best minimum area.

    Attributes:
        class_id: of the bundle.
        threshold: float64 (n,), ascending.
        objective: float64 (n,), what the search maximised.
        positives_dice: float64 (n,), mean Dice over pictures that show the class; NaN without.
        min_area: int64 (n,), pixels of the picture.
    """

    class_id: int
    threshold: Float64
    objective: Float64
    positives_dice: Float64
    min_area: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Curves:
    """Everything; None and empty where the bundle has no gate, or nothing was searched."""

    gate: GateCurve | None
    reliability_before: Reliability | None
    reliability_after: Reliability | None
    classes: tuple[ClassCurve, ...]
