"""Pool the folds of a cross-validation: each picture is held out in exactly one fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from steeldefect.bundle.manifest import Score
from steeldefect.errors import DataError
from steeldefect.labels.label_files import listed
from training.evaluation.held_out_csv import HeldOutRows
from training.registry.comparison import Contender


@dataclass(frozen=True)
class Pooled:
    """Scores over the pictures of all folds.

    Attributes:
        bundles: number of bundles, one for each fold.
        pictures: number of held-out pictures in all folds.
        class_names: names of the classes by id.
        scores: metrics of `evaluation.metrics`; each model is scored on its held-out pictures.
    """

    bundles: int
    pictures: int
    class_names: dict[int, str]
    scores: list[Score]


def pool(contenders: Sequence[Contender]) -> Pooled:
    """Join the held-out results of several bundles.

    Raises:
        DataError: the bundles are not folds of one data set, or share held-out pictures.
    """
    rows = [_rows_of(one) for one in contenders]
    if len({one.fingerprint for one in contenders}) > 1:
        raise DataError("these bundles were trained on different data; pool the folds of one set")
    pictures = pd.concat([one.pictures for one in rows])
    twice = sorted(set(pictures.index[pictures.index.duplicated()]))
    if twice:
        raise DataError(
            f"held out by more than one of these bundles: {listed(twice)}; pool the folds of one "
            "split file, each once"
        )
    pictures = pictures.sort_index()
    pairs = pd.concat([one.pairs for one in rows]).sort_values(["ImageId", "class_id"])
    joined = HeldOutRows(pictures, pairs.reset_index(drop=True), rows[0].class_ids)
    class_names = contenders[0].manifest.class_names
    return Pooled(len(rows), len(pictures), class_names, joined.scores())


def _rows_of(contender: Contender) -> HeldOutRows:
    if contender.rows is None:
        raise DataError(f"{contender.name.address} carries no held-out results; export it again")
    return contender.rows
