"""The table of Dice against cost: which rows stay, and what the changes of answers do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.pareto.__main__ import _table
from benchmarks.pareto.drawing import draw
from benchmarks.pareto.measuring import Measured, _dice, _gain, filled, on_front
from steeldefect.bundle.manifest import CpuPrecision
from steeldefect.pictures import run_lengths
from training.data.dataset import LabelledPicture
from training.evaluation.run_detector import PictureResult
from training.report.intervals import Interval


def row(name: str, dice: float, milliseconds: float) -> Measured:
    around = Interval(dice - 0.1, dice + 0.1)
    return Measured(name, CpuPrecision.BF16, dice, around, dice, None, None, milliseconds)


ROWS = [
    row("fast", 0.5, 1.0),
    row("slow and worse", 0.4, 2.0),
    row("slow and better", 0.6, 4.0),
    row("as good as the first, and slower", 0.5, 1.5),
]


def test_rows_stay_that_no_other_beats_in_both() -> None:
    assert on_front(ROWS) == [True, False, True, False]
    assert on_front([ROWS[0], ROWS[0]]) == [True, True]


def test_the_table_says_how_many_pictures_a_second_a_core_takes() -> None:
    first = _table(ROWS)[2].split("|")
    assert [cell.strip() for cell in first[-4:-1]] == ["1.0", "1000", "yes"]
    assert first[3].strip() == "0.500 (0.400 to 0.600)"


def test_the_chart_names_every_row(tmp_path: Path) -> None:
    draw(ROWS, "tiles", tmp_path / "chart.svg")
    text = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert text.rstrip().endswith("</svg>")
    for one in ROWS:
        assert f"{one.name}, bf16" in text


def test_holes_are_filled_and_nothing_else() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:25, 5:30] = True
    mask[10:15, 10:20] = False
    mask[30:35, 40:50] = True
    open_ring = mask.copy()
    open_ring[5:10, 12] = False  # the hole is open now
    for given, grown in ((mask, 50), (open_ring, 0)):
        runs = {1: run_lengths.from_mask(given)}
        picture = LabelledPicture("a", Path("a"), given.shape, True, runs, "a")
        result = filled(PictureResult(picture, 0.5, float("nan"), True, runs))
        found = run_lengths.to_mask(result.masks[1], given.shape)
        assert found.sum() == given.sum() + grown
        assert found[given].all()


def test_dice_is_of_pairs_with_truth_and_gains_are_paired() -> None:
    table = pd.DataFrame(
        {
            "group": ["a", "b", "c", "d"],
            "tp": pd.array([10, 0, 0, None], dtype="Int64"),
            "fp": pd.array([0, 5, 5, None], dtype="Int64"),
            "fn": pd.array([0, 5, 0, None], dtype="Int64"),
        }
    )
    pairs = _dice(table)
    assert pairs["group"].tolist() == ["a", "b"]
    assert pairs["dice"].tolist() == [1.0, 0.0]
    gain, interval = _gain(pairs, pd.Series([0.5, 0.0]))
    assert gain == pytest.approx(0.25)
    assert interval is None, "two groups are too few"
