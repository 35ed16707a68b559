"""Draw Dice against pictures a second and core, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from benchmarks.pareto.measuring import Measured, on_front

_FRONT, _BEATEN, _LINE = "#0072b2", "#999999", "#dddddd"


def _is_above(row: Measured, rows: Sequence[Measured]) -> bool:
    """Return whether a row is better than the next one in cost: their names are then apart."""
    others = [one for one in rows if one is not row]
    if not others:
        return True
    return row.dice >= min(others, key=lambda one: abs(log(one.rate / row.rate))).dice


def draw(rows: Sequence[Measured], title: str, path: Path) -> None:
    """Draw all rows with their intervals; those that no other beats are blue and joined.

    Args:
        rows: measured bundles.
        title: heading of the chart.
        path: file of the SVG.
    """
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    axes = figure.subplots()
    front = on_front(rows)
    best = sorted((row.rate, row.dice) for row, stays in zip(rows, front, strict=True) if stays)
    axes.step(*zip(*best, strict=True), where="pre", color=_FRONT, alpha=0.4)
    for row, stays in zip(rows, front, strict=True):
        colour = _FRONT if stays else _BEATEN
        if row.interval is not None:
            axes.plot([row.rate] * 2, row.interval, color=colour, alpha=0.35, linewidth=1)
        axes.plot(row.rate, row.dice, "o", color=colour)
        axes.annotate(
            f"{row.name}, {row.precision.value}",
            (row.rate, row.dice),
            xytext=(6, 5 if _is_above(row, rows) else -12),
            textcoords="offset points",
            fontsize=8,
            color=colour,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(ScalarFormatter())
    axes.set_xlabel("pictures a second and core")
    axes.set_ylabel("positives-only Dice, 95%")
    axes.set_title(title)
    axes.margins(x=0.2)
    axes.grid(color=_LINE)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": "steeldefect"}):
        figure.savefig(path, metadata={"Date": None})
