"""All metrics of an evaluation, against a recount in plain pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from steeldefect.evaluation.confusions import PairCounter
from steeldefect.evaluation.defect_table import defect_table
from steeldefect.evaluation.intervals import estimate
from steeldefect.evaluation.metrics import IntervalScore
from steeldefect.evaluation.pair_counts import PairCounts, join_counted
from steeldefect.evaluation.pairing import PAIR_SCHEMA
from steeldefect.evaluation.ratios import ratios_of, sums_of
from steeldefect.evaluation.scores import evaluation_scores, size_classes
from steeldefect.pictures import run_lengths

HEIGHT, WIDTH = 40, 60
BOUNDS = (20, 60)
Box = tuple[int, int, int, int]
PICTURES, CLASSES = 30, {1: "bright", 3: "dark"}


def boxes(rng: np.random.Generator, count: int) -> list[Box]:
    """Return boxes that lie apart: each in a column strip of its own."""
    made = []
    for number in rng.permutation(6)[:count]:
        top, height = int(rng.integers(0, 25)), int(rng.integers(1, 15))
        made.append(
            (top, int(number) * 10, top + height, int(number) * 10 + int(rng.integers(2, 8)))
        )
    return made


def example() -> tuple[PairCounts, pd.DataFrame, pd.DataFrame]:
    """Return counts, pictures, and one row for each pair with its boxes."""
    rng = np.random.default_rng(7)
    rows, known = [], []
    for picture in range(PICTURES):
        for class_id in CLASSES:
            true = boxes(rng, int(rng.integers(0, 3)))
            hits = [box for box in true if rng.random() < 0.7]
            moved = [
                (top, left + int(rng.integers(0, 2)), bottom, right + 1)
                for top, left, bottom, right in hits
            ]
            free = [
                box for box in boxes(rng, 1) if all(box[1] // 10 != one[1] // 10 for one in true)
            ]
            found = moved + (free if rng.random() < 0.4 else [])
            known.append({"picture": picture, "class_id": class_id, "true": true, "found": found})
            if true or found:
                rows.append(
                    {"picture": picture, "class_id": class_id, "height": HEIGHT, "width": WIDTH}
                    | {"truth": text_of(true), "found": text_of(found)}
                )
    batch = pa.RecordBatch.from_pylist(rows, PAIR_SCHEMA)
    counted = pa.Table.from_batches(PairCounter(0.5, BOUNDS).count([batch]))
    images = pd.DataFrame({"width": WIDTH, "height": HEIGHT, "outlined": True}, range(PICTURES))
    defective = {row["picture"] for row in known if row["true"]}
    seen = {row["picture"] for row in known if row["found"]}
    images["defective"] = images.index.isin(list(defective))
    images["verdict"] = np.where(images.index.isin(list(seen)), "defect", "clean")
    images["gate_probability"] = rng.random(PICTURES)
    images["pixel_mm_x"] = np.where(images.index < 20, 0.5, np.nan)
    images["pixel_mm_y"] = 2.0
    images = images.assign(source="/s", key="k", image_id="k")
    counts = join_counted([counted.drop_columns("problem")], images, CLASSES, len(BOUNDS) + 1)
    return counts, images, pd.DataFrame(known)


def text_of(found: list[Box]) -> str:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for top, left, bottom, right in found:
        mask[top:bottom, left:right] = True
    return run_lengths.encode(mask)


def area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def iou(one: Box, two: Box) -> float:
    rows = min(one[2], two[2]) - max(one[0], two[0])
    columns = min(one[3], two[3]) - max(one[1], two[1])
    both = max(rows, 0) * max(columns, 0)
    return both / (area(one) + area(two) - both)


def plain(rows: pd.DataFrame) -> dict[str, float]:
    """Recount the metrics of defects from boxes that overlap at most one box of the other kind."""
    true = [box for boxes in rows["true"] for box in boxes]
    found = [box for boxes in rows["found"] for box in boxes]
    hits = [
        (one, two, iou(one, two))
        for row in rows.to_dict("records")
        for one in row["true"]
        for two in row["found"]
        if iou(one, two) >= 0.5
    ]
    pictures = rows["picture"].nunique()
    near = rows[rows["picture"] < 20]
    near_hits = sum(
        iou(one, two) >= 0.5
        for row in near.to_dict("records")
        for one in row["true"]
        for two in row["found"]
    )
    metres = 20 * HEIGHT * WIDTH * 0.5 * 2.0 / 1e6
    return {
        "defect_recall": len(hits) / len(true),
        "defect_precision": len(hits) / len(found),
        "recognition_quality": 2 * len(hits) / (len(true) + len(found)),
        "segmentation_quality": sum(one[2] for one in hits) / len(hits),
        "missed_per_100_pictures": 100 * (len(true) - len(hits)) / pictures,
        "false_alarms_per_100_pictures": 100 * (len(found) - len(hits)) / pictures,
        "missed_per_m2": (near["true"].map(len).sum() - near_hits) / metres,
        "false_alarms_per_m2": (near["found"].map(len).sum() - near_hits) / metres,
        "small_recall": sum(area(one[0]) < 20 for one in hits)
        / sum(area(one) < 20 for one in true),
        "small_precision": sum(area(one[1]) < 20 for one in hits)
        / sum(area(one) < 20 for one in found),
    }


def small(found: list[Box]) -> int:
    return sum(area(box) < BOUNDS[0] for box in found)


def scores(draws: int = 200) -> tuple[list[IntervalScore], pd.DataFrame]:
    counts, images, known = example()
    units = np.arange(PICTURES)
    return evaluation_scores(counts, images, units, size_classes(BOUNDS), draws), known


@pytest.mark.parametrize("class_id", [None, 1, 3])
def test_metrics_of_defects_are_those_of_a_recount(class_id: int | None) -> None:
    made, known = scores(0)
    rows = known if class_id is None else known[known["class_id"] == class_id]
    expected = plain(rows)
    found = {(one.name, one.size_class): one.value for one in made if one.class_id == class_id}
    small = size_classes(BOUNDS)[0]
    for name, value in expected.items():
        kind, _, rest = name.partition("_")
        key = (f"defect_{rest}", small) if kind == "small" else (name, None)
        assert found[key] == pytest.approx(value), name
    if class_id is None:
        by_class = [plain(known[known["class_id"] == one]) for one in CLASSES]
        quality = [one["recognition_quality"] * one["segmentation_quality"] for one in by_class]
        assert found["panoptic_quality", None] == pytest.approx(np.mean(quality))
    else:
        product = expected["recognition_quality"] * expected["segmentation_quality"]
        assert found["panoptic_quality", None] == pytest.approx(product)


def test_every_metric_is_there_once_with_an_interval_around_it() -> None:
    made, _ = scores()
    keys = [(one.scope, one.class_id, one.name, one.size_class) for one in made]
    assert len(set(keys)) == len(keys)
    for one in made:
        if one.value is None or one.name == "gate_auc":
            assert (one.low, one.high) == (None, None), one
        else:
            assert one.low is not None, one
            assert one.low <= one.value + 1e-9, one
            assert one.high is not None, one
            assert one.value <= one.high + 1e-9, one


def test_ratios_agree_with_the_functions_that_training_uses() -> None:
    """The bootstrap's own value of a metric is the metric."""
    counts, images, _ = example()
    ratios = ratios_of(list(CLASSES), size_classes(BOUNDS))
    found = estimate(sums_of(counts, images, np.arange(PICTURES)), ratios, 0)
    made, _ = scores(0)
    exact = {(one.class_id, one.name, one.size_class): one for one in made}
    for ratio, value, support in zip(ratios, found.values, found.supports, strict=True):
        score = exact[ratio.class_id, ratio.name, ratio.size_class]
        assert score.value == pytest.approx(value, nan_ok=True), ratio.name
        assert score.support == support, ratio.name


