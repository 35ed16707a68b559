"""What changed against the usual nights: differences of shares, with intervals.

The usual nights are earlier nights of the same bundle. Each share is compared by Newcombe's
interval for a difference of two proportions ("Interval estimation for the difference between
independent proportions", Statistics in Medicine 17, 1998, method 10), from Wilson's interval of
each. Pictures of a coil are alike: sample sizes are those after the design effect of the coils, and
Student's t replaces the normal distribution (`steeldefect.watch.clusters`). Where coils are
unknown, pictures count as independent. All intervals of a night together hold with a probability
of 95% (Bonferroni).

An interval knows the pictures, not how much nights differ from each other without a fault. So a
share counts as changed only if it also lies outside what the usual nights showed, as soon as there
are some.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from steeldefect.report.answers import Answer, Row
from steeldefect.watch.clusters import Clusters, effective_sizes, measure_clusters

CONFIDENCE = 0.95
ENOUGH_NIGHTS = 3
"""Number of usual nights from which on their range counts."""


@dataclass(frozen=True)
class Share:
    """Pictures with a property, by coil.

    Attributes:
        pictures: int (coils,); pictures without a coil are coils of their own.
        hits: int (coils,), those of them with the property.
        by_coil: whether coils are known.
    """

    pictures: tuple[int, ...]
    hits: tuple[int, ...]
    by_coil: bool

    @property
    def count(self) -> int:
        """Number of pictures."""
        return sum(self.pictures)

    @property
    def rate(self) -> float:
        """Share of the pictures with the property."""
        return sum(self.hits) / self.count

    def clusters(self) -> Clusters | None:
        """Return what the coils say of the sample size; None if they are unknown."""
        if not self.by_coil:
            return None
        values = np.concatenate(
            [
                np.repeat([1.0, 0.0], [hit, all_ - hit])
                for all_, hit in zip(self.pictures, self.hits, strict=True)
            ]
        )
        groups = np.repeat(np.arange(len(self.pictures)), self.pictures)
        return measure_clusters(values, groups.astype(np.int64))


@dataclass(frozen=True)
class Change:
    """One share of a night beside the usual nights.

    Attributes:
        name: name of the share, for people.
        class_id: id of its class; None if it has none.
        tonight, usual: the shares, 0 to 1.
        difference: tonight - usual.
        low, high: ends of the interval of the difference.
        least, most: the smallest and the greatest share of a usual night.
        nights: number of usual nights.
        changed: whether the night is unusual.
    """

    name: str
    class_id: int | None
    tonight: float
    usual: float
    difference: float
    low: float
    high: float
    least: float
    most: float
    nights: int
    changed: bool

    @property
    def more(self) -> bool:
        """Whether tonight's share is the greater one."""
        return self.difference > 0


def compare_with_usual(
    run_id: str, classes: dict[int, str], pictures: Answer, of_classes: Answer
) -> list[Change]:
    """Compare a night's shares with those of the usual nights.

    Args:
        run_id: id of the night.
        classes: names of the bundle's classes, by id.
        pictures: answer to `questions.USUAL_PICTURES`, the night included.
        of_classes: answer to `questions.USUAL_CLASSES`.

    Returns:
        Nothing without usual nights, or without a picture of the night.
    """
    nights = {one["run_id"] for one in pictures.rows}
    if run_id not in nights or len(nights) < 2:
        return []
    wanted: list[tuple[str, int | None, Sequence[Row], str]] = [
        ("pictures with a defect", None, pictures.rows, "defective"),
        ("pictures stopped by the gate", None, pictures.rows, "stopped"),
    ]
    for class_id, name in classes.items():
        own = [one for one in of_classes.rows if one["class_id"] == class_id]
        wanted.append((f"pictures with {name}", class_id, own, "pictures"))
    level = (1 - CONFIDENCE) / len(wanted)
    return [
        _change(name, class_id, _by_night(pictures.rows, rows, column), run_id, level)
        for name, class_id, rows, column in wanted
    ]


