"""Compute intervals of the difference of two bundles: a paired bootstrap over groups of pictures.

Groups of pictures are drawn with replacement, because errors on related pictures are correlated.
Both bundles get the same draw. The 2.5% and 97.5% quantiles of the differences are the interval
(percentile method: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).

All metrics but one are ratios of sums over pictures. So each group is summed once. A resample is a
vector: how often each group was drawn. Thousands of resamples are then one matrix product. The
exception is the area under the ROC curve: it is computed from the pictures in the order of their
probabilities (Mann-Whitney statistic: Hanley & McNeil, Radiology 143, 1982).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.evaluation.metrics import dice
from training.evaluation.held_out_csv import HeldOutRows
from training.splitting.duplicates import linked

RESAMPLES = 2_000
CONFIDENCE = 0.95

Metric = tuple[str, int | None]
Interval = tuple[float, float]
Float64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_LEAST_SHARE = 0.5  # of the resamples must support a metric
_NUMBERS_AT_ONCE = 4_000_000


def difference_intervals(
    first: HeldOutRows, second: HeldOutRows, resamples: int = RESAMPLES, seed: int = 0
) -> dict[Metric, Interval]:
    """Compute 95% intervals of (second - first) for every metric that both bundles have.

    Args:
        first: held-out rows of the first bundle.
        second: held-out rows of the second bundle, on the same pictures.
        resamples: number of resamples; more make the intervals steadier, not narrower.
        seed: seed of the draws.

    Returns:
        (lower, upper) by metric name and class id (None: overall). A metric is left out if fewer
        than half of the resamples support it.
    """
    groups = joint_groups(first.pictures["group"], second.pictures["group"])
    sides = [_Side.of(rows, groups) for rows in (first, second)]
    shared = [metric for metric in sides[0].metrics if metric in sides[1].metrics]
    drawn = [
        sides[1].values(times, shared) - sides[0].values(times, shared)
        for times in _draws(groups, resamples, seed)
    ]
    return _quantiles(np.concatenate(drawn), shared) if drawn else {}


def joint_groups(first: pd.Series[str], second: pd.Series[str]) -> Codes:
    """Number joint groups: two pictures share one if either bundle groups them together.

    Args:
        first: group of each picture in the first bundle.
        second: group of each picture in the second bundle, in the same order.

    Returns:
        int64 (pictures,): group numbers, consecutive from 0.
    """
    own, other = first.tolist(), second.tolist()
    sets = linked([((0, one), (1, two)) for one, two in zip(own, other, strict=True)])
    numbers = {group: number for number, groups in enumerate(sets) for group in groups}
    return np.array([numbers[0, one] for one in own], dtype=np.int64)


@dataclass(frozen=True)
class _Ranking:
    """Pictures in the order of the gate's probabilities.

    Attributes:
        groups: int64 (pictures,), joint group of each picture.
        defective: bool (pictures,), the truth.
        starts: int64 (runs,), first index of each run of equal probabilities.
    """

    groups: Codes
    defective: npt.NDArray[np.bool_]
    starts: Codes

    def area(self, times: Float64) -> Float64:
        """Compute the area under the ROC curve of each resample: float64 (resamples, 1)."""
        weights = times[:, self.groups]
        bad = np.add.reduceat(weights * self.defective, self.starts, axis=1)
        clean = np.add.reduceat(weights * ~self.defective, self.starts, axis=1)
        ordered = bad * (np.cumsum(clean, axis=1) - clean / 2)
        return _divide(ordered.sum(axis=1), bad.sum(axis=1) * clean.sum(axis=1))[:, None]


@dataclass(frozen=True)
class _Side:
    """Sums of one bundle by group: numerators `over`, denominators `under`.

    Both are float64 (ratios, groups).
    """

    metrics: list[Metric]
    over: Float64
    under: Float64
    ranking: _Ranking | None

    @classmethod
    def of(cls, rows: HeldOutRows, groups: Codes) -> _Side:
        ratios = _mask_ratios(rows, groups) | _picture_ratios(rows, groups)
        over, under = (np.array([ratio[part] for ratio in ratios.values()]) for part in (0, 1))
        if not rows.has_gate:
            return cls(list(ratios), over, under, None)
        return cls([*ratios, ("gate_auc", None)], over, under, _rank(rows, groups))

    def values(self, times: Float64, wanted: list[Metric]) -> Float64:
        """Compute the wanted metrics of resamples: (resamples, groups) to (resamples, wanted)."""
        values = _divide(times @ self.over.T, times @ self.under.T)
        if self.ranking is not None:
            values = np.hstack([values, self.ranking.area(times)])
        return values[:, [self.metrics.index(metric) for metric in wanted]]


def _mask_ratios(rows: HeldOutRows, groups: Codes) -> dict[Metric, tuple[Float64, Float64]]:
    """Sum numerators and denominators of the mask metrics by group.

    The metrics are those of `steeldefect.evaluation.metrics`.
    """
    ratios: dict[Metric, tuple[Float64, Float64]] = {}
    codes = groups[rows.places(rows.pairs["ImageId"])]
    tp, fp, fn = (rows.pairs[name].to_numpy(dtype=np.float64) for name in ("tp", "fp", "fn"))
    each, truth, every = dice(rows.pairs), (tp + fn > 0).astype(np.float64), np.ones(len(tp))
    parts = {
        "mean_dice": (each, every),
        "all_empty_dice": (1 - truth, every),
        "positives_dice": (each * truth, truth),
        "pooled_dice": (2 * tp, 2 * tp + fp + fn),
        "iou": (tp, tp + fp + fn),
    }
    for class_id in (None, *rows.class_ids):
        chosen = every if class_id is None else (rows.pairs["class_id"] == class_id).to_numpy(float)
        for name, (over, under) in parts.items():
            ratios[name, class_id] = _sum(over * chosen, under * chosen, codes, groups)
    return ratios


def _picture_ratios(rows: HeldOutRows, groups: Codes) -> dict[Metric, tuple[Float64, Float64]]:
    """Sum numerators and denominators of the gate and verdict metrics by group."""
    bad, passed = rows.defective, rows.passed
    places, found = rows.verdicts()
    judged, seen = groups[places], bad[places]
    verdict = {
        "verdict_recall": (found & seen, seen),
        "verdict_clean_recall": (~found & ~seen, ~seen),
        "verdict_precision": (found & seen, found),
    }
    gate = {
        "gate_recall": (passed & bad, bad),
        "gate_clean_recall": (~passed & ~bad, ~bad),
        "gate_accuracy": (passed == bad, np.ones_like(bad)),
        "gate_pass_share": (passed, np.ones_like(bad)),
    }
    ratios = {name: _sum(*parts, judged, groups) for name, parts in verdict.items()}
    if rows.has_gate:
        ratios |= {name: _sum(*parts, groups, groups) for name, parts in gate.items()}
    return {(name, None): parts for name, parts in ratios.items()}


def _sum(
    over: npt.NDArray[np.generic], under: npt.NDArray[np.generic], codes: Codes, groups: Codes
) -> tuple[Float64, Float64]:
    size = int(groups.max(initial=-1)) + 1
    first, second = (
        np.bincount(codes, weights=part.astype(np.float64), minlength=size).astype(np.float64)
        for part in (over, under)
    )
    return first, second


def _rank(rows: HeldOutRows, groups: Codes) -> _Ranking:
    probability = rows.pictures["probability"].to_numpy(dtype=np.float64)
    order = np.argsort(probability, kind="stable")
    starts = np.unique(probability[order], return_index=True)[1].astype(np.int64)
    return _Ranking(groups[order], rows.defective[order], starts)


def _draws(groups: Codes, resamples: int, seed: int) -> Iterator[Float64]:
    """Yield how often each group is drawn: float64 (some resamples, groups)."""
    size = int(groups.max(initial=-1)) + 1
    if size == 0:
        return
    rng = np.random.default_rng(seed)
    most = max(1, _NUMBERS_AT_ONCE // len(groups))
    for start in range(0, resamples, most):
        count = min(most, resamples - start)
        drawn = rng.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)
        yield times.astype(np.float64)


def _divide(over: Float64, under: Float64) -> Float64:
    """Return over / under; NaN where the denominator is 0."""
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)


def _quantiles(drawn: Float64, metrics: list[Metric]) -> dict[Metric, Interval]:
    tail = (1 - CONFIDENCE) / 2
    intervals = {}
    for metric, values in zip(metrics, drawn.T, strict=True):
        known = values[np.isfinite(values)]
        if len(known) >= max(1, _LEAST_SHARE * len(values)):
            lower, upper = np.quantile(known, [tail, 1 - tail])
            intervals[metric] = (float(lower), float(upper))
    return intervals
