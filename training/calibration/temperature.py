"""Fit the gate's probabilities to the labels by temperature and shift, and measure their error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import chi2

from steeldefect.detection.gating import logit
from steeldefect.pictures.preprocessing import Float32
from training.calibration.curves import Reliability

BOUNDS = (0.05, 20.0)
"""Smallest and largest temperature."""

_LARGEST_SHIFT = 20.0
_CERTAIN = float(chi2.ppf(0.95, df=1))  # of a likelihood ratio
_BINS = 10
_DIGITS = 4

Bools = npt.NDArray[np.bool_]


class Scale(NamedTuple):
    """How logits are calibrated: divided by `temperature`, then `shift` is added."""

    temperature: float
    shift: float = 0.0


def fit_scale(probability: Float32, defective: Bools) -> Scale:
    """Compute the scale that minimises the mean negative log likelihood of the labels.

    There is a shift only if the likelihood says so with a confidence of 95% (likelihood ratio,
    Wilks, "The Large-Sample Distribution of the Likelihood Ratio", 1938). A gate that answers with
    its greatest place needs one: of many places, one answers high on clean pictures, too.

    The labels count as (N+ + 1) / (N+ + 2) and 1 / (N- + 2) instead of 1 and 0, after Platt,
    "Probabilistic Outputs for Support Vector Machines", 1999. Without this, a gate that separates a
    few pictures perfectly would get probabilities of 0 and 1.

    Args:
        probability: float32 (n,), raw probabilities of the model, finite.
        defective: bool (n,), the truth; both defective and clean pictures occur.

    Returns:
        Temperature within `BOUNDS`, and shift, rounded to four decimals. At the upper bound, no
        temperature fits: the answers do not depend on the truth, or are against it.

    Raises:
        ValueError: all pictures are of one kind.
    """
    positives = int(defective.sum())
    negatives = len(defective) - positives
    if not positives or not negatives:
        raise ValueError("a temperature needs both defective and clean pictures")
    logits = logit(probability)
    truth = np.where(defective, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(scaled: npt.NDArray[np.float64]) -> float:
        return float(np.mean(np.logaddexp(0.0, scaled) - truth * scaled))

    alone = minimize_scalar(
        lambda log_temperature: loss(logits / np.exp(log_temperature)),
        bounds=np.log(BOUNDS),
        method="bounded",
        options={"xatol": 1e-5},
    )

    def loss_and_slope(factors: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scaled = factors[0] * logits + factors[1]
        missing = np.exp(-np.logaddexp(0.0, -scaled)) - truth
        return loss(scaled), np.array([np.mean(missing * logits), np.mean(missing)])

    both = minimize(
        loss_and_slope,
        [1 / np.exp(alone.x), 0.0],
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / BOUNDS[1], 1 / BOUNDS[0]), (-_LARGEST_SHIFT, _LARGEST_SHIFT)],
    )
    if 2 * len(logits) * (alone.fun - both.fun) <= _CERTAIN:
        return Scale(round(float(np.exp(alone.x)), _DIGITS))
    return Scale(round(float(1 / both.x[0]), _DIGITS), round(float(both.x[1]), _DIGITS))


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
