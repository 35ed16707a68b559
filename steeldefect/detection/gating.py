"""Apply a gate: calibrate its probabilities, choose the pictures that pass, raise minimum areas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Gate, GateMode
from steeldefect.pictures.preprocessing import Float32

Float64 = npt.NDArray[np.float64]

CLIP = 1e-7
"""`logit` clips probabilities to [CLIP, 1 - CLIP], so logits lie between about -16.1 and 16.1.

Keras' binary cross-entropy clips in the same way. In float32 the sigmoid is 1 from about 17 on.
"""


def logit(probability: Float32) -> Float64:
    """Compute log(p / (1 - p)) as float64, with `probability` clipped by `CLIP`; NaN stays NaN."""
    inside = np.clip(probability.astype(np.float64), CLIP, 1 - CLIP)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def temper(probability: Float32, temperature: float, shift: float = 0.0) -> Float32:
    """Compute calibrated probabilities: sigmoid(logit(p) / temperature + shift).

    Their order stays. Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks",
    2017. With a shift: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.

    Args:
        probability: float32 (n,), output of the model; NaN stays NaN.
        temperature: above 0. At 1 and without a shift, the probabilities are returned unchanged,
            not even clipped.
        shift: added to the logit.

    Returns:
        float32 (n,).
    """
    if temperature == 1 and not shift:
        return probability
    with np.errstate(invalid="ignore"):  # callers look for NaN
        # sigmoid(z) as exp(-log(1 + exp(-z))): nothing overflows at small temperatures
        tempered = np.exp(-np.logaddexp(0.0, -logit(probability) / temperature - shift))
    return np.asarray(tempered, dtype=np.float32)


def reaches_threshold(gate: Gate, probability: Float32) -> npt.NDArray[np.bool_]:
    """Return which pictures are at or above the gate's threshold, whatever its mode: bool (n,).

    Compared as float32, the threshold rounded to it. NaN never reaches a threshold.

    Args:
        gate: of the manifest.
        probability: float32 (n,), calibrated.
    """
    return np.asarray(probability >= np.float32(gate.threshold))


def passes(gate: Gate, probability: Float32) -> npt.NDArray[np.bool_]:
    """Return which pictures go to the segmenter: bool (n,).

    Mode hard: those at or above the threshold. Mode soft: all. NaN never passes.

    Args:
        gate: gate of the manifest.
        probability: float32 (n,), calibrated.
    """
    if gate.mode is GateMode.SOFT:
        return ~np.isnan(probability)
    return reaches_threshold(gate, probability)


def added_area(gate: Gate, probability: Float32) -> npt.NDArray[np.int64]:
    """Compute the area that is added to every class's minimum area, in pixels of the picture.

    In mode soft, with p below the threshold: soft_area * (1 - p / threshold), rounded. Else 0.

    Args:
        gate: gate of the manifest.
        probability: float32 (n,), calibrated; NaN adds 0.

    Returns:
        int64 (n,).
    """
    if gate.mode is GateMode.HARD or gate.threshold == 0:
        return np.zeros(len(probability), dtype=np.int64)
    missing = np.maximum(1 - probability.astype(np.float64) / gate.threshold, 0)
    return np.asarray(np.rint(gate.soft_area * np.nan_to_num(missing)), dtype=np.int64)
