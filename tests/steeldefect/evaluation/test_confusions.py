"""Counting pixels from run lengths alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steeldefect.errors import DataError
from steeldefect.evaluation.confusions import (
    COUNT_COLUMNS,
    COUNT_SCHEMA,
    FOUND_PROBLEM,
    PairCounter,
)
from steeldefect.evaluation.pair_counts import PairCounts, join_counted
from steeldefect.evaluation.pairing import PAIR_SCHEMA
from steeldefect.evaluation.truth_checks import refuse_problems
from steeldefect.pictures import run_lengths

Mask = npt.NDArray[np.bool_]
COUNTS = ["tp", "fp", "fn"]
COUNTER = PairCounter(0.5, (4, 9))


def batch(*rows: tuple[str, str], shape: tuple[int, int] = (4, 6)) -> pa.RecordBatch:
    """Pairs of true and found run lengths."""
    made = [
        {"picture": number, "class_id": 1, "truth": truth, "found": found}
        | {"height": shape[0], "width": shape[1]}
        for number, (truth, found) in enumerate(rows)
    ]
    return pa.RecordBatch.from_pylist(made, PAIR_SCHEMA)


def counted(*batches: pa.RecordBatch) -> pd.DataFrame:
    frame: pd.DataFrame = pa.Table.from_batches(COUNTER.count(batches), COUNT_SCHEMA).to_pandas()
    return frame


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ("", "", [0, 0, 0]),
        ("1 5", "", [0, 0, 5]),
        ("", "1 5", [0, 5, 0]),
        ("1 5", "1 5", [5, 0, 0]),
        ("1 5", "3 5", [3, 2, 2]),
        ("1 24", "1 24", [24, 0, 0]),
        ("1 1 24 1", "2 22", [0, 22, 2]),
    ],
)
def test_pixels_by_example(truth: str, found: str, expected: list[int]) -> None:
    table = counted(batch((truth, found)))
    assert table[COUNTS].to_numpy().tolist() == [expected]
    assert table["problem"].tolist() == [""]


pairs = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda shape: st.tuples(arrays.arrays(np.bool_, shape), arrays.arrays(np.bool_, shape))
)


@settings(deadline=None, max_examples=100)
@given(pairs)
def test_pixels_are_those_of_the_drawn_masks(pair: tuple[Mask, Mask]) -> None:
    truth, found = pair
    table = counted(
        batch((run_lengths.encode(truth), run_lengths.encode(found)), shape=truth.shape)
    )
    tp, fp, fn = table[COUNTS].iloc[0]
    assert tp == (truth & found).sum()
    assert fp == (~truth & found).sum()
    assert fn == (truth & ~found).sum()


def test_every_batch_gives_one_in_its_order() -> None:
    batches = [batch(("1 1", "")), batch(("", "1 2"), ("1 3", "1 3")), batch()]
    answers = list(COUNTER.count(batches))
    assert [answer["picture"].to_pylist() for answer in answers] == [[0], [0, 1], []]
    assert {answer.schema for answer in answers} == {COUNT_SCHEMA}


def test_spark_is_told_the_same_columns() -> None:
    told = [part.rsplit(" ", 1) for part in COUNT_COLUMNS.split(", ")]
    kinds = {"bigint": "int64", "int": "int32", "double": "double", "string": "string"}
    kinds["array<int>"] = "list<item: int32>"
    assert [(name, kinds[kind]) for name, kind in told] == [
        (field.name, str(field.type)) for field in COUNT_SCHEMA
    ]


def test_defects_are_counted_by_size() -> None:
    # of 4 rows and 6 columns: true columns 1 and 3 to 5, found columns 1 and 5
    truth, found = "1 4 9 12", "1 3 20 1"
    row = counted(batch((truth, found))).iloc[0]
    assert (row["true_defects"], row["found_defects"], row["matched_defects"]) == (2, 2, 1)
    assert row["matched_iou"] == 0.75
    assert row["true_by_size"].tolist() == [0, 1, 1]
    assert row["matched_true_by_size"].tolist() == [0, 1, 0]
    assert row["found_by_size"].tolist() == [2, 0, 0]
    assert row["matched_found_by_size"].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("truth", "problem"),
    [
        ("1", "run 0: a start without a length"),
        ("20 10", "run 0: is out of bounds: a picture of (4, 6) has 24 pixels"),
        ("x 1", "run 0: not a whole number"),
    ],
)
def test_a_malformed_truth_is_noted_and_then_refused_by_name(truth: str, problem: str) -> None:
    answers = counted(batch(("1 1", ""), (truth, "1 1")))
    assert answers["problem"].iloc[0] == ""
    assert problem in answers["problem"].iloc[1]
    rows = pd.DataFrame({"picture": [0, 1], "class_id": [1, 1], "line": [2, 7]})
    with pytest.raises(DataError) as caught:
        refuse_problems(answers.assign(name=["a.jpg", "b.jpg"]), rows, "train.csv")
    assert str(caught.value).startswith("train.csv: line 7: b.jpg class 1: malformed run lengths: ")
    assert problem in str(caught.value)


def test_only_the_first_few_problems_are_listed() -> None:
    answers = counted(batch(*[("1", "")] * 9)).assign(name=[f"p{n}" for n in range(9)])
    rows = answers[["picture", "class_id"]].assign(line=range(9, 0, -1))
    with pytest.raises(DataError, match=r": line 1: p8 class 1: .* line 5: p4 .* and 4 more$"):
        refuse_problems(answers, rows, "train.csv")


def test_a_sound_truth_is_let_pass() -> None:
    answers = counted(batch(("1 1", ""), ("", "1 1"))).assign(name=["a", "b"])
    refuse_problems(answers, answers[["picture", "class_id"]].assign(line=2), "train.csv")


def test_a_problem_of_a_prediction_is_told_from_one_of_the_truth() -> None:
    answers = counted(batch(("1 1", "20 10"), ("20 10", "20 10")))
    found, true = answers["problem"]
    assert found.startswith(f"{FOUND_PROBLEM}malformed run lengths: run 0: is out of bounds")
    assert not true.startswith(FOUND_PROBLEM)


def three_pictures() -> PairCounts:
    images = pd.DataFrame({"source": "/s", "key": list("abc"), "image_id": list("abc")})
    images = images.assign(height=4, width=6).set_index(pd.Index([0, 1, 5]))
    drawn = pa.Table.from_batches(COUNTER.count([batch(("1 5", "3 5"), ("2 1", ""))]))
    moved = drawn.set_column(0, "picture", pa.array([5, 0]))
    return join_counted([moved.drop_columns("problem")], images, {1: "one", 2: "two"}, 3)


def test_pairs_without_masks_are_all_background() -> None:
    counts = three_pictures()
    rows = pa.concat_tables(counts.rows()).to_pylist()
    shown = [[row[name] for name in ("key", "class_name", *COUNTS, "tn")] for row in rows]
    assert shown == [
        ["a", "one", 0, 0, 1, 23],
        ["a", "two", 0, 0, 0, 24],
        ["b", "one", 0, 0, 0, 24],
        ["b", "two", 0, 0, 0, 24],
        ["c", "one", 3, 2, 2, 17],
        ["c", "two", 0, 0, 0, 24],
    ]
    assert [row["true_by_size"] for row in rows[:2]] == [[1, 0, 0], [0, 0, 0]]
    assert [row["matched_iou"] for row in rows[3:]] == [0.0, 0.0, 0.0]
    pixels = counts.pixels()
    assert pixels[COUNTS].to_numpy().tolist() == [[row[name] for name in COUNTS] for row in rows]
    assert pixels["class_id"].tolist() == [1, 2] * 3


def test_rows_of_many_pictures_are_made_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pa.concat_tables(three_pictures().rows())
    monkeypatch.setattr("steeldefect.evaluation.pair_counts._PICTURES", 1)
    parts = list(three_pictures().rows())
    assert [part.num_rows for part in parts] == [2, 2, 2]
    assert pa.concat_tables(parts).equals(whole)


def test_a_class_that_only_the_predictions_have_is_counted() -> None:
    counts = three_pictures()
    other = join_counted([counts.drawn], counts.images, {2: "two"}, 3)
    assert other.classes == {1: "class_1", 2: "two"}
