"""Checks the truth's names and masks against the pictures that were scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from steeldefect.errors import DataError, RunLengthError
from steeldefect.labels import label_files
from steeldefect.labels.picture_names import Matches
from steeldefect.pictures import run_lengths


@dataclass(frozen=True)
class Named:
    """The names of one label file, and the pictures they mean.

    Attributes:
        file: address of the file.
        lines: first line of each name.
        matches: pictures are numbered: first those that were scored, then those that failed.
    """

    file: str
    lines: Mapping[str, int]
    matches: Matches

    @property
    def pictures(self) -> dict[str, int]:
        """Number of the picture, by name."""
        return self.matches.pictures

    def names(self, below: int) -> dict[int, str]:
        """Give the name by the picture's number, of the pictures numbered below a bound."""
        return {number: name for name, number in self.pictures.items() if number < below}

    def with_lines(self, names: Iterable[str]) -> list[str]:
        """Write names with their lines."""
        return [f"{name} (line {self.lines[name]})" for name in names]


def refuse_unclear(masks: Named, stated: Named, keys: Sequence[str], scored: int) -> None:
    """Refuse names that may mean a scored picture, and do not do so beyond doubt.

    A name that only resembles the name of a picture passes where the same file names that picture
    as well, or where one file names both: then they are two pictures.

    Args:
        masks: the masks' file.
        stated: the labels' file.
        keys: of the pictures, by number.
        scored: how many of them were scored.

    Raises:
        DataError: names the lines.
    """
    for own, other in ((masks, stated), (stated, masks)):
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
                f"{own.file}: it is not clear which scored pictures are meant by "
                f"{label_files.listed(named)}; write their keys below --input as ImageId"
            )


def refuse_contradictions(
    masks: Named, stated: Named, with_masks: set[int], answers: Mapping[int, bool]
) -> None:
    """Refuse pictures that are labelled clean and have masks.

    Args:
        masks: the masks' file.
        stated: the labels' file.
        with_masks: numbers of the pictures with run lengths.
        answers: whether a picture is labelled defective, by its number.

    Raises:
        DataError: names the lines.
    """
    wrong = [
        name
        for name, number in masks.pictures.items()
        if number in with_masks and answers.get(number) is False
    ]
    if wrong:
        raise DataError(
            f"labelled 0 (clean) in {stated.file}, but with masks in {masks.file}: "
            f"{label_files.listed(masks.with_lines(wrong))}"
        )


def refuse_outside(drawn: pd.DataFrame, file: str) -> None:
    """Refuse true masks that reach outside their pictures.

    Args:
        drawn: columns name, class_id, truth (run lengths that are well-formed and not empty),
            line, height, width (pixels).
        file: of the masks.

    Raises:
        DataError: names the lines.
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
