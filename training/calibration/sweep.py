"""The sweep of a class as arrays: findings and Dice by thresholds, minimum area and gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """The effect of a gate on n pictures.

    Attributes:
        stopped: bool (n,), the picture is not segmented.
        added: int64 (n,), pixels of the picture that are added to the minimum area of every class.
    """

    stopped: Bools
    added: Int64


@dataclass(frozen=True)
class ClassSweep:
    """Pixel counts of one class on n outlined pictures with t pairs of thresholds.

    Areas are in pixels of the picture. Pairs without a seed threshold come first, by ascending
    pixel threshold.

    Attributes:
        defect_class: class of the draft manifest.
        thresholds: float64 (t,), pixel threshold of each pair.
        seeds: float64 (t,), its seed threshold; NaN if it has none.
        area: int64 (n, t), pixels found.
        tp: int64 (n, t), pixels found that are true.
        truth: int64 (n,), true pixels.
    """

    defect_class: DefectClass
    thresholds: Float64
    seeds: Float64
    area: Int64
    tp: Int64
    truth: Int64

    @property
    def plain(self) -> Float64:
        """The pixel thresholds of the pairs without a seed threshold, ascending."""
        return self.thresholds[np.isnan(self.seeds)]

    def seed(self, place: int) -> float | None:
        """Return the seed threshold of a pair; None if it has none."""
        return None if np.isnan(self.seeds[place]) else float(self.seeds[place])

    @property
    def positive(self) -> Bools:
        """Pictures that show the class: bool (n,)."""
        return self.truth > 0

    def place_of(self, one: DefectClass) -> int:
        """Return the column of the thresholds of a class.

        Raises:
            ValueError: the sweep does not have these thresholds.
        """
        seed = np.nan if one.seed_threshold is None else one.seed_threshold
        same_seed = (self.seeds == seed) | (np.isnan(self.seeds) & np.isnan(seed))
        (places,) = np.nonzero((self.thresholds == one.pixel_threshold) & same_seed)
        if not len(places):
            raise ValueError(
                f"thresholds {one.pixel_threshold} and {one.seed_threshold} were not swept"
            )
        return int(places[0])

    def found(self, place: int, min_area: int, effect: GateEffect) -> Bools:
        """Return the pictures on which the class is reported: bool (n,)."""
        area = self.area[:, place]
        return (area > 0) & (area >= min_area + effect.added) & ~effect.stopped

    def caught(self, place: int, min_area: int, effect: GateEffect) -> Bools:
        """Return the pictures on which a pixel that is reported is true: bool (n,)."""
        return self.found(place, min_area, effect) & (self.tp[:, place] > 0)

    def only(self, pictures: Bools) -> ClassSweep:
        """Return the counts of some of the pictures; `pictures` is bool (n,)."""
        return replace(
            self, area=self.area[pictures], tp=self.tp[pictures], truth=self.truth[pictures]
        )

    def dice(self, place: int, min_area: int, effect: GateEffect) -> Float64:
        """Compute Dice of each picture as in `steeldefect.evaluation.metrics`: float64 (n,)."""
        total = (self.area[:, place] + self.truth).astype(np.float64)
        overlap = np.divide(
            2.0 * self.tp[:, place], total, out=np.ones_like(total), where=total > 0
        )
        without_finding = (~self.positive).astype(np.float64)
        return np.where(self.found(place, min_area, effect), overlap, without_finding)


def class_sweeps(sweep: pd.DataFrame, classes: Sequence[DefectClass]) -> list[ClassSweep]:
    """Split the table `Measured.sweep` by class, in the order of `classes`."""
    pairs = sweep[["threshold", "seed"]].drop_duplicates()
    thresholds, seeds = (pairs[name].to_numpy(dtype=np.float64) for name in pairs)
    sweeps = []
    for one in classes:
        rows = sweep[sweep["class_id"] == one.id]
        # the table is in the order of pictures, then pairs of thresholds
        area, tp, truth = (
            rows[name].to_numpy(dtype=np.int64).reshape(-1, max(len(pairs), 1))
            for name in ("area", "tp", "truth")
        )
        sweeps.append(ClassSweep(one, thresholds, seeds, area, tp, truth[:, 0]))
    return sweeps


def gate_effect(gate: Gate | None, probability: Float32) -> GateEffect:
    """Compute the effect of a gate on pictures.

    Args:
        gate: calibrated gate; None has no effect.
        probability: float32 (n,), calibrated probabilities of the pictures.
    """
    if gate is None:
        nothing = np.zeros(len(probability), dtype=np.int64)
        return GateEffect(nothing.astype(bool), nothing)
    return GateEffect(~gating.passes(gate, probability), gating.added_area(gate, probability))


def objective_value(dice: Float64, positive: Bools, objective: AreaObjective) -> float:
    """Compute the objective from Dice of pairs; NaN if no pair counts.

    `balanced` is the mean of two means: pairs with truth, and pairs without. A half without any
    pair is left out.

    Args:
        dice: float64 (n,), Dice of each pair.
        positive: bool (n,), the pair has truth.
        objective: objective to compute.
    """
    if objective is AreaObjective.MEAN_DICE:
        parts = [dice]
    elif objective is AreaObjective.POSITIVES_DICE:
        parts = [dice[positive]]
    else:
        parts = [dice[positive], dice[~positive]]
    means = [float(part.mean()) for part in parts if len(part)]
    return sum(means) / len(means) if means else float("nan")
