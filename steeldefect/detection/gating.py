"""What a gate's answer means: its temperature, who passes, and what a soft gate adds to areas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Gate, GateMode
from steeldefect.pictures.preprocessing import Float32

Float64 = npt.NDArray[np.float64]

CLIP = 1e-7
"""Logits are taken of probabilities within [CLIP, 1 - CLIP]: about -16.1 to 16.1.

Keras' binary cross-entropy clips alike; in float32 the sigmoid is 1 from there on anyway.
"""


def logit(probability: Float32) -> Float64:
    """Give log(p / (1 - p)) as float64, `probability` clipped as `CLIP` says; NaN stays NaN."""
    inside = np.clip(probability.astype(np.float64), CLIP, 1 - CLIP)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def temper(probability: Float32, temperature: float) -> Float32:
    """Calibrate a gate's answers: sigmoid(logit(p) / temperature), which keeps their order.

    Temperature scaling, Guo et al., "On Calibration of Modern Neural Networks", 2017.

    Args:
        probability: float32 (n,), the model's own; NaN stays NaN.
        temperature: above 0; at 1 the answers come back as they are, not even clipped.

    Returns:
        float32 (n,).
    """
    if temperature == 1:
        return probability
    with np.errstate(invalid="ignore"):  # NaN is an answer that callers look for
        # sigmoid(z) as exp(-log(1 + exp(-z))): nothing overflows at small temperatures
        tempered = np.exp(-np.logaddexp(0.0, -logit(probability) / temperature))
    return np.asarray(tempered, dtype=np.float32)


def passes(gate: Gate, probability: Float32) -> npt.NDArray[np.bool_]:
    """Tell which pictures go on to the segmenter: bool (n,).

    Mode hard: those at or above the threshold. Mode soft: all. NaN never passes.

    Args:
        gate: of the manifest.
        probability: float32 (n,), calibrated.
    """
    if gate.mode is GateMode.SOFT:
        return ~np.isnan(probability)
    return np.asarray(probability >= gate.threshold)


def added_area(gate: Gate, probability: Float32) -> npt.NDArray[np.int64]:
    """Tell by how much every class's least area is raised, in pixels of the picture.

    In mode soft, with p below the threshold: soft_area * (1 - p / threshold), rounded. Else 0.

    Args:
        gate: of the manifest.
        probability: float32 (n,), calibrated; NaN raises nothing.

    Returns:
        int64 (n,).
    """
    if gate.mode is GateMode.HARD or gate.threshold == 0:
        return np.zeros(len(probability), dtype=np.int64)
    missing = np.maximum(1 - probability.astype(np.float64) / gate.threshold, 0)
    return np.asarray(np.rint(gate.soft_area * np.nan_to_num(missing)), dtype=np.int64)
