"""Scores of a point of the curve, with intervals over groups of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from steeldefect.bundle.files import open_bundle
from steeldefect.evaluation.intervals import interval
from steeldefect.evaluation.metrics import OVERALL
from training.evaluation.held_out_csv import HELD_OUT_NAME, HeldOutRows, read_held_out

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
    rows = _joined([_rows(one) for one in bundles])
    drawn = [_values(_drawn_again(rows, seed)) for seed in range(_DRAWS)]
    return Point(
        strips=strips,
        with_archive=with_archive,
        tested=len(rows.pictures),
        values=_values(rows),
        intervals={
            name: interval(np.array([one[name] for one in drawn], dtype=np.float64))
            for name in METRICS
        },
    )


def _rows(bundle: Path) -> HeldOutRows:
    opened = open_bundle(bundle)
    return read_held_out((opened.folder / HELD_OUT_NAME).read_bytes(), bundle.name)


def _joined(parts: Sequence[HeldOutRows]) -> HeldOutRows:
    pictures = pd.concat([one.pictures for one in parts]).sort_index()
    pairs = pd.concat([one.pairs for one in parts])
    ordered = pairs.sort_values(["ImageId", "class_id"], ignore_index=True)
    return replace(parts[0], pictures=pictures, pairs=ordered)


def _drawn_again(rows: HeldOutRows, seed: int) -> HeldOutRows:
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
    return _joined([replace(rows, pictures=pictures, pairs=pairs)])


def _values(rows: HeldOutRows) -> dict[str, float | None]:
    found = {one.name: one.value for one in rows.scores() if one.scope == OVERALL}
    return {name: found.get(name) for name in METRICS}
