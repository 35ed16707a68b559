"""Colours of classes and charts, on pages and drawings."""

from __future__ import annotations

# told apart by colour-blind eyes too (Okabe and Ito, 2008)
_CLASSES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")

NEUTRAL = "#7d8894"
DEFECTIVE = "#b04a3f"
CLEAN = "#8fa3b5"
ACCENT = "#0b5cad"
CHOSEN = "#1f2933"  # marks what was chosen on a curve


def class_colour(class_id: int) -> str:
    """Return the colour of a class as `#rrggbb`; colours repeat after seven classes."""
    return _CLASSES[(class_id - 1) % len(_CLASSES)]


def blue_green_red(colour: str) -> tuple[int, int, int]:
    """Convert `#rrggbb` to (blue, green, red), the order of OpenCV."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red
