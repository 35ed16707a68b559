"""Write charts as inline SVG: text stays text, and no file is loaded.

Sizes are in pixels of the page: in a figure that is made and shown 540 pixels wide, 12-pixel text
is 12 pixels high.

    with styled("name"):
        figure, axes = one_panel(540, 260)
        ...
        return to_svg(figure)
"""

from __future__ import annotations

import io
import re
import warnings
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

POINTS_AN_INCH = 72

# colours of the frame of a chart, and the variables of the style sheet that replace them
_VARIABLES = {
    "#1f2933": "--ink",
    "#4a545e": "--soft",
    "#aab2ba": "--axis",
    "#e4e8ec": "--line",
    "#ffffff": "--paper",
}
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
_TAG = re.compile(r"<[^>]*>")
_DECIMALS = re.compile(r"(\d\.\d\d)\d+")
_FONTS = re.compile(r"font-family: [^;\"]*; ")


def styled(name: str) -> AbstractContextManager[None]:
    """Return a context that styles figures; each name gives different ids inside the SVG."""
    settings: Any = _STYLE | {"svg.hashsalt": name}
    return mpl.rc_context(settings)


def one_panel(width: int, height: int) -> tuple[Figure, Axes]:
    """Create a figure with one pair of axes."""
    figure = bare(width, height)
    return figure, figure.subplots()


def bare(width: int, height: int) -> Figure:
    """Create a figure without axes; axes added later are arranged automatically."""
    size = (width / POINTS_AN_INCH, height / POINTS_AN_INCH)
    return Figure(figsize=size, dpi=POINTS_AN_INCH, layout="constrained", facecolor="none")


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG element for HTML, without prolog and without ids of groups."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings():
        # Matplotlib's font lacks the letter; the text stays text, and the browser has it
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # the same in every figure of the page
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)  # HTML knows the namespaces of SVG
    text = text.replace("xlink:href", "href")
    text = _TAG.sub(lambda tag: _DECIMALS.sub(r"\1", tag[0]), text)  # hundredths of a pixel
    text = _FONTS.sub("", text)  # the style sheet names them
    for colour, variable in _VARIABLES.items():  # so that the chart follows a dark page
        text = text.replace(f": {colour}", f": var({variable})")
    text = re.sub(r"\n\s*", "\n", text)
    return re.sub(r'(?<=<svg)( width="[^"]*"| height="[^"]*")+', "", text, count=1)
