"""Choose a scale bar: a round length in millimetres that fits."""

from __future__ import annotations

import math
from typing import NamedTuple

_STEPS = (5, 2, 1)


class ScaleBar(NamedTuple):
    """A scale bar.

    Attributes:
        millimetres: its length on the strip: 1, 2 or 5 times a power of ten.
        pixels: its length on the drawing.
    """

    millimetres: float
    pixels: int


def choose_scale_bar(pixel_mm: float, longest: int) -> ScaleBar:
    """Return the longest scale bar of a round length.

    Args:
        pixel_mm: millimetres of one pixel of the drawing.
        longest: largest length of the bar in pixels.

    Example:
        >>> choose_scale_bar(0.5, 300)
        ScaleBar(millimetres=100, pixels=200)
    """
    limit = pixel_mm * longest
    power = 10.0 ** math.floor(math.log10(limit))
    length = next(step * power for step in _STEPS if step * power <= limit * (1 + 1e-9))
    shown = int(length) if length >= 1 else length
    return ScaleBar(shown, round(length / pixel_mm))
