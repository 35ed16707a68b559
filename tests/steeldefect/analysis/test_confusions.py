"""Counting pixels from run lengths alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steeldefect.analysis.confusions import (
    CONFUSION_SCHEMA,
    count_pixels,
    join_counts,
    refuse_problems,
)
from steeldefect.errors import DataError, RunLengthError
from steeldefect.pictures import run_lengths

Mask = npt.NDArray[np.bool_]
COUNTS = ["tp", "fp", "fn", "tn"]


def batch(*rows: tuple[str, str], shape: tuple[int, int] = (4, 6)) -> pd.DataFrame:
    """Pairs of true and found run lengths."""
    table = pd.DataFrame(rows, columns=["truth", "found"])
    return table.assign(row=range(len(table)), height=shape[0], width=shape[1])


def counted(*batches: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(count_pixels(batches), ignore_index=True)


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ("", "", [0, 0, 0, 24]),
        ("1 5", "", [0, 0, 5, 19]),
        ("", "1 5", [0, 5, 0, 19]),
        ("1 5", "1 5", [5, 0, 0, 19]),
        ("1 5", "3 5", [3, 2, 2, 17]),
        ("1 24", "1 24", [24, 0, 0, 0]),
        ("1 1 24 1", "2 22", [0, 22, 2, 0]),
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
    tp, fp, fn, tn = table[COUNTS].iloc[0]
    assert tp == (truth & found).sum()
    assert fp == (~truth & found).sum()
    assert fn == (truth & ~found).sum()
    assert tn == (~truth & ~found).sum()


def test_every_batch_gives_one_in_its_order() -> None:
    batches = [batch(("1 1", "")), batch(("", "1 2"), ("1 3", "1 3")), batch()]
    answers = list(count_pixels(batches))
    assert [answer["row"].tolist() for answer in answers] == [[0], [0, 1], []]
    assert all(list(answer.columns) == CONFUSION_SCHEMA.replace(" long", "").replace(
        " string", "").split(", ") for answer in answers)  # fmt: skip


@pytest.mark.parametrize(
    ("truth", "problem"),
    [
        ("1", "run 0: a start without a length"),
        ("20 10", "run 0: is out of bounds: a picture of (4, 6) has 24 pixels"),
        ("x 1", "run 0: not a whole number"),
    ],
)
def test_a_malformed_truth_is_noted_and_then_refused_by_name(truth: str, problem: str) -> None:
    table = batch(("1 1", ""), (truth, "1 1"))
    answers = counted(table)
    assert answers["problem"].iloc[0] == ""
    assert problem in answers["problem"].iloc[1]
    with pytest.raises(DataError) as caught:
        refuse_problems(table.assign(name=["a.jpg", "b.jpg"], class_id=[1, 3]), answers)
    assert str(caught.value).startswith("labels: b.jpg class 3: malformed run lengths: ")
    assert problem in str(caught.value)


def test_only_the_first_few_problems_are_listed() -> None:
    table = batch(*[("1", "")] * 9).assign(name=[f"p{n}" for n in range(9)], class_id=1)
    with pytest.raises(DataError, match=r"p4 class 1: .* and 4 more$"):
        refuse_problems(table, counted(table))


def test_a_sound_truth_is_let_pass() -> None:
    table = batch(("1 1", ""), ("", "")).assign(name=["a", "b"], class_id=1)
    refuse_problems(table, counted(table))


def test_malformed_predictions_are_an_error_at_once() -> None:
    with pytest.raises(RunLengthError, match="out of bounds"):
        counted(batch(("1 1", "20 10")))


def test_counts_are_joined_and_pairs_without_masks_are_all_background() -> None:
    pairs = batch(("1 5", "3 5"), ("", ""), ("2 1", "")).assign(key=["a", "b", "c"])
    joined = join_counts(pairs, counted(pairs.iloc[[2, 0]]))
    assert joined[["key", *COUNTS]].to_numpy().tolist() == [
        ["a", 3, 2, 2, 17],
        ["b", 0, 0, 0, 24],
        ["c", 0, 0, 1, 23],
    ]
    assert {str(joined[name].dtype) for name in COUNTS} == {"int64"}
