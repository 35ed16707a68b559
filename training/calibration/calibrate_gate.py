"""Calibrate the gate: first the temperature, then the threshold on calibrated probabilities."""

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
"""Confidence of the interval of the gate's recall."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CalibratedGate:
    """A calibrated gate, with its figures on the validation pictures.

    Attributes:
        gate: gate with temperature and threshold. None for a bundle without a gate: all other
            fields but `probability` are then None or empty.
        probability: float32 (n,), calibrated; NaN without a gate.
        recall: share of defective pictures at or above the threshold; None without defective
            pictures.
        interval: interval of the recall, at `CONFIDENCE`.
        curve: figures of the gate at every threshold.
        before: reliability of the model's raw probabilities.
        after: reliability of the calibrated probabilities; None if no temperature is asked for.
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
        """Expected calibration error before and after the temperature."""
        if self.before is None:
            return None
        return self.before.error, (self.after or self.before).error


def calibrate_gate(
    gate: Gate | None, raw: Float32, defective: Bools, settings: Calibrate
) -> CalibratedGate:
    """Choose the temperature and the threshold of a gate.

    A value stays as it is if the settings do not ask for it, or if the pictures cannot support a
    choice. A note then gives the reason.

    Args:
        gate: gate of the draft manifest; None for a bundle without a gate.
        raw: float32 (n,), raw probabilities of the model, finite; n is at least 1.
        defective: bool (n,), the truth.
        settings: calibration settings of the recipe.
    """
    if gate is None:
        return CalibratedGate(None, raw)
    temperature, heat_notes = _temperature(raw, defective, settings)
    probability = temper(raw, temperature)
    threshold, cut_notes = _threshold(gate, probability, defective, settings)
    if settings.gate_recall is None and settings.guarantee is None and temperature != 1:
        cut_notes += (
            f"gate.threshold {threshold} was not chosen by a recall; it is now compared with "
            f"probabilities calibrated by temperature {temperature}",
        )
    chosen = gate.model_copy(update={"threshold": threshold, "temperature": temperature})
    return measure_gate(chosen, raw, defective, settings, heat_notes + cut_notes)


def measure_gate(
    gate: Gate | None,
    raw: Float32,
    defective: Bools,
    settings: Calibrate,
    notes: tuple[str, ...] = (),
) -> CalibratedGate:
    """Compute the figures of a gate whose temperature and threshold are chosen.

    Args:
        gate: gate with temperature and threshold; None for a bundle without a gate.
        raw: float32 (n,), raw probabilities of the model, finite; n is at least 1.
        defective: bool (n,), the truth.
        settings: calibration settings of the recipe.
        notes: notes for a reader of the bundle.
    """
    if gate is None:
        return CalibratedGate(None, raw, notes=notes)
    probability = temper(raw, gate.temperature)
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
            "gate temperature stays 1: no temperature fits the gate's answers to the labels; use "
            "them to rank pictures, not as probabilities"
        )
        return 1.0, (note,)
    before = reliability(raw, defective).error
    after = reliability(temper(raw, temperature), defective).error
    if after > before:
        note = (
            f"gate temperature stays 1: the fitted {temperature} would raise the calibration error "
            f"on {len(raw)} validation pictures from {before:.3f} to {after:.3f}"
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
