"""What the rows of all label files have in common: lines, names, and keys that are there once."""

from __future__ import annotations

import pandas as pd

from steeldefect.errors import DataError

TEXT = pd.StringDtype("pyarrow")
"""Type of columns of text that may have a million rows: Python objects take three times as much."""

_LONGEST_SHOWN = 60


def with_lines(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Choose and rename columns, and add the column `line`, the line number in the file."""
    chosen = table[list(names)].rename(columns=names)
    return chosen.assign(line=table.index).reset_index(drop=True)


def refuse_unnamed(rows: pd.DataFrame, name: str) -> None:
    """Raise DataError if a row names no picture; the message has the line."""
    unnamed = rows.loc[rows["ImageId"] == "", "line"]
    if len(unnamed):
        raise DataError(f"{name}: line {unnamed.iloc[0]} names no picture")


def repeated(rows: pd.DataFrame, keys: list[str]) -> list[tuple[tuple[object, ...], str]]:
    """Return the keys that several rows have, each with its lines as text."""
    again = rows[rows.duplicated(keys, keep=False)]
    lines = again.groupby(keys, sort=False)["line"].agg(list)
    return [
        (key if isinstance(key, tuple) else (key,), "lines " + " and ".join(map(str, found)))
        for key, found in lines.items()
    ]


def shown(text: str) -> str:
    """Return a cell in quotes, and cut a long one."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")
