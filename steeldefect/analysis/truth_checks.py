"""Check the truth's names and masks against the scored pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from steeldefect.errors import DataError, RunLengthError
from steeldefect.labels import label_files
from steeldefect.labels.picture_names import Matches
from steeldefect.pictures import run_lengths


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

    def names(self, below: int) -> dict[int, str]:
        """Return the name by picture number, for the pictures numbered below a bound."""
        return {number: name for name, number in self.pictures.items() if number < below}

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
    masks: LabelNames, labels: LabelNames, with_masks: set[int], label_of: Mapping[int, bool]
) -> None:
    """Raise an error for pictures that are labelled clean and have masks.

    Args:
        masks: names in the masks file.
        labels: names in the labels file.
        with_masks: numbers of the pictures with run lengths.
        label_of: whether a picture is labelled defective, by picture number.

    Raises:
        DataError: a picture has both; the message names the lines.
    """
    wrong = [
        name
        for name, number in masks.pictures.items()
        if number in with_masks and label_of.get(number) is False
    ]
    if wrong:
        raise DataError(
            f"labelled 0 (clean) in {labels.file}, but with masks in {masks.file}: "
            f"{label_files.listed(masks.with_lines(wrong))}"
        )


def refuse_outside(drawn: pd.DataFrame, file: str) -> None:
    """Raise an error for true masks that reach outside their pictures.

    Args:
        drawn: columns name, class_id, truth (run lengths, well-formed and not empty), line,
            height, width (pixels).
        file: address of the masks file.

    Raises:
        DataError: a mask does; the message names the lines.
    """
    columns = (drawn[one] for one in ("name", "class_id", "truth", "line", "height", "width"))
    problems = []
    for name, class_id, text, line, height, width in zip(*columns, strict=True):
        start, length = text.rsplit(None, 2)[-2:]  # runs ascend: the last one ends last
        if int(start) + int(length) - 1 > height * width:
            try:
                run_lengths.parse(text, (int(height), int(width)))
            except RunLengthError as error:
                problems.append(f"line {line:.0f}: {name} class {class_id}: {error}")
    if problems:
        raise DataError(f"{file}: {label_files.listed(problems)}")