def _by_night(pictures: Sequence[Row], rows: Sequence[Row], column: str) -> dict[str, Share]:
    """Return the share of each night: `column` of some rows, of all its pictures."""
    hits: dict[tuple[str, str | None], int] = defaultdict(int)
    for one in rows:
        hits[one["run_id"], one["coil"]] += one[column]
    nights: dict[str, list[tuple[int, int, bool]]] = defaultdict(list)
    for one in pictures:
        hit, known = hits[one["run_id"], one["coil"]], one["coil"] is not None
        nights[one["run_id"]].append((one["pictures"], hit, known))
    return {night: _joined(parts) for night, parts in nights.items()}


def _joined(parts: Sequence[tuple[int, int, bool]]) -> Share:
    """Return the share of a night: pictures, hits, and whether this is a coil."""
    pictures, hits, known = zip(*parts, strict=True)
    if not any(known) or all(known):
        return Share(tuple(pictures), tuple(hits), all(known))
    coils = [(count, hit) for count, hit, is_coil in parts if is_coil]
    for count, hit, is_coil in parts:
        if not is_coil:
            coils += [(1, 1)] * hit + [(1, 0)] * (count - hit)
    pictures, hits = zip(*coils, strict=True)
    return Share(pictures, hits, True)


def _change(
    name: str, class_id: int | None, nights: dict[str, Share], run_id: str, level: float
) -> Change:
    tonight = nights[run_id]
    before = [share for night, share in nights.items() if night != run_id]
    usual = Share(
        tuple(one for share in before for one in share.pictures),
        tuple(one for share in before for one in share.hits),
        all(share.by_coil for share in before),
    )
    low, high = difference_interval(tonight, usual, level)
    rates = [one.rate for one in before]
    outside = not min(rates) <= tonight.rate <= max(rates)
    certain = low > 0 or high < 0
    return Change(
        name=name,
        class_id=class_id,
        tonight=tonight.rate,
        usual=usual.rate,
        difference=tonight.rate - usual.rate,
        low=low,
        high=high,
        least=min(rates),
        most=max(rates),
        nights=len(before),
        changed=certain and (outside or len(before) < ENOUGH_NIGHTS),
    )


def difference_interval(tonight: Share, usual: Share, level: float) -> tuple[float, float]:
    """Return the interval of the difference of two shares, tonight - usual; see this module.

    Args:
        tonight: share of the night.
        usual: share of the usual nights.
        level: probability that the interval does not hold the difference.
    """
    sizes = effective_sizes(usual.count, tonight.count, usual.clusters(), tonight.clusters())
    if sizes.freedom is None:
        score = float(-ndtri(level / 2))
    elif sizes.freedom < 1:
        return -1.0, 1.0
    else:
        score = float(-stdtrit(sizes.freedom, level / 2))
    now_low, now_high = wilson(tonight.rate, sizes.night, score)
    then_low, then_high = wilson(usual.rate, sizes.reference, score)
    difference = tonight.rate - usual.rate
    low = difference - math.hypot(tonight.rate - now_low, then_high - usual.rate)
    high = difference + math.hypot(now_high - tonight.rate, usual.rate - then_low)
    return max(low, -1.0), min(high, 1.0)


def wilson(rate: float, size: float, score: float) -> tuple[float, float]:
    """Return Wilson's interval of a proportion.

    Source: Wilson, Journal of the American Statistical Association 22, 1927.

    Args:
        rate: the proportion, 0 to 1.
        size: sample size, above 0.
        score: quantile of the distribution, such as 1.96.
    """
    square = score * score / size
    centre = (rate + square / 2) / (1 + square)
    half = score * math.sqrt(rate * (1 - rate) / size + square / (4 * size)) / (1 + square)
    return max(centre - half, 0.0), min(centre + half, 1.0)
