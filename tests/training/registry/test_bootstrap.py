"""Test intervals of differences: against exact values and against other implementations."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.published import HEADER, Answers

from training.evaluation.held_out_csv import HeldOutRows, read_held_out
from training.registry import bootstrap
from training.registry.bootstrap import difference_intervals, joint_groups

ROUNDING = 1e-9

pixels = st.integers(0, 40)


@st.composite
def two_bundles(draw: st.DrawFn, one_group: bool) -> tuple[HeldOutRows, HeldOutRows]:
    """Return answers of two bundles to the same pictures: equal truth, different found pixels."""
    count = draw(st.integers(4, 12))
    truth = [[draw(st.sampled_from([0, 0, 10, 30])) for _ in (1, 2)] for _ in range(count)]
    sides = []
    for _ in range(2):
        lines = [HEADER]
        for place, areas in enumerate(truth):
            defective = int(sum(areas) > 0)
            probability = draw(st.sampled_from([0.1, 0.2, 0.5, 0.9]))
            group = "all" if one_group else str(place)
            for class_id, area in enumerate(areas, start=1):
                tp = draw(st.integers(0, area))
                counts = f"{tp},{draw(pixels)},{area - tp},1000"
                passed = int(probability > 0.15)
                lines.append(
                    f"p{place},{group},{defective},{probability},{passed},{class_id},{counts}"
                )
        sides.append(read_held_out("\n".join(lines).encode(), "drawn"))
    return sides[0], sides[1]


def values(rows: HeldOutRows) -> dict[tuple[str, int | None], float | None]:
    return {(one.name, one.class_id): one.value for one in rows.scores()}


@settings(max_examples=40, deadline=None)
@given(two_bundles(one_group=True))
def test_of_one_group_every_draw_is_the_whole_so_both_ends_are_the_metrics_own(
    sides: tuple[HeldOutRows, HeldOutRows],
) -> None:
    """The sums of the bootstrap equal the formulas of `evaluation.metrics`."""
    first, second = map(values, sides)
    intervals = difference_intervals(*sides, resamples=3)
    for metric, value in second.items():
        before = first[metric]
        if value is None or before is None:
            assert metric not in intervals
        else:
            assert intervals[metric] == pytest.approx((value - before,) * 2, abs=ROUNDING), metric


@settings(max_examples=25, deadline=None)
@given(two_bundles(one_group=False))
def test_intervals_hold_differences_that_can_be(sides: tuple[HeldOutRows, HeldOutRows]) -> None:
    intervals = difference_intervals(*sides, resamples=300)
    for metric, (lower, upper) in intervals.items():
        assert -1 <= lower <= upper <= 1, metric
    assert intervals["all_empty_dice", None] == (0, 0)  # the truth is the same


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.2, 0.9),
    st.floats(0.2, 0.9),
    st.integers(0, 2**16),
    st.integers(0, 10),
)
def test_the_point_estimate_lies_inside(one: float, two: float, seed: int, missed: int) -> None:
    first = Answers(one, seed=seed).rows()
    second = Answers(two, seed=seed + 1, missed=missed).rows()
    before, after = values(first), values(second)
    for metric, (lower, upper) in difference_intervals(first, second).items():
        difference = (after[metric] or 0) - (before[metric] or 0)
        assert lower - ROUNDING <= difference <= upper + ROUNDING, metric


def test_a_bundle_does_not_differ_from_itself() -> None:
    rows = Answers().rows()
    intervals = difference_intervals(rows, rows)
    assert {name for name, _ in intervals} >= {"mean_dice", "positives_dice", "iou", "gate_auc"}
    assert set(intervals.values()) == {(0.0, 0.0)}


def test_the_same_seed_gives_the_same_interval_and_turning_the_sides_turns_it() -> None:
    first, second = Answers(0.7).rows(), Answers(0.8, seed=1).rows()
    intervals = difference_intervals(first, second)
    assert difference_intervals(first, second) == intervals
    assert difference_intervals(first, second, seed=1) != intervals
    lower, upper = intervals["positives_dice", None]
    assert difference_intervals(second, first)["positives_dice", None] == (-upper, -lower)


def test_drawing_in_small_portions_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Answers(0.7).rows(), Answers(0.72, seed=1).rows()
    whole = difference_intervals(first, second)["mean_dice", None]
    monkeypatch.setattr(bootstrap, "_NUMBERS_AT_ONCE", 1_000)
    assert difference_intervals(first, second)["mean_dice", None] == pytest.approx(whole, abs=2e-3)


def pictures(shares: list[float], group_size: int) -> HeldOutRows:
    """Return defective pictures of one class; of each, a share of 1,000 pixels is found."""
    lines = [HEADER]
    for place, share in enumerate(shares):
        tp = round(1_000 * share)
        lines.append(f"p{place:04d},{place // group_size},1,,1,1,{tp},0,{1_000 - tp},0")
    return read_held_out("\n".join(lines).encode(), "drawn")


def test_the_interval_is_as_wide_as_the_normal_approximation_has_it() -> None:
    rng = np.random.default_rng(3)
    first, second = (pictures(list(rng.uniform(0.3, 1, 400)), 1) for _ in range(2))
    each = [2 * rows.pairs["tp"] / (1_000 + rows.pairs["tp"]) for rows in (first, second)]
    change = (each[1] - each[0]).to_numpy()
    error = 1.96 * change.std(ddof=1) / math.sqrt(len(change))
    lower, upper = difference_intervals(first, second)["positives_dice", None]
    assert lower == pytest.approx(change.mean() - error, abs=0.1 * error)
    assert upper == pytest.approx(change.mean() + error, abs=0.1 * error)


def test_related_pictures_count_once() -> None:
    """Four copies of a picture in one group add no information; in four groups, they seem to."""
    rng = np.random.default_rng(4)
    single = [rng.uniform(0.3, 1, 100) for _ in range(2)]
    widths = {}
    for group_size in (1, 4):
        sides = [pictures(list(np.repeat(shares, 4)), group_size) for shares in single]
        lower, upper = difference_intervals(*sides)["mean_dice", None]
        widths[group_size] = upper - lower
    assert widths[4] == pytest.approx(2 * widths[1], rel=0.1)


def test_what_most_draws_do_not_hold_has_no_interval() -> None:
    """One defective picture of thirty is in two of three draws; without one, no draw has one."""
    lines = [HEADER, "p0,g0,1,,1,1,500,0,500,0"]
    lines += [f"p{place},g{place},0,,1,1,0,0,0,1000" for place in range(1, 30)]
    rows = read_held_out("\n".join(lines).encode(), "drawn")
    assert difference_intervals(rows, rows)["positives_dice", None] == (0, 0)
    clean = read_held_out("\n".join([HEADER, *lines[2:]]).encode(), "drawn")
    assert ("positives_dice", None) not in difference_intervals(clean, clean)
    assert difference_intervals(clean, clean)["mean_dice", None] == (0, 0)


def test_no_pictures_have_no_interval() -> None:
    nothing = read_held_out(HEADER.encode(), "empty")
    assert difference_intervals(nothing, nothing) == {}


@pytest.mark.parametrize(
    ("first", "second", "joint"),
    [
        ("abcd", "wxyz", [0, 1, 2, 3]),
        ("aabb", "wxyz", [0, 0, 1, 1]),
        ("aabc", "wxxz", [0, 0, 0, 1]),
        ("abca", "abcd", [0, 1, 2, 0]),  # a name on one side says nothing of the other's
    ],
)
def test_pictures_are_together_where_either_side_says_so(
    first: str, second: str, joint: list[int]
) -> None:
    groups = joint_groups(pd.Series(list(first)), pd.Series(list(second)))
    assert groups.tolist() == joint