def test_a_gate_less_bundle_has_no_gate_metrics() -> None:
    counts, images, _ = example()
    images["gate_probability"] = np.nan
    made = evaluation_scores(counts, images, np.arange(PICTURES), size_classes(BOUNDS), 0)
    assert not [one for one in made if one.name.startswith("gate")]
    assert [one for one in made if one.name.startswith("verdict")]


def test_nothing_true_and_nothing_found_is_undefined_not_wrong() -> None:
    _, images, _ = example()
    nothing = join_counted([], images, CLASSES, 3)
    made = evaluation_scores(nothing, images, np.arange(PICTURES), size_classes(BOUNDS), 20)
    found = {one.name: one.value for one in made if one.class_id is None and not one.size_class}
    assert found["defect_recall"] is found["panoptic_quality"] is found["pooled_dice"] is None
    assert (found["mean_dice"], found["missed_per_m2"]) == (1.0, 0.0)


def test_the_table_shows_classes_sizes_and_rates() -> None:
    made, known = scores()
    lines = defect_table(CLASSES, made)
    titles = [line.split("  ")[0] for line in lines[1:]]
    assert titles[:4] == ["all classes", *(f"all classes, {one}" for one in size_classes(BOUNDS))]
    assert f"{known['true'].map(len).sum():>7}  " in lines[1]
    assert "1 bright" in titles
    assert [line.split(":")[0] for line in lines[-2:]] == ["per 100 pictures", "per square metre"]
