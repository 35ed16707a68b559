"""Write text on drawings; names may hold any character of the font DejaVu Sans."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import ImageFont

INK, SOFT, ALARM = (30, 30, 30), (95, 95, 95), (190, 30, 30)
"""Colours of text: red, green, blue."""

TITLE, TEXT, NUMBER = 24, 18, 16
"""Sizes of letters in pixels."""


@functools.cache
def font(size: int, weight: str = "") -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with Matplotlib.

    Args:
        size: height of a line in pixels, about.
        weight: empty, or `-Bold`.
    """
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"DejaVuSans{weight}.ttf"), size)


def shortened(text: str, limit: int, face: ImageFont.FreeTypeFont) -> str:
    """Return a text that is at most `limit` pixels wide; what is cut becomes `…`, in the middle."""
    if face.getlength(text) <= limit:
        return text
    for left in range(len(text) - 1, 0, -1):
        tail = left // 2
        cut = f"{text[: left - tail]}…{text[len(text) - tail :]}"
        if face.getlength(cut) <= limit:
            return cut
    return "…"
