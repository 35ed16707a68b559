"""Recall and precision of the gate in a night, expected from its own probabilities: no labels.

If a probability p is calibrated, of the pictures with p a share p shows a defect. So the pictures
that passed hold sum(p) defective ones, and those that were stopped hold sum(p) misses. This is
confidence-based performance estimation (Bialek et al., "Estimating Model Performance Under
Covariate Shift Without Labels", 2024; Guo et al. 2017 for the calibration).

The assumption: the probabilities are calibrated on the pictures of this night, as they were on the
validation part. Where the pictures or the probabilities have drifted, nothing says so, and the
estimate is marked invalid. A kind of defect that the gate has never seen is not in any probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.errors import DataError
from steeldefect.watch.compare import DriftReport
from steeldefect.watch.quantities import GATE_PROBABILITY, PICTURE_QUANTITIES

CONFIDENCE = 0.95
_CELLS = 2000  # probabilities are drawn in cells of this grid: their means differ by 0 on the whole
_DRAWS = 2000
_SEED = 0

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GateExpectation:
    """What the gate's probabilities promise of one night.

    Attributes:
        pictures: pictures with a probability.
        found: expected number of defective pictures that passed.
        missed: expected number of defective pictures that were stopped.
        recall, precision: found / (found + missed), and found / passed; None if undefined.
        recall_interval, precision_interval: between the percentiles 2.5 and 97.5 of what labels
            drawn with these probabilities give (a Poisson-binomial distribution). They hold the
            chance in the labels alone, not an error of the calibration.
        valid: whether the assumption has stood its test.
        reason: why not; or what the test could not see. Empty if there is nothing to say.
    """

    pictures: int
    found: float
    missed: float
    recall: float | None
    recall_interval: tuple[float, float] | None
    precision: float | None
    precision_interval: tuple[float, float] | None
    valid: bool
    reason: str


def expect_gate(
    probabilities: npt.NDArray[np.floating], passed: npt.NDArray[np.bool_], report: DriftReport
) -> GateExpectation:
    """Compute the expected recall and precision of the gate.

    Args:
        probabilities: (pictures,), calibrated probabilities of a defect, 0 to 1; NaN if unknown.
        passed: bool (pictures,), whether the gate let each picture pass.
        report: the comparison of the same night with the reference.

    Raises:
        DataError: the arrays differ in length, or a probability is not between 0 and 1.
    """
    chances = np.asarray(probabilities, np.float64)
    if chances.shape != passed.shape or chances.ndim != 1:
        raise DataError(f"watch: {chances.shape} probabilities for {passed.shape} pictures")
    known = ~np.isnan(chances)
    chances, passed = chances[known], passed[known]
    if ((chances < 0) | (chances > 1)).any():
        raise DataError("watch: gate probabilities are between 0 and 1")
    reason, valid = _judge(len(chances), report)
    rng = np.random.default_rng(_SEED)
    found, missed = _drawn(rng, chances[passed]), _drawn(rng, chances[~passed])
    sums = float(chances[passed].sum()), float(chances[~passed].sum())
    count = int(passed.sum())
    return GateExpectation(
        len(chances),
        *sums,
        sums[0] / sum(sums) if sum(sums) > 0 else None,
        _interval(found, found + missed),
        sums[0] / count if count else None,
        _interval(found, np.full(_DRAWS, float(count))),
        valid,
        reason,
    )


def _judge(pictures: int, report: DriftReport) -> tuple[str, bool]:
    """Return why the estimate is invalid, or what is open, and whether it is valid."""
    if pictures == 0:
        return "no picture has a gate probability", False
    drifted = report.alarms_of((*PICTURE_QUANTITIES, GATE_PROBABILITY))
    if drifted:
        return f"calibration is in doubt: {drifted[0].sentence}", False
    if not report.compared(PICTURE_QUANTITIES):
        return "whether the pictures have changed is not known", False
    if not report.compared((GATE_PROBABILITY,)):
        return "the gate's probabilities themselves could not be compared", True
    return "", True


def _drawn(rng: np.random.Generator, chances: Float64) -> Float64:
    """Return numbers of defective pictures in draws of the labels, float64 (draws,).

    Pictures of one cell share their mean probability: the mean is exact, and the variance greater
    by less than the square of a cell's width for each picture.
    """
    if len(chances) == 0:
        return np.zeros(_DRAWS)
    cells = np.minimum((chances * _CELLS).astype(np.int64), _CELLS - 1)
    counts = np.bincount(cells, minlength=_CELLS)
    sums = np.bincount(cells, weights=chances, minlength=_CELLS)
    used = counts > 0
    means = np.clip(sums[used] / counts[used], 0, 1)
    return np.asarray(
        rng.binomial(counts[used], means, (_DRAWS, int(used.sum()))).sum(axis=1), float
    )


def _interval(top: Float64, bottom: Float64) -> tuple[float, float] | None:
    known = bottom > 0
    if not known.any():
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(top[known] / bottom[known], [tail, 1 - tail])
    return float(low), float(high)
