"""Metrics: properties, examples worked out by hand, and the same numbers from drawn masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from steeldefect.bundle.manifest import Score
from steeldefect.evaluation import metrics

counts = st.integers(0, 10**9)
on_any_counts = settings(deadline=None, max_examples=200)

Bools = npt.NDArray[np.bool_]


def confusions(*rows: tuple[int, int, int, int]) -> pd.DataFrame:
    """Rows of class_id, tp, fp, fn."""
    return pd.DataFrame(rows, columns=["class_id", "tp", "fp", "fn"])


def values(scores: list[Score], class_id: int | None = None) -> dict[str, float | None]:
    return {score.name: score.value for score in scores if score.class_id == class_id}


def supports(scores: list[Score], class_id: int | None = None) -> dict[str, int]:
    return {score.name: score.support for score in scores if score.class_id == class_id}


@on_any_counts
@given(counts, counts, counts)
def test_dice_lies_in_0_to_1_and_is_symmetric(tp: int, fp: int, fn: int) -> None:
    one, swapped = metrics.dice(confusions((1, tp, fp, fn), (1, tp, fn, fp)))
    assert 0 <= one <= 1
    assert one == swapped
    assert (one == 1) == (fp == fn == 0)
    assert (one == 0) == (tp == 0 and fp + fn > 0)


def test_empty_against_empty_is_1() -> None:
    assert metrics.dice(confusions((1, 0, 0, 0))).tolist() == [1.0]


def test_no_rows_have_no_dice() -> None:
    assert metrics.dice(confusions()).shape == (0,)


def test_an_example_worked_out_by_hand() -> None:
    rows = confusions(
        (1, 30, 10, 10),  # dice 60 / 80 = 0.75
        (1, 0, 0, 0),  # empty and empty: 1
        (1, 0, 0, 50),  # missed: 0
        (2, 0, 20, 0),  # found where nothing is: 0
        (2, 100, 0, 0),  # exact: 1
    )
    scores = metrics.segmentation_scores(rows, [1, 2, 3])
    assert values(scores) == {
        "mean_dice": pytest.approx(2.75 / 5),
        "all_empty_dice": pytest.approx(2 / 5),
        "positives_dice": pytest.approx(1.75 / 3),
        "pooled_dice": pytest.approx(260 / (260 + 30 + 60)),
        "iou": pytest.approx(130 / 220),
    }
    assert values(scores, 1) == {
        "mean_dice": pytest.approx(1.75 / 3),
        "all_empty_dice": pytest.approx(1 / 3),
        "positives_dice": pytest.approx(0.375),
        "pooled_dice": pytest.approx(60 / 130),
        "iou": pytest.approx(30 / 100),
    }
    assert supports(scores, 1) == {
        "mean_dice": 3,
        "all_empty_dice": 3,
        "positives_dice": 2,
        "pooled_dice": 100,
        "iou": 100,
    }
    assert set(values(scores, 3).values()) == {None}
    assert set(supports(scores, 3).values()) == {0}
    assert [score.scope for score in scores] == ["overall"] * 5 + ["class"] * 15


def test_values_without_support_are_none() -> None:
    scores = metrics.segmentation_scores(confusions((1, 0, 0, 0)), [1])
    assert values(scores, 1) == {
        "mean_dice": 1.0,
        "all_empty_dice": 1.0,
        "positives_dice": None,
        "pooled_dice": None,
        "iou": None,
    }
    assert set(values(metrics.segmentation_scores(confusions(), [])).values()) == {None}


def test_every_mask_metric_is_named() -> None:
    scores = metrics.segmentation_scores(confusions((1, 1, 1, 1)), [])
    assert tuple(values(scores)) == metrics.MASK_METRICS
    assert all(name in metrics.CONVENTION for name in metrics.MASK_METRICS if name != "mean_dice")


masks = arrays.arrays(np.bool_, (6, 5, 4))  # pictures of 5 x 4 pixels


@on_any_counts
@given(masks, masks)
def test_the_same_numbers_come_from_drawn_masks(truth: Bools, found: Bools) -> None:
    rows = confusions(
        *(
            (1, int((t & f).sum()), int((~t & f).sum()), int((t & ~f).sum()))
            for t, f in zip(truth, found, strict=True)
        )
    )
    got = values(metrics.segmentation_scores(rows, [1]), 1)
    each = [
        1.0 if not (t.any() or f.any()) else 2 * (t & f).sum() / (t.sum() + f.sum())
        for t, f in zip(truth, found, strict=True)
    ]
    assert got["mean_dice"] == pytest.approx(np.mean(each))
    nothing = np.zeros_like(truth)
    assert got["all_empty_dice"] == pytest.approx(
        np.mean([float((t == n).all()) for t, n in zip(truth, nothing, strict=True)])
    )
    if truth.any() or found.any():
        assert got["pooled_dice"] == pytest.approx(f1_score(truth.ravel(), found.ravel()))
        assert got["iou"] == pytest.approx(jaccard_score(truth.ravel(), found.ravel()))


@on_any_counts
@given(st.data())
def test_gate_and_verdict_scores_agree_with_scikit_learn(data: st.DataObject) -> None:
    pictures = data.draw(st.integers(2, 30))
    defective = data.draw(arrays.arrays(np.bool_, pictures))
    defective[:2] = [True, False]
    probability = data.draw(arrays.arrays(np.float64, pictures, elements=st.floats(0, 1)))
    passed = probability >= 0.5
    gate = values(metrics.gate_scores(defective, probability, passed))
    assert gate == {
        "gate_recall": pytest.approx(recall_score(defective, passed)),
        "gate_clean_recall": pytest.approx(recall_score(~defective, ~passed)),
        "gate_auc": pytest.approx(roc_auc_score(defective, probability)),
        "gate_accuracy": pytest.approx(accuracy_score(defective, passed)),
        "gate_pass_share": pytest.approx(passed.mean()),
    }
    verdict = values(metrics.verdict_scores(defective, passed))
    assert verdict["verdict_recall"] == gate["gate_recall"]
    assert verdict["verdict_clean_recall"] == gate["gate_clean_recall"]
    if passed.any():
        assert verdict["verdict_precision"] == pytest.approx(precision_score(defective, passed))
    else:
        assert verdict["verdict_precision"] is None


@pytest.mark.parametrize(
    ("defective", "unknown"),
    [
        ([True, True], {"gate_clean_recall", "gate_auc"}),
        ([False, False], {"gate_recall", "gate_auc"}),
        (
            [],
            {"gate_recall", "gate_clean_recall", "gate_auc", "gate_accuracy", "gate_pass_share"},
        ),
    ],
)
def test_gate_scores_that_nothing_supports_are_none(
    defective: list[bool], unknown: set[str]
) -> None:
    truth = np.array(defective, dtype=bool)
    scores = metrics.gate_scores(truth, np.full(len(truth), 0.3), np.ones(len(truth), dtype=bool))
    assert {name for name, value in values(scores).items() if value is None} == unknown
    assert {score.scope for score in scores} == {"overall"}


def test_supports_of_gate_and_verdict() -> None:
    defective = np.array([True, True, True, False])
    passed = np.array([True, True, False, True])
    gate = metrics.gate_scores(defective, np.array([0.9, 0.8, 0.1, 0.7]), passed)
    assert supports(gate) == {
        "gate_recall": 3,
        "gate_clean_recall": 1,
        "gate_auc": 4,
        "gate_accuracy": 4,
        "gate_pass_share": 4,
    }
    assert supports(metrics.verdict_scores(defective, passed)) == {
        "verdict_recall": 3,
        "verdict_clean_recall": 1,
        "verdict_precision": 3,
    }
