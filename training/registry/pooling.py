"""Pool the folds of a cross-validation: each picture is held out in exactly one fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steeldefect.bundle.manifest import Score
from steeldefect.errors import DataError
from steeldefect.labels.label_files import listed
from training.evaluation.held_out_csv import HeldOutRows, join_held_out
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
    rows = [rows_of(one) for one in contenders]
    if len({one.fingerprint for one in contenders}) > 1:
        raise DataError("these bundles were trained on different data; pool the folds of one set")
    joined = join_held_out(rows)
    names = joined.pictures.index
    twice = sorted(set(names[names.duplicated()]))
    if twice:
        raise DataError(
            f"held out by more than one of these bundles: {listed(twice)}; pool the folds of one "
            "split file, each once"
        )
    class_names = contenders[0].manifest.class_names
    return Pooled(len(rows), len(names), class_names, joined.scores())


def rows_of(contender: Contender) -> HeldOutRows:
    """Return the held-out results of a bundle.

    Raises:
        DataError: it carries none.
    """
    if contender.rows is None:
        raise DataError(f"{contender.name.address} carries no held-out results; export it again")
    return contender.rows
