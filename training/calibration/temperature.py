"""Temperature scaling: fit the gate's probabilities to the labels, and measure their error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from steeldefect.detection.gating import logit
from steeldefect.pictures.preprocessing import Float32
from training.calibration.curves import Reliability

BOUNDS = (0.05, 20.0)
"""Smallest and largest temperature."""

_BINS = 10
_DIGITS = 4

Bools = npt.NDArray[np.bool_]


def fit_temperature(probability: Float32, defective: Bools) -> float:
    """Compute the temperature that minimises the mean negative log likelihood of the labels.

    Temperature scaling, Guo et al., "On Calibration of Modern Neural Networks", 2017. The labels
    count as (N+ + 1) / (N+ + 2) and 1 / (N- + 2) instead of 1 and 0, after Platt, "Probabilistic
    Outputs for Support Vector Machines", 1999. Without this, a gate that separates a few pictures
    perfectly would get probabilities of 0 and 1.

    Args:
        probability: float32 (n,), raw probabilities of the model, finite.
        defective: bool (n,), the truth; both defective and clean pictures occur.

    Returns:
        Temperature within `BOUNDS`, rounded to four decimals. At the upper bound, no temperature
        fits: the answers do not depend on the truth, or all lie on one side of 0.5 (a temperature
        never moves an answer across 0.5).

    Raises:
        ValueError: all pictures are of one kind.
    """
    positives = int(defective.sum())
    negatives = len(defective) - positives
    if not positives or not negatives:
        raise ValueError("a temperature needs both defective and clean pictures")
    logits = logit(probability)
    truth = np.where(defective, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        tempered = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, tempered) - truth * tempered))

    found = minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded", options={"xatol": 1e-5})
    return round(float(np.exp(found.x)), _DIGITS)


def reliability(probability: Float32, defective: Bools) -> Reliability:
    """Compute the share of defective pictures against the gate's probability, in bins.

    There are at most ten bins of about equal numbers of pictures; equal probabilities are in the
    same bin (adaptive binning, Nguyen and O'Connor, "Posterior calibration and exploratory
    analysis for natural language processing models", 2015). The error is the expected calibration
    error, Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015.

    Args:
        probability: float32 (n,), finite; n is at least 1.
        defective: bool (n,), the truth.
    """
    order = np.argsort(probability, kind="stable")
    ranked = probability[order].astype(np.float64)
    places = np.linspace(0, len(ranked), _BINS, endpoint=False).astype(np.int64)
    starts = np.unique(np.searchsorted(ranked, ranked[places], side="left"))
    pictures = np.diff(np.append(starts, len(ranked)))
    said = np.add.reduceat(ranked, starts) / pictures
    seen = np.add.reduceat(defective[order].astype(np.float64), starts) / pictures
    error = float(np.average(np.abs(said - seen), weights=pictures))
    return Reliability(said, seen, pictures, error)
