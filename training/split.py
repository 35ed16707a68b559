"""One split for both models: by picture, groups kept whole, strata even, repeatable by its seed.

A picture's stratum is the rarest class it shows, or that it is clean, or that it is defective
without masks. The validation part steers early stopping; the test part is only ever measured on.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from steeldefect.errors import DataError
from training.dataset import LabelledPicture
from training.recipe import Split

_CLEAN = "clean"
_NOT_OUTLINED = "defective without masks"
_CLOSE_ENOUGH = 0.02  # of a share: 0.15 becomes one fold of seven
_MOST_FOLDS = 20


@dataclass(frozen=True)
class Parts:
    """The pictures of the three parts of a split."""

    train: tuple[LabelledPicture, ...]
    validation: tuple[LabelledPicture, ...]
    test: tuple[LabelledPicture, ...]

    def named(self) -> dict[str, tuple[LabelledPicture, ...]]:
        """The parts by their name, in the order train, validation, test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def counts(self) -> dict[str, int]:
        """How many pictures each part has."""
        return {name: len(pictures) for name, pictures in self.named().items()}

    def to_csv(self) -> str:
        """Write the split as `ImageId,split,group`, sorted by name."""
        rows = [
            (picture.name, name, picture.group)
            for name, pictures in self.named().items()
            for picture in pictures
        ]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("ImageId", "split", "group"))
        writer.writerows(sorted(rows))
        return text.getvalue()


def split_pictures(pictures: Sequence[LabelledPicture], shares: Split, seed: int) -> Parts:
    """Divide pictures into train, validation and test.

    Args:
        pictures: in any order; the split depends on their names, labels and groups alone.
        shares: of validation and test, met as closely as whole folds allow.
        seed: of the split.

    Raises:
        DataError: too few groups of pictures to fill three parts.
    """
    ordered = sorted(pictures, key=lambda picture: picture.name)
    rest, test = _hold_back(ordered, shares.test, seed)
    train, validation = _hold_back(rest, shares.validation / (1 - shares.test), seed)
    parts = Parts(tuple(train), tuple(validation), tuple(test))
    empty = [name for name, count in parts.counts().items() if count == 0]
    if empty:
        raise DataError(
            f"too few pictures for a split: {len(ordered)} in "
            f"{len({picture.group for picture in ordered})} groups leave {' and '.join(empty)} "
            "empty; add pictures"
        )
    return parts


def stratum_of(picture: LabelledPicture, class_counts: Counter[int]) -> str:
    """Name a picture's stratum; `class_counts` counts the pictures that show each class."""
    if picture.runs:
        return f"class {min(picture.runs, key=lambda number: (class_counts[number], number))}"
    return _NOT_OUTLINED if picture.defective else _CLEAN


def _hold_back(
    pictures: Sequence[LabelledPicture], share: float, seed: int
) -> tuple[list[LabelledPicture], list[LabelledPicture]]:
    """Divide pictures in two; the second part has about `share` of them."""
    counts = Counter(number for picture in pictures for number in picture.runs)
    strata = np.array([stratum_of(picture, counts) for picture in pictures])
    groups = np.array([picture.group for picture in pictures])
    most = min(len(set(groups.tolist())), max(Counter(strata.tolist()).values(), default=0))
    taken, folds = _as_folds(share, most)
    if folds < 2:
        return list(pictures), []
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    held: set[int] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a stratum smaller than the folds is fine
        for _, fold in list(splitter.split(groups, strata, groups))[:taken]:
            held.update(fold.tolist())
    kept = [picture for number, picture in enumerate(pictures) if number not in held]
    return kept, [pictures[number] for number in sorted(held)]


def _as_folds(share: float, most: int) -> tuple[int, int]:
    """Write a share as `taken` of `folds`, with the fewest folds that come close."""
    best = (1, min(2, most))
    for folds in range(2, min(most, _MOST_FOLDS) + 1):
        taken = min(max(1, round(share * folds)), folds - 1)
        if abs(taken / folds - share) < abs(best[0] / best[1] - share):
            best = (taken, folds)
        if abs(best[0] / best[1] - share) <= _CLOSE_ENOUGH:
            break
    return best
