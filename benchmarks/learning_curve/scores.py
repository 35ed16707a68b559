"""Scores of a point of the curve, with intervals over groups of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from steeldefect.evaluation.intervals import interval
from steeldefect.evaluation.metrics import OVERALL
from steeldefect.stores import S3Settings
from training.evaluation.held_out_csv import HeldOutRows, join_held_out
from training.registry.comparison import find_contender
from training.registry.pooling import rows_of

METRICS = ("positives_dice", "pooled_dice", "mean_dice", "gate_auc")
_DRAWS = 400

Interval = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """One point of the curve.

    Attributes:
        strips: number of labelled pictures.
        with_archive: whether the unlabelled pictures were used.
        tested: number of held-out pictures; several parts of this size may have been tested.
        values: value of each metric, None if it has none.
        intervals: its 95% interval, None if there is none.
    """

    strips: int
    with_archive: bool
    tested: int
    values: dict[str, float | None]
    intervals: dict[str, Interval | None]


def score_point(strips: int, bundles: Sequence[Path], *, with_archive: bool) -> Point:
    """Score the held-out pictures of several pools together.

    Args:
        strips: number of labelled pictures of each.
        bundles: pools of folds; no picture was held out by two of them.
        with_archive: whether the unlabelled pictures were used.
    """
    rows = join_held_out([rows_of(find_contender(str(one), S3Settings())) for one in bundles])
    drawn = [values_of(drawn_again(rows, seed)) for seed in range(_DRAWS)]
    return Point(
        strips=strips,
        with_archive=with_archive,
        tested=len(rows.pictures),
        values=values_of(rows),
        intervals={
            name: interval(np.array([one[name] for one in drawn], dtype=np.float64))
            for name in METRICS
        },
    )


def drawn_again(rows: HeldOutRows, seed: int) -> HeldOutRows:
    """Draw as many groups as there are, with replacement; a picture may be there several times."""
    groups = sorted(set(rows.pictures["group"]))
    drawn = np.random.default_rng(seed).choice(groups, len(groups)).tolist()
    members = dict(iter(rows.pictures.groupby("group")))
    copies = [members[group].rename(index=f"{n} {{}}".format) for n, group in enumerate(drawn)]
    pictures = pd.concat(copies)
    own = pictures.index.str.partition(" ")
    names = pd.DataFrame({"ImageId": own.get_level_values(2), "copy": pictures.index})
    pairs = names.merge(rows.pairs, on="ImageId").drop(columns="ImageId")
    pairs = pairs.rename(columns={"copy": "ImageId"})
    return join_held_out([replace(rows, pictures=pictures, pairs=pairs)])


def values_of(rows: HeldOutRows) -> dict[str, float | None]:
    """Return the value of each of `METRICS`; None if it has none."""
    found = {one.name: one.value for one in rows.scores() if one.scope == OVERALL}
    return {name: found.get(name) for name in METRICS}
