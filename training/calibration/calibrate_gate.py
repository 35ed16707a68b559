"""Calibrate the gate: first its scale, then the threshold on calibrated probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.bundle.manifest import Gate
from steeldefect.detection.gating import reaches_threshold, temper
from steeldefect.pictures.preprocessing import Float32
from training.calibration.curves import GateCurve, Reliability
from training.calibration.gate_threshold import choose_threshold, gate_curve, recall_interval
from training.calibration.temperature import BOUNDS, Scale, fit_scale, reliability
from training.recipe import Calibrate

CONFIDENCE = 0.95
"""Confidence of the interval of the gate's recall."""

_UNCHANGED = Scale(1.0)

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CalibratedGate:
    """A calibrated gate, with its figures on the validation pictures.

    Attributes:
        gate: gate with scale and threshold. None for a bundle without a gate: all other
            fields but `probability` are then None or empty.
        probability: float32 (n,), calibrated; NaN without a gate.
        recall: share of defective pictures at or above the threshold; None without defective
            pictures.
        interval: interval of the recall, at `CONFIDENCE`.
        curve: figures of the gate at every threshold.
        before: reliability of the model's raw probabilities.
        after: reliability of the calibrated probabilities; None if no calibration is asked for.
        notes: notes for a reader of the bundle.
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
        """Expected calibration error before and after the calibration."""
        if self.before is None:
            return None
        return self.before.error, (self.after or self.before).error


def calibrate_gate(
    gate: Gate | None,
    raw: Float32,
    defective: Bools,
    settings: Calibrate,
    least: Float32 | None = None,
) -> CalibratedGate:
    """Choose temperature, shift and threshold of a gate.

    A value stays as it is if the settings do not ask for it, or if the pictures cannot support a
    choice. A note then gives the reason.

    Args:
        gate: gate of the draft manifest; None for a bundle without a gate.
        raw: float32 (n,), raw probabilities of the model, finite; n is at least 1.
        defective: bool (n,), the truth.
        settings: calibration settings of the recipe.
        least: float32 (n,), lowest raw probability of all forms of the model, by which the
            threshold is chosen; None: `raw`.
    """
    if gate is None:
        return CalibratedGate(None, raw)
    scale, scale_notes = _scale(raw, defective, settings)
    lowest = temper(raw if least is None else least, *scale)
    threshold, cut_notes = _threshold(gate, lowest, defective, settings)
    if settings.gate_recall is None and settings.guarantee is None and scale != _UNCHANGED:
        cut_notes += (
            f"gate.threshold {threshold} was not chosen by a recall; it is now compared with "
            f"probabilities calibrated by temperature {scale.temperature} and shift {scale.shift}",
        )
    chosen = gate.model_copy(update={"threshold": threshold} | scale._asdict())
    return measure_gate(chosen, raw, defective, settings, scale_notes + cut_notes)


def measure_gate(
    gate: Gate | None,
    raw: Float32,
    defective: Bools,
    settings: Calibrate,
    notes: tuple[str, ...] = (),
) -> CalibratedGate:
    """Compute the figures of a gate whose scale and threshold are chosen.

    Args:
        gate: gate with scale and threshold; None for a bundle without a gate.
        raw: float32 (n,), raw probabilities of the model, finite; n is at least 1.
        defective: bool (n,), the truth.
        settings: calibration settings of the recipe.
        notes: notes for a reader of the bundle.
    """
    if gate is None:
        return CalibratedGate(None, raw, notes=notes)
    probability = temper(raw, gate.temperature, gate.shift)
    passed = reaches_threshold(gate, probability)[defective]
    some = len(passed) > 0
    return CalibratedGate(
        gate=gate,
        probability=probability,
        recall=float(passed.mean()) if some else None,
        interval=recall_interval(int(passed.sum()), len(passed), CONFIDENCE) if some else None,
        curve=gate_curve(probability, defective),
        before=reliability(raw, defective),
        after=reliability(probability, defective) if settings.temperature else None,
        notes=notes,
    )


def _scale(raw: Float32, defective: Bools, settings: Calibrate) -> tuple[Scale, tuple[str, ...]]:
    if not settings.temperature:
        return _UNCHANGED, ()
    if defective.all() or not defective.any():
        kind = "defective" if defective.all() else "clean"
        return _UNCHANGED, (
            f"gate temperature stays 1: all {len(raw)} validation pictures are {kind}",
        )
    scale = fit_scale(raw, defective)
    if scale.temperature > 0.99 * BOUNDS[1]:
        note = (
            "gate temperature stays 1: no temperature fits the gate's answers to the labels; use "
            "them to rank pictures, not as probabilities"
        )
        return _UNCHANGED, (note,)
    before = reliability(raw, defective).error
    after = reliability(temper(raw, *scale), defective).error
    if after > before:
        note = (
            f"gate temperature stays 1: the fitted {scale.temperature} would raise the calibration "
            f"error on {len(raw)} validation pictures from {before:.3f} to {after:.3f}"
        )
        return _UNCHANGED, (note,)
    return scale, ()


def _threshold(
    gate: Gate, probability: Float32, defective: Bools, settings: Calibrate
) -> tuple[float, tuple[str, ...]]:
    if settings.gate_recall is None:
        return gate.threshold, ()
    if not defective.any():
        note = f"gate.threshold stays {gate.threshold}: no validation picture is defective"
        return gate.threshold, (note,)
    return choose_threshold(probability, defective, settings.gate_recall), ()
