"""Search the thresholds and the minimum area of each class on the validation part.

Two rules keep the result robust:

- Among values within `TOLERANCE` of the best, the search takes the simplest: no seed threshold, the
  pixel threshold nearest to 0.5, the smallest minimum area.
- A class shown by fewer than `FEWEST_PICTURES` pictures keeps the values of the recipe, unless
  others find less on the pictures that do not show it, and as much on those that do.
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
"""Number of validation pictures that must show a class; with fewer, see `search`."""

TOLERANCE = 0.001
"""Largest loss of the objective accepted for simpler thresholds; the same for a smaller minimum
area."""

_KEPT_MASKS = 0.95  # share of the true masks that a minimum area must keep
_QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95, 1.0)  # of the areas of false findings


@dataclass(frozen=True)
class Searched:
    """The chosen values of every class.

    Attributes:
        classes: classes with the chosen values, in the order of the sweeps.
        curves: curves of the classes that were searched.
        value: objective over all (picture, class) pairs together; NaN if no pair counts.
    """

    classes: tuple[DefectClass, ...]
    curves: tuple[ClassCurve, ...]
    value: float


@dataclass(frozen=True)
class _Point:
    """One pair of thresholds with the best minimum area for it."""

    place: int
    min_area: int
    objective: float
    positives_dice: float


def search(sweeps: Sequence[ClassSweep], effect: GateEffect, objective: AreaObjective) -> Searched:
    """Choose the thresholds and the minimum area of each class.

    A class that too few pictures show is not searched for the objective: so few pictures say little
    of how much is found. But those that do not show it are many, and what is found there is wrong.
    So its values become stricter if mean Dice over all pictures then grows, and Dice on those that
    show it does not fall.

    Args:
        sweeps: sweeps of all classes, over the same n pictures.
        effect: effect of the gate on these pictures.
        objective: objective to maximise, for each class separately.
    """
    classes, curves = [], []
    for sweep in sweeps:
        if not enough(sweep):
            chosen = _stricter(sweep, effect)
        else:
            points = [
                _best_area(sweep, place, effect, objective)
                for place in range(len(sweep.thresholds))
            ]
            chosen = _choose(sweep, points)
            curves.append(_curve(sweep, points))
        classes.append(chosen)
    return Searched(tuple(classes), tuple(curves), _value(sweeps, classes, effect, objective))


def keep(sweeps: Sequence[ClassSweep], effect: GateEffect, objective: AreaObjective) -> Searched:
    """Compute the objective for the present values of the classes, without a search."""
    classes = [sweep.defect_class for sweep in sweeps]
    return Searched(tuple(classes), (), _value(sweeps, classes, effect, objective))


def enough(sweep: ClassSweep) -> bool:
    """Return whether at least `FEWEST_PICTURES` pictures show the class."""
    return int(sweep.positive.sum()) >= FEWEST_PICTURES


def candidate_areas(sweep: ClassSweep, place: int, effect: GateEffect) -> list[int]:
    """List the minimum areas to try at one place: 0, and areas that drop false findings.

    Dropping a finding never helps on a picture that shows the class. So the candidates come from
    the findings on pictures that do not show it: one pixel more than some quantiles of their
    areas. No candidate exceeds the area that 95% of the true masks reach. With 20 masks or fewer,
    that is the area of the smallest mask.
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
    """Return the smallest minimum area within `TOLERANCE` of the best at this place."""
    points = [
        _point(sweep, place, area, effect, objective)
        for area in candidate_areas(sweep, place, effect)
    ]
    best = max(point.objective for point in points)
    return next(point for point in points if point.objective >= best - TOLERANCE)


def _stricter(sweep: ClassSweep, effect: GateEffect) -> DefectClass:
    """Return the class, with values that find less where it is not shown, if there are better."""
    own = sweep.defect_class

    def point_at(place: int) -> _Point:
        return _point(sweep, place, own.min_area, effect, AreaObjective.MEAN_DICE)

    kept = point_at(sweep.place_of(own))
    places = np.flatnonzero(sweep.thresholds >= own.pixel_threshold).tolist()
    # without a picture that shows the class, Dice on those is NaN, and nothing is lost
    stricter = [
        point
        for point in map(point_at, places)
        if not point.positives_dice < kept.positives_dice - TOLERANCE
    ]
    if max(point.objective for point in stricter) <= kept.objective + TOLERANCE:
        return own
    return _choose(sweep, stricter)


def _point(
    sweep: ClassSweep, place: int, min_area: int, effect: GateEffect, objective: AreaObjective
) -> _Point:
    dice = sweep.dice(place, min_area, effect)
    values = [
        objective_value(dice, sweep.positive, one)
        for one in (objective, AreaObjective.POSITIVES_DICE)
    ]
    return _Point(place, min_area, *values)


def _choose(sweep: ClassSweep, points: Sequence[_Point]) -> DefectClass:
    """Return the class with the simplest values within `TOLERANCE` of the best."""
    best = max(point.objective for point in points)
    good = [point for point in points if point.objective >= best - TOLERANCE]

    def complexity(point: _Point) -> tuple[bool, float, float, int]:
        seed = sweep.seed(point.place)
        distance = round(abs(float(sweep.thresholds[point.place]) - 0.5), 6)
        return seed is not None, distance, seed or 0.0, point.min_area

    chosen = min(good, key=complexity)
    values = {
        "pixel_threshold": float(sweep.thresholds[chosen.place]),
        "seed_threshold": sweep.seed(chosen.place),
        "min_area": chosen.min_area,
    }
    return sweep.defect_class.model_copy(update=values)


def _curve(sweep: ClassSweep, points: Sequence[_Point]) -> ClassCurve:
    best = [
        max(
            (point for point in points if sweep.thresholds[point.place] == threshold),
            key=lambda point: point.objective,
        )
        for threshold in sweep.plain
    ]
    return ClassCurve(
        class_id=sweep.defect_class.id,
        threshold=sweep.plain,
        objective=np.array([point.objective for point in best], dtype=np.float64),
        positives_dice=np.array([point.positives_dice for point in best], dtype=np.float64),
        min_area=np.array([point.min_area for point in best], dtype=np.int64),
    )


def _value(
    sweeps: Sequence[ClassSweep],
    classes: Sequence[DefectClass],
    effect: GateEffect,
    objective: AreaObjective,
) -> float:
    dice: list[Float64] = [
        sweep.dice(sweep.place_of(one), one.min_area, effect)
        for sweep, one in zip(sweeps, classes, strict=True)
    ]
    positive = [sweep.positive for sweep in sweeps]
    return objective_value(np.concatenate(dice), np.concatenate(positive), objective)
