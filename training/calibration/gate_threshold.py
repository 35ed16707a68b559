"""The gate's threshold for a target recall, and the confidence interval of that recall."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from steeldefect.pictures.preprocessing import Float32
from training.calibration.curves import GateCurve

Bools = npt.NDArray[np.bool_]


def choose_threshold(probability: Float32, defective: Bools, target_recall: float) -> float:
    """Compute the gate threshold that reaches a target recall.

    The deciding picture is the one with the lowest probability among the defective pictures that
    must pass. The threshold lies midway between its probability and the next lower probability of
    any picture (0 if there is none). This threshold stops the same pictures as the deciding
    probability itself. But rounding, or another precision of the same model, does not stop the
    deciding picture.

    Args:
        probability: float32 (n,), calibrated, finite.
        defective: bool (n,), the truth; at least one picture is defective.
        target_recall: share of defective pictures at or above the threshold, in (0, 1].

    Raises:
        ValueError: no picture is defective.
    """
    ranked = np.sort(probability[defective])[::-1]
    if not len(ranked):
        raise ValueError("no defective picture to choose a threshold on")
    recall = np.arange(1, len(ranked) + 1) / len(ranked)
    return midway_below(probability, float(ranked[np.argmax(recall >= target_recall)]))


def midway_below(probability: Float32, deciding: float) -> float:
    """Return the middle between a probability and the next lower one of any picture, or 0.

    Args:
        probability: float32 (n,), probabilities of all pictures.
        deciding: one of them: the lowest that must pass.
    """
    lower = probability[probability < np.float32(deciding)]
    below = float(lower.max()) if len(lower) else 0.0
    return (below + deciding) / 2


def recall_interval(passed: int, defective: int, confidence: float) -> tuple[float, float]:
    """Compute the exact binomial (Clopper-Pearson) interval of a share.

    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26, 1934.

    Args:
        passed: number of defective pictures that pass.
        defective: number of defective pictures, at least 1.
        confidence: confidence of the interval, such as 0.95.

    Returns:
        Lower and upper limit, 0 to 1.
    """
    interval = binomtest(passed, defective).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def gate_curve(probability: Float32, defective: Bools) -> GateCurve:
    """Compute the gate's figures at each probability that occurs, ascending.

    A share of no pictures is 1.

    Args:
        probability: float32 (n,), calibrated, finite.
        defective: bool (n,), the truth.
    """
    threshold = np.unique(probability)
    positives, negatives = np.sort(probability[defective]), np.sort(probability[~defective])
    caught = len(positives) - np.searchsorted(positives, threshold, side="left")
    stopped = np.searchsorted(negatives, threshold, side="left")
    passed = caught + len(negatives) - stopped
    return GateCurve(
        threshold=threshold.astype(np.float64),
        recall=_share(caught, len(positives)),
        clean_recall=_share(stopped, len(negatives)),
        precision=_share(caught, passed),
    )


def _share(
    part: npt.NDArray[np.int64], whole: int | npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    wholes = np.broadcast_to(np.asarray(whole, dtype=np.float64), part.shape)
    return np.divide(part, wholes, out=np.ones(part.shape), where=wholes > 0)
