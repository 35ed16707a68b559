"""Calibrates the gate: first its temperature, then the threshold on calibrated probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Gate
from steeldefect.detection.gating import reaches_threshold, temper
from steeldefect.pictures.preprocessing import Float32
from training.calibration.curves import GateCurve, Reliability
from training.calibration.gate_threshold import choose_threshold, gate_curve, recall_interval
from training.calibration.temperature import BOUNDS, fit_temperature, reliability
from training.recipe import Calibrate

CONFIDENCE = 0.95
"""Of the interval of the gate's recall."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CalibratedGate:
    """A gate with temperature and threshold, and what it does on the pictures they come from.

    Attributes:
        gate: None for a bundle without a gate; then the other fields are None or empty, too.
        probability: float32 (n,), calibrated; NaN without a gate.
        recall: share of defective pictures at or above the threshold; None where there are none.
        interval: of the recall, at `CONFIDENCE`.
        curve: the gate at every threshold.
        before: reliability of the model's own probabilities.
        after: reliability at the temperature; None where none was fitted.
        notes: what a reader of the bundle should know.
    """

    gate: Gate | None
    probability: Float32
    recall: float | None = None
    interval: tuple[float, float] | None = None
    curve: GateCurve | None = None
    before: Reliability | None = None
    after: Reliability | None = None
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[float, float] | None:
        """Expected calibration error before and after the temperature."""
        if self.before is None:
            return None
        return self.before.error, (self.after or self.before).error


def calibrate_gate(
    gate: Gate | None, raw: Float32, defective: Bools, settings: Calibrate
) -> CalibratedGate:
    """Choose temperature and threshold, as far as the settings ask for it and the pictures allow.

    Args:
        gate: of the draft; None for a bundle without.
        raw: float32 (n,), the model's own probabilities, finite; at least one.
        defective: bool (n,), the truth.
        settings: the recipe's.
    """
    if gate is None:
        return CalibratedGate(None, raw)
    temperature, heat_notes = _temperature(raw, defective, settings)
    probability = temper(raw, temperature)
    threshold, cut_notes = _threshold(gate, probability, defective, settings)
    if settings.gate_recall is None and temperature != 1:
        cut_notes += (
            f"gate.threshold {threshold} was not chosen by a recall; it now cuts probabilities "
            f"calibrated by temperature {temperature}",
        )
    chosen = gate.model_copy(update={"threshold": threshold, "temperature": temperature})
    passed = reaches_threshold(chosen, probability)[defective]
    some = len(passed) > 0
    return CalibratedGate(
        gate=chosen,
        probability=probability,
        recall=float(passed.mean()) if some else None,
        interval=recall_interval(int(passed.sum()), len(passed), CONFIDENCE) if some else None,
        curve=gate_curve(probability, defective),
        before=reliability(raw, defective),
        after=reliability(probability, defective) if settings.temperature else None,
        notes=heat_notes + cut_notes,
    )


def _temperature(
    raw: Float32, defective: Bools, settings: Calibrate
) -> tuple[float, tuple[str, ...]]:
    if not settings.temperature:
        return 1.0, ()
    if defective.all() or not defective.any():
        kind = "defective" if defective.all() else "clean"
        return 1.0, (f"gate temperature stays 1: all {len(raw)} validation pictures are {kind}",)
    temperature = fit_temperature(raw, defective)
    if temperature > 0.99 * BOUNDS[1]:
        note = (
            "gate temperature stays 1: no temperature fits its answers to the labels; they rank "
            "pictures, but do not count as probabilities"
        )
        return 1.0, (note,)
    before = reliability(raw, defective).error
    after = reliability(temper(raw, temperature), defective).error
    if after > before:
        note = (
            f"gate temperature stays 1: {temperature}, the likeliest, would raise the calibration "
            f"error on {len(raw)} validation pictures from {before:.3f} to {after:.3f}"
        )
        return 1.0, (note,)
    return temperature, ()


def _threshold(
    gate: Gate, probability: Float32, defective: Bools, settings: Calibrate
) -> tuple[float, tuple[str, ...]]:
    if settings.gate_recall is None:
        return gate.threshold, ()
    if not defective.any():
        note = f"gate.threshold stays {gate.threshold}: no validation picture is defective"
        return gate.threshold, (note,)
    return choose_threshold(probability, defective, settings.gate_recall), ()
