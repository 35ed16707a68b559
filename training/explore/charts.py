"""Draw the charts of the page: counts, areas, brightness, sizes, and heat maps of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from steeldefect.pages.figures import POINTS_AN_INCH, bare, one_panel, styled, to_svg
from steeldefect.pages.palette import CLEAN, DEFECTIVE, NEUTRAL, class_colour

_AREA_BINS, _GRAY_BINS = 40, 51

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bar:
    """One bar of a bar chart."""

    label: str
    value: int
    colour: str = NEUTRAL


def bars(name: str, items: Sequence[Bar], unit: str, width: int = 540) -> str:
    """Draw horizontal bars, each with its number and its share of the total."""
    with styled(name):
        figure, axes = one_panel(width, 44 + 34 * len(items))
        total = sum(item.value for item in items) or 1
        greatest = max((item.value for item in items), default=0) or 1
        places = np.arange(len(items))[::-1]
        colours = [item.colour for item in items]
        axes.barh(places, [item.value for item in items], height=0.66, color=colours)
        for place, item in zip(places, items, strict=True):
            text = f"{item.value:,}  ({100 * item.value / total:.1f}%)"
            axes.text(item.value + 0.012 * greatest, float(place), text, va="center")
        axes.set_yticks(places, [item.label for item in items])
        axes.set_xlim(0, 1.32 * greatest)
        axes.set_ylim(-0.6, len(items) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.grid(axis="x")
        axes.set_xlabel(unit)
        return to_svg(figure)


def areas(name: str, values: Mapping[int, Values], names: Mapping[int, str], unit: str) -> str:
    """Draw a histogram of mask areas for each class, one below the other on one log axis."""
    with styled(name):
        figure = bare(1100, 52 + 78 * len(values))
        panels = np.atleast_1d(figure.subplots(len(values), 1, sharex=True))
        everything = np.concatenate(list(values.values()))
        edges = np.geomspace(everything.min() / 1.05, everything.max() * 1.05, _AREA_BINS + 1)
        for axes, (number, own) in zip(panels, values.items(), strict=True):
            axes.hist(own, bins=edges.tolist(), color=class_colour(number))
            axes.axvline(float(np.median(own)), color="#1f2933", linewidth=1.2)
            axes.set_xscale("log")
            axes.set_ylabel(names[number], rotation=0, ha="right", va="center", labelpad=34)
            axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
            axes.grid(axis="x")
        panels[-1].set_xlabel(unit)
        panels[-1].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        panels[-1].xaxis.set_minor_formatter(NullFormatter())
        return to_svg(figure)


def grays(name: str, defective: Values, clean: Values, other: Values) -> str:
    """Draw histograms of brightness of defective, clean and other pictures, each in percent."""
    with styled(name):
        figure, axes = one_panel(540, 260)
        edges = np.linspace(0, 255, _GRAY_BINS + 1)
        for values, colour, label in (
            (clean, CLEAN, "clean"),
            (defective, DEFECTIVE, "defective"),
            (other, NEUTRAL, "not stated"),
        ):
            if len(values):
                weights = np.full(len(values), 100 / len(values))
                look: dict[str, Any] = {"histtype": "stepfilled", "alpha": 0.55, "color": colour}
                axes.hist(values, bins=edges.tolist(), weights=weights, label=label, **look)
        axes.set_xlim(0, 255)
        axes.set_xlabel("mean gray level of a picture, 0 to 255")
        axes.set_ylabel("% of pictures")
        axes.grid(axis="y")
        axes.legend(frameon=False)
        return to_svg(figure)


def sizes(name: str, widths: Values, heights: Values, counts: Values) -> str:
    """Draw picture sizes; a dot's area grows with the number of pictures."""
    with styled(name):
        figure, axes = one_panel(540, 260)
        area = 12 + 160 * counts / counts.max() * (counts.max() > 1)
        axes.scatter(widths, heights, s=area, color=NEUTRAL, alpha=0.45, linewidths=0)
        axes.set_xlim(0, 1.08 * widths.max())
        axes.set_ylim(0, 1.12 * heights.max())
        axes.set_xlabel("width, pixels")
        axes.set_ylabel("height, pixels")
        axes.grid()
        return to_svg(figure)


def places(name: str, heat: npt.NDArray[np.float32], class_id: int, width: int) -> str:
    """Draw a heat map: share of the masks of a class that cover each place of the picture."""
    left, right, top, bottom = 40, 82, 8, 26  # margins: the panels of all classes line up
    inner = width - left - right
    height = round(top + bottom + max(64, inner * heat.shape[0] / heat.shape[1]))
    with styled(name):
        figure = Figure(
            (width / POINTS_AN_INCH, height / POINTS_AN_INCH), POINTS_AN_INCH, facecolor="none"
        )
        low, tall = bottom / height, 1 - (top + bottom) / height
        axes = figure.add_axes((left / width, low, inner / width, tall))
        scale = figure.add_axes((1 - (right - 12) / width, low, 12 / width, tall))
        colours = LinearSegmentedColormap.from_list("one", _shades(class_colour(class_id)))
        look: dict[str, Any] = {"aspect": "auto", "interpolation": "none"}
        image = axes.imshow(100 * heat, cmap=colours, vmin=0, extent=(0, 100, 100, 0), **look)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        axes.set_yticks([0, 50, 100], ["0", "50", "100%"])
        axes.spines[:].set_visible(True)
        greatest = 100 * float(heat.max())
        bar = figure.colorbar(image, cax=scale)
        bar.set_ticks([0, greatest], labels=["0%", f"{greatest:.3g}%"])
        return to_svg(figure)


def _shades(colour: str) -> list[tuple[float, float, float]]:
    """Return white, the colour and a dark shade of it, so that light colours are readable too."""
    red, green, blue = (part / 255 for part in bytes.fromhex(colour.removeprefix("#")))
    return [(1.0, 1.0, 1.0), (red, green, blue), (red * 0.3, green * 0.3, blue * 0.3)]
