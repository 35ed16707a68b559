"""Draw a learning curve as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.learning_curve.scores import Point

_NAMES = {"positives_dice": "positives-only Dice", "pooled_dice": "pooled Dice"}
_STYLES = {
    False: ("#0072b2", "o", "labelled pictures alone"),
    True: ("#d55e00", "s", "and archive"),
}
_SHIFT = 0.25  # so that intervals do not cover each other


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw two metrics against the number of labelled pictures, with intervals.

    Args:
        points: all points of the curve.
        path: file of the SVG.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, len(_NAMES), sharey=True)
    for axes, (metric, name) in zip(panels, _NAMES.items(), strict=True):
        for archive, (colour, marker, label) in _STYLES.items():
            curve = sorted(
                (one for one in points if one.with_archive is archive), key=lambda one: one.strips
            )
            places = [one.strips + (_SHIFT if archive else -_SHIFT) for one in curve]
            values = [one.values[metric] or 0.0 for one in curve]
            if curve:
                axes.plot(places, values, marker=marker, color=colour, label=label)
            for place, one in zip(places, curve, strict=True):
                ends = one.intervals[metric]
                if ends is not None:
                    axes.plot([place] * 2, ends, color=colour, alpha=0.35, linewidth=1)
        axes.set_title(name)
        axes.set_xlabel("labelled pictures")
        axes.set_xticks(sorted({one.strips for one in points}))
        axes.set_ylim(0, 1)
        axes.grid(color="#dddddd")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Dice, 95%")
    panels[0].legend(frameon=False)
    with mpl.rc_context({"svg.hashsalt": "steeldefect"}):
        figure.savefig(path, metadata={"Date": None})
