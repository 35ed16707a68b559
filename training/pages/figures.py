"""Charts as inline SVG: text stays text, nothing is loaded from anywhere.

Sizes are in pixels of the page: a figure of 540 shows its 12-pixel text at 12 pixels when it is
540 pixels wide there.

    with styled("name"):
        figure, axes = one_panel(540, 260)
        ...
        return to_svg(figure)
"""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

POINTS_AN_INCH = 72
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#aab2ba",
    "axes.labelcolor": "#4a545e",
    "axes.axisbelow": True,
    "xtick.color": "#aab2ba",
    "ytick.color": "#aab2ba",
    "xtick.labelcolor": "#4a545e",
    "ytick.labelcolor": "#1f2933",
    "grid.color": "#e4e8ec",
    "text.color": "#1f2933",
    "text.parse_math": False,  # a class may have a dollar sign in its name
}


def styled(name: str) -> AbstractContextManager[None]:
    """Style figures while the block runs; the name keeps the ids of one figure from another's."""
    settings: Any = _STYLE | {"svg.hashsalt": name}
    return mpl.rc_context(settings)


def one_panel(width: int, height: int) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes."""
    figure = bare(width, height)
    return figure, figure.subplots()


def bare(width: int, height: int) -> Figure:
    """Make a figure without axes, which arranges those that it gets."""
    size = (width / POINTS_AN_INCH, height / POINTS_AN_INCH)
    return Figure(figsize=size, dpi=POINTS_AN_INCH, layout="constrained", facecolor="none")


def to_svg(figure: Figure) -> str:
    """Write a figure as an SVG element that stands in HTML: no prolog, no names of its parts."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # the same in every figure of the page
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)  # HTML knows the namespaces of SVG
    text = text.replace("xlink:href", "href")
    return re.sub(r'(?<=<svg)( width="[^"]*"| height="[^"]*")+', "", text, count=1)
