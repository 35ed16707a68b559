"""Charts over the nights, and of the gate, as SVG (Matplotlib).

Classes have hatches, and cameras markers, beside their colours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from steeldefect.pages.figures import one_panel, styled, to_svg
from steeldefect.pages.marks import hatch_of, marker_of
from steeldefect.pages.palette import ACCENT, CLEAN, DEFECTIVE, NEUTRAL, class_colour
from steeldefect.report.answers import Row
from steeldefect.report.runs import NightRun
from steeldefect.watch.facts import who

_WIDTH, _HEIGHT = 540, 240
_TICKS = 7
_INK = "#1f2933"
_YEAR = 300  # days from which on the year says more than the day
_MANY = 40  # nights from which on points have no markers


def share_defective(runs: Sequence[NightRun], name: str = "defective") -> str:
    """Draw the share of defective pictures by night."""
    values = [one.defective / one.scored if one.scored else math.nan for one in runs]
    return _line(name, runs, values, DEFECTIVE, "pictures with a defect", share=True)


def not_scored(runs: Sequence[NightRun], name: str = "not-scored") -> str:
    """Draw the share of pictures that could not be scored, by night."""
    values = [one.quarantined / one.done if one.done else math.nan for one in runs]
    return _line(name, runs, values, NEUTRAL, "pictures not scored", share=True)


def throughput(runs: Sequence[NightRun], name: str = "throughput") -> str:
    """Draw pictures a second by night."""
    values = [one.pictures_per_second if one.done else math.nan for one in runs]
    return _line(name, runs, values, ACCENT, "pictures a second", share=False)


def _line(
    name: str, runs: Sequence[NightRun], values: list[float], colour: str, unit: str, *, share: bool
) -> str:
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT)
        marker = "" if len(runs) > _MANY else "o"
        axes.plot(
            range(len(runs)), values, color=colour, marker=marker, markersize=5, linewidth=1.6
        )
        axes.plot([len(runs) - 1], values[-1:], "o", color=_INK, markersize=8, fillstyle="none")
        known = [one for one in values if not math.isnan(one)]
        axes.set_ylim(0, max(known, default=0) * 1.15 or 1)
        if share:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_ylabel(unit)
        _nights(axes, [one.scored_at for one in runs])
        return to_svg(figure)


def _date(moment: datetime, moments: Sequence[datetime]) -> str:
    """Return the label of a night: with the time if nights share a day, or with the year."""
    if len({one.date() for one in moments}) < len(moments):
        return f"{moment.day} {moment:%b}\n{moment:%H:%M}"
    if (moments[-1] - moments[0]).days > _YEAR:
        return f"{moment:%b}\n{moment:%Y}"
    return f"{moment.day} {moment:%b}"


def _label(name: str) -> str:
    """Return a name for a legend; Matplotlib leaves out names that begin with an underscore."""
    return f" {name}" if name.startswith("_") else name


def _nights(axes: Axes, moments: Sequence[datetime]) -> None:
    """Label an axis of nights, one place each, with some of their dates."""
    count = len(moments)
    places = sorted({round(one) for one in np.linspace(0, count - 1, min(count, _TICKS))})
    axes.set_xticks(places, [_date(moments[one], moments) for one in places])
    axes.set_xlim(-0.6, count - 0.4)
    axes.grid(axis="y")


def area_by_class(
    runs: Sequence[NightRun], areas: Sequence[Row], classes: Mapping[int, str], name: str = "area"
) -> str:
    """Draw the area of each class by night, in pixels for each picture scored, stacked."""
    by_run = {(one["run_id"], one["class_id"]): one["area_px"] for one in areas}
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT + 20)
        below = np.zeros(len(runs))
        for class_id, class_name in classes.items():
            values = np.array(
                [by_run.get((one.run_id, class_id), 0) / max(one.scored, 1) for one in runs]
            )
            look: dict[str, Any] = {"edgecolor": _INK, "linewidth": 0.4}
            axes.bar(
                range(len(runs)),
                values,
                0.82,
                below,
                color=class_colour(class_id),
                hatch=hatch_of(class_id),
                label=_label(class_name),
                **look,
            )
            below += values
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_ylabel("pixels a picture")
        _nights(axes, [one.scored_at for one in runs])
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=11)
        return to_svg(figure)


def gate_histogram(rows: Sequence[Row], threshold: float | None, name: str = "gate") -> str:
    """Draw how many pictures have which probability of the gate, on a scale of log odds.

    Args:
        rows: answer to `questions.GATE`.
        threshold: the gate's threshold; None if unknown.
        name: name of the chart, different for each on a page.
    """
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT + 20)
        for passed, colour, hatch, label in (
            (False, CLEAN, "", "stopped"),
            (True, DEFECTIVE, "///", "passed on"),
        ):
            own = [one for one in rows if one["passed"] is passed]
            places = [one["half_step"] / 2 for one in own]
            heights = [one["pictures"] for one in own]
            below = [
                next(
                    (
                        other["pictures"]
                        for other in rows
                        if passed and not other["passed"] and other["half_step"] == one["half_step"]
                    ),
                    0,
                )
                for one in own
            ]
            axes.bar(
                places,
                heights,
                0.48,
                below,
                color=colour,
                hatch=hatch,
                edgecolor=_INK,
                linewidth=0.4,
                label=label,
            )
        if threshold is not None and 0 < threshold < 1:
            axes.axvline(
                math.log(threshold / (1 - threshold)),
                color=_INK,
                linestyle="--",
                linewidth=1.4,
                label=f"threshold {threshold:g}",
            )
        shown = [0.00001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999]
        axes.set_xticks([math.log(one / (1 - one)) for one in shown], [f"{one:g}" for one in shown])
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(axis="y")
        axes.set_xlabel("gate's probability of a defect")
        axes.set_ylabel("pictures")
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=11)
        return to_svg(figure)


def camera_statistics(
    runs: Sequence[NightRun], rows: Sequence[Row], quantity: str, unit: str, name: str
) -> str:
    """Draw the median of one statistic of each camera by night, and its reference as a line.

    Args:
        runs: the nights, the oldest first.
        rows: answer to `questions.CAMERAS_OF_NIGHTS`.
        quantity: name of the statistic.
        unit: label of the axis.
        name: name of the chart, different for each on a page.
    """
    own = [one for one in rows if one["quantity"] == quantity]
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT + 20)
        _cameras(axes, runs, own, "night_value")
        references = [one["reference_value"] for one in own if one["camera"] is None]
        if references:
            axes.axhline(references[-1], color=_INK, linestyle=":", label="reference")
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=11)
        return to_svg(figure)


def camera_limits(runs: Sequence[NightRun], rows: Sequence[Row], name: str = "limits") -> str:
    """Draw how far each camera is from its reference by night, as a multiple of its limit."""
    farthest: dict[tuple[str, str | None], Row] = {}
    for one in rows:
        if one["threshold"]:
            share = one["distance"] / one["threshold"]
            key = one["run_id"], one["camera"]
            if key not in farthest or share > farthest[key]["share"]:
                farthest[key] = one | {"share": share, "alarm": one["alarm"]}
    with styled(name):
        figure, axes = one_panel(_WIDTH, _HEIGHT + 20)
        _cameras(axes, runs, list(farthest.values()), "share")
        axes.axhline(1.0, color=DEFECTIVE, linestyle="--", label="limit of an alarm")
        axes.set_ylim(bottom=0)
        axes.set_ylabel("distance / limit")
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=11)
        return to_svg(figure)


def _cameras(axes: Axes, runs: Sequence[NightRun], rows: Sequence[Row], column: str) -> None:
    places = {one.run_id: place for place, one in enumerate(runs)}
    cameras = sorted({one["camera"] for one in rows}, key=lambda one: (one is not None, one or ""))
    for number, camera in enumerate(cameras, 1):
        own = sorted(
            (one for one in rows if one["camera"] == camera), key=lambda one: places[one["run_id"]]
        )
        axes.plot(
            [places[one["run_id"]] for one in own],
            [one[column] for one in own],
            color=_INK if camera is None else class_colour(number - (cameras[0] is None)),
            marker="" if len(runs) > _MANY else marker_of(number),
            linewidth=1.4,
            markersize=6,
            label=_label(who(camera)[:24]),
        )
    alarms = [one for one in rows if one["alarm"]]
    axes.plot(
        [places[one["run_id"]] for one in alarms],
        [one[column] for one in alarms],
        "o",
        color=DEFECTIVE,
        markersize=13,
        fillstyle="none",
        markeredgewidth=2,
    )
    axes.yaxis.set_major_locator(MaxNLocator(4))
    _nights(axes, [one.scored_at for one in runs])
