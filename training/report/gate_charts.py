"""Draw the charts of the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from sklearn.metrics import precision_recall_curve, roc_curve

from steeldefect.pages.figures import one_panel, styled, to_svg
from steeldefect.pages.palette import ACCENT, CHOSEN, CLEAN, DEFECTIVE, NEUTRAL
from training.calibration.curves import GateCurve, Reliability

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SMALL, _SMALL_HEIGHT = 360, 290
_WIDTH, _HEIGHT = 540, 300
_EDGE = 1e-4  # probabilities nearer to 0 or 1 are drawn at this distance
_TICKS = (1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4)
_TICK_LABELS = ("0", ".001", ".01", ".1", ".5", ".9", ".99", ".999", "1")
_SPREAD_BINS = 24


@dataclass(frozen=True)
class Point:
    """The gate at its threshold, as a point on the curves; all are shares of pictures."""

    recall: float
    false_alarms: float
    precision: float


def precision_recall(name: str, defective: Bools, probability: Float64, point: Point) -> str:
    """Draw precision against recall, and the precision of a gate that passes all pictures."""
    precision, recall, _ = precision_recall_curve(defective, probability)
    with styled(name):
        figure, axes = one_panel(_SMALL, _SMALL_HEIGHT)
        axes.axhline(float(defective.mean()), color=CLEAN, linewidth=1, linestyle=(0, (4, 3)))
        axes.step(recall, precision, where="post", color=ACCENT, linewidth=1.8)
        axes.plot([point.recall], [point.precision], "o", color=CHOSEN, markersize=7)
        _unit_square(axes)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        return to_svg(figure)


def roc(name: str, defective: Bools, probability: Float64, point: Point) -> str:
    """Draw recall against the share of clean pictures that pass."""
    false_alarms, recall, _ = roc_curve(defective, probability)
    with styled(name):
        figure, axes = one_panel(_SMALL, _SMALL_HEIGHT)
        axes.plot([0, 1], [0, 1], color=CLEAN, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(false_alarms, recall, color=ACCENT, linewidth=1.8)
        axes.plot([point.false_alarms], [point.recall], "o", color=CHOSEN, markersize=7)
        _unit_square(axes)
        axes.set_xlabel("clean pictures that pass")
        axes.set_ylabel("recall")
        return to_svg(figure)


def probabilities(name: str, defective: Bools, probability: Float64, threshold: float) -> str:
    """Draw the histogram of probabilities on a logit axis."""
    with styled(name):
        figure, axes = one_panel(_SMALL, _SMALL_HEIGHT)
        edges = _opened(np.array([_EDGE, 1 - _EDGE]))
        bins = 1 / (1 + np.exp(-np.linspace(edges[0], edges[1], _SPREAD_BINS + 1)))
        inside = np.clip(probability, _EDGE, 1 - _EDGE)
        values = [inside[~defective], inside[defective]]
        axes.hist(
            values,
            bins=bins.tolist(),
            stacked=True,
            color=[CLEAN, DEFECTIVE],
            label=["clean", "defective"],
        )
        _probability_axis(axes, "probability of a defect")
        _chosen(axes, threshold)
        axes.set_ylabel("pictures")
        axes.grid(axis="y")
        axes.legend(frameon=False, fontsize=11)
        return to_svg(figure)


def sweep(name: str, curve: GateCurve, threshold: float) -> str:
    """Draw recall, clean recall and precision against the threshold."""
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT)
        inside = np.clip(curve.threshold, _EDGE, 1 - _EDGE)
        for values, colour, label in (
            (curve.recall, DEFECTIVE, "recall"),
            (curve.clean_recall, ACCENT, "clean recall"),
            (curve.precision, NEUTRAL, "precision"),
        ):
            axes.step(inside, values, where="pre", color=colour, linewidth=1.8, label=label)
        axes.set_ylim(-0.02, 1.03)
        _probability_axis(axes, "threshold")
        _chosen(axes, threshold)
        axes.grid()
        axes.legend(frameon=False, fontsize=11, loc="center left")
        return to_svg(figure)


def reliability(name: str, curves: Mapping[str, Reliability]) -> str:
    """Draw the share of defective pictures against the mean probability of each bin."""
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT)
        axes.plot([0, 1], [0, 1], color=CLEAN, linewidth=1, linestyle=(0, (4, 3)))
        most = max(int(one.pictures.max()) for one in curves.values())
        colours = [NEUTRAL, ACCENT][-len(curves) :]
        for (label, one), colour in zip(curves.items(), colours, strict=True):
            axes.plot(one.probability, one.defective, color=colour, linewidth=1.2)
            area = 14 + 150 * one.pictures / most
            look = f"{label}: E = {one.error:.3f}"
            axes.scatter(
                one.probability, one.defective, area, colour, alpha=0.7, linewidths=0, label=look
            )
        _unit_square(axes)
        axes.set_xlabel("probability of the gate")
        axes.set_ylabel("share defective")
        axes.legend(frameon=False, fontsize=11, loc="lower right")
        return to_svg(figure)


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.04)
    axes.grid()


def _chosen(axes: Axes, threshold: float) -> None:
    place = float(np.clip(threshold, _EDGE, 1 - _EDGE))
    axes.axvline(place, color=CHOSEN, linewidth=1.2, linestyle=(0, (4, 3)))


def _opened(probability: Float64) -> Float64:
    return np.log(probability / (1 - probability))


def _probability_axis(axes: Axes, label: str) -> None:
    """Set a logit axis: most probabilities and thresholds of a gate are near 0 or 1."""
    axes.set_xscale("logit")
    axes.set_xlim(_EDGE * 0.8, 1 - _EDGE * 0.8)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    labels = dict(zip(_TICKS, _TICK_LABELS, strict=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: labels.get(value, "")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)
