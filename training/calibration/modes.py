"""Choose between a hard and a soft gate. The values of the classes are searched for each mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steeldefect.bundle.manifest import Gate, GateMode
from steeldefect.pictures.preprocessing import Float32
from training.calibration.search import TOLERANCE, Searched, keep, search
from training.calibration.sweep import ClassSweep, gate_effect
from training.recipe import AreaObjective, GateModes

AREA_SHARES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)
"""Soft areas to try, as shares of a picture: 0 is like no gate, 1 is almost a hard gate."""

_OBJECTIVE = AreaObjective.BALANCED  # for comparing modes where classes are not searched


@dataclass(frozen=True)
class Mode:
    """A gate with the values of the classes for it; `gate` is None for a bundle without a gate."""

    gate: Gate | None
    searched: Searched


def choose_mode(
    sweeps: Sequence[ClassSweep],
    gate: Gate | None,
    probability: Float32,
    pixels: int,
    modes: GateModes,
    objective: AreaObjective | None,
) -> tuple[Mode, str]:
    """Choose the gate's mode and soft area, and the values of all classes for them.

    `best` chooses the soft gate only if the objective over all pairs grows by more than
    `TOLERANCE`, because a soft gate costs more: it lets every picture be segmented.

    Args:
        sweeps: sweeps of all classes, over the same n outlined pictures.
        gate: gate with chosen threshold and temperature; None for a bundle without a gate.
        probability: float32 (n,), calibrated probabilities of these pictures.
        pixels: number of pixels of a typical picture.
        modes: modes that may be chosen.
        objective: objective to maximise. None keeps the values of the classes; modes are then
            compared by `balanced`.

    Returns:
        The mode, and a note with the objective of each mode; the note is empty if only one mode
        is possible.
    """
    if gate is None:
        return _mode(sweeps, None, probability, objective), ""
    hard = _mode(sweeps, _hard(gate), probability, objective)
    if modes is GateModes.HARD:
        return hard, ""
    soft = _best_soft(sweeps, gate, probability, pixels, objective)
    gains = soft.searched.value > hard.searched.value + TOLERANCE
    chosen = soft if modes is GateModes.SOFT or gains else hard
    return chosen, _note(hard, soft, objective)


def _best_soft(
    sweeps: Sequence[ClassSweep],
    gate: Gate,
    probability: Float32,
    pixels: int,
    objective: AreaObjective | None,
) -> Mode:
    """Return the mode with the smallest soft area within `TOLERANCE` of the best."""
    areas = [round(share * pixels) for share in AREA_SHARES]
    found = [_mode(sweeps, _soft(gate, area), probability, objective) for area in areas]
    values = [mode.searched.value for mode in found if not math.isnan(mode.searched.value)]
    least = max(values, default=math.inf) - TOLERANCE
    return next((mode for mode in found if mode.searched.value >= least), found[0])


def _mode(
    sweeps: Sequence[ClassSweep],
    gate: Gate | None,
    probability: Float32,
    objective: AreaObjective | None,
) -> Mode:
    effect = gate_effect(gate, probability)
    if objective is None:
        return Mode(gate, keep(sweeps, effect, _OBJECTIVE))
    return Mode(gate, search(sweeps, effect, objective))


def _hard(gate: Gate) -> Gate:
    return gate.model_copy(update={"mode": GateMode.HARD, "soft_area": 0})


def _soft(gate: Gate, area: int) -> Gate:
    return gate.model_copy(update={"mode": GateMode.SOFT, "soft_area": area})


def _note(hard: Mode, soft: Mode, objective: AreaObjective | None) -> str:
    area = 0 if soft.gate is None else soft.gate.soft_area
    return (
        f"gate modes by {(objective or _OBJECTIVE).value} on the validation part: "
        f"hard {hard.searched.value:.4f}, soft {soft.searched.value:.4f} (soft area {area})"
    )
