"""Replace the names in label files by the names of the pictures that they match."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from steeldefect.labels.picture_names import Matches, match_names
from training.data.labels import listed


class Naming:
    """The names of all pictures, matched to the names in label files.

    Attributes:
        problems: one text for each file that names missing pictures; it lists the names with
            their lines.
    """

    def __init__(self, pictures: Mapping[str, Path]) -> None:
        """Store the paths of the pictures by name."""
        self.problems: list[str] = []
        self._names = list(pictures)
        self._addresses = [path.as_posix() for path in pictures.values()]

    def match(self, rows: pd.DataFrame) -> Matches:
        """Match the ImageId of every row to a picture."""
        return match_names(rows["ImageId"].tolist(), self._names, self._addresses)

    def rename(self, rows: pd.DataFrame, file: str) -> pd.DataFrame:
        """Return the rows that have a picture, with the picture's name as ImageId.

        Names without a picture are added to `problems`.

        Args:
            rows: table with the columns ImageId and line, and any others.
            file: name of the label file, for `problems`.
        """
        matches = self.match(rows)
        known = rows["ImageId"].isin(list(matches.pictures))
        absent = rows[~known].drop_duplicates("ImageId")
        if len(absent):
            named = [
                f"{row.ImageId} (line {row.line}{self._hint(matches, str(row.ImageId))})"
                for row in absent.itertuples()
            ]
            self.problems.append(f"{file} names pictures that are not in images/: {listed(named)}")
        return rows[known].assign(ImageId=self.renamed(rows.loc[known, "ImageId"], matches))

    def renamed(self, names: pd.Series, matches: Matches) -> list[str]:
        """Return the name of the matched picture for each name; unmatched names stay."""
        own = {name: self._names[number] for name, number in matches.pictures.items()}
        return [own.get(name, name) for name in names]

    def explain(self, matches: Matches, name: str) -> str:
        """Return a short reason why a name has no picture."""
        return matches.explain(name, self._names)

    def doubtful(self, matches: Matches) -> set[str]:
        """Return the names of pictures that unmatched rows may mean."""
        return {self._names[number] for number in matches.doubtful}

    def pairs(self, rows: pd.DataFrame, file: str, value: str) -> dict[str, Any]:
        """Return the values of the column `value`, by name of the matched picture."""
        named = self.rename(rows, file)
        return dict(zip(named["ImageId"], named[value].tolist(), strict=True))

    def _hint(self, matches: Matches, name: str) -> str:
        words = self.explain(matches, name)
        return f": {words}" if words else ""
