"""Pixel threshold and least area of each class, searched for on the validation part.

Two rules keep the answer robust. Of values that do nearly as well as the best, the plainest is
taken: the threshold nearest 0.5, the smallest least area. And a class that few pictures show
keeps the recipe's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steeldefect.bundle.manifest import DefectClass
from training.calibration.curves import ClassCurve
from training.calibration.sweep import ClassSweep, Float64, GateEffect, objective_value
from training.recipe import AreaObjective

FEWEST_PICTURES = 5
"""A class that fewer validation pictures show keeps the recipe's values."""

TOLERANCE = 0.001
"""What a plainer threshold, and again a smaller least area, may cost of the objective."""

_KEPT_MASKS = 0.95  # share of the true masks that no least area may exceed
_QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95, 1.0)  # of false findings' areas


@dataclass(frozen=True)
class Searched:
    """What was chosen for every class.

    Attributes:
        classes: with the values chosen, in the sweeps' order.
        curves: of the classes that were searched.
        value: the objective over all (picture, class) pairs together; NaN where none counts.
    """

    classes: tuple[DefectClass, ...]
    curves: tuple[ClassCurve, ...]
    value: float


@dataclass(frozen=True)
class _Point:
    """One threshold with its best least area."""

    place: int
    min_area: int
    objective: float
    positives_dice: float


def search(sweeps: Sequence[ClassSweep], effect: GateEffect, objective: AreaObjective) -> Searched:
    """Choose threshold and least area of each class that enough pictures show.

    Args:
        sweeps: of all classes, over the same n pictures.
        effect: of the gate on these pictures.
        objective: what is maximised, class by class.
    """
    classes, curves = [], []
    for sweep in sweeps:
        chosen = sweep.defect_class
        if enough(sweep):
            points = [
                _best_area(sweep, place, effect, objective)
                for place in range(len(sweep.thresholds))
            ]
            chosen = _choose(sweep, points)
            curves.append(_curve(sweep, points))
        classes.append(chosen)
    return Searched(tuple(classes), tuple(curves), _value(sweeps, classes, effect, objective))


def keep(sweeps: Sequence[ClassSweep], effect: GateEffect, objective: AreaObjective) -> Searched:
    """Measure the values that the classes have, without a search."""
    classes = [sweep.defect_class for sweep in sweeps]
    return Searched(tuple(classes), (), _value(sweeps, classes, effect, objective))


def enough(sweep: ClassSweep) -> bool:
    """Tell whether enough pictures show a class to choose its values on them."""
    return int(sweep.positive.sum()) >= FEWEST_PICTURES


def candidate_areas(sweep: ClassSweep, place: int, effect: GateEffect) -> list[int]:
    """List least areas worth trying at one threshold: 0, and what drops false findings.

    Dropping a finding never helps a picture that shows the class, so only the findings on
    pictures that do not show it matter: one pixel more than some quantiles of their areas. None
    exceeds the area that 95% of the true masks reach; of 20 masks and fewer, that is the smallest.
    """
    truth = sweep.truth[sweep.positive]
    limit = int(np.quantile(truth, 1 - _KEPT_MASKS, method="lower")) if len(truth) else 0
    false = ~sweep.positive & sweep.found(place, 0, effect)
    areas = (sweep.area[:, place] - effect.added)[false]
    if not len(areas):
        return [0]
    quantiles = np.quantile(areas, _QUANTILES, method="higher").astype(np.int64)
    return [0, *np.unique(np.minimum(quantiles + 1, limit)).tolist()]


def _best_area(
    sweep: ClassSweep, place: int, effect: GateEffect, objective: AreaObjective
) -> _Point:
    """Find the smallest least area that does nearly as well as the best at this threshold."""
    points = []
    for area in candidate_areas(sweep, place, effect):
        dice = sweep.dice(place, area, effect)
        value = objective_value(dice, sweep.positive, objective)
        points.append(_Point(place, area, value, float(dice[sweep.positive].mean())))
    best = max(point.objective for point in points)
    return next(point for point in points if point.objective >= best - TOLERANCE)


def _choose(sweep: ClassSweep, points: Sequence[_Point]) -> DefectClass:
    """Take the threshold nearest 0.5 of those that do nearly as well as the best."""
    best = max(point.objective for point in points)
    good = [point for point in points if point.objective >= best - TOLERANCE]

    def plainness(point: _Point) -> tuple[float, int]:
        return round(abs(float(sweep.thresholds[point.place]) - 0.5), 6), point.min_area

    chosen = min(good, key=plainness)
    values = {
        "pixel_threshold": float(sweep.thresholds[chosen.place]),
        "min_area": chosen.min_area,
    }
    return sweep.defect_class.model_copy(update=values)


def _curve(sweep: ClassSweep, points: Sequence[_Point]) -> ClassCurve:
    return ClassCurve(
        class_id=sweep.defect_class.id,
        threshold=sweep.thresholds,
        objective=np.array([point.objective for point in points], dtype=np.float64),
        positives_dice=np.array([point.positives_dice for point in points], dtype=np.float64),
        min_area=np.array([point.min_area for point in points], dtype=np.int64),
    )


def _value(
    sweeps: Sequence[ClassSweep],
    classes: Sequence[DefectClass],
    effect: GateEffect,
    objective: AreaObjective,
) -> float:
    dice: list[Float64] = [
        sweep.dice(sweep.place_of(one.pixel_threshold), one.min_area, effect)
        for sweep, one in zip(sweeps, classes, strict=True)
    ]
    positive = [sweep.positive for sweep in sweeps]
    return objective_value(np.concatenate(dice), np.concatenate(positive), objective)
