"""Put the pictures' own names into the rows of label files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from steeldefect.labels.picture_names import Matches, match_names
from training.data.labels import listed


class Naming:
    """Renames rows, and collects what has no picture.

    Attributes:
        problems: one text for each file with names that have no picture; names them with lines.
    """

    def __init__(self, pictures: Mapping[str, Path]) -> None:
        """Take the pictures' paths by their names."""
        self.problems: list[str] = []
        self._names = list(pictures)
        self._addresses = [path.as_posix() for path in pictures.values()]

    def match(self, rows: pd.DataFrame) -> Matches:
        """Find the pictures of all rows by their ImageId."""
        return match_names(rows["ImageId"].tolist(), self._names, self._addresses)

    def rename(self, rows: pd.DataFrame, file: str) -> pd.DataFrame:
        """Give the rows that have a picture, under the picture's own name.

        Args:
            rows: columns ImageId, line and any others.
            file: their name, for `problems`.
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
        """Give the pictures' own names; a name without picture stays."""
        own = {name: self._names[number] for name, number in matches.pictures.items()}
        return [own.get(name, name) for name in names]

    def explain(self, matches: Matches, name: str) -> str:
        """Say in a few words why a name has no picture."""
        return matches.explain(name, self._names)

    def doubtful(self, matches: Matches) -> set[str]:
        """Name the pictures that rows may mean which were not matched."""
        return {self._names[number] for number in matches.doubtful}

    def pairs(self, rows: pd.DataFrame, file: str, value: str) -> dict[str, Any]:
        """Give the value of each picture that has one, by the picture's own name."""
        named = self.rename(rows, file)
        return dict(zip(named["ImageId"], named[value].tolist(), strict=True))

    def _hint(self, matches: Matches, name: str) -> str:
        words = self.explain(matches, name)
        return f": {words}" if words else ""
