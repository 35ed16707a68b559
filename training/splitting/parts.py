"""The parts of a split: train, validation and test, or folds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from training.data.dataset import LabelledPicture

SPLIT_NAME = "split.csv"
"""Name of the file in a bundle that lists the part of each picture."""


@dataclass(frozen=True)
class Parts:
    """The pictures of the three parts of a split."""

    train: tuple[LabelledPicture, ...]
    validation: tuple[LabelledPicture, ...]
    test: tuple[LabelledPicture, ...]

    def named(self) -> dict[str, tuple[LabelledPicture, ...]]:
        """Return the parts by name, in the order train, validation, test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def counts(self) -> dict[str, int]:
        """Return the number of pictures in each part."""
        return {name: len(pictures) for name, pictures in self.named().items()}

    def regrouped(self, groups: Mapping[str, str]) -> Parts:
        """Return the same parts with other groups; see the function `regrouped`."""
        return Parts(*(tuple(regrouped(part, groups)) for part in self.named().values()))

    def to_csv(self) -> str:
        """Return the split as CSV text, `ImageId,split,group`, sorted by name."""
        rows = (
            (picture.name, name, picture.group)
            for name, pictures in self.named().items()
            for picture in pictures
        )
        return _to_csv(("ImageId", "split", "group"), rows)


@dataclass(frozen=True)
class Folds:
    """Pictures divided for cross-validation; each fold is the test part once.

    `members`: pictures of each fold; folds are counted from 0.
    """

    members: tuple[tuple[LabelledPicture, ...], ...]

    def __len__(self) -> int:
        return len(self.members)

    def named(self) -> dict[str, tuple[LabelledPicture, ...]]:
        """Return the folds by name: `fold 0` and so on."""
        return {f"fold {number}": pictures for number, pictures in enumerate(self.members)}

    def to_csv(self) -> str:
        """Return the folds as CSV text, `ImageId,fold,group`, sorted by name."""
        rows = (
            (picture.name, str(number), picture.group)
            for number, pictures in enumerate(self.members)
            for picture in pictures
        )
        return _to_csv(("ImageId", "fold", "group"), rows)


def regrouped(
    pictures: Iterable[LabelledPicture], groups: Mapping[str, str]
) -> list[LabelledPicture]:
    """Return the pictures with the groups of `groups`; a picture not named there keeps its own."""
    return [replace(one, group=groups.get(one.name, one.group)) for one in pictures]


def _to_csv(header: Sequence[str], rows: Iterable[tuple[str, str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(sorted(rows))
    return text.getvalue()
