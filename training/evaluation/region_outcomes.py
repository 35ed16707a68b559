"""Compare the mean probabilities of regions with the truth: their expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Novelty, Score
from steeldefect.detection.outline import Outline
from steeldefect.evaluation.metrics import OVERALL
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture

ERROR_NAME = "region_calibration_error"

_BINS = 15
_NO_RUNS = run_lengths.parse("")

Float64 = npt.NDArray[np.float64]


class RegionOutcome(NamedTuple):
    """A region that a detector found, and how far it is true.

    Attributes:
        class_id: class of the region.
        group: group of the picture.
        probability: mean probability of its pixels, as a row of `defects` states it.
        outcome: share of its pixels that belong to the true mask of the class, 0 to 1.
    """

    class_id: int
    group: str
    probability: float
    outcome: float


def region_outcomes(
    outline: Outline, picture: LabelledPicture, novelty: Novelty | None = None
) -> tuple[RegionOutcome, ...]:
    """Return the outcomes of the measured regions that count; none if no true mask is known.

    Args:
        outline: what a detector found on the picture.
        picture: the picture with its true masks.
        novelty: of the detector's manifest. Regions of its unknown are left out: no truth names
            them, and their probabilities are oddness.
    """
    if not picture.outlined:
        return ()
    return tuple(
        RegionOutcome(
            finding.defect_class.id,
            picture.group,
            region.mean_probability,
            run_lengths.overlap(region.runs, picture.runs.get(finding.defect_class.id, _NO_RUNS))
            / region.area,
        )
        for finding in outline.findings
        if novelty is None or finding.defect_class.id != novelty.unknown.id
        for region in finding.regions
    )


def calibration_error(probability: Float64, outcome: Float64) -> float:
    """Compute the expected calibration error of regions, in 15 bins of equal width.

    It is the mean of |mean probability - mean outcome| over the bins, weighted by regions (Naeini
    et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015; bins as in Guo
    et al., "On Calibration of Modern Neural Networks", 2017).

    Args:
        probability: float64 (n,), mean probabilities, 0 to 1; n is at least 1.
        outcome: float64 (n,), shares of true pixels, 0 to 1.
    """
    bins = np.minimum((probability * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, probability - outcome, _BINS)
    return float(np.abs(gaps).sum() / len(probability))


def region_score(regions: Sequence[RegionOutcome]) -> Score:
    """Return the score `region_calibration_error`; without regions, its value is None."""
    value = None
    if regions:
        probability = np.array([one.probability for one in regions], dtype=np.float64)
        outcome = np.array([one.outcome for one in regions], dtype=np.float64)
        value = calibration_error(probability, outcome)
    return Score(scope=OVERALL, name=ERROR_NAME, value=value, support=len(regions))
