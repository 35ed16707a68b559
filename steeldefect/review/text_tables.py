"""Lay out rows as columns of text for a terminal; no cell is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from steeldefect.analysis.results import printable

_GAP = "  "


@dataclass(frozen=True)
class Column:
    """One column of a text.

    Attributes:
        title: first line of the column.
        cells: one text a row; a column without any text is left out.
        side: side at which the texts are aligned.
    """

    title: str
    cells: Sequence[str]
    side: Literal["<", ">"] = "<"


def lines_of(columns: Sequence[Column]) -> list[str]:
    """Return a line with the titles, and a line for each row; control characters are escaped."""
    shown = [column for column in columns if any(column.cells)]
    texts = [[printable(one) for one in (column.title, *column.cells)] for column in shown]
    widths = [max(map(len, cells)) for cells in texts]
    return [
        _GAP.join(
            f"{cell:{column.side}{width}}"
            for cell, column, width in zip(row, shown, widths, strict=True)
        ).rstrip()
        for row in zip(*texts, strict=True)
    ]


def number_text(number: float | None, decimals: int) -> str:
    """Return a number as text; empty if it is unknown."""
    return "" if number is None else f"{number:.{decimals}f}"
