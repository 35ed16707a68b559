"""The legend of a drawing: each class beside its colour, and what a dashed outline means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ImageDraw

from steeldefect.analysis.drawings import colour_of
from steeldefect.review.drawing.lettering import INK, SOFT, TEXT, font, shortened

LINE = 30
"""Height of a line of text in pixels."""

_SWATCH, _DASHED = 18, 42  # widths of the signs before a text
_GAP = 28
_LONGEST = 400  # pixels of one text


@dataclass(frozen=True)
class _Entry:
    """One entry: its text, and its place from the legend's corner; class None: a dashed line."""

    text: str
    class_id: int | None
    left: int
    line: int


class Legend:
    """A legend that is laid out in lines.

    Attributes:
        lines: number of lines.
    """

    def __init__(self, classes: Mapping[int, str], removed: str, width: int) -> None:
        """Lay out the entries.

        Args:
            classes: names of the classes, by id.
            removed: what a dashed outline means; empty if there is none.
            width: width of the drawing in pixels.
        """
        wanted: list[tuple[str, int | None]] = [(name, one) for one, name in classes.items()]
        wanted += [(removed, None)] if removed else []
        face, left, line = font(TEXT), 0, 0
        self._entries: list[_Entry] = []
        for name, class_id in wanted:
            text = shortened(name, min(_LONGEST, width - _DASHED), face)
            needed = _sign(class_id) + round(face.getlength(text))
            if left and left + needed > width:
                left, line = 0, line + 1
            self._entries.append(_Entry(text, class_id, left, line))
            left += needed + _GAP
        self.lines = line + 1

    def draw(self, pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
        """Draw the legend with its upper left corner at a place."""
        if not self._entries:
            pen.text((left, top), "nothing found", SOFT, font(TEXT))
        for one in self._entries:
            x, y = left + one.left, top + one.line * LINE
            if one.class_id is None:
                for step in (0, 15, 30):
                    pen.line((x + step, y + 11, x + step + 8, y + 11), INK, 2)
            else:
                box = (x, y + 2, x + _SWATCH, y + 2 + _SWATCH)
                pen.rectangle(box, fill=rgb(one.class_id), outline=INK)
            pen.text((x + _sign(one.class_id), y), one.text, INK, font(TEXT))


def rgb(class_id: int) -> tuple[int, int, int]:
    """Return the colour of a class: red, green, blue."""
    blue, green, red = colour_of(class_id)
    return red, green, blue


def _sign(class_id: int | None) -> int:
    """Return the width of the sign before a text, with a gap."""
    return (_DASHED if class_id is None else _SWATCH) + 7
