"""Draw how the job grows, as SVG."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.growth.run import Run

_BLUE, _ORANGE, _GREEN, _GRAY = "#0072b2", "#d55e00", "#009e73", "#666666"
_MIB = 2**20


def draw(grown: Sequence[Run], planned: Sequence[Run], path: Path) -> None:
    """Draw cost per picture, memory, and seconds of a plan.

    Args:
        grown: runs over growing numbers of pictures, with one and two tasks at once.
        planned: runs with growing numbers of keys, almost all scored before.
        path: file of the SVG.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    cost, memory, plan = figure.subplots(1, 3)
    _draw_cost(cost, grown)
    most = max(run.tasks for run in grown)
    _draw_memory(memory, [run for run in grown if run.tasks == most])
    _draw_plan(plan, planned)
    for axes in (cost, memory, plan):
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd")
        axes.set_axisbelow(True)
    with mpl.rc_context({"svg.hashsalt": "steeldefect"}):
        figure.savefig(path, metadata={"Date": None})


def _draw_cost(axes: Any, runs: Sequence[Run]) -> None:
    for tasks, colour in zip(
        sorted({run.tasks for run in runs}), (_BLUE, _ORANGE, _GREEN), strict=False
    ):
        chosen = [run for run in runs if run.tasks == tasks]
        axes.plot(
            [run.pictures for run in chosen],
            [1000 * run.task_seconds for run in chosen],
            "o",
            color=colour,
            alpha=0.4,
        )
        sizes = sorted({run.pictures for run in chosen})
        middle = [
            statistics.median(1000 * run.task_seconds for run in chosen if run.pictures == size)
            for size in sizes
        ]
        label = "one task" if tasks == 1 else f"{tasks} tasks at once"
        axes.plot(sizes, middle, color=colour, label=label)
    axes.set_title("Cost of a picture, stand-in for the models")
    axes.set_xlabel("pictures in a run")
    axes.set_ylabel("ms of a task")
    axes.legend(frameon=False, loc="lower right")


def _draw_memory(axes: Any, runs: Sequence[Run]) -> None:
    sizes = sorted({run.pictures for run in runs})
    for role, colour in (("JVM", _ORANGE), ("driver", _BLUE), ("worker", _GREEN)):
        peaks = [
            max(run.peaks.get(role, 0) for run in runs if run.pictures == size) / _MIB
            for size in sizes
        ]
        axes.plot(sizes, peaks, "o-", color=colour, label=role)
    axes.set_title("Greatest memory of a process")
    axes.set_xlabel("pictures in a run")
    axes.set_ylabel("MiB")
    axes.legend(frameon=False, loc="lower right")


def _draw_plan(axes: Any, runs: Sequence[Run]) -> None:
    keys = [run.keys for run in runs]
    seconds = [run.driver_seconds["list"] + run.driver_seconds["plan"] for run in runs]
    axes.plot(keys, seconds, "o-", color=_BLUE)
    axes.set_title("A plan, all but 2,000 keys scored before")
    axes.set_xlabel("keys")
    axes.set_ylabel("seconds, list and plan", color=_BLUE)
    other = axes.twinx()
    peaks = [sum(run.peaks.get(role, 0) for role in ("driver", "JVM")) / _MIB for run in runs]
    other.plot(keys, peaks, "s--", color=_GRAY)
    other.set_ylim(bottom=0)
    other.set_ylabel("MiB, driver and JVM", color=_GRAY)
    other.spines["top"].set_visible(False)
