"""A class's sweep as arrays, and what a choice of threshold, least area and gate makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.bundle.manifest import DefectClass, Gate
from steeldefect.detection import gating
from steeldefect.pictures.preprocessing import Float32
from training.recipe import AreaObjective

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GateEffect:
    """What a gate does to n pictures.

    Attributes:
        stopped: bool (n,), not segmented at all.
        added: int64 (n,), what every class's least area is raised by, in pixels of the picture.
    """

    stopped: Bools
    added: Int64


@dataclass(frozen=True)
class ClassSweep:
    """One class on n outlined pictures, cut at t pixel thresholds; areas in pixels of the picture.

    Attributes:
        defect_class: as in the draft.
        thresholds: float64 (t,), ascending.
        area: int64 (n, t), found.
        tp: int64 (n, t), found and true.
        truth: int64 (n,), true.
    """

    defect_class: DefectClass
    thresholds: Float64
    area: Int64
    tp: Int64
    truth: Int64

    @property
    def positive(self) -> Bools:
        """Which pictures show the class: bool (n,)."""
        return self.truth > 0

    def place_of(self, threshold: float) -> int:
        """Find a threshold's column.

        Raises:
            ValueError: the sweep does not have it.
        """
        (places,) = np.nonzero(self.thresholds == threshold)
        if not len(places):
            raise ValueError(f"threshold {threshold} was not swept; got {self.thresholds.tolist()}")
        return int(places[0])

    def found(self, place: int, min_area: int, effect: GateEffect) -> Bools:
        """Tell on which pictures the class is reported: bool (n,)."""
        area = self.area[:, place]
        return (area > 0) & (area >= min_area + effect.added) & ~effect.stopped

    def dice(self, place: int, min_area: int, effect: GateEffect) -> Float64:
        """Give Dice of each picture, float64 (n,), as `steeldefect.analysis.metrics` counts it."""
        total = (self.area[:, place] + self.truth).astype(np.float64)
        overlap = np.divide(
            2.0 * self.tp[:, place], total, out=np.ones_like(total), where=total > 0
        )
        missed = (~self.positive).astype(np.float64)
        return np.where(self.found(place, min_area, effect), overlap, missed)


def class_sweeps(sweep: pd.DataFrame, classes: Sequence[DefectClass]) -> list[ClassSweep]:
    """Take the table of `Measured` apart, class by class, in the order of `classes`."""
    thresholds = np.unique(sweep["threshold"].to_numpy(dtype=np.float64))
    sweeps = []
    for one in classes:
        rows = sweep[sweep["class_id"] == one.id]
        # the table is in the order of pictures, then thresholds
        area, tp, truth = (
            rows[name].to_numpy(dtype=np.int64).reshape(-1, max(len(thresholds), 1))
            for name in ("area", "tp", "truth")
        )
        sweeps.append(ClassSweep(one, thresholds, area, tp, truth[:, 0]))
    return sweeps


def gate_effect(gate: Gate | None, probability: Float32) -> GateEffect:
    """Work out what a gate does to pictures with these calibrated probabilities, float32 (n,)."""
    if gate is None:
        nothing = np.zeros(len(probability), dtype=np.int64)
        return GateEffect(nothing.astype(bool), nothing)
    return GateEffect(~gating.passes(gate, probability), gating.added_area(gate, probability))


def objective_value(dice: Float64, positive: Bools, objective: AreaObjective) -> float:
    """Sum up Dice of pairs, float64 (n,), as the objective says.

    `positive`, bool (n,): the pair has truth. Of `balanced`, a half without any pair is left out;
    NaN where nothing is left.
    """
    if objective is AreaObjective.MEAN_DICE:
        parts = [dice]
    elif objective is AreaObjective.POSITIVES_DICE:
        parts = [dice[positive]]
    else:
        parts = [dice[positive], dice[~positive]]
    means = [float(part.mean()) for part in parts if len(part)]
    return sum(means) / len(means) if means else float("nan")
