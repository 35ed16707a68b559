"""Check the truth's names and masks against the scored pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from steeldefect.errors import DataError
from steeldefect.labels import label_files
from steeldefect.labels.picture_names import Matches


@dataclass(frozen=True)
class LabelNames:
    """The names in one label file, and the pictures that they match.

    Attributes:
        file: address of the file.
        lines: first line of each name, by name.
        matches: matches of names and picture numbers; scored pictures have the first numbers,
            failed pictures the ones after them.
    """

    file: str
    lines: Mapping[str, int]
    matches: Matches

    @property
    def pictures(self) -> dict[str, int]:
        """Number of the picture, by name."""
        return self.matches.pictures

    def with_lines(self, names: Iterable[str]) -> list[str]:
        """Return names with their lines, for messages."""
        return [f"{name} (line {self.lines[name]})" for name in names]


def refuse_unclear(masks: LabelNames, labels: LabelNames, keys: Sequence[str], scored: int) -> None:
    """Raise an error for names that may mean a scored picture, but not certainly.

    A name that only resembles the name of a scored picture is accepted in two cases: the same file
    also has that picture's exact name, or the name is in both files and one of them also has that
    exact name. Then the two names mean two pictures.

    Args:
        masks: names in the masks file.
        labels: names in the labels file.
        keys: keys of the pictures, by number.
        scored: number of scored pictures.

    Raises:
        DataError: a name is unclear; the message names the lines.
    """
    for own, other in ((masks, labels), (labels, masks)):
        matches = own.matches
        taken = set(own.pictures.values())
        taken_by_both = taken | set(other.pictures.values())
        unclear = [*matches.ambiguous, *matches.clashing]
        for name, numbers in matches.near.items():
            passing = taken_by_both if name in other.lines else taken
            if any(number < scored and number not in passing for number in numbers):
                unclear.append(name)
        if unclear:
            named = [
                f"{name} (line {own.lines[name]}: {matches.explain(name, keys)})"
                for name in unclear
            ]
            raise DataError(
                f"{own.file}: it is not clear which scored pictures these names mean: "
                f"{label_files.listed(named)}; use the pictures' keys below --input as ImageId"
            )


def refuse_contradictions(
    masks: LabelNames, labels: LabelNames, contradictory: npt.NDArray[np.bool_]
) -> None:
    """Raise an error for pictures that are labelled clean and have masks.

    Args:
        masks: names in the masks file.
        labels: names in the labels file.
        contradictory: whether a picture is labelled clean and has run lengths, by picture number.

    Raises:
        DataError: a picture is; the message names the lines.
    """
    wrong = [name for name, number in masks.pictures.items() if contradictory[number]]
    if wrong:
        raise DataError(
            f"labelled 0 (clean) in {labels.file}, but with masks in {masks.file}: "
            f"{label_files.listed(masks.with_lines(wrong))}"
        )


def refuse_problems(counted: pd.DataFrame, rows: pd.DataFrame, file: str) -> None:
    """Raise an error for true masks that are malformed, or reach outside their pictures.

    Args:
        counted: columns picture, class_id, name, problem (empty if there is none).
        rows: columns picture, class_id, line, of the true masks.
        file: address of the masks file.

    Raises:
        DataError: some masks are; the message names the first few lines.
    """
    wrong = counted[counted["problem"] != ""].merge(rows, on=["picture", "class_id"])
    if len(wrong):
        named = [
            f"line {one.line}: {one.name} class {one.class_id}: {one.problem}"
            for one in wrong.sort_values("line").itertuples(index=False)
        ]
        raise DataError(f"{file}: {label_files.listed(named)}")
