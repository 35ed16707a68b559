"""Test the learning curve: which pictures are chosen, and what is scored."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.learning_curve.__main__ import _table
from benchmarks.learning_curve.drawing import draw
from benchmarks.learning_curve.scores import Point, drawn_again, values_of
from benchmarks.learning_curve.subsets import in_even_order, write_subset
from steeldefect.pictures import run_lengths
from training.data.dataset import DataSet, LabelledPicture, read_dataset
from training.evaluation.held_out_csv import HeldOutRows, join_held_out
from training.synthetic import StripSettings, generate


def drawn(count: int) -> DataSet:
    """Return pictures in memory: 40% clean, 40% of class 1, 20% of class 2."""
    kinds: list[tuple[int, ...]] = [(), (1,), (2,), (), (1,)]
    pictures = [
        LabelledPicture(
            f"p{n:02d}",
            Path(f"p{n:02d}"),
            (4, 4),
            bool(kinds[n % 5]),
            {number: run_lengths.parse("1 2") for number in kinds[n % 5]},
            f"g{n}",
        )
        for n in range(count)
    ]
    return DataSet(Path("none"), tuple(pictures), {1: "one", 2: "two"}, "")


def kind(runs: dict[int, Any]) -> int:
    return min(runs, default=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_part_of_the_order_has_the_classes_of_the_whole(seed: int) -> None:
    dataset = drawn(20)
    ordered = in_even_order(dataset, seed)
    assert sorted(one.name for one in ordered) == [one.name for one in dataset.pictures]
    for start in (0, 10):
        counts = Counter(kind(one.runs) for one in ordered[start : start + 10])
        assert counts[0] in (3, 4, 5)
        assert counts[1] in (3, 4, 5)
        assert counts[2] in (1, 2, 3)
    assert ordered == in_even_order(dataset, seed)
    assert ordered != in_even_order(dataset, seed + 1)


def test_a_part_is_a_data_folder_with_the_same_labels(tmp_path: Path) -> None:
    generate(tmp_path / "whole", pictures=12, seed=1, settings=StripSettings(height=64, width=400))
    dataset = read_dataset(tmp_path / "whole")
    chosen = in_even_order(dataset, 0)[:7]
    write_subset(dataset, chosen, tmp_path / "part")
    part = read_dataset(tmp_path / "part")
    assert [one.name for one in part.pictures] == sorted(one.name for one in chosen)
    assert part.class_names == dataset.class_names
    whole = {one.name: one for one in dataset.pictures}
    for one in part.pictures:
        assert (one.defective, one.group) == (whole[one.name].defective, whole[one.name].group)
        assert {number: run_lengths.to_text(runs) for number, runs in one.runs.items()} == {
            number: run_lengths.to_text(runs) for number, runs in whole[one.name].runs.items()
        }


def rows(names: list[str], tp: list[int]) -> HeldOutRows:
    """Return held-out pictures with 10 true pixels each, of which `tp` are found."""
    pictures = pd.DataFrame(
        {
            "group": names,
            "defective": True,
            "probability": np.linspace(0.1, 0.9, len(names)),
            "passed": True,
        },
        index=pd.Index(names, name="ImageId"),
    )
    pairs = pd.DataFrame({"ImageId": names, "class_id": 1, "tp": tp, "fp": 0, "fn": 0})
    pairs["fn"] = 10 - pairs["tp"]
    return HeldOutRows(pictures, pairs, (1,))


def test_several_parts_are_scored_together() -> None:
    both = values_of(join_held_out([rows(["b", "d"], [10, 0]), rows(["a", "c"], [10, 5])]))
    assert both["positives_dice"] == pytest.approx((1 + 0 + 1 + 2 / 3) / 4)
    assert both["pooled_dice"] == pytest.approx(2 * 25 / (2 * 25 + 15))


def test_a_picture_that_is_drawn_twice_counts_twice() -> None:
    whole = rows(["a", "b", "c"], [10, 0, 5])
    counts = set()
    for seed in range(20):
        drawn = drawn_again(whole, seed)
        assert len(drawn.pictures) == len(drawn.pairs) == 3
        found = [name.partition(" ")[2] for name in drawn.pictures.index]
        dice = {"a": 1.0, "b": 0.0, "c": 2 / 3}
        expected = sum(dice[name] for name in found) / 3
        assert values_of(drawn)["positives_dice"] == pytest.approx(expected)
        counts.add(tuple(sorted(found)))
    assert len(counts) > 5


def test_the_table_and_the_chart_show_every_point(tmp_path: Path) -> None:
    values: dict[str, float | None] = {
        "positives_dice": 0.3,
        "pooled_dice": 0.4,
        "mean_dice": 0.5,
        "gate_auc": None,
    }
    around = {name: None if value is None else (0.1, 0.9) for name, value in values.items()}
    points = [
        Point(strips, archive, 10, values, around)
        for strips in (10, 20)
        for archive in (False, True)
    ]
    lines = list(_table(points))
    assert lines[2:] == [
        f"| {strips} | 10 | {archive} | 0.300 (0.100 to 0.900) | 0.400 (0.100 to 0.900) "
        "| 0.500 (0.100 to 0.900) | - |"
        for strips in (10, 20)
        for archive in ("no", "yes")
    ]
    draw(points, tmp_path / "curve.svg")
    assert "labelled pictures" in (tmp_path / "curve.svg").read_text(encoding="utf-8")
