"""Test the pictures of a training report and the intervals of its Dice."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.reports import make

from training.report import Report
from training.report.examples import choose
from training.report.intervals import positives_dice_interval
from training.report.outlines import outlines


@pytest.fixture(scope="module")
def report(learnable: Path) -> Report:
    return make(learnable)


_WORST = "The worst by Dice, each class in turn"


def test_examples_are_sorted_by_what_went_wrong(report: Report) -> None:
    kinds = {one.heading: one for one in choose(report)}
    worst, best = kinds[_WORST].names, kinds["The best by Dice"].names
    stopped = kinds["Defective pictures stopped by the gate"].names
    assert (len(worst), len(best)) == (8, 4)
    assert not {*worst} & {*best}
    assert not {*worst, *best} & {*stopped}
    segmented = report.positives[~report.positives["ImageId"].isin(stopped)]
    mean = segmented.groupby("ImageId")["dice"].mean()
    assert min(mean[list(best)]) >= max(mean.drop(list(best)))
    left = segmented[~segmented["ImageId"].isin(best)]
    least = left.groupby("class_id")["dice"].min().sort_values().tolist()
    assert [left.set_index("ImageId")["dice"][name] for name in worst[:2]] == least
    below = report.held_out[(report.held_out["passed"] == 0) & (report.held_out["defective"] == 1)]
    assert {*stopped} <= set(below["ImageId"])


def test_one_picture_of_each_group_is_shown(report: Report) -> None:
    table = report.held_out.assign(group="all alike")
    kinds = choose(replace(report, held_out=table))
    assert [len(one.names) for one in kinds] == [1] * len(kinds)


def test_outlines_lie_where_the_masks_lie(folder: Any) -> None:
    folder.picture("f.png", {1: folder.square(2, 3)})  # rows 2 to 13, columns 3 to 14
    folder.picture("c.png")
    folder.masks_table()
    folder.classes({1: "c1", 2: "c2"})
    report = make(folder.path)
    all_pass = replace(report, held_out=report.held_out.assign(passed=1, gate_probability=0.9))
    drawn = outlines(all_pass).partition('<div class="overlays">')[2]
    paths = re.findall(r'<g class="(?:found|true)">.*?d="([^"]+)"', drawn)
    assert len(paths) == 2
    for path in paths:
        numbers = [float(one) for one in re.findall(r"-?[\d.]+", path)]
        points = np.cumsum(np.array(numbers).reshape(-1, 2), axis=0)
        assert points.min(axis=0).tolist() == [3.5, 2.5]
        assert points.max(axis=0).tolist() == [14.5, 13.5]
    assert "c1: Dice 1.000, 144 px true, 144 px found" in drawn


# -- intervals ------------------------------------------------------------------------------------


def _positives(dice: Sequence[float], copies: int = 1) -> pd.DataFrame:
    rows = [(f"group {n}", value) for n, value in enumerate(dice) for _ in range(copies)]
    return pd.DataFrame(rows, columns=["group", "dice"])


def test_interval_draws_groups_and_not_pictures() -> None:
    dice = np.random.default_rng(1).uniform(0.4, 1.0, 60).tolist()
    once, often = (positives_dice_interval(_positives(dice, copies)) for copies in (1, 9))
    assert once is not None
    assert once == pytest.approx(often)
    error = np.std(dice) / math.sqrt(len(dice))
    assert once.low == pytest.approx(np.mean(dice) - 1.96 * error, abs=0.01)
    assert once.high == pytest.approx(np.mean(dice) + 1.96 * error, abs=0.01)


def test_no_interval_of_a_few_groups() -> None:
    assert positives_dice_interval(_positives([0.1, 0.5, 0.9, 0.8], 20)) is None
