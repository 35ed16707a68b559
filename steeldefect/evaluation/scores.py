"""The metrics of an evaluation, with their intervals: rows of the table `metrics`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from steeldefect.bundle.manifest import Score
from steeldefect.evaluation import metrics
from steeldefect.evaluation.intervals import Estimates, Float64, Integers, Ratio, estimate, interval
from steeldefect.evaluation.metrics import OVERALL, IntervalScore
from steeldefect.evaluation.pair_counts import PairCounts
from steeldefect.evaluation.ratios import PANOPTIC, ratios_of, sums_of
from steeldefect.tables.schema import Verdict


def size_classes(bounds: Sequence[int]) -> list[str]:
    """Return the names of size classes, by the bounds between them in pixels.

    >>> size_classes([1024, 9216])
    ['below 1024 px', '1024 to 9215 px', '9216 px and more']
    """
    if not bounds:
        return []
    between = [f"{low} to {high - 1} px" for low, high in itertools.pairwise(bounds)]
    return [f"below {bounds[0]} px", *between, f"{bounds[-1]} px and more"]


def evaluation_scores(
    counts: PairCounts,
    images: pd.DataFrame,
    units: Integers,
    sizes: Sequence[str],
    draws: int,
) -> list[IntervalScore]:
    """Compute all metrics.

    Args:
        counts: counts of the pairs.
        images: all pictures with known truth, as `ScoredPictures.images`.
        units: int64 (pictures,), unit of each picture for the intervals.
        sizes: names of the size classes.
        draws: number of draws of the bootstrap; 0 for no intervals.

    Returns:
        Mask metrics and metrics of defects over all classes and by class; metrics of the gate, if
        every picture has a gate probability; metrics of the verdict.
    """
    ratios = ratios_of(list(counts.classes), sizes)
    found = estimate(sums_of(counts, images, units), ratios, draws)
    made = {_key(score): score for score in _ratio_scores(ratios, found)}
    mean = _mean_over_classes(ratios, found)
    if mean is not None:
        made[_key(mean)] = mean
    has_gate = bool(images["gate_probability"].notna().all())
    if not has_gate:
        made = {key: one for key, one in made.items() if not one.name.startswith("gate_")}
    exact = _exact(counts, images, has_gate)
    return _in_order([*_joined(exact, made), *(one for one in made.values())])


def _exact(counts: PairCounts, images: pd.DataFrame, has_gate: bool) -> list[Score]:
    """Return the metrics that training computes too, by the same functions."""
    scores = metrics.segmentation_scores(counts.pixels(), list(counts.classes))
    defective = images["defective"].to_numpy(dtype=bool)
    if has_gate:
        passed = (images["verdict"] != Verdict.GATED.value).to_numpy()
        probability = images["gate_probability"].to_numpy(dtype=np.float64)
        scores += metrics.gate_scores(defective, probability, passed)
    found = (images["verdict"] == Verdict.DEFECT.value).to_numpy()
    return scores + metrics.verdict_scores(defective, found)


def _joined(
    exact: Sequence[Score], made: dict[tuple[object, ...], IntervalScore]
) -> list[IntervalScore]:
    """Return exact values with the intervals of `made`, from which they are taken out."""
    joined = []
    for score in exact:
        other = made.pop((score.scope, score.class_id, score.name, None), None)
        bounds = {} if other is None else {"low": other.low, "high": other.high}
        joined.append(IntervalScore(**score.model_dump(), **bounds))
    return joined


def _ratio_scores(ratios: Sequence[Ratio], found: Estimates) -> list[IntervalScore]:
    return [
        _score(ratio, found.values[number], found.draws[:, number], int(found.supports[number]))
        for number, ratio in enumerate(ratios)
    ]


def _score(ratio: Ratio, value: float, draws: Float64, support: int) -> IntervalScore:
    known = not np.isnan(value)
    bounds = interval(draws) if known else None
    low, high = bounds or (None, None)
    return IntervalScore(
        scope=ratio.scope,
        class_id=ratio.class_id,
        size_class=ratio.size_class,
        name=ratio.name,
        value=float(value) if known else None,
        support=support,
        low=low,
        high=high,
    )


def _mean_over_classes(ratios: Sequence[Ratio], found: Estimates) -> IntervalScore | None:
    """Return `panoptic_quality` over all classes: the mean of the classes that have a value."""
    chosen = [number for number, one in enumerate(ratios) if one.name == PANOPTIC]
    if not chosen:
        return None
    whole = Ratio(PANOPTIC, OVERALL, {}, {}, {})
    values = _mean(found.values[chosen].reshape(1, -1))[0]
    return _score(whole, values, _mean(found.draws[:, chosen]), int(found.supports[chosen].sum()))


def _mean(values: Float64) -> Float64:
    """Return the mean of each row without NaN; NaN for a row of NaN alone."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=1)
    count = known.sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))


def _key(score: IntervalScore) -> tuple[object, ...]:
    return score.scope, score.class_id, score.name, score.size_class


def _in_order(scores: Sequence[IntervalScore]) -> list[IntervalScore]:
    """Return overall scores first, then those of each class; scores of a scope keep their order."""
    return sorted(scores, key=lambda one: -1 if one.class_id is None else one.class_id)
