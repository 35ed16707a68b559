"""Draw the charts of a fit's history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from steeldefect.pages.figures import one_panel, styled, to_svg
from steeldefect.pages.palette import ACCENT, CHOSEN, NEUTRAL

_WIDTH, _HEIGHT, _RATE_HEIGHT = 270, 200, 140
_SPREAD = 50  # a curve with a larger ratio of maximum to minimum gets a log axis


def curve(
    name: str, training: Sequence[float], validation: Sequence[float] | None, kept: int | None
) -> str:
    """Draw a loss or metric of training and validation; `kept` is the kept epoch, from 0."""
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT)
        _line(axes, training, NEUTRAL, "training")
        if validation:
            _line(axes, validation, ACCENT, "validation")
            if kept is not None and kept < len(validation):
                axes.axvline(kept + 1, color=CHOSEN, linewidth=1, linestyle=(0, (4, 3)))
                axes.plot([kept + 1], [validation[kept]], "o", color=ACCENT, markersize=6)
        positive = [value for value in [*training, *(validation or ())] if value > 0]
        if len(positive) >= len(training) and max(positive) > _SPREAD * min(positive):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
        _epochs(axes)
        axes.legend(frameon=False, fontsize=10)
        return to_svg(figure)


def rate(name: str, values: Sequence[float]) -> str:
    """Draw the learning rate."""
    with styled(name):
        figure, axes = one_panel(_WIDTH, _RATE_HEIGHT)
        _line(axes, values, NEUTRAL, "learning rate")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.set_ylim(bottom=0)
        _epochs(axes)
        return to_svg(figure)


def _line(axes: Axes, values: Sequence[float], colour: str, label: str) -> None:
    """Draw one value for each epoch that has one; the line goes on over the others."""
    known = np.isfinite(values)
    epochs, points = np.flatnonzero(known) + 1, np.asarray(values)[known]
    marker = "o" if len(points) == 1 else "" if known.all() else "."
    axes.plot(epochs, points, marker=marker, color=colour, linewidth=1.6, label=label)


def _epochs(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlabel("epoch")
    axes.grid()
