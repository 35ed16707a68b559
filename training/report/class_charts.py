"""Draw the charts of the segmenter, one colour for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from steeldefect.pages.figures import bare, one_panel, styled, to_svg
from steeldefect.pages.palette import CHOSEN, NEUTRAL, class_colour
from training.calibration.curves import ClassCurve

Float64 = npt.NDArray[np.float64]

_BINS = 20
_EDGE = "#4a545e"  # keeps yellow apart from white
_WIDTH = 540


def dice_spread(name: str, values: Mapping[int, Float64], names: Mapping[int, str]) -> str:
    """Draw a histogram of Dice for each class, one below the other."""
    with styled(name):
        figure = bare(_WIDTH, 52 + max(62 * len(values), 200))
        panels = np.atleast_1d(figure.subplots(len(values), 1, sharex=True))
        for axes, (number, own) in zip(panels, values.items(), strict=True):
            axes.hist(own, bins=_BINS, range=(0, 1), color=class_colour(number))
            axes.axvline(float(np.median(own)), color=CHOSEN, linewidth=1.2)
            axes.set_ylabel(names[number], rotation=0, ha="right", va="center", labelpad=22)
            axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
            axes.grid(axis="x")
        panels[-1].set_xlim(-0.01, 1.01)
        panels[-1].set_xlabel("Dice")
        return to_svg(figure)


def dice_by_area(
    name: str, values: Mapping[int, tuple[Float64, Float64]], names: Mapping[int, str]
) -> str:
    """Draw Dice of each pair against its true area; small defects are usually harder."""
    with styled(name):
        figure, axes = one_panel(_WIDTH, 52 + max(62 * len(values), 200))
        for number, (area, dice) in values.items():
            colour = class_colour(number)
            edge: dict[str, Any] = {"linewidths": 0.5, "edgecolors": _EDGE}
            axes.scatter(area, dice, 30, colour, label=names[number], **edge)
        axes.set_xscale("log")
        axes.set_ylim(-0.02, 1.02)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("true area, pixels (log scale)")
        axes.set_ylabel("Dice")
        axes.grid()
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=11)
        return to_svg(figure)


def sweep(name: str, curve: ClassCurve, threshold: float) -> str:
    """Draw objective and Dice of one class against its pixel threshold."""
    with styled(name):
        figure, axes = one_panel(270, 200)
        if np.isfinite(curve.positives_dice).any():
            axes.plot(curve.threshold, curve.positives_dice, color=NEUTRAL, linewidth=1.4)
        colour = class_colour(curve.class_id)
        line = axes.plot(curve.threshold, curve.objective, color=colour, linewidth=2.2)
        line[0].set_path_effects([withStroke(linewidth=3.2, foreground=_EDGE)])
        axes.axvline(threshold, color=CHOSEN, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_xlim(0, 1)
        axes.set_xlabel("pixel threshold")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid()
        return to_svg(figure)
